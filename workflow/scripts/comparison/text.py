"""A comparison as a table of plain text, for the terminal: systems by values with their intervals."""

from __future__ import annotations

import io
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.measure import Measurement
from rich.table import Table

from captions.health import FLAGS
from comparison.aggregate_text import render_aggregates
from comparison.cover import describe_cover
from comparison.data_use import describe_use_shortly
from comparison.grouping import FEW_GROUPS
from comparison.slices import SEVERAL_REFERENCES

WIDTH = 100
LABEL_WIDTH = 28  # longer labels are wrapped
OWN_MODEL = "~"  # the mark of a system that captions with the own model of a metric

Column = tuple[str, list[str]]  # label and cells of a value; a cell has two lines, score and interval


def render_comparison(comparison: Mapping[str, Any]) -> str:
    """The table of all samples, at most WIDTH columns wide; values that do not fit go into further blocks.

    Only the main values are shown, those meant for the radar chart and shares; the others are in comparison.csv.
    """
    values = main_values(comparison)
    cells = {(cell["system"], cell["value"]): cell for cell in comparison["cells"] if cell["slice"] == "all"}
    systems = comparison["systems"]
    marks = {value["name"]: make_marks(comparison, value) for value in values}
    columns = [make_column(value, systems, cells, marks[value["name"]]) for value in values]
    tables = render_tables(make_labels(systems, cells, values), columns)
    paragraphs = [
        *render_aggregates(comparison, values, format_number, WIDTH),
        *render_humans(comparison),
        *render_few_groups(comparison),
        *render_failures(comparison, values),
    ]
    legend = render_legend(comparison, any(OWN_MODEL in found.values() for found in marks.values()))
    return "\n\n".join([*tables, *paragraphs, *render_alarms(comparison), legend]) + "\n"


