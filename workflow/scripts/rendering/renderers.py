"""The back ends that turn SVG text into pixels, behind one function.

`render_drawing(drawing, style)` draws a guarded drawing (svg/guard.py) as PNG, and flags what is odd about it.
Neither back end survives every hostile drawing in its own process (see docs/rendering.md): call it through
rendering/worker_pool.py. What a back end draws is what the root of the drawing states: fit_drawing gives it its size in
pixels.
"""

from __future__ import annotations

import io
import math
import re
import resource
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import cast

import svg2png_py
from lxml import etree
from PIL import Image as Picture

from rendering.fonts import GENERIC, find_fonts, flag_fonts, has_text, resolve_families
from rendering.png_writer import write_png
from svg.guard import GuardedDrawing, guard_drawing, view_box
from svg.parse import SVG_NAMESPACE
from svg.resolve import resolve_drawing
from svg.shapes import parse_length, parse_transform

RENDERERS = ("resvg", "cairosvg")
INVISIBLE = 8  # of 255: a smaller difference in colour is none to an eye
LARGER = (4, 3, 5, 6, 7)  # times as large are drawings with patterns drawn, then reduced: tiles are of whole pixels
FEW = 24  # pixels a side that show of most pictures that they have more than one colour

PIXELS = {"": 1, "px": 1, "pt": 4 / 3, "pc": 16, "mm": 96 / 25.4, "cm": 96 / 2.54, "in": 96, "em": 16, "ex": 8}
_LENGTH = re.compile(rf"\s*\+?(\d*\.?\d+(?:e[+-]?\d+)?)\s*({'|'.join(PIXELS)})\s*", re.IGNORECASE)


# Shares of the view box, stated or by default, beside offsets of stops.
has_shares = etree.XPath(
    "boolean(//@*[contains(., '%') and local-name() != 'offset'] | //svg:svg//svg:svg | //svg:symbol"
    " | //svg:linearGradient[@gradientUnits = 'userSpaceOnUse' and not(@x2)]"
    " | //svg:radialGradient[@gradientUnits = 'userSpaceOnUse' and not(@cx and @cy and @r)])",
    namespaces={"svg": SVG_NAMESPACE},
)

Frame = tuple[float, float, float, float]  # left, top, right, bottom in pixels
Colour = tuple[int, int, int]  # RGB, 0 to 255
# From the root of a drawing that states its size in pixels, font files and a background to RGB of that size.
BackEnd = Callable[[etree._Element, tuple[str, ...], Colour], Picture.Image]


@dataclass(frozen=True)
class PictureStyle:
    """How drawings become pictures; the keys of `render` in the configuration."""

    renderer: str = "resvg"
    size: int = 224  # side of the square picture in pixels
    background: Colour = (255, 255, 255)
    padding: float = 0.0  # share of the side left free at each edge
    fonts: tuple[str, ...] = ()  # files or folders beside the bundled fonts


@dataclass(frozen=True)
class Rendering:
    """A rendered drawing: PNG bytes of style.size x style.size pixels, RGB, and flags."""

    png: bytes
    flags: list[str]


def render_xml(xml: str, style: PictureStyle) -> Rendering:
    """Render one drawing; runs in a worker. Raises guard.Refused, or whatever the back end raises."""
    return render_drawing(guard_drawing(xml), style)


def render_drawing(drawing: GuardedDrawing, style: PictureStyle) -> Rendering:
    """Render a guarded drawing as PNG."""
    picture, flags = paint_drawing(drawing, style)
    return Rendering(write_png(picture), flags)


def paint_drawing(drawing: GuardedDrawing, style: PictureStyle) -> tuple[Picture.Image, list[str]]:
    """The picture of a guarded drawing, RGB, and its flags: fitted, aspect kept, in the middle, on the background."""
    flags = set(drawing.flags)
    resolve_drawing(drawing.root, flags)
    fonts = find_fonts(style.fonts) if has_text(drawing.root) else ()
    flags |= flag_fonts(drawing.root, fonts)
    if fonts:
        resolve_families(drawing.root, fonts)
    inner = max(1, round(style.size * (1 - 2 * style.padding)))
    draw = load_back_end(style.renderer)
    with no_new_files(wanted=not fonts):  # text needs font files
        frame = fit_drawing(drawing.root, inner, fonts)
        larger = scale_of_patterns(drawing.root)
        if larger > 1:
            frame = enlarge(drawing.root, frame, larger)

        def paint(background: Colour) -> Picture.Image:
            picture = draw(drawing.root, fonts, background)
            clear_outside(picture, frame or (0, 0, *picture.size), background)
            return on_square(picture.reduce(larger) if larger > 1 else picture, style.size, background)

        picture = paint(style.background)
        colour = only_colour(picture)
        if colour:
            flags.add(flag_colour(colour, style.background, paint))
    return picture, sorted(flags)


