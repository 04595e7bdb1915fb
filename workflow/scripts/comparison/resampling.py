"""Bootstrap and approximate randomisation over sums of statistics, by groups of samples.

A metric's corpus value is a function of the sums of its statistics over samples (see scoring/metrics/__init__.py),
so a resample is a row of counts, and ten thousand of them are one matrix product. The unit is the group
(comparison/grouping.py): arrays of statistics have the shape (n groups, n statistics), each row the sum over a group;
sums of resamples (n resamples, n statistics).

* Cluster bootstrap (Davison and Hinkley, 1997, 3.8): draw as many groups with replacement as there are. The interval
  lies between percentiles of the values, expanded for few groups (Hesterberg, 2015).
* Approximate randomisation (Noreen, 1989; as in sacrebleu): swap the two systems on each group with probability 1/2;
  p is the share of trials whose difference is at least the observed one. Where there are no more ways to swap than
  trials, all of them are tried, and p is exact.

How often the intervals hold the true value is measured in tests/test_coverage.py and told in docs/statistics.md.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np

# Resamples whose weights are held at once are limited to so many numbers (80 MB).
MAX_WEIGHTS = 10_000_000
# Differences that are equal but for rounding count as equal.
ROUNDING = 1e-12


def bootstrap_sums(statistics: np.ndarray, n_resamples: int, generator: np.random.Generator) -> np.ndarray:
    """Sums of the statistics over `n_resamples` draws of groups with replacement, each of as many as there are."""
    n = len(statistics)
    return np.concatenate(
        [draw_counts(n, size, generator) @ statistics for size in batch_sizes(n, n_resamples)], dtype=float
    )


def draw_counts(n: int, n_resamples: int, generator: np.random.Generator) -> np.ndarray:
    """How often each of n groups was drawn, (n_resamples, n)."""
    drawn = generator.integers(n, size=(n_resamples, n))
    drawn += n * np.arange(n_resamples)[:, None]
    return np.bincount(drawn.ravel(), minlength=n_resamples * n).reshape(n_resamples, n).astype(float)


def swapped_sums(statistics: np.ndarray, n_trials: int, generator: np.random.Generator) -> np.ndarray:
    """Sums over a half of the groups: all halves where they are at most `n_trials`, else random ones.

    The shape is (n trials, n statistics). For systems a and b, one draw for both, `swapped[a] + total[b] - swapped[b]`
    is what a's sums are after the other half of the groups was exchanged between them. A half and the other one differ
    only in the sign of the difference, so the first group is in each of all halves.
    """
    n = len(statistics)
    if tries_all(n, n_trials):
        places = np.arange(2 ** (n - 1))[:, None]
        return np.column_stack([np.ones(len(places)), places >> np.arange(n - 1) & 1]) @ statistics
    return np.concatenate(
        [
            generator.integers(2, size=(size, n), dtype=np.int8).astype(float) @ statistics
            for size in batch_sizes(n, n_trials)
        ],
        dtype=float,
    )


def tries_all(n_groups: int, n_trials: int) -> bool:
    """Whether all ways to swap groups between two systems are tried: 2^(n - 1) but for the sign."""
    return n_groups <= n_trials.bit_length() and 2 ** (n_groups - 1) <= n_trials


def batch_sizes(n: int, n_resamples: int) -> Iterator[int]:
    """Split resamples of n groups so that no batch holds more than MAX_WEIGHTS weights."""
    size = max(1, MAX_WEIGHTS // n)
    for start in range(0, n_resamples, size):
        yield min(size, n_resamples - start)


def expanded_interval(
    values: np.ndarray, confidence: float, n_effective: float, no_spread: float = ROUNDING
) -> tuple[float, float]:
    """The interval between percentiles of the resampled values, wider for few groups; nan where there is none.

    The percentiles are those of Hesterberg's "expanded percentile bootstrap" (The American Statistician, 2015, 3.4):
    normal probabilities of -sqrt(n / (n - 1)) t, the quantile of Student's t with n - 1 degrees of freedom, with
    `n_effective` groups for n. Resamples without a value (the metric applied to none of the samples drawn) are left
    out. There is no interval where the values are all alike, to within `no_spread`: where no caption has a run of four
    right words, say, resamples can't tell how seldom that is.
    """
    import scipy.stats

    present = values[~np.isnan(values)]
    if n_effective <= 1 or not present.size or np.ptp(present) <= no_spread:
        return float("nan"), float("nan")
    n = max(n_effective, 2.0)  # with fewer the percentiles are the ends already
    quantile = scipy.stats.t.ppf((1 + confidence) / 2, n - 1) * math.sqrt(n / (n - 1))
    tail = scipy.stats.norm.sf(quantile)
    low, high = np.quantile(present, [tail, 1 - tail])
    return float(low), float(high)


def randomisation_p(observed: float, trials: np.ndarray, *, all_tried: bool = False) -> float:
    """Two-sided p-value: the share of trials at least as far from 0; random ones count the observed one in."""
    n_extreme = int(np.count_nonzero(np.abs(trials) >= abs(observed) - ROUNDING))
    return n_extreme / len(trials) if all_tried else (n_extreme + 1) / (len(trials) + 1)


def smallest_p(n_groups: int, n_trials: int) -> float:
    """The smallest p-value that the randomisation test can give: by the number of trials, and of ways to swap."""
    return max(1 / (n_trials + 1), 2.0 ** (1 - n_groups))


def is_testable(n_pairs: int, n_groups: int, n_trials: int, confidence: float) -> bool:
    """Whether a difference between two systems can be significant after Holm's correction over the pairs."""
    return n_pairs * smallest_p(n_groups, n_trials) < round(1 - confidence, 12)


def resamples_needed(n_systems: int, confidence: float) -> int:
    """The fewest resamples with which a difference between two systems can be significant, given enough groups.

    The smallest p-value is 1 / (resamples + 1); Holm's correction multiplies it by the number of pairs, and the
    product must be below 1 - confidence.
    """
    return math.floor(math.comb(n_systems, 2) / round(1 - confidence, 12))


def holm(p_values: Sequence[float]) -> list[float]:
    """p-values adjusted for testing all of them at once (Holm, 1979), in the given order."""
    order = np.argsort(p_values, kind="stable")
    factors = len(p_values) - np.arange(len(p_values))
    rising = np.maximum.accumulate(np.asarray(p_values, dtype=float)[order] * factors)
    adjusted = np.empty(len(p_values))
    adjusted[order] = np.minimum(1.0, rising)
    return adjusted.tolist()
