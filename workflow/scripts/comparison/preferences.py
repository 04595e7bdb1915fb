"""What votes on pairs of captions say: win rates, strengths, agreement of raters, and which metric votes likewise.

* A vote "alike" or "neither" is half a win for both systems.
* Strengths are those of Bradley and Terry (1952): the log odds with which a system is preferred to an average one.
  They are fitted by Hunter's MM algorithm (Annals of Statistics, 2004), with half a win for both systems of each pair
  that was voted on, so that a system which always wins has a finite strength. Thousands of resamples are fitted at
  once; the result is that of a general optimiser (tests/test_preferences.py).
* Agreement is Krippendorff's alpha for nominal data (2011), over the drawings and pairs that several raters voted on.
* A metric's Kendall correlation with the votes is (concordant - discordant) / decided votes, as in the WMT metrics task
  (Machacek and Bojar, 2014): a vote is concordant where the metric scores the preferred caption higher. Where it scores
  both alike, it is neither.
* Intervals come from resamples of groups of samples and of raters at once: a vote counts as often as its group times as
  often as its rater was drawn (Owen, Annals of Applied Statistics, 2007), which is rather too wide than too narrow.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from comparison.resampling import batch_sizes, draw_counts

N_ITERATIONS = 2000  # of the fit, at most
PRECISION = 1e-7  # change of a strength after which the fit ends
PRIOR = 0.5  # wins that both systems of a pair which was voted on have beforehand
SIGNIFICANCE, POWER = 0.05, 0.8
MOST_VOTES = 5000


@dataclass(frozen=True)
class Votes:
    """Votes as arrays, one entry each: places of group, rater, unit and systems, what was voted, the filter or not.

    A unit is a sample with two systems. `category` is 0 where `first` was preferred, 1 for `second`, 2 for alike, 3 for
    neither; the first system is the earlier one in the experiment's order.
    """

    n_systems: int
    n_groups: int
    n_raters: int
    n_units: int
    group: np.ndarray
    rater: np.ndarray
    unit: np.ndarray
    sample: np.ndarray
    first: np.ndarray
    second: np.ndarray
    category: np.ndarray
    filtered: np.ndarray

    @property
    def win(self) -> np.ndarray:
        """1 where the first system was preferred, 0 where the second was, else 1/2."""
        return np.array([1.0, 0.0, 0.5, 0.5])[self.category]

    @property
    def lead(self) -> np.ndarray:
        """1 for the first system, -1 for the second, 0 without a preference."""
        return np.array([1.0, -1.0, 0.0, 0.0])[self.category]

    @property
    def wins(self) -> np.ndarray:
        """What each vote adds to the matrix of wins, (n votes, n systems, n systems); [i, j] is i over j."""
        matrix = np.zeros((len(self.win), self.n_systems, self.n_systems))
        rows = np.arange(len(self.win))
        matrix[rows, self.first, self.second] = self.win
        matrix[rows, self.second, self.first] = 1 - self.win
        return matrix


def resampled_sums(votes: Votes, columns: np.ndarray, n_resamples: int, generator: np.random.Generator) -> np.ndarray:
    """Sums of the columns (n votes, n columns) over resamples of groups and raters: (n_resamples, n columns)."""
    sums = []
    for size in batch_sizes(len(columns), n_resamples):
        groups = draw_counts(votes.n_groups, size, generator)
        raters = draw_counts(votes.n_raters, size, generator)
        sums.append((groups[:, votes.group] * raters[:, votes.rater]) @ columns)
    return np.concatenate(sums)


def fit_strengths(wins: np.ndarray) -> np.ndarray:
    """Bradley-Terry strengths of matrices of wins (…, n, n), centred: (…, n). Pairs must join all systems."""
    played = wins + np.swapaxes(wins, -1, -2)
    compared = played > 0
    total = wins.sum(axis=-1)
    strengths = np.ones(total.shape)
    for _ in range(N_ITERATIONS):
        sums = strengths[..., :, None] + strengths[..., None, :]
        updated = total / np.where(compared, played / sums, 0.0).sum(axis=-1)
        updated /= np.exp(np.log(updated).mean(axis=-1, keepdims=True))
        change = np.abs(np.log(updated) - np.log(strengths)).max()
        strengths = updated
        if change < PRECISION:
            break
    return np.log(strengths)


def add_prior(wins: np.ndarray, compared: np.ndarray) -> np.ndarray:
    """Wins (…, n, n) with PRIOR for both systems of each pair that was voted on (n, n)."""
    return wins + PRIOR * compared


def joins_all(compared: np.ndarray) -> bool:
    """Whether pairs that were voted on (n, n) join all systems that occur, so that their strengths have one scale."""
    from scipy.sparse.csgraph import connected_components

    return connected_components(compared, directed=False)[0] == 1


def coincidences(votes: Votes) -> np.ndarray:
    """What each unit adds to the coincidence matrix of the four categories, (n units, 16), 0 for one with one vote."""
    counts = np.zeros((votes.n_units, 4))
    np.add.at(counts, (votes.unit, votes.category), 1)
    n_votes = counts.sum(axis=1)
    matrix = counts[:, :, None] * counts[:, None, :] - counts[:, :, None] * np.eye(4)
    matrix /= np.maximum(n_votes - 1, 1)[:, None, None]
    return matrix.reshape(votes.n_units, 16)


def krippendorff_alpha(sums: np.ndarray) -> np.ndarray:
    """Nominal alpha of summed coincidences (…, 16); nan where there are none, or all votes are of one kind."""
    matrix = sums.reshape(*sums.shape[:-1], 4, 4)
    marginal = matrix.sum(axis=-1)
    n = marginal.sum(axis=-1)
    observed = n - np.trace(matrix, axis1=-2, axis2=-1)
    expected = (n**2 - (marginal**2).sum(axis=-1)) / np.maximum(n - 1, 1)
    return np.divide(expected - observed, expected, out=np.full(np.shape(n), np.nan), where=expected > 0)


def concordance(lead: np.ndarray, differences: np.ndarray) -> np.ndarray:
    """1 for each decided vote that a metric agrees with, -1 for the opposite; 0 for ties and undecided votes.

    `differences` are the metric's values of the first caption less those of the second, signed so that more is better;
    a missing one gives 0 as well.
    """
    return lead * np.sign(np.nan_to_num(differences))


def sign_test_power(n: int, share: float) -> float:
    """How often an exact two-sided sign test on n votes finds a true share of preferences, at SIGNIFICANCE."""
    import scipy.stats

    wins = np.arange(n // 2 + 1)
    rejected = 2 * scipy.stats.binom.cdf(wins, n, 0.5) <= SIGNIFICANCE
    if not rejected.any():
        return 0.0
    most = int(wins[rejected].max())
    return float(scipy.stats.binom.cdf(most, n, share) + scipy.stats.binom.sf(n - most - 1, n, share))


def votes_needed(share: float) -> int:
    """The fewest decided votes from which on the sign test finds a share with POWER (which rises in saw teeth)."""
    enough = 0
    for n in range(1, MOST_VOTES):
        if sign_test_power(n, share) < POWER:
            enough = 0
        else:
            enough = enough or n
            if n - enough >= 50:  # longer than a tooth
                return enough
    raise ValueError(f"a share of {share} is not told from 0.5 by {MOST_VOTES} votes")


def smallest_share(n: int) -> float | None:
    """The smallest share over 0.5, in steps of 1%, that n votes tell from it with POWER; None where none is told."""
    shares = [step / 100 for step in range(51, 101)]
    return next((share for share in shares if sign_test_power(n, share) >= POWER), None)
