"""The pieces of a compact drawing, shapes and groups: joined where the picture stays the same, and written.

Neighbours of equal paint become one path, or share a group; what most shapes state, the root states once.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from svg_outlines import Outline, Subpath
from svg_paths import PathWriter
from svg_style import INHERITED, Attributes, short_decimal, write_attributes, written_opacity

MAX_PAIRS = 10_000  # of subpaths that are compared before two paths become one
STROKE = ("stroke-width", "stroke-linecap", "stroke-linejoin", "stroke-miterlimit")
# Seen through, or laid out along the whole: paths of such paint are joined only where they lie apart, or never.
SEEN_THROUGH = {"opacity", "fill-opacity", "stroke-opacity", "stroke-dasharray"}
LAID_OUT = {"clip-path", "transform"}

Box = tuple[float, float, float, float]


@dataclass
class Leaf:
    """A shape that is drawn: a basic shape's text or an outline, and its paint."""

    shape: str
    outline: Outline
    paint: Attributes

    def has_geometry_of(self, other: Leaf) -> bool:
        return self.shape == other.shape and self.outline == other.outline


@dataclass
class Block:
    """A group that is drawn as one: its attributes and what is in it."""

    attributes: Attributes
    pieces: list[Piece]

    def unwrapped(self) -> Piece | None:
        """The group, or its only shape with the opacity where it states nothing else; None where nothing is seen."""
        only = self.pieces[0]
        if len(self.pieces) > 1 or not isinstance(only, Leaf) or [name for name, _ in self.attributes] != ["opacity"]:
            return self
        own = dict(only.paint)
        opacity = written_opacity(own.get("opacity", "1"), float(self.attributes[0][1]))
        own["opacity"] = short_decimal(opacity)
        return Leaf(only.shape, only.outline, tuple(own.items())) if opacity else None


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
            paint = write_attributes(self._stated(run[0].paint))
            alone = "".join(f"<{geometry}{paint}/>" for geometry in geometries)
            grouped = f"<g{paint}>{''.join(f'<{geometry}/>' for geometry in geometries)}</g>"
            # A group is faded as a whole, and not each of its members.
            text += alone if "opacity" in dict(run[0].paint) else min(alone, grouped, key=len)
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

    def _stated(self, paint: Attributes) -> Attributes:
        """What a shape states beside what the root does."""
        own = dict(paint)
        has_stroke = "stroke" in own
        for name, value in self.common.items():
            if name not in STROKE or has_stroke:
                if own.get(name, INHERITED[name]) == value:
                    own.pop(name, None)
                else:
                    own.setdefault(name, DEFAULTS[name])
        return tuple((name, own[name]) for name in ORDER if name in own)


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


def join_fill_and_stroke(leaves: list[Leaf]) -> Iterator[Leaf]:
    """A filled shape and the stroke of the same geometry right after it become one.

    Exact, since a shape's own stroke is painted over its own fill.
    """
    whole = {"opacity", *LAID_OUT}
    waiting: Leaf | None = None
    for leaf in leaves:
        paint = dict(leaf.paint)
        is_stroke = paint.pop("fill", "") == "none" and not paint.keys() & whole
        below = dict(waiting.paint) if waiting else {}
        if waiting and is_stroke and leaf.has_geometry_of(waiting) and not below.keys() & {"stroke", *whole}:
            waiting = Leaf(leaf.shape, leaf.outline, (*waiting.paint, *paint.items()))
            continue
        if waiting:
            yield waiting
        waiting = leaf
    if waiting:
        yield waiting


def join_paths(leaves: list[Leaf], grid: float) -> Iterator[Leaf]:
    """Neighbouring paths of equal paint become one where they lie apart, or where nobody sees which is above."""
    for run in runs_of_paint(leaves):
        paint = dict(run[0].paint)
        apart = bool(paint.keys() & SEEN_THROUGH) or paint.get("fill") != "none"
        fixed = paint.keys() & LAID_OUT or any(value.startswith("url(") for value in paint.values())
        reach = (
            float(paint.get("stroke-width", 1)) * float(paint.get("stroke-miterlimit", 4)) if "stroke" in paint else 0
        )
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


def box_around(sub: Subpath, reach: float) -> Box:
    """A box that holds a subpath and what its stroke covers."""
    points = [sub.start]
    for segment in sub.segments:
        if segment[0] == "A":
            corner = complex(max(segment[1].real, segment[1].imag, abs(segment[-1] - points[-1])) * 2) * (1 + 1j)
            points += [segment[-1] - corner, segment[-1] + corner, segment[-1]]
        else:
            points += segment[1:]
    xs, ys = [point.real for point in points], [point.imag for point in points]
    return min(xs) - reach, min(ys) - reach, max(xs) + reach, max(ys) + reach


def lie_apart(boxes: list[Box], others: list[Box]) -> bool:
    """Whether no box of the one list touches any of the other; False also where these are too many to look."""
    return len(boxes) * len(others) <= MAX_PAIRS and not any(
        a[0] <= b[2] and b[0] <= a[2] and a[1] <= b[3] and b[1] <= a[3] for a in boxes for b in others
    )


def common_attributes(pieces: list[Piece]) -> dict[str, str]:
    """What the root should state for all shapes, so that the text gets shorter."""
    paints = [dict(run[0].paint) for part in runs_in_order(pieces) for run in runs_of_paint(part)]
    common = {}
    for name in ("fill", "stroke", *STROKE):
        default = DEFAULTS[name]
        values = Counter(paint.get(name, default) for paint in paints if name not in STROKE or "stroke" in paint)

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
