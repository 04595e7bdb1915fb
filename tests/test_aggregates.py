"""Weighted means over sources, and numbers of papers beside them: values by hand, and what is refused."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from metric_fixtures import make_sample
from scored_experiment import SYSTEMS, find_cell, run

from comparison.aggregates import make_aggregates
from comparison.published import read_signature
from core.command import InputError
from core.records import Caption, write_samples
from scoring.metrics import load_metric
from scoring.scores import collect_scores, write_scores

# UniSVG's types, whose weights are no numbers of samples here: scores of each sample, None for a missing answer.
UNISVG_WEIGHTS = {
    "csvgun_usage": 200,
    "csvgun_description": 200,
    "isvgun_usage": 200,
    "isvgun_description": 200,
    "csvgun_rect": 100,
    "csvgun_circle": 100,
}
ANSWERS: dict[str, list[float | None]] = {
    "csvgun_usage": [0.5, None, 0.7],  # 1.2 of 3 = 0.4
    "csvgun_description": [0.6, 0.2],  # 0.4
    "isvgun_usage": [None, None],  # 0
    "isvgun_description": [-0.1, 0.3],  # 0.1: a rescaled score below 0 counts as it is
    "csvgun_rect": [0.9],  # 0.9
    "csvgun_circle": [0.8, None, 0.4, 0.4],  # 1.6 of 4 = 0.4
}
BY_HAND = (200 * 0.4 + 200 * 0.4 + 200 * 0.0 + 200 * 0.1 + 100 * 0.9 + 100 * 0.4) / 1000
SIGNATURE = "bert_score|value:F1|model:roberta-large|layer:17|baseline:en|failed:0|n_references:1"
TWO = {"weak": SYSTEMS["weak"], "good": SYSTEMS["good"]}
PUBLISHED = {
    "source": "a paper, table 2",
    "slice": "aggregate=unisvg",
    "samples": {source: len(answers) for source, answers in ANSWERS.items()},
    "weights": UNISVG_WEIGHTS,
    "signatures": {"bert_score": SIGNATURE},
    "rows": [{"label": "=Claude 3.7", "scores": {"bert_score": 0.322}}],
}


def write_bert_scores(folder: Path, system: str, ids: list[str], answers: list[float | None]) -> None:
    """Score files of bert_score with given values; a missing answer is a failed caption that gets 0."""
    metric = load_metric("bert_score")
    captions = [Caption(record_id, "x" if answer is not None else "", "ok" if answer is not None else "failed")
                for record_id, answer in zip(ids, answers, strict=True)]  # fmt: skip
    values = np.array([answer or 0.0 for answer in answers])
    columns = {"bert_score": values, "stat_bert_score": values, "stat_bert_score_n": np.ones(len(values))}
    columns |= {"truncated": np.zeros(len(values)), "truncated_references": np.ones(len(values))}
    signature = SIGNATURE.replace("|layer", "|weights:0123456789ab|layer")
    scores = collect_scores(metric, system, captions, columns, signature, failed_is_worst=False)
    path = folder / "scores" / system / "bert_score"
    write_scores(path.with_suffix(".json"), path.with_suffix(".parquet"), metric, scores)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("unisvg")
    sources = [source for source, answers in ANSWERS.items() for _ in answers] + ["other", "other"]
    samples = [make_sample(number, ["x"], source=source) for number, source in enumerate(sources)]
    # A drawing that is asked about in two types.
    samples[3].group = samples[0].group
    write_samples(folder / "test.parquet", samples)
    answers = [answer for group in ANSWERS.values() for answer in group]
    ids = [sample.id for sample in samples]
    write_bert_scores(folder, "good", ids, [*answers, 1.0, 1.0])
    write_bert_scores(folder, "weak", ids, [None if answer is None else answer / 2 for answer in answers] + [1.0, 1.0])
    return folder


def compare(folder, **changes) -> dict:
    arguments = {"systems": TWO, "metrics": ["bert_score"], "slices": ["source"]}
    return run(folder, **{**arguments, "aggregates": {"unisvg": UNISVG_WEIGHTS}, **changes})


@pytest.fixture(scope="module")
def comparison(folder) -> dict:
    return compare(folder, published={"unisvg": PUBLISHED})


def test_missing_answers_count_0_and_types_by_their_weights(comparison):
    assert pytest.approx(0.31) == BY_HAND
    cell = find_cell(comparison, "good", "bert_score", "aggregate=unisvg")
    assert cell["score"] == pytest.approx(BY_HAND, abs=1e-12)
    assert (cell["n"], cell["n_groups"], cell["n_failed"]) == (14, 13, 4)
    assert find_cell(comparison, "good", "bert_score", "source=csvgun_usage")["score"] == pytest.approx(0.4)
    weighted = [find_cell(comparison, "good", "bert_score", f"source={name}")["score"] for name in UNISVG_WEIGHTS]
    assert np.average(weighted, weights=list(UNISVG_WEIGHTS.values())) == pytest.approx(cell["score"])


def test_an_aggregate_has_the_interval_of_its_groups_and_is_no_part_of_the_others(folder, comparison):
    cell = find_cell(comparison, "good", "bert_score", "aggregate=unisvg")
    assert cell["low"] < cell["score"] < cell["high"]
    without = compare(folder, aggregates={})
    others = [cell for cell in comparison["cells"] if cell["slice"] != "aggregate=unisvg"]
    assert others == without["cells"]
    assert comparison["best"] == without["best"]
    (part,) = [part for part in comparison["slices"] if part["weights"]]
    assert part == {"name": "aggregate=unisvg", "n": 14, "n_groups": 13, "effective_groups": part["effective_groups"],
                    "weights": UNISVG_WEIGHTS}  # fmt: skip


def test_groups_of_several_sources_are_drawn_together(tmp_path):
    """Where all drawings are one group, nothing is left to resample."""
    samples = [make_sample(number, ["x"], source="ab"[number % 2], group="one") for number in range(6)]
    write_samples(tmp_path / "test.parquet", samples)
    for system in TWO:
        write_bert_scores(tmp_path, system, [sample.id for sample in samples], [0.1, 0.9, 0.2, 0.8, 0.3, 0.7])
    found = find_cell(compare(tmp_path, aggregates={"both": {"a": 1, "b": 3}}), "good", "bert_score", "aggregate=both")
    assert found["score"] == pytest.approx(0.25 * 0.2 + 0.75 * 0.8)
    assert (found["low"], found["high"]) == (None, None)


def test_a_source_without_test_samples_is_refused():
    samples = [make_sample(0, ["x"], source="a")]
    with pytest.raises(InputError, match="the aggregate both has no test samples of b; without them it is another"):
        make_aggregates(samples, {"both": {"a": 1, "b": 1}})


def test_published_numbers_stand_beside_the_systems_and_are_never_best(folder):
    comparison = compare(folder, published={"unisvg": PUBLISHED})  # the files are those of the last comparison
    assert comparison["published"] == [
        {
            "label": "=Claude 3.7",
            "scores": {"bert_score": 0.322},
            "source": "a paper, table 2",
            "slice": "aggregate=unisvg",
        }
    ]
    with open(folder / "comparison.csv", encoding="utf-8", newline="") as file:
        (row,) = [row for row in csv.DictReader(file) if row["family"] == "published"]
    assert (row["label"], row["score"], row["low"], row["best"]) == ("'=Claude 3.7", "0.322", "", "")
    printed = " ".join((folder / "comparison.txt").read_text().split())
    assert "=Claude 3.7 (published, not measured here; a paper, table 2): BERTScore .322" in printed
    assert "aggregate=unisvg, n 14, the mean of the scores by source with the weights csvgun_usage 200," in printed
    assert "Good: BERTScore .310 (" in printed
    assert {best["system"] for best in comparison["best"].values()} == {"good"}


def test_references_that_are_longer_than_the_model_reads_are_counted(comparison):
    assert [value["n_truncated_references"] for value in comparison["values"]] == [16]


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"slice": "aggregate=svg"}, r"published\.unisvg\.slice: there is no slice 'aggregate=svg' here"),
        ({"slice": "all"}, r"rest on .*, and all here on .* 2 of other; compare on the same test samples"),
        (
            {"samples": {**PUBLISHED["samples"], "csvgun_rect": 100}},
            r"rest on .* 100 of csvgun_rect, .* and aggregate=unisvg here on .* 1 of csvgun_rect",
        ),
        ({"samples": {"csvgun_usage": 3}}, "rest on 3 of csvgun_usage, and aggregate=unisvg here on"),
        ({"weights": {**UNISVG_WEIGHTS, "csvgun_rect": 200}}, "weighted by .* 200 of csvgun_rect, .*here by"),
        ({"weights": None}, "weighted by nothing, and aggregate=unisvg here by"),
        (
            {"signatures": {"bert_score": SIGNATURE.replace("layer:17", "layer:24")}},
            r"signatures\.bert_score: published and computed in different ways \(layer 24, here 17\)",
        ),
        (
            {"signatures": {"bert_score": SIGNATURE.replace("|baseline:en", "")}},
            r"different ways \(baseline not stated, here en\)",
        ),
        ({"signatures": {"bert_score": f"{SIGNATURE}|idf:yes"}}, r"\(idf yes, here none\)"),
        ({"signatures": {}}, r"published\.unisvg\.signatures: bert_score has none; state how"),
        (
            {"rows": [{"label": "GPT", "scores": {"bleu": 0.3}}]},
            "no listed metric has a value 'bleu'; there are bert_score",
        ),
    ],
)
def test_numbers_of_other_samples_types_or_metrics_are_refused(folder, changes, fault):
    with pytest.raises(InputError, match=fault):
        compare(folder, published={"unisvg": {**PUBLISHED, **changes}})


def test_what_a_signature_says_of_a_run_alone_is_not_compared():
    assert read_signature("bleu|tokens:ptb|weights:ab|resampled:groups|n_resamples:5|seed:7") == {
        "metric": "bleu",
        "tokens": "ptb",
    }
