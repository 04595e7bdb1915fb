"""Training: an honest loss, the best adapter, steps counted as steps, and a resume that changes nothing."""

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from tiny_models import build_tiny_model
from transformers import AutoModelForCausalLM, AutoTokenizer

from command import InputError
from configuration import load_schema
from prompts import IGNORED, PromptSettings, example_tokens, prompt_tokens
from records import Sample, write_samples
from train_lora import load_model, main, prepare_checkpoints
from training_callbacks import best_evaluation
from training_data import ExampleDataset, LeftPadding, caption_loss, encode_samples, lay_out_training
from training_settings import TrainingSettings

SCRIPT = Path(__file__).parent.parent / "workflow" / "scripts" / "train_lora.py"
COLOURS = ["red", "green", "blue", "yellow", "pink", "black"]
SETTINGS = {"r": 4, "alpha": 8, "dropout": 0.0, "batch_size": 2, "accumulation": 1, "learning_rate": 0.01}
SETTINGS |= {"max_steps": 12, "eval_steps": 4, "save_steps": 4, "log_steps": 2, "dtype": "fp32", "wandb": "disabled"}


def samples(n, split):
    return [
        Sample(
            id=f"{split}{k}",
            source="a",
            split=split,
            group=f"{k}",
            xml="<svg>" + f'<rect width="{k}" fill="{COLOURS[k % 6]}"/>' * (1 + k % 4) + "</svg>",
            references=[f"a {COLOURS[k % 6]} square", f"{COLOURS[k % 6]}"],
        )
        for k in range(n)
    ]


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    return build_tiny_model(tmp_path_factory.mktemp("base"), "llama")


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    write_samples(folder / "train.parquet", samples(20, "train"))
    write_samples(folder / "validation.parquet", samples(6, "validation"))
    return folder


def train(base, data, output, **changes):
    settings = {**SETTINGS, **changes}
    main(
        name="tiny",
        base=base,
        train=data / "train.parquet",
        validation=data / "validation.parquet",
        prompt="{}",
        settings=json.dumps(settings),
        seed=7,
        output_dir=output,
    )
    return json.loads((output / "training.json").read_text())


def adapter(output):
    return load_file(output / "adapter_model.safetensors")


def same_adapters(one, other):
    first, second = adapter(one), adapter(other)
    return first.keys() == second.keys() and all(torch.equal(first[key], second[key]) for key in first)


def test_settings_are_those_of_the_schema():
    entries = load_schema()["$defs"]["training"]["properties"]
    defaults = vars(TrainingSettings())
    assert {key: entry["default"] for key, entry in entries.items()} == defaults


def test_training_moves_the_loss_and_writes_everything(base, data, tmp_path):
    summary = train(base, data, tmp_path / "out")
    files = {path.name for path in (tmp_path / "out").iterdir()}
    assert files == {
        *("adapter_model.safetensors", "adapter_config.json", "README.md"),
        *("settings.json", "history.jsonl", "training.json", "code_digest.txt"),
    }
    history = [json.loads(line) for line in (tmp_path / "out" / "history.jsonl").read_text().splitlines()]
    losses = [record["eval_loss"] for record in history if "eval_loss" in record]
    assert losses[-1] < losses[0]
    assert summary["best_eval_loss"] == min(losses)
    assert (summary["steps"], summary["effective_batch"], summary["samples"]["train"]) == (12, 2, 20)
    own_count = sum(tensor.numel() for tensor in adapter(tmp_path / "out").values())
    assert summary["parameters"]["trainable"] == own_count
    assert all(value.any() for key, value in adapter(tmp_path / "out").items() if "lora_B" in key)


def test_the_adapter_that_is_kept_is_the_best_not_the_last(base, data, tmp_path):
    summary = train(base, data, tmp_path / "out", learning_rate=0.3, max_steps=20, keep_checkpoints=1)
    assert summary["best_step"] < summary["steps"]
    model = load_model(base, TrainingSettings(**{**SETTINGS, "learning_rate": 0.3}))
    from peft import set_peft_model_state_dict

    set_peft_model_state_dict(model, adapter(tmp_path / "out"))
    tokenizer = AutoTokenizer.from_pretrained(base)
    encoded = encode_samples(tokenizer, samples(6, "validation"), PromptSettings(), "shorten").samples
    batch = LeftPadding(0)([(sample.prompt, sample.captions[0]) for sample in encoded])
    labels = batch.pop("labels")
    with torch.no_grad():
        loss = float(caption_loss(model.eval()(**batch).logits, labels, None))
    assert loss == pytest.approx(summary["best_eval_loss"], abs=1e-4)


