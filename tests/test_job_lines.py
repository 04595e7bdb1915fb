"""What a run shows on the terminal: one line for each job that ends, failures with the end of their logs, no noise."""

from __future__ import annotations

import io
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from snakemake.logging import ColorizingTextHandler, DefaultFilter, DefaultFormatter
from snakemake_interface_logger_plugins.common import LogEvent

from core import command
from core.records import Caption, Sample, write_captions, write_samples
from plan.job_lines import STREAM_HANDLER, WIDTH, JobLines, show_job_lines

NO_FILES: Mapping[str, Any] = {"input": [], "output": []}


class Terminal:
    """Snakemake's handler of the terminal as the workflow changes it, on a logger of its own, beside a log file's."""

    def __init__(self) -> None:
        self.stream = io.StringIO()
        self.seconds = 0.0
        handler = ColorizingTextHandler(nocolor=True, stream=self.stream)
        handler.addFilter(DefaultFilter(None, False, False, False, False))
        handler.name = STREAM_HANDLER
        self.logger = logging.Logger("run", logging.INFO)
        self.logger.addHandler(handler)
        self.log_file = io.StringIO()
        of_log_file = logging.StreamHandler(self.log_file)
        of_log_file.setFormatter(DefaultFormatter())
        of_log_file.addFilter(lambda record: getattr(record, "event", None) == LogEvent.JOB_FINISHED)
        self.logger.addHandler(of_log_file)
        self.lines = JobLines(lambda: self.seconds)
        show_job_lines(self.logger, self.lines)

    def tell(self, event: LogEvent | None, message: str = "", level: int = logging.INFO, **fields: Any) -> None:
        self.logger.log(level, message, extra={"event": event, **fields} if event else fields)

    def start(
        self, jobid: int, rule: str, log: Path | None = None, files: Mapping[str, Any] = NO_FILES, **wildcards: str
    ) -> None:
        logs = [str(log)] if log else []
        self.tell(LogEvent.JOB_INFO, jobid=jobid, rule_name=rule, wildcards=wildcards, log=logs, **files)

    def finish(self, jobid: int) -> None:
        self.tell(LogEvent.JOB_FINISHED, f"Finished jobid: {jobid}", job_id=jobid)

    @property
    def text(self) -> str:
        return self.stream.getvalue()


@pytest.fixture
def terminal() -> Terminal:
    return Terminal()


def test_a_job_that_ends_is_one_line_with_its_system_time_and_last_message(terminal: Terminal, tmp_path: Path) -> None:
    log = tmp_path / "a.log"
    log.write_text("22:40:01 score_text: reads\n22:40:05 score_text: mine: bleu_1 0.69 (n 80)\n")
    terminal.tell(LogEvent.RUN_INFO, stats={"score_text": 2, "all": 1, "total": 3})
    terminal.tell(None, "Select jobs to execute...")
    terminal.tell(LogEvent.JOB_STARTED, "Execute 1 jobs...", jobs=[7])
    terminal.start(7, "score_text", log, system="mine", metric="bleu")
    terminal.seconds = 65
    terminal.finish(7)
    terminal.tell(LogEvent.PROGRESS, done=1, total=3)
    jobs, line = terminal.text.splitlines()
    assert jobs == "3 jobs to do: 2 score_text, 1 all"
    assert line[9:] == "[1/3] score_text mine bleu (1 min 05 s): mine: bleu_1 0.69 (n 80)"


def test_a_log_that_ends_with_something_else_adds_nothing(terminal: Terminal, tmp_path: Path) -> None:
    (tmp_path / "a.log").write_text("22:40:05 compare: done\n* best, = not worse\n")
    terminal.start(1, "compare", tmp_path / "a.log")
    terminal.finish(1)
    assert terminal.text.rstrip().endswith("compare (0.0 s)")


def test_a_failed_job_shows_rule_command_log_and_the_end_of_the_log(terminal: Terminal, tmp_path: Path) -> None:
    log = tmp_path / "a.log"
    log.write_text("".join(f"line {n}\n" for n in range(50)) + "error: no such file\n")
    terminal.start(3, "train_lora", log, model="tiny")
    failed = {"jobid": 3, "rule_name": "train_lora", "rule_msg": None, "aux": {}, "indent": False}
    terminal.tell(
        LogEvent.JOB_ERROR, level=logging.ERROR, shellcmd="python train_lora.py", log=[str(log), "gone.log"], **failed
    )
    terminal.tell(LogEvent.ERROR, "RuleException: Command 'x' returned non-zero exit status 1.", level=logging.ERROR)
    terminal.tell(LogEvent.ERROR, "CalledProcessError in file a.smk: squeue returned non-zero exit status 1.")
    shown = terminal.text
    assert "RuleException" not in shown, "the same again, without the log"
    assert "CalledProcessError in file a.smk" in shown, "of no rule: nothing else says it"
    assert "FAILED train_lora tiny" in shown
    assert "command: python train_lora.py" in shown
    assert f"log: {log}" in shown
    assert "| error: no such file" in shown
    assert "| line 31" in shown
    assert "line 30\n" not in shown, "the end of the log only"
    assert "gone.log (was not written)" in shown


