"""Canonical text: parse an untrusted drawing, repair it, and write it at a level.

| level   | the text                                                                                        |
|---------|-------------------------------------------------------------------------------------------------|
| none    | as it was written, repaired, without descriptions, editor data and comments; ids and classes are short |
| safe    | also without unknown attributes, stylesheets, and whatever is not drawn; pixel-identical         |
| compact | rewritten short on a square canvas; visually identical. What it cannot rewrite is kept at `safe` |
| path_records | as the records that models of this field were trained on (svg/path_records.py), on a canvas of 512 |

`read_drawing` and `write_level` are the two steps; `canonicalise` is both. A drawing that compact cannot rewrite is
flagged `kept_safe:<what>`.
"""

from __future__ import annotations

import copy
import dataclasses
import re
from collections.abc import Iterator, Set
from contextlib import contextmanager
from dataclasses import dataclass

from lxml import etree

from svg.clean import clean_names, drop_descriptions
from svg.compact import BEYOND, Drawing, compact_drawing, record_drawing
from svg.guard import find_removed
from svg.parse import NOTHING_DRAWN, SVG_NAMESPACE, Unusable, local_name, parse_svg
from svg.repair import repair_drawing
from svg.resolve import resolve_drawing
from svg.shapes import SHAPES, BeyondCompact

# Each level with those that take its place, in this order, where its text draws another picture.
LEVELS = {
    "none": ("none",),
    "safe": ("safe", "none"),
    "compact": ("compact", "safe", "none"),
    "path_records": ("path_records", "safe", "none"),
}


@dataclass(frozen=True)
class RepairedDrawing:
    """A drawing as read: its repaired tree, the same with its styles resolved, and the flags of both steps."""

    root: etree._Element
    resolved: etree._Element
    repairs: frozenset[str]


def canonicalise(text: str, canvas: int, precision: int, level: str, use: str = "flatten") -> Drawing:
    """Canonical xml of an SVG or of path records. Raises Unusable with the reason."""
    return write_level(read_drawing(text), canvas, precision, level, use)


def read_drawing(text: str) -> RepairedDrawing:
    """Parse and repair a drawing. Raises Unusable with the reason."""
    flags: set[str] = set()
    root = parse_svg(text, flags)
    flags |= find_removed(root)
    with true_reason(flags):
        repair_drawing(root, flags)
    resolved = copy.deepcopy(root)
    resolve_drawing(resolved, flags)
    return RepairedDrawing(root, resolved, frozenset(flags))


@contextmanager
def true_reason(flags: Set[str]) -> Iterator[None]:
    """Let a drawing in which nothing is drawn be rejected for what was taken out of it, or is not there yet."""
    try:
        yield
    except Unusable as reason:
        causes = sorted(flag for flag in flags if flag == "animated" or flag.startswith("removed:"))
        if str(reason) != NOTHING_DRAWN or not causes:
            raise
        raise Unusable(f"{NOTHING_DRAWN} ({', '.join(causes)})") from reason


def write_level(repaired: RepairedDrawing, canvas: int, precision: int, level: str, use: str = "flatten") -> Drawing:
    """The text of a drawing at a level, with those of the reading among its flags. Raises Unusable."""
    with true_reason(repaired.repairs):
        return write_text(repaired, canvas, precision, level, use)


def write_text(repaired: RepairedDrawing, canvas: int, precision: int, level: str, use: str) -> Drawing:
    flags = set(repaired.repairs)
    if level in ("compact", "path_records"):
        try:
            if use == "keep" and next(repaired.resolved.iter(f"{{{SVG_NAMESPACE}}}use"), None) is not None:
                raise BeyondCompact("use")
            if level == "compact":
                drawing = compact_drawing(repaired.resolved, canvas, precision)
            else:
                drawing = record_drawing(repaired.resolved, precision)
            return dataclasses.replace(drawing, flags=tuple(sorted({*drawing.flags, *flags})))
        except BeyondCompact as reason:
            flags.add(f"kept_safe:{reason}")
    root = copy.deepcopy(repaired.root if level == "none" else repaired.resolved)
    (drop_descriptions if level == "none" else clean_names)(root)
    return describe(root, "none" if level == "none" else "safe", flags)


def describe(root: etree._Element, level: str, flags: set[str]) -> Drawing:
    """The text and the measures of a drawing that was not rewritten. Raises Unusable where nothing is drawn."""
    shapes = [element for element in root.iter(etree.Element) if local_name(element) in {*SHAPES, *BEYOND, "use"}]
    if not shapes:
        raise Unusable(NOTHING_DRAWN)
    if any(local_name(element) == "text" for element in shapes):
        flags.add("has_text")
    n_commands = sum(
        len(re.findall(r"[A-Za-z]", element.get("d") or "")) if local_name(element) == "path" else 1
        for element in shapes
    )
    xml = etree.tostring(root, encoding="unicode")
    colours = set(re.findall(r"(?:fill|stroke)\s*[:=]\s*\"?\s*(#\w+|[a-z]+|rgb\([^)]*\))", xml)) - {"none"}
    return Drawing(xml, len(shapes), n_commands, len(colours), level, tuple(sorted(flags)))
