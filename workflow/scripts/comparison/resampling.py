"""Bootstrap and approximate randomisation over sums of per-sample statistics.

A metric's corpus value is a function of the sums of its statistics over samples (see scoring/metrics/__init__.py),
so a resample is a row of counts, and ten thousand of them are one matrix product. Arrays of statistics
have the shape (n samples, n statistics); sums of resamples (n resamples, n statistics).

* Bootstrap (Efron): draw n samples with replacement; the interval lies between percentiles of the values.
* Paired bootstrap test (Efron; Koehn, 2004; as in sacrebleu): p is the share of resamples whose difference is at least
  as far from their mean as the observed one is from 0.
* Approximate randomisation (Noreen, 1989; as in sacrebleu): swap the two systems on each sample with
  probability 1/2; p is the share of trials whose difference is at least the observed one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

# Resamples whose weights are held at once are limited to so many numbers (80 MB).
MAX_WEIGHTS = 10_000_000
# Differences that are equal but for rounding count as equal.
ROUNDING = 1e-12


def bootstrap_sums(statistics: np.ndarray, n_resamples: int, generator: np.random.Generator) -> np.ndarray:
    """Sums of the statistics over `n_resamples` samples drawn with replacement, each of the full size."""
    n = len(statistics)
    return np.concatenate(
        [draw_counts(n, size, generator) @ statistics for size in batch_sizes(n, n_resamples)], dtype=float
    )


def draw_counts(n: int, n_resamples: int, generator: np.random.Generator) -> np.ndarray:
    """How often each of n samples was drawn, (n_resamples, n)."""
    drawn = generator.integers(n, size=(n_resamples, n))
    drawn += n * np.arange(n_resamples)[:, None]
    return np.bincount(drawn.ravel(), minlength=n_resamples * n).reshape(n_resamples, n).astype(float)


def swapped_sums(statistics: np.ndarray, n_trials: int, generator: np.random.Generator) -> np.ndarray:
    """Sums over a random half of the samples, each in with probability 1/2; (n_trials, n statistics).

    For systems a and b, one draw for both, `swapped[a] + total[b] - swapped[b]` is what a's sums are
    after the other half of the samples was exchanged between them.
    """
    n = len(statistics)
    return np.concatenate(
        [
            generator.integers(2, size=(size, n), dtype=np.int8).astype(float) @ statistics
            for size in batch_sizes(n, n_trials)
        ],
        dtype=float,
    )


def batch_sizes(n: int, n_resamples: int) -> Iterator[int]:
    """Split resamples of n samples so that no batch holds more than MAX_WEIGHTS weights."""
    size = max(1, MAX_WEIGHTS // n)
    for start in range(0, n_resamples, size):
        yield min(size, n_resamples - start)


def percentile_interval(values: np.ndarray, confidence: float) -> tuple[float, float]:
    """The central interval that holds `confidence` of the resampled values; nan where there are none.

    Resamples without a value (the metric applied to none of the samples drawn) are left out.
    """
    present = values[~np.isnan(values)]
    if not present.size:
        return float("nan"), float("nan")
    low, high = np.quantile(present, [(1 - confidence) / 2, (1 + confidence) / 2])
    return float(low), float(high)


def bootstrap_p(observed: float, differences: np.ndarray) -> float:
    """Two-sided p-value of a difference by its bootstrap resamples, shifted to a mean of 0; the observed counted in."""
    present = differences[~np.isnan(differences)]
    n_extreme = np.count_nonzero(np.abs(present - present.mean()) >= abs(observed) - ROUNDING)
    return (n_extreme + 1) / (len(present) + 1)


def randomisation_p(observed: float, trials: np.ndarray) -> float:
    """Two-sided p-value: the share of trials at least as far from 0, the observed one counted in."""
    n_extreme = np.count_nonzero(np.abs(trials) >= abs(observed) - ROUNDING)
    return (n_extreme + 1) / (len(trials) + 1)


def holm(p_values: Sequence[float]) -> list[float]:
    """p-values adjusted for testing all of them at once (Holm, 1979), in the given order."""
    order = np.argsort(p_values, kind="stable")
    factors = len(p_values) - np.arange(len(p_values))
    rising = np.maximum.accumulate(np.asarray(p_values, dtype=float)[order] * factors)
    adjusted = np.empty(len(p_values))
    adjusted[order] = np.minimum(1.0, rising)
    return adjusted.tolist()
