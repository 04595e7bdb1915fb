"""Linear layers by oneDNN: the same numbers but for rounding, and torch's own where oneDNN does not fit."""

import copy

import pytest
import torch

from models import linear_kernels
from models.linear_kernels import is_onednn_faster, speed_linear_layers, takes_onednn

CPU = torch.device("cpu")


@pytest.fixture
def speed(monkeypatch):
    """Speeds a layer up whatever this machine's processor is, and counts what oneDNN computes."""
    products = []
    multiply = linear_kernels.multiply
    monkeypatch.setattr(linear_kernels, "is_onednn_faster", lambda: True)
    monkeypatch.setattr(linear_kernels, "multiply", lambda *given: products.append(1) or multiply(*given))

    def speed(layer):
        speed_linear_layers(layer, CPU)
        return products

    return speed


@pytest.mark.parametrize("shape", [(1, 48), (3, 5, 48), (2, 1, 48)])
@pytest.mark.parametrize("has_bias", [True, False])
def test_a_layer_gives_what_torch_gives(shape, has_bias, speed):
    inputs, layer = torch.randn(shape), torch.nn.Linear(48, 37, bias=has_bias)
    exact = copy.deepcopy(layer).double()(inputs.double())
    products = speed(layer)
    with torch.inference_mode():
        found = layer(inputs)
    assert products == [1]
    assert (found.shape, found.dtype) == (exact.shape, torch.float32)
    assert (found - exact).abs().max() < 1e-5


@pytest.mark.parametrize("trained", [(True, False, False), (False, True, False), (True, True, True)])
def test_gradients_are_those_of_torch(trained, speed):
    """Of inputs, weight and bias; a frozen weight's layer keeps no inputs for them."""
    inputs, layer, factors = torch.randn(2, 5, 48), torch.nn.Linear(48, 37), torch.randn(2, 5, 37)
    tensors = inputs, layer.weight, layer.bias
    for one, is_trained in zip(tensors, trained, strict=True):
        one.requires_grad_(is_trained)
    exact = [one.detach().double().requires_grad_() for one in tensors]
    (torch.nn.functional.linear(*exact) * factors).sum().backward()
    products = speed(layer)
    output = layer(inputs)
    kept = [one.shape for one in output.grad_fn.saved_tensors if one is not None]
    assert (inputs.shape in kept) == trained[1]
    (output * factors).sum().backward()
    assert len(products) == 1 + trained[0]
    for one, other, is_trained in zip(exact, tensors, trained, strict=True):
        assert (other.grad is not None) == is_trained
        assert not is_trained or (one.grad - other.grad).abs().max() < 1e-4


def test_what_is_computed_again_in_the_backward_pass_is_computed_the_same_way(speed):
    layer, inputs = torch.nn.Linear(48, 48), torch.randn(3, 48, requires_grad=True)
    products = speed(layer)
    torch.utils.checkpoint.checkpoint(lambda one: layer(layer(one)), inputs, use_reentrant=False).sum().backward()
    assert len(products) == 2 + 2 + 2


def test_a_copy_of_a_layer_has_weights_of_its_own(speed):
    layer, inputs = torch.nn.Linear(48, 37), torch.randn(3, 48)
    speed(layer)
    other = copy.deepcopy(layer)
    with torch.no_grad():
        other.weight.zero_()
        assert not torch.equal(layer(inputs), other(inputs))


def test_what_onednn_can_not_compute_is_left_to_torch():
    inputs, weight = torch.randn(3, 48), torch.randn(37, 48)
    assert takes_onednn(inputs, weight, None)
    assert not takes_onednn(inputs.bfloat16(), weight.bfloat16(), None)
    assert not takes_onednn(inputs[0], weight, None)
    assert not takes_onednn(inputs[:0], weight, None)
    assert not takes_onednn(inputs, torch.randn(48, 37).T, None)


@pytest.mark.parametrize("is_trained", [False, True])
def test_a_part_of_a_tensor_is_multiplied_as_a_whole_one(is_trained, speed):
    """The head gets the last places of each row, which do not lie one behind the other."""
    layer, states = torch.nn.Linear(48, 37), torch.randn(2, 9, 48, requires_grad=is_trained)
    products = speed(layer)
    part = states[:, -3:]
    assert not part.is_contiguous()
    found = layer(part)
    assert torch.allclose(found, layer(part.clone(memory_format=torch.contiguous_format)), atol=1e-6)
    assert len(products) == 2
    if is_trained:
        found.transpose(1, 2).sum().backward()
        assert torch.allclose(states.grad[:, -3:], layer.weight.sum(0).expand(2, 3, 48), atol=1e-5)
        assert not states.grad[:, :-3].any()


@pytest.mark.parametrize(
    ("vendor", "capability", "faster"),
    [("AuthenticAMD", "AVX512", True), ("AuthenticAMD", "AVX2", False), ("GenuineIntel", "AVX512", False)],
)
def test_it_is_used_where_it_was_measured_to_be_faster(vendor, capability, faster, tmp_path, monkeypatch):
    (tmp_path / "cpuinfo").write_text(f"vendor_id\t: {vendor}\n")
    monkeypatch.setattr(linear_kernels, "Path", lambda name: tmp_path / "cpuinfo")
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: capability)
    assert is_onednn_faster() == faster
    layer = torch.nn.Linear(48, 37)
    speed_linear_layers(layer, CPU)
    assert ("forward" in vars(layer)) == faster
    speed_linear_layers(on_gpu := torch.nn.Linear(48, 37), torch.device("cuda"))
    assert "forward" not in vars(on_gpu)
