"""Trainings on two processes that are forked from the test's: a start of their own would take seconds.

output = …
exit_codes = train_on_two(base, data, output, max_steps=8)          # two ranks on one machine
nodes = start_nodes(base, data, output, max_steps=8)                # two agents of torchrun, each with a rank
exit_codes = end_nodes(nodes)
"""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import socket
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from accelerate.state import AcceleratorState, PartialState
from torch.distributed.launcher.api import LaunchConfig, launch_agent
from training_runs import SETTINGS

import train_lora
from captions.prompts import PromptSettings
from training.identity import training_identity
from training.preparation import prepare_training
from training.settings import TrainingSettings

FORK = multiprocessing.get_context("fork")
# Six validation samples are three batches, which two processes can't share evenly. Dropout draws random numbers.
STEPS = {**SETTINGS, "max_steps": 8, "log_steps": 1, "learning_rate": 0.001, "accumulation": 2, "dropout": 0.1}


def identity_of(base: Path, data: Path, settings: TrainingSettings) -> tuple[dict[str, Path], dict[str, Any]]:
    files = {split: data / f"{split}.parquet" for split in ("train", "validation")}
    return files, training_identity(base, files, PromptSettings(), settings, seed=7, n_devices=2, code="-")


def prepare(base: Path, data: Path, output: Path, **changes: Any) -> dict[str, Any]:
    """What the command does before it starts its ranks; returns what each rank is called with."""
    text = json.dumps({**STEPS, **changes})
    settings = TrainingSettings.from_json(text)
    files, identity = identity_of(base, data, settings)
    prepare_training("tiny", base, files, PromptSettings(), settings, identity, output / "checkpoints")
    arguments = {"name": "tiny", "base": base, **files, "prompt": "{}", "settings": text, "seed": 7}
    return arguments | {"output_dir": output, "devices": 2}


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def run_rank(arguments: dict[str, Any]) -> None:
    """One of two processes, which the environment describes; the state of other tests is dropped."""
    torch.set_num_threads(1)  # makes the pool of threads anew, which two threads of autograd would do at once
    AcceleratorState._reset_state(reset_partial_state=True)
    PartialState._reset_state()
    train_lora.main(**arguments)


def run_alone(rank: int, port: int, arguments: dict[str, Any]) -> None:
    os.environ |= {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": "2"}
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    run_rank(arguments)


def train_on_two(base: Path, data: Path, output: Path, **changes: Any) -> list[int | None]:
    """Train on two processes; returns their exit codes."""
    arguments, port = prepare(base, data, output, **changes), free_port()
    ranks = [FORK.Process(target=run_alone, args=(rank, port, arguments)) for rank in range(2)]
    for rank in ranks:
        rank.start()
    for rank in ranks:
        rank.join(60)
        rank.kill()  # one that waits for ever
    return [rank.exitcode for rank in ranks]


def run_node(node: int, port: int, arguments: dict[str, Any]) -> None:
    """The agent of a node, as `accelerate launch --machine_rank` makes one, in a process group of its own."""
    os.setpgid(0, 0)
    config = LaunchConfig(
        **{"min_nodes": 2, "max_nodes": 2, "nproc_per_node": 1, "max_restarts": 0, "run_id": "none"},
        **{"rdzv_backend": "static", "rdzv_endpoint": f"127.0.0.1:{port}", "rdzv_configs": {"rank": node}},
        **{"local_addr": "127.0.0.1", "start_method": "fork", "shutdown_timeout": 60},
    )
    launch_agent(config, run_rank, [arguments])


def start_nodes(base: Path, data: Path, output: Path, **changes: Any) -> list[Any]:
    """Start a training on two nodes; both are this machine."""
    arguments, port = prepare(base, data, output, **changes), free_port()
    nodes = [FORK.Process(target=run_node, args=(node, port, arguments)) for node in range(2)]
    for node in nodes:
        node.start()
    return nodes


def end_nodes(nodes: Sequence[Any], together: bool, seconds: float = 150) -> list[int | None]:
    """Wait for the end of both nodes; returns the exit codes of their agents, None for one that goes on.

    `together`: as srun does with --kill-on-bad-exit, a node that fails takes the other with it at once.
    """
    end = time.monotonic() + seconds
    while time.monotonic() < end and any(node.exitcode is None for node in nodes):
        if together and any(node.exitcode for node in nodes):
            break
        time.sleep(0.02)
    codes = [node.exitcode for node in nodes]
    for node in nodes:
        kill_node(node.pid)
        node.join()
    return codes if not together else [node.exitcode for node in nodes]


def kill_node(agent: int) -> None:
    """Kill an agent and its rank, as a node does that loses its power."""
    try:
        os.killpg(agent, signal.SIGKILL)
    except ProcessLookupError:
        return  # all have ended
