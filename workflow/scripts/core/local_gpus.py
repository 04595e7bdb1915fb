"""The GPUs of this machine, shared among jobs that no scheduler places: each job holds its own, for as long as it runs.

A GPU is held by a lock on a file, which the job's process inherits: the kernel frees it when the last process of the
job ends, however it ends. Snakemakes of one user on one machine share the locks.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

VARIABLE = "CUDA_VISIBLE_DEVICES"
HIDDEN = ("", "-1", "NoDevFiles")  # how that variable says that there are none
SECONDS_BETWEEN_TRIES = 1.0
PLACED = "GPUS_ARE_PLACED"  # set by a run whose jobs a cluster's scheduler places; jobs inherit it


def visible_gpus() -> list[str]:
    """Indices or identifiers of the GPUs that this process may use; empty without a working nvidia-smi."""
    given = os.environ.get(VARIABLE)
    if given is not None:
        return [] if given in HIDDEN else given.split(",")
    if not shutil.which("nvidia-smi"):
        return []
    command = ["nvidia-smi", "--query-gpu=index", "--format=csv,noheader"]
    try:
        return subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout.split()
    except (subprocess.SubprocessError, OSError):
        return []  # a broken driver, or a program that cannot be run: torch would see no GPU either


def is_scheduled() -> bool:
    """Whether a cluster's scheduler has placed this job and given it its GPUs.

    A variable of the scheduler would not tell: jobs that Snakemake itself starts within an allocation have it too.
    """
    return PLACED in os.environ


def hold_gpus(count: int, gpus: list[str]) -> list[str]:
    """Wait until `count` of the GPUs are free and hold them until this process and its children end.

    All or none are held, so that two jobs never wait for each other.
    """
    # Each allocation of SLURM may count its GPUs from 0.
    allocation = os.environ.get("SLURM_JOB_ID", "")
    folder = Path(tempfile.gettempdir()) / f"svg-captioning-gpus-{os.getuid()}{allocation and '-'}{allocation}"
    folder.mkdir(mode=0o700, exist_ok=True)
    waiting = False
    while True:
        held: dict[str, int] = {}
        for gpu in gpus:
            if len(held) < count and (lock := _try_lock(folder / f"{gpu}.lock")) is not None:
                held[gpu] = lock
        if len(held) == count:
            for lock in held.values():
                os.set_inheritable(lock, True)
            return list(held)
        for lock in held.values():
            os.close(lock)
        if not waiting:
            waiting = True
            print(f"waiting for {count} of the GPUs {', '.join(gpus)}: other jobs hold them", file=sys.stderr)
        time.sleep(SECONDS_BETWEEN_TRIES)


def missing_gpus(requested: Mapping[str, int], found: int) -> str | None:
    """A sentence on jobs that ask for more GPUs than this machine has; None where all have theirs."""
    lacking = {name: count for name, count in requested.items() if count > found}
    if not lacking:
        return None
    named = ", ".join(f"{name} ({count})" for name, count in sorted(lacking.items()))
    if found:
        return f"this machine has {found} GPU(s), fewer than these jobs ask for: {named}; lower gpus"
    return (
        f"THIS MACHINE HAS NO GPU, these jobs will run on the CPU, which may take weeks: {named}; set gpus: 0 to say so"
    )


def _try_lock(path: Path) -> int | None:
    lock = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    with contextlib.suppress(BlockingIOError):
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return lock
    os.close(lock)
    return None
