"""What is made of CLIP's cosines."""

from __future__ import annotations

import numpy as np
import pytest

from scoring.metrics import load_metric
from scoring.metrics.clip_score import ClipSimilarities

METRIC = load_metric("clip_score")


def similarities(**changes) -> ClipSimilarities:
    """Four samples: an ordinary one, negative cosines, no image, a failed caption."""
    fields = {
        "image_caption": [0.30, -0.10, np.nan, 0.20],
        "image_prefixed_caption": [0.32, -0.12, np.nan, 0.22],
        "caption_references": [0.80, -0.30, 0.70, 0.60],
        "failed": [False, False, False, True],
        "truncated": [False, True, False, False],
    } | changes
    return ClipSimilarities(**{name: np.array(column) for name, column in fields.items()})


def test_values_follow_the_published_formulas():
    columns = METRIC.score_samples(similarities())
    assert columns["clip_cosine"][:2] == pytest.approx([0.30, 0.0])
    assert columns["clip_score"][:2] == pytest.approx([30.0, 0.0])
    assert columns["clipscore"][:2] == pytest.approx([0.8, 0.0])
    assert columns["refclipscore"][:2] == pytest.approx([2 * 0.8 * 0.8 / 1.6, 0.0])


def test_failed_caption_counts_zero_and_sample_without_image_nothing():
    columns = METRIC.score_samples(similarities())
    for value in METRIC.values:
        assert np.isnan(columns[value][2])
        assert columns[value][3] == 0.0
        assert columns[f"stat_{value}_n"].tolist() == [1.0, 1.0, 0.0, 1.0]


def test_truncated_captions_are_a_column_and_no_value():
    columns = METRIC.score_samples(similarities())
    assert columns["truncated"].tolist() == [0.0, 1.0, 0.0, 0.0]


def test_failed_caption_without_image_has_no_score_either():
    columns = METRIC.score_samples(similarities(failed=[False, False, True, True]))
    assert np.isnan(columns["clip_score"][2])


def test_corpus_value_is_the_mean_over_samples_with_an_image():
    columns = METRIC.score_samples(similarities())
    sums = {name: column.sum() for name, column in columns.items() if name.startswith("stat_")}
    assert METRIC.corpus(sums)["clip_score"] == pytest.approx((30.0 + 0.0 + 0.0) / 3)


def test_a_system_that_always_fails_beats_none_that_writes():
    """Small CLIPs give captions negative cosines, -1.5 on average for a constant one."""
    cosines = {
        "image_caption": [-0.01, -0.02, -0.03, 0.001],
        "image_prefixed_caption": [-0.02, -0.03, -0.04, -0.01],
    }
    poor = METRIC.score_samples(similarities(**cosines, failed=[False] * 4))
    failed = METRIC.score_samples(similarities(**cosines, failed=[True] * 4))
    for value, info in METRIC.values.items():
        assert set(failed[value]) == {info.worst} == {0.0}
        assert poor[value].mean() >= failed[value].mean()
