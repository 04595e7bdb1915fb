"""The number format in which a model's weights are loaded. Runs with the old torch of envs/cogvlm.txt as well."""

from __future__ import annotations

import torch

NUMBER_FORMATS = {"bf16": torch.bfloat16, "fp16": torch.float16, "fp32": torch.float32}


def choose_dtype(name: str) -> torch.dtype:
    """The number format as asked; auto is bf16 where the device computes in it, fp32 elsewhere."""
    return NUMBER_FORMATS[("bf16" if computes_in_bf16() else "fp32") if name == "auto" else name]


def computes_in_bf16() -> bool:
    """Whether the device that models run on has bf16 arithmetic; elsewhere bf16 is emulated, and slow."""
    if torch.cuda.is_available():
        return torch.cuda.is_bf16_supported()
    # An older torch can't tell for a CPU.
    return getattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)()
