"""The paint of a shape: fill, stroke and opacity as the attributes that are written, in one way for one look."""

from __future__ import annotations

import re
from collections.abc import Mapping

from svgelements import Matrix
from tinycss2.color3 import RGBA

from svg.defs import Gradients, NeedsFrame, scale_of
from svg.shapes import BeyondCompact, parse_length
from svg.style import DEFAULTS, Attributes, resolve_paint, short_decimal, shortest_colour, written_opacity

LINE_DECIMALS = 1  # of stroke widths, also on a grid of whole numbers; dashes have one more, since they add up
NOTHING = "none", 1.0
Style = Mapping[str, str]


class Painter:
    """Writes the paints of a drawing, and collects their colours."""

    def __init__(self, gradients: Gradients, precision: int):
        self.gradients, self.decimals = gradients, max(precision, LINE_DECIMALS)
        self.colours: set[str] = set()

    def paint(self, style: Style, matrix: Matrix, has_area: bool) -> Attributes | None:
        """The paint attributes of a shape in a fixed order, defaults left out; None where nothing is drawn.

        Raises NeedsFrame for a paint that only fits the shape's own coordinates.
        """
        fill, fill_opacity = self._colour(style, "fill", matrix) if has_area else NOTHING
        line = self._line(style, matrix)
        stroke = line.get("stroke", "none")
        opacity = written_opacity(style["opacity"])
        if fill == "none" or stroke == "none":  # one paint alone: how much is seen of it is said in one way
            own = line.pop("stroke-opacity", "1") if fill == "none" else short_decimal(fill_opacity)
            opacity, fill_opacity = written_opacity(own, opacity), 1.0
        if opacity == 0 or fill == stroke == "none":
            return None
        paint: dict[str, str] = {}
        if fill != "black":
            paint["fill"] = fill
        if fill != "none":
            paint["fill-opacity"] = short_decimal(fill_opacity)
            paint["fill-rule"] = style["fill-rule"]
        paint |= line
        if fill != "none" and line:
            paint["paint-order"] = order_of_paints(style["paint-order"])
        paint["opacity"] = short_decimal(opacity)
        self.colours.update(colour for colour in (fill, stroke) if colour != "none")
        return tuple((name, value) for name, value in paint.items() if value != DEFAULTS.get(name))

    def _line(self, style: Style, matrix: Matrix) -> dict[str, str]:
        """The attributes of a stroke; none where it is not seen."""
        if style["stroke"] == "none":
            return {}
        width = parse_length(style["stroke-width"])
        if width is None:
            raise BeyondCompact("stroke width in other units")
        scale, keeps_form = scale_of(matrix)
        written = short_decimal(width * scale, self.decimals)
        stroke, opacity = self._colour(style, "stroke", matrix) if width > 0 and written != "0" else NOTHING
        if stroke == "none":
            return {}
        if not keeps_form:
            raise NeedsFrame
        line = {"stroke": stroke, "stroke-width": written}
        for name in ("stroke-linecap", "stroke-linejoin"):
            line[name] = style[name]
        if style["stroke-linejoin"] == "miter":
            line["stroke-miterlimit"] = short_decimal(parse_length(style["stroke-miterlimit"]) or 4)
        line["stroke-opacity"] = short_decimal(opacity)
        if style["stroke-dasharray"] != "none":
            line |= write_dashes(style, scale, self.decimals + 1)
        return line

    def _colour(self, style: Style, name: str, matrix: Matrix) -> tuple[str, float]:
        """The shortest text of a paint and its opacity, which is none of a paint that nobody sees."""
        paint = resolve_paint(style[name], style["color"])
        opacity = written_opacity(style[f"{name}-opacity"])
        if not opacity:
            return NOTHING
        if isinstance(paint, str) and paint.startswith("url("):
            reference = self.gradients.paint(paint, matrix)
            if reference.startswith("url("):
                return reference, opacity
            paint = resolve_paint(reference, style["color"])
        if paint is None:
            raise BeyondCompact("unknown colour")
        if not isinstance(paint, RGBA):
            return NOTHING
        opacity = written_opacity(style[f"{name}-opacity"], paint.alpha)
        return (shortest_colour(paint), opacity) if opacity else NOTHING


def order_of_paints(text: str) -> str:
    """A `paint-order` as one that says no more than whether the stroke is below the fill."""
    order = [word for word in text.split() if word in ("fill", "stroke")]
    return "stroke" if order[:1] == ["stroke"] else "normal"


def write_dashes(style: Style, scale: float, decimals: int) -> dict[str, str]:
    """The dashes of a line, in the shortest list that repeats so; none where all have no length."""
    lengths = [parse_length(part) for part in re.split(r"[\s,]+", style["stroke-dasharray"].strip(" \t\r\n,"))]
    dashes = [length for length in lengths if length is not None]
    if len(dashes) < len(lengths) or min(dashes) < 0:
        raise BeyondCompact("dashes in other units")
    while len(dashes) % 2 == 0 and dashes[: len(dashes) // 2] == dashes[len(dashes) // 2 :]:
        dashes = dashes[: len(dashes) // 2]
    texts = [short_decimal(dash * scale, decimals) for dash in dashes]
    if not any(text != "0" for text in texts):
        return {}
    whole = sum(dashes) * (1 + len(dashes) % 2)  # an odd number of them is repeated to be even
    offset = (parse_length(style["stroke-dashoffset"]) or 0.0) % whole
    return {"stroke-dasharray": " ".join(texts), "stroke-dashoffset": short_decimal(offset * scale, decimals)}
