"""Samples as training examples: what is trained, what overlong ones become, the order, and tokens kept in a file."""

import collections
import csv
import random
from dataclasses import replace

import numpy as np
import pytest
import torch
from tiny_models import build_tiny_model
from training_runs import make_samples, train, write_base_and_data
from transformers import AutoTokenizer

from captions.prompts import IGNORED, PromptSettings, example_tokens, prompt_tokens
from core.command import InputError
from core.records import Sample
from training import preparation as training_preparation
from training.data import (
    Encoded,
    Example,
    ExampleDataset,
    LeftPadding,
    Overlong,
    caption_loss,
    encode_samples,
    lay_out_training,
    read_encoded,
    write_encoded,
    write_overlong,
)
from training.identity import training_identity
from training.preparation import read_prepared

LONG = Sample(
    "long", "a", "train", "g", "<svg>" + '<rect width="5" height="7"/>' * 100 + "</svg>", ["a wall of bricks"]
)
CONTEXT = 4096


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory):
    return AutoTokenizer.from_pretrained(build_tiny_model(tmp_path_factory.mktemp("base"), "llama"))


def test_the_end_of_turn_is_trained_also_where_padding_is_the_same_token(tokenizer):
    assert tokenizer.pad_token_id == tokenizer.eos_token_id
    encoded = encode_samples(tokenizer, make_samples(3, "train"), PromptSettings(), "shorten", CONTEXT).samples
    batch = LeftPadding(tokenizer.pad_token_id)([Example(s.prompt, s.captions[0]) for s in encoded])
    assert (batch["labels"][:, -1] == tokenizer.eos_token_id).all()
    for row, sample in zip(batch["labels"], encoded, strict=True):
        assert row[row != IGNORED].tolist() == list(sample.captions[0])  # the caption and nothing else


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


def test_a_long_drawing_is_shortened_inside_the_svg_and_its_caption_is_whole(tokenizer):
    settings = PromptSettings(instruction="Say what this is.", max_tokens=200)
    encoded = encode_samples(tokenizer, [LONG], settings, "shorten", CONTEXT)
    text = tokenizer.decode(encoded.samples[0].prompt)
    assert len(encoded.samples[0].prompt) <= 200
    assert "Say what this is." in text
    assert "</svg>" in text
    assert tokenizer.decode(encoded.samples[0].captions[0]).startswith("a wall of bricks")
    whole = len(prompt_tokens(tokenizer, LONG.xml, PromptSettings(instruction="Say what this is.")).ids)
    assert encoded.overlong == [Overlong("long", "shortened", whole - len(encoded.samples[0].prompt))]


def test_overlong_samples_are_dropped_where_wanted_and_listed(tokenizer):
    settings = PromptSettings(max_tokens=200)
    encoded = encode_samples(tokenizer, [LONG, *make_samples(2, "train")], settings, "drop", CONTEXT)
    assert [sample.id for sample in encoded.samples] == ["train0", "train1"]
    assert [(sample.id, sample.action) for sample in encoded.overlong] == [("long", "dropped")]


def test_a_caption_that_does_not_fit_the_models_context_is_refused_not_cut(tokenizer):
    wordy = Sample("wordy", "a", "train", "g", "<svg/>", ["short", "a very long caption " * 40])
    encoded = encode_samples(tokenizer, [wordy, *make_samples(2, "train")], PromptSettings(), "shorten", 128)
    assert [sample.id for sample in encoded.samples] == ["train0", "train1"]
    assert [(sample.id, sample.action) for sample in encoded.overlong] == [("wordy", "refused")]


def test_the_training_report_says_what_was_too_long(tmp_path, monkeypatch):
    base, data = write_base_and_data(tmp_path)
    monkeypatch.setattr(training_preparation, "context_length", lambda base: 90)
    summary = train(base, data, tmp_path / "out", max_steps=4)
    assert summary["refused"]["train"] == 20 - summary["samples"]["train"] > 0
    listed = (tmp_path / "out" / "overlong.csv").read_text().splitlines()
    assert listed[0] == "split,id,action,n_tokens"
    assert len([line for line in listed if line.startswith("train,")]) == summary["refused"]["train"]


def test_a_split_with_nothing_left_is_said(tmp_path, monkeypatch):
    base, data = write_base_and_data(tmp_path)
    monkeypatch.setattr(training_preparation, "context_length", lambda base: 9)
    with pytest.raises(InputError, match="no train sample is left"):
        train(base, data, tmp_path / "out")


def test_what_leaves_nothing_of_a_split_is_told_apart(tmp_path):
    base = build_tiny_model(tmp_path / "base", "llama")
    prompt = PromptSettings(max_tokens=64)
    settings = training_preparation.TrainingSettings(overlong="drop")
    samples = {"train": [LONG], "validation": [LONG]}
    with pytest.raises(InputError, match=r"left: 1 are over prompt.max_tokens and dropped: raise it, or set overlong"):
        training_preparation.encode_splits(base, samples, prompt, settings, tmp_path, {})
    wordy = Sample("wordy", "a", "train", "g", "<svg/>", ["a very long caption " * 400])
    with pytest.raises(InputError, match=r"left: 1 are with their longest caption over the 2048 tokens that the base"):
        training_preparation.encode_splits(base, samples | {"train": [wordy]}, prompt, settings, tmp_path, {})


