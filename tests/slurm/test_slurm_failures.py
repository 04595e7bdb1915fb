"""What clusters do to jobs, with a tiny model: all accidents happen side by side, each to a run of its own.

Training ends with the same adapter as an uninterrupted one, bit for bit, whatever happened to it.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from slurm_runs import Run, copy_for_site, wait_for
from tiny_experiment import ADAPTER, CHECKPOINTS, COMMAND, prepare
from tiny_models import build_tiny_model
from workflow_runs import snakemake


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


def start(cluster, project: Path, *arguments: str) -> Run:
    return Run(cluster, project, *COMMAND, *arguments, OMP_NUM_THREADS="1")


def wait_until_training(run: Run, then: Callable[[Run], None] | None = None) -> dict[str, str]:
    """SLURM's record of the training job once it has a checkpoint; `then` comes first, since steps are quick."""
    folder = run.project / CHECKPOINTS
    run.wait_for("a checkpoint", lambda: any(folder.glob("checkpoint-*/trainer_state.json")))
    if then:
        then(run)
    return run.jobs("train_lora")[-1]


def freeze(run: Run) -> None:
    """Stop the training process without its knowledge, as a node that hangs would."""
    pattern = f"python {run.project}/workflow/scripts/train_lora.py"
    for pid in subprocess.run(["pgrep", "-f", pattern], capture_output=True, text=True).stdout.split():
        os.kill(int(pid), signal.SIGSTOP)


def resumed_at(run: Run) -> int:
    """The step from which the training went on, by its log."""
    log = (run.project / "results/tiny/logs/train_lora/tiny.log").read_text() + run.text()
    return max(int(step) for step in re.findall(r"resum\w+ (?:from|at|after) (?:step|checkpoint-)\s*(\d+)", log))


# Each accident: what is done to a run, until it ends. It returns the run and what the test looks at.


def uninterrupted(cluster, make_project):
    run = start(cluster, make_project("plain"))
    assert run.end() == 0, run.text()[-4000:]
    return run


def time_limit(cluster, make_project):
    run = start(cluster, make_project("limit", training={"runtime": "1 if attempt == 1 else 5", "slurm_extra": "''"}))
    wait_until_training(run, freeze)
    run.end()
    return run


def cancelled(cluster, make_project):
    run = start(cluster, make_project("cancelled"))
    cluster.run(f"scancel {wait_until_training(run)['JobId']}")
    run.end()
    return run


def node_down(cluster, make_project):
    run = start(cluster, make_project("node", large_gpu="frail"))
    node = wait_until_training(run)["NodeList"]
    cluster.stop_node(node)
    run.end()
    return run


def preempted(cluster, make_project):
    run = start(cluster, make_project("preempted", large_gpu="low"))
    wait_until_training(run)
    cluster.run("sbatch --partition=urgent --nodes=1 --exclusive --output=/dev/null --wrap='sleep 3'")
    run.end()
    return run


def over_memory(cluster, make_project):
    run = start(cluster, make_project("memory", training={"mem_mb": "400 if attempt == 1 else 8000"}))
    run.end()
    return run


def interrupted(cluster, make_project):
    run = start(cluster, make_project("interrupted"))
    wait_until_training(run)
    run.process.send_signal(signal.SIGINT)
    run.end(seconds=240)
    wait_for("the processes of the job to end", lambda: "COMPLETING" not in states(run))
    return run


def killed(cluster, make_project):
    """Snakemake is killed, its job goes on (frozen, so that it stays); then a second Snakemake is started."""
    run = start(cluster, make_project("killed"))
    job = wait_until_training(run, freeze)
    run.process.kill()
    run.end()
    snakemake(run.project, "--unlock", "--configfile", "tiny.yaml")
    second = start(cluster, run.project)
    refused = second.end()
    message, jobs_then = second.text(), len(second.jobs("train_lora"))
    cluster.run(f"scancel --signal=KILL --full {job['JobId']}")
    cluster.run(f"scancel {job['JobId']}")
    ended = {"CANCELLED", "FAILED"}
    wait_for("the end of the job", lambda: second.jobs("train_lora")[0]["JobState"] in ended)
    third = start(cluster, run.project)
    third.end()
    third.refused, third.message, third.jobs_then = refused, message, jobs_then
    return third


