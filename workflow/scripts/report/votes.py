"""The report's section on votes: what people preferred, and how many votes it takes to tell two systems apart."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from comparison.preferences import POWER, SIGNIFICANCE, smallest_share, votes_needed
from core.command import InputError
from core.records import read_json
from report.comparison import Comparison, Value

TOLD_SHARE = 0.6  # of the votes that prefer the better system, in the plan of a vote


@dataclass(frozen=True)
class VoteResults:
    """votes.json as it is, with the labels of systems and metrics."""

    raw: dict[str, Any]
    labels: dict[str, str]  # of systems
    values: dict[str, Value]  # of metrics' values

    @property
    def reading(self) -> str:
        """One sentence on the metric to believe here."""
        if not self.raw["metrics"]:
            return "No vote prefers one caption, so no metric can be compared with the votes."
        best = self.raw["metrics"][0]
        if best["low"] is None or best["low"] <= 0:
            return "The votes do not show that any metric agrees with them more often than chance."
        near = [
            self.values[one["value"]].label
            for one in self.raw["metrics"][1:]
            if one["behind"] is None or one["behind"][0] is None or one["behind"][0] <= 0
        ]
        lead = f"{self.values[best['value']].label} agrees best with the votes on these drawings"
        if not near:
            return f"{lead}, clearly better than every other metric."
        return f"{lead}; the votes do not separate it from {', '.join(near)}."


def read_votes(path: Path, comparison: Comparison) -> VoteResults:
    """Read votes.json. Raises InputError for a file of another version or comparison."""
    raw = read_json(path)
    labels = {system.name: system.label for system in comparison.systems}
    values = {value.name: value for value in comparison.values}
    try:
        named = {name for pair in raw["pairs"] for name in (pair["a"], pair["b"])}
        named |= {one["system"] for one in raw["strengths"]}
        shown = {one["value"] for one in raw["metrics"]}
    except (KeyError, TypeError) as error:
        raise InputError(f"{path} holds no results of votes ({error!r}); run analyse_votes again") from error
    if not named <= set(labels) or not shown <= set(values):
        raise InputError(f"{path} is not of this comparison; run analyse_votes again")
    return VoteResults(raw, labels, values)


@cache
def describe_voting(n_groups: int) -> str:
    """How many votes tell two systems 60:40 apart, and what the groups of a test split can tell."""
    needed = votes_needed(TOLD_SHARE)
    sentence = (
        f"Where people prefer one system to the other in {TOLD_SHARE:.0%} of votes, {needed:,} votes that prefer a "
        f"caption, each on a different group of similar drawings, show this in {POWER:.0%} of experiments "
        f"(exact sign test, p < {SIGNIFICANCE})."
    )
    if n_groups >= needed:
        return f"{sentence} This test split has {n_groups:,} groups."
    share = smallest_share(n_groups)
    can = f"shows a preference of {share:.0%} or more" if share else "shows no preference, however strong"
    return f"{sentence} This test split has only {n_groups:,} groups: one vote on each {can}."
