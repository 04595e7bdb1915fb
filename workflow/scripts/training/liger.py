"""Liger's fused Triton kernels for training: norms, rotary positions and MLPs of the families that it knows.

An optional extra (pip install liger-kernel) for GPUs. Not measured here: no GPU was there when this was written.
"""

from __future__ import annotations

from typing import Any

import torch

from core.command import InputError


def use_liger(model: Any) -> None:
    """Let a base compute with Liger's kernels. Raises InputError, with what is missing, where it can't.

    Its losses stay off: they read whole rows, while ours reads the captions' columns alone (training/data.py).
    """
    if not torch.cuda.is_available():
        raise InputError("kernels: liger needs an NVIDIA GPU, and none is there; set kernels: none")
    try:
        from liger_kernel.transformers import monkey_patch
    except ImportError as error:
        raise InputError(
            f"kernels: liger can't be imported ({error}): pip install liger-kernel, or set kernels: none"
        ) from error
    family = model.config.model_type
    if family not in monkey_patch.MODEL_TYPE_TO_APPLY_LIGER_FN:
        raise InputError(f"kernels: liger has no kernels for models of type {family}; set kernels: none")
    monkey_patch._apply_liger_kernel_to_instance(model=model, cross_entropy=False, fused_linear_cross_entropy=False)