def main_values(comparison: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The values for people: those of the radar chart, and shares; all where there are none of these."""
    return [v for v in comparison["values"] if v["radar"] or v.get("share")] or comparison["values"]


def make_marks(comparison: Mapping[str, Any], value: Mapping[str, Any]) -> dict[str, str]:
    """The marks of systems by a value: * the best, = its ties, ~ those that use the metric's own model."""
    best = comparison["best"][value["name"]]
    marks = {**dict.fromkeys(best["ties"], "="), best["system"]: "*"} if best else {}
    shared = [s["name"] for s in comparison["systems"] if value["metric"] in s.get("shares_model", [])]
    return marks | dict.fromkeys(shared, OWN_MODEL)


def render_humans(comparison: Mapping[str, Any]) -> list[str]:
    """One paragraph of leave-one-out human scores, with the best system on the same samples; none if there are none."""
    values = {value["name"]: value for value in main_values(comparison)}
    shown = [record for record in comparison["human"] if record["value"] in values]
    if not shown:
        return []
    parts = {part["name"] for part in comparison["slices"]}
    part = SEVERAL_REFERENCES if SEVERAL_REFERENCES in parts else "all"
    largest = max(shown, key=lambda record: record["n"])
    scores = []
    for record in shown:
        value = values[record["value"]]
        found = [
            cell["score"]
            for cell in comparison["cells"]
            if (cell["value"], cell["slice"]) == (value["name"], part) and cell["score"] is not None
        ]
        choose = max if value["higher_is_better"] else min
        best = f" ({format_number(choose(found), value['range'][1])})" if found else ""
        scores.append(f"{value['label']} {format_number(record['score'], value['range'][1])}{best}")
    return [
        textwrap.fill(
            f"One reference scored against the others, on the {largest['n']} of {comparison['n_samples']} samples that "
            f"have two or more ({largest['n_groups']} groups); in brackets the best score of a system on the same "
            f"samples: {', '.join(scores)}",
            WIDTH,
        )
    ]


def render_few_groups(comparison: Mapping[str, Any]) -> list[str]:
    """A warning where intervals are rough since the samples form few groups, and where nothing can be significant."""
    (whole,) = (part for part in comparison["slices"] if part["name"] == "all")
    lines = []
    if whole["effective_groups"] < FEW_GROUPS:
        lines.append(
            f"WARNING: {whole['n']} samples form only {whole['n_groups']} groups of similar drawings (worth "
            f"{whole['effective_groups']:.1f} of one size): the intervals are rough."
        )
    best = comparison["best"]
    untested = [v["label"] for v in comparison["values"] if best[v["name"]] and not best[v["name"]]["testable"]]
    if untested:
        lines.append(f"WARNING: too few groups for any difference to be significant by {', '.join(untested)}.")
    return [textwrap.fill(line, WIDTH) for line in lines]


def render_failures(comparison: Mapping[str, Any], values: Sequence[Mapping[str, Any]]) -> list[str]:
    """The mean of the samples' values beside corpus values, which failed captions can raise; none without failures."""
    shown = {value["name"]: value for value in values if value["corpus"]}
    labels = {system["name"]: system["label"] for system in comparison["systems"]}
    cells = [cell for cell in comparison["cells"] if cell["slice"] == "all" and cell["value"] in shown]
    if not any(cell["n_failed"] for cell in cells):
        return []
    lines = [
        f"Failed captions can raise {', '.join(v['label'] for v in shown.values())}; means of the samples' values:"
    ]
    for name, label in labels.items():
        means = ", ".join(
            f"{shown[cell['value']]['label']} {format_number(cell['sample_mean'], shown[cell['value']]['range'][1])}"
            for cell in cells
            if cell["system"] == name
        )
        lines.append(textwrap.fill(f"  {label}: {means}", WIDTH, subsequent_indent="    "))
    return ["\n".join([textwrap.fill(lines[0], WIDTH), *lines[1:]])]


def render_alarms(comparison: Mapping[str, Any]) -> list[str]:
    """One paragraph of the systems whose captions are wrong more often than is tolerated; none where all are well."""
    labels = {system["name"]: system["label"] for system in comparison["systems"]}
    lines = [
        f"  {labels[record['system']]}: " + ", ".join(describe_share(name, record) for name in record["alarms"])
        for record in comparison["health"]
        if record["alarms"]
    ]
    wrapped = [textwrap.fill(line, WIDTH, subsequent_indent="    ") for line in lines]
    return ["\n".join(["Captions to look at before believing a score:", *wrapped])] if lines else []


def describe_share(flag: str, record: Mapping[str, Any]) -> str:
    """`cut at the end 50% (38–62%)`; without the interval where there is none."""
    low, high = record["intervals"][flag]
    interval = "" if low is None or high is None else f" ({100 * low:.0f}–{high:.0%})"
    return f"{FLAGS[flag]} {record['flags'][flag] / record['n']:.0%}{interval}"


def make_labels(
    systems: Sequence[Mapping[str, Any]],
    cells: Mapping[tuple[str, str], Mapping[str, Any]],
    values: Sequence[Mapping[str, Any]],
) -> list[str]:
    """The first column: n, groups, then of each system label, use of the data, seeds, and how many captions failed."""
    n_failed = [max(cells[system["name"], value["name"]]["n_failed"] for value in values) for system in systems]
    failed = [f"\n  {n} failed" if n else "" for n in n_failed]
    labels = [f"{s['label']}\n  {describe_system(s)}{more}" for s, more in zip(systems, failed, strict=True)]
    return ["n", "groups of similar drawings", *labels]


def describe_system(system: Mapping[str, Any]) -> str:
    """`trained, code, 3 seeds`; of a model that is trained once `1 seed`, of what is not trained here no seeds."""
    use, trainings = describe_use_shortly(system["trained"], system["input"]), system["trainings"]
    return f"{use}, {len(trainings)} seed{'s' if len(trainings) > 1 else ''}" if trainings else use


def make_column(
    value: Mapping[str, Any],
    systems: Sequence[Mapping[str, Any]],
    cells: Mapping[tuple[str, str], Mapping[str, Any]],
    marks: Mapping[str, str],
) -> Column:
    """A value's column: n, groups, then score and interval of each system with its mark."""
    of_value = [cells[system["name"], value["name"]] for system in systems]
    texts = [str(max(cell[count] for cell in of_value)) for count in ("n", "n_groups")]
    for cell in of_value:
        score, low, high = (format_number(cell[key], value["range"][1]) for key in ("score", "low", "high"))
        interval = "" if cell["low"] is None else f"\n{low}–{high}"
        spread = format_number(cell["seed_sd"], value["range"][1])
        interval += "" if cell["seed_sd"] is None else f"\ns.d. {spread}"
        shown = f"{marks.get(cell['system'], '')}{score}{interval}"
        texts.append("missing" if cell["score"] is None else shown)
    return value["label"], texts


def render_tables(labels: list[str], columns: list[Column]) -> list[str]:
    """Tables of plain text, each of as many columns as fit beside the labels."""
    console = Console(file=io.StringIO(), width=WIDTH, color_system=None, markup=False, highlight=False, emoji=False)
    unbounded = console.options.update(max_width=sum(map(len, labels)) + 10 * WIDTH)
    n = len(columns)
    while n > 1 and Measurement.get(console, unbounded, make_table(labels, columns[:n])).maximum > WIDTH:
        n -= 1
    with console.capture() as capture:
        console.print(make_table(labels, columns[:n]))
    table = "\n".join(line.rstrip() for line in capture.get().rstrip().splitlines())
    return [table, *(render_tables(labels, columns[n:]) if columns[n:] else [])]


def make_table(labels: list[str], columns: list[Column]) -> Table:
    """Labels and columns side by side."""
    table = Table(box=None, pad_edge=False, padding=(0, 0, 0, 2))
    table.add_column(max_width=LABEL_WIDTH, overflow="fold")
    for label, _ in columns:
        table.add_column(label, justify="right", no_wrap=True)
    for row in zip(labels, *(cells for _, cells in columns), strict=True):
        table.add_row(*row)
    return table


def format_number(number: float | None, highest: float) -> str:
    """Three decimals, one where the range goes to 100; no zero before the point."""
    if number is None:
        return "?"
    text = f"{number:.1f}" if highest > 10 else f"{number:.3f}"
    return text.replace("0.", ".", 1) if text.lstrip("-").startswith("0.") else text


def render_legend(comparison: Mapping[str, Any], is_shared: bool) -> str:
    """What marks and intervals mean. `is_shared` says whether a system uses the own model of a metric."""
    confidence = comparison["confidence"]
    own_model = [f"{OWN_MODEL} uses the model of this metric itself: no rank"] if is_shared else []
    shares = [v["label"] for v in comparison["values"] if v.get("share")]
    wilson = [f"of a share ({', '.join(shares)}): Wilson's interval, adjusted for groups"] if shares else []
    n_trainings = {s["label"]: len(s["trainings"]) for s in comparison["systems"] if s["trainings"]}
    lines = [
        f"* best, = not significantly worse (paired approximate randomisation, p ≥ {1 - confidence:.2g}, "
        "Holm-corrected over the pairs of systems of a metric, not over metrics)",
        *own_model,
        f"low–high: {confidence:.0%} interval, by a bootstrap of the groups with {comparison['n_resamples']:,} "
        f"resamples; {describe_cover(n_trainings)}",
        *wilson,
        "below a system's name: whether its weights are fitted to the train split of this data, or its captions are "
        "taken from it (trained, not trained; trained? is unknown), and what it reads of a drawing",
    ]
    return "\n".join(textwrap.fill(line, WIDTH) for line in lines)
