"""A command that says that its input must be fixed gets no second attempt; anything else does."""

import os
import time

import pytest
from workflow_runs import copy_project, snakemake

from core.command import INPUT_ERROR, MACHINE_ERROR
from plan.retries import RetryRule, input_error


class Job:
    """What RetryRule reads of a job."""

    restart_times = 2

    def __init__(self, *logs):
        self.log, self._attempt = [str(log) for log in logs], 1

    @property
    def attempt(self):
        return self._attempt

    def is_group(self):
        return False


class Group(Job):
    def __init__(self, *jobs):
        super().__init__()
        self.jobs = jobs

    def is_group(self):
        return True


TRACEBACK = "Traceback (most recent call last):\n  ...\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (f"12:00:00 train: 1 step\n{INPUT_ERROR}no field\n  'x'\n", "no field"),
        (f"{INPUT_ERROR}rank 0\n{TRACEBACK}torch.distributed...ChildFailedError:\n", "rank 0"),
        (f"{MACHINE_ERROR}no space left on the device\n", None),
        (f"{INPUT_ERROR}something a library prints\n{TRACEBACK}RuntimeError: x\n", None),
        (f"{TRACEBACK}MemoryError\n", None),
        (f"a line with {INPUT_ERROR}inside\n", None),
        ("", None),
    ],
)
def test_the_end_of_a_log_says_whether_the_input_must_be_fixed(tmp_path, text, message):
    (tmp_path / "log").write_text(text)
    assert input_error(tmp_path / "log") == message


def test_a_long_log_is_read_from_its_end(tmp_path):
    (tmp_path / "log").write_text("step\n" * 100_000 + f"{INPUT_ERROR}wrong\n")
    assert input_error(tmp_path / "log") == "wrong"


@pytest.mark.parametrize("kind", [lambda job: job, lambda job: Group(Job(), job)], ids=["job", "group"])
def test_an_input_error_takes_the_remaining_attempts(tmp_path, kind):
    log = tmp_path / "log"
    job, messages, handled = kind(Job(log)), [], []
    rule = RetryRule([job], handled.append, messages.append)
    log.write_text(f"{INPUT_ERROR}wrong\n")
    rule(job)
    assert (job.attempt, handled) == (3, [job])
    assert "wrong" in messages[0]


def test_the_message_of_an_earlier_run_takes_none(tmp_path):
    log = tmp_path / "log"
    log.write_text(f"{INPUT_ERROR}wrong\n")
    os.utime(log, ns=(time.time_ns() - 10**9,) * 2)
    job = Job(log)
    RetryRule([job], lambda job: None, print)(job)
    assert job.attempt == 1


@pytest.mark.slow
def test_snakemake_tries_an_input_error_once_and_a_crash_as_often_as_it_may(tmp_path):
    project = copy_project(tmp_path / "project")
    # Two different records of one name: the plan reads the first hundred only.
    drawing = '{"id": "%s", "svg": "<svg><rect width=\'%d\' height=\'9\'/></svg>", "caption": "a box"}\n'
    ids = [*range(150), 149]
    (project / "drawings.jsonl").write_text("".join(drawing % (id, n + 1) for n, id in enumerate(ids)))
    config = {"experiment": "retries", "dataset": {"sources": {"drawings": {"path": "drawings.jsonl"}}}}
    write = (project / "retries.yaml").write_text
    write(str({**config, "bases": {}, "models": {}, "baselines": {"constant": {}}, "metrics": ["bleu", "meteor"]}))
    command = ("preprocess", "--cores", "2", "--retries", "2", "--configfile", "retries.yaml")
    faulty = snakemake(project, *command, check=False).stdout
    assert "Not tried again" in faulty
    assert "trying again" not in faulty
    script = project / "workflow" / "scripts" / "preprocess_svg.py"
    script.write_text("raise RuntimeError('crash')\n" + script.read_text().replace("from __future__", "# "))
    crashed = snakemake(project, *command, check=False).stdout
    assert crashed.count("trying again: preprocess_svg drawings") == 2
    assert "Not tried again" not in crashed
