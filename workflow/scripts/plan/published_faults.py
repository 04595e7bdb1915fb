"""Faults of aggregates and of published numbers: names of sources, slices and values that are not there."""

from __future__ import annotations

from collections.abc import Iterator

from core.hints import propose_name
from plan.metrics import listed_values
from plan.schema import Configuration


def published_faults(config: Configuration) -> Iterator[str]:
    """The faults of `comparison.aggregates` and `published`; `config` has its defaults filled in."""
    sources = list(config["dataset"]["sources"])
    aggregates = config["comparison"]["aggregates"]
    for name, weights in aggregates.items():
        yield from _unknown(f"comparison.aggregates.{name}", "source", weights, sources)
    slices = ["all", *(f"source={name}" for name in sources), *(f"aggregate={name}" for name in aggregates)]
    values = listed_values(config)
    for name, entry in config["published"].items():
        path = f"published.{name}"
        yield from _unknown(f"{path}.slice", "slice", [entry["slice"]], slices)
        yield from _unknown(f"{path}.samples", "source", entry["samples"], sources)
        if entry["slice"].startswith("aggregate=") != ("weights" in entry):
            yield f"{path}.weights: an aggregate needs them, and nothing else has any"
        named = list(dict.fromkeys(value for row in entry["rows"] for value in row["scores"]))
        yield from _unknown(f"{path}.rows", "value of the listed metrics", named, list(values))
        for value in named:
            if value not in entry["signatures"]:
                yield f"{path}.signatures: {value} has none; state how the published {value} was computed"


def _unknown(path: str, what: str, names: list[str] | dict[str, float], known: list[str]) -> Iterator[str]:
    for name in names:
        if name not in known:
            yield f"{path}: no {what} {name!r}; {propose_name(name, known)}"
