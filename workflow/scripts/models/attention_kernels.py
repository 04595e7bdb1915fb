"""Selects the attention kernels that torch may use. Runs with the old torch of envs/cogvlm.txt as well."""

from __future__ import annotations

import torch


def avoid_cudnn_attention() -> None:
    """Keep torch from cuDNN's attention, its first choice on Hopper GPUs, for this process.

    Its backward pass gives NaN where a mask's row is empty, as left padding makes them, and the length leaves 64 over a
    multiple of 128 (pytorch issue 196678; seen here on an H200 with torch 2.11). And it plans each new shape, a tenth
    of a second to seconds each, while batches of like length and decoding bring new shapes all the time.
    """
    if hasattr(torch.backends.cuda, "enable_cudnn_sdp"):
        torch.backends.cuda.enable_cudnn_sdp(False)
