"""Writes a shape as a path record (svg/path_records.py), in the form that models of this field were trained on:

    style=fill:3,84,76;stroke:None;stroke-width:1;opacity:1<TAB>d=M11,471 A14,28,0,1,0,40,471 L11,471

Absolute M, L, C and A commands; a closed subpath ends in a line to its start. What the four properties do not say is
added to the style.
"""

from __future__ import annotations

from collections.abc import Iterator

from svg.colours import parse_colour
from svg.outlines import Outline, elevated, on_grid
from svg.paths import PathWriter
from svg.shapes import BeyondCompact
from svg.style import Attributes

ALWAYS = {"fill": "black", "stroke": "none", "stroke-width": "1", "opacity": "1"}


def write_record(outline: Outline, paint: Attributes, precision: int) -> tuple[str, int]:
    """The record of an outline on the grid, and its number of commands. Raises BeyondCompact."""
    style = {**ALWAYS, **dict(paint)}
    for name in ("clip-path", "transform"):
        if name in style:
            raise BeyondCompact(name)
    for name in ("fill", "stroke"):
        style[name] = record_colour(style[name])
    commands = list(record_commands(outline, PathWriter(precision)))
    return f"style={';'.join(f'{k}:{v}' for k, v in style.items())}\td={' '.join(commands)}", len(commands)


def record_colour(paint: str) -> str:
    if paint == "none":
        return "None"
    colour = parse_colour(paint)
    if colour is None:
        raise BeyondCompact("gradient")
    return ",".join(str(round(255 * channel)) for channel in colour[:3])


def record_commands(outline: Outline, writer: PathWriter) -> Iterator[str]:
    def command(letter: str, *points: complex, head: str = "") -> str:
        numbers = writer.numbers([value for point in points for value in (point.real, point.imag)])
        return letter + (head + numbers).replace(" ", ",")

    for sub in outline:
        yield command("M", sub.start)
        point = sub.start
        for segment in sub.segments:
            kind = segment[0]
            if kind == "A":
                _, radii, turn, large, sweep, end = segment
                axes = writer.numbers([radii.real, radii.imag])
                yield command("A", end, head=f"{axes} {turn} {large:d} {sweep:d} ")
            elif kind == "Q":
                yield command("C", *map(on_grid, elevated(point, segment[1], segment[2])))
            else:
                yield command(*segment)
            point = segment[-1]
        if sub.closed and point != sub.start:
            yield command("L", sub.start)
