"""Starts a training once a device: on this machine, or on each node of a SLURM job.

On several nodes this process runs on the first of them, without a step of SLURM around it (the resource `mpi` of the
rule). It starts one launcher a node by srun; they meet at this node, at a port that follows from the job's number.
"""

from __future__ import annotations

import os
import shlex
import signal
import socket
import subprocess
import sys
from pathlib import Path

from core.command import InputError, MachineError
from training.endings import forget_endings, was_stopped

EXIT_TRY_AGAIN = 75
FIRST_PORT, N_PORTS = 10000, 20000  # below those that systems give out by themselves


def launch_ranks(devices: int, checkpoints: Path, nodes: int = 1) -> None:
    """Run this command once a device by `accelerate launch`; end with exit code 75 where a signal has stopped it.

    SLURM's warning before the time limit reaches the steps of a job, the ranks on all nodes, and not this process.
    Raises InputError for several nodes outside of a job of SLURM and for the fault that a rank has told, MachineError
    where a rank has ended without a word of why.
    """
    # On SIGTERM the launcher kills ranks after 30 s; an evaluation or a large step may take longer.
    environment = {**os.environ, "TORCH_ELASTIC_SHUTDOWN_TIMEOUT": "600"}
    command = launch_command(devices) if nodes == 1 else node_command(devices, nodes)
    forget_endings(checkpoints)
    launcher = subprocess.Popen(command, env=environment)
    stopped = False

    def pass_on(number: int, frame: object) -> None:
        nonlocal stopped
        stopped = True
        launcher.send_signal(number)

    signal.signal(signal.SIGTERM, pass_on)
    code = launcher.wait()
    if code == 0:
        return
    if was_stopped(checkpoints) or stopped:
        sys.exit(EXIT_TRY_AGAIN)
    raise MachineError(
        f"a process of the training has ended (the launcher's exit code is {code}): what it said stands above; if it "
        "said nothing, it was killed or its node was lost. Another attempt goes on from the newest whole checkpoint"
    )


def launch_command(devices: int) -> list[str]:
    """The command that runs this one on this machine alone."""
    options = ["--num_machines", "1", "--main_process_port", "0"]  # 0: a free one, jobs may share a machine
    return [*accelerate(devices), *options, *sys.argv]


def accelerate(devices: int) -> list[str]:
    """The launcher with the options that do not depend on the number of machines."""
    options = ["--multi_gpu", "--num_processes", str(devices), "--mixed_precision", "no", "--dynamo_backend", "no"]
    return [sys.executable, "-m", "accelerate.commands.launch", *options]


def node_command(devices: int, nodes: int) -> list[str]:
    """The command of srun that starts a launcher on each node; SLURM_NODEID is known to the node alone."""
    job = os.environ.get("SLURM_JOB_ID")
    if job is None:
        raise InputError("models.<name>.nodes: several nodes need SLURM: run with --profile profiles/slurm, or set 1")
    steps = ["srun", f"--jobid={job}", f"--nodes={nodes}", f"--ntasks={nodes}", "--ntasks-per-node=1"]
    # All cores of the job's nodes, and no node goes on without the others.
    steps += ["--overlap", "--cpu-bind=none", "--kill-on-bad-exit=1"]
    port = FIRST_PORT + int(job) % N_PORTS
    meeting = [
        "--num_machines",
        str(nodes),
        "--main_process_ip",
        socket.gethostname(),
        "--main_process_port",
        str(port),
    ]
    launcher = shlex.join([*accelerate(devices), *meeting])
    return [*steps, "sh", "-c", f'exec {launcher} --machine_rank "$SLURM_NODEID" {shlex.join(sys.argv)}']
