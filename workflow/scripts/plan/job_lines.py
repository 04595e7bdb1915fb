"""What a run shows on the terminal: one line for each job that ends, and a failed job with the end of its log.

Snakemake tells of each job when it starts and ends, and of each round of its scheduler. All of that goes into its log
file (.snakemake/log). The terminal gets these instead:

    86 jobs to do: 30 score_text, 6 caption_health, …
    22:54:46 [71/86] caption_health clip_nearest (1.2 s): 9 identical for many samples (n 80)
    22:54:49 [72/86] caption_llm smollm2-test3 (41.2 s): "a small red circle"; 80/80 captions, …
    22:54:52 FAILED score_clip constant
      log: results/demo/logs/score_clip/constant.log
      …

A job is named by its rule and wildcards. After its time stands the last line that its command logged; before that line,
an example of the captions that it wrote (example_captions.py), which Snakemake's log file gets as well. Warnings,
errors and messages that are not known here pass unchanged. Commands print the progress of long jobs themselves
(core/command.py).
"""

from __future__ import annotations

import logging
import re
import textwrap
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from snakemake_interface_logger_plugins.common import LogEvent

from core.command import LOG_LINE, format_duration
from plan.example_captions import ExampleCaptions, escape, one_line

STREAM_HANDLER = "DefaultStreamHandler"  # the name that Snakemake gives its handler of the terminal
END_OF_LOG = 1 << 14  # bytes read
TAIL_LINES = 20  # of the log of a failed job
GROUP_TAIL_LINES = 5  # of each log of a failed group
WIDTH = 160  # a longer line is cut
HIDDEN_EVENTS = {
    LogEvent.WORKFLOW_STARTED,
    LogEvent.RESOURCES_INFO,
    LogEvent.JOB_STARTED,
    LogEvent.PROGRESS,
    LogEvent.GROUP_INFO,
    LogEvent.SHELLCMD,
}
# How messages without an event begin that tell nothing of a job.
HIDDEN_MESSAGES = (
    "Assuming unrestricted shared filesystem usage",
    "Building DAG of jobs",
    "Using shell",
    "Group jobs: inactive",
    "Conda environments: ignored",
    "Singularity containers: ignored",
    "Select jobs to execute",
)
OF_A_RULE = "RuleException"  # else a command of the workflow itself has failed, and nothing else says so
NONZERO = "returned non-zero exit status"
RESTART = re.compile(r"Trying to restart job (\d+)\.")
SUBMITTED = re.compile(r"Job (\d+) has been submitted with SLURM jobid (\S+) ")


