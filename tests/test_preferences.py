"""Statistics of votes against known answers: published examples, a general optimiser, simulated raters."""

from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.optimize
import scipy.stats
from workflow_runs import ROOT

from comparison.preferences import (
    Votes,
    add_prior,
    coincidences,
    concordance,
    fit_strengths,
    joins_all,
    krippendorff_alpha,
    resampled_sums,
    sign_test_power,
    smallest_share,
    votes_needed,
)


def make(units, raters, categories, systems=2) -> Votes:
    """Votes on two systems, each unit a group of its own."""
    units, n = np.array(units), len(units)
    return Votes(
        n_systems=systems,
        n_groups=units.max() + 1,
        n_raters=max(raters) + 1,
        n_units=units.max() + 1,
        group=units,
        rater=np.array(raters),
        unit=units,
        sample=units,
        first=np.zeros(n, int),
        second=np.ones(n, int),
        category=np.array(categories),
        filtered=np.zeros(n, bool),
    )


def test_alpha_is_that_of_krippendorff_s_example():
    """Computing Krippendorff's Alpha-Reliability (2011), example D: four observers, 12 units, missing data; 0.743.

    It has five categories, votes have four: the definition gives the published number, and ours equals the definition
    on the votes of the first four.
    """
    nan = None
    table = [
        [1, 2, 3, 3, 2, 1, 4, 1, 2, nan, nan, nan],
        [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, nan, 3],
        [nan, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, nan],
        [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, nan],
    ]
    cells = [(unit, rater, value) for rater, row in enumerate(table) for unit, value in enumerate(row) if value]
    four = [(unit, rater, value - 1) for unit, rater, value in cells if value < 5]
    units, raters, values = zip(*four, strict=True)
    assert float(krippendorff_alpha(coincidences(make(units, raters, values)).sum(axis=0))) == pytest.approx(
        nominal_alpha(four), abs=1e-12
    )
    assert nominal_alpha(cells) == pytest.approx(0.743, abs=5e-4)


def nominal_alpha(cells) -> float:
    """Alpha by its definition: one less observed over expected disagreement, over all pairs of values."""
    by_unit: dict = {}
    for unit, _, value in cells:
        by_unit.setdefault(unit, []).append(value)
    pairable = [values for values in by_unit.values() if len(values) > 1]
    everything = [value for values in pairable for value in values]
    n = len(everything)
    observed = sum(
        sum(a != b for i, a in enumerate(values) for j, b in enumerate(values) if i != j) / (len(values) - 1)
        for values in pairable
    )
    expected = sum(a != b for i, a in enumerate(everything) for j, b in enumerate(everything) if i != j) / (n - 1)
    return 1 - observed / expected


def test_alpha_is_one_for_agreement_and_missing_without_shared_units():
    agree = make([0, 0, 1, 1], [0, 1, 0, 1], [0, 0, 1, 1])
    assert krippendorff_alpha(coincidences(agree).sum(axis=0)) == 1
    alone = make([0, 1, 2], [0, 1, 0], [0, 1, 0])
    assert math.isnan(krippendorff_alpha(coincidences(alone).sum(axis=0)))


def test_strengths_are_those_of_a_general_optimiser():
    wins = add_prior(np.random.default_rng(0).integers(0, 20, (5, 5)) * (1 - np.eye(5)), 1 - np.eye(5))

    def loss(free):
        strengths = np.append(free, 0.0)
        return -(wins * -np.log1p(np.exp(strengths[None, :] - strengths[:, None]))).sum()

    best = np.append(scipy.optimize.minimize(loss, np.zeros(4), method="BFGS", options={"gtol": 1e-9}).x, 0.0)
    assert fit_strengths(wins) == pytest.approx(best - best.mean(), abs=1e-5)


def test_the_strength_of_a_system_that_always_wins_is_finite():
    wins = add_prior(np.array([[0, 10.0], [0, 0]]), 1 - np.eye(2))
    assert fit_strengths(wins) == pytest.approx([math.log(21) / 2, -math.log(21) / 2], abs=1e-6)


def test_strengths_need_pairs_that_join_all_systems():
    compared = np.zeros((4, 4), bool)
    compared[0, 1] = compared[1, 0] = compared[2, 3] = compared[3, 2] = True
    assert not joins_all(compared)
    compared[1, 2] = compared[2, 1] = True
    assert joins_all(compared)


def test_a_metric_agrees_with_a_vote_where_it_prefers_the_same_caption():
    lead = np.array([1, -1, 1, 1, 0, 1])
    differences = np.array([0.2, 0.1, 0.3, 0.0, 0.5, np.nan])
    assert concordance(lead, differences).tolist() == [1, -1, 1, 0, 0, 0]


@pytest.mark.parametrize("raters", [1, 4])
def test_resamples_keep_the_mean_and_draw_raters_too(raters):
    votes = make(np.repeat(np.arange(40), raters), list(range(raters)) * 40, [0] * 40 * raters)
    # One rater's votes are 1, all others 0: between resamples they vary as that rater is drawn.
    column = (votes.rater == 0).astype(float)[:, None]
    sums = resampled_sums(votes, column, 4000, np.random.default_rng(1))[:, 0] / 40
    assert sums.mean() == pytest.approx(1, abs=0.05)
    assert (sums.std() < 1e-9) == (raters == 1)


@pytest.mark.parametrize("n_raters", [1, 3])
def test_intervals_hold_the_truth_and_equal_systems_do_not_differ(n_raters, monkeypatch):
    """The benchmark measures more cases with more repeats, for docs/statistics.md."""
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    from votes import Case, measure

    found = measure(Case(n_groups=40, size=1, n_raters=n_raters, group_spread=1.0, rater_spread=0.0), n_repeats=150)
    assert found["rate"] > 0.9
    assert found["strength"] > 0.9
    assert found["false_alarms"] < 0.1


def test_votes_needed_are_those_of_the_exact_sign_test():
    needed = votes_needed(0.6)
    assert 190 < needed < 215, "the normal approximation says 194"
    assert all(sign_test_power(n, 0.6) >= 0.8 for n in range(needed, needed + 40))
    assert sign_test_power(needed - 1, 0.6) < 0.8
    wins = np.random.default_rng(3).binomial(needed, 0.6, 4000)
    found = np.mean([scipy.stats.binomtest(int(n), needed, 0.5).pvalue <= 0.05 for n in wins])
    assert found == pytest.approx(sign_test_power(needed, 0.6), abs=0.025)


def test_few_votes_tell_only_large_shares():
    assert smallest_share(5) is None
    assert 0.7 < smallest_share(30) < 0.8
    assert smallest_share(votes_needed(0.6)) == pytest.approx(0.6)
