"""The results of a vote, as votes.json has them: raters, pairs, strengths, agreement, metrics, warnings."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from comparison.grouping import FEW_GROUPS, effective_groups, group_sizes, sum_by_group
from comparison.preferences import (
    Votes,
    add_prior,
    coincidences,
    concordance,
    fit_strengths,
    joins_all,
    krippendorff_alpha,
    resampled_sums,
)
from comparison.resampling import (
    bootstrap_sums,
    expanded_interval,
    holm,
    randomisation_p,
    swapped_sums,
    tries_all,
)
from scoring.ballots import OUTCOMES, Ballot
from scoring.metrics import divide_or_nan
from scoring.scores import null_for_nan

FEW_RATERS = 5
ONE_SIDED = 0.75  # share of the decided votes on one side of the screen that is told
Record = dict[str, Any]


def make_votes(ballots: Sequence[Ballot], systems: Sequence[str], groups: Mapping[str, int]) -> Votes:
    """The votes of all raters as arrays; `groups` gives the group of each sample by its id, in the samples' order."""
    places = {system: place for place, system in enumerate(systems)}
    sample_places = {sample: place for place, sample in enumerate(groups)}
    rows = []
    for rater, ballot in enumerate(ballots):
        for vote in ballot.votes:
            first, second = sorted((vote.left, vote.right), key=places.__getitem__)
            category = OUTCOMES.index(vote.outcome)
            if category < 2:
                category = 0 if (vote.left, vote.right)[category] == first else 1
            sample = sample_places[vote.sample]
            rows.append(
                [groups[vote.sample], rater, sample, places[first], places[second], category, vote.filter != ""]
            )
    columns = np.array(rows, dtype=int).T
    group = np.unique(columns[0], return_inverse=True)[1]
    unit = np.unique(columns[2:5], axis=1, return_inverse=True)[1]
    return Votes(
        n_systems=len(systems),
        n_groups=int(group.max()) + 1,
        n_raters=len(ballots),
        n_units=int(unit.max()) + 1,
        group=group,
        rater=columns[1],
        unit=unit,
        sample=columns[2],
        first=columns[3],
        second=columns[4],
        category=columns[5],
        filtered=columns[6].astype(bool),
    )


def describe_raters(ballots: Sequence[Ballot]) -> list[Record]:
    """Name and number of votes of each rater, and how many were cast under a filter."""
    return [
        {"name": one.rater, "n_votes": len(one.votes), "n_filtered": sum(vote.filter != "" for vote in one.votes)}
        for one in ballots
    ]


def make_vote_pairs(
    votes: Votes, systems: Sequence[str], n_resamples: int, confidence: float, generator: np.random.Generator
) -> list[Record]:
    """For each pair that was voted on: counts, the win rate of the first system with its interval, and a test.

    The test swaps the two systems on whole groups (all votes of all raters on a group), Holm-corrected over the pairs.
    Drawings that a filter chose are no random ones: a pair with such votes has no p-value.
    """
    records: list[Record] = []
    for first, second in itertools.combinations(range(len(systems)), 2):
        chosen = np.flatnonzero((votes.first == first) & (votes.second == second))
        if not len(chosen):
            continue
        counts = Counter(votes.category[chosen].tolist())
        ones = np.zeros((len(votes.group), 2))
        ones[chosen] = np.column_stack([votes.win[chosen], np.ones(len(chosen))])
        sums = resampled_sums(votes, ones, n_resamples, generator)
        drawn = divide_or_nan(sums[:, 0], sums[:, 1])
        sizes = group_sizes(votes.group[chosen])
        low, high = expanded_interval(drawn, confidence, effective_groups(sizes))
        is_filtered = bool(votes.filtered[chosen].any())
        leads = sum_by_group(votes.lead[chosen][:, None], votes.group[chosen])
        records.append(
            {
                "a": systems[first],
                "b": systems[second],
                "a_wins": counts[0],
                "b_wins": counts[1],
                "alike": counts[2],
                "neither": counts[3],
                "rate": float(votes.win[chosen].mean()),
                "low": null_for_nan(low),
                "high": null_for_nan(high),
                "n_groups": len(sizes),
                "n_raters": len(set(votes.rater[chosen].tolist())),
                "filtered": is_filtered,
                "p": None if is_filtered else p_of_leads(leads, n_resamples, generator),
                "p_holm": None,
            }
        )
    tested = [record for record in records if record["p"] is not None]
    for record, adjusted in zip(tested, holm([record["p"] for record in tested]), strict=True):
        record["p_holm"] = adjusted
    return records


def p_of_leads(leads: np.ndarray, n_trials: int, generator: np.random.Generator) -> float:
    """p of the sum of leads (n groups, 1), by swapping the systems on groups; exact where all ways can be tried."""
    total = float(leads.sum())
    trials = 2 * swapped_sums(leads, n_trials, generator)[:, 0] - total
    return randomisation_p(total, trials, all_tried=tries_all(len(leads), n_trials))


