"""The comparison where samples are not independent, groups are few, captions failed, or values are shares."""

from __future__ import annotations

import csv
import re
from pathlib import Path

import numpy as np
import pytest
from metric_fixtures import make_sample, make_texts
from scored_experiment import SYSTEMS, N, find_cell, run, write_health, write_system, write_values

from comparison.text import render_comparison
from core.command import InputError
from core.records import write_samples
from report.comparison import read_comparison
from scoring.metrics import load_metric
from scoring.scores import collect_scores, write_scores

TWO = {name: SYSTEMS[name] for name in ("weak", "good")}


def write_grouped(folder: Path, groups: list[int]) -> None:
    """The samples of an experiment, each in a group."""
    samples = [make_sample(n, ["x"], group=f"g{group}") for n, group in enumerate(groups)]
    write_samples(folder / "test.parquet", samples)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("experiment")
    for system in SYSTEMS:
        write_system(folder, system, [f"s{number}" for number in range(N)])
    return folder


def make_captions(n: int, seed: int = 2) -> tuple[list[str], list[str]]:
    """References of eight words and captions with most of them right; every third is long and all wrong."""
    generator = np.random.default_rng(seed)
    references = [" ".join(generator.choice(list("abcdefgh"), 8)) for _ in range(n)]
    captions = [
        " ".join(word if generator.random() < 0.8 else "y" for word in text.split()) if n % 3 else " ".join("z" * 20)
        for n, text in enumerate(references)
    ]
    return references, captions


def score_bleu(folder: Path, system: str, captions: list[str], references: list[str]) -> None:
    metric = load_metric("bleu")
    texts = make_texts(captions, [[reference] for reference in references])
    scores = collect_scores(metric, system, texts.captions, metric.score_samples(texts), "bleu")
    path = folder / "scores" / system / "bleu"
    write_scores(path.with_suffix(".json"), path.with_suffix(".parquet"), metric, scores)


def test_copies_of_samples_in_one_group_change_no_interval_and_no_p(tmp_path):
    """Ten drawings, each there five times: 50 samples that say no more than ten."""
    generator = np.random.default_rng(0)
    ours, theirs = generator.random(10), generator.random(10) + 0.3
    pairs = {}
    for copies in (1, 5):
        folder = tmp_path / str(copies)
        folder.mkdir()
        write_values(folder, "weak", np.repeat(ours, copies).tolist())
        write_values(folder, "good", np.repeat(theirs, copies).tolist())
        write_values(folder, "human", np.repeat(ours, copies).tolist())
        write_health(folder, {"empty": list(range(2 * copies))}, alarms=[], n=10 * copies)
        write_grouped(folder, np.repeat(np.arange(10), copies).tolist())
        options = {"metrics": ["rouge_l"], "slices": [], "human_dir": folder / "scores" / "human"}
        comparison = run(folder, systems=TWO, **options)
        (pairs[copies],) = comparison["pairs"]
        (human,) = comparison["human"]
        assert (human["n"], human["n_groups"]) == (10 * copies, 10)
        cell = find_cell(comparison, "good", "rouge_l")
        assert (cell["n"], cell["n_groups"]) == (10 * copies, 10)
        assert comparison["n_groups"] == 10
        (whole,) = comparison["slices"]
        assert (whole["n"], whole["n_groups"], whole["effective_groups"]) == (10 * copies, 10, 10.0)
        pairs[copies] |= {"score_low": cell["low"], "score_high": cell["high"]}
        pairs[copies] |= {"human_low": human["low"], "human_high": human["high"]}
        flagged = run(folder, systems={"good": SYSTEMS["good"]}, **options, health_dir=folder / "health")["health"][0]
        pairs[copies] |= dict(zip(("flag_low", "flag_high"), flagged["intervals"]["empty"], strict=True))
    assert {key: pairs[5][key] for key in pairs[1]} == {
        key: value if isinstance(value, str) else pytest.approx(value) for key, value in pairs[1].items()
    }


def test_corpus_metrics_are_resampled_by_groups_as_well(tmp_path):
    """BLEU of copies in one group has the interval of BLEU of the originals; taken one by one, half of it."""
    references, captions = make_captions(20)
    ends = {}
    for name, copies, in_groups in (("originals", 1, True), ("grouped", 5, True), ("one by one", 5, False)):
        folder = tmp_path / name
        score_bleu(folder, "good", *(np.repeat(texts, copies).tolist() for texts in (captions, references)))
        write_grouped(folder, np.repeat(np.arange(20), copies).tolist() if in_groups else list(range(20 * copies)))
        cell = find_cell(run(folder, systems={"good": SYSTEMS["good"]}, metrics=["bleu"], slices=[]), "good", "bleu_4")
        ends[name] = np.array([cell["low"], cell["high"]])
    assert ends["grouped"] == pytest.approx(ends["originals"])
    assert np.diff(ends["one by one"]) < 0.55 * np.diff(ends["grouped"])


