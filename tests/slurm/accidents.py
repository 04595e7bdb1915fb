"""Runs on a cluster and what happens to them, each to a project of its own: many go on side by side.

Each takes the cluster and the maker of projects, and returns the ended run with what a test looks at.
"""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import yaml
from slurm_runs import Run, wait_for
from tiny_experiment import CHECKPOINTS, COMMAND, SETTINGS
from tiny_models import build_tiny_clip
from workflow_runs import snakemake, write_small_demo

ON_TWO_NODES = {**SETTINGS, "max_steps": 8, "eval_steps": 4, "save_steps": 4, "log_steps": 1}


def states(run: Run) -> list[str]:
    return [job["JobState"] for job in run.jobs("train_lora")]


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


def demo(cluster, make_project):
    """The demo's experiment in a smaller size, with tiny models, fewer metrics and systems, on nodes without network.

    Its training jobs ask for one and for two GPUs.
    """
    project = make_project("demo")
    tiny = yaml.safe_load((project / "tiny.yaml").read_text())
    path = write_small_demo(project)
    config = yaml.safe_load(path.read_text())
    for preset in config["presets"].values():
        preset["last_layers"] = 1  # of the two that the tiny base has
    config["decoding"]["gpus"] = 1
    config["models"]["smollm2-test1"]["gpus"] = 2
    config["models"]["smollm2-test3"]["gpus"] = 1
    config["metrics"] = ["meteor", "rouge_l", "clip_score"]
    config["report"]["radar"] = config["metrics"]
    config["baselines"] = {"constant": {}}
    del config["dataset"]["sources"]["openmoji"]
    config["clip"] = {"source": {"path": str(build_tiny_clip(project / "tiny-clip"))}}
    config["bases"]["smollm2-135m"] |= {"zero_shot": False, "source": tiny["bases"]["tiny-llama"]["source"]}
    path.write_text(yaml.safe_dump(config, sort_keys=False))
    run = Run(cluster, project, "all", "--configfile", "small.yaml", UNPLUGGED="1")
    run.end(seconds=1400)
    return run


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
    """The job is frozen: else it might end before Snakemake, on a busy machine, has heard of the signal."""
    run = start(cluster, make_project("interrupted"))
    wait_until_training(run, freeze)
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


def two_nodes(cluster, make_project):
    """The training on two nodes with a GPU each, in few steps."""
    project = make_project("nodes")
    config = yaml.safe_load((project / "tiny.yaml").read_text())
    config["presets"]["quick"] = ON_TWO_NODES
    config["models"]["tiny"] |= {"nodes": 2, "gpus": 1}
    (project / "tiny.yaml").write_text(yaml.safe_dump(config, sort_keys=False))
    run = start(cluster, project)
    run.end()
    return run


ACCIDENTS = [
    time_limit,  # the longest first
    demo,
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
    two_nodes,
]
