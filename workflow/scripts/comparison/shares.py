"""Intervals of shares: how often something is so, counted over samples that come in groups.

The bootstrap fails near 0 and 1: where no caption failed, every resample says 0. Wilson's interval (1927) does not. It
takes samples for independent, so it is given the number of independent ones that are worth these: n over the design
effect (Kish, 1965), as in surveys (Korn and Graubard, 1998; Dean and Pagano, 2015).

The design effect is how many times larger the variance of the share is by groups than by samples. It is estimated
between 1 and that of groups whose samples are all alike. A share of few cases, or of none, can't show it: there the
estimate is drawn to the worst one, half way at RARE cases (of the rarer kind). The normal quantile is replaced by
Student's t, for few groups. tests/test_coverage.py measures the coverage.
"""

from __future__ import annotations

import math

import numpy as np

from comparison.grouping import effective_groups

RARE = 4


def share_interval(cases: np.ndarray, sizes: np.ndarray, confidence: float) -> tuple[float, float]:
    """The interval of a share. `cases` of `sizes` samples of each group are so, both (n groups,); sizes over 0.

    nan where there are fewer than two groups.
    """
    import scipy.stats

    n_groups, n = effective_groups(sizes), float(sizes.sum())
    if n_groups <= 1:
        return float("nan"), float("nan")
    share = float(cases.sum()) / n
    n_independent = n / design_effect(cases, sizes)
    quantile = float(scipy.stats.t.ppf((1 + confidence) / 2, max(n_groups, 2.0) - 1))
    weight = quantile**2 / n_independent
    centre = (share + weight / 2) / (1 + weight)
    spread = quantile / (1 + weight) * math.sqrt(share * (1 - share) / n_independent + weight / (4 * n_independent))
    return max(0.0, min(centre - spread, share)), min(1.0, max(centre + spread, share))


def design_effect(cases: np.ndarray, sizes: np.ndarray) -> float:
    """How many samples are worth one independent sample, 1 or more; cautious where few or almost all are cases."""
    n, n_cases = float(sizes.sum()), float(cases.sum())
    worst = n / effective_groups(sizes)
    share = n_cases / n
    n_rarer = min(n_cases, n - n_cases)
    if not n_rarer:
        return worst
    n_groups = len(sizes)
    variance = n_groups / (n_groups - 1) * float(((cases - share * sizes) ** 2).sum()) / n**2
    estimated = min(max(variance / (share * (1 - share) / n), 1.0), worst)
    return worst + (estimated - worst) * n_rarer / (n_rarer + RARE)