def scale_of_patterns(root: etree._Element) -> int:
    """How many times as large a drawing with patterns is drawn: so that their tiles are nearly whole pixels."""
    patterns = list(root.iter(f"{{{SVG_NAMESPACE}}}pattern"))
    box = view_box(root)
    if not patterns or box is None:
        return 1
    unit = int(root.get("width", "")) / box[2]
    sides = [unit * side for pattern in patterns for side in tile_of(pattern) if side > 0]
    return min(
        LARGER,
        key=lambda scale: max((abs(scale * side - round(scale * side)) / side for side in sides), default=0) / scale,
    )


def tile_of(pattern: etree._Element) -> tuple[float, float]:
    """The sides of a pattern's tile in units of the drawing; 0 where they are shares of a box."""
    if pattern.get("patternUnits") != "userSpaceOnUse":
        return 0.0, 0.0
    matrix = parse_transform(pattern.get("patternTransform"))
    width, height = (parse_length(pattern.get(key)) or 0.0 for key in ("width", "height"))
    return width * math.hypot(matrix.a, matrix.b), height * math.hypot(matrix.c, matrix.d)


def enlarge(root: etree._Element, frame: Frame | None, scale: int) -> Frame | None:
    """Let a fitted drawing be drawn larger; its frame then."""
    for key in ("width", "height"):
        root.set(key, str(scale * int(root.get(key, ""))))
    return (frame[0] * scale, frame[1] * scale, frame[2] * scale, frame[3] * scale) if frame else None


