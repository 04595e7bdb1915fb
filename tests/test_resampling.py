"""Bootstrap and randomisation against scipy, brute force and arithmetic."""

from __future__ import annotations

import dataclasses
import itertools

import numpy as np
import pytest
import scipy.stats
from metric_fixtures import make_pairs, split_words
from sacrebleu.metrics import BLEU
from sacrebleu.significance import PairedTest

from comparison import resampling
from comparison.resampling import (
    bootstrap_p,
    bootstrap_sums,
    draw_counts,
    holm,
    percentile_interval,
    randomisation_p,
    swapped_sums,
)
from scoring.metrics import load_metric


def test_interval_of_a_mean_is_that_of_scipy():
    values = np.random.default_rng(0).gamma(2.0, size=200)
    sums = bootstrap_sums(values[:, None], 10_000, np.random.default_rng(1))
    ours = percentile_interval(sums[:, 0] / len(values), 0.95)
    theirs = scipy.stats.bootstrap(
        (values,), np.mean, n_resamples=10_000, confidence_level=0.95, method="percentile", rng=np.random.default_rng(2)
    ).confidence_interval
    width = theirs.high - theirs.low
    assert ours == pytest.approx((theirs.low, theirs.high), abs=0.04 * width)  # 4% is the Monte Carlo error


def test_interval_of_a_difference_is_that_of_scipy_for_pairs():
    generator = np.random.default_rng(3)
    ours, theirs = generator.gamma(2.0, size=150), generator.gamma(2.0, size=150)
    sums = bootstrap_sums(np.column_stack([ours, theirs]), 10_000, np.random.default_rng(1)) / 150
    interval = percentile_interval(sums[:, 0] - sums[:, 1], 0.95)
    expected = scipy.stats.bootstrap(
        (ours, theirs),
        lambda a, b, axis: (a - b).mean(axis=axis),
        n_resamples=10_000,
        paired=True,
        method="percentile",
        rng=np.random.default_rng(2),
    ).confidence_interval
    assert interval == pytest.approx((expected.low, expected.high), abs=0.04 * (expected.high - expected.low))


def bleu_of(metric, statistics: dict[str, np.ndarray], rows: np.ndarray) -> np.ndarray:
    """BLEU-4 of the samples drawn, for each resample; `rows` is (n resamples, n drawn)."""
    return metric.corpus({name: column[rows].sum(axis=-1) for name, column in statistics.items()})["bleu_4"]


@pytest.fixture(scope="module")
def bleu_inputs():
    """Random pairs with one reference, whose captions have as many words, and the statistics of BLEU."""
    pairs = [(caption, references[:1]) for caption, references in make_pairs(200, seed=5)[14:]]
    texts, metric = split_words(pairs), load_metric("bleu")
    columns = metric.score_samples(texts)
    return texts, metric, {name: column for name, column in columns.items() if name.startswith("stat_")}


def test_interval_of_bleu_is_that_of_scipy(bleu_inputs):
    _, metric, statistics = bleu_inputs
    n = len(statistics["stat_n"])
    sums = bootstrap_sums(np.column_stack(list(statistics.values())), 4000, np.random.default_rng(1))
    interval = percentile_interval(metric.corpus(dict(zip(statistics, sums.T, strict=True)))["bleu_4"], 0.95)
    expected = scipy.stats.bootstrap(
        (np.arange(n),),
        lambda rows, axis: bleu_of(metric, statistics, rows),
        n_resamples=4000,
        vectorized=True,
        method="percentile",
        rng=np.random.default_rng(2),
    ).confidence_interval
    assert interval == pytest.approx((expected.low, expected.high), abs=0.06 * (expected.high - expected.low))


def test_bleu_and_its_interval_are_those_of_sacrebleu(bleu_inputs):
    """sacrebleu gives mean and half-width of the same percentiles, times 100."""
    texts, metric, statistics = bleu_inputs
    references = [[group[0] for group in texts.reference_tokens]]
    sacrebleu_bleu = BLEU(tokenize="none", smooth_method="none", force=True)
    theirs = sacrebleu_bleu.corpus_score(texts.tokens, references, n_bootstrap=4000)
    whole = metric.corpus({name: column.sum() for name, column in statistics.items()})["bleu_4"]
    assert 100 * float(whole) == pytest.approx(theirs.score, abs=1e-6)
    sums = bootstrap_sums(np.column_stack(list(statistics.values())), 4000, np.random.default_rng(1))
    resampled = 100 * metric.corpus(dict(zip(statistics, sums.T, strict=True)))["bleu_4"]
    low, high = percentile_interval(resampled, 0.95)
    assert resampled.mean() == pytest.approx(theirs._mean, abs=0.06 * (high - low))
    assert (high - low) / 2 == pytest.approx(theirs._ci, rel=0.08)


@pytest.mark.parametrize("test_type", ["ar", "bs"])
def test_p_values_of_bleu_are_those_of_sacrebleu(bleu_inputs, test_type):
    """Two systems that differ a little: each has some captions of the neighbour, one more than the other."""
    texts, metric, _ = bleu_inputs
    first, second = (
        [texts.tokens[n - 1] if n % every == 3 else text for n, text in enumerate(texts.tokens)] for every in (11, 8)
    )
    columns = [metric.score_samples(dataclasses.replace(texts, tokens=tokens)) for tokens in (first, second)]
    names = [name for name in columns[0] if name.startswith("stat_")]
    statistics = np.column_stack([column[name] for column in columns for name in names])
    total = statistics.sum(axis=0)

    def difference(sums):
        parts = np.split(np.atleast_2d(sums), 2, axis=1)
        values = [metric.corpus(dict(zip(names, part.T, strict=True)))["bleu_4"] for part in parts]
        return values[0] - values[1]

    observed = difference(total)[0]
    generator = np.random.default_rng(4)
    if test_type == "bs":
        p = bootstrap_p(observed, difference(bootstrap_sums(statistics, 4000, generator)))
    else:
        swapped = swapped_sums(statistics, 4000, generator)
        rest = np.roll(total - swapped, len(names), axis=1)  # the other system's rest
        p = randomisation_p(observed, difference(swapped + rest))
    systems = [("one", first), ("other", second)]
    references = [[group[0] for group in texts.reference_tokens]]
    test = PairedTest(
        systems,
        {"BLEU": BLEU(tokenize="none", smooth_method="none", force=True, references=references)},
        references=None,
        test_type=test_type,
        n_samples=4000,
    )
    _, scores = test()
    assert 0.001 < p < 0.9
    assert p == pytest.approx(scores["BLEU"][1].p_value, abs=0.02)


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
