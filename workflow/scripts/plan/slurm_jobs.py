"""Jobs that SLURM still has of a run whose Snakemake is gone.

A Snakemake that is killed leaves its jobs running. Snakemake's own marks do not tell them: the Snakemake inside a job
marks its outputs again, without the job's number. But each run gives all its jobs one name, the run id, and rules and
wildcards as comment. So the workflow keeps the run ids of an experiment, and asks here, before it submits anything,
whether SLURM still has one of the jobs that it is about to submit.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Collection
from typing import NamedTuple

from core.command import MachineError


def job_name_prefix(experiment: str) -> str:
    """What the names of an experiment's jobs begin with in `squeue`; the plugin allows letters, digits, - and _."""
    return re.sub(r"[^A-Za-z0-9_-]", "-", experiment)[:50]


class LiveJob(NamedTuple):
    """A job that is queued or running; `comment` is what the executor plugin says of it, as `comment_of` does."""

    number: str
    state: str
    comment: str


def live_jobs(run_ids: Collection[str]) -> list[LiveJob]:
    """The user's jobs of those runs that SLURM still has, oldest first; none where there is no SLURM.

    Raises MachineError where SLURM does not answer.
    """
    if not run_ids or not shutil.which("squeue"):
        return []
    command = ["squeue", "--me", "--noheader", "--format=%i|%T|%j|%k"]
    answer = subprocess.run(command, capture_output=True, text=True)
    if answer.returncode:
        raise MachineError(
            f"squeue fails, so that it is not known whether jobs of a run before still go on: {answer.stderr.strip()}; "
            "try again where SLURM answers"
        )
    jobs = (line.split("|", 3) for line in answer.stdout.splitlines())
    live = [LiveJob(number, state, comment) for number, state, name, comment in jobs if name in run_ids]
    return sorted(live, key=lambda job: int(job.number))


def comment_of(rule: str, wildcards: Collection[str], group: str | None) -> str:
    """The comment that the plugin gives the job of a rule, or how the one of a group's jobs begins.

    A group's comment names its rules and no wildcards, so all jobs of a group are taken for the same one.
    """
    if group:
        return f"rule_{group}_"
    values = "_".join(wildcards).replace("/", "_")
    return f"rule_{rule}_wildcards_{values}" if values else f"rule_{rule}"


def second_copies(live: Collection[LiveJob], outputs: dict[str, list[str]]) -> dict[LiveJob, list[str]]:
    """The live jobs that write what is to be made; `outputs` gives files by `comment_of` their job."""
    copies = {}
    for job in live:
        files = [
            file
            for comment, some in outputs.items()
            if job.comment == comment or (comment.endswith("_") and job.comment.startswith(comment))
            for file in some
        ]
        if files:
            copies[job] = files
    return copies


def second_copy_message(copies: dict[LiveJob, list[str]]) -> str:
    """What to do about jobs that are still there."""
    return "\n".join(
        [
            "An earlier Snakemake was killed, and SLURM still has jobs of it. A second copy of each would write the "
            "same files; nothing was submitted.",
            *(f"  {job.number} ({job.state}) writes {', '.join(files)}" for job, files in copies.items()),
            "Either cancel them, and run again; training goes on from its last checkpoint:",
            f"  scancel {' '.join(job.number for job in copies)}",
            "or wait until `squeue --me` shows them no more, and run again; what they made is kept.",
        ]
    )
