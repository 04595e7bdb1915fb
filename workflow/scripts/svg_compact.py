"""Level compact: the shortest text that still draws the same picture, on a square canvas.

Transforms are applied, numbers rounded to the canvas' grid, styles and `use` resolved, what is not drawn left out.
Gradients and clip paths are rewritten (svg_defs.py). A shape that cannot be flattened exactly keeps a transform of its
own. What is beyond all that (masks, filters, patterns, text, images) raises BeyondCompact with its name.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from lxml import etree
from svgelements import Matrix
from tinycss2.color3 import RGBA

from path_records import CANVAS as RECORD_CANVAS
from svg_defs import NEARLY_ONE, Definition, Definitions, Gradients, NeedsFrame, scale_of, write_matrix
from svg_outlines import round_outline, transform_outline
from svg_parse import SVG_NAMESPACE, Unusable, local_name
from svg_pieces import Block, Leaf, Piece, PieceWriter, common_attributes, join_pieces, leaves_of
from svg_record_writer import write_record
from svg_shapes import (
    CONTAINERS,
    MAX_USE_DEPTH,
    SHAPES,
    BeyondCompact,
    basic_shape,
    elements_by_id,
    find_view,
    is_flat,
    matrix_within,
    parse_length,
    shape_outline,
    use_offset,
    used_element,
)
from svg_simplify import simplify_outlines
from svg_style import (
    INHERITED,
    OWN,
    PROPERTIES,
    Attributes,
    Stylesheet,
    parse_opacity,
    read_style,
    resolve_paint,
    short_decimal,
    shortest_colour,
    wrap_elements,
    write_attributes,
    written_opacity,
)

DEFAULTS = {**INHERITED, **OWN}
Style = dict[str, str]
# Drawn, but not by geometry that we rewrite.
BEYOND = {"text", "image"}
# Properties that change how a shape is drawn in ways that we do not write.
BEYOND_PROPERTIES = (
    "mask", "filter", "mix-blend-mode", "vector-effect", "marker", "marker-start", "marker-mid", "marker-end",
)  # fmt: skip
# Of the root, what we do not write there.
BEYOND_AT_ROOT = (*BEYOND_PROPERTIES, "clip-path")
LINE_DECIMALS = 1  # of stroke widths and dashes, also on a grid of whole numbers
MATRIX_DECIMALS = 3
NEARLY_SQUARE = 1.001  # how much larger than its view a picture may be whose place in it nobody sees
TOLERANCE = 0.5  # in units of the grid: how far a simplified outline may be from the one on the grid


@dataclass(frozen=True)
class Drawing:
    """The canonical text of a drawing with what was measured."""

    xml: str
    n_shapes: int
    n_commands: int
    n_colours: int
    flags: tuple[str, ...] = ()


def compact_drawing(root: etree._Element, canvas: int, precision: int) -> Drawing:
    """The compact text of a mended drawing. Raises BeyondCompact, or Unusable where nothing is drawn."""
    return Compactor(root, canvas, precision).compact()


def record_drawing(root: etree._Element, precision: int) -> Drawing:
    """A mended drawing as path records. Raises BeyondCompact for what they cannot say, or Unusable."""
    return Compactor(root, RECORD_CANVAS, precision, basic_shapes=False).write_records()


class Compactor:
    """Rewrites a parsed drawing on a square canvas."""

    def __init__(self, root: etree._Element, canvas: int, precision: int, basic_shapes: bool = True):
        self.root, self.canvas, self.precision, self.basic_shapes = root, canvas, precision, basic_shapes
        self.flags: set[str] = set()
        self.colours: set[str] = set()
        self.by_id = elements_by_id(root)
        texts = [element.text or "" for element in root.iter(f"{{{SVG_NAMESPACE}}}style")]
        self.stylesheet = Stylesheet(texts) if texts else None
        self.wrappers = wrap_elements(root) if texts else {}
        self.definitions = Definitions()
        self.gradients = Gradients(self.by_id, self._style_of_stop, self.definitions, precision)

    def _all_pieces(self) -> list[Piece]:
        style = self._cascade(self.root, dict(INHERITED))
        beyond = next((name for name in BEYOND_AT_ROOT if style[name] != DEFAULTS[name]), "")
        if beyond or self.root.get("transform") or parse_opacity(style["opacity"]) != 1:
            raise BeyondCompact(f"{beyond or 'transform or opacity'} of the root")
        if style["display"] == "none":
            raise Unusable("nothing is drawn")
        matrix = self._view_matrix()
        pieces = [piece for child in self.root for piece in self._pieces(child, matrix, style, 0)]
        if not pieces:
            raise Unusable("nothing is drawn")
        return pieces

    def write_records(self) -> Drawing:
        """The shapes as path records."""
        leaves = []
        for piece in self._all_pieces():
            if isinstance(piece, Block):
                raise BeyondCompact("clip path or opacity of a group")
            leaves.append(piece)
        records = [write_record(leaf.outline, leaf.paint, self.precision) for leaf in leaves]
        n_commands = sum(n for _, n in records)
        text = "\n".join(record for record, _ in records)
        return Drawing(text, len(leaves), n_commands, len(self.colours), tuple(sorted(self.flags)))

    def compact(self) -> Drawing:
        """The shapes simplified, joined, and written short."""
        pieces = self._all_pieces()
        simplify_outlines([leaf.outline for leaf in leaves_of(pieces)], TOLERANCE)
        pieces = join_pieces(pieces, 10.0**-self.precision)
        writer = PieceWriter(self.precision, common_attributes(pieces))
        body = writer.write(pieces)
        definitions = self.definitions.write()
        if definitions:
            body = f"<defs>{definitions}</defs>{body}"
        view = f'viewBox="0 0 {self.canvas} {self.canvas}"{write_attributes(tuple(writer.common.items()))}'
        xml = f'<svg xmlns="{SVG_NAMESPACE}" {view}>{body}</svg>'
        counts = writer.counts
        return Drawing(xml, counts.shapes, counts.commands, len(self.colours), tuple(sorted(self.flags)))

    def _view_matrix(self) -> Matrix:
        """The matrix that puts the drawing's own view box, aspect kept, in the middle of the canvas."""
        (x, y, width, height), _ = find_view(self.root)
        # The stated picture may be wider or higher than the view that is fitted into it.
        wide, high = parse_length(self.root.get("width")), parse_length(self.root.get("height"))
        whole = max(wide, high) / min(wide / width, high / height) if wide and high else max(width, height)
        aspect = " ".join((self.root.get("preserveAspectRatio") or "xMidYMid").split())
        if aspect not in ("xMidYMid", "xMidYMid meet") and whole > NEARLY_SQUARE * max(width, height):
            raise BeyondCompact("preserveAspectRatio")
        scale = self.canvas / whole
        left, top = (self.canvas - scale * width) / 2, (self.canvas - scale * height) / 2
        return Matrix(scale, 0, 0, scale, left - scale * x, top - scale * y)

    def _cascade(self, element: etree._Element, inherited: Style) -> Style:
        """The style of an element: inherited, its attributes, CSS rules, style attribute, in this order."""
        own = {name: value for name, value in element.attrib.items() if name in PROPERTIES}
        style = element.get("style") or ""
        if self.stylesheet and element in self.wrappers:
            own |= self.stylesheet.style_of(self.wrappers[element], style)
        elif style:
            own |= read_style(style)
        if "inherit" in own.values():
            own = {name: value for name, value in own.items() if value != "inherit"}
        return {**inherited, **OWN, **own}

    def _style_of_stop(self, stop: etree._Element) -> Style:
        return self._cascade(stop, dict(INHERITED))

    def _pieces(self, element: etree._Element, matrix: Matrix, inherited: Style, use_depth: int) -> list[Piece]:
        """What is drawn of an element and of what is below it, in order."""
        name = local_name(element)
        if name in BEYOND:
            raise BeyondCompact(name)
        if name not in CONTAINERS and name not in SHAPES and name != "use":
            return []
        style = self._cascade(element, inherited)
        if style["display"] == "none" or written_opacity(style["opacity"]) == 0:
            return []
        if name == "svg":
            raise BeyondCompact("nested svg")
        for beyond in BEYOND_PROPERTIES:
            if style[beyond] != DEFAULTS[beyond]:
                raise BeyondCompact(beyond)
        matrix = matrix_within(element, matrix)
        if is_flat(matrix):
            return []
        if name in SHAPES:
            return self._shape(element, style, matrix) if style["visibility"] == "visible" else []
        if name == "use":
            pieces = self._used(element, matrix, style, use_depth)
        else:
            children = drawn_branch(element) if name == "switch" else element
            pieces = [piece for child in children for piece in self._pieces(child, matrix, style, use_depth)]
        return self._grouped(pieces, style, matrix)

    def _grouped(self, pieces: list[Piece], style: Style, matrix: Matrix) -> list[Piece]:
        """Pieces under the opacity and the clip path of their group."""
        opacity = written_opacity(style["opacity"])
        if not pieces:
            return []
        attributes = self._clip_path(style, matrix)
        if opacity == 1 and not attributes:
            return pieces
        faded: Attributes = (("opacity", short_decimal(opacity)),) if opacity != 1 else ()
        piece = Block((*attributes, *faded), pieces).unwrapped()
        return [piece] if piece else []

    def _used(self, element: etree._Element, matrix: Matrix, style: Style, use_depth: int) -> list[Piece]:
        target = used_element(element, self.by_id)
        if target is None:
            self.flags.add("dangling_use")
            return []
        if use_depth >= MAX_USE_DEPTH:
            raise Unusable("`use` elements nested too deep or in a circle")
        if local_name(target) == "symbol":
            raise BeyondCompact("symbol")
        return self._pieces(target, use_offset(element) * matrix, style, use_depth + 1)

    def _clip_path(self, style: Style, matrix: Matrix) -> Attributes:
        """The `clip-path` attribute of an element under a matrix; none where it clips nothing."""
        reference = style["clip-path"]
        if reference == "none":
            return ()
        element = self.by_id.get(reference.removeprefix("url(").rstrip(")").strip("'\" #"))
        if element is None or local_name(element) != "clipPath":
            return ()
        own = self._cascade(element, dict(INHERITED))
        if own["clip-path"] != "none" or element.get("clipPathUnits") == "objectBoundingBox":
            raise BeyondCompact("clip path of the box or of another")
        matrix = matrix_within(element, matrix)
        shapes = [text for child in element for text in self._clipping(child, matrix, own, 0)]
        if shapes == [f'rect width="{self.canvas}" height="{self.canvas}"']:
            return ()
        body = "".join(f"<{text}/>" for text in shapes)
        return (("clip-path", f"url(#{self.definitions.add(Definition('clipPath', (), body))})"),)

    def _clipping(self, element: etree._Element, matrix: Matrix, inherited: Style, use_depth: int) -> Iterator[str]:
        """The geometry of the shapes of a clip path."""
        name = local_name(element)
        if name in BEYOND:
            raise BeyondCompact("clip path of text")
        style = self._cascade(element, inherited)
        if style["display"] == "none" or style["visibility"] != "visible":
            return
        if style["clip-path"] != "none":
            raise BeyondCompact("clip path of the box or of another")
        matrix = matrix_within(element, matrix)
        if is_flat(matrix):
            return
        if name == "use" and use_depth < MAX_USE_DEPTH:
            target = used_element(element, self.by_id)
            if target is not None:
                yield from self._clipping(target, use_offset(element) * matrix, style, use_depth + 1)
        elif name in SHAPES:
            leaf = self._geometry(element, matrix, ())
            if leaf:
                simplify_outlines([leaf.outline], TOLERANCE)
                rule = ' clip-rule="evenodd"' if style["clip-rule"] == "evenodd" else ""
                yield PieceWriter(self.precision).geometry(leaf) + rule

    def _shape(self, element: etree._Element, style: Style, matrix: Matrix) -> list[Piece]:
        """A shape, flattened where that is exact, else in a frame of its own."""
        known = dict(self.definitions.names)
        try:
            leaves = self._leaf(element, style, matrix, ())
        except NeedsFrame:
            self.definitions.names = dict(known)
            scale, _ = scale_of(matrix)
            if abs(scale - 1) < NEARLY_ONE:
                scale = 1.0
            frame = write_matrix(Matrix.scale(1 / scale) * matrix, MATRIX_DECIMALS, self.precision)
            leaves = self._leaf(element, style, Matrix.scale(scale), (("transform", frame),))
        if not leaves:
            self.definitions.names = known  # nothing refers to what is not drawn
        return leaves

    def _leaf(self, element: etree._Element, style: Style, matrix: Matrix, frame: Attributes) -> list[Piece]:
        paint = self._paint(style, matrix)
        if paint is None:
            return []
        leaf = self._geometry(element, matrix, (*paint, *self._clip_path(style, matrix), *frame))
        return [leaf] if leaf else []

    def _geometry(self, element: etree._Element, matrix: Matrix, paint: Attributes) -> Leaf | None:
        """A shape on the grid, as a basic shape where it can be; None where it draws nothing."""
        outline = shape_outline(element)
        if not outline:
            return None
        shape = basic_shape(element, matrix, self.precision) if self.basic_shapes else ""
        if shape:
            return Leaf(shape, [], paint)
        to_grid = matrix * Matrix.scale(10**self.precision) if self.precision else matrix
        outline = [sub for sub in round_outline(transform_outline(outline, to_grid)) if sub.segments]
        return Leaf("", outline, paint) if outline else None

    def _paint(self, style: Style, matrix: Matrix) -> Attributes | None:
        """The paint attributes of a shape in a fixed order, defaults left out; None where nothing is drawn.

        Raises NeedsFrame for a paint that only fits the shape's own coordinates.
        """
        paint: dict[str, str] = {}
        fill, fill_opacity = self._colour(style, "fill", matrix)
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


def drawn_branch(switch: etree._Element) -> list[etree._Element]:
    """The child of a `switch` that is drawn: the first that asks for no extension and for no other language."""
    for child in switch:
        languages = (child.get("systemLanguage") or "en").replace(" ", "").split(",")
        understood = not child.get("requiredExtensions") and any(name.startswith("en") for name in languages)
        if understood and local_name(child) in CONTAINERS | SHAPES | {"use", *BEYOND}:
            return [child]
    return []