def test_patience_counts_optimizer_steps(base, data, tmp_path):
    settings = {"min_delta": 100.0, "patience_steps": 8, "eval_steps": 4, "save_steps": 4, "max_steps": 40}
    summary = train(base, data, tmp_path / "out", **settings)
    assert (summary["best_step"], summary["steps"]) == (4, 12)
    assert "8 steps" in summary["stop_reason"]


def test_a_better_evaluation_needs_more_than_min_delta():
    log = [{"step": step, "eval_loss": loss} for step, loss in ((10, 2.0), (20, 1.95), (30, 1.8), (40, 1.75))]
    assert best_evaluation(log, 0.1) == (30, 1.8)
    assert best_evaluation(log, 0.0) == (40, 1.75)
    assert best_evaluation([{"step": 1, "loss": 3.0}], 0.0) is None


def test_accumulation_gives_the_same_weights_as_one_batch(base, data, tmp_path):
    for name, batch_size, accumulation in (("one", 4, 1), ("two", 2, 2), ("four", 1, 4)):
        settings = {"batch_size": batch_size, "accumulation": accumulation, "max_steps": 4}
        train(base, data, tmp_path / name, **settings, learning_rate=0.001)
    for name in ("two", "four"):
        for key, value in adapter(tmp_path / "one").items():
            assert torch.allclose(value, adapter(tmp_path / name)[key], atol=2e-5), key


def test_the_loss_is_the_models_own_on_the_captions_tokens(base):
    tokenizer = AutoTokenizer.from_pretrained(base)
    model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32).eval()
    records = samples(5, "train")
    encoded = encode_samples(tokenizer, records, PromptSettings(), "shorten").samples
    batch = LeftPadding(0)([(sample.prompt, sample.captions[0]) for sample in encoded])
    labels = batch.pop("labels")
    total, count = 0.0, 0
    with torch.no_grad():
        ours = caption_loss(model(**batch).logits, labels, None)
        for record in records:
            example = example_tokens(tokenizer, record.xml, record.references[0], PromptSettings())
            n_labels = sum(label != IGNORED for label in example.labels)
            own = model(input_ids=torch.tensor([example.ids]), labels=torch.tensor([example.labels])).loss
            total, count = total + float(own) * n_labels, count + n_labels
    assert float(ours) == pytest.approx(total / count, abs=1e-5)


def test_the_end_of_turn_is_trained_also_where_padding_is_the_same_token(base):
    tokenizer = AutoTokenizer.from_pretrained(base)
    assert tokenizer.pad_token_id == tokenizer.eos_token_id
    encoded = encode_samples(tokenizer, samples(2, "train"), PromptSettings(), "shorten").samples
    labels = LeftPadding(tokenizer.pad_token_id)([(s.prompt, s.captions[0]) for s in encoded])["labels"]
    assert (labels[:, -1] == tokenizer.eos_token_id).all()


@pytest.mark.parametrize("family", ["llama", "llama3", "gemma2", "gemma3", "qwen3", "plain"])
def test_prompts_of_training_and_captioning_agree_and_have_one_start(family, tmp_path):
    tokenizer = AutoTokenizer.from_pretrained(build_tiny_model(tmp_path / family, family))
    settings = PromptSettings(system="Be brief.")
    prompt = prompt_tokens(tokenizer, "<svg><rect/></svg>", settings).ids
    example = example_tokens(tokenizer, "<svg><rect/></svg>", "a square", settings)
    assert example.ids[: len(prompt)] == prompt
    assert example.labels[: len(prompt)] == [IGNORED] * len(prompt)
    assert IGNORED not in example.labels[len(prompt) :]
    if tokenizer.bos_token_id is not None:
        assert prompt.count(tokenizer.bos_token_id) <= 1


def test_a_long_drawing_is_shortened_inside_the_svg(base):
    tokenizer = AutoTokenizer.from_pretrained(base)
    settings = PromptSettings(instruction="Say what this is.", max_tokens=200)
    long = "<svg>" + '<rect width="5" height="7"/>' * 100 + "</svg>"
    tokens = prompt_tokens(tokenizer, long, settings)
    text = tokenizer.decode(tokens.ids)
    assert len(tokens.ids) <= 200
    assert tokens.n_xml_tokens_removed > 0
    assert "Say what this is." in text
    assert "</svg>" in text
    dropped = encode_samples(tokenizer, [Sample("s", "a", "train", "g", long, ["x"])], settings, "drop")
    assert (dropped.samples, dropped.dropped) == ([], ["s"])


