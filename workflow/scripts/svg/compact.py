"""Level compact: the shortest text that still draws the same picture, on a square canvas.

Transforms are applied, numbers rounded to the canvas' grid, styles and `use` resolved, what is not drawn left out.
Gradients and clip paths are rewritten (svg/defs.py). A shape that cannot be flattened exactly keeps a transform of its
own. What is beyond all that (masks, filters, patterns, text, images) raises BeyondCompact with its name.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from lxml import etree
from svgelements import Matrix

from svg.basic_shapes import basic_shape
from svg.cascade import Style, style_of, style_of_stop
from svg.defs import NEARLY_ONE, Definition, Definitions, Gradients, NeedsFrame, is_oblique, scale_of, write_matrix
from svg.normal import draws_no_area
from svg.outlines import Box, Outline, box_of, round_outline, transform_outline
from svg.paint import Painter
from svg.parse import NOTHING_DRAWN, SVG_NAMESPACE, Unusable, local_name
from svg.path_records import CANVAS as RECORD_CANVAS
from svg.pieces import (
    Block,
    Leaf,
    Piece,
    PieceWriter,
    basic_leaf,
    common_attributes,
    join_pieces,
    leaves_of,
    normal_form,
    reach_of,
    settle_pieces,
)
from svg.record_writer import write_record
from svg.shapes import (
    CONTAINERS,
    MAX_USE_DEPTH,
    SHAPES,
    BeyondCompact,
    Window,
    elements_by_id,
    find_view,
    fit_view,
    is_embedded,
    is_flat,
    matrix_within,
    parse_length,
    rectangle,
    shape_outline,
    use_offset,
    used_element,
    window_of,
)
from svg.simplify import simplify_outlines
from svg.style import (
    DEFAULTS,
    INHERITED,
    Attributes,
    parse_opacity,
    short_decimal,
    write_attributes,
    written_opacity,
)
from svg.windows import Windows

# Drawn, but not by geometry that we rewrite.
BEYOND = {"text", "image"}
# Properties that change how a shape is drawn in ways that we do not write.
BEYOND_PROPERTIES = (
    "mask", "filter", "mix-blend-mode", "vector-effect", "marker", "marker-start", "marker-mid", "marker-end",
)  # fmt: skip
# Of the root, what we do not write there.
BEYOND_AT_ROOT = (*BEYOND_PROPERTIES, "clip-path")
MATRIX_DECIMALS = 3
MAX_UNEVEN = 10  # of the scales of a transform along its axes, the one over the other and their reciprocal together
TOO_FINE = "shapes too fine for the grid"
MAX_SIMPLIFIED = 8  # how often an outline is simplified whose normal form changes with it
TOLERANCE = 0.5  # in units of the grid: how far a simplified outline may be from the one on the grid


@dataclass(frozen=True)
class Drawing:
    """The canonical text of a drawing with what was measured."""

    xml: str
    n_shapes: int
    n_commands: int
    n_colours: int
    level: str  # of svg/canonical.py, at which it is written
    flags: tuple[str, ...] = ()


def compact_drawing(root: etree._Element, canvas: int, precision: int) -> Drawing:
    """The compact text of a repaired drawing. Raises BeyondCompact, or Unusable where nothing is drawn."""
    return Compactor(root, canvas, precision).compact()


def record_drawing(root: etree._Element, precision: int) -> Drawing:
    """A repaired drawing as path records. Raises BeyondCompact for what they cannot say, or Unusable."""
    return Compactor(root, RECORD_CANVAS, precision, as_drawn=True).write_records()


@dataclass(frozen=True)
class Clip:
    """A clip path: its attribute, none where it hides nothing, and its box where it is an upright rectangle."""

    attributes: Attributes = ()
    box: Box | None = None


NO_CLIP = Clip()


class Compactor:
    """Rewrites a parsed drawing on a square canvas, with `as_drawn` each outline as it was drawn."""

    def __init__(self, root: etree._Element, canvas: int, precision: int, as_drawn: bool = False):
        self.root, self.canvas, self.precision, self.as_drawn = root, canvas, precision, as_drawn
        self.flags: set[str] = set()
        self.is_too_fine = False  # for the grid: something of the drawing
        self.windows = Windows(canvas * 10**precision)
        self.by_id = elements_by_id(root)
        self.definitions = Definitions()
        gradients = Gradients(self.by_id, style_of_stop, self.definitions, precision)
        self.painter = Painter(gradients, precision)

    def _all_pieces(self) -> list[Piece]:
        style = style_of(self.root, dict(INHERITED))
        beyond = next((name for name in BEYOND_AT_ROOT if style[name] != DEFAULTS[name]), "")
        if beyond or parse_opacity(style["opacity"]) != 1:
            raise BeyondCompact(f"{beyond or 'opacity'} of the root")
        if style["display"] == "none":
            raise Unusable(NOTHING_DRAWN)
        frame, matrix = self._view()
        self.windows.open(self._box_of(frame, Matrix()))
        pieces = [piece for child in self.root for piece in self._pieces(child, matrix, style, 0)]
        if self.windows.close():
            pieces = self._clipped(pieces, frame, Matrix())
        if not pieces:
            raise BeyondCompact(TOO_FINE) if self.is_too_fine else Unusable(NOTHING_DRAWN)
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
        n_colours = len(self.painter.colours)
        return Drawing(text, len(leaves), n_commands, n_colours, "path_records", tuple(sorted(self.flags)))

    def compact(self) -> Drawing:
        """The shapes simplified, joined, and written short."""
        pieces = self._all_pieces()
        simplify_leaves([leaf for leaf in leaves_of(pieces) if leaf.outline])
        pieces = join_pieces(settle_pieces(pieces, self.precision), 10.0**-self.precision)
        if not pieces:
            raise BeyondCompact(TOO_FINE)
        writer = PieceWriter(self.precision, common_attributes(pieces))
        body = self.definitions.keep_used(writer.write(pieces))
        definitions = self.definitions.write()
        if definitions:
            body = f"<defs>{definitions}</defs>{body}"
        view = f'viewBox="0 0 {self.canvas} {self.canvas}"{write_attributes(tuple(writer.common.items()))}'
        xml = f'<svg xmlns="{SVG_NAMESPACE}" {view}>{body}</svg>'
        counts = writer.counts
        n_colours = len(self.painter.colours)
        return Drawing(xml, counts.shapes, counts.commands, n_colours, "compact", tuple(sorted(self.flags)))

    def _view(self) -> tuple[Outline, Matrix]:
        """The frame of the stated picture in the middle of the canvas, and the matrix of what is seen in it."""
        box, _ = find_view(self.root)
        wide, high = parse_length(self.root.get("width")) or 0, parse_length(self.root.get("height")) or 0
        wide, high = (wide, high) if wide > 0 and high > 0 else box[2:]
        width, height = (self.canvas * side / max(wide, high) for side in (wide, high))
        left, top = (self.canvas - width) / 2, (self.canvas - height) / 2
        frame = rectangle(complex(left, top), width, height, 0, 0)
        return frame, fit_view(self.root, box, width, height) * Matrix.translate(left, top)

    def _pieces(
        self,
        element: etree._Element,
        matrix: Matrix,
        inherited: Style,
        use_depth: int,
        user: etree._Element | None = None,
    ) -> list[Piece]:
        """What is drawn of an element and of what is below it, in order; `user` is the `use` that shows it."""
        name = local_name(element)
        if name == "text" or (name == "image" and is_embedded(element)):
            raise BeyondCompact(name)
        is_window = name == "svg" or (name == "symbol" and user is not None)
        if name not in CONTAINERS and name not in SHAPES and name != "use" and not is_window:
            return []
        style = style_of(element, inherited)
        if style["display"] == "none" or written_opacity(style["opacity"]) == 0:
            return []
        for beyond in BEYOND_PROPERTIES:
            if style[beyond] != DEFAULTS[beyond]:
                raise BeyondCompact(beyond)
        matrix = matrix_within(element, matrix)
        if name == "use":
            matrix = use_offset(element) * matrix
        if is_flat(matrix):
            return []
        window = window_of(element, user, matrix) if is_window else None
        if is_window and window is None:
            return []
        # A viewport's own clip path is in the coordinates of what is in it, as browsers have it.
        clip = self._clip(style, window.inner if window else matrix) if style["clip-path"] != "none" else NO_CLIP
        if clip is None:
            return []
        if clip.box:
            self.windows.open(clip.box)
        if name in SHAPES:
            pieces = self._shape(element, style, matrix) if style["visibility"] == "visible" else []
        elif name == "use":
            pieces = self._used(element, matrix, style, use_depth)
        elif window:
            pieces = self._in_window(window, element, style, use_depth)
        else:
            children = drawn_branch(element) if name == "switch" else element
            pieces = [piece for child in children for piece in self._pieces(child, matrix, style, use_depth)]
        if clip.box and not self.windows.close():
            clip = NO_CLIP
        return grouped(pieces, clip.attributes, "1" if name in SHAPES else style["opacity"])

    def _used(self, element: etree._Element, matrix: Matrix, style: Style, use_depth: int) -> list[Piece]:
        target = used_element(element, self.by_id)
        if target is None:
            self.flags.add("dangling_use")
            return []
        if use_depth >= MAX_USE_DEPTH:
            raise Unusable("`use` elements nested too deep or in a circle")
        return self._pieces(target, matrix, style, use_depth + 1, element)

    def _in_window(self, window: Window, element: etree._Element, style: Style, use_depth: int) -> list[Piece]:
        """What a nested `svg` or a `symbol` shows, under a clip path where that is less than what is in it."""
        frame = rectangle(0j, window.width, window.height, 0, 0)
        cuts = style["overflow"] not in ("visible", "auto")
        if cuts:
            self.windows.open(self._box_of(frame, window.placed))
        pieces = [piece for child in element for piece in self._pieces(child, window.inner, style, use_depth)]
        is_left = cuts and (self.windows.close() or is_oblique(window.placed))
        return self._clipped(pieces, frame, window.placed) if is_left else pieces

    def _clipped(self, pieces: list[Piece], outline: Outline, matrix: Matrix) -> list[Piece]:
        """Pieces of which only what is within an outline is seen."""
        clip = self._clip_of(list(self._clip_text(outline, matrix, "nonzero")))
        return grouped(pieces, clip.attributes, "1") if clip else []

    def _clip(self, style: Style, matrix: Matrix) -> Clip | None:
        """The clip path of an element under a matrix; None where it hides everything."""
        element = self.by_id.get(style["clip-path"].removeprefix("url(").rstrip(")").strip("'\" #"))
        if element is None or local_name(element) != "clipPath":
            return NO_CLIP
        own = style_of(element, dict(INHERITED))
        if own["clip-path"] != "none" or element.get("clipPathUnits") == "objectBoundingBox":
            raise BeyondCompact("clip path of the box or of another")
        matrix = matrix_within(element, matrix)
        return self._clip_of([text for child in element for text in self._clipping(child, matrix, own, 0)])

    def _clip_of(self, shapes: list[str]) -> Clip | None:
        """The clip path of shapes; None where there is none that shows anything."""
        if not shapes:
            return None
        box = box_of_rectangle(shapes[0], 10**self.precision) if len(shapes) == 1 else None
        if box and self.windows.is_wider(box):
            return NO_CLIP
        name = self.definitions.add(Definition("clipPath", (), "".join(f"<{text}/>" for text in shapes)))
        return Clip((("clip-path", f"url(#{name})"),), box)

    def _clipping(self, element: etree._Element, matrix: Matrix, inherited: Style, use_depth: int) -> Iterator[str]:
        """The geometry of the shapes of a clip path."""
        name = local_name(element)
        if name in BEYOND:
            raise BeyondCompact("clip path of text")
        style = style_of(element, inherited)
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
            yield from self._clip_text(shape_outline(element), matrix, style["clip-rule"])

    def _clip_text(self, outline: Outline, matrix: Matrix, rule: str) -> Iterator[str]:
        """The text of an outline in a clip path; none of one without area."""
        paint = (("fill-rule", rule),) if rule != "nonzero" else ()
        leaf = self._on_grid(self._exact(outline, matrix), paint)
        if leaf and leaf.outline:
            simplify_leaves([leaf])
            leaf = leaf.settled(self.precision)
        if leaf:
            text = PieceWriter(self.precision).geometry(leaf)
            yield text + write_attributes(tuple((f"clip-{name[5:]}", value) for name, value in leaf.paint))

    def _shape(self, element: etree._Element, style: Style, matrix: Matrix) -> list[Piece]:
        """A shape, flattened where that is exact, else in a frame of its own."""
        try:
            return self._leaf(element, style, matrix, ())
        except NeedsFrame:
            scale, _ = scale_of(matrix)
            squares = matrix.a**2 + matrix.b**2 + matrix.c**2 + matrix.d**2
            if squares > MAX_UNEVEN * scale**2:
                raise BeyondCompact("a very uneven transform") from None
            if abs(scale - 1) < NEARLY_ONE:
                scale = 1.0
            frame = write_matrix(Matrix.scale(1 / scale) * matrix, MATRIX_DECIMALS, self.precision)
            return self._leaf(element, style, Matrix.scale(scale), (("transform", frame),))

    def _leaf(self, element: etree._Element, style: Style, matrix: Matrix, frame: Attributes) -> list[Piece]:
        outline = shape_outline(element)
        if not outline:
            return []
        paint = self.painter.paint(style, matrix, not draws_no_area(outline))
        if paint is None:
            return []
        exact = self._exact(outline, matrix)
        if frame:
            self.windows.leave()
        elif not self.windows.show(exact, lambda: reach_of(dict(paint)) * 10**self.precision):
            return []
        leaf = self._on_grid(exact, (*paint, *frame))
        self.is_too_fine |= leaf is None
        return [leaf] if leaf else []

    def _exact(self, outline: Outline, matrix: Matrix) -> Outline:
        """An outline under a matrix, in units of the grid."""
        return transform_outline(outline, matrix * Matrix.scale(10**self.precision) if self.precision else matrix)

    def _box_of(self, outline: Outline, matrix: Matrix) -> Box:
        return box_of(self._exact(outline, matrix)) or (0, 0, 0, 0)

    def _on_grid(self, exact: Outline, paint: Attributes) -> Leaf | None:
        """A shape on the grid, as a basic shape where it is one; None where it draws nothing."""
        if self.as_drawn:
            outline = [sub for sub in round_outline(exact) if sub.segments]
        else:
            style = dict(paint)
            shape = basic_shape(exact, style, self.precision)
            if shape:
                return basic_leaf(shape, style)
            outline, paint = normal_form(round_outline(exact), paint)
        return Leaf("", outline, paint) if outline else None


def grouped(pieces: list[Piece], attributes: Attributes, opacity: str) -> list[Piece]:
    """Pieces under the clip path and the opacity of their group."""
    faded: Attributes = (("opacity", short_decimal(written_opacity(opacity))),) if written_opacity(opacity) != 1 else ()
    if not pieces or not (attributes or faded):
        return pieces
    piece = Block((*attributes, *faded), pieces).unwrapped()
    return [piece] if piece else []


def box_of_rectangle(text: str, unit: int) -> Box | None:
    """The box of a rectangle's text in units of the grid, of which one of the text has `unit`; None of other shapes."""
    name, *attributes = text.replace('"', "").split()
    if name != "rect" or "rx" in text:
        return None
    values = dict(attribute.split("=") for attribute in attributes)
    left, top, width, height = (unit * float(values.get(key, 0)) for key in ("x", "y", "width", "height"))
    return left, top, left + width, top + height


def simplify_leaves(leaves: list[Leaf]) -> None:
    """Simplify the outlines of shapes in place; once more where the simplified one begins or runs differently."""
    for _ in range(MAX_SIMPLIFIED):
        if not leaves:
            break
        changed = simplify_outlines([leaf.outline for leaf in leaves], TOLERANCE)
        leaves = [
            leaf for leaf, has_changed in zip(leaves, changed, strict=True) if has_changed and leaf.renormalised()
        ]


def drawn_branch(switch: etree._Element) -> list[etree._Element]:
    """The child of a `switch` that is drawn: the first that asks for no extension and for no other language."""
    for child in switch:
        languages = (child.get("systemLanguage") or "en").replace(" ", "").split(",")
        understood = not child.get("requiredExtensions") and any(name.startswith("en") for name in languages)
        if understood and local_name(child) in CONTAINERS | SHAPES | {"use", *BEYOND}:
            return [child]
    return []