def test_on_a_cluster_jobs_are_named_when_submitted_and_tried_again(terminal: Terminal) -> None:
    terminal.lines.waits = True
    terminal.start(3, "train_lora", model="tiny")
    terminal.tell(None, "Job 3 has been submitted with SLURM jobid 4711 (log: slurm-logs/4711.log).")
    terminal.tell(None, "Trying to restart job 3.")
    terminal.finish(3)
    words = [line[9:] for line in terminal.text.splitlines()]
    assert words == [
        "submitted train_lora tiny as SLURM job 4711",
        "trying again: train_lora tiny",
        "[1/0] train_lora tiny",
    ]


def test_warnings_errors_and_what_nobody_foresaw_are_shown_as_they_are(terminal: Terminal) -> None:
    terminal.tell(None, "The disk is nearly full.", logging.WARNING)
    terminal.tell(None, "Removing output files of failed job")
    assert terminal.text == "The disk is nearly full.\nRemoving output files of failed job\n"


def test_progress_is_calm_on_the_terminal_and_frequent_in_the_log(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    clock = iter(range(0, 1000, 10))
    monkeypatch.setattr(command.time, "monotonic", lambda: float(next(clock)))
    monkeypatch.setenv("PROGRESS_FD", "1")
    with command.Progress("train_lora tiny", total=20, unit="step") as progress:
        for _ in range(20):
            progress.advance()
    command.log("train_lora tiny", "done")
    command.log("train_lora tiny", "warning: one sample was cut")
    terminal, log = capfd.readouterr()
    n_terminal, n_log = (sum("steps, " in line for line in text.splitlines()) for text in (terminal, log))
    assert 0 < n_terminal <= n_log / 2
    assert "done" in log
    assert "done" not in terminal
    assert "warning: one sample was cut" in terminal


def end_captions(terminal: Terminal, folder: Path, jobid: int, system: str, caption: Caption) -> None:
    """A job that has written the captions of three samples, that of the second as given, ends."""
    written = [Caption("s0", "first"), caption, Caption("s2", "last")]
    write_captions(folder / "captions" / f"{system}.jsonl", written)
    (folder / f"{system}.log").write_text("22:40:05 caption_llm: 3/3 captions\n")
    files = {"output": [str(folder / "captions" / f"{system}.jsonl")], "input": [str(folder / "test.parquet")]}
    terminal.start(jobid, "caption_llm", folder / f"{system}.log", files, system=system)
    terminal.finish(jobid)


def test_each_systems_caption_of_one_sample_is_shown_with_its_reference_once(
    terminal: Terminal, tmp_path: Path
) -> None:
    write_samples(
        tmp_path / "test.parquet", [Sample(f"s{n}", "a", "test", "", "<svg/>", [f"of {n}", "x"]) for n in "012"]
    )
    end_captions(terminal, tmp_path, 1, "zero", Caption("s1", "a circle"))
    end_captions(terminal, tmp_path, 2, "lora", Caption("s1", "", "failed", "out of memory"))
    introduction, zero, lora = terminal.text.splitlines()
    assert introduction == 'Each system\'s caption of test sample s1 follows. Its reference: "of 1"'
    assert zero.endswith('caption_llm zero (0.0 s): "a circle"; 3/3 captions')
    assert lora.endswith("caption_llm lora (0.0 s): no caption (out of memory); 3/3 captions")
    assert [line for line in terminal.log_file.getvalue().splitlines() if "a circle" in line] == ['"a circle"']


def test_a_caption_can_neither_move_the_cursor_nor_turn_the_line_nor_fill_it(
    terminal: Terminal, tmp_path: Path
) -> None:
    hostile = "\x1b[2J\x07\u202efdp" + "x" * 500
    write_samples(tmp_path / "test.parquet", [Sample(f"s{n}", "a", "test", "", "<svg/>", [hostile]) for n in "012"])
    end_captions(terminal, tmp_path, 1, "zero", Caption("s1", hostile))
    (tmp_path / "later.log").write_text(f"22:40:05 compare: {hostile}\n")
    terminal.start(2, "compare", tmp_path / "later.log")
    terminal.finish(2)
    for text in (terminal.text, terminal.log_file.getvalue()):
        assert not {"\x1b", "\x07", "\u202e"} & set(text)
        assert r"\x1b[2J\x07\u202efdp" in text
    assert max(map(len, terminal.text.splitlines())) <= WIDTH
    assert '…"; 3/3' in terminal.text


@pytest.mark.parametrize("text", ["", "captions/zero.jsonl", "{}", "[1]", "\xff"])
def test_a_file_that_holds_no_captions_ends_no_run(text: str, terminal: Terminal, tmp_path: Path) -> None:
    """After `snakemake --touch` any file stands for captions that were made."""
    files = {"output": [str(tmp_path / "captions" / "zero.jsonl")], "input": [str(tmp_path / "test.parquet")]}
    (tmp_path / "captions").mkdir()
    Path(files["output"][0]).write_text(text, encoding="latin-1")
    Path(files["input"][0]).write_text("test.parquet")
    terminal.start(1, "caption_llm", tmp_path / "zero.log", files, system="zero")
    terminal.finish(1)
    assert terminal.text.strip().endswith("caption_llm zero (0.0 s)")
    assert "\n" not in terminal.text.strip()