def make_strengths(
    votes: Votes, systems: Sequence[str], n_resamples: int, confidence: float, generator: np.random.Generator
) -> list[Record]:
    """Bradley-Terry strengths of the systems that were voted on, the strongest first; none where nothing joins them."""
    matrix = votes.wins
    total = matrix.sum(axis=0)
    voted = np.flatnonzero((total + total.T).any(axis=0))
    total = total[np.ix_(voted, voted)]
    compared = (total + total.T) > 0
    if len(voted) < 2 or not joins_all(compared):
        return []
    n = len(voted)
    columns = matrix[:, voted][:, :, voted].reshape(len(matrix), n * n)
    drawn = resampled_sums(votes, columns, n_resamples, generator).reshape(-1, n, n)
    strengths, resampled = fit_strengths(add_prior(total, compared)), fit_strengths(add_prior(drawn, compared))
    records: list[Record] = []
    for place, system in enumerate(voted.tolist()):
        own = (votes.first == system) | (votes.second == system)
        n_effective = effective_groups(group_sizes(votes.group[own]))
        low, high = expanded_interval(resampled[:, place], confidence, n_effective)
        records.append(
            {
                "system": systems[system],
                "strength": float(strengths[place]),
                "low": null_for_nan(low),
                "high": null_for_nan(high),
                "n_votes": int(own.sum()),
            }
        )
    return sorted(records, key=lambda record: -record["strength"])


def measure_agreement(votes: Votes, n_resamples: int, confidence: float, generator: np.random.Generator) -> Record:
    """Krippendorff's alpha with its interval (over groups of samples); null where no two raters voted on the same."""
    matrix = coincidences(votes)
    n_units = int((matrix.sum(axis=1) > 0).sum())
    of_unit = np.zeros(votes.n_units, dtype=int)
    of_unit[votes.unit] = votes.group
    sums = sum_by_group(matrix, of_unit)
    low, high = float("nan"), float("nan")
    if n_units:
        shared = sum_by_group((matrix.sum(axis=1) > 0).astype(float), of_unit)
        drawn = krippendorff_alpha(bootstrap_sums(sums, n_resamples, generator))
        low, high = expanded_interval(drawn, confidence, effective_groups(shared[shared > 0]))
    return {
        "alpha": null_for_nan(krippendorff_alpha(matrix.sum(axis=0))),
        "low": null_for_nan(low),
        "high": null_for_nan(high),
        "n_shared": n_units,
    }


def compare_metrics(
    votes: Votes,
    scores: Mapping[str, np.ndarray],
    n_resamples: int,
    confidence: float,
    generator: np.random.Generator,
) -> list[Record]:
    """How well each metric's preference agrees with the votes, the best first.

    `scores` holds for each value the samples' scores (n systems, n samples), signed so that more is better.
    `behind` is the interval of the best metric's correlation less this one's, by the same resamples; null for the best.
    """
    decided = votes.lead != 0
    if not scores or not decided.any():
        return []
    differences = {
        name: column[votes.first, votes.sample] - column[votes.second, votes.sample] for name, column in scores.items()
    }
    agrees = {name: concordance(votes.lead, difference) for name, difference in differences.items()}
    counted = {name: decided & ~np.isnan(difference) for name, difference in differences.items()}
    sums = resampled_sums(votes, np.column_stack([*agrees.values(), *counted.values()]), n_resamples, generator)
    drawn = divide_or_nan(sums[:, : len(scores)], sums[:, len(scores) :])
    n_effective = effective_groups(group_sizes(votes.group[decided]))
    records: list[Record] = []
    for place, name in enumerate(scores):
        n = int(counted[name].sum())
        low, high = expanded_interval(drawn[:, place], confidence, n_effective)
        records.append(
            {
                "value": name,
                "tau": float(agrees[name].sum()) / n if n else None,
                "low": null_for_nan(low),
                "high": null_for_nan(high),
                "n": n,
                "n_ties": int((counted[name] & (agrees[name] == 0)).sum()),
                "behind": None,
            }
        )
    order = sorted(range(len(records)), key=lambda place: -(records[place]["tau"] if records[place]["n"] else -2))
    for place in order[1:]:
        ends = expanded_interval(drawn[:, order[0]] - drawn[:, place], confidence, n_effective)
        records[place]["behind"] = [null_for_nan(end) for end in ends]
    return [records[place] for place in order]


def find_warnings(votes: Votes, ballots: Sequence[Ballot], pairs: Sequence[Record], n_shared: int) -> Iterator[str]:
    """What makes the results weaker than they look, in sentences."""
    n_filtered = int(votes.filtered.sum())
    if n_filtered:
        yield (
            f"{n_filtered:,} of {len(votes.filtered):,} votes are on drawings that a filter of the explorer chose. "
            "Such drawings are no random ones, so pairs with such votes have no p-value."
        )
    if votes.n_raters < FEW_RATERS:
        raters = "one rater" if votes.n_raters == 1 else f"only {votes.n_raters} raters"
        yield f"{raters.capitalize()}: the intervals hardly cover what other people would prefer."
    if votes.n_raters > 1 and not n_shared:
        yield "No two raters voted on the same captions: their agreement is not measured."
    few = effective_groups(group_sizes(votes.group))
    if few < FEW_GROUPS:
        yield f"The votes are on few groups of drawings (worth {few:.1f} of one size): the intervals are rough."
    for ballot in ballots:
        sides = Counter(vote.outcome for vote in ballot.votes)
        decided = sides["left"] + sides["right"]
        share = max(sides["left"], sides["right"]) / decided if decided else 0
        if decided >= 20 and share > ONE_SIDED:
            side = "left" if sides["left"] > sides["right"] else "right"
            yield f"{ballot.rater} chose the {side} side in {share:.0%} of the decided votes; sides are drawn by lot."
    if len(pairs) > 1 and not all(pair["n_groups"] >= FEW_GROUPS for pair in pairs):
        yield "Some pairs of systems have votes on fewer than ten groups of drawings."