def outlived(cluster, make_project):
    """Snakemake is killed, its job goes on to its end; then a second Snakemake is started."""
    run = start(cluster, make_project("outlived"))
    wait_until_training(run)
    run.process.kill()
    run.end()
    wait_for("the end of the job", lambda: run.jobs("train_lora")[0]["JobState"] == "COMPLETED")
    snakemake(run.project, "--unlock", "--configfile", "tiny.yaml")
    second = start(cluster, run.project)
    second.end()
    return second


def disk_full(cluster, make_project):
    """The folder of the adapter lies on a disk of 200 kB."""
    project = make_project("disk")
    folder = project / "results/tiny/adapters/tiny"
    folder.mkdir(parents=True)
    mount = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=200k", "tmpfs", str(folder)], capture_output=True, text=True
    )
    if mount.returncode:
        return None
    try:
        run = start(cluster, project, "--retries", "0")
        run.end()
        run.left = sorted(path.name for path in folder.iterdir())
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)
    return run


def input_error(cluster, make_project):
    """A setting that only the job itself finds wrong."""
    project = make_project("input")
    path = project / "tiny.yaml"
    path.write_text(path.read_text().replace("v_proj", "no_proj"))
    run = start(cluster, project)
    run.end()
    return run


def edit_while_pending(cluster, make_project, name: str, file: str, edit: Callable[[str], str]) -> Run:
    """A run during whose wait for its job a file of the project is edited."""
    run = start(cluster, make_project(name, training={"slurm_extra": "'--begin=now+20'"}))
    run.wait_for("a job that waits", lambda: "PENDING" in states(run))
    path = run.project / file
    path.write_text(edit(path.read_text()))
    run.end()
    return run


def code_edited(cluster, make_project):
    trainer = "workflow/scripts/training/trainer.py"
    return edit_while_pending(cluster, make_project, "code", trainer, lambda text: text + "\nEDITED = 1\n")


def configuration_edited(cluster, make_project):
    old, new = "learning_rate: 0.01", "learning_rate: 0.5"
    return edit_while_pending(cluster, make_project, "configuration", "tiny.yaml", lambda text: text.replace(old, new))


ACCIDENTS = [
    time_limit,  # the longest first
    node_down,
    preempted,
    uninterrupted,
    cancelled,
    over_memory,
    killed,
    outlived,
    interrupted,
    code_edited,
    configuration_edited,
    input_error,
    disk_full,
]


@pytest.fixture(scope="module")
def runs(cluster, make_project):
    """Gives the ended run of an accident by name; four are at work at a time."""
    with ThreadPoolExecutor(max_workers=4) as pool:
        futures = {accident.__name__: pool.submit(accident, cluster, make_project) for accident in ACCIDENTS}
        yield lambda name: futures[name].result()


def assert_same_adapter(run: Run, reference: Run) -> None:
    first, second = load_file(run.project / ADAPTER), load_file(reference.project / ADAPTER)
    assert first.keys() == second.keys()
    assert all(torch.equal(first[key], second[key]) for key in first)


def states(run: Run) -> list[str]:
    return [job["JobState"] for job in run.jobs("train_lora")]


@pytest.mark.slow
def test_training_at_its_time_limit_goes_on_in_a_longer_job(runs):
    run = runs("time_limit")
    assert run.process.returncode == 0, run.text()[-4000:]
    assert states(run) == ["TIMEOUT", "COMPLETED"]
    assert [job["TimeLimit"] for job in run.jobs("train_lora")] == ["00:01:00", "00:05:00"]
    assert resumed_at(run) >= 20
    assert_same_adapter(run, runs("uninterrupted"))


@pytest.mark.slow
def test_a_job_cancelled_from_outside_runs_again_and_resumes(runs):
    run = runs("cancelled")
    assert run.process.returncode == 0, run.text()[-4000:]
    assert states(run) == ["CANCELLED", "COMPLETED"]
    assert resumed_at(run) >= 20
    assert_same_adapter(run, runs("uninterrupted"))


