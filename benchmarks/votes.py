"""How often the intervals of votes hold the truth, and equal systems differ significantly, on made-up votes.

    python benchmarks/votes.py --repeats 1000 --output votes.json

Two systems are compared on drawings in groups. The log odds with which the second is preferred are a constant, plus a
normal number of each group, plus one of each rater: people differ in taste. What is true is the rate over all groups
and all raters that there could be. docs/statistics.md has the results.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "workflow" / "scripts"))

from comparison.preferences import Votes
from comparison.vote_results import make_strengths, make_vote_pairs
from core.command import run_command
from core.records import write_json

CONFIDENCE, N_RESAMPLES = 0.95, 400
LEAD = 0.4  # log odds of the better system, where one is better


@dataclass(frozen=True)
class Case:
    """How many groups, samples of a group and raters there are, and how far groups and raters differ (log odds)."""

    n_groups: int
    size: int
    n_raters: int
    group_spread: float
    rater_spread: float


CASES = [
    Case(40, 1, 1, 1.0, 0.0),
    Case(40, 1, 3, 1.0, 0.0),
    Case(20, 5, 5, 1.0, 0.0),
    Case(40, 1, 3, 1.0, 0.5),
    Case(40, 1, 8, 1.0, 0.5),
    Case(100, 2, 5, 1.0, 0.5),
    Case(100, 2, 12, 1.0, 0.5),
]


def draw_votes(case: Case, lead: float, generator: np.random.Generator) -> Votes:
    """The votes of all raters on all samples."""
    n = case.n_groups * case.size
    groups = np.repeat(np.arange(case.n_groups), case.size)
    sample, rater = np.tile(np.arange(n), case.n_raters), np.repeat(np.arange(case.n_raters), n)
    of_groups = generator.normal(0, case.group_spread, case.n_groups)
    of_raters = generator.normal(0, case.rater_spread, case.n_raters)
    odds = lead + of_groups[groups[sample]] + of_raters[rater]
    second = generator.random(len(sample)) < 1 / (1 + np.exp(-odds))
    zeros = np.zeros(len(sample), dtype=int)
    return Votes(
        n_systems=2,
        n_groups=case.n_groups,
        n_raters=case.n_raters,
        n_units=n,
        group=groups[sample],
        rater=rater,
        unit=sample,
        sample=sample,
        first=zeros,
        second=zeros + 1,
        category=second.astype(int),
        filtered=zeros.astype(bool),
    )


def true_rate(case: Case, lead: float) -> float:
    """How often the first system is preferred, over all groups and raters."""
    normal = np.random.default_rng(0).normal(size=1_000_000)
    return float(np.mean(1 / (1 + np.exp(lead + np.hypot(case.group_spread, case.rater_spread) * normal))))


def measure(case: Case, n_repeats: int, seed: int = 0) -> dict[str, float]:
    """Shares: intervals of the win rate and of the strength that hold the truth, and p < 0.05 of equal systems."""
    generator = np.random.default_rng(seed)
    rate = true_rate(case, LEAD)
    strength = np.log(rate / (1 - rate)) / 2
    settings = (["a", "b"], N_RESAMPLES, CONFIDENCE, generator)
    hits = np.zeros(3)
    for _ in range(n_repeats):
        votes = draw_votes(case, LEAD, generator)
        (pair,) = make_vote_pairs(votes, *settings)
        (first,) = (one for one in make_strengths(votes, *settings) if one["system"] == "a")
        (equal,) = make_vote_pairs(draw_votes(case, 0.0, generator), *settings)
        hits += [holds(pair, rate), holds(first, strength), equal["p"] < 1 - CONFIDENCE]
    return dict(zip(("rate", "strength", "false_alarms"), (hits / n_repeats).tolist(), strict=True))


def holds(record: dict[str, float | None], truth: float) -> bool:
    """Whether the interval of a record holds the truth; not where there is none."""
    low, high = record["low"], record["high"]
    return low is not None and high is not None and low <= truth <= high


def main(*, repeats: int, output: Path | None = None) -> None:
    """Measure all cases, print a table, and write the numbers."""
    results = []
    print("| groups | of | raters | raters differ by | win rate | strength | p < 0.05 |\n|---|---|---|---|---|---|---|")
    for case in CASES:
        found = measure(case, repeats)
        results.append(asdict(case) | found)
        shares = " | ".join(f"{100 * share:.0f}" for share in found.values())
        print(f"| {case.n_groups} | {case.size} | {case.n_raters} | {case.rater_spread} | {shares} |", flush=True)
    if output:
        write_json(output, results)


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=1000, help="made-up experiments of each case")
    parser.add_argument("--output", type=Path, help="JSON file for the numbers")
    return parser


if __name__ == "__main__":
    run_command(main, build_parser())
