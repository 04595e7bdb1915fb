"""The paint of a shape: fill, stroke and opacity as the attributes that are written, in one way for one look."""

from __future__ import annotations

import re
from collections.abc import Mapping

from svgelements import Matrix
from tinycss2.color3 import RGBA

from svg_defs import Gradients, NeedsFrame, scale_of
from svg_shapes import BeyondCompact, parse_length
from svg_style import DEFAULTS, Attributes, resolve_paint, short_decimal, shortest_colour, written_opacity

LINE_DECIMALS = 1  # of stroke widths and dashes, also on a grid of whole numbers
Style = Mapping[str, str]


class Painter:
    """Writes the paints of a drawing, and collects their colours."""

    def __init__(self, gradients: Gradients, precision: int):
        self.gradients, self.precision = gradients, precision
        self.colours: set[str] = set()

    def paint(self, style: Style, matrix: Matrix, has_area: bool) -> Attributes | None:
        """The paint attributes of a shape in a fixed order, defaults left out; None where nothing is drawn.

        Raises NeedsFrame for a paint that only fits the shape's own coordinates.
        """
        paint: dict[str, str] = {}
        fill, fill_opacity = self._colour(style, "fill", matrix) if has_area else ("none", 1.0)
        stroke, stroke_opacity = self._colour(style, "stroke", matrix)
        width = parse_length(style["stroke-width"])
        if width is None:
            raise BeyondCompact("stroke width in other units")
        opacity = written_opacity(style["opacity"])
        seen = stroke != "none" and stroke_opacity and width > 0
        line = self._stroke(style, stroke, stroke_opacity, width, matrix) if seen else {}
        if line.get("stroke-width", "0") == "0":
            stroke = "none"
        if fill_opacity == 0:
            fill = "none"
        if fill == "none" or stroke == "none":  # one paint alone: how much is seen of it is said in one way
            opacity = written_opacity(short_decimal(opacity), stroke_opacity if fill == "none" else fill_opacity)
            fill_opacity = 1.0
            line.pop("stroke-opacity", "")
        if opacity == 0 or (fill == "none" and stroke == "none"):
            return None
        if fill != "black":
            paint["fill"] = fill
        if fill != "none":
            paint["fill-opacity"] = short_decimal(fill_opacity)
            paint["fill-rule"] = style["fill-rule"]
        if stroke != "none":
            paint |= line
            if fill != "none":
                paint["paint-order"] = style["paint-order"]
        paint["opacity"] = short_decimal(opacity)
        self.colours.update(colour for colour in (fill, stroke) if colour != "none")
        return tuple((name, value) for name, value in paint.items() if value != DEFAULTS.get(name))

    def _stroke(self, style: Style, stroke: str, opacity: float, width: float, matrix: Matrix) -> dict[str, str]:
        scale, keeps_form = scale_of(matrix)
        if not keeps_form:
            raise NeedsFrame
        decimals = max(self.precision, LINE_DECIMALS)
        paint = {"stroke": stroke, "stroke-width": short_decimal(width * scale, decimals)}
        for name in ("stroke-linecap", "stroke-linejoin"):
            paint[name] = style[name]
        if style["stroke-linejoin"] == "miter":
            paint["stroke-miterlimit"] = style["stroke-miterlimit"]
        paint["stroke-opacity"] = short_decimal(opacity)
        if style["stroke-dasharray"] != "none":
            dashes = [parse_length(part) for part in re.split(r"[\s,]+", style["stroke-dasharray"].strip())]
            if None in dashes:
                raise BeyondCompact("dashes in other units")
            paint["stroke-dasharray"] = " ".join(
                short_decimal(dash * scale, decimals) for dash in dashes if dash is not None
            )
            offset = parse_length(style["stroke-dashoffset"]) or 0.0
            paint["stroke-dashoffset"] = short_decimal(offset * scale, decimals)
        return paint

    def _colour(self, style: Style, name: str, matrix: Matrix) -> tuple[str, float]:
        """The shortest text of a paint and its opacity."""
        paint = resolve_paint(style[name], style["color"])
        opacity = written_opacity(style[f"{name}-opacity"])
        if isinstance(paint, str) and paint.startswith("url("):
            reference = self.gradients.paint(paint, matrix)
            if reference.startswith("url("):
                return reference, opacity
            paint = resolve_paint(reference, style["color"])
        if paint is None:
            raise BeyondCompact("unknown colour")
        if isinstance(paint, RGBA):
            return shortest_colour(paint), written_opacity(style[f"{name}-opacity"], paint.alpha)
        return "none", opacity
