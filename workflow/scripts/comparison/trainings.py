"""Two sources of variation of a trained model's score: the choice of test drawings, and the seeds of its trainings.

A model that is trained S times has S values on the same samples; its score is their mean. Trainings and samples are
crossed, so the variance of the mean is estimated as in a crossed random effects design (Searle, Casella and McCulloch,
Variance components, 1992), with the bootstrap in place of mean squares, for metrics of corpora as well:

    V = B + max(0, A - C) / S

* B, of the samples: the variance of the mean over resamples of the groups, the same draws for all trainings
* A, between trainings: the variance of the S values
* C, what chance gives of A: each training finds other drawings hard. The mean over resamples of the variance between
  trainings of what the resample adds to each

Differences between two models have the sum of both terms (A - C) / S. The half width of an interval is the longer of
two approximations, each of which is too short somewhere (docs/statistics.md has the simulation):

* t with Satterthwaite's (1946) degrees of freedom, times the root of V
* the root of the sum of squares of each part's own half width (Zou and Donner, Statistics in Medicine, 2008)

A p-value is the level at which the interval of a difference ends at 0.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

LEAST_P = 1e-12


@dataclass(frozen=True)
class Spread:
    """What the trainings of one model add to the variance of its mean: A / S and C / S, with S - 1 degrees of freedom.

    A system that was not trained here, or once, adds nothing that can be measured.
    """

    between: float = 0.0
    chance: float = 0.0
    degrees: int = 0


def spread_of(observed: np.ndarray, resampled: np.ndarray, n_effective: float) -> Spread:
    """The spread of a model's trainings by a value.

    `observed` are the values, (n trainings,); `resampled` those of the resamples, (n trainings, n resamples), nan where
    the metric applies to none of the samples drawn; `n_effective` groups of one size were resampled.
    """
    n = len(observed)
    if n < 2:
        return Spread()
    around_mean = resampled - resampled.mean(axis=0)
    chance = float(np.nanvar(around_mean, axis=1).sum()) / (n - 1) * correction(n_effective)
    return Spread(float(np.var(observed, ddof=1)) / n, chance / n, n - 1)


def sample_variance(resampled: np.ndarray, n_effective: float) -> float:
    """B: the variance of a score or difference over resamples of the groups, (n resamples,)."""
    return float(np.nanvar(resampled)) * correction(n_effective)


def correction(n_effective: float) -> float:
    """By how much the variance of bootstrap resamples of n groups is too small."""
    n = max(n_effective, 2.0)
    return n / (n - 1)


def half_width(level: float, samples: float, n_effective: float, spreads: Sequence[Spread]) -> float:
    """Half the width of the interval that misses the truth with probability `level`; `samples` is B."""
    trainings, degrees = variance_of_trainings(spreads), sum(spread.degrees for spread in spreads)
    by_samples = student(level, max(n_effective, 2.0) - 1) ** 2 * samples
    if trainings == 0:
        return math.sqrt(by_samples)
    whole = samples + trainings
    noise = samples**2 / (max(n_effective, 2.0) - 1)
    noise += sum(spread.between**2 / spread.degrees for spread in spreads if spread.degrees)
    satterthwaite = student(level, whole**2 / noise) * math.sqrt(whole)
    return max(satterthwaite, math.sqrt(by_samples + student(level, degrees) ** 2 * trainings))


def variance_of_trainings(spreads: Sequence[Spread]) -> float:
    """What the trainings add to the variance: max(0, A - C) / S, summed over the models before it is cut at 0."""
    return max(0.0, sum(spread.between - spread.chance for spread in spreads))


def student(level: float, degrees: float) -> float:
    """The quantile of Student's t that is exceeded, on either side, with probability `level`."""
    import scipy.special

    return -float(scipy.special.stdtrit(degrees, level / 2))


def widen(
    score: float,
    interval: tuple[float, float],
    confidence: float,
    samples: float,
    n_effective: float,
    spreads: Sequence[Spread],
) -> tuple[float, float]:
    """An interval by the samples, widened by what the trainings add; each end keeps its own distance from the score."""
    level = 1 - confidence
    added = half_width(level, samples, n_effective, spreads) ** 2 - half_width(level, samples, n_effective, ()) ** 2
    low, high = interval
    return score - math.sqrt((score - low) ** 2 + added), score + math.sqrt((high - score) ** 2 + added)


def p_value(difference: float, samples: float, n_effective: float, spreads: Sequence[Spread]) -> float:
    """The two-sided p-value of a difference: the level of the interval that ends at 0, LEAST_P or more."""
    import scipy.optimize

    def excess(log_level: float) -> float:
        return half_width(math.exp(log_level), samples, n_effective, spreads) - abs(difference)

    if samples == 0 and variance_of_trainings(spreads) == 0:
        return 1.0 if difference == 0 else LEAST_P
    if excess(math.log(LEAST_P)) <= 0:
        return LEAST_P
    return min(1.0, math.exp(scipy.optimize.brentq(excess, math.log(LEAST_P), 0.0, xtol=1e-6)))
