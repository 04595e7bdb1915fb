"""Training: an honest loss, the best adapter, steps counted as steps, the same step on one device and on two."""

import json
import math

import pytest
import torch
from peft import set_peft_model_state_dict
from training_runs import SETTINGS, adapter, climb_after, history, make_samples, start, train, write_base_and_data
from transformers import AutoModelForCausalLM, AutoTokenizer

from captions.prompts import IGNORED, PromptSettings, example_tokens
from core.command import InputError
from core.records import write_samples
from plan.schema import load_schema
from training import preparation as training_preparation
from training.data import Example, LeftPadding, caption_loss, encode_samples
from training.history import best_evaluation, history_lines, last_improvement, patience_left
from training.model import load_model
from training.settings import TrainingSettings


@pytest.fixture(scope="module")
def base_and_data(tmp_path_factory):
    return write_base_and_data(tmp_path_factory.mktemp("training"))


@pytest.fixture
def run(base_and_data, tmp_path):
    """Train with changed settings; returns the summary. The outputs lie in tmp_path / name."""
    return lambda name="out", **changes: train(*base_and_data, tmp_path / name, **changes)


def encoded_samples(base, n, split):
    tokenizer = AutoTokenizer.from_pretrained(base)
    return encode_samples(tokenizer, make_samples(n, split), PromptSettings(), "shorten", 2048).samples


def test_settings_are_those_of_the_schema():
    entries = load_schema()["$defs"]["training"]["properties"]
    defaults = vars(TrainingSettings())
    assert {key: entry["default"] for key, entry in entries.items()} == defaults


def test_training_moves_the_loss_and_writes_everything(run, tmp_path):
    summary = run()
    files = {path.name for path in (tmp_path / "out").iterdir()}
    assert files == {
        *("adapter_model.safetensors", "adapter_config.json", "README.md", "overlong.csv"),
        *("settings.json", "history.jsonl", "training.json", "code_digest.txt", "trained"),
    }
    losses = [record["eval_loss"] for record in history(tmp_path / "out") if "eval_loss" in record]
    assert losses[-1] < losses[0]
    assert summary["best_eval_loss"] == min(losses)
    assert (summary["steps"], summary["effective_batch"], summary["samples"]["train"]) == (12, 2, 20)
    trained = [value for key, value in adapter(tmp_path / "out").items() if "lora_B" in key]
    assert trained
    assert all(value.any() for value in trained)
    resolved = json.loads((tmp_path / "out" / "settings.json").read_text())
    assert resolved == {**vars(TrainingSettings()), **SETTINGS}


def test_the_history_tells_pace_and_time(run, tmp_path):
    run()
    records = [record for record in history(tmp_path / "out") if "loss" in record]
    assert [record["step"] for record in records] == [2, 4, 6, 8, 10, 12]
    assert all({"lr", "grad_norm", "time"} <= record.keys() for record in records)
    assert all(record["tokens_per_second"] > 0 for record in records[1:])


@pytest.mark.parametrize("family", ["gemma2", "gemma3", "llama3"])
def test_other_families_train_as_well(family, tmp_path):
    base, data = write_base_and_data(tmp_path, family)
    summary = train(base, data, tmp_path / "out", max_steps=4, gradient_checkpointing=family == "gemma2")
    assert math.isfinite(summary["best_eval_loss"])
    trained = [value for key, value in adapter(tmp_path / "out").items() if "lora_B" in key]
    assert trained
    assert all(value.any() for value in trained)


