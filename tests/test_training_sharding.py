"""Weights shared out over two processes (FSDP2 on gloo): the training is that of two processes without sharding."""

import os
import shutil
import signal

import pytest
import torch
from forked_ranks import identity_of, train_on_two
from torch.distributed.fsdp import FSDPModule
from training_runs import adapter, history, write_base_and_data

from core.command import InputError
from plan.faults import _training_faults
from training.callbacks import StopOnSignal
from training.identity import training_digest
from training.settings import TrainingSettings
from training.sharding import check_sharding


@pytest.fixture(scope="module")
def base_and_data(tmp_path_factory):
    return write_base_and_data(tmp_path_factory.mktemp("sharding"))


@pytest.fixture(scope="module")
def unsharded(base_and_data, tmp_path_factory):
    output = tmp_path_factory.mktemp("unsharded") / "out"
    assert train_on_two(*base_and_data, output) == [0, 0]
    return output


def check_same(output, expected):
    """Losses, evaluations, gradients' norms and weights are the same but for the order in which floats are added."""
    for record, other in zip(history(output), history(expected), strict=True):
        for key in other.keys() - {"time", "tokens_per_second"}:
            assert record[key] == pytest.approx(other[key], rel=1e-5), key
    weights, others = adapter(output), adapter(expected)
    assert weights.keys() == others.keys()
    for key, value in others.items():
        assert torch.allclose(weights[key], value, atol=2e-6), key
    for file in ("adapter_config.json", "overlong.csv"):
        assert (output / file).read_text() == (expected / file).read_text()
    assert {path.name for path in output.iterdir()} == {path.name for path in expected.iterdir()}


def test_sharded_and_stopped_a_training_is_that_without_either(base_and_data, unsharded, tmp_path, monkeypatch):
    """Weights are shared out, SIGTERM ends it with a checkpoint, and it resumes with and without sharding."""
    original = StopOnSignal.on_step_end

    def on_step_end(self, args, state, control, model=None, **options):
        if state.global_step == 5:
            assert sum(isinstance(module, FSDPModule) for module in model.modules()) > 2
            assert all(weight.to_local().numel() < weight.numel() for weight in model.parameters())
            os.kill(os.getpid(), signal.SIGTERM)
        original(self, args, state, control, **options)

    with monkeypatch.context() as patch:
        patch.setattr(StopOnSignal, "on_step_end", on_step_end)
        assert train_on_two(*base_and_data, tmp_path / "fsdp", sharding="fsdp") == [75, 75]
    shutil.copytree(tmp_path / "fsdp", tmp_path / "none")
    for sharding in ("fsdp", "none"):
        assert (tmp_path / sharding / "checkpoints" / "checkpoint-5").is_dir()
        assert train_on_two(*base_and_data, tmp_path / sharding, sharding=sharding) == [0, 0]
        check_same(tmp_path / sharding, unsharded)


def test_sharding_makes_no_other_training(base_and_data):
    digests = {
        training_digest(identity_of(*base_and_data, TrainingSettings(sharding=sharding))[1])
        for sharding in ("none", "fsdp")
    }
    assert len(digests) == 1


@pytest.mark.parametrize(
    ("changes", "n_devices", "input", "message"),
    [
        ({}, 1, "code", "over several GPUs: raise models.<name>.gpus"),
        ({"quantisation": "nf4"}, 2, "code", "quantisation: nf4 is not supported"),
        ({"use_dora": True}, 2, "code", "use_dora: True is not supported; set use_dora: false"),
        ({"packing": "always"}, 2, "code", "packing: always is not supported"),
        ({"eval_captions": {"samples": 5}}, 2, "code", "set eval_captions.samples: 0"),
        ({}, 2, "both", "code alone, not input: both"),
    ],
)
def test_what_cannot_be_shared_out_is_refused(changes, n_devices, input, message):
    check_sharding(TrainingSettings(**changes), n_devices, input)
    model = {"preset": "own", "gpus": n_devices, "input": input}
    assert not list(_training_faults({"presets": {"own": changes}}, "m", model, "transformers"))
    (fault,) = _training_faults({"presets": {"own": {**changes, "sharding": "fsdp"}}}, "m", model, "transformers")
    assert fault.startswith("models.m: sharding: fsdp ")
    with pytest.raises(InputError, match=message):
        check_sharding(TrainingSettings(sharding="fsdp", **changes), n_devices, input)
