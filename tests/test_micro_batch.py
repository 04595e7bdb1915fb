"""The cut of a step into forward passes: what fits, what is fast, what a resumed training keeps."""

import pytest
import torch
from test_training_resume import Killed, interrupt, kill
from training_runs import adapter, out_of_memory_above, same_adapters, train, write_base_and_data

import train_lora
from captions.prompts import PromptSettings
from core.command import InputError
from core.records import read_json
from training import micro_batch
from training.callbacks import StopOnSignal
from training.identity import training_digest, training_identity
from training.micro_batch import Cut
from training.packing import Packing
from training.settings import TrainingSettings

EIGHT = {"batch_size": 8, "accumulation": 1, "max_steps": 4, "learning_rate": 0.001}


@pytest.fixture(scope="module")
def base_and_data(tmp_path_factory):
    return write_base_and_data(tmp_path_factory.mktemp("cuts"))


@pytest.fixture
def run(base_and_data, tmp_path):
    return lambda name="out", **changes: train(*base_and_data, tmp_path / name, **changes)


@pytest.fixture(scope="module")
def eight(base_and_data, tmp_path_factory):
    """The training of EIGHT to the letter."""
    output = tmp_path_factory.mktemp("eight") / "out"
    train(*base_and_data, output, **EIGHT, micro_batch="as_given")
    return output


def take(monkeypatch, seconds):
    """Let passes take so many seconds by batch size, on a device whose memory can be tried."""
    monkeypatch.setattr(micro_batch, "memory_can_be_tried", lambda device: True)
    monkeypatch.setattr(micro_batch.Trial, "seconds", lambda self, cut, examples: seconds[cut.batch_size])


def assert_close(one, other):
    for key, value in adapter(one).items():
        assert torch.allclose(value, adapter(other)[key], atol=2e-5), key


def test_a_batch_over_the_memory_is_cut_and_the_result_stays(run, eight, tmp_path, monkeypatch, capfd):
    out_of_memory_above(monkeypatch, 2)
    summary = run(**EIGHT)
    assert (summary["batch_size"], summary["accumulation"], summary["effective_batch"]) == (2, 4, 8)
    assert read_json(tmp_path / "out" / "settings.json")["batch_size"] == 2
    assert "8 = 1 device(s) x 2 x 4 (8 x 1 as given does not fit into memory" in capfd.readouterr().err
    assert "8 x 1 as given does not fit" in summary["micro_batch"]["reason"]
    assert set(summary["micro_batch"]["tokens_per_second"]) == {"2 x 4", "2 x 4 checkpointed"}
    assert_close(eight, tmp_path / "out")


def test_a_larger_cut_is_taken_where_it_is_clearly_faster_and_fits(run, tmp_path, monkeypatch):
    out_of_memory_above(monkeypatch, 4)
    given = {**EIGHT, "batch_size": 1, "accumulation": 8}
    take(monkeypatch, {1: 3.0, 2: 2.0, 4: 1.0, 8: 0.1})
    summary = run("fast", **given)
    assert (summary["batch_size"], summary["accumulation"]) == (4, 2)
    assert "3.0 times as fast as 1 x 8 as given" in summary["micro_batch"]["reason"]
    take(monkeypatch, {1: 1.1, 2: 1.0, 4: 1.0})
    summary = run("alike", **given)
    assert (summary["batch_size"], summary["accumulation"]) == (1, 8)
    assert summary["micro_batch"]["reason"] == "as given: none of 3 measured is 20% faster"


@pytest.mark.parametrize(("packed", "faster"), [(1.0, True), (1.9, False)])
def test_rows_are_packed_where_that_is_measured_faster_and_the_result_stays(
    run, eight, tmp_path, monkeypatch, packed, faster
):
    monkeypatch.setattr(micro_batch, "memory_can_be_tried", lambda device: True)
    monkeypatch.setattr(
        micro_batch.Trial, "seconds", lambda self, *_: packed if isinstance(self.collate, Packing) else 1.92
    )
    plan = run(**EIGHT)["micro_batch"]
    told = f"packed, {1.92 / packed:.2f} times as fast as padded" if faster else "padded: packed is 1.01 times as fast"
    assert (plan["packed"], plan["packing"]) == (faster, told)
    assert_close(eight, tmp_path / "out")


def test_a_resumed_training_keeps_its_packing(run, tmp_path, monkeypatch):
    monkeypatch.setattr(micro_batch, "memory_can_be_tried", lambda device: True)
    settings = {**EIGHT, "eval_steps": 2, "save_steps": 2}
    with monkeypatch.context() as patch:
        patch.setattr(micro_batch, "PACKING_MARGIN", 0.0)
        interrupt(patch, StopOnSignal, "on_step_end", 3, kill)
        with pytest.raises(Killed):
            run(**settings)
    monkeypatch.setattr(micro_batch, "PACKING_MARGIN", 1000)
    plan = run(**settings)["micro_batch"]
    assert plan["packed"]
    assert read_json(tmp_path / "out" / "training.json")["attempts"] == 2


