"""The command that starts a training on several nodes; tests/slurm runs it."""

import shlex
import sys

import pytest

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
