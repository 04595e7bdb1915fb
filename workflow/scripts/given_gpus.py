"""Whether the GPUs that a job was given can be used: a node with a broken driver works on its CPU without a word."""

from __future__ import annotations

import os

import torch

from command import say

HIDDEN = ("", "-1", "NoDevFiles")  # how CUDA_VISIBLE_DEVICES says that a job has none


def warn_of_unusable_gpus(stage: str) -> None:
    """Say where SLURM, or whoever started this, gave GPUs and torch sees none."""
    given = os.environ.get("CUDA_VISIBLE_DEVICES", "")
    if given not in HIDDEN and not torch.cuda.is_available():
        say(stage, f"warning: GPU {given} was given to this job and torch can't use it, so it runs on the CPU")
