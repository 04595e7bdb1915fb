"""Aggregates and published numbers as plain text, below the printed table of all samples."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Mapping, Sequence
from typing import Any

Format = Callable[[float | None, float], str]


def render_aggregates(
    comparison: Mapping[str, Any], values: Sequence[Mapping[str, Any]], format_number: Format, width: int
) -> list[str]:
    """A paragraph for each aggregate, and for each other slice that papers give numbers of."""
    cells = {(cell["system"], cell["value"], cell["slice"]): cell for cell in comparison["cells"]}
    paragraphs = []
    for part in comparison["slices"]:
        published = [row for row in comparison.get("published", []) if row["slice"] == part["name"]]
        if not part.get("weights") and not published:
            continue
        lines = [describe_part(part)]
        for system in comparison["systems"] if part.get("weights") else ():
            found = [(value, cells[system["name"], value["name"], part["name"]]) for value in values]
            scores = [f"{value['label']} {describe_cell(cell, value, format_number)}" for value, cell in found]
            lines.append(f"  {system['label']}: {', '.join(scores)}")
        for row in published:
            scores = [
                f"{value['label']} {format_number(row['scores'][value['name']], value['range'][1])}"
                for value in values
                if value["name"] in row["scores"]
            ]
            lines.append(f"  {row['label']} (published, not measured here; {row['source']}): {', '.join(scores)}")
        paragraphs.append("\n".join(textwrap.fill(line, width, subsequent_indent="    ") for line in lines))
    return paragraphs


def describe_part(part: Mapping[str, Any]) -> str:
    if not part.get("weights"):
        return f"{part['name']}, n {part['n']}:"
    weights = ", ".join(f"{source} {weight:g}" for source, weight in part["weights"].items())
    return f"{part['name']}, n {part['n']}, the mean of the scores by source with the weights {weights}:"


def describe_cell(cell: Mapping[str, Any], value: Mapping[str, Any], format_number: Format) -> str:
    """`.412 (.350–.470)`; without the interval where there is none."""
    score, low, high = (format_number(cell[key], value["range"][1]) for key in ("score", "low", "high"))
    return score if cell["low"] is None else f"{score} ({low}–{high})"
