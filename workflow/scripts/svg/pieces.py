"""The pieces of a compact drawing, shapes and groups: joined where the picture stays the same, and written.

Neighbours of equal paint become one path, or share a group; what most shapes state, the root states once.

benchmarks/preprocess.py compares the texts with svgo's and scour's, preprocess_steps.py tells this step's share.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from svg.basic_shapes import basic_shape
from svg.fill_rule import as_nonzero
from svg.normal import draws_no_area, normalise
from svg.outlines import Box, Outline, box_around
from svg.paths import PathWriter
from svg.style import INHERITED, Attributes, short_decimal, write_attributes, written_opacity

MAX_PAIRS = 10_000  # of subpaths that are compared before two paths become one
FILL = {"fill", "fill-opacity", "fill-rule", "paint-order"}
STROKE = ("stroke-width", "stroke-linecap", "stroke-linejoin", "stroke-miterlimit")
# Seen through, or laid out along the whole: paths of such paint are joined only where they lie apart, or never.
SEEN_THROUGH = {"opacity", "fill-opacity", "stroke-opacity", "stroke-dasharray"}
LAID_OUT = {"clip-path", "transform"}


@dataclass
class Leaf:
    """A shape that is drawn: a basic shape's text or an outline, and its paint."""

    shape: str
    outline: Outline
    paint: Attributes

    def has_area(self) -> bool:
        """Whether a fill of it would show."""
        return bool(self.shape) or not draws_no_area(self.outline)

    def renormalised(self) -> bool:
        """Bring a simplified outline back to normal form, in place, and say whether it was in another."""
        before = self.outline
        self.outline, self.paint = normal_form(before, self.paint)
        return self.outline != before

    def settled(self, precision: int) -> Leaf | None:
        """This shape with its simplified outline in its final form; None where nothing is left to draw."""
        if self.shape:
            return self
        if not self.outline:
            return None
        paint = dict(self.paint)
        if "stroke" in paint and draws_no_area(self.outline):
            paint = {"fill": "none"} | {k: v for k, v in paint.items() if k not in FILL}
            opacity = written_opacity(paint.pop("opacity", "1"), float(paint.pop("stroke-opacity", "1")))
            if not opacity:
                return None
            if opacity != 1:
                paint = dict(in_order(paint | {"opacity": short_decimal(opacity)}))
        shape = basic_shape(self.outline, paint, precision)
        return basic_leaf(shape, paint) if shape else Leaf("", self.outline, tuple(paint.items()))


def normal_form(outline: Outline, paint: Attributes) -> tuple[Outline, Attributes]:
    """The normal form of an outline on the grid and its paint, which is filled by `nonzero` where that can be."""
    outline, style = normalise(outline, paint), dict(paint)
    if style.pop("fill-rule", "") != "evenodd" or "stroke-dasharray" in style:
        return outline, paint
    nonzero = as_nonzero(outline)
    if nonzero is None:
        return outline, paint
    paint = tuple(style.items())
    return normalise(nonzero, paint), paint


def basic_leaf(shape: str, style: dict[str, str]) -> Leaf:
    """A basic shape, which is filled alike by any rule."""
    return Leaf(shape, [], tuple((name, value) for name, value in style.items() if name != "fill-rule"))


@dataclass
class Block:
    """A group that is drawn as one: its attributes and what is in it."""

    attributes: Attributes
    pieces: list[Piece]

    def unwrapped(self) -> Piece | None:
        """The group, or its only shape with what it states; None where nothing is seen."""
        only, own = self.pieces[0], dict(self.attributes)
        if len(self.pieces) > 1 or not isinstance(only, Leaf):
            return self
        paint = dict(only.paint)
        if "clip-path" in own and paint.keys() & LAID_OUT:
            return self
        opacity = written_opacity(paint.pop("opacity", "1"), float(own.pop("opacity", "1")))
        if opacity != 1:
            own["opacity"] = short_decimal(opacity)
        return Leaf(only.shape, only.outline, in_order(paint | own)) if opacity else None


Piece = Leaf | Block


@dataclass
class Counts:
    """How many elements and path commands a text has."""

    shapes: int = 0
    commands: int = 0


