"""How every script behaves as a command: one-line errors, whole files, few progress lines.

A script ends with

    if __name__ == "__main__":
        run_command(main, build_parser())

where `main` takes the parsed arguments as keywords. Whatever a person can fix is raised as
`InputError` and printed as one line with exit code 1; a traceback means a fault of ours.
"""

from __future__ import annotations

import argparse
import contextlib
import errno
import gc
import os
import re
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from core.code_digest import code_has_changed

INPUT_ERROR = "error: "  # begins the last line of a log where another attempt would fail again
MACHINE_ERROR = "error of this machine: "  # begins it where another attempt may succeed
WARNING = "warning: "  # begins a message that a person should see while the job runs
SECONDS_BETWEEN_TERMINAL_LINES = 30.0  # of the progress of one job
LOG_LINE = re.compile(r"\d\d:\d\d:\d\d (?P<stage>.+?): (?P<message>.+)")


class InputError(Exception):
    """Bad input that a person can fix. The message names the file, the record and the fix."""


class MachineError(InputError):
    """A fault of the machine or the network: another attempt, perhaps on another machine, may succeed."""


def run_command(function: Callable[..., None], parser: argparse.ArgumentParser) -> None:
    """Parse the command line, call `function` with the arguments as keywords, report errors.

    Every command takes --planned-code, which the rules give: the AST digest under which Snakemake records the result.
    Code that was edited since must not make a result under the old digest, so the command refuses to run.
    Exit codes: 0 done, 1 bad input or no space left, 2 wrong usage (argparse).
    """
    parser.add_argument("--planned-code", help="refuse to run if the code has another AST digest than this one")
    arguments = vars(parser.parse_args())
    planned = arguments.pop("planned_code")
    gc.freeze()  # what is imported stays
    gc.enable()  # off since core/quiet_libraries.py
    try:
        if planned and code_has_changed(planned):
            raise InputError(
                f"the code changed after this job was planned ({planned}): let the other jobs end, then start the run "
                "again; to run this command by hand, leave out --planned-code"
            )
        function(**arguments)
    except InputError as error:
        sys.exit(f"{MACHINE_ERROR if isinstance(error, MachineError) else INPUT_ERROR}{error}")
    except OSError as error:
        # Only what a person fixes by making room; any other OSError keeps its traceback.
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            where = error.filename or "the output folder"
            sys.exit(f"{MACHINE_ERROR}no space left on the device while writing {where}: free some space, then rerun")
        raise


@contextlib.contextmanager
def write_whole(path: Path | str) -> Iterator[Path]:
    """Yield a path beside `path` to write to; it becomes `path` only when the block succeeds.

    A killed or failed job leaves at most `<name>.partial`, never something that looks finished.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    try:
        yield partial
        with open(partial, "rb") as written:
            os.fsync(written.fileno())
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def log(stage: str, message: str) -> None:
    """Print one line for a person to stderr, which rules send to their log file; a warning to the terminal as well.

    The terminal shows the last of these lines when the job ends (plan/job_lines.py).
    """
    line = f"{time.strftime('%H:%M:%S')} {stage}: {message}\n"
    sys.stderr.write(line)
    sys.stderr.flush()
    if message.startswith(WARNING):
        show_on_terminal(line)


def show_on_terminal(line: str) -> None:
    """Print a line while the job runs, where the workflow has a terminal: rules name its descriptor in PROGRESS_FD."""
    terminal = os.environ.get("PROGRESS_FD")
    if terminal:
        # The reader of the terminal may be gone (a closed pipe); the log has the line anyway.
        with contextlib.suppress(OSError):
            os.write(int(terminal), line.encode())


def format_duration(seconds: float) -> str:
    """`2 h 05 min`, `3 min 12 s`, `4.1 s`."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"


class Progress:
    """Progress of a long loop: a bar on a terminal, elsewhere a line every few seconds; with share, rate, time left.

    In a job of the workflow these lines go to the job's log; its terminal gets one every half minute.

    `total` is None where nobody knows it yet: then there is no share and no time left.

    with Progress("caption_llm smollm2", total=80, unit="caption") as progress:
        for batch in batches:
            ...
            progress.advance(len(batch), loss=0.52)
    """

    def __init__(self, stage: str, total: int | None, unit: str, seconds_between_lines: float = 5.0):
        self.stage, self.total, self.unit = stage, total, unit
        self.seconds_between_lines = seconds_between_lines
        self.done = 0
        self.start = self.last_line = self.last_terminal_line = time.monotonic()
        self.bar = None
        if sys.stderr.isatty() and not os.environ.get("PROGRESS_FD"):
            from tqdm import tqdm  # takes as long to import as a small job runs

            self.bar = tqdm(total=total, unit=f" {unit}s", desc=stage, leave=False)

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *exception: object) -> None:
        if self.bar is not None:
            self.bar.close()
        if exception[0] is None and self.done:
            self.total = self.done if self.total is None else self.total
            self._print_line({})

    def advance(self, steps: int = 1, **numbers: float | str) -> None:
        """Count `steps` more as done; print a line when one is due, with `numbers` at its end."""
        self.done += steps
        if self.bar is not None:
            self.bar.update(steps)
        elif self.done != self.total and time.monotonic() - self.last_line >= self.seconds_between_lines:
            self._print_line(numbers)

    def _print_line(self, numbers: dict[str, float | str]) -> None:
        from tqdm import tqdm

        self.last_line = time.monotonic()
        elapsed = self.last_line - self.start
        postfix = ", ".join(
            f"{name} {value:.4g}" if isinstance(value, float) else f"{name} {value}" for name, value in numbers.items()
        )
        rate = self.done / elapsed if elapsed else 0.0
        share = f"{self.done}" if self.total is None else f"{self.done}/{self.total}"
        line = f"{share} {self.unit}s, {tqdm.format_interval(elapsed)} elapsed"
        if self.total is not None and self.done < self.total:
            left = (self.total - self.done) / rate if rate else 0.0
            line += f", {tqdm.format_interval(left)} left"
        line = f"{line}, {rate:.3g} {self.unit}s/s" + (f", {postfix}" if postfix else "")
        log(self.stage, line)
        if self.done != self.total and self.last_line - self.last_terminal_line >= SECONDS_BETWEEN_TERMINAL_LINES:
            self.last_terminal_line = self.last_line
            show_on_terminal(f"{time.strftime('%H:%M:%S')}   {self.stage}: {line}\n")
