"""Linear layers by oneDNN: the same numbers but for rounding, and torch's own where oneDNN does not fit."""

import pytest
import torch
from torch.nn.functional import linear

from models import linear_kernels
from models.linear_kernels import OneDnnLinear, is_onednn_faster, takes_onednn


@pytest.mark.parametrize("shape", [(1, 48), (3, 5, 48), (2, 1, 48)])
@pytest.mark.parametrize("has_bias", [True, False])
@torch.inference_mode()
def test_a_layer_gives_what_torch_gives(shape, has_bias):
    inputs, layer = torch.randn(shape), torch.nn.Linear(48, 37, bias=has_bias)
    exact = linear(inputs.double(), layer.weight.double(), layer.bias.double() if has_bias else None)
    with OneDnnLinear():
        found = layer(inputs)
    assert (found.shape, found.dtype) == (exact.shape, torch.float32)
    assert (found - exact).abs().max() < 1e-5


def test_what_onednn_can_not_compute_is_left_to_torch():
    inputs, weight = torch.randn(3, 48), torch.randn(37, 48)
    with torch.no_grad():
        assert takes_onednn(inputs, weight)
        assert not takes_onednn(inputs.bfloat16(), weight.bfloat16())
        assert not takes_onednn(inputs[0], weight)
        assert not takes_onednn(inputs[:0], weight)
        assert not takes_onednn(inputs, torch.randn(48, 37).T)
    with OneDnnLinear():
        linear(inputs, weight.requires_grad_()).sum().backward()
    assert torch.allclose(weight.grad[0], inputs.sum(dim=0), atol=1e-5)


@pytest.mark.parametrize(
    ("vendor", "capability", "faster"),
    [("AuthenticAMD", "AVX512", True), ("AuthenticAMD", "AVX2", False), ("GenuineIntel", "AVX512", False)],
)
def test_it_is_used_where_it_was_measured_to_be_faster(vendor, capability, faster, tmp_path, monkeypatch):
    (tmp_path / "cpuinfo").write_text(f"vendor_id\t: {vendor}\n")
    monkeypatch.setattr(linear_kernels, "Path", lambda name: tmp_path / "cpuinfo")
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: capability)
    assert is_onednn_faster() == faster