def test_the_adapter_that_is_kept_is_the_best_not_the_last(base_and_data, run, tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        climb_after(patch, 8)
        summary = run(max_steps=20, keep_checkpoints=1)
    assert summary["best_step"] < summary["steps"]
    model = load_model(base_and_data[0], TrainingSettings(**SETTINGS))
    set_peft_model_state_dict(model, adapter(tmp_path / "out"))
    encoded = encoded_samples(base_and_data[0], 6, "validation")
    batch = LeftPadding(0)([Example(sample.prompt, sample.captions[0]) for sample in encoded])
    labels = batch.pop("labels")
    with torch.no_grad():
        loss = float(caption_loss(model.eval()(**batch).logits, labels, None))
    assert loss == pytest.approx(summary["best_eval_loss"], abs=1e-4)


def test_patience_counts_optimizer_steps(run):
    summary = run(min_delta=100.0, patience_steps=8, max_steps=40)
    assert summary["steps"] == 12  # the evaluation at step 4 is the first; none is better by 100 until step 12
    assert "8 steps" in summary["stop_reason"]
    assert summary["best_step"] == 12  # the lowest loss is the best, whatever patience asks for


def test_the_last_step_is_evaluated_in_any_case(run, tmp_path):
    run(max_steps=6)
    assert [record["step"] for record in history(tmp_path / "out") if "eval_loss" in record] == [4, 6]


def test_the_best_is_the_lowest_and_patience_wants_more_than_min_delta():
    log = [{"step": step, "eval_loss": loss} for step, loss in ((10, 2.0), (20, 1.95), (30, 1.8), (40, 1.75))]
    assert best_evaluation(log) == (40, 1.75)
    assert last_improvement(log, 0.1) == (30, 1.8)
    assert best_evaluation([{"step": 1, "loss": 3.0}]) is None
    assert [patience_left(log[:n], 30, 0.1) for n in range(5)] == [30, 30, 20, 30, 20]


def test_a_loss_that_is_no_number_is_never_the_best_and_leaves_the_history_json():
    log = [{"step": 10, "eval_loss": math.nan}, {"step": 20, "eval_loss": 1.0}, {"step": 30, "eval_loss": math.nan}]
    assert best_evaluation(log) == (20, 1.0)
    assert patience_left(log, 20, 0.0) == 10
    assert json.loads(history_lines(log).splitlines()[0]) == {"step": 10, "eval_loss": None}


def test_a_training_whose_loss_is_no_number_ends_at_once(base_and_data, tmp_path):
    with pytest.raises(InputError, match=r"the loss is nan at step 2: the training is lost. Lower learning_rate"):
        train(*base_and_data, tmp_path, learning_rate=1e38, warmup_ratio=0, max_steps=400)
    records = (tmp_path / "checkpoints" / "history.jsonl").read_text().splitlines()  # read by monitor_training.py
    assert json.loads(records[-1])["loss"] is None
    assert not (tmp_path / "adapter_model.safetensors").exists()


def test_a_step_is_the_same_in_one_batch_by_accumulation_and_on_two_processes(base_and_data, tmp_path):
    """Batch 8 = 2 x 4 accumulated = two processes (gloo) x 2 x 2: losses, gradients, evaluation, and weights."""
    steps = {"max_steps": 4, "log_steps": 1, "learning_rate": 0.001}
    steps |= {"eval_captions": {"samples": 3, "max_new_tokens": 8}}  # which two processes share
    two = start(*base_and_data, tmp_path / "two", devices=2, batch_size=2, accumulation=2, **steps)
    for name, batch_size, accumulation in (("one", 8, 1), ("many", 2, 4)):
        train(*base_and_data, tmp_path / name, batch_size=batch_size, accumulation=accumulation, **steps)
    _, log = two.communicate()
    assert two.returncode == 0, log
    assert "8 = 2 device(s) x 2 x 2" in log
    one = history(tmp_path / "one")
    for name in ("many", "two"):
        for expected, record in zip(one, history(tmp_path / name), strict=True):
            for key in expected.keys() - {"time", "tokens_per_second", "caption_seconds"}:
                assert record[key] == pytest.approx(expected[key], rel=1e-5), (name, key)
        for key, value in adapter(tmp_path / "one").items():
            assert torch.allclose(value, adapter(tmp_path / name)[key], atol=2e-5), (name, key)
    captions = [(tmp_path / name / "eval_captions.jsonl").read_bytes() for name in ("one", "two")]
    assert captions[0] == captions[1]


def test_the_loss_is_the_models_own_on_the_captions_tokens(base_and_data):
    base, _ = base_and_data
    tokenizer = AutoTokenizer.from_pretrained(base)
    model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32).eval()
    batch = LeftPadding(0)([Example(sample.prompt, sample.captions[0]) for sample in encoded_samples(base, 5, "train")])
    labels = batch.pop("labels")
    total, count = 0.0, 0
    with torch.no_grad():
        logits = model(**batch).logits
        for record in make_samples(5, "train"):
            example = example_tokens(tokenizer, record.xml, record.references[0], PromptSettings())
            n_labels = sum(label != IGNORED for label in example.labels)
            own = model(input_ids=torch.tensor([example.ids]), labels=torch.tensor([example.labels])).loss
            total, count = total + float(own) * n_labels, count + n_labels
    assert float(caption_loss(logits, labels, None)) == pytest.approx(total / count, abs=1e-5)
    # No logits but those of the captions are made: training or evaluation keeps no batch x length x vocabulary.
    assert logits.shape[1] == batch["logits_to_keep"] == 1 + max(len(row[row != IGNORED]) for row in labels)


