"""What intervals and tests promise, measured on made-up experiments whose truth is known.

Samples come in groups: of the same drawing, say, so that a system does well on all of a group or on none. Each check
repeats an experiment many times and counts. With 2,000 repeats a share of 95% is measured to within 1%; seeds are
fixed.
benchmarks/coverage.py measures more cases with more repeats, for docs/statistics.md.
"""

from __future__ import annotations

import numpy as np
import pytest
import scipy.stats
from metric_fixtures import make_sample

from comparison.grouping import effective_groups, group_sizes, number_groups, sum_by_group
from comparison.resampling import bootstrap_sums, expanded_interval, randomisation_p, swapped_sums, tries_all
from comparison.shares import design_effect, share_interval

CORRELATION = 0.8  # of scores within a group


def draw_scores(
    sizes: np.ndarray, n_systems: int, generator: np.random.Generator, correlation: float = CORRELATION
) -> tuple[np.ndarray, np.ndarray]:
    """Scores between 0 and 1 of systems that are equally good, (n samples, n systems), and the samples' groups."""
    groups = np.repeat(np.arange(len(sizes)), sizes)
    shared = generator.normal(size=(len(sizes), n_systems))[groups]
    own = generator.normal(size=(len(groups), n_systems))
    normal = np.sqrt(correlation) * shared + np.sqrt(1 - correlation) * own
    return scipy.stats.norm.cdf(normal), groups


def interval_of_mean(scores: np.ndarray, groups: np.ndarray, generator: np.random.Generator) -> tuple[float, float]:
    """The interval as compare.py makes it, by the sums of a metric that is a mean."""
    sizes = group_sizes(groups)
    sums = bootstrap_sums(np.column_stack([sum_by_group(scores, groups), sizes]), 500, generator)
    return expanded_interval(sums[:, 0] / sums[:, 1], 0.95, effective_groups(sizes))


def coverage_of_mean(sizes: np.ndarray, by_sample: bool = False, n_repeats: int = 2000) -> float:
    """How often the interval of a mean holds the true mean, 0.5."""
    generator = np.random.default_rng(7)
    hits = 0
    for _ in range(n_repeats):
        scores, groups = draw_scores(sizes, 1, generator)
        low, high = interval_of_mean(scores[:, 0], np.arange(len(groups)) if by_sample else groups, generator)
        hits += low <= 0.5 <= high
    return hits / n_repeats


def false_alarms(sizes: np.ndarray, by_sample: bool = False, n_repeats: int = 2000) -> float:
    """How often two equally good systems differ with p < 0.05."""
    generator = np.random.default_rng(8)
    found = 0
    for _ in range(n_repeats):
        scores, groups = draw_scores(sizes, 2, generator)
        sums = scores if by_sample else sum_by_group(scores, groups)
        swapped = swapped_sums(sums, 500, generator)
        total = sums.sum(axis=0)
        trials = (2 * swapped - total) @ [1, -1]
        p = randomisation_p(float(total @ [1, -1]), trials, all_tried=tries_all(len(sums), 500))
        found += p < 0.05
    return found / n_repeats


UNEQUAL = np.array([10, 10] + [1] * 18)


@pytest.mark.parametrize(
    "sizes",
    [np.full(20, 5), np.full(8, 5), np.full(80, 1), UNEQUAL, np.array([3, 2] * 10 + [1] * 60)],
    ids=["20x5", "8x5", "80x1", "unequal", "like the demo"],
)
def test_intervals_of_grouped_samples_hold_the_true_value(sizes):
    assert coverage_of_mean(sizes) >= 0.93


def test_intervals_that_ignore_the_groups_do_not():
    """Which is why groups are resampled: this is what the project did before."""
    assert coverage_of_mean(np.full(20, 5), by_sample=True) < 0.75


@pytest.mark.parametrize("sizes", [np.full(20, 5), np.full(8, 5), UNEQUAL], ids=["20x5", "8x5", "unequal"])
def test_equal_systems_seldom_differ_significantly(sizes):
    assert false_alarms(sizes) <= 0.065


def test_equal_systems_often_differ_significantly_where_samples_are_swapped_one_by_one():
    assert false_alarms(np.full(20, 5), by_sample=True) > 0.25


def test_a_real_difference_is_found():
    generator = np.random.default_rng(9)
    scores, groups = draw_scores(np.full(30, 3), 2, generator)
    sums = sum_by_group(scores + np.array([0.4, 0.0]), groups)
    trials = (2 * swapped_sums(sums, 2000, generator) - sums.sum(axis=0)) @ [1, -1]
    assert randomisation_p(float(sums.sum(axis=0) @ [1, -1]), trials) < 0.01


