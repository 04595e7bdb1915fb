"""Matrix products of linear layers on CPUs by oneDNN, where the library that torch takes for them is slow.

In fp32 torch takes MKL, which uses half of what an AMD processor with AVX-512 can do: on an AMD EPYC with torch 2.14 it
made 100 billion operations a second on a core, and oneDNN, which comes with torch too, 200 billion (prompts of 64 to
6,144 tokens, sizes of SmolLM2-135M; forward and backward). Elsewhere the choice is torch's: other processors are not
measured.
"""

from __future__ import annotations

from pathlib import Path
from types import MethodType
from typing import Any

import torch


def speed_linear_layers(model: torch.nn.Module, device: torch.device) -> None:
    """Let oneDNN compute a model's linear layers, and their gradients, where it runs on a CPU on which that is faster.

    The last bits of results differ from those of MKL, as they do between processors.
    """
    if device.type != "cpu" or not is_onednn_faster():
        return
    for module in model.modules():
        if type(module) is torch.nn.Linear:
            module.forward = MethodType(forward, module)  # type: ignore[method-assign]


def forward(layer: torch.nn.Linear, inputs: torch.Tensor) -> torch.Tensor:
    """The forward pass of a linear layer, by oneDNN where it can compute it."""
    given = inputs, layer.weight, layer.bias
    if not takes_onednn(*given):
        return torch.nn.functional.linear(*given)
    return _LinearWithGradients.apply(*given) if torch.is_grad_enabled() else multiply(*given)


class _LinearWithGradients(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, inputs: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None) -> torch.Tensor:
        # A frozen weight's layer needs no inputs afterwards, and most layers' are frozen.
        ctx.save_for_backward(inputs if ctx.needs_input_grad[1] else None, weight)
        return multiply(inputs, weight, bias)

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        inputs, weight = ctx.saved_tensors
        of_inputs, of_weight, of_bias = ctx.needs_input_grad
        gradient = gradients[0]
        rows = gradient.flatten(0, -2)
        return (
            multiply(gradient, weight.T, None) if of_inputs else None,
            rows.T @ inputs.flatten(0, -2) if of_weight else None,
            rows.sum(0) if of_bias else None,
        )


def multiply(inputs: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None) -> torch.Tensor:
    """inputs (… x n) times the transpose of weight (m x n), plus bias (m), by oneDNN."""
    return torch.ops.mkldnn._linear_pointwise(inputs.contiguous(), weight, bias, "none", [], "")


def takes_onednn(inputs: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None) -> bool:
    """Whether oneDNN can compute a layer: fp32 on the CPU, dense weights, and not empty."""
    given = [inputs, weight] if bias is None else [inputs, weight, bias]
    fits = all(one.dtype == torch.float32 and one.device.type == "cpu" for one in given)
    return fits and weight.is_contiguous() and inputs.dim() > 1 and inputs.numel() > 0


def is_onednn_faster() -> bool:
    """Whether this is a processor on which oneDNN was measured to be faster than MKL."""
    has_both = torch.backends.mkl.is_available() and torch.backends.mkldnn.is_available()
    return is_amd() and has_both and torch.backends.cpu.get_cpu_capability().startswith("AVX512")


def is_amd() -> bool:
    """Whether this is a processor of AMD, for which MKL is not made."""
    cpu = Path("/proc/cpuinfo")
    return cpu.is_file() and "AuthenticAMD" in cpu.read_text(encoding="utf-8")
