r"""Radar charts of the systems, and the forest plots beside them.

Radars give the shape of a comparison at a glance and mislead in the detail (areas, order of axes), so
each comes with a forest plot: every score with its interval, and which systems tie with the best.

Input   comparison.json
Output  <output-dir>/radar.{png,svg,pdf}            all systems
        <output-dir>/forest.{png,svg,pdf}           scores with intervals, by value
        <output-dir>/systems/<system>.{png,svg,pdf}   one system before the others
        <output-dir>/families/<family>.{png,svg,pdf}  the systems of one family before the others
        <output-dir>/bases/<base>.{png,svg,pdf}     a base without training against its adapters
        Equal input gives equal bytes.

    python workflow/scripts/radar_chart.py --comparison results/demo/comparison.json \
        --values bleu_4 meteor rouge_l cider clip_score --slice all --output-dir results/demo/figures

`--style` is a JSON object of the fields of `Style` in report/style.py, where the scalings of the axes are
explained too: '{"width_mm": 120, "scaling": "min_max"}'. The figure states its scaling.
"""

from __future__ import annotations

import argparse
import math
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from core.command import InputError, log, run_command, write_whole
from report.comparison import FAMILY_LABELS, NEXT_TO_NOTHING, Comparison, System, Value, read_comparison
from report.figure_parts import (
    NOTE_SIZE,
    OWN_MODEL,
    describe_doubts,
    describe_n,
    explain_marks,
    fit_legend,
    fit_notes,
    line_style,
    marked_label,
    text_width,
    wrap_text,
)
from report.style import Axis, Style, ends_on, make_axes, parse_style
from report.words import join_words

FORMATS = ("png", "svg", "pdf")
# No dates and no program versions: equal input gives equal bytes.
METADATA: dict[str, dict[str, Any]] = {
    "png": {"Software": None},
    "svg": {"Date": None, "Creator": None},
    "pdf": {"CreationDate": None, "Creator": None, "Producer": None},
}
MM = 1 / 25.4  # inches
CONTEXT_COLOUR = "#c4c4c4"
FOREST_LABEL_WIDTH = 16  # of a label in font sizes; longer ones are wrapped


def draw_radar(
    comparison: Comparison, values: list[Value], slice_name: str, style: Style, front: list[System] | None = None
) -> Figure:
    """A radar chart of all systems; with `front` those in colour and the others grey behind them."""
    axes = make_axes(comparison, values, slice_name, style.ranges, style.scaling)
    front = comparison.systems if front is None else front
    notes = radar_notes(comparison, axes, slice_name, style)
    angles = np.linspace(0, 2 * np.pi, len(axes), endpoint=False)
    labels = {system.name: marked_label(comparison, system, values) for system in front}
    labels, n_columns = fit_legend(labels, style)
    n_lines = math.ceil(sum(label.count("\n") + 1 for label in labels.values()) / n_columns)
    figure, plot, legend_place = _lay_out(
        style, n_lines=n_lines, n_columns=n_columns, n_notes=len(notes), lowest=np.cos(angles).min()
    )
    _draw_grid(plot, axes, angles, style)
    for system in comparison.systems:
        index = comparison.systems.index(system)
        cells = [comparison.cells[system.name, axis.value.name, slice_name] for axis in axes]
        scores = [axis.position(cell.score) for axis, cell in zip(axes, cells, strict=True)]
        if system not in front:
            plot.plot(_closed(angles), _closed(scores), color=CONTEXT_COLOUR, linewidth=0.6, zorder=2)
            continue
        colour = style.colours[index % len(style.colours)]
        if style.bands:
            ends = [
                [axis.position(cell.score if end is None else end) for end in (cell.low, cell.high)]
                for axis, cell in zip(axes, cells, strict=True)
            ]
            low, high = ([pair[i] for pair in ends] for i in (0, 1))
            plot.fill_between(
                _closed(angles), _closed(low), _closed(high), color=colour, alpha=0.14, linewidth=0, zorder=3
            )
        plot.plot(_closed(angles), _closed(scores), **line_style(index, style), zorder=4)
    handles = [
        Line2D([], [], label=labels[system.name], **line_style(comparison.systems.index(system), style))
        for system in front
    ]
    if legend_place is not None:
        figure.legend(
            handles=handles, frameon=False, fontsize=style.font_size, handlelength=3.2, columnspacing=1.2,
            labelspacing=0.35, borderaxespad=0.2, **legend_place,
        )  # fmt: skip
    figure.text(
        0.5, 0.01, "\n".join(notes),
        ha="center", va="bottom", fontsize=style.font_size * NOTE_SIZE, color="#444444", linespacing=1.5,
    )  # fmt: skip
    return figure


