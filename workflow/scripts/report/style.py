"""How charts look, and where a score lies on the axis of a radar chart; for the figures and for the report.

Scalings of the axes of a radar chart:
    fixed    the usual range of a value (USUAL_RANGES), or its full range where an interval on any slice leaves the
             usual one, so the same on all slices; `ranges` of the style beats both (default)
    rounded  from the lower end of that range to the next round number above all intervals
    min_max  from the lowest to the highest score of the systems
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass, field
from typing import Any

from core.command import InputError
from core.json_settings import settings_from_json
from report.comparison import NEXT_TO_NOTHING, Comparison, Value

# Okabe and Ito, "Color Universal Design" (2008); grey before yellow, which is faint on white.
OKABE_ITO = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#8A8A8A", "#F0E442"]
SCALINGS = ("fixed", "rounded", "min_max")
LEGENDS = ("below", "right", "none")
# What captions reach in practice, where the full range would press all systems into the middle.
USUAL_RANGES = {"bleu_4": (0.0, 0.5), "meteor": (0.0, 0.5), "cider": (0.0, 3.0), "clip_score": (0.0, 50.0)}
_TYPES: dict[str, Any] = {"float": (int, float), "str": str, "bool": bool, "list": list, "dict": dict}


@dataclass(frozen=True)
class Style:
    """How charts look. Lengths in millimetres, font sizes in points."""

    width_mm: float = 88.0  # a journal's column
    forest_width_mm: float = 180.0  # a journal's page
    font_size: float = 7.0
    scaling: str = "fixed"  # fixed, rounded, min_max
    ranges: dict[str, list[float]] = field(default_factory=dict)  # value → [low, high]
    bands: bool = True  # confidence bands
    legend: str = "below"  # below, right, none
    colours: list[str] = field(default_factory=lambda: list(OKABE_ITO))
    dpi: float = 300.0


@dataclass(frozen=True)
class Axis:
    """One axis of a radar chart. `inner` is the score at the centre, `outer` the one at the rim."""

    value: Value
    inner: float
    outer: float

    def position(self, score: float | None) -> float:
        """Place of a score between centre (0) and rim (1); nan for none. Beyond the axis it is cut to the end."""
        if score is None:
            return math.nan
        return min(max((score - self.inner) / (self.outer - self.inner), 0.0), 1.0)

    def holds(self, score: float) -> bool:
        """Whether a score lies on the axis."""
        return min(self.inner, self.outer) <= score <= max(self.inner, self.outer)


def parse_style(text: str) -> Style:
    """A `Style` from a JSON object. Raises InputError for unknown keys and values."""
    style = settings_from_json(Style, text, "style")
    for entry in dataclasses.fields(Style):
        value = getattr(style, entry.name)
        if not isinstance(value, _TYPES[str(entry.type).split("[")[0]]) or isinstance(value, bool) != (
            entry.type == "bool"
        ):
            raise InputError(f"style {entry.name} is {value!r}; it must be of type {entry.type}")
    if style.scaling not in SCALINGS:
        raise InputError(f"style scaling is {style.scaling!r}; it can be {', '.join(SCALINGS)}")
    if style.legend not in LEGENDS:
        raise InputError(f"style legend is {style.legend!r}; it can be {', '.join(LEGENDS)}")
    for name, ends in style.ranges.items():
        if len(ends) != 2 or not ends[0] < ends[1]:
            raise InputError(f"style ranges.{name} is {ends}; give [low, high] with low < high")
    return style


def make_axes(
    comparison: Comparison, values: list[Value], slice_name: str, ranges: dict[str, list[float]], scaling: str
) -> list[Axis]:
    """The axes of a radar chart under one of SCALINGS; better is always outwards."""
    axes = []
    for value in values:
        cells = [comparison.cells[system.name, value.name, slice_name] for system in comparison.systems]
        scores = [cell.score for cell in cells if cell.score is not None]
        least = NEXT_TO_NOTHING * (value.range[1] - value.range[0])
        low, high = ranges.get(value.name) or usual_range(value, ends_on(comparison, value, list(comparison.slices)))
        if scaling == "rounded" and scores:
            highest = max(ends_on(comparison, value, [slice_name])) - low
            high = low + (round_up(highest) if highest > least else value.range[1] - low)
        elif scaling == "min_max" and scores and max(scores) - min(scores) > least:
            low, high = (0.0 if abs(end) < least else end for end in (min(scores), max(scores)))
        axes.append(Axis(value, low, high) if value.higher_is_better else Axis(value, high, low))
    return axes


def ends_on(comparison: Comparison, value: Value, slice_names: list[str]) -> list[float]:
    """All scores of a value on some slices, and the ends of their intervals."""
    cells = [comparison.cells[system.name, value.name, name] for system in comparison.systems for name in slice_names]
    return [end for cell in cells for end in (cell.low, cell.score, cell.high) if end is not None]


def usual_range(value: Value, numbers: list[float]) -> tuple[float, float]:
    """The usual range of a value where it holds all `numbers`, else the full range."""
    low, high = USUAL_RANGES.get(value.name, value.range)
    return (low, high) if all(low <= number <= high for number in numbers) else value.range


def round_up(number: float) -> float:
    """The next of 1, 1.5, 2, 2.5, 3, 4, 5, 6, 8 times a power of ten that is not below `number`; 1 for 0."""
    if number <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(number))
    steps = (1, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10)
    return next(step * power for step in steps if step * power >= number * (1 - 1e-9))
