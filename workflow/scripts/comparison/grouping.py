"""Groups of samples that are not independent: a drawing's near-duplicates, variants, and drawings of one caption.

What a system scores on one sample of a group says much of the others. So groups, not samples, are what is drawn with
replacement, swapped between two systems, and counted.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from core.records import Sample

# With fewer groups than this, counted as if all were of one size, an interval is a rough guide (docs/statistics.md).
FEW_GROUPS = 10


def number_groups(samples: Sequence[Sample]) -> np.ndarray:
    """The group of each sample (as split_samples unites them) as a number from 0, (n samples,)."""
    return np.unique([sample.group for sample in samples], return_inverse=True)[1]


def sum_by_group(rows: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """Sums of the rows of each group that occurs: (n samples, …) becomes (n groups, …)."""
    order = np.argsort(groups, kind="stable")
    starts = np.flatnonzero(np.diff(groups[order], prepend=-1))
    return np.add.reduceat(rows[order], starts, axis=0) if len(starts) else rows[:0]


def group_sizes(groups: np.ndarray) -> np.ndarray:
    """How many samples each group has that occurs."""
    return sum_by_group(np.ones(len(groups)), groups)


def effective_groups(sizes: np.ndarray) -> float:
    """How many groups of one size would be worth these: (sum of sizes)² / sum of squared sizes (Kish, 1965)."""
    return float(sizes.sum() ** 2 / (sizes**2).sum()) if len(sizes) else 0.0