@pytest.mark.parametrize("id", ["a\nb", "a\r", "\x85b", "a\u2028b", "a\tb", "a\x1cb", ""])
def test_ids_with_line_separators_are_kept(tokenizer, tmp_path, id):
    samples = [replace(LONG, id=id), *make_samples(2, "train")]
    encoded = encode_samples(tokenizer, samples, PromptSettings(max_tokens=200), "shorten", CONTEXT)
    write_encoded(tmp_path / "tokens.parquet", encoded)
    read = read_encoded(tmp_path / "tokens.parquet")
    assert [sample.id for sample in read.samples] == [sample.id for sample in samples]
    assert read.overlong == encoded.overlong != []
    write_overlong(tmp_path / "overlong.csv", {"train": read})
    with open(tmp_path / "overlong.csv", encoding="utf-8", newline="") as file:
        assert [row["id"] for row in csv.DictReader(file)] == [id]


def test_tokens_are_the_same_from_their_file(tokenizer, tmp_path):
    settings = PromptSettings(max_tokens=200)
    encoded = encode_samples(tokenizer, [LONG, *make_samples(5, "train")], settings, "shorten", CONTEXT)
    write_encoded(tmp_path / "tokens.parquet", encoded)
    read = read_encoded(tmp_path / "tokens.parquet")
    assert read.overlong == encoded.overlong
    for one, other in zip(encoded.samples, read.samples, strict=True):
        assert (one.id, one.prompt) == (other.id, list(other.prompt))
        assert one.captions == [list(caption) for caption in other.captions]


def test_tokens_are_made_once_before_any_process_waits_for_another(tmp_path, monkeypatch):
    """A rank only reads them: no collective operation waits, and can time out, while another process tokenises."""
    base, data = write_base_and_data(tmp_path)
    files = {split: data / f"{split}.parquet" for split in ("train", "validation")}
    settings = training_preparation.TrainingSettings()
    identity = training_identity(base, files, PromptSettings(), settings, seed=7, n_devices=2)
    arguments = {"identity": identity, "checkpoints": tmp_path / "checkpoints"}
    training_preparation.prepare_training("tiny", base, files, PromptSettings(), settings, **arguments)
    with pytest.raises(InputError, match="1 processes train together and 2 were prepared: the effective batch"):
        read_prepared(tmp_path / "checkpoints")
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setattr(training_preparation, "encode_samples", lambda *_: pytest.fail("tokens are made again"))
    assert len(read_prepared(tmp_path / "checkpoints").splits["train"].samples) == 20
    training_preparation.prepare_training("tiny", base, files, PromptSettings(), settings, **arguments)


def test_the_order_of_a_training_shows_each_sample_once_a_pass_longest_first(tokenizer):
    encoded = encode_samples(tokenizer, make_samples(20, "train"), PromptSettings(), "shorten", CONTEXT).samples
    order = lay_out_training(encoded, 40, 4, seed=3)
    assert sorted(place for place, _ in order) == sorted([*range(20), *range(20)])
    assert order == lay_out_training(encoded, 40, 4, seed=3) != lay_out_training(encoded, 40, 4, seed=4)
    longest = max(len(sample) for sample in encoded)
    assert longest in [len(encoded[place]) for place, _ in order[:4]]
    assert {reference for _, reference in order} == {0, 1}
    assert len(ExampleDataset(encoded, order)) == 40


def drawn_lengths(n: int) -> list[Encoded]:
    """Samples of very different lengths, as drawings have them."""
    randomness = random.Random(5)
    return [Encoded(f"s{k}", [0] * round(randomness.lognormvariate(5, 1)), [[0] * 9]) for k in range(n)]


def padded_share(steps: list[list[int]]) -> float:
    """The share of padding in steps of these lengths, each padded to its longest."""
    padded = sum(len(step) * max(step) for step in steps)
    return 1 - sum(map(sum, steps)) / padded


def test_the_examples_of_a_step_are_of_like_length_and_the_steps_in_random_order():
    samples, size = drawn_lengths(1000), 8
    lengths = [len(samples[place]) for place, _ in lay_out_training(samples, 1000, size, seed=3)]
    steps = [lengths[start : start + size] for start in range(0, 1000, size)]
    shuffled = random.Random(0).sample(lengths, 1000)
    unsorted = [shuffled[start : start + size] for start in range(0, 1000, size)]
    assert padded_share(unsorted) > 0.5
    assert padded_share(steps) < 0.3
    rises = np.diff([np.mean(step) for step in steps]) > 0
    assert 0.35 < rises.mean() < 0.65, "the steps come shorter or longer by and by"
    assert max(steps[0]) == max(lengths)


def test_steps_stay_of_like_length_after_the_first_pass():
    samples, size = drawn_lengths(1003), 8
    order = lay_out_training(samples, 3 * 1003 - 1, size, seed=3)
    assert len(order) == 3 * 1003 - 1, "whole steps"
    seen = collections.Counter(place for place, _ in order)
    assert set(seen.values()) <= {2, 3}
    assert list(seen.values()).count(2) == 1
    lengths = [len(samples[place]) for place, _ in order]
    steps = [lengths[start : start + size] for start in range(0, len(lengths), size)]
    by_pass = [padded_share(steps[first : first + 125]) for first in (0, 125, 250)]
    assert max(by_pass) < 0.3, by_pass
    assert max(by_pass) - min(by_pass) < 0.06, by_pass


def test_the_loss_reads_the_last_columns_of_a_model_that_gives_all():
    logits = torch.randn(2, 9, 11, generator=torch.Generator().manual_seed(0))
    labels = torch.tensor([[IGNORED, IGNORED, 4, 5], [IGNORED, 1, 2, 3]])
    expected = caption_loss(logits[:, -4:], labels, None)
    assert caption_loss(logits, labels, None) == expected
    assert expected == pytest.approx(
        torch.nn.functional.cross_entropy(logits[:, -4:-1].flatten(0, 1), labels[:, 1:].flatten()).item(), rel=1e-5
    )
