"""Faults of encoders, aggregates and published numbers are told before anything runs."""

from __future__ import annotations

import pytest
from small_configuration import REVISION, SCHEMA, only_fault, small_configuration

from plan.faults import find_faults

SIGNATURE = "cider|tokens:ptb"
PAPER = {
    "source": "a paper",
    "samples": {"scenes": 40},
    "signatures": {"cider": SIGNATURE},
    "rows": [{"label": "GPT", "scores": {"cider": 0.5}}],
}


@pytest.fixture
def config():
    return small_configuration()


def with_encoder(config, metric: str, hub: str, **settings):
    config["metrics"] = ["bleu", "cider", metric]
    source = {"hub": hub, "revision": REVISION}
    config["metric_options"] = {metric: {"source": source, "settings": settings}}
    return config


@pytest.mark.parametrize(
    ("hub", "settings"),
    [
        ("FacebookAI/roberta-large", {}),
        ("FacebookAI/roberta-large", {"rescale_with_baseline": True, "idf": True, "failed_value": 0}),
        ("owner/encoder", {"layer": 3}),
        ("owner/encoder", {"known_as": "roberta-large", "rescale_with_baseline": True}),
    ],
)
def test_a_model_that_the_package_knows_or_a_layer_is_no_fault(config, hub, settings):
    assert find_faults(with_encoder(config, "bert_score", hub, **settings), SCHEMA) == []


@pytest.mark.parametrize(
    ("settings", "fault"),
    [
        ({}, "layer: the package bert_score has none for owner/encoder; give layer, or known_as"),
        ({"layer": "17"}, "layer: '17' is not a whole number"),
        ({"layer": True}, "layer: True is not a whole number"),
        ({"layer": 3, "idf": "yes"}, "idf: 'yes' is not true or false"),
        ({"layer": 3, "failed_value": "zero"}, "failed_value: 'zero' is not a number"),
        ({"layer": 3, "rescale_with_baseline": True}, "has no baseline of owner/encoder for the language en"),
        (
            {"known_as": "roberta-base", "layer": 40, "rescale_with_baseline": True},
            "roberta-base.tsv has no baseline of layer 40; give one of 0 to 12",
        ),
    ],
)
def test_what_the_package_cannot_compute_is_named(config, settings, fault):
    found = only_fault(with_encoder(config, "bert_score", "owner/encoder", **settings))
    assert found.startswith("metric_options.bert_score: ")
    assert fault in found


def test_a_folder_that_is_no_sentence_model_is_named(config, tmp_path):
    for name in ("config.json", "model.safetensors"):
        (tmp_path / name).write_text("{}")
    config = with_encoder(config, "sentence_similarity", "owner/encoder")
    config["metric_options"]["sentence_similarity"]["source"] = {"path": str(tmp_path)}
    assert only_fault(config).startswith(f"metric_options.sentence_similarity: {tmp_path} has no modules.json")


def test_aggregates_and_published_numbers_are_of_sources_slices_and_values_that_are_there(config):
    config["comparison"] = {"aggregates": {"both": {"scenes": 2}}}
    config["published"] = {"paper": PAPER, "other": {**PAPER, "slice": "source=scenes"}}
    assert find_faults(config, SCHEMA) == []
    config["comparison"]["aggregates"]["both"]["scense"] = 1
    assert only_fault(config) == "comparison.aggregates.both: no source 'scense'; did you mean 'scenes'?"


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"slice": "aggregate=both"}, "published.paper.weights: an aggregate needs them, and nothing else has any"),
        ({"weights": {"scenes": 1}}, "published.paper.weights: an aggregate needs them, and nothing else has any"),
        ({"slice": "source=scense"}, "published.paper.slice: no slice 'source=scense'; did you mean 'source=scenes'?"),
        ({"samples": {"scense": 4}}, "published.paper.samples: no source 'scense'; did you mean 'scenes'?"),
        ({"signatures": {}}, "published.paper.signatures: cider has none; state how the published cider was computed"),
        (
            {"signatures": {"cider_d": SIGNATURE}, "rows": [{"label": "GPT", "scores": {"cider_d": 0.5}}]},
            "published.paper.rows: no value of the listed metrics 'cider_d'; did you mean 'cider'?",
        ),
    ],
)
def test_published_numbers_that_cannot_be_compared_are_named(config, changes, fault):
    config["comparison"] = {"aggregates": {"both": {"scenes": 2}}}
    config["published"] = {"paper": {**PAPER, **changes}}
    assert only_fault(config) == fault
