"""How the processes of a training tell the command that started them why they end: files beside the checkpoints.

Launchers give no more than an exit code of their own, and a signal may reach any of the processes alone. A process that
trains alone tells nothing: it is that command.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from core.command import InputError, MachineError
from core.records import read_json, write_json

STOPPED = "stopped"


def forget_endings(checkpoints: Path) -> None:
    """Remove what the processes of an earlier attempt have told."""
    for path in checkpoints.glob("ended-*.json"):
        path.unlink()


def tell_stopped(checkpoints: Path) -> None:
    """Tell that a signal has stopped the training and that its checkpoint is whole."""
    _tell(checkpoints, {STOPPED: True})


@contextlib.contextmanager
def told_faults(checkpoints: Path) -> Iterator[None]:
    """Tell by which fault of the input or of the machine the block ends."""
    try:
        yield
    except InputError as error:
        _tell(checkpoints, {"fault": str(error), "of_machine": isinstance(error, MachineError)})
        raise


def was_stopped(checkpoints: Path) -> bool:
    """Whether a signal has stopped the training. Raises the fault that a process has told, where there is one."""
    endings = [read_json(path) for path in sorted(checkpoints.glob("ended-*.json"))]
    for ending in endings:
        if "fault" in ending:
            raise (MachineError if ending["of_machine"] else InputError)(ending["fault"])
    return any(STOPPED in ending for ending in endings)


def _tell(checkpoints: Path, ending: dict[str, Any]) -> None:
    if rank := os.environ.get("RANK"):
        write_json(checkpoints / f"ended-{rank}.json", ending)