class JobLines(logging.Formatter):
    """Filter (`admits`) and formatter of Snakemake's records for the terminal. `clock` gives seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self.clock = clock
        self.total = self.n_done = 0
        self.waits = False  # a scheduler of a cluster starts the jobs, so that the time of a job is not known here
        self.jobs: dict[int, Mapping[str, Any]] = {}
        self.started: dict[int, float] = {}
        self.examples = ExampleCaptions()

    def add_example(self, record: logging.LogRecord) -> bool:
        """Add an example of its captions to the record of a job that ends, for all handlers. Passes every record."""
        if getattr(record, "event", None) == LogEvent.JOB_FINISHED:
            fields = vars(record)
            fields["example"] = self.examples.describe(self.jobs.get(fields["job_id"], {}))
            record.msg = "\n".join(filter(None, [str(record.msg), *fields["example"]]))
        return True

    def admits(self, record: logging.LogRecord) -> bool:
        """Whether a record is shown. Remembers the jobs that start, and how many there are."""
        event = getattr(record, "event", None)
        if event == LogEvent.JOB_INFO:
            job = vars(record)
            self.jobs[job["jobid"]] = job
            self.started[job["jobid"]] = self.clock()
            return False
        if event == LogEvent.ERROR and str(record.msg).startswith(OF_A_RULE) and NONZERO in str(record.msg):
            return False  # of a job's command, which its own error shows
        if event == LogEvent.RUN_INFO:
            self.total = vars(record)["stats"]["total"]
        if event in HIDDEN_EVENTS and record.levelno < logging.WARNING:
            return False
        return event is not None or not str(record.msg).startswith(HIDDEN_MESSAGES)

    def format(self, record: logging.LogRecord) -> str:
        event, fields = getattr(record, "event", None), vars(record)
        if event == LogEvent.RUN_INFO:
            return describe_jobs(fields["stats"])
        if event == LogEvent.JOB_FINISHED:
            return self._finished(fields["job_id"], *fields["example"])
        if event == LogEvent.JOB_ERROR:
            return describe_failure(self._name(fields["jobid"], fields["rule_name"]), fields)
        if event == LogEvent.GROUP_ERROR:
            return f"{time.strftime('%H:%M:%S')} FAILED a group of {len(fields['job_error_info'])} jobs, one of these:"
        message = str(record.msg or "")
        if restarted := RESTART.match(message):
            return f"{time.strftime('%H:%M:%S')} trying again: {self._name(int(restarted[1]))}"
        if submitted := SUBMITTED.match(message):
            return f"{time.strftime('%H:%M:%S')} submitted {self._name(int(submitted[1]))} as SLURM job {submitted[2]}"
        return message

    def _finished(self, jobid: int, introduction: str, caption: str) -> str:
        self.n_done += 1
        job = self.jobs.get(jobid, {})
        seconds = self.clock() - self.started.get(jobid, self.clock())
        took = "" if self.waits else f" ({format_duration(seconds)})"
        logged = next(filter(None, map(last_message, job.get("log", ()))), "")
        said = "; ".join(filter(None, (caption, logged)))
        line = f"{time.strftime('%H:%M:%S')} [{self.n_done}/{self.total}] {self._name(jobid)}{took}"
        line = one_line(f"{line}: {said}" if said else line, WIDTH)
        return f"{introduction}\n{line}" if introduction else line

    def _name(self, jobid: int, rule: str = "") -> str:
        """`score_text smollm2-test3 bleu`."""
        job = self.jobs.get(jobid)
        if job is None:
            return rule or f"job {jobid}"
        return " ".join([job["rule_name"], *map(str, job["wildcards"].values())])


def show_job_lines(logger: logging.Logger, lines: JobLines) -> None:
    """Let the terminal of a run show job lines. Without Snakemake's own handler (a logger plugin) nothing changes."""
    logger.addFilter(lines.add_example)
    for handler in logger.handlers:
        if handler.name == STREAM_HANDLER:
            handler.filters.insert(0, lines.admits)  # before Snakemake's, to see all jobs also under --quiet
            handler.setFormatter(lines)


def describe_jobs(stats: Mapping[str, int]) -> str:
    """`86 jobs to do: 30 score_text, 6 caption_health, …`, the most frequent first."""
    rules = {rule: n for rule, n in stats.items() if rule != "total"}
    words = ", ".join(f"{n} {rule}" for rule, n in sorted(rules.items(), key=lambda item: -item[1]))
    n = stats["total"]
    return textwrap.fill(f"{n} {'job' if n == 1 else 'jobs'} to do: {words}", 100, subsequent_indent="  ")


def describe_failure(name: str, error: Mapping[str, Any]) -> str:
    """A failed job: its name, its command, and where its logs are, with their last lines."""
    lines = [f"{time.strftime('%H:%M:%S')} FAILED {name}"]
    if error["rule_msg"]:
        lines.append(f"  {error['rule_msg']}")
    lines += [f"  {key}: {text}" for key, text in error["aux"].items()]
    if error["shellcmd"] and not error["indent"]:
        lines.append(f"  command: {error['shellcmd'].strip()}")
    for log in error["log"]:
        path = Path(log)
        tail = read_tail(path)[-(GROUP_TAIL_LINES if error["indent"] else TAIL_LINES) :]
        lines.append(f"  log: {log}{'' if tail else ' (empty)' if path.is_file() else ' (was not written)'}")
        lines += [f"  | {line}" for line in tail]
    return "\n".join(lines)


def last_message(log: str) -> str:
    """The message of the last line of a command's log; "" where it ended with something else, or has logged nothing."""
    lines = read_tail(Path(log))
    found = LOG_LINE.fullmatch(lines[-1]) if lines else None
    return found["message"] if found else ""


def read_tail(path: Path) -> list[str]:
    """The last lines of a file with text in them, harmless for a terminal; none where it is missing."""
    if not path.is_file():
        return []
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - END_OF_LOG))
        lines = file.read().decode(errors="replace").splitlines()
    return ["".join(map(escape, line.expandtabs())) for line in lines if line.strip()]
