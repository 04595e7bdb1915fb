"""The command that starts a training on several nodes; tests/slurm runs it."""

import shlex
import sys

import pytest
import yaml
from workflow_runs import copy_project, snakemake

from core.command import InputError
from training.launch import node_command


def test_each_node_starts_a_launcher_that_knows_its_place_and_where_to_meet(monkeypatch):
    monkeypatch.setenv("SLURM_JOB_ID", "20007")
    monkeypatch.setattr(sys, "argv", ["train_lora.py", "--prompt", '{"from": "it\'s $HOME"}'])
    command = node_command(8, 2)
    assert command[:5] == ["srun", "--jobid=20007", "--nodes=2", "--ntasks=2", "--ntasks-per-node=1"]
    assert "--num_processes 8 " in command[-1]
    assert "--main_process_port 10007 " in command[-1]
    launcher, own = command[-1].split(' --machine_rank "$SLURM_NODEID" ')
    assert launcher.startswith("exec ")
    assert shlex.split(own) == sys.argv


def test_several_nodes_without_slurm_are_refused(monkeypatch):
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)
    with pytest.raises(InputError, match=r"models\.<name>\.nodes: several nodes need SLURM"):
        node_command(8, 2)


def test_a_run_without_slurm_refuses_a_training_on_several_nodes_at_once(tmp_path):
    project = copy_project(tmp_path / "project")
    path = project / "profiles/demo/experiment.yaml"
    config = yaml.safe_load(path.read_text())
    config["models"]["smollm2-test1"]["nodes"] = 2
    path.write_text(yaml.safe_dump(config))
    adapter = "results/demo/adapters/smollm2-test1/adapter_model.safetensors"
    run = snakemake(project, "--profile", "profiles/demo", "--", adapter, check=False)
    assert run.returncode == 1
    assert "models.smollm2-test1.nodes: 2 nodes need SLURM: run with --profile profiles/slurm" in run.stdout
    assert not (project / "results/demo/raw").exists()