def test_checkpointing_is_dropped_where_memory_allows_and_time_is_won(run, monkeypatch):
    out_of_memory_above(monkeypatch, 8)
    monkeypatch.setattr(
        micro_batch.Trial, "seconds", lambda self, cut, examples: 2.0 if cut.gradient_checkpointing else 1.0
    )
    summary = run(**EIGHT, gradient_checkpointing=True)
    assert summary["micro_batch"]["cut"] == {"batch_size": 8, "accumulation": 1, "gradient_checkpointing": False}


def test_on_a_cpu_the_cut_is_as_given(run, eight, tmp_path, monkeypatch):
    """A choice by its clock would change the last bits of an adapter from run to run."""
    monkeypatch.setattr(micro_batch.Trial, "pass_through", lambda self, examples: pytest.fail("measured"))
    assert run(**EIGHT)["micro_batch"]["reason"] == "as given on a CPU"
    assert same_adapters(eight, tmp_path / "out")


def test_measuring_leaves_no_trace_in_the_training(run, tmp_path, monkeypatch):
    """Dropout draws random numbers: a measurement that left with some would change every mask after it."""
    dropout = {"dropout": 0.1, "max_steps": 6, "batch_size": 1, "accumulation": 2}
    run("unmeasured", **dropout)
    monkeypatch.setattr(micro_batch, "memory_can_be_tried", lambda device: True)
    monkeypatch.setattr(micro_batch, "MARGIN", 1000)
    monkeypatch.setattr(micro_batch, "PACKING_MARGIN", 1000)
    summary = run("measured", **dropout)
    assert set(summary["micro_batch"]["tokens_per_second"]) == {"1 x 2", "2 x 1"}
    assert same_adapters(tmp_path / "unmeasured", tmp_path / "measured")


def test_where_a_pass_takes_too_long_nothing_is_measured(run, monkeypatch):
    monkeypatch.setattr(micro_batch, "memory_can_be_tried", lambda device: True)
    monkeypatch.setattr(micro_batch, "MAX_SECONDS", 0.0)
    plan = run("long", max_steps=4, gradient_checkpointing=True)["micro_batch"]
    assert plan["reason"] == "as given: a pass takes too long to measure"
    assert plan["packing"] == "padded: a pass takes too long to measure packing"
    assert plan["tokens_per_second"] == {}


def test_a_resumed_training_keeps_its_cut_and_on_another_device_stays_the_same(run, tmp_path, monkeypatch):
    settings = {**EIGHT, "batch_size": 4, "accumulation": 2, "eval_steps": 2, "save_steps": 2}
    run("whole", **settings, micro_batch="as_given")
    for name, device, size in (("kept", "the CPU", 8), ("moved", "another GPU", 4)):
        with monkeypatch.context() as patch:
            take(patch, {8: 1.0, 4: 3.0})
            interrupt(patch, StopOnSignal, "on_step_end", 3, kill)
            with pytest.raises(Killed):
                run(name, **settings)
        with monkeypatch.context() as patch:
            take(patch, {8: 1.0, 4: 1.0})
            patch.setattr(micro_batch, "device_name", lambda device=device: device)
            summary = run(name, **settings)
        assert summary["attempts"] == 2
        assert summary["batch_size"] == size
        assert_close(tmp_path / "whole", tmp_path / name)


def test_out_of_memory_says_what_to_lower(run, monkeypatch):
    out_of_memory_above(monkeypatch, 2)
    with pytest.raises(InputError, match=r"out of GPU memory with 4 x .* set micro_batch: auto, or halve batch_size"):
        run(batch_size=4, micro_batch="as_given")
    out_of_memory_above(monkeypatch, 0)
    lower = "set quantisation: nf4; or set sharding: fsdp with several gpus; or lower"
    with pytest.raises(InputError, match=f"out of GPU memory with 1 x .* batch: {lower}"):
        run(batch_size=3)


@pytest.mark.parametrize("step", ["load_model", "build_trainer"])
def test_a_base_over_the_memory_says_what_makes_it_smaller(run, monkeypatch, step):
    def full(*_):
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(train_lora, step, full)
    lower = "set quantisation: nf4; or set sharding: fsdp with several gpus; or choose a smaller base"
    with pytest.raises(InputError, match=f"the model does not fit into the memory of the CPU: {lower}"):
        run()


def test_room_is_kept_for_the_optimizer_and_for_the_gradients_that_devices_share(monkeypatch):
    weight, trial = torch.nn.Linear(10, 10, bias=False), object.__new__(micro_batch.Trial)
    trial.model, trial.given, trial.device = weight, Cut(1, 1, False), torch.device("cpu")
    assert trial.bytes_to_reserve(trial.given) == 8 * 100
    monkeypatch.setattr(micro_batch, "n_ranks", lambda: 2)
    assert trial.bytes_to_reserve(trial.given) == (8 + 4) * 100


def test_the_cut_makes_no_other_training(base_and_data):
    base, data = base_and_data
    one, other = (
        training_identity(base, {"train": data / "train.parquet"}, PromptSettings(), settings, 7, 1)
        for settings in (TrainingSettings(), TrainingSettings(micro_batch="as_given"))
    )
    assert training_digest(one) == training_digest(other)


def test_sizes_divide_the_samples_of_a_step():
    assert micro_batch.divisors(12) == [1, 2, 3, 4, 6, 12]
    assert Cut(3, 4, False).with_size(6) == Cut(6, 2, False)
