"""Bootstrap and randomisation against scipy, brute force and arithmetic."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import scipy.stats
from metric_fixtures import make_pairs, split_words

import resampling
from metrics import load_metric
from resampling import bootstrap_sums, draw_counts, holm, percentile_interval, randomisation_p, swapped_sums


def test_interval_of_a_mean_is_that_of_scipy():
    values = np.random.default_rng(0).gamma(2.0, size=200)
    sums = bootstrap_sums(values[:, None], 10_000, np.random.default_rng(1))
    ours = percentile_interval(sums[:, 0] / len(values), 0.95)
    theirs = scipy.stats.bootstrap(
        (values,), np.mean, n_resamples=10_000, confidence_level=0.95, method="percentile", rng=np.random.default_rng(2)
    ).confidence_interval
    width = theirs.high - theirs.low
    assert ours == pytest.approx((theirs.low, theirs.high), abs=0.04 * width)  # 4% is the Monte Carlo error


def test_bleu_of_a_resample_is_bleu_of_the_texts_drawn():
    """Brute force: the drawn captions, as often as they were drawn, scored by pycocoevalcap."""
    from pycocoevalcap.bleu.bleu import Bleu

    texts, metric = split_words(make_pairs(40)), load_metric("bleu")
    columns = metric.score_samples(texts)
    statistics = {name: column for name, column in columns.items() if name.startswith("stat_")}
    sums = bootstrap_sums(np.column_stack(list(statistics.values())), 5, np.random.default_rng(8))
    ours = metric.corpus(dict(zip(statistics, sums.T, strict=True)))
    for resample, counts in enumerate(draw_counts(40, 5, np.random.default_rng(8))):
        drawn = [n for n, count in enumerate(counts.astype(int)) for _ in range(count)]
        assert len(drawn) == 40
        theirs, _ = Bleu(4).compute_score(
            {place: texts.reference_tokens[n] for place, n in enumerate(drawn)},
            {place: [texts.tokens[n]] for place, n in enumerate(drawn)},
            verbose=0,
        )
        assert [ours[value][resample] for value in metric.values] == pytest.approx(theirs, abs=1e-9)


@pytest.mark.parametrize("draw", [bootstrap_sums, swapped_sums])
def test_batches_only_bound_the_memory(draw, monkeypatch):
    statistics = np.random.default_rng(0).random((30, 3))
    whole = draw(statistics, 50, np.random.default_rng(4))
    monkeypatch.setattr(resampling, "MAX_WEIGHTS", 30 * 16)
    assert draw(statistics, 50, np.random.default_rng(4)) == pytest.approx(whole)


def test_interval_leaves_resamples_without_value_out():
    assert percentile_interval(np.array([np.nan, 1.0, 1.0]), 0.95) == (1.0, 1.0)
    assert np.isnan(percentile_interval(np.array([np.nan]), 0.95)).all()


def test_randomisation_p_approaches_that_of_all_exchanges():
    """With 8 samples all 256 exchanges can be enumerated."""
    generator = np.random.default_rng(0)
    ours, theirs = generator.random(8) + 0.4, generator.random(8)
    observed = (ours - theirs).sum()
    exact = np.mean(
        [abs(np.dot(signs, ours - theirs)) >= abs(observed) - 1e-12 for signs in itertools.product((1, -1), repeat=8)]
    )
    statistics = np.column_stack([ours, theirs])
    swapped = swapped_sums(statistics, 20_000, np.random.default_rng(5))
    rest = statistics.sum(axis=0) - swapped
    trials = (swapped[:, 0] + rest[:, 1]) - (swapped[:, 1] + rest[:, 0])
    assert 0 < exact < 0.5
    assert randomisation_p(observed, trials) == pytest.approx(exact, abs=0.01)


def test_equal_systems_have_p_one():
    assert randomisation_p(0.0, np.zeros(100)) == 1.0


def test_p_is_never_zero():
    assert randomisation_p(1.0, np.zeros(999)) == pytest.approx(1 / 1000)


def test_holm_multiplies_by_what_is_left_and_never_falls():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.5, 0.9]) == [1.0, 1.0]
    assert holm([]) == []
