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
    bootstrap_sums,
    draw_counts,
    expanded_interval,
    holm,
    is_testable,
    randomisation_p,
    smallest_p,
    swapped_sums,
    tries_all,
)
from scoring.metrics import load_metric


def percentile_interval(values: np.ndarray, confidence: float) -> tuple[float, float]:
    """The plain percentiles of scipy and sacrebleu: what ours become with very many groups."""
    return expanded_interval(values, confidence, n_effective=1e9)


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


def test_p_values_of_bleu_are_those_of_sacrebleu(bleu_inputs):
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
    swapped = swapped_sums(statistics, 4000, np.random.default_rng(4))
    rest = np.roll(total - swapped, len(names), axis=1)  # the other system's rest
    p = randomisation_p(observed, difference(swapped + rest))
    systems = [("one", first), ("other", second)]
    references = [[group[0] for group in texts.reference_tokens]]
    test = PairedTest(
        systems,
        {"BLEU": BLEU(tokenize="none", smooth_method="none", force=True, references=references)},
        references=None,
        test_type="ar",
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
    assert expanded_interval(np.array([np.nan, 1.0, 2.0]), 0.95, 1e9) == pytest.approx((1.025, 1.975))
    assert np.isnan(expanded_interval(np.array([np.nan]), 0.95, 30.0)).all()


def test_interval_is_wider_with_fewer_groups_as_students_t_is():
    """Of normal resamples with the bootstrap's variance (n - 1) / n: the interval of Student's t."""
    n = 10
    values = scipy.stats.norm.ppf((np.arange(1_000_000) + 0.5) / 1_000_000) * np.sqrt((n - 1) / n)
    t = scipy.stats.t.ppf(0.975, n - 1)
    assert expanded_interval(values, 0.95, n) == pytest.approx((-t, t), abs=0.01)


@pytest.mark.parametrize(("values", "n_groups"), [([0.5] * 9, 30.0), ([0.1, 0.2], 1.0)])
def test_no_spread_and_a_single_group_give_no_interval(values, n_groups):
    assert np.isnan(expanded_interval(np.array(values), 0.95, n_groups)).all()


def swap(ours: np.ndarray, theirs: np.ndarray, n_trials: int) -> np.ndarray:
    """Differences of two systems' sums, with the captions of some groups exchanged."""
    statistics = np.column_stack([ours, theirs])
    swapped = swapped_sums(statistics, n_trials, np.random.default_rng(5))
    rest = statistics.sum(axis=0) - swapped
    return (swapped[:, 0] + rest[:, 1]) - (swapped[:, 1] + rest[:, 0])


@pytest.mark.parametrize("n_trials", [128, 20_000])
def test_all_exchanges_are_tried_where_they_are_no_more_than_the_trials(n_trials):
    """With 8 groups there are 256, two by two alike but for the sign; p is then exact."""
    generator = np.random.default_rng(0)
    ours, theirs = generator.random(8) + 0.4, generator.random(8)
    observed = (ours - theirs).sum()
    exact = np.mean(
        [abs(np.dot(signs, ours - theirs)) >= abs(observed) - 1e-12 for signs in itertools.product((1, -1), repeat=8)]
    )
    trials = swap(ours, theirs, n_trials)
    assert tries_all(8, n_trials)
    assert len(trials) == 128
    assert 0 < exact < 0.5
    assert randomisation_p(observed, trials, all_tried=True) == exact


def test_random_exchanges_approach_all_of_them():
    generator = np.random.default_rng(1)
    ours, theirs = generator.random(16) + 0.2, generator.random(16)
    observed = (ours - theirs).sum()
    assert not tries_all(16, 20_000)
    exact_p = randomisation_p(observed, swap(ours, theirs, 2**15), all_tried=True)
    assert 0.001 < exact_p < 0.5
    assert randomisation_p(observed, swap(ours, theirs, 20_000)) == pytest.approx(exact_p, abs=0.01)


@pytest.mark.parametrize("n_groups", [2, 5, 6, 9])
def test_the_smallest_p_is_the_one_of_the_largest_difference(n_groups):
    """Every group speaks for one system as clearly as can be: nothing is more extreme."""
    trials = swap(np.ones(n_groups), np.zeros(n_groups), 1000)
    p = randomisation_p(float(n_groups), trials, all_tried=tries_all(n_groups, 1000))
    assert p == smallest_p(n_groups, 1000) == 2 / 2**n_groups


@pytest.mark.parametrize(
    ("n_pairs", "n_groups", "n_trials", "testable"),
    [(1, 5, 10_000, False), (1, 6, 10_000, True), (3, 6, 10_000, False), (6, 500, 100, False), (6, 500, 120, True)],
)
def test_what_could_never_be_significant_is_not_testable(n_pairs, n_groups, n_trials, testable):
    assert is_testable(n_pairs, n_groups, n_trials, confidence=0.95) == testable
    assert (holm([smallest_p(n_groups, n_trials)] * n_pairs)[0] < 0.05) == testable


def test_equal_systems_have_p_one():
    assert randomisation_p(0.0, np.zeros(100)) == 1.0


def test_p_is_never_zero():
    assert randomisation_p(1.0, np.zeros(999)) == pytest.approx(1 / 1000)


def test_holm_multiplies_by_what_is_left_and_never_falls():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.5, 0.9]) == [1.0, 1.0]
    assert holm([]) == []
