"""Captions that a model in training writes at its evaluations: what they are, what they decide and leave alone."""

import json

import pytest
import torch
from picture_samples import write_scenes
from pycocoevalcap.cider.cider import Cider as ReferenceCider
from test_caption_llm import caption
from test_picture_captions import caption as caption_pictures
from test_training_resume import Killed, comparable, interrupt, kill
from tiny_captioners import build_tiny_captioner
from tiny_models import build_tiny_model
from training_runs import COLOURS, adapter, history, same_adapters, train

from core.command import InputError
from core.records import Caption, Sample, read_samples, write_samples
from scoring.subset_score import SubsetScore, metric_of_texts
from scoring.tokens import tokenize_groups
from training.callbacks import KeepBest, StopOnSignal
from training.eval_captions import choose_subset
from training.history import best_evaluation, last_improvement, patience_left
from training.settings import TrainingSettings

# It learns some words within a second, and what it writes gets better and worse.
LEARNS = {"r": 16, "alpha": 32, "targets": "all-linear", "dropout": 0.1, "learning_rate": 0.02, "batch_size": 4}
LEARNS |= {"scheduler": "constant", "max_steps": 40, "eval_steps": 10, "save_steps": 10, "log_steps": 10}
BY_CIDER = {"eval_captions": {"samples": 5, "max_new_tokens": 12}, "best_by": "cider"}
SHORT = {"max_steps": 2, "eval_steps": 1, "save_steps": 1, "log_steps": 1}


@pytest.fixture(scope="module")
def base_and_data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("captions")
    samples = [
        Sample(f"s{n}", "a", "train", "g", f'<svg><rect fill="{colour}"/></svg>', [f"a {colour} square"])
        for n, colour in enumerate(COLOURS * 2)
    ]
    write_samples(folder / "train.parquet", samples)
    write_samples(folder / "validation.parquet", samples)
    return build_tiny_model(folder / "base"), folder


@pytest.fixture(scope="module")
def whole(base_and_data, tmp_path_factory):
    """An uninterrupted training that is chosen by CIDEr."""
    output = tmp_path_factory.mktemp("whole") / "out"
    train(*base_and_data, output, **LEARNS, **BY_CIDER)
    return output


def summary_of(output):
    return json.loads((output / "training.json").read_text())


def records_of(output):
    return [json.loads(line) for line in (output / "eval_captions.jsonl").read_text().splitlines()]


def evaluations(output):
    return [record for record in history(output) if "eval_loss" in record]


def test_the_best_is_the_evaluation_with_the_highest_score(base_and_data, whole, tmp_path):
    scores = {record["step"]: record["eval_cider"] for record in evaluations(whole)}
    losses = {record["step"]: record["eval_loss"] for record in evaluations(whole)}
    best = max(scores, key=lambda step: (scores[step], -step))
    assert min(losses, key=losses.get) != best, "the loss would have chosen the same"
    summary = summary_of(whole)
    assert (summary["best_step"], summary["best_eval_loss"]) == (best, losses[best])
    assert summary["eval_captions"]["best_score"] == scores[best] > 0
    assert f"chosen by cider {scores[best]:.4f} of 5 validation captions" in (whole / "README.md").read_text()
    shorter = LEARNS | {"max_steps": best}
    train(*base_and_data, tmp_path / "shorter", **shorter)  # by the loss, without captions
    assert summary_of(tmp_path / "shorter")["best_step"] == best, "another step has the lowest loss up to here"
    assert same_adapters(whole, tmp_path / "shorter"), "another adapter is kept, or captioning changed the training"


