"""Watch every training of an experiment live: losses, best step, patience left, pace, time left, and what is wrong.

Input: the folder of an experiment; only files are read, so that it also works for jobs on a cluster. Output: a table in
the terminal, renewed until all trainings are over; with --once it is printed once, with --html a page of curves is
written as well.

    python workflow/scripts/monitor_training.py results/demo
    python workflow/scripts/monitor_training.py results/demo --once --html curves.html
"""

from __future__ import annotations

import argparse
import contextlib
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jinja2
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from core.command import format_duration, run_command, write_whole
from training.settings import LOSS
from training.status import Point, Status, read_statuses

TEMPLATES = Path(__file__).resolve().parent.parent / "templates"
BARS = "▁▂▃▄▅▆▇█"
WIDE = 120  # columns of a terminal that has room for all
N_BARS = 16  # of a sparkline
COLOURS = {"running": "green", "done": "blue", "stopped early": "blue", "silent": "red", "preparing": "yellow"}
# The chart of the page, in its own units.
WIDTH, HEIGHT, MARGIN, TOP = 640, 220, 48, 14


def main(*, folder: Path, once: bool, html: Path | None, seconds: float) -> None:
    """Show the trainings, once or until they are over. Raises InputError where there are none."""
    console = Console()
    statuses = read_statuses(folder, time.time())
    if once:
        console.print(make_table(statuses, console.width))
        write_page(html, folder, statuses)
        return
    # Ctrl-C is how a person leaves.
    with (
        contextlib.suppress(KeyboardInterrupt),
        Live(make_table(statuses, console.width), console=console, auto_refresh=False) as live,
    ):
        while True:
            write_page(html, folder, statuses)
            if all(status.is_over for status in statuses):
                return
            time.sleep(seconds)
            statuses = read_statuses(folder, time.time())
            live.update(make_table(statuses, console.width), refresh=True)


def make_table(statuses: list[Status], width: int) -> Group:
    """The trainings as rows, and below them what a person should look at. A narrow terminal gets fewer columns."""
    wide = width >= WIDE
    bars = N_BARS if wide else 0
    cells: dict[str, Callable[[Status], str | Text]] = {
        "training": lambda one: Text(one.name),
        "state": lambda one: Text(one.state, style=COLOURS[one.state]),
        "step": lambda one: f"{one.step:,}/{one.n_steps:,}" if one.n_steps else "–",
        "loss": lambda one: curve_cell(one.losses, bars),
        "validation loss": lambda one: curve_cell(one.eval_losses, bars),
    }
    if any(status.scores for status in statuses):
        cells["captions"] = lambda one: score_cell(one, bars)
    if wide:
        cells["lr"] = lambda one: "–" if one.lr is None else f"{one.lr:.2g}"
    cells["best"] = best_cell
    if wide:
        cells["patience"] = lambda one: "–" if one.patience_left is None else f"{one.patience_left:,} steps"
        cells["tokens/s"] = lambda one: "–" if one.tokens_per_second is None else f"{one.tokens_per_second:,.0f}"
    cells["left"] = lambda one: "–" if one.seconds_left is None else format_duration(one.seconds_left)
    table = Table(box=None, pad_edge=False)
    for heading in cells:
        is_text = heading in ("training", "state")
        table.add_column(heading, justify="left" if is_text else "right", no_wrap=is_text)
    for status in statuses:
        table.add_row(*(cell(status) for cell in cells.values()))
    remarks = [Text(f"{status.name}: {warning}", style="red") for status in statuses for warning in status.warnings]
    remarks += [
        Text(f"{status.name}: early stopping fired at step {status.step:,}; no evaluation was better in time")
        for status in statuses
        if status.state == "stopped early"
    ]
    remarks += [
        Text(f"{status.name}: writing captions at evaluations takes {status.caption_share:.0%} of the time")
        for status in statuses
        if status.caption_share is not None
    ]
    return Group(table, *remarks)