def test_the_order_of_a_training_shows_each_sample_once_a_pass_longest_first(base):
    tokenizer = AutoTokenizer.from_pretrained(base)
    encoded = encode_samples(tokenizer, samples(20, "train"), PromptSettings(), "shorten").samples
    order = lay_out_training(encoded, 40, 4, seed=3)
    assert sorted(place for place, _ in order) == sorted([*range(20), *range(20)])
    assert order == lay_out_training(encoded, 40, 4, seed=3) != lay_out_training(encoded, 40, 4, seed=4)
    longest = max(len(sample) for sample in encoded)
    assert longest in [len(encoded[place]) for place, _ in order[:4]]
    assert {reference for _, reference in order} == {0, 1}
    assert len(ExampleDataset(encoded, order)) == 40


def start(base, data, output, **changes):
    settings = json.dumps({**SETTINGS, "max_steps": 200, "eval_steps": 20, "save_steps": 20, **changes})
    command = [
        sys.executable,
        str(SCRIPT),
        "--name",
        "tiny",
        "--base",
        str(base),
        "--seed",
        "7",
        "--settings",
        settings,
    ]
    command += ["--train", str(data / "train.parquet"), "--validation", str(data / "validation.parquet")]
    return subprocess.Popen([*command, "--output-dir", str(output)], stderr=subprocess.PIPE, text=True)


def wait_for_checkpoint(process, output):
    while not list(output.glob("checkpoints/checkpoint-*/trainer_state.json")):
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.02)


@pytest.mark.slow
def test_a_killed_and_a_terminated_training_resume_to_the_same_adapter(base, data, tmp_path):
    whole = start(base, data, tmp_path / "whole")
    assert whole.wait() == 0
    for name, end in (("killed", "kill"), ("terminated", "terminate")):
        process = start(base, data, tmp_path / name)
        wait_for_checkpoint(process, tmp_path / name)
        getattr(process, end)()
        assert process.wait() == (75 if end == "terminate" else -9)
        assert not (tmp_path / name / "adapter_model.safetensors").exists()
        resumed = start(base, data, tmp_path / name)
        _, log = resumed.communicate()
        assert resumed.returncode == 0, log
        assert "resumes from step" in log
        assert same_adapters(tmp_path / "whole", tmp_path / name)


def test_a_broken_checkpoint_is_skipped_and_other_settings_start_anew(tmp_path):
    identity = {"seed": 1}
    assert prepare_checkpoints(tmp_path, identity) is None
    for step in (2, 4):
        folder = tmp_path / f"checkpoint-{step}"
        folder.mkdir()
        torch.save({}, folder / "optimizer.pt")
        torch.save({}, folder / "scheduler.pt")
        from safetensors.torch import save_file

        save_file({"x": torch.zeros(2)}, folder / "adapter_model.safetensors")
        (folder / "trainer_state.json").write_text("{}")
    (tmp_path / "checkpoint-4" / "adapter_model.safetensors").write_bytes(b"cut off")
    assert prepare_checkpoints(tmp_path, identity) == tmp_path / "checkpoint-2"
    assert prepare_checkpoints(tmp_path, {"seed": 2}) is None
    assert not list(tmp_path.glob("checkpoint-*"))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"targets": ["query"]}, r"no modules query; it has .*q_proj"),
        ({"learning_rat": 1}, "did you mean 'learning_rate'"),
        ({"save_steps": 5}, "no multiple of eval_steps"),
    ],
)
def test_bad_settings_are_one_clear_message(base, data, tmp_path, changes, message):
    with pytest.raises(InputError, match=message):
        train(base, data, tmp_path / "out", **changes)


def test_a_base_without_weights_and_an_empty_split_are_named(base, data, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=r"no config\.json"):
        train(tmp_path / "empty", data, tmp_path / "out")
    write_samples(tmp_path / "train.parquet", [])
    write_samples(tmp_path / "validation.parquet", samples(2, "validation"))
    with pytest.raises(InputError, match=r"train\.parquet holds no samples"):
        train(base, tmp_path, tmp_path / "out")


def test_a_missing_base_ends_the_command_with_one_line_and_leaves_nothing(data, tmp_path):
    process = start(tmp_path / "nowhere", data, tmp_path / "out")
    _, log = process.communicate()
    assert process.returncode == 1
    assert log == f"error: the model folder {tmp_path}/nowhere does not exist; fetch it first: snakemake fetch_models\n"
    assert not list(tmp_path.iterdir())


def test_gradient_checkpointing_trains_the_adapter_too(base, data, tmp_path):
    train(base, data, tmp_path / "out", gradient_checkpointing=True, max_steps=4)
    assert all(value.any() for key, value in adapter(tmp_path / "out").items() if "lora_B" in key)
