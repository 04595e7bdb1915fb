"""What all metrics share: finding them by name, means, signatures."""

from __future__ import annotations

import subprocess
import sys
from importlib import metadata
from pathlib import Path

import numpy as np
import pytest
from metric_fixtures import split_words

from core.command import InputError
from scoring import metrics
from scoring.metrics import MeanMetric, ValueInfo, load_metric, metric_names

SCRIPTS = Path(metrics.__file__).parents[2]


class Halves(MeanMetric):
    name = "halves"
    values = {"halves": ValueInfo("halves", 0, 1)}  # noqa: RUF012

    def values_of_samples(self, inputs):
        return {"halves": np.array(inputs, dtype=float)}


def test_mean_leaves_out_samples_without_a_value():
    columns = Halves().score_samples([1.0, np.nan, 0.5])
    sums = {name: column.sum() for name, column in columns.items() if name.startswith("stat_")}
    assert sums == {"stat_halves": 1.5, "stat_halves_n": 2.0}
    assert Halves().corpus(sums)["halves"] == 0.75


def test_mean_of_no_sample_is_missing():
    assert np.isnan(Halves().corpus({"stat_halves": np.array(0.0), "stat_halves_n": np.array(0.0)})["halves"])


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
