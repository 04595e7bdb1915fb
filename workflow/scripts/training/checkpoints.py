"""Checkpoints that a retry can trust: sealed when they are whole, found again, rotated without losing the best.

A training's folder `checkpoints/` holds identity.json (settings, data, base: what a resumed run must agree in), the
prepared tokens, checkpoint-<step>/ with a seal of digests, and best-<step>/, the adapters of the best evaluations.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from core.command import InputError, say
from core.records import read_json, write_json
from models.files import file_digest
from training.history import best_evaluation

SEAL = "seal.json"


def seal_checkpoint(checkpoint: Path) -> None:
    """Write the digests of a checkpoint's files, last of all: what has no seal or differs from it is not whole."""
    files = (path for path in checkpoint.rglob("*") if path.is_file() and path.name != SEAL)
    write_json(checkpoint / SEAL, {str(path.relative_to(checkpoint)): file_digest(path) for path in sorted(files)})


def is_whole(checkpoint: Path) -> bool:
    """Whether a checkpoint is sealed and each of its files is as it was then."""
    try:
        seal = read_json(checkpoint / SEAL)
    except (InputError, UnicodeDecodeError):  # killed before it was sealed, or a damaged file
        return False
    return all((checkpoint / name).is_file() and file_digest(checkpoint / name) == seal[name] for name in seal)


def step_of(folder: Path) -> int:
    """The step in the name of a checkpoint or best adapter."""
    return int(folder.name.rsplit("-", 1)[1])


def find_checkpoints(folder: Path) -> list[Path]:
    """All checkpoints, oldest first."""
    return sorted(folder.glob("checkpoint-*"), key=step_of)


def newest_whole(folder: Path) -> Path | None:
    """The checkpoint to resume from; None for a fresh start. Broken ones are said and removed."""
    for checkpoint in reversed(find_checkpoints(folder)):
        if is_whole(checkpoint):
            return checkpoint
        say("train_lora", f"warning: {checkpoint.name} is not whole and is skipped; the one before it is used")
        shutil.rmtree(checkpoint)
    return None


def agree_with(folder: Path, identity: dict[str, Any]) -> None:
    """Make `folder` the checkpoints of this training: those of other settings, data or base are removed."""
    record = folder / "identity.json"
    if record.is_file() and read_json(record) == identity:
        return
    if record.is_file():
        say("train_lora", "starts anew: settings or data changed since the interrupted run")
    if folder.exists():
        shutil.rmtree(folder)
    write_json(record, identity)


def rotate_checkpoints(folder: Path, n_kept: int) -> None:
    """Remove all but the newest checkpoints."""
    for checkpoint in find_checkpoints(folder)[:-n_kept]:
        shutil.rmtree(checkpoint)


def rotate_bests(folder: Path, log_history: list[dict[str, Any]]) -> None:
    """Remove the best adapters with which neither this run nor one resumed from a checkpoint can end."""
    ends = [step_of(checkpoint) for checkpoint in find_checkpoints(folder)]
    histories = [log_history, *([record for record in log_history if record["step"] <= end] for end in ends)]
    needed = {best[0] for history in histories if (best := best_evaluation(history))}
    for path in folder.glob("best-*"):
        if step_of(path) not in needed:
            shutil.rmtree(path)
