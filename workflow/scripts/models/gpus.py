"""Checks that a job can use its GPUs (with a broken driver torch takes the CPU), and that their memory suffices."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

import torch

from core.command import InputError, MachineError

HIDDEN = ("", "-1", "NoDevFiles")  # how CUDA_VISIBLE_DEVICES says that a job has none


def check_given_gpus() -> None:
    """Raise MachineError if this job was given GPUs and torch sees none; it would reserve them and use the CPU."""
    given = os.environ.get("CUDA_VISIBLE_DEVICES", "")
    if given not in HIDDEN and not torch.cuda.is_available():
        raise MachineError(
            f"GPU {given} was given to this job (CUDA_VISIBLE_DEVICES) and torch can't use it: look at `nvidia-smi` on "
            f"{os.uname().nodename}; to compute on the CPU set gpus: 0, and unset CUDA_VISIBLE_DEVICES outside SLURM"
        )


@contextlib.contextmanager
def enough_memory(what_helps: str) -> Iterator[None]:
    """Raise InputError where the GPU's memory does not hold what the block needs at the least."""
    try:
        yield
    except torch.cuda.OutOfMemoryError as error:  # the name that older versions know too
        raise InputError(f"the model does not fit into the memory of {device_name()}: {what_helps}") from error


def device_name() -> str:
    """The device that models run on, for people."""
    return torch.cuda.get_device_name() if torch.cuda.is_available() else "the CPU"