def test_captions_are_those_that_caption_llm_writes_with_the_adapter(base_and_data, whole, tmp_path):
    base, data = base_and_data
    ids = summary_of(whole)["eval_captions"]["samples"]
    subset = [sample for sample in read_samples(data / "validation.parquet") if sample.id in ids]
    write_samples(tmp_path / "subset.parquet", subset)
    expected = caption(base, tmp_path / "subset.parquet", tmp_path / "captions", whole)
    step = str(summary_of(whole)["best_step"])
    assert [record["id"] for record in records_of(whole)] == [sample.id for sample in subset] == ids
    assert [record["references"] for record in records_of(whole)] == [sample.references for sample in subset]
    assert [record["captions"][step] for record in records_of(whole)] == [one.caption for one in expected]
    assert len({one.caption for one in expected}) > 1
    tokens = tokenize_groups([[one.caption] for one in expected])
    references = tokenize_groups([sample.references for sample in subset])
    score, _ = ReferenceCider().compute_score(dict(enumerate(references)), dict(enumerate(tokens)))
    assert summary_of(whole)["eval_captions"]["best_score"] == pytest.approx(score, abs=1e-9)


def test_a_killed_training_resumes_to_the_same_captions_scores_and_best(base_and_data, whole, tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        interrupt(patch, StopOnSignal, "on_step_end", 27, kill)
        with pytest.raises(Killed):
            train(*base_and_data, tmp_path / "out", **LEARNS, **BY_CIDER)
    files = sorted(path.name for path in (tmp_path / "out" / "checkpoints" / "captions").iterdir())
    assert files == ["step-10.jsonl", "step-20.jsonl"]
    train(*base_and_data, tmp_path / "out", **LEARNS, **BY_CIDER)
    assert same_adapters(whole, tmp_path / "out")
    assert (whole / "eval_captions.jsonl").read_bytes() == (tmp_path / "out" / "eval_captions.jsonl").read_bytes()
    scores = [[record["eval_cider"] for record in evaluations(output)] for output in (whole, tmp_path / "out")]
    assert scores[0] == scores[1]
    assert comparable(history(whole)) == comparable(history(tmp_path / "out"))
    assert summary_of(whole)["best_step"] == summary_of(tmp_path / "out")["best_step"]


def test_captions_change_no_adapter_and_come_back_with_their_training_alone(base_and_data, tmp_path, monkeypatch):
    settings, output = LEARNS | SHORT | {"gradient_checkpointing": True}, tmp_path / "out"
    captioned = settings | {"eval_captions": {"samples": 3}}
    train(*base_and_data, output, **captioned)
    found, written, losses = adapter(output), (output / "eval_captions.jsonl").read_bytes(), history(output)
    train(*base_and_data, output, **settings)
    assert all(torch.equal(value, found[key]) for key, value in adapter(output).items())
    assert comparable(history(output)) == comparable(losses)
    assert not (output / "eval_captions.jsonl").exists()
    monkeypatch.setattr("train_lora.load_model", lambda *_: pytest.fail("it trained again"))
    captioned["eval_captions"]["metric"] = "cider"  # which is the default
    train(*base_and_data, output, **captioned)
    assert (output / "eval_captions.jsonl").read_bytes() == written
    train(*base_and_data, output, **settings)
    assert not (output / "eval_captions.jsonl").exists()


def test_a_model_that_reads_pictures_is_captioned_as_later_on(vlms, tmp_path):
    check_pictures(vlms("qwen2_5_vl"), tmp_path, "both", {})


def test_a_captioner_without_prompt_is_captioned_as_later_on(tmp_path):
    """Its own `generate` is seeded: that seed must not stay in the training, whose dropout draws numbers."""
    base = build_tiny_captioner(tmp_path / "base", "blip")
    settings = {"train_vision": True, "targets": "all-linear", "learning_rate": 0.001}
    check_pictures(base, tmp_path, "image", settings)
    train(base, tmp_path, tmp_path / "without", "image", **LEARNS | SHORT | settings)
    assert same_adapters(tmp_path / "without", tmp_path / "out")


def check_pictures(base, folder, input, settings):
    for split in ("train", "validation", "test"):
        write_scenes(folder, split, 4)
    settings = LEARNS | SHORT | {"eval_captions": {"samples": 4, "max_new_tokens": 12}, **settings}
    step = str(train(base, folder, folder / "out", input, **settings)["best_step"])
    expected = caption_pictures(base, folder, folder / "later", {"a": {"adapter": str(folder / "out"), "input": input}})
    assert [record["captions"][step] for record in records_of(folder / "out")] == [one.caption for one in expected["a"]]
    assert any(one.caption for one in expected["a"])


def test_a_subset_is_drawn_by_the_seed_in_the_order_of_the_split():
    samples = [Sample(f"s{n}", "a", "validation", "g", "<svg/>", ["x"]) for n in range(20)]
    first = choose_subset(samples, 6, 1)
    assert first == choose_subset(samples, 6, 1) != choose_subset(samples, 6, 2)
    assert [samples.index(sample) for sample in first] == sorted(samples.index(sample) for sample in first)
    assert choose_subset(samples, 50, 1) == samples


def test_of_equal_scores_the_earlier_is_best_and_patience_counts_from_it():
    log = [{"step": 10 * n, "eval_loss": 3.0 - n, "eval_cider": s} for n, s in enumerate((0.1, 0.4, 0.45, 0.4), 1)]
    assert best_evaluation(log, "cider") == (30, 0.45)
    assert best_evaluation(log[:2] + log[3:], "cider") == (20, 0.4)
    assert last_improvement(log, 0.1, "cider") == (20, 0.4)
    assert patience_left(log, 30, 0.1, "cider") == 10
    settings = {"patience_steps": 20, "min_delta": 0.1}
    assert KeepBest(None, TrainingSettings(**settings, **BY_CIDER)).is_out_of_patience(log)
    assert not KeepBest(None, TrainingSettings(**settings)).is_out_of_patience(log)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"best_by": "cider"}, "best_by: cider is not measured while this model trains; set it to loss, or eval_"),
        ({"best_by": "bleu_4", "eval_captions": {"samples": 4}}, "best_by: bleu_4 is not measured"),
        ({"eval_captions": {"samples": 1}}, "eval_captions.samples: 1 sample has no CIDEr"),
        ({"eval_captions": {"sample": 4}}, "eval_captions.sample: unknown key; did you mean 'samples'?"),
        ({"eval_captions": {"samples": 4, "metric": "cidr"}}, "'cidr' is no value that texts alone .* 'cider'?"),
        ({"eval_captions": {"samples": 4, "metric": "bert_score"}}, "'bert_score' is no value that texts alone give"),
        ({"eval_captions": {"samples": 4, "metric": "scene_accuracy"}}, "scene_accuracy applies to none of the 4 val"),
    ],
)
def test_what_cannot_be_measured_ends_a_training_before_it_begins(
    base_and_data, tmp_path, monkeypatch, changes, message
):
    monkeypatch.setattr("train_lora.load_model", lambda *_: pytest.fail("the model was loaded"))
    with pytest.raises(InputError, match=message):
        train(*base_and_data, tmp_path / "out", **LEARNS, **changes)


def test_the_values_of_texts_can_be_asked_for():
    for value in ("cider", "bleu_1", "bleu_4", "rouge_l", "meteor", "scene_accuracy"):
        assert value in metric_of_texts(value).values
    for value in ("clip_score", "clair", "spice", "sentence_similarity"):
        with pytest.raises(InputError, match="no value that texts alone give"):
            metric_of_texts(value)


def test_a_failed_caption_scores_as_an_empty_one():
    samples = [Sample(f"s{n}", "a", "validation", "g", "<svg/>", [f"{COLOURS[n]} square"]) for n in range(3)]
    score = SubsetScore("rouge_l", samples)
    right = [Caption(sample.id, sample.references[0]) for sample in samples]
    assert score(right) == 1.0
    assert score([*right[:2], Caption("s2", "", "failed", "no picture")]) == pytest.approx(2 / 3)


def test_the_default_settings_write_nothing_and_are_part_of_no_identity():
    assert TrainingSettings().captions.samples == 0
    same = TrainingSettings(eval_captions={"samples": 0, "metric": "cider", "max_new_tokens": 32})
    assert same == TrainingSettings()
