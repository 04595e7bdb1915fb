"""Leave-one-out human scores: each reference against the others, by every metric's own formula."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from metric_fixtures import make_sample, make_texts
from pycocoevalcap.cider.cider_scorer import CiderScorer

import score_human
import tokenize_captions
from core.command import InputError
from core.records import read_json, write_samples
from scoring.metrics import load_metric
from scoring.scores import read_scores

REFERENCES = [
    ["a red circle", "one red round circle", "a circle"],
    ["a blue square"],
    ["a yellow star", "a yellow star"],
]


@pytest.fixture
def folder(tmp_path) -> Path:
    write_samples(tmp_path / "test.parquet", [make_sample(n, texts) for n, texts in enumerate(REFERENCES)])
    tokenize_captions.write_tokens(tmp_path / "tokens.jsonl", [f"s{n}" for n in range(3)], REFERENCES)
    return tmp_path


def score(folder: Path, metric: str):
    score_human.main(
        metric=metric,
        samples=folder / "test.parquet",
        reference_tokens=folder / "tokens.jsonl",
        output=folder / f"human/{metric}.json",
        table=folder / f"human/{metric}.parquet",
    )
    return read_scores(folder, "human", load_metric(metric))


def test_a_sample_scores_the_mean_of_its_references_against_the_others(folder):
    scores = score(folder, "rouge_l")
    assert scores.ids == ["s0", "s2"]
    first = REFERENCES[0]
    alone = make_texts(first, [[first[1], first[2]], [first[0], first[2]], [first[0], first[1]]])
    expected = load_metric("rouge_l").score_samples(alone)["rouge_l"].mean()
    assert scores.columns["rouge_l"] == pytest.approx([expected, 1.0])
    assert read_json(folder / "human/rouge_l.json")["values"]["rouge_l"] == pytest.approx((expected + 1) / 2)
    assert "n_references:1-2 of others" in scores.signature


def test_a_corpus_metric_is_computed_from_mean_counts(folder):
    scores = score(folder, "bleu")
    assert scores.columns["stat_length"].tolist() == [3.0, 3.0]  # (3 + 4 + 2) / 3 words
    assert scores.columns["stat_n"].sum() == 2
    assert read_json(folder / "human/bleu.json")["values"]["bleu_1"] == pytest.approx(
        float(load_metric("bleu").corpus({n: c.sum() for n, c in scores.statistics.items()})["bleu_1"])
    )


@pytest.mark.parametrize("metric", ["bleu", "rouge_l", "cider"])
def test_without_a_second_reference_there_is_no_value(tmp_path, metric):
    write_samples(tmp_path / "test.parquet", [make_sample(0, ["a star"])])
    tokenize_captions.write_tokens(tmp_path / "tokens.jsonl", ["s0"], [["a star"]])
    scores = score(tmp_path, metric)
    assert scores.ids == []
    assert set(read_json(tmp_path / f"human/{metric}.json")["values"].values()) == {None}


def test_tokens_of_other_references_are_refused(folder):
    tokenize_captions.write_tokens(folder / "tokens.jsonl", [f"s{n}" for n in range(3)], [["a"], ["b"], ["c"]])
    with pytest.raises(InputError, match="has other references than"):
        score(folder, "bleu")


def cider_of_pycocoevalcap(caption: str, references: list[str]) -> float:
    """CIDEr of one caption, with the document frequencies of all references."""
    every = CiderScorer()
    for texts in REFERENCES:
        every += ("", texts)
    every.compute_doc_freq()
    scorer = CiderScorer(caption, references)
    for _ in REFERENCES[1:]:
        scorer += ("", ["filling"])  # it takes the number of samples from what it scores
    scorer.document_frequency = every.document_frequency
    return float(scorer.compute_cider()[0])


def test_cider_of_references_has_the_document_frequencies_of_the_systems(folder):
    """Else the two have different scales: a word is rarer among three references than among two."""
    scores = score(folder, "cider")
    expected = [
        np.mean([cider_of_pycocoevalcap(text, texts[:n] + texts[n + 1 :]) for n, text in enumerate(texts)])
        for texts in REFERENCES
        if len(texts) > 1
    ]
    assert scores.columns["cider"] == pytest.approx(expected, abs=1e-9)
    captions = [texts[0] for texts in REFERENCES]
    systems = load_metric("cider").score_samples(make_texts(captions, REFERENCES))["cider"]
    theirs = [cider_of_pycocoevalcap(*pair) for pair in zip(captions, REFERENCES, strict=True)]
    assert systems == pytest.approx(theirs, abs=1e-9)


def test_rows_are_averaged_by_sample():
    assert score_human.average_rows(np.array([1.0, 2.0, 6.0, 5.0]), [3, 1]).tolist() == [3.0, 5.0]
    assert score_human.average_rows(np.zeros(0), []).tolist() == []
