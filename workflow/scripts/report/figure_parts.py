"""What the figures share: how a system's line looks, labels that fit, and the notes that a reader needs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from matplotlib.font_manager import FontProperties
from matplotlib.textpath import TextToPath

from comparison.data_use import TRAINED_WORDS
from report.comparison import Comparison, System, Value
from report.style import Style

DASHES: list[Any] = ["-", (0, (5, 1.5)), (0, (1.2, 1.2)), (0, (6, 1.5, 1.2, 1.5)), (0, (2, 4)), (0, (10, 1.5, 3, 1.5))]
MARKERS = ["o", "s", "^", "D", "v", "P", "X", "*"]
MARKS = {"yes": " †", "no": "", "unknown": " ‡"}  # of a system's side of training
NOTE_SIZE = 0.85  # of the font of notes, as a share of the figure's
OWN_MODEL = "§"  # of a score by a metric whose model the system uses itself


def line_style(index: int, style: Style) -> dict[str, Any]:
    """Colour, dashes and marker of the system at `index`; all three differ between neighbours.

    No pair of colour and dashes comes again before all have been used: 54 systems with the default colours.
    """
    again, colour = divmod(index, len(style.colours))
    return {
        "color": style.colours[colour],
        "linestyle": DASHES[(colour + again) % len(DASHES)],
        "marker": MARKERS[index % len(MARKERS)],
        "markersize": 2.8,
        "markeredgewidth": 0,
        "linewidth": 1.0,
    }


def marked_label(comparison: Comparison, system: System, values: Sequence[Value] = ()) -> str:
    """The label, with a mark of its side of training where the systems differ in it, and one where it uses the own
    model of one of the values."""
    codes = {other.trained_code for other in comparison.systems}
    side = MARKS[system.trained_code] if len(codes) > 1 else ""
    return f"{system.label}{side}{OWN_MODEL if any(value.metric in system.shares_model for value in values) else ''}"


def text_width(text: str, size: float) -> float:
    """The width of a line in the figures' font, in points; `size` in points."""
    return float(TextToPath().get_text_width_height_descent(text, FontProperties(size=size), ismath=False)[0])


def wrap_text(text: str, width: float, size: float) -> str:
    """A text in lines that are at most `width` points wide; a word that is wider alone is broken."""
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if text_width(longer, size) <= width:
            lines[-1] = longer
            continue
        if lines[-1]:
            lines.append("")
        for letter in word:
            if lines[-1] and text_width(lines[-1] + letter, size) > width:
                lines.append("")
            lines[-1] += letter
    return "\n".join(lines)


def fit_legend(labels: dict[str, str], style: Style) -> tuple[dict[str, str], int]:
    """Labels in lines that fit into the legend, and its number of columns: two where all are short enough for these."""
    width, handle = style.width_mm / 25.4 * 72, 5.2 * style.font_size  # points; a line sample with its gaps
    if style.legend == "right":
        columns, room = 1, 0.31 * width - handle
    else:
        columns, room = 2, width / 2 - handle - style.font_size
    widest = max((text_width(label, style.font_size) for label in labels.values()), default=0.0)
    if columns == 2 and widest > room:
        columns, room = 1, width - handle - style.font_size
    return {name: wrap_text(label, room, style.font_size) for name, label in labels.items()}, columns


def explain_marks(comparison: Comparison) -> str:
    """`† trained on this data.`; nothing where the labels have no marks."""
    codes = {system.trained_code for system in comparison.systems}
    marks = [f"{mark.strip()} {TRAINED_WORDS[code]}" for code, mark in MARKS.items() if mark and code in codes]
    return f"{', '.join(marks)}." if len(codes) > 1 else ""


def describe_n(comparison: Comparison, values: list[Value], slice_name: str) -> str:
    """`n = 80 in 68 groups (CLIP score: 79)`: samples, groups, and samples of values that do not apply to all."""
    size, system = comparison.slices[slice_name], comparison.systems[0].name
    rests_on = {value.label: comparison.cells[system, value.name, slice_name].n for value in values}
    fewer = ", ".join(f"{label}: {number:,}" for label, number in rests_on.items() if number != size.n)
    return size.words + (f" ({fewer})" if fewer else "")


def describe_doubts(comparison: Comparison, values: list[Value], slice_name: str) -> list[str]:
    """Sentences on values that do not tell systems apart here, and on systems that use the model of a metric."""
    silent = [value.label for value in values if not comparison.is_informative(value, slice_name)]
    sharing = [
        f"{system.label} uses the model of {value.label}"
        for value in values
        for system in comparison.systems
        if value.metric in system.shares_model
    ]
    sentences = [f"Not informative here, 0 for all systems: {', '.join(silent)}."] if silent else []
    return sentences + ([f"{OWN_MODEL} {', '.join(sharing)}: no rank there."] if sharing else [])


def fit_notes(notes: list[str], style: Style, width_mm: float) -> list[str]:
    """The notes in lines that fit into a figure's width; their font is `NOTE_SIZE` of the figure's."""
    size, width = NOTE_SIZE * style.font_size, 0.97 * width_mm / 25.4 * 72
    return [line for note in notes for line in wrap_text(note, width, size).split("\n")]