def families_of(comparison: Comparison) -> dict[str, list[System]]:
    """The systems of each family."""
    return {
        family: [system for system in comparison.systems if system.family == family]
        for family in dict.fromkeys(system.family for system in comparison.systems)
    }


def trained_bases(comparison: Comparison) -> dict[str, list[System]]:
    """Zero-shot system and adapters of each base that has both."""
    groups: dict[str, list[System]] = {}
    for system in comparison.systems:
        if system.base and system.family in ("zero_shot", "lora"):
            groups.setdefault(system.base, []).append(system)
    return {base: systems for base, systems in groups.items() if len({system.family for system in systems}) == 2}


def _lay_out(
    style: Style, n_lines: int, n_columns: int, n_notes: int, lowest: float
) -> tuple[Figure, Any, dict[str, Any] | None]:
    """Figure, polar axes, and place of the legend, of so many lines and columns.

    `lowest` is the height of the lowest corner, -1 to 0.
    """
    width, line_height = style.width_mm * MM, style.font_size * 1.5 / 72
    chart_width = width * (0.64 if style.legend == "right" else 1.0)
    radius, margin = 0.31 * chart_width, 2.6 * line_height  # the margin holds an axis label of two lines
    foot = line_height * (n_notes + (n_lines if style.legend == "below" else 0) + 0.8)
    height = foot + radius * (1 - lowest) + 2 * margin
    if style.legend == "right":
        height = max(height, line_height * (n_lines + n_notes + 2))
    figure = Figure(figsize=(width, height))
    centre = height - margin - radius
    plot = figure.add_axes(
        ((chart_width / 2 - radius) / width, (centre - radius) / height, 2 * radius / width, 2 * radius / height),
        projection="polar",
    )
    places: dict[str, dict[str, Any] | None] = {
        "below": {"loc": "lower center", "bbox_to_anchor": (0.5, line_height * n_notes / height), "ncols": n_columns},
        "right": {"loc": "center left", "bbox_to_anchor": (0.68, (foot + height) / 2 / height), "ncols": 1},
        "none": None,
    }
    return figure, plot, places[style.legend]


def radar_notes(comparison: Comparison, axes: list[Axis], slice_name: str, style: Style) -> list[str]:
    """What a reader must know to read the chart: scaling, bands, n, scores off the axes or missing."""
    scaling = {
        "fixed": "Axes: fixed ranges, printed at each axis.",
        "rounded": "Axes: to the next round number, printed at each axis.",
        "min_max": "Axes: min–max over the systems, printed at each axis.",
    }[style.scaling]
    bands = f" Bands: {comparison.confidence:.0%} intervals." if style.bands else ""
    where = "" if slice_name == "all" else f", {slice_name}"
    counts = describe_n(comparison, [axis.value for axis in axes], slice_name)
    notes = [f"{scaling}{bands}", f"{counts}{where}."]
    if marks := explain_marks(comparison):
        notes.append(marks)
    beyond, missing = [], []
    for system in comparison.systems:
        for axis in axes:
            score = comparison.cells[system.name, axis.value.name, slice_name].score
            if score is None:
                missing.append(f"{system.label} {axis.value.label}")
            elif not axis.holds(score):
                beyond.append(f"{system.label} {axis.value.label} {score:.3g}")
    if beyond:
        notes.append(f"Beyond the axis: {'; '.join(beyond)}.")
    if missing:
        notes.append(f"No score: {'; '.join(missing)}.")
    notes += describe_doubts(comparison, [axis.value for axis in axes], slice_name)
    return fit_notes(notes, style, style.width_mm)


