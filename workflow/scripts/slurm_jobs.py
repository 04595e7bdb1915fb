"""Jobs that SLURM still has of a run whose Snakemake is gone.

A Snakemake that is killed leaves its jobs running. It has written their numbers beside the outputs that they were to
make; rules/common.smk asks here, before it submits anything, whether one of them is still queued or running.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterable


def live_jobs(numbers: Iterable[str]) -> dict[str, str]:
    """State (RUNNING, PENDING, ...) of those jobs that SLURM still has, by number; empty where there is no SLURM."""
    wanted = set(numbers)
    if not wanted or not shutil.which("squeue"):
        return {}
    lines = subprocess.run(
        ["squeue", "--me", "--noheader", "--format=%i %T"], check=True, capture_output=True, text=True
    )
    states = dict(line.split() for line in lines.stdout.splitlines())
    return {number: states[number] for number in sorted(wanted & states.keys(), key=int)}


def second_copy_message(live: dict[str, tuple[str, list[str]]]) -> str:
    """What to do about jobs that are still there; `live` gives state and outputs by job number."""
    lines = [f"  {number} ({state}) writes {', '.join(outputs)}" for number, (state, outputs) in live.items()]
    return "\n".join(
        [
            "An earlier Snakemake was killed, and SLURM still has jobs of it. A second copy of each would write the "
            "same files; nothing was submitted.",
            *lines,
            "Either cancel them, and run again; training goes on from its last checkpoint:",
            f"  scancel {' '.join(live)}",
            "or wait until `squeue --me` shows them no more, keep what they made, and run again:",
            f"  snakemake --cleanup-metadata {' '.join(file for _, files in live.values() for file in files)}",
        ]
    )