@dataclass
class PieceWriter:
    """Writes pieces; what the root states is left out."""

    precision: int
    common: dict[str, str] = field(default_factory=dict)
    counts: Counts = field(default_factory=Counts)

    def write(self, pieces: list[Piece]) -> str:
        """The text of pieces in order."""
        return "".join(
            self._leaves(part)
            if isinstance(part, list)
            else f"<g{write_attributes(part.attributes)}>{self.write(part.pieces)}</g>"
            for part in runs_of_leaves(pieces)
        )

    def _leaves(self, leaves: list[Leaf]) -> str:
        """Shapes in order; neighbours of equal paint share a group where that is shorter."""
        text = ""
        for run in runs_of_paint(leaves):
            geometries = [self.geometry(leaf) for leaf in run]
            has_area = any(leaf.has_area() for leaf in run)
            paint = write_attributes(self._stated(run[0].paint, has_area))
            alone = "".join([f"<{geometry}{paint}/>" for geometry in geometries])
            shared = shared_by_group(run[0].paint) if len(run) > 1 else None
            if shared is not None:
                paint = write_attributes(self._stated(shared, has_area))
                grouped = f"<g{paint}>{''.join([f'<{geometry}/>' for geometry in geometries])}</g>"
                alone = min(alone, grouped, key=len)
            text += alone
        return text

    def geometry(self, leaf: Leaf) -> str:
        """A shape's element without paint."""
        self.counts.shapes += 1
        if leaf.shape:
            self.counts.commands += 1
            return leaf.shape
        writer = PathWriter(self.precision)
        text = writer.write(leaf.outline)
        self.counts.commands += writer.n_commands
        return f'path d="{text}"'

    def _stated(self, paint: Attributes, has_area: bool) -> Attributes:
        """What a shape states beside what the root does; nothing of the fill of what has no area."""
        own = dict(paint)
        has_stroke = "stroke" in own
        for name, value in self.common.items():
            if name not in STROKE or has_stroke:
                if own.get(name, INHERITED[name]) == value:
                    own.pop(name, None)
                else:
                    own.setdefault(name, DEFAULTS[name])
        if not has_area:
            own.pop("fill", "")
        return in_order(own)


# Defaults as they are written, and the order of attributes.
DEFAULTS = {**INHERITED, "fill": "black"}
ORDER = (
    "fill", "fill-opacity", "fill-rule", "stroke", *STROKE[:3], "stroke-miterlimit", "stroke-opacity",
    "stroke-dasharray", "stroke-dashoffset", "paint-order", "opacity", "clip-path", "transform",
)  # fmt: skip


def leaves_of(pieces: Iterable[Piece]) -> Iterator[Leaf]:
    for piece in pieces:
        if isinstance(piece, Leaf):
            yield piece
        else:
            yield from leaves_of(piece.pieces)


def runs_of_leaves(pieces: Iterable[Piece]) -> Iterator[list[Leaf] | Block]:
    run: list[Leaf] = []
    for piece in pieces:
        if isinstance(piece, Leaf):
            run.append(piece)
            continue
        if run:
            yield run
        yield piece
        run = []
    if run:
        yield run


def runs_of_paint(leaves: list[Leaf]) -> Iterator[list[Leaf]]:
    start = 0
    for stop in range(1, len(leaves) + 1):
        if stop == len(leaves) or leaves[stop].paint != leaves[start].paint:
            yield leaves[start:stop]
            start = stop


def join_pieces(pieces: list[Piece], grid: float) -> list[Piece]:
    """The pieces with shapes joined where the picture stays the same; `grid` is the unit of their outlines."""
    joined: list[Piece] = []
    blocks = (
        Block(piece.attributes, join_pieces(piece.pieces, grid)).unwrapped() if isinstance(piece, Block) else piece
        for piece in pieces
    )
    for part in runs_of_leaves(piece for piece in blocks if piece):
        if isinstance(part, Block):
            joined.append(part)
        else:
            joined.extend(join_leaves(part, grid))
    return joined


def join_leaves(leaves: list[Leaf], grid: float) -> list[Leaf]:
    """Shapes joined until nothing changes: paths that became one may have the geometry of a neighbour."""
    joined = list(join_paths(list(join_fill_and_stroke(leaves)), grid))
    return joined if len(joined) == len(leaves) else join_leaves(joined, grid)


def settle_pieces(pieces: list[Piece], precision: int) -> list[Piece]:
    """The pieces with their simplified outlines in normal form, without those that draw nothing."""
    settled: list[Piece | None] = []
    for piece in pieces:
        if isinstance(piece, Leaf):
            settled.append(piece.settled(precision))
        else:
            inner = settle_pieces(piece.pieces, precision)
            settled.append(Block(piece.attributes, inner).unwrapped() if inner else None)
    return [piece for piece in settled if piece]


def join_fill_and_stroke(leaves: list[Leaf]) -> Iterator[Leaf]:
    """A filled shape and the stroke of the same geometry right after it become one.

    Exact, since a shape's own stroke is painted over its own fill.
    """
    waiting: Leaf | None = None
    for leaf in leaves:
        both = paint_of_both(waiting.paint, leaf.paint) if waiting else None
        outline = common_outline(waiting, leaf) if waiting and both else None
        if both and outline is not None:
            waiting = Leaf(leaf.shape, normalise(outline, both), both)
            continue
        if waiting:
            yield waiting
        waiting = leaf
    if waiting:
        yield waiting


