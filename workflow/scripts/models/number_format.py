"""The number format in which a model's weights are loaded. Runs with the old torch of envs/cogvlm.txt as well."""

from __future__ import annotations

import torch

NUMBER_FORMATS = {"bf16": torch.bfloat16, "fp16": torch.float16, "fp32": torch.float32}


def choose_dtype(name: str) -> torch.dtype:
    """The number format as asked; auto is bf16 where that is faster than fp32 on the device, fp32 elsewhere."""
    return NUMBER_FORMATS[("bf16" if bf16_is_faster() else "fp32") if name == "auto" else name]


def bf16_is_faster() -> bool:
    """Whether the device that models run on has arithmetic units for bf16: most GPUs, and CPUs with AMX.

    AVX512-BF16 alone does not pay: training of SmolLM2-135M took 1.7 times as long with it as in fp32 (torch 2.14).
    """
    if torch.cuda.is_available():
        return torch.cuda.is_bf16_supported()
    # An older torch can't tell for a CPU.
    return getattr(torch.cpu, "_is_amx_tile_supported", lambda: False)()
