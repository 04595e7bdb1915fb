"""A training on two nodes of a SLURM job ends as one of two processes on one machine."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
import yaml
from slurm_runs import Run, copy_for_site
from tiny_experiment import ADAPTER, COMMAND, SETTINGS, prepare
from tiny_models import build_tiny_model
from training_runs import SCRIPT, same_adapters

pytestmark = pytest.mark.slow
SHORT = {**SETTINGS, "max_steps": 8, "eval_steps": 4, "save_steps": 4, "log_steps": 1}


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    return build_tiny_model(tmp_path_factory.mktemp("base") / "tiny-llama")


@pytest.fixture(scope="module")
def run(cluster, base, tmp_path_factory):
    project = copy_for_site(tmp_path_factory.mktemp("nodes") / "project")
    prepare(project, base)
    config = yaml.safe_load((project / "tiny.yaml").read_text())
    config["presets"]["quick"] = SHORT
    config["models"]["tiny"] |= {"nodes": 2, "gpus": 1}
    (project / "tiny.yaml").write_text(yaml.safe_dump(config, sort_keys=False))
    run = Run(cluster, project, *COMMAND, OMP_NUM_THREADS="1")
    assert run.end() == 0, run.text()[-6000:]
    return run


def test_slurm_gives_each_node_its_gpus(run):
    (job,) = run.jobs("train_lora")
    assert (job["NumNodes"], job["NumTasks"], job["TresPerJob"]) == ("2", "2", "gres:gpu:l40s:2")


def test_two_nodes_train_as_two_processes_do(run, base, tmp_path):
    folder = run.project / ADAPTER.rpartition("/")[0]
    summary = json.loads((folder / "training.json").read_text())
    assert (summary["devices"], summary["effective_batch"]) == (2, 4)
    command = [sys.executable, str(SCRIPT), "--name", "tiny", "--base", str(base)]
    command += ["--seed", str(summary["seed"]), "--settings", json.dumps(SHORT), "--devices", "2"]
    for split in ("train", "validation"):
        command += [f"--{split}", str(run.project / f"results/tiny/data/{split}.parquet")]
    subprocess.run([*command, "--output-dir", str(tmp_path / "out")], check=True, env=run.cluster.environment)
    assert same_adapters(tmp_path / "out", folder)