@pytest.mark.slow
def test_when_a_node_goes_down_slurm_queues_the_job_again(runs):
    run = runs("node_down")
    assert run.process.returncode == 0, run.text()[-4000:]
    assert states(run) == ["COMPLETED"]
    assert run.jobs("train_lora")[0]["Restarts"] == "1"
    assert_same_adapter(run, runs("uninterrupted"))


@pytest.mark.slow
def test_a_preempted_job_waits_and_resumes(runs):
    run = runs("preempted")
    assert run.process.returncode == 0, run.text()[-4000:]
    assert states(run) == ["COMPLETED"]
    assert run.jobs("train_lora")[0]["Restarts"] == "1"
    assert resumed_at(run) >= 20
    assert_same_adapter(run, runs("uninterrupted"))


@pytest.mark.slow
def test_a_job_over_its_memory_runs_again_with_more(runs):
    run = runs("over_memory")
    assert run.process.returncode == 0, run.text()[-4000:]
    assert [job["MinMemoryNode"] for job in run.jobs("train_lora")] == ["400M", "8000M"]
    assert states(run)[0] in {"FAILED", "OUT_OF_MEMORY", "CANCELLED"}
    assert_same_adapter(run, runs("uninterrupted"))


@pytest.mark.slow
def test_a_setting_that_a_job_finds_wrong_is_not_tried_again(runs):
    run = runs("input_error")
    assert run.process.returncode != 0
    assert states(run) == ["FAILED"]
    assert "Not tried again" in run.text()
    assert "no_proj" in run.text()


@pytest.mark.slow
def test_a_job_whose_code_was_edited_while_it_waited_refuses(runs):
    run = runs("code_edited")
    assert run.process.returncode != 0
    assert states(run) == ["FAILED"]
    assert "the code changed after this job was planned" in run.text()
    assert not (run.project / ADAPTER).exists()


@pytest.mark.slow
def test_a_job_goes_by_the_configuration_that_its_run_was_planned_with(runs):
    run = runs("configuration_edited")
    assert run.process.returncode == 0, run.text()[-4000:]
    assert "learning_rate: 0.5" in (run.project / "tiny.yaml").read_text()
    assert_same_adapter(run, runs("uninterrupted"))


@pytest.mark.slow
def test_the_names_of_jobs_begin_with_the_experiment(runs):
    (job,) = runs("uninterrupted").jobs("train_lora")
    assert re.fullmatch(r"tiny_[0-9a-f-]{36}", job["JobName"])


@pytest.mark.slow
def test_an_interrupted_snakemake_cancels_its_jobs(runs):
    run = runs("interrupted")
    assert run.process.returncode != 0
    assert states(run) == ["CANCELLED"]
    assert not (run.project / ADAPTER).exists()


@pytest.mark.slow
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


@pytest.mark.slow
def test_what_a_job_made_after_its_snakemake_was_killed_is_kept(runs):
    run = runs("outlived")
    assert run.process.returncode == 0, run.text()[-4000:]
    assert states(run) == ["COMPLETED"]
    assert_same_adapter(run, runs("uninterrupted"))


@pytest.mark.slow
def test_a_full_disk_is_said_and_leaves_whole_files_only(runs):
    run = runs("disk_full")
    if run is None:
        pytest.skip("mounting a small disk needs root")
    assert run.process.returncode != 0
    assert re.search(r"[Nn]o space left|disk", run.text())
    assert "adapter_model.safetensors" not in run.left
    assert not [name for name in run.left if name.endswith(".partial")]


@pytest.mark.slow
def test_a_controller_that_restarts_loses_nothing(cluster, make_project, runs):
    run = start(cluster, make_project("controller"))
    wait_until_training(run)
    cluster.restart_controller(pause=3)
    assert run.end() == 0, run.text()[-4000:]
    assert states(run) == ["COMPLETED"]
    assert_same_adapter(run, runs("uninterrupted"))
