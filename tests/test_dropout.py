"""Dropout that draws four values at a time: torch's distribution, generator and gradient."""

import copy

import pytest
import torch

from training import dropout
from training.dropout import speed_dropout

CPU = torch.device("cpu")


@pytest.fixture
def make_layer(monkeypatch):
    """Makes a layer that is sped up whatever this machine's processor is."""
    monkeypatch.setattr(dropout, "is_amd", lambda: True)

    def make(p):
        layer = torch.nn.Dropout(p)
        speed_dropout(layer, CPU)
        assert "forward" in vars(layer)
        return layer

    return make


@pytest.mark.parametrize("p", [0.05, 0.5, 0.9])
def test_values_are_dropped_each_by_itself_with_the_probability_asked(p, make_layer):
    """Counts within five standard deviations: over all, and where two that are drawn together both are dropped."""
    layer, n_values = make_layer(p), 1_000_000
    torch.manual_seed(0)
    output = layer(torch.ones(n_values))
    dropped = output == 0
    assert abs(int(dropped.sum()) - n_values * p) < 5 * (n_values * p * (1 - p)) ** 0.5
    for distance in (1, 2, 3, 4):
        n_both, both = int((dropped[distance:] & dropped[:-distance]).sum()), p * p
        # Neighbouring pairs share a value, which widens the spread by at most three times the covariance.
        spread = (n_values * (both * (1 - both) + 2 * p**3 * (1 - p))) ** 0.5
        assert abs(n_both - n_values * both) < 5 * spread
    assert torch.allclose(output[~dropped], torch.tensor(1 / (1 - p)), rtol=1e-3)


@pytest.mark.parametrize("p", [0.05, 0.3])
def test_the_mean_stays(p, make_layer):
    """What stays is scaled by the probability that is drawn with, not by the one that was asked."""
    dropped, kept = sorted(set(make_layer(p)(torch.ones(640)).tolist()))
    assert dropped == 0
    assert kept == pytest.approx(1 / (1 - round(p * 65536) / 65536), rel=1e-7)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("shape", [(3, 5, 7), (1,), (0, 4)])
def test_a_gradient_passes_where_its_value_stayed(dtype, shape, make_layer):
    inputs = torch.randn(shape, dtype=dtype).requires_grad_()
    output = make_layer(0.4)(inputs)
    assert (output.shape, output.dtype) == (inputs.shape, dtype)
    output.sum().backward()
    assert torch.equal(output, inputs * inputs.grad)


def test_a_part_of_a_tensor_is_dropped_in_its_own_shape(make_layer):
    inputs = torch.ones(4, 6, 8).transpose(0, 1)[:, 1:]
    assert make_layer(0.5)(inputs).shape == inputs.shape


def test_a_seed_and_activation_checkpoints_keep_their_meaning(make_layer):
    layer, inputs = make_layer(0.5), torch.ones(50, requires_grad=True)
    torch.manual_seed(3)
    first, second = layer(inputs), layer(inputs)
    assert not torch.equal(first, second)
    torch.manual_seed(3)
    assert torch.equal(first, layer(inputs))
    output = torch.utils.checkpoint.checkpoint(layer, inputs, use_reentrant=False)
    output.sum().backward()
    assert torch.equal(output, inputs.grad)


@pytest.mark.parametrize(("p", "training", "output"), [(0.5, False, 1.0), (0.0, True, 1.0), (1.0, True, 0.0)])
def test_without_chance_a_layer_gives_what_torch_gives(p, training, output, make_layer):
    assert make_layer(p).train(training)(torch.ones(8)).tolist() == [output] * 8


@pytest.mark.parametrize(("device", "amd"), [("cuda", True), ("cpu", False)])
def test_elsewhere_layers_stay_as_they_are(device, amd, monkeypatch):
    monkeypatch.setattr(dropout, "is_amd", lambda: amd)
    layer = torch.nn.Dropout(0.5)
    speed_dropout(layer, torch.device(device))
    assert "forward" not in vars(layer)


def test_a_copy_of_a_layer_follows_its_own_mode(make_layer):
    layer = make_layer(0.5)
    other = copy.deepcopy(layer).eval()
    assert layer(torch.ones(99)).min() == 0
    assert other(torch.ones(99)).min() == 1