def test_groups_stand_beside_n_in_every_output(folder):
    write_grouped(folder, [n // 2 for n in range(N)])
    comparison = run(folder)
    _, n, groups = (folder / "comparison.txt").read_text().splitlines()[:3]
    assert n.split() == ["n", *["60"] * 4]
    assert groups.split()[-4:] == ["30"] * 4
    assert "it covers the choice of test drawings" in " ".join((folder / "comparison.txt").read_text().split())
    with open(folder / "comparison.csv", encoding="utf-8", newline="") as file:
        rows = {row["slice"]: (row["n"], row["n_groups"]) for row in csv.DictReader(file)}
    sizes = {part["name"]: (part["n"], part["n_groups"]) for part in comparison["slices"]}
    assert rows == {name: (str(n), str(n_groups)) for name, (n, n_groups) in sizes.items()}
    assert sizes["all"] == (60, 30)
    assert "WARNING" not in (folder / "comparison.txt").read_text()


def test_few_groups_are_warned_of_and_no_tie_is_told_that_could_not_have_been_broken(folder):
    """Of 6 groups there are 32 ways to swap two systems: p is 2/64 at least, times 3 pairs."""
    write_grouped(folder, [n // 10 for n in range(N)])
    comparison = run(folder)
    best = comparison["best"]["rouge_l"]
    assert (best["testable"], best["ties"]) == (False, [])
    assert min(pair["p"] for pair in comparison["pairs"]) == 2 / 64
    text = (folder / "comparison.txt").read_text()
    assert "WARNING: 60 samples form only 6 groups of similar drawings" in text
    assert "too few groups for any difference to be significant by BLEU-1," in text
    assert not re.search(r"=\.\d", text)
    two = run(folder, systems=TWO)
    assert two["best"]["rouge_l"]["testable"], "with one pair 2/64 is below 0.05"


def test_a_slice_of_one_group_has_scores_without_intervals(folder):
    write_grouped(folder, [0] * N)
    comparison = run(folder)
    cell = find_cell(comparison, "good", "rouge_l")
    assert cell["score"] > 0
    assert (cell["low"], cell["high"], cell["n_groups"]) == (None, None, 1)
    assert "–" not in (folder / "comparison.txt").read_text().split("\n\n")[0]


def test_a_value_of_fewer_groups_is_judged_by_these(tmp_path):
    """Two groups have a value, the others none (scenes, images that were not drawn)."""
    values = [0.1, 0.2, 0.3, 0.4] + [np.nan] * 20
    write_values(tmp_path, "weak", values)
    write_values(tmp_path, "good", [value + 0.5 for value in values])
    write_grouped(tmp_path, [0, 0, 1, 1, *range(2, 22)])
    comparison = run(tmp_path, systems=TWO, metrics=["rouge_l"], slices=[])
    cell = find_cell(comparison, "good", "rouge_l")
    assert (cell["n"], cell["n_groups"]) == (4, 2)
    assert comparison["slices"][0]["effective_groups"] == round(24**2 / (2 * 2**2 + 20), 2)
    assert not comparison["best"]["rouge_l"]["testable"]


def test_the_interval_of_a_lead_over_nothing_is_that_of_the_score(tmp_path):
    """Ten of forty groups have a value: of the lead as of the score these ten count, not all."""
    rest = [np.nan] * 30
    write_values(tmp_path, "weak", [0.0] * 10 + rest)
    write_values(tmp_path, "good", [*np.random.default_rng(3).random(10), *rest])
    write_grouped(tmp_path, list(range(40)))
    comparison = run(tmp_path, systems=TWO, metrics=["rouge_l"], slices=[], n_resamples=5000)
    cell = find_cell(comparison, "good", "rouge_l")
    (pair,) = comparison["pairs"]
    assert (-pair["high"], -pair["low"]) == pytest.approx((cell["low"], cell["high"]))


def test_a_value_of_which_no_caption_has_any_has_no_interval(tmp_path):
    """BLEU-4 without four right words in a row is some 1e-6, by the lengths; that varies and says nothing."""
    references, _ = make_captions(20)
    for system, seed in (("weak", 1), ("good", 2)):
        lengths = np.random.default_rng(seed).integers(4, 9, size=20)
        captions = [" ".join(text.split()[:3] + ["y"] * n) for text, n in zip(references, lengths, strict=True)]
        score_bleu(tmp_path, system, captions, references)
    write_grouped(tmp_path, list(range(20)))
    comparison = run(tmp_path, systems=TWO, metrics=["bleu"], slices=[])
    cells = [find_cell(comparison, "good", f"bleu_{n}") for n in (3, 4)]
    pairs = [pair for pair in comparison["pairs"] if pair["value"] in ("bleu_3", "bleu_4")]
    assert [0 < cell["score"] < 1e-3 for cell in cells] == [False, True]
    for three, four in (cells, pairs):
        assert three["low"] < three["high"]
        assert (four["low"], four["high"]) == (None, None)


def test_too_few_resamples_for_any_difference_are_refused(folder):
    many = {f"copy{number}": SYSTEMS["good"] for number in range(4)}
    with pytest.raises(InputError, match=r"with 100 no difference between 4 systems .* give 120 or more"):
        run(folder, systems=many, n_resamples=100)


def write_shares(folder: Path, system: str, right: list[float]) -> None:
    """Score files of the metric scenes, whose value is 0 or 1."""
    metric = load_metric("scenes")
    columns = {
        "scene_accuracy": np.array(right),
        "stat_scene_accuracy": np.array(right),
        "stat_scene_accuracy_n": np.ones(len(right)),
    }
    path = folder / "scores" / system / "scenes"
    captions = make_texts(["x"] * len(right), [["x"]] * len(right)).captions
    scores = collect_scores(metric, system, captions, columns, "scenes")
    write_scores(path.with_suffix(".json"), path.with_suffix(".parquet"), metric, scores)


def test_a_share_of_all_has_an_interval_of_some_width(tmp_path):
    write_shares(tmp_path, "good", [1.0] * 40)
    write_grouped(tmp_path, list(range(40)))
    comparison = run(tmp_path, systems={"good": SYSTEMS["good"]}, metrics=["scenes"], slices=[])
    cell = find_cell(comparison, "good", "scene_accuracy")
    assert (cell["score"], cell["high"]) == (1.0, 1.0)
    assert cell["low"] == pytest.approx(0.907, abs=0.01)  # Wilson's interval of 40 of 40 begins at 0.912


def test_means_over_references_are_no_shares(tmp_path):
    """A sample may be half right there: such values all alike have no interval, where a share would have one."""
    write_shares(tmp_path, "good", [1.0] * 40)
    write_shares(tmp_path, "human", [0.5] * 40)
    write_grouped(tmp_path, list(range(40)))
    options = {"metrics": ["scenes"], "slices": [], "human_dir": tmp_path / "scores" / "human"}
    (human,) = run(tmp_path, systems={"good": SYSTEMS["good"]}, **options)["human"]
    assert (human["score"], human["low"], human["high"]) == (0.5, None, None)


@pytest.fixture
def failing(tmp_path) -> Path:
    """Two systems with the same captions, of which one fails on the worst third."""
    references, captions = make_captions(60)
    score_bleu(tmp_path, "whole", captions, references)
    score_bleu(tmp_path, "failing", [text if n % 3 else "" for n, text in enumerate(captions)], references)
    write_grouped(tmp_path, list(range(60)))
    return tmp_path


def test_failing_on_the_worst_captions_can_raise_bleu_but_never_the_mean_beside_it(failing):
    systems = {"whole": {"label": "Whole", "family": "lora"}, "failing": {"label": "Failing", "family": "lora"}}
    comparison = run(failing, systems=systems, metrics=["bleu"], slices=[])
    whole, failed = (find_cell(comparison, name, "bleu_4") for name in systems)
    assert failed["n_failed"] == 20
    assert failed["score"] > whole["score"], "or this test shows nothing"
    assert failed["sample_mean"] <= whole["sample_mean"]
    assert comparison["best"]["bleu_4"]["system"] == "failing"
    assert comparison["best"]["bleu_4"]["by_sample_mean"] == "whole"
    text = (failing / "comparison.txt").read_text()
    assert f"  Failing: BLEU-1 .{round(1000 * find_cell(comparison, 'failing', 'bleu_1')['sample_mean'])}," in text


def test_the_mean_of_samples_stands_beside_corpus_values_only(folder):
    write_grouped(folder, list(range(N)))
    comparison = run(folder)
    assert {cell["value"] for cell in comparison["cells"] if cell["sample_mean"] is None} == {"rouge_l", "cider"}
    assert [value["corpus"] for value in comparison["values"]] == [True] * 4 + [False] * 2
    assert "Failed captions" in render_comparison(comparison)
    no_failure = {**comparison, "cells": [{**cell, "n_failed": 0} for cell in comparison["cells"]]}
    assert "Failed captions" not in render_comparison(no_failure)


def test_the_report_reads_what_the_comparison_writes(tmp_path):
    """With groups, a share, a corpus value, a value that applies to no sample, and no interval."""
    references, captions = make_captions(12)
    score_bleu(tmp_path, "good", captions, references)
    write_shares(tmp_path, "good", [1.0] * 12)
    write_values(tmp_path, "good", [np.nan] * 12)
    write_grouped(tmp_path, [n // 2 for n in range(12)])
    run(tmp_path, systems={"good": SYSTEMS["good"]}, metrics=["bleu", "scenes", "rouge_l"])
    comparison = read_comparison(tmp_path / "comparison.json")
    assert comparison.slices["all"].words == "n = 12 in 6 groups"
    assert set(comparison.best) == {"bleu_1", "bleu_2", "bleu_3", "bleu_4", "scene_accuracy"}
    assert [value.name for value in comparison.values if value.corpus] == ["bleu_1", "bleu_2", "bleu_3", "bleu_4"]
    assert comparison.cells["good", "scene_accuracy", "all"].low > 0.4
    assert comparison.cells["good", "rouge_l", "all"].low is None
    assert comparison.n_groups == 6
