"""Which jobs of an earlier run keep a new one from submitting the same again."""

import os
import stat

import pytest

from core.command import MachineError
from plan.slurm_jobs import LiveJob, comment_of, live_jobs, second_copies, second_copy_message

SQUEUE = """\
#!/bin/sh
echo '21|RUNNING|run-a|rule_train_lora_wildcards_tiny'
echo '9|PENDING|run-a|rule_scores_caption_health_tokenize_captions'
echo '22|RUNNING|run-b|rule_train_lora_wildcards_tiny'
echo '23|RUNNING|wrap|(null)'
"""


def test_only_jobs_of_the_runs_asked_for_are_live(tmp_path, monkeypatch):
    squeue = tmp_path / "squeue"
    squeue.write_text(SQUEUE)
    squeue.chmod(squeue.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    jobs = live_jobs(["run-a"])
    assert [(job.number, job.state) for job in jobs] == [("9", "PENDING"), ("21", "RUNNING")]
    assert live_jobs([]) == []


def test_a_slurm_that_does_not_answer_is_told(tmp_path, monkeypatch):
    squeue = tmp_path / "squeue"
    squeue.write_text("#!/bin/sh\necho 'slurm_load_jobs error: Unable to contact slurm controller' >&2\nexit 1\n")
    squeue.chmod(squeue.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    with pytest.raises(MachineError, match=r"squeue fails.*Unable to contact slurm controller; try again"):
        live_jobs(["run-a"])


def test_without_slurm_no_job_is_live(monkeypatch):
    monkeypatch.setenv("PATH", "")
    assert live_jobs(["run-a"]) == []


def test_a_comment_names_rule_and_wildcards_or_the_group():
    assert comment_of("train_lora", ["tiny"], None) == "rule_train_lora_wildcards_tiny"
    assert comment_of("fetch_model", ["org/model", "2"], None) == "rule_fetch_model_wildcards_org_model_2"
    assert comment_of("compare", [], None) == "rule_compare"
    assert comment_of("score_text", ["a"], "scores") == "rule_scores_"


def test_a_live_job_is_a_second_copy_only_of_what_it_writes():
    train = LiveJob("21", "RUNNING", "rule_train_lora_wildcards_tiny")
    scores = LiveJob("9", "PENDING", "rule_scores_caption_health")
    outputs = {"rule_train_lora_wildcards_tiny2": ["tiny2"], "rule_train_lora": ["none"], "rule_scores_": ["a", "b"]}
    assert second_copies([train, scores], outputs) == {scores: ["a", "b"]}
    outputs["rule_train_lora_wildcards_tiny"] = ["adapter"]
    copies = second_copies([train, scores], outputs)
    assert copies == {train: ["adapter"], scores: ["a", "b"]}
    message = second_copy_message(copies)
    assert "  21 (RUNNING) writes adapter" in message
    assert "scancel 21 9" in message
