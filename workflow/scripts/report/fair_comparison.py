"""Which wins are fair: where a system beats one of the other side of training, and the best of each side by input."""

from __future__ import annotations

from dataclasses import dataclass

from comparison.data_use import TRAINED_WORDS
from report.comparison import Cell, Comparison, System, Value
from report.words import join_some

ROWS = ("yes", "no")  # trained on this data
COLUMNS = ("code", "image", "both")  # input


@dataclass(frozen=True)
class Winner:
    """A system that is the best of its cell by some values, with its scores by these."""

    system: System
    scores: list[tuple[Value, Cell]]


@dataclass(frozen=True)
class GridCell:
    """The systems of one side of training and one input: how many there are, and which of them are best."""

    n_systems: int
    winners: list[Winner]


def describe_border(winner: System, systems: list[System]) -> str:
    """`trained on this data, unlike B and C`: in what the winner differs from systems that it is compared with.

    Empty where all are known to be on its side.
    """
    own = winner.trained_code
    others = {
        code: [system.label for system in systems if system.trained_code == code]
        for code in TRAINED_WORDS
        if code != own
    }
    if own == "unknown":
        return "whether trained on this data is unknown" if len(systems) > 1 else ""
    (opposite,) = (labels for code, labels in others.items() if code != "unknown")
    unlike = f", unlike {join_some(opposite)}" if opposite else ""
    unknown = f"; of {join_some(others['unknown'])} this is unknown" if others["unknown"] else ""
    return f"{TRAINED_WORDS[own]}{unlike}{unknown}" if unlike or unknown else ""


def make_grid(comparison: Comparison, values: list[Value]) -> list[tuple[str, list[GridCell]]]:
    """The best systems of each side of training (rows, by their words) and input (columns, as in COLUMNS)."""
    return [(TRAINED_WORDS[row], [_make_cell(comparison, values, row, column) for column in COLUMNS]) for row in ROWS]


def outside_grid(comparison: Comparison) -> list[System]:
    """The systems that no cell of the grid holds: they read no drawing, or nobody said what they are."""
    return [s for s in comparison.systems if s.trained_code not in ROWS or s.input not in COLUMNS]


def _make_cell(comparison: Comparison, values: list[Value], row: str, column: str) -> GridCell:
    systems = [system for system in comparison.systems if (system.trained_code, system.input) == (row, column)]
    found: dict[str, Winner] = {}
    for value in values:
        best = _find_best(comparison, systems, value)
        if best:
            system, cell = best
            found.setdefault(system.name, Winner(system, [])).scores.append((value, cell))
    return GridCell(len(systems), list(found.values()))


def _find_best(comparison: Comparison, systems: list[System], value: Value) -> tuple[System, Cell] | None:
    """The best of some systems by a value on all samples, the first of equal ones; None where none has a score.

    A system that uses the metric's own model can't be.
    """
    sign = 1 if value.higher_is_better else -1
    best, highest = None, None
    for system in comparison.ranked(value):
        if system not in systems:
            continue
        cell = comparison.cells[system.name, value.name, "all"]
        if cell.score is not None and (highest is None or sign * cell.score > highest):
            best, highest = (system, cell), sign * cell.score
    return best
