"""Matrix products of linear layers on CPUs by oneDNN, where the library that torch takes for them is slow.

In fp32 torch takes MKL, which uses half of what an AMD processor with AVX-512 can do: on an AMD EPYC with torch 2.14 it
made 100 billion operations a second on a core, and oneDNN, which comes with torch too, 200 billion (prompts of 64 to
6,144 tokens, sizes of SmolLM2-135M). Elsewhere the choice is torch's: other processors are not measured.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import torch
from torch.overrides import TorchFunctionMode


class OneDnnLinear(TorchFunctionMode):
    """While it is entered, oneDNN computes linear layers of fp32 on the CPU. It gives no gradients.

    The last bits of results differ from those of MKL, as they do between processors.
    """

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is torch.nn.functional.linear and not kwargs and takes_onednn(*args):
            inputs, weight, bias = (*args, None)[:3]
            return torch.ops.mkldnn._linear_pointwise(inputs, weight, bias, "none", [], "")
        return func(*args, **(kwargs or {}))


def takes_onednn(inputs: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None = None) -> bool:
    """Whether oneDNN can compute this layer: dense fp32 on the CPU, not empty, and no gradient is asked for."""
    given = [inputs, weight] if bias is None else [inputs, weight, bias]
    dense = all(one.dtype == torch.float32 and one.device.type == "cpu" and one.is_contiguous() for one in given)
    return dense and inputs.dim() > 1 and inputs.numel() > 0 and not torch.is_grad_enabled()


def is_onednn_faster() -> bool:
    """Whether this is a processor on which oneDNN was measured to be faster than MKL."""
    cpu = Path("/proc/cpuinfo")
    is_amd = cpu.is_file() and "AuthenticAMD" in cpu.read_text(encoding="utf-8")
    has_both = torch.backends.mkl.is_available() and torch.backends.mkldnn.is_available()
    return is_amd and has_both and torch.backends.cpu.get_cpu_capability().startswith("AVX512")


def fast_linear() -> AbstractContextManager[Any]:
    """In which linear layers are computed as fast as is known here; torch's own way where no other is faster."""
    return OneDnnLinear() if is_onednn_faster() else nullcontext()