def test_gradient_checkpointing_trains_the_adapter_too(run, tmp_path):
    run("plain", max_steps=4)
    run("checkpointed", gradient_checkpointing=True, max_steps=4)
    plain, checkpointed = adapter(tmp_path / "plain"), adapter(tmp_path / "checkpointed")
    assert plain
    assert plain.keys() == checkpointed.keys()
    for key, value in plain.items():
        assert torch.allclose(value, checkpointed[key], atol=1e-6), key


def test_an_adapter_that_never_moved_is_no_result(run, monkeypatch):
    monkeypatch.setattr(torch.optim.AdamW, "step", lambda self, closure=None: None)
    with pytest.raises(AssertionError, match="LoRA matrices did not move"):
        run(max_steps=4)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"targets": ["query"]}, r"no modules query to adapt; it can adapt .*q_proj"),
        ({"learning_rat": 1}, "did you mean 'learning_rate'"),
        ({"save_steps": 5}, "no multiple of eval_steps"),
    ],
)
def test_bad_settings_are_one_clear_message_before_the_model_is_loaded(run, monkeypatch, changes, message):
    monkeypatch.setattr("train_lora.load_model", lambda *arguments: pytest.fail("the model was loaded"))
    with pytest.raises(InputError, match=message):
        run(**changes)


def test_a_base_without_weights_and_an_empty_split_are_named(base_and_data, tmp_path):
    base, data = base_and_data
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=r"no config\.json"):
        train(tmp_path / "empty", data, tmp_path / "out")
    write_samples(tmp_path / "train.parquet", [])
    write_samples(tmp_path / "validation.parquet", make_samples(2, "validation"))
    with pytest.raises(InputError, match=r"train\.parquet holds no samples"):
        train(base, tmp_path, tmp_path / "out")


def test_a_full_disk_and_missing_gpus_are_said_before_the_model_is_loaded(run, monkeypatch):
    monkeypatch.setattr("train_lora.load_model", lambda *arguments: pytest.fail("the model was loaded"))
    usage = training_preparation.shutil.disk_usage("/")._replace(free=1000)
    with monkeypatch.context() as patch:
        patch.setattr(training_preparation.shutil, "disk_usage", lambda path: usage)
        with pytest.raises(InputError, match=r"checkpoints need .* GB: free some space, or lower keep_checkpoints"):
            run()
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    with pytest.raises(InputError, match=r"2 GPUs are asked for and 1 visible: lower models\.<name>\.gpus"):
        training_preparation.check_devices(2)


def test_a_missing_base_ends_the_command_with_one_line_and_leaves_nothing(base_and_data, tmp_path):
    process = start(tmp_path / "nowhere", base_and_data[1], tmp_path / "out", devices=2)
    _, log = process.communicate()
    assert process.returncode == 1
    assert log == f"error: the model folder {tmp_path}/nowhere does not exist; fetch it first: snakemake fetch_models\n"
    assert not list(tmp_path.iterdir())


def test_a_model_card_says_base_data_settings_and_how_to_load(tmp_path):
    base, data = write_base_and_data(tmp_path)
    source = {"hub": "org/model", "revision": "0" * 40}
    (base / "manifest.json").write_text(json.dumps({"source": source, "digest": "d" * 64}))
    summary = train(base, data, tmp_path / "out", max_steps=4)
    card = (tmp_path / "out" / "README.md").read_text()
    for text in ("org/model at " + "0" * 40, "d" * 64, summary["data_digests"]["train"], '"r": 4', "from_pretrained"):
        assert text in card
