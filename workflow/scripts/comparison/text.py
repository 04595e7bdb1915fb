"""A comparison as a table of plain text, for the terminal: systems by values with their intervals."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

from captions.health import FLAGS

WIDTH = 100
LABEL_WIDTH = 28
GAP = "  "


def render_comparison(comparison: Mapping[str, Any]) -> str:
    """The table of all samples, at most WIDTH columns wide; values that do not fit go into further blocks.

    Only values that are meant for the radar chart are shown; the others are in comparison.csv.
    """
    values = [value for value in comparison["values"] if value["radar"]] or comparison["values"]
    cells = {(cell["system"], cell["value"]): cell for cell in comparison["cells"] if cell["slice"] == "all"}
    systems = comparison["systems"]
    columns = [render_column(value, systems, cells, comparison["best"][value["name"]]) for value in values]
    labels = render_labels(systems, cells, values)
    blocks = [join_columns([labels, *block]) for block in split_columns(labels, columns)]
    return (
        "\n\n".join([*blocks, *render_humans(comparison), *render_alarms(comparison), render_legend(comparison)]) + "\n"
    )


def render_humans(comparison: Mapping[str, Any]) -> list[str]:
    """One paragraph of leave-one-out human scores; none if no sample has two references."""
    values = {value["name"]: value for value in comparison["values"] if value["radar"]}
    shown = [record for record in comparison["human"] if record["value"] in values]
    scores = ", ".join(
        f"{values[record['value']]['label']} {format_number(record['score'], values[record['value']]['range'][1])}"
        for record in shown
    )
    if not shown:
        return []
    return [textwrap.fill(f"One reference scored against the others (n {shown[0]['n']}): {scores}", WIDTH)]


def render_alarms(comparison: Mapping[str, Any]) -> list[str]:
    """One paragraph of the systems whose captions are wrong more often than is tolerated; none where all are well."""
    labels = {system["name"]: system["label"] for system in comparison["systems"]}
    lines = [
        f"  {labels[record['system']]}: "
        + ", ".join(f"{FLAGS[name]} {record['flags'][name] / comparison['n_samples']:.0%}" for name in record["alarms"])
        for record in comparison["health"]
        if record["alarms"]
    ]
    wrapped = [textwrap.fill(line, WIDTH, subsequent_indent="    ") for line in lines]
    return ["\n".join(["Captions to look at before believing a score:", *wrapped])] if lines else []


def render_labels(
    systems: Sequence[Mapping[str, Any]],
    cells: Mapping[tuple[str, str], Mapping[str, Any]],
    values: Sequence[Mapping[str, Any]],
) -> list[str]:
    """The first column: two lines a system, its label and how many captions failed."""
    lines = ["", "n"]
    for system in systems:
        label = system["label"]
        n_failed = max(cells[system["name"], value["name"]]["n_failed"] for value in values)
        lines.append(label if len(label) <= LABEL_WIDTH else label[: LABEL_WIDTH - 1] + "…")
        lines.append(f"  {n_failed} failed" if n_failed else "")
    return left_aligned(lines)


def render_column(
    value: Mapping[str, Any],
    systems: Sequence[Mapping[str, Any]],
    cells: Mapping[tuple[str, str], Mapping[str, Any]],
    best: Mapping[str, Any] | None,
) -> list[str]:
    """A value's column: label, n, then score and interval of each system, the best and its ties marked."""
    lines = [f"{value['label']} ", f"{max(cells[system['name'], value['name']]['n'] for system in systems)} "]
    for system in systems:
        cell = cells[system["name"], value["name"]]
        if cell["score"] is None:
            lines += ["missing ", ""]
            continue
        mark = " "
        if best:
            mark = "*" if system["name"] == best["system"] else "=" if system["name"] in best["ties"] else " "
        score, low, high = (format_number(cell[key], value["range"][1]) for key in ("score", "low", "high"))
        lines += [score + mark, f"{low}–{high} "]
    width = max(map(len, lines))
    return [line.rjust(width) for line in lines]


def format_number(number: float | None, highest: float) -> str:
    """Three decimals, one where the range goes to 100; no zero before the point."""
    if number is None:
        return "?"
    text = f"{number:.1f}" if highest > 10 else f"{number:.3f}"
    return text.replace("0.", ".", 1) if text.lstrip("-").startswith("0.") else text


def left_aligned(lines: Sequence[str]) -> list[str]:
    width = max(map(len, lines))
    return [line.ljust(width) for line in lines]


def split_columns(labels: Sequence[str], columns: Sequence[list[str]]) -> list[list[list[str]]]:
    """Columns in blocks, each as many as fit beside the labels."""
    blocks: list[list[list[str]]] = []
    room = 0
    for column in columns:
        width = len(GAP) + len(column[0])
        if not blocks or width > room:
            blocks.append([])
            room = WIDTH - len(labels[0])
        blocks[-1].append(column)
        room -= width
    return blocks


def join_columns(columns: Sequence[Sequence[str]]) -> str:
    """Rows of the columns side by side; rows without any text are left out."""
    rows = (GAP.join(row).rstrip() for row in zip(*columns, strict=True))
    return "\n".join(row for row in rows if row)


def render_legend(comparison: Mapping[str, Any]) -> str:
    confidence = comparison["confidence"]
    return (
        f"* best, = not significantly worse (paired approximate randomisation, Holm-corrected, p ≥ "
        f"{1 - confidence:.2g})\nlow–high: {confidence:.0%} bootstrap interval, {comparison['n_resamples']:,} resamples"
    )