def draw_forest(comparison: Comparison, values: list[Value], slice_name: str, style: Style) -> Figure:
    """Scores with intervals, one panel a value, one row a system; filled points are best or tie with the best."""
    n_systems, size = len(comparison.systems), style.font_size
    labels = [
        wrap_text(marked_label(comparison, system), FOREST_LABEL_WIDTH * size, size) for system in comparison.systems
    ]
    notes = fit_notes(forest_notes(comparison, values, slice_name), style, style.forest_width_mm)
    width = style.forest_width_mm * MM
    label_width = max(text_width(line, size) for label in labels for line in label.split("\n")) / 72 + 0.1
    panel = (width - label_width - 0.06) / len(values)
    titles = [wrap_text(panel_title(value), (panel - 0.1) * 72, size) for value in values]
    # Lengths in inches; a line of text is 1.2 times as high as its font.
    row_height = size * (1.2 * max(label.count("\n") + 1 for label in labels) + 0.7) / 72
    head = size * (1.2 * max(title.count("\n") + 1 for title in titles) + 1.4) / 72
    foot = size * (3.2 + 1.1 * len(notes)) / 72
    height = head + foot + row_height * n_systems
    figure = Figure(figsize=(width, height))
    for column, value in enumerate(values):
        plot = figure.add_axes(
            ((label_width + column * panel + 0.06) / width, foot / height,
             (panel - 0.12) / width, row_height * n_systems / height)
        )  # fmt: skip
        _draw_scores(plot, comparison, value, slice_name, style)
        plot.set_ylim(n_systems - 0.5, -0.5)
        plot.set_yticks(np.arange(n_systems), labels if column == 0 else [])
        plot.set_title(titles[column], fontsize=size, pad=4)
        plot.tick_params(length=0, labelsize=size, pad=3)
        plot.tick_params(axis="x", length=2, labelsize=size * 0.85, width=0.5)
        plot.margins(x=0.08)
        ends = ends_on(comparison, value, [slice_name])
        if ends and max(ends) - min(ends) <= NEXT_TO_NOTHING * (value.range[1] - value.range[0]):
            plot.set_xlim(*value.range)  # nothing to zoom into
        plot.locator_params(axis="x", nbins=4)
        plot.grid(axis="x", color="#e4e4e4", linewidth=0.5)
        plot.set_axisbelow(True)
        for side in ("top", "right", "left"):
            plot.spines[side].set_visible(False)
        plot.spines["bottom"].set_linewidth(0.5)
    figure.text(
        0.5, 0.02 / height, "\n".join(notes), ha="center", va="bottom", fontsize=size * NOTE_SIZE, color="#444444"
    )  # fmt: skip
    return figure


def panel_title(value: Value) -> str:
    """The label of a value, and whether lower is better."""
    return value.label + ("" if value.higher_is_better else " (lower is better)")


def forest_notes(comparison: Comparison, values: list[Value], slice_name: str) -> list[str]:
    """What a reader must know to read the forest plot."""
    where = "all samples" if slice_name == "all" else slice_name
    wilson = [value.label for value in values if value.share]
    bars = f"Bars: {comparison.confidence:.0%} intervals{f' (of {join_words(wilson)} by Wilson)' if wilson else ''}."
    note = f"{bars} {describe_n(comparison, values, slice_name)}, {where}."
    if slice_name == "all":
        note += " Filled: best, or not significantly different from the best."
    marks = explain_marks(comparison)
    return [note, *([marks] if marks else []), *describe_doubts(comparison, values, slice_name)]


def _draw_scores(plot: Any, comparison: Comparison, value: Value, slice_name: str, style: Style) -> None:
    """The points and intervals of one panel; a mark stands above a point of a metric's own model."""
    for row, system in enumerate(comparison.systems):
        cell = comparison.cells[system.name, value.name, slice_name]
        if cell.score is None:
            continue
        look = line_style(row, style)
        leads = is_best_or_tied(comparison, value, system.name, slice_name)
        if cell.low is not None and cell.high is not None:
            plot.plot([cell.low, cell.high], [row, row], color=look["color"], linewidth=1.2, zorder=3)
        plot.plot(
            [cell.score], [row], marker="o", markersize=4.2, color=look["color"], zorder=4,
            markerfacecolor=look["color"] if leads else "white", markeredgewidth=0.9, linestyle="",
        )  # fmt: skip
        if value.metric in system.shares_model:
            plot.annotate(
                OWN_MODEL, (cell.score, row), xytext=(0, 3), textcoords="offset points",
                ha="center", va="bottom", fontsize=style.font_size * 0.85,
            )  # fmt: skip


