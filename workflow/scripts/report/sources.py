"""Where the sources of the test drawings disagree: another best system, other scores, metrics that say nothing."""

from __future__ import annotations

from report.comparison import Cell, Comparison, System, Value
from report.page import format_score
from report.words import join_words

SOURCE = "source="  # how the names of slices by source begin


def describe_sources(comparison: Comparison, values: list[Value]) -> list[str]:
    """Sentences on values whose score over all samples hides that its sources differ; none where they agree."""
    parts = [name for name in comparison.slices if name.startswith(SOURCE)]
    if not parts:
        return []
    return [
        *describe_gaps(comparison, values, parts),
        *describe_other_leaders(comparison, values, parts),
        *describe_uninformative(comparison, values, parts),
    ]


def describe_gaps(comparison: Comparison, values: list[Value], parts: list[str]) -> list[str]:
    """`A: BLEU-4 0.678 overall, 0.952 on scenes and 0.000 on openmoji.`, a sentence for each best system.

    A value is named where two intervals of the system do not overlap, or where it is not informative on a source.
    """
    by_leader: dict[str, list[str]] = {}
    for value in values:
        best = comparison.best.get(value.name)
        if best is None:
            continue
        cells = {part: comparison.cells[best.system, value.name, part] for part in parts}
        scored = {part: cell for part, cell in cells.items() if cell.score is not None}
        if not is_apart(list(scored.values())) and all(comparison.is_informative(value, part) for part in scored):
            continue
        whole = comparison.cells[best.system, value.name, "all"]
        scores = [f"{show(cell, value)} on {source_of(part)}" for part, cell in scored.items()]
        words = f"{value.label} {show(whole, value)} overall, {join_words(scores)}"
        by_leader.setdefault(comparison.label(best.system), []).append(words)
    return [f"{label}: {'; '.join(found)}." for label, found in by_leader.items()]


def describe_other_leaders(comparison: Comparison, values: list[Value], parts: list[str]) -> list[str]:
    """`On openmoji the highest scores are of B by CIDEr and METEOR.`; these are not tested."""
    sentences = []
    for part in parts:
        found: dict[str, list[str]] = {}
        for value in values:
            best = comparison.best.get(value.name)
            leader = best_on(comparison, value, part) if best and comparison.is_informative(value, part) else None
            if best and leader and leader.name != best.system:
                found.setdefault(leader.label, []).append(value.label)
        if found:
            others = [f"{label} by {join_words(labels)}" for label, labels in found.items()]
            sentences.append(f"On {source_of(part)} others score highest (not tested): {'; '.join(others)}.")
    return sentences


def describe_uninformative(comparison: Comparison, values: list[Value], parts: list[str]) -> list[str]:
    """`On openmoji BLEU-4 is 0 for all systems: not informative there.`"""
    sentences = []
    for part in parts:
        silent = [
            f"{value.label} is {value.range[0] if value.higher_is_better else value.range[1]:g}"
            for value in values
            if not comparison.is_informative(value, part)
        ]
        if silent:
            sentences.append(f"On {source_of(part)} {join_words(silent)} for all systems: not informative there.")
    return sentences


def best_on(comparison: Comparison, value: Value, part: str) -> System | None:
    """The system with the best score on a slice; None where none has one, or all score alike."""
    sign = 1 if value.higher_is_better else -1
    scored = [
        (sign * score, system)
        for system in comparison.ranked(value)
        if (score := comparison.cells[system.name, value.name, part].score) is not None
    ]
    if len({score for score, _ in scored}) < 2:
        return None
    return max(scored, key=lambda one: one[0])[1]


def is_apart(cells: list[Cell]) -> bool:
    """Whether the intervals of two cells do not overlap. A cell without an interval is a point."""
    ends = [
        (cell.score if cell.low is None else cell.low, cell.score if cell.high is None else cell.high)
        for cell in cells
        if cell.score is not None
    ]
    lows, highs = [low for low, _ in ends if low is not None], [high for _, high in ends if high is not None]
    return bool(ends) and max(lows) > min(highs)


def show(cell: Cell, value: Value) -> str:
    return "–" if cell.score is None else format_score(cell.score, value)


def source_of(part: str) -> str:
    return part.removeprefix(SOURCE)
