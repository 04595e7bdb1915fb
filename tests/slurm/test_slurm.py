"""What clusters do to jobs: the demo as SLURM recorded it, and all accidents, side by side, each to a run of its own.

Training ends with the same adapter as an uninterrupted one, bit for bit, whatever happened to it.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch
import yaml
from accidents import ACCIDENTS, ON_TWO_NODES, start, states, wait_until_training
from safetensors.torch import load_file
from slurm_runs import Run, copy_for_site
from tiny_experiment import ADAPTER, prepare
from tiny_models import build_tiny_model
from training_runs import SCRIPT, same_adapters
from workflow_runs import planned_jobs

pytestmark = pytest.mark.slow
RECORDED = ("Partition", "TresPerJob", "NumCPUs", "NumNodes", "MinMemoryNode", "TimeLimit")


@pytest.fixture(scope="module")
def make_project(tmp_path_factory):
    """Makes projects whose data are there already and whose next job is the training of a tiny model."""
    base = build_tiny_model(tmp_path_factory.mktemp("base") / "tiny-llama")
    ready = tmp_path_factory.mktemp("ready") / "project"
    prepare(copy_for_site(ready), base)

    def make(name: str, **site: object) -> Path:
        project = copy_for_site(tmp_path_factory.mktemp(name) / "project", **site)
        shutil.copytree(ready / "results", project / "results")
        shutil.copytree(ready / ".snakemake", project / ".snakemake")
        for file in ("drawings.json", "tiny.yaml"):
            shutil.copy2(ready / file, project)
        return project

    return make


@pytest.fixture(scope="module")
def runs(cluster, make_project):
    """Gives the ended run of an accident by name; four are at work at a time."""
    with ThreadPoolExecutor(max_workers=4) as pool:
        futures = {accident.__name__: pool.submit(accident, cluster, make_project) for accident in ACCIDENTS}
        yield lambda name: futures[name].result()


@pytest.fixture
def demo(runs):
    run = runs("demo")
    assert run.process.returncode == 0, run.text()[-6000:]
    return run


def resumed_at(run: Run) -> int:
    """The step from which the training went on, by its log."""
    log = (run.project / "results/tiny/logs/train_lora/tiny.log").read_text() + run.text()
    return max(int(step) for step in re.findall(r"resum\w+ (?:from|at|after) (?:step|checkpoint-)\s*(\d+)", log))


def assert_same_adapter(run: Run, reference: Run) -> None:
    first, second = load_file(run.project / ADAPTER), load_file(reference.project / ADAPTER)
    assert first.keys() == second.keys()
    assert all(torch.equal(first[key], second[key]) for key in first)


def granted(run, rule):
    """What SLURM gave to the jobs of a rule or group, each kind once."""
    return {tuple(job.get(key, "") for key in RECORDED) for job in run.jobs(rule)}


def test_each_rule_gets_its_partition_gpus_memory_and_time(demo):
    assert granted(demo, "preprocess_svg") == {("cpu", "", "8", "1", "16000M", "04:00:00")}
    assert granted(demo, "train_lora_wildcards_smollm2-test1") == {
        ("l40s", "gres:gpu:l40s:2", "8", "1", "48000M", "12:00:00")
    }
    assert granted(demo, "train_lora_wildcards_smollm2-test3") == {
        ("l40s", "gres:gpu:l40s:1", "8", "1", "48000M", "12:00:00")
    }
    assert granted(demo, "caption_llm") == {("a40", "gres:gpu:a40:1", "8", "1", "32000M", "08:00:00")}
    assert granted(demo, "score_clip") == {("a40", "gres:gpu:a40:1", "4", "1", "16000M", "01:00:00")}
    assert granted(demo, "compare") == {("cpu", "", "4", "1", "8000M", "01:00:00")}


def test_small_jobs_share_one_job_a_system(demo):
    # A baseline's job makes its captions too; an LLM's captions come from elsewhere, and their health is not needed by
    # their scores: two jobs, since Snakemake joins only what is connected.
    assert len(demo.jobs("scores_")) == 1 + 2 * 2
    # One after another: the cores and the memory of one, the time of all. A baseline has its captions, their health,
    # their tokens and two scores; an LLM tokens and two scores in one job, the health of its captions in the other.
    small = {("cpu", "", "1", "1", "4000M", time) for time in ("00:50:00", "00:30:00", "00:10:00")}
    assert granted(demo, "scores_") == small
    # The report needs the radar chart; the qualitative report has a job of its own.
    report = {("cpu", "", "1", "1", "8000M", "00:40:00"), ("cpu", "", "1", "1", "4000M", "00:10:00")}
    assert granted(demo, "report_") == report
    assert len(demo.jobs()) < 40


def test_everything_was_done_at_the_first_attempt(demo):
    assert {job["JobState"] for job in demo.jobs()} == {"COMPLETED"}
    assert (demo.project / "results" / "small" / "report.html").is_file()
    assert planned_jobs(demo.project, "--profile", "profiles/local", "--configfile", "small.yaml") == {}


def test_training_at_its_time_limit_goes_on_in_a_longer_job(runs):
    run = runs("time_limit")
    assert run.process.returncode == 0, run.text()[-4000:]
    assert states(run) == ["TIMEOUT", "COMPLETED"]
    assert [job["TimeLimit"] for job in run.jobs("train_lora")] == ["00:01:00", "00:05:00"]
    assert resumed_at(run) >= 20
    assert_same_adapter(run, runs("uninterrupted"))


def test_a_job_cancelled_from_outside_runs_again_and_resumes(runs):
    run = runs("cancelled")
    assert run.process.returncode == 0, run.text()[-4000:]
    assert states(run) == ["CANCELLED", "COMPLETED"]
    assert resumed_at(run) >= 20
    assert_same_adapter(run, runs("uninterrupted"))


def test_when_a_node_goes_down_slurm_queues_the_job_again(runs):
    run = runs("node_down")
    assert run.process.returncode == 0, run.text()[-4000:]
    assert states(run) == ["COMPLETED"]
    assert run.jobs("train_lora")[0]["Restarts"] == "1"
    assert_same_adapter(run, runs("uninterrupted"))


def test_a_preempted_job_waits_and_resumes(runs):
    run = runs("preempted")
    assert run.process.returncode == 0, run.text()[-4000:]
    assert states(run) == ["COMPLETED"]
    assert run.jobs("train_lora")[0]["Restarts"] == "1"
    assert resumed_at(run) >= 20
    assert_same_adapter(run, runs("uninterrupted"))


def test_a_job_over_its_memory_runs_again_with_more(runs):
    run = runs("over_memory")
    assert run.process.returncode == 0, run.text()[-4000:]
    assert [job["MinMemoryNode"] for job in run.jobs("train_lora")] == ["400M", "8000M"]
    assert states(run)[0] in {"FAILED", "OUT_OF_MEMORY", "CANCELLED"}
    assert_same_adapter(run, runs("uninterrupted"))


def test_a_setting_that_a_job_finds_wrong_is_not_tried_again(runs):
    run = runs("input_error")
    assert run.process.returncode != 0
    assert states(run) == ["FAILED"]
    assert "Not tried again" in run.text()
    assert "no_proj" in run.text()


def test_a_job_whose_code_was_edited_while_it_waited_refuses(runs):
    run = runs("code_edited")
    assert run.process.returncode != 0
    assert states(run) == ["FAILED"]
    assert "the code changed after this job was planned" in run.text()
    assert not (run.project / ADAPTER).exists()


def test_a_job_goes_by_the_configuration_that_its_run_was_planned_with(runs):
    run = runs("configuration_edited")
    assert run.process.returncode == 0, run.text()[-4000:]
    assert "learning_rate: 0.5" in (run.project / "tiny.yaml").read_text()
    assert_same_adapter(run, runs("uninterrupted"))


def test_the_names_of_jobs_begin_with_the_experiment(runs):
    (job,) = runs("uninterrupted").jobs("train_lora")
    assert re.fullmatch(r"tiny_[0-9a-f-]{36}", job["JobName"])


def test_an_interrupted_snakemake_cancels_its_jobs(runs):
    run = runs("interrupted")
    assert run.process.returncode != 0
    assert states(run) == ["CANCELLED"]
    assert not (run.project / ADAPTER).exists()


def test_after_a_killed_snakemake_no_second_copy_of_a_job_starts(runs):
    run = runs("killed")
    assert run.refused != 0
    assert run.jobs_then == 1
    number = run.jobs("train_lora")[0]["JobId"]
    assert f"  {number} (RUNNING) writes {ADAPTER}" in run.message
    assert f"scancel {number}" in run.message
    assert "Traceback" not in run.message
    # With the old job gone the same command goes on from its checkpoint.
    assert run.process.returncode == 0, run.text()[-4000:]
    assert resumed_at(run) >= 20
    assert_same_adapter(run, runs("uninterrupted"))


def test_what_a_job_made_after_its_snakemake_was_killed_is_kept(runs):
    run = runs("outlived")
    assert run.process.returncode == 0, run.text()[-4000:]
    assert states(run) == ["COMPLETED"]
    assert_same_adapter(run, runs("uninterrupted"))


def test_two_nodes_train_as_two_processes_of_one_machine_do(runs, tmp_path):
    run = runs("two_nodes")
    assert run.process.returncode == 0, run.text()[-4000:]
    (job,) = run.jobs("train_lora")
    assert (job["NumNodes"], job["NumTasks"], job["TresPerJob"]) == ("2", "2", "gres:gpu:l40s:2")
    folder = (run.project / ADAPTER).parent
    summary = json.loads((folder / "training.json").read_text())
    assert (summary["devices"], summary["effective_batch"]) == (2, 4)
    (base,) = yaml.safe_load((run.project / "tiny.yaml").read_text())["bases"].values()
    command = [sys.executable, SCRIPT, "--name", "tiny", "--base", base["source"]["path"], "--devices", "2"]
    command += [
        "--seed",
        str(summary["seed"]),
        "--settings",
        json.dumps(ON_TWO_NODES),
        "--output-dir",
        tmp_path / "out",
    ]
    for split in ("train", "validation"):
        command += [f"--{split}", run.project / f"results/tiny/data/{split}.parquet"]
    subprocess.run(command, check=True, env=run.cluster.environment)
    assert same_adapters(tmp_path / "out", folder)


def test_a_full_disk_is_said_and_leaves_whole_files_only(runs):
    run = runs("disk_full")
    if run is None:
        pytest.skip("mounting a small disk needs root")
    assert run.process.returncode != 0
    assert re.search(r"[Nn]o space left|disk", run.text())
    assert "adapter_model.safetensors" not in run.left
    assert not [name for name in run.left if name.endswith(".partial")]


def test_a_controller_that_restarts_loses_nothing(cluster, make_project, runs):
    run = start(cluster, make_project("controller"))
    wait_until_training(run)
    cluster.restart_controller(pause=3)
    assert run.end() == 0, run.text()[-4000:]
    assert states(run) == ["COMPLETED"]
    assert_same_adapter(run, runs("uninterrupted"))
