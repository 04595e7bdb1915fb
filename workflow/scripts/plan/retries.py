"""Which failed jobs are worth another attempt: not those whose command said that its input must be fixed.

A profile's `retries` gives a failed job another attempt with more time and memory. That helps a job that SLURM ended,
or one on a broken machine. It does not help a wrong setting or a damaged file: such a command ends with one line that
begins with `error: ` (core/command.py), and would end so again, after as many hours.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from core.command import INPUT_ERROR

END_OF_LOG = 1 << 16  # bytes read: a message is longer than one line where it lists records
# What the launcher of several processes prints after the message of one of them.
LAUNCHER_TRACEBACK = "ChildFailedError"


def input_error(log: Path) -> str | None:
    """The message by which a command said that its input must be fixed; None where its log does not end so."""
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - END_OF_LOG))
        text = "\n" + file.read().decode(errors="replace")
    _, found, message = text.rpartition(f"\n{INPUT_ERROR}")
    crashed = "\nTraceback" in message and LAUNCHER_TRACEBACK not in message
    return message.partition("\n")[0] if found and not crashed else None


class RetryRule:
    """Wraps the method of Snakemake's scheduler that handles a failed job; gives no attempt more to an input error.

    Snakemake has no setting for this. Its method, `handle_error`, decides by `job.attempt`, counted from 1. The times
    of all logs before the run tell old messages from those of this run: a job that ended before its command began has
    left its log as it was.
    """

    def __init__(self, jobs: Iterable[Any], handle_error: Callable[..., None], inform: Callable[[str], None]) -> None:
        self.handle_error, self.inform = handle_error, inform
        self.before = {log: _time(log) for job in jobs for log in _logs(job)}

    def __call__(self, job: Any, *arguments: Any, **keywords: Any) -> None:
        if job.restart_times > job.attempt - 1:
            for log in _logs(job):
                message = input_error(log) if _time(log) not in (None, self.before.get(log)) else None
                if message:
                    self.inform(f"Not tried again, since another attempt would end the same way ({log}): {message}")
                    # Not `job.attempt`: its setter computes the resources anew, before those taken are given back.
                    job._attempt = job.restart_times + 1
                    break
        self.handle_error(job, *arguments, **keywords)


def _logs(job: Any) -> Iterator[Path]:
    """The logs of a job, or of all jobs of a group."""
    for member in job.jobs if job.is_group() else [job]:
        yield from map(Path, member.log)


def _time(path: Path) -> int | None:
    return path.stat().st_mtime_ns if path.is_file() else None