def coverage_of_share(sizes: np.ndarray, share: float, correlation: float, n_repeats: int = 1000) -> float:
    """How often the interval of a share holds the true one; groups have beta-distributed shares of their own."""
    generator = np.random.default_rng(10)
    if correlation:
        spread = (1 - correlation) / correlation
        shares = generator.beta(share * spread, (1 - share) * spread, size=(n_repeats, len(sizes)))
    else:
        shares = np.full((n_repeats, len(sizes)), share)
    hits = 0
    for cases in generator.binomial(sizes, shares):
        low, high = share_interval(cases.astype(float), sizes.astype(float), 0.95)
        hits += low <= share <= high
    return hits / n_repeats


@pytest.mark.parametrize("share", [0.01, 0.05, 0.2, 0.5, 0.95])
@pytest.mark.parametrize(
    ("sizes", "correlation"),
    [
        (np.ones(40, int), 0.0),
        (np.full(20, 5), 0.0),
        (np.full(20, 5), 0.3),
        (np.full(20, 5), 0.8),
        (np.full(100, 5), 0.3),
        (UNEQUAL, 0.8),
    ],
    ids=["40x1", "20x5 independent", "20x5 at .3", "20x5 at .8", "100x5 at .3", "unequal"],
)
def test_intervals_of_shares_hold_the_true_share(sizes, correlation, share):
    assert coverage_of_share(sizes, share, correlation) >= 0.935


def test_percentiles_of_a_small_share_do_not_hold_it():
    """A share of 5% of 40 samples, as it was done before."""
    generator = np.random.default_rng(11)
    hits = 0
    for cases in generator.binomial(1, 0.05, size=(500, 40)):
        sums = bootstrap_sums(cases[:, None].astype(float), 500, generator)[:, 0] / 40
        low, high = np.quantile(sums, [0.025, 0.975])
        hits += low <= 0.05 <= high
    assert hits / 500 < 0.9


def test_share_of_independent_samples_has_the_interval_of_wilson():
    cases = np.array([1.0] * 30 + [0.0] * 970)
    expected = scipy.stats.binomtest(30, 1000).proportion_ci(method="wilson")
    assert share_interval(cases, np.ones(1000), 0.95) == pytest.approx((expected.low, expected.high), abs=1e-4)


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_a_share_of_none_or_all_has_an_interval_by_its_groups(share):
    """40 samples that are 8 groups say no more than 8 samples."""
    low, high = share_interval(np.full(8, 5 * share), np.full(8, 5.0), 0.95)
    expected = share_interval(np.full(8, share), np.ones(8), 0.95)
    assert (low, high) == pytest.approx(expected)
    assert 0.3 < high - low < 0.5
    assert low <= share <= high


def test_a_single_group_gives_no_interval_of_a_share():
    assert np.isnan(share_interval(np.array([2.0]), np.array([9.0]), 0.95)).all()


def test_design_effect_lies_between_that_of_independent_and_of_identical_samples():
    generator = np.random.default_rng(12)
    sizes = np.full(500, 4.0)
    independent = generator.binomial(4, 0.5, size=500).astype(float)
    identical = 4.0 * generator.binomial(1, 0.5, size=500)
    assert design_effect(independent, sizes) == pytest.approx(1, abs=0.15)
    assert design_effect(identical, sizes) == pytest.approx(4, abs=0.1)


def test_groups_are_numbered_summed_and_counted():
    groups = number_groups([make_sample(n, ["x"], group=name) for n, name in enumerate(["b", "a", "b", "c"])])
    assert groups.tolist() == [1, 0, 1, 2]
    assert sum_by_group(np.array([[1.0, 2], [3, 4], [5, 6], [7, 8]]), groups).tolist() == [[3, 4], [6, 8], [7, 8]]
    assert sum_by_group(np.array([1.0, 5.0]), groups[[0, 2]]).tolist() == [6.0]  # of a slice
    assert group_sizes(groups).tolist() == [1, 2, 1]
    assert group_sizes(groups[:0]).tolist() == []


def test_effective_groups_are_fewer_where_sizes_differ():
    assert effective_groups(np.full(7, 3.0)) == pytest.approx(7)
    assert effective_groups(np.array([9.0, 1.0])) == pytest.approx(100 / 82)
    assert effective_groups(np.array([])) == 0