def on_square(picture: Picture.Image, size: int, background: Colour) -> Picture.Image:
    """A picture in the middle of a square of `size` pixels."""
    if picture.size == (size, size):
        return picture
    square = Picture.new("RGB", (size, size), background)
    square.paste(picture, ((size - picture.width) // 2, (size - picture.height) // 2))
    return square


def only_colour(picture: Picture.Image) -> Colour | None:
    """The darkest colour of a picture without any visible difference in colour; None for any other picture."""
    few = picture.resize((FEW, FEW), Picture.Resampling.NEAREST)
    if any(high - low > INVISIBLE for low, high in extremes_of(few)):
        return None
    darkest = []
    for low, high in extremes_of(picture):
        if high - low > INVISIBLE:
            return None
        darkest.append(low)
    return darkest[0], darkest[1], darkest[2]


def extremes_of(picture: Picture.Image) -> list[tuple[int, int]]:
    """The least and the greatest value of each channel."""
    return cast(list[tuple[int, int]], picture.getextrema())


def flag_colour(colour: Colour, background: Colour, paint: Callable[[Colour], Picture.Image]) -> str:
    """The flag of a picture of one colour; it is painted on another background to see whether there is anything."""
    if not is_near(colour, background):
        return "single_colour"
    red, green, blue = background
    other = red ^ 128, green ^ 128, blue ^ 128
    seen = only_colour(paint(other))
    return "blank" if seen and is_near(seen, other) else "white_on_white"


def is_near(colour: Colour, other: Colour) -> bool:
    return all(abs(one - two) <= INVISIBLE for one, two in zip(colour, other, strict=True))


def fit_drawing(root: etree._Element, size: int, fonts: tuple[str, ...]) -> Frame | None:
    """Let a drawing fill a square of `size` pixels, as it fits into the picture that it states; aspect kept.

    The picture that it states is its width and height, else its view box, else what its shapes fill. The frame is the
    place of that picture in the middle of the square. None for a drawing whose root keeps its view box, since it has a
    `preserveAspectRatio` of its own or shares of that box: it gets the size of that picture, fitted into the square,
    and the back end does the rest.
    """
    box = view_box(root)
    wide, high = stated_size(root) or (box and box[2:]) or drawn_size(root, fonts)
    aspect = " ".join((root.get("preserveAspectRatio") or "xMidYMid").split())
    x, y, width, height = box or (0.0, 0.0, wide, high)
    if (box and aspect not in ("xMidYMid", "xMidYMid meet")) or (width != height and has_shares(root)):
        root.set("viewBox", f"{x:.9g} {y:.9g} {width:.9g} {height:.9g}")
        root.set("width", str(max(1, round(size * wide / max(wide, high)))))
        root.set("height", str(max(1, round(size * high / max(wide, high)))))
        return None
    scale = min(wide / width, high / height)  # pixels a unit in the stated picture, which may be wider than the box
    whole = max(wide, high) / scale
    root.set("viewBox", f"{x - (whole - width) / 2:.9g} {y - (whole - height) / 2:.9g} {whole:.9g} {whole:.9g}")
    root.set("width", str(size))
    root.set("height", str(size))
    left, top = (size - size * wide / max(wide, high)) / 2, (size - size * high / max(wide, high)) / 2
    return left, top, size - left, size - top


def drawn_size(root: etree._Element, fonts: tuple[str, ...]) -> tuple[float, float]:
    """Width and height from the origin to the right and lower edge of what is drawn, in units. Raises ValueError."""
    return svg2png_py.svg_intrinsic_size(write_xml(root), load_fonts(fonts))


def stated_size(root: etree._Element) -> tuple[float, float] | None:
    """The width and height that a drawing states, in pixels; None where it lacks one or cannot be used."""
    lengths = [_LENGTH.fullmatch(root.get(key) or "") for key in ("width", "height")]
    sizes = [float(length[1]) * PIXELS[length[2].lower()] for length in lengths if length]
    return (sizes[0], sizes[1]) if len(sizes) == 2 and all(0 < size < math.inf for size in sizes) else None


def clear_outside(picture: Picture.Image, frame: Frame, background: Colour) -> None:
    """Clear what was drawn outside of the frame."""
    left, top = math.floor(frame[0]), math.floor(frame[1])
    right, bottom = math.ceil(frame[2]), math.ceil(frame[3])
    for strip in (
        (0, 0, left, picture.height),
        (right, 0, picture.width, picture.height),
        (0, 0, picture.width, top),
        (0, bottom, picture.width, picture.height),
    ):
        if strip[0] < strip[2] and strip[1] < strip[3]:
            picture.paste(background, strip)


def load_back_end(renderer: str) -> BackEnd:
    """The function that draws with a back end. All files that it needs, except fonts, are loaded here."""
    if renderer == "resvg":
        return draw_with_resvg
    import cairosvg

    Picture.init()  # decoders of embedded images

    def draw_with_cairosvg(root: etree._Element, fonts: tuple[str, ...], background: Colour) -> Picture.Image:
        data = cairosvg.svg2png(
            bytestring=write_xml(root).encode(),
            output_width=int(root.get("width", "")),
            output_height=int(root.get("height", "")),
            background_color="#{:02x}{:02x}{:02x}".format(*background),
            unsafe=False,
        )
        with Picture.open(io.BytesIO(data)) as picture:
            return picture.convert("RGB")

    return draw_with_cairosvg


def draw_with_resvg(root: etree._Element, fonts: tuple[str, ...], background: Colour) -> Picture.Image:
    options = svg2png_py.RenderOptions(font_family=GENERIC["serif"])  # of text that names no family
    try:
        pixels, width, height = svg2png_py.svg_to_rgba(
            write_xml(root), load_fonts(fonts), bg_color=(*background, 255), options=options
        )
    except RuntimeError as error:  # its only one, as for a size that is none
        raise ValueError(str(error)) from error
    except BaseException as error:  # a panic in Rust is no Exception
        if type(error).__name__ != "PanicException":
            raise
        raise ValueError(f"resvg cannot draw it ({error})") from error
    return Picture.frombuffer("RGBA", (width, height), pixels).convert("RGB")


@cache
def load_fonts(files: tuple[str, ...]) -> svg2png_py.FontDatabase:
    """Font files as resvg knows them, and no font of this machine beside them."""
    fonts = svg2png_py.FontDatabase()
    for file in files:
        fonts.load_font_file(file)
    return fonts


def write_xml(root: etree._Element) -> str:
    return etree.tostring(root, encoding="unicode")


@contextmanager
def no_new_files(wanted: bool = True) -> Iterator[None]:
    """Let this process open no file and no socket for a while, whatever the back end tries."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (0, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