def curve_cell(points: list[Point], bars: int) -> str:
    """The course as a sparkline of at most so many bars (none for 0), and the last value."""
    if not points:
        return "–"
    course = sparkline([value for _, value in points], bars) if bars else ""
    return f"{course} {points[-1][1]:.4g}".lstrip()


def score_cell(status: Status, bars: int) -> str:
    """The course of the captions' score, with the metric's name."""
    return f"{status.metric} {curve_cell(status.scores, bars)}" if status.scores else "–"


def best_cell(status: Status) -> str:
    """Value and step of the best evaluation; the metric is named where the loss does not decide."""
    if status.best is None:
        return "–"
    named = "" if status.best_by == LOSS else f"{status.best_by} "
    return f"{named}{status.best[1]:.4g} at {status.best[0]:,}"


def sparkline(values: list[float], width: int = N_BARS) -> str:
    """Values as bars of eight heights; more than `width` of them are averaged in groups."""
    groups = [values[len(values) * n // width : len(values) * (n + 1) // width] for n in range(width)]
    means = [sum(group) / len(group) for group in groups if group] if len(values) > width else values
    low, high = min(means), max(means)
    scale = (len(BARS) - 1) / (high - low) if high > low else 0.0
    return "".join(BARS[round((value - low) * scale)] for value in means)


def write_page(path: Path | None, folder: Path, statuses: list[Status]) -> None:
    """Write the page of curves where one is wanted: no script, nothing from elsewhere."""
    if path is None:
        return
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES), autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True
    )
    environment.filters["duration"] = format_duration
    charts = [make_charts(status) for status in statuses]
    page = environment.get_template("monitor.html.j2").render(
        title=folder.resolve().name,
        written=time.strftime("%Y-%m-%d %H:%M:%S"),
        trainings=list(zip(statuses, charts, strict=True)),
        width=WIDTH,
        height=HEIGHT,
    )
    with write_whole(path) as partial:
        partial.write_text(page, encoding="utf-8")


def make_charts(status: Status) -> list[dict[str, Any]]:
    """The charts of a training: the losses, and the score of captions where they are scored."""
    by_loss = status.best_by == LOSS
    losses = [("loss", "train loss", status.losses), ("eval", "validation loss", status.eval_losses)]
    charts = [make_chart(losses, status.best if by_loss else None)]
    if status.metric:
        name = f"{status.metric} of validation captions"
        charts.append(make_chart([("eval", name, status.scores)], None if by_loss else status.best))
    return [chart for chart in charts if chart]


def make_chart(curves: list[tuple[str, str, list[Point]]], best: Point | None) -> dict[str, Any] | None:
    """Curves (colour, name, points) in the chart's units, with the values at the ends of the axes; None without points.

    `best` is a point that is marked.
    """
    points = [point for _, _, found in curves for point in found]
    if not points:
        return None
    low, high = min(value for _, value in points), max(value for _, value in points)
    last = max(step for step, _ in points)

    def place(point: Point) -> tuple[float, float]:
        x = MARGIN + (WIDTH - 2 * MARGIN) * point[0] / last
        y = HEIGHT - MARGIN - (HEIGHT - MARGIN - TOP) * ((point[1] - low) / (high - low) if high > low else 0.5)
        return round(x, 1), round(y, 1)

    values = [low, (low + high) / 2, high] if high > low else [low]
    return {
        "ticks": [(place((0, value))[1], value) for value in values],
        "curves": [(colour, name, [place(point) for point in found]) for colour, name, found in curves],
        "best": place(best) if best else None,
        **{"last": last, "left": MARGIN, "right": WIDTH - MARGIN, "top": TOP, "bottom": HEIGHT - MARGIN},
    }


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Watch every training of an experiment live.")
    parser.add_argument("folder", type=Path, help="results/<experiment>")
    parser.add_argument("--once", action="store_true", help="print the table once and end")
    parser.add_argument("--html", type=Path, help="write a page of curves here as well")
    parser.add_argument("--seconds", type=float, default=2.0, help="between two looks at the files")
    return parser


if __name__ == "__main__":
    run_command(main, build_parser())