def is_best_or_tied(comparison: Comparison, value: Value, system: str, slice_name: str) -> bool:
    """Whether a point is filled. Ties are tested on all samples, so other slices have none."""
    best = comparison.best.get(value.name)
    return slice_name == "all" and best is not None and (system == best.system or system in best.ties)


def _closed(points: Any) -> np.ndarray:
    return np.append(np.asarray(points, dtype=float), points[0])


def _draw_grid(plot: Any, axes: list[Axis], angles: np.ndarray, style: Style) -> None:
    plot.set_theta_offset(np.pi / 2)
    plot.set_theta_direction(-1)
    plot.set_ylim(0, 1)
    plot.set_xticks([])
    plot.set_yticks([])
    plot.spines["polar"].set_visible(False)
    for ring in (0.25, 0.5, 0.75, 1.0):
        plot.plot(_closed(angles), [ring] * (len(angles) + 1), color="#d9d9d9", linewidth=0.5, zorder=1)
    for angle, axis in zip(angles, axes, strict=True):
        plot.plot([angle, angle], [0, 1], color="#d9d9d9", linewidth=0.5, zorder=1)
        sideways = math.sin(angle)
        # From the label's place to the edge, in points; half the chart's width and the radius are set in _lay_out.
        half_width = style.width_mm / 25.4 * 72 * (0.64 if style.legend == "right" else 1.0) / 2
        room = 0.95 * (half_width - 1.09 * abs(sideways) * 0.62 * half_width) * (2 if abs(sideways) < 0.1 else 1)
        label = wrap_text(axis.value.label, room, style.font_size)
        plot.text(
            angle, 1.09, f"{label}\n{_number(axis.inner)} – {_number(axis.outer)}",
            ha="center" if abs(sideways) < 0.1 else ("left" if sideways > 0 else "right"),
            va="bottom" if math.cos(angle) > 0.9 else ("top" if math.cos(angle) < -0.5 else "center"),
            fontsize=style.font_size, linespacing=1.15,
        )  # fmt: skip


def _number(number: float) -> str:
    return f"{number:.3g}".replace("-", "−")


def save_figure(figure: Figure, stem: Path, style: Style) -> None:
    """Write a figure as PNG, SVG and PDF, the same bytes each time."""
    for suffix in FORMATS:
        with write_whole(stem.with_name(f"{stem.name}.{suffix}")) as partial:
            figure.savefig(partial, format=suffix, dpi=style.dpi, metadata=METADATA[suffix], facecolor="white")


def main(*, comparison: Path, values: list[str], output_dir: Path, slice: str = "all", style: str = "{}") -> None:
    """Draw all charts of a comparison into `output_dir`."""
    table = read_comparison(comparison)
    look = parse_style(style)
    table.check_slice(slice)
    chosen = [table.value(name) for name in values]
    if len(chosen) < 3:
        raise InputError(f"a radar chart needs at least 3 values, not {len(chosen)}; add to report.radar")
    for name in look.ranges:
        table.value(name)
    # The salt makes the ids inside SVG files the same each time.
    with matplotlib.rc_context(
        {"svg.hashsalt": "radar_chart", "font.size": look.font_size, "path.simplify": False, "text.parse_math": False}
    ):
        save_figure(draw_radar(table, chosen, slice, look), output_dir / "radar", look)
        save_figure(draw_forest(table, table.main_values(chosen), slice, look), output_dir / "forest", look)
        for system in table.systems:
            figure = draw_radar(table, chosen, slice, look, front=[system])
            save_figure(figure, output_dir / "systems" / system.name, look)
        for folder, groups in (("families", families_of(table)), ("bases", trained_bases(table))):
            for name, members in groups.items():
                save_figure(draw_radar(table, chosen, slice, look, members), output_dir / folder / name, look)
    families = ", ".join(FAMILY_LABELS.get(family, family) for family in families_of(table))
    log("radar_chart", f"{len(table.systems)} systems ({families}) x {len(chosen)} values in {output_dir}")


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--comparison", type=Path, required=True, help="comparison.json")
    parser.add_argument("--values", nargs="+", required=True, help="values on the axes, clockwise from the top")
    parser.add_argument("--slice", default="all", help="slice of the samples to draw (default: all)")
    parser.add_argument("--style", default="{}", help="JSON object, see above")
    parser.add_argument("--output-dir", type=Path, required=True, help="folder for the figures")
    return parser


if __name__ == "__main__":
    run_command(main, build_parser())
