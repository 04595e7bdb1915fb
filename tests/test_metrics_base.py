"""What all metrics share: finding them by name, means, signatures."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import numpy as np
import pytest
from metric_fixtures import split_words

from core.command import InputError
from core.records import Caption
from scoring import metrics
from scoring.metrics import MeanMetric, ValueInfo, load_metric, metric_names
from scoring.scores import collect_scores

SCRIPTS = Path(metrics.__file__).parents[2]


class Halves(MeanMetric):
    name = "halves"
    values = {"halves": ValueInfo("halves", 0, 1)}  # noqa: RUF012

    def values_of_samples(self, inputs):
        return {"halves": inputs.given}


@dataclass
class Given:
    """The values that a metric is to give, and which captions failed."""

    given: np.ndarray
    failed: np.ndarray


def given(*values: float, failed: int = 0) -> Given:
    return Given(np.array(values), np.arange(len(values)) >= len(values) - failed)


def test_mean_leaves_out_samples_without_a_value():
    columns = Halves().score_samples(given(1.0, np.nan, 0.5))
    sums = {name: column.sum() for name, column in columns.items() if name.startswith("stat_")}
    assert sums == {"stat_halves": 1.5, "stat_halves_n": 2.0}
    assert Halves().corpus(sums)["halves"] == 0.75


def test_mean_of_no_sample_is_missing():
    assert np.isnan(Halves().corpus({"stat_halves": np.array(0.0), "stat_halves_n": np.array(0.0)})["halves"])


@pytest.mark.parametrize(("higher_is_better", "worst"), [(True, 0.0), (False, 1.0)])
def test_a_failed_caption_gets_the_worst_value_whatever_the_metric_gives(monkeypatch, higher_is_better, worst):
    info = ValueInfo("halves", 0, 1, higher_is_better=higher_is_better)
    monkeypatch.setattr(Halves, "values", {"halves": info})
    columns = Halves().score_samples(given(0.5, 0.25, np.nan, failed=2))
    assert columns["halves"][:2].tolist() == [0.5, worst]
    assert columns["stat_halves"].tolist() == [0.5, worst, 0.0]
    assert np.isnan(columns["halves"][2]), "a sample to which the metric does not apply stays one"


@pytest.mark.parametrize(("higher_is_better", "written"), [(True, -0.5), (False, 1.5)])
def test_a_range_that_does_not_reach_the_worst_value_is_refused(monkeypatch, higher_is_better, written):
    """Then a failed caption would rank above one that was written."""
    info = ValueInfo("halves", 0, 1, higher_is_better=higher_is_better)
    monkeypatch.setattr(Halves, "values", {"halves": info})
    columns = Halves().score_samples(given(0.5, written, 0.0, failed=1))
    captions = [Caption("a", "x"), Caption("b", "x"), Caption("c", "", "failed", "empty")]
    with pytest.raises(InputError, match=rf"halves\.halves gives a caption {written:g}, which is worse than"):
        collect_scores(Halves(), "one", captions, columns, "halves")
    scores = collect_scores(Halves(), "one", captions[:2], {name: c[:2] for name, c in columns.items()}, "halves")
    assert scores.failed.tolist() == [False, False], "without a failure nothing is ranked wrongly"


@pytest.mark.parametrize("name", ["bleu", "rouge_l", "cider", "scenes"])
def test_no_metric_ranks_a_failed_caption_above_one_that_was_written(name):
    scene = "a small red circle left of a large blue square"
    texts = split_words([("z z z", [scene]), ("", [scene]), ("", ["a star"]), (scene, [scene])])
    columns = load_metric(name).score_samples(texts)
    scores = collect_scores(load_metric(name), "one", texts.captions, columns, name)
    assert scores.failed.tolist() == [False, True, True, False]
    for value, info in load_metric(name).values.items():
        assert columns[value][1] == info.worst
        assert np.isnan(columns[value][2]) == (name == "scenes"), "a star is no generated scene"


def test_signature_names_implementation_and_data():
    signature = load_metric("bleu").signature(tokens="ptb", n_references="1-5")
    expected = "bleu|formula:pycocoevalcap 1.2|reference_length:closest|smoothing:none|tokens:ptb|n_references:1-5"
    assert signature == expected
    assert f"pycocoevalcap {metadata.version('pycocoevalcap')}" == metrics.FORMULA


@pytest.mark.parametrize("name", ["bleu", "meteor", "rouge_l", "cider", "clip_score"])
def test_every_metric_loads_by_its_name(name):
    metric = load_metric(name)
    assert metric.name == name
    assert name in metric_names()
    assert all(info.low < info.high for info in metric.values.values())


def test_unknown_metric_is_refused_with_the_nearest_name():
    with pytest.raises(InputError, match=r"unknown metric 'blue': did you mean bleu\?"):
        load_metric("blue")


def test_metric_of_a_user_is_one_file_that_its_docstring_gives(tmp_path, monkeypatch):
    example = metrics.__doc__.split("`metrics/n_words.py`:")[1].split("\nA metric turns")[0]
    (tmp_path / "n_words.py").write_text("\n".join(line[4:] for line in example.splitlines()))
    monkeypatch.setattr(metrics, "__path__", [*metrics.__path__, str(tmp_path)])
    metric = load_metric("n_words")
    columns = metric.score_samples(split_words([("a red star", ["x"]), ("", ["y"])]))
    assert columns["n_words"].tolist() == [3.0, 0.0]


def test_file_without_metric_is_refused(tmp_path, monkeypatch):
    (tmp_path / "unfinished.py").write_text("")
    monkeypatch.setattr(metrics, "__path__", [*metrics.__path__, str(tmp_path)])
    with pytest.raises(InputError, match=r"metrics/unfinished\.py must end with METRIC"):
        load_metric("unfinished")


def test_scoring_a_text_metric_loads_no_heavy_library():
    code = (
        "import sys; import compare, score_text; from scoring.metrics import load_metric\n"
        "for name in ('bleu', 'meteor', 'rouge_l', 'cider', 'clip_score'): load_metric(name)\n"
        "print([name for name in ('torch', 'pandas', 'scipy', 'pycocoevalcap', 'matplotlib') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=SCRIPTS, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