def common_outline(fill: Leaf, stroke: Leaf) -> Outline | None:
    """The outline of a filled shape and of a stroked one that goes along it; None where it is not the same."""
    if fill.shape != stroke.shape or len(fill.outline) != len(stroke.outline):
        return None
    if normalise(fill.outline, stroke.paint) == stroke.outline:
        return fill.outline
    return stroke.outline if normalise(stroke.outline, fill.paint) == fill.outline else None


def paint_of_both(fill: Attributes, stroke: Attributes) -> Attributes | None:
    """The paint of a shape that has one paint's fill and the other's stroke; None where they are not only that."""
    below, above = dict(fill), dict(stroke)
    if "stroke" in below or above.pop("fill", "") != "none" or (below.keys() | above.keys()) & LAID_OUT:
        return None
    for paint, name in ((below, "fill-opacity"), (above, "stroke-opacity")):
        if "opacity" in paint:
            paint[name] = paint.pop("opacity")
    return in_order(below | above)


def in_order(paint: dict[str, str]) -> Attributes:
    return tuple((name, paint[name]) for name in ORDER if name in paint)


def shared_by_group(paint: Attributes) -> Attributes | None:
    """Paint as a group may state it for its members; None where it cannot, as it would be faded as a whole."""
    style = dict(paint)
    if "clip-path" in style:
        return None
    if "opacity" not in style:
        return paint
    if "stroke" in style and style.get("fill") != "none":
        return None
    style["stroke-opacity" if "stroke" in style else "fill-opacity"] = style.pop("opacity")
    return in_order(style)


def reach_of(style: Mapping[str, str]) -> float:
    """How far a stroke may reach from its outline: in the corners of a square cap, or to the tip of a mitre."""
    if "stroke" not in style:
        return 0.0
    mitre = float(style.get("stroke-miterlimit", 4)) if style.get("stroke-linejoin", "miter") == "miter" else 1.0
    return float(style.get("stroke-width", 1)) / 2 * max(mitre, 2**0.5)


def join_paths(leaves: list[Leaf], grid: float) -> Iterator[Leaf]:
    """Neighbouring paths of equal paint become one where they lie apart, or where nobody sees which is above."""
    for run in runs_of_paint(leaves):
        paint = dict(run[0].paint)
        apart = bool(paint.keys() & SEEN_THROUGH) or paint.get("fill") != "none"
        fixed = paint.keys() & LAID_OUT or any(value.startswith("url(") for value in paint.values())
        reach = reach_of(paint) / grid
        waiting: Leaf | None = None
        boxes: list[Box] = []
        for leaf in run:
            own = [box_around(sub, reach) for sub in leaf.outline] if apart else []
            if waiting and not fixed and not waiting.shape and not leaf.shape and lie_apart(boxes, own):
                waiting = Leaf("", [*waiting.outline, *leaf.outline], leaf.paint)
                boxes += own
                continue
            if waiting:
                yield waiting
            waiting, boxes = leaf, own
        if waiting:
            yield waiting


def lie_apart(boxes: list[Box], others: list[Box]) -> bool:
    """Whether no box of the one list touches any of the other; False also where these are too many to look."""
    return len(boxes) * len(others) <= MAX_PAIRS and not any(
        a[0] <= b[2] and b[0] <= a[2] and a[1] <= b[3] and b[1] <= a[3] for a in boxes for b in others
    )


def common_attributes(pieces: list[Piece]) -> dict[str, str]:
    """What the root should state for all shapes, so that the text gets shorter."""
    runs = [run for part in runs_in_order(pieces) for run in runs_of_paint(part)]
    paints = [dict(run[0].paint) for run in runs]
    filled = [dict(run[0].paint) for run in runs if any(leaf.has_area() for leaf in run)]
    common = {}
    for name in ("fill", "stroke", *STROKE):
        default = DEFAULTS[name]
        stating = filled if name == "fill" else [paint for paint in paints if name not in STROKE or "stroke" in paint]
        values = Counter(paint.get(name, default) for paint in stating)

        def length(root: str, name: str = name, default: str = default, values: Counter[str] = values) -> int:
            stated = 0 if root == default else written(name, root)
            return stated + sum(written(name, value) * n for value, n in values.items() if value != root)

        best = min(values, key=lambda value: (length(value), value), default=default)
        if length(best) < length(default) and not best.startswith("url("):
            common[name] = best
    return common


def runs_in_order(pieces: list[Piece]) -> Iterator[list[Leaf]]:
    for part in runs_of_leaves(pieces):
        if isinstance(part, Block):
            yield from runs_in_order(part.pieces)
        else:
            yield part


def written(name: str, value: str) -> int:
    """The length of an attribute in characters."""
    return len(name) + len(value) + 4
