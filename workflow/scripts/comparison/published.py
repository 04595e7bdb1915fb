"""Numbers that papers state, shown beside the systems: only where they are of the same samples and the same metric.

    published:
      unisvg:
        source: UniSVG, https://…             where the numbers stand
        slice: aggregate=unisvg               of which samples; `all` where absent
        samples: {csvgun_usage: 200, …}       how many of each source they rest on
        weights: {csvgun_usage: 200, …}       of an aggregate
        signatures: {bert_score: bert_score|value:F1|…}   how each value was computed
        rows: [{label: Claude 3.7, scores: {bert_score: 0.322}}]

They have no samples here: no interval, no test, never best and never a tie.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from comparison.aggregates import Aggregate
from comparison.slices import Slice
from core.command import InputError
from core.records import Sample

# What a signature says of this run alone: no paper states it.
OF_THIS_RUN = ("weights", "modules", "resampled", "n_resamples", "seed", "interval")


def read_signature(signature: str) -> dict[str, str]:
    """The facts of a signature that a paper must share, the metric's name among them."""
    metric, *facts = signature.split("|")
    pairs = [fact.partition(":") for fact in facts]
    return {"metric": metric, **{key: value for key, _, value in pairs if key not in OF_THIS_RUN}}


def list_published(
    published: Mapping[str, Mapping[str, Any]],
    values: Sequence[Mapping[str, Any]],
    slices: Sequence[Slice],
    samples: Sequence[Sample],
) -> list[dict[str, Any]]:
    """One record a row: label, source, slice, scores by value. Raises InputError where numbers are not comparable.

    `values` are the described values of the comparison, with their signatures.
    """
    parts = {part.name: part for part in slices}
    rows = []
    for name, entry in published.items():
        path, wanted = f"published.{name}", entry.get("slice", "all")
        if wanted not in parts:
            raise InputError(f"{path}.slice: there is no slice {wanted!r} here; there are {', '.join(parts)}")
        check_samples(path, entry, parts[wanted], samples)
        check_signatures(path, entry, {value["name"]: value["signature"] for value in values})
        rows += [{**row, "source": entry["source"], "slice": wanted} for row in entry["rows"]]
    return rows


def check_samples(path: str, entry: Mapping[str, Any], part: Slice, samples: Sequence[Sample]) -> None:
    """Raise InputError where numbers rest on other sources, other numbers of samples, or other weights."""
    here = dict(sorted(Counter(samples[place].source for place in part.members).items()))
    stated = dict(sorted(entry["samples"].items()))
    if here != stated:
        raise InputError(
            f"{path}.samples: the published numbers rest on {describe_counts(stated)}, and {part.name} here on "
            f"{describe_counts(here)}; compare on the same test samples, or remove {path}"
        )
    weights = part.weights if isinstance(part, Aggregate) else None
    if entry.get("weights") != weights:
        raise InputError(
            f"{path}.weights: the published numbers are weighted by {describe_counts(entry.get('weights'))}, and "
            f"{part.name} here by {describe_counts(weights)}; use the same weights, or remove {path}"
        )


def describe_counts(counts: Mapping[str, float] | None) -> str:
    return ", ".join(f"{number:g} of {source}" for source, number in counts.items()) if counts else "nothing"


def check_signatures(path: str, entry: Mapping[str, Any], signatures: Mapping[str, str]) -> None:
    """Raise InputError where a published value was computed in another way than the column's."""
    for value in dict.fromkeys(value for row in entry["rows"] for value in row["scores"]):
        if value not in signatures:
            raise InputError(f"{path}.rows: no listed metric has a value {value!r}; there are {', '.join(signatures)}")
        if value not in entry["signatures"]:
            raise InputError(f"{path}.signatures: {value} has none; state how the published {value} was computed")
        ours, theirs = read_signature(signatures[value]), read_signature(entry["signatures"][value])
        differing = [key for key in {**ours, **theirs} if ours.get(key) != theirs.get(key)]
        if differing:
            facts = "; ".join(
                f"{key} {theirs.get(key, 'not stated')}, here {ours.get(key, 'none')}" for key in differing
            )
            raise InputError(
                f"{path}.signatures.{value}: published and computed in different ways ({facts}); compute {value} as "
                f"the paper did, or remove it from {path}"
            )
