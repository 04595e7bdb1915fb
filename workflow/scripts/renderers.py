"""The back ends that turn SVG text into pixels, behind one function.

`render_drawing(drawing, style)` draws a guarded drawing (drawing_guard.py) as PNG, and flags what is odd about it.
Neither back end survives every hostile drawing in its own process (see docs/rendering.md): call it through
worker_pool.py.
"""

from __future__ import annotations

import io
import math
import re
import resource
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import cast

import resvg_py
from lxml import etree
from PIL import Image as Picture

from drawing_guard import GuardedDrawing, guard_drawing, view_box
from fonts import GENERIC, complete_families, find_fonts, flag_fonts, has_text

RENDERERS = ("resvg", "cairosvg")
INVISIBLE = 8  # of 255: a smaller difference in colour is none to an eye
PNG_LEVEL = 4


PIXELS = {"": 1, "px": 1, "pt": 4 / 3, "pc": 16, "mm": 96 / 25.4, "cm": 96 / 2.54, "in": 96, "em": 16, "ex": 8}
_LENGTH = re.compile(rf"\s*\+?(\d*\.?\d+(?:e[+-]?\d+)?)\s*({'|'.join(PIXELS)})\s*", re.IGNORECASE)


Frame = tuple[float, float, float, float]  # left, top, right, bottom in pixels


@dataclass(frozen=True)
class PictureStyle:
    """How drawings become pictures; the keys of `render` in the configuration."""

    renderer: str = "resvg"
    size: int = 224  # side of the square picture in pixels
    background: tuple[int, int, int] = (255, 255, 255)
    padding: float = 0.0  # share of the side left free at each edge
    fonts: tuple[str, ...] = ()  # files or folders beside the bundled fonts


@dataclass(frozen=True)
class Rendering:
    """A rendered drawing: PNG bytes of style.size x style.size pixels, RGB, and flags."""

    png: bytes
    flags: list[str]


def render_xml(xml: str, style: PictureStyle) -> Rendering:
    """Render one drawing; runs in a worker. Raises drawing_guard.Refused, or whatever the back end raises."""
    return render_drawing(guard_drawing(xml), style)


def render_drawing(drawing: GuardedDrawing, style: PictureStyle) -> Rendering:
    """Render a guarded drawing as PNG."""
    picture, flags = paint_drawing(drawing, style)
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", compress_level=PNG_LEVEL)
    return Rendering(buffer.getvalue(), flags)


def paint_drawing(drawing: GuardedDrawing, style: PictureStyle) -> tuple[Picture.Image, list[str]]:
    """The picture of a guarded drawing, RGB, and its flags: fitted, aspect kept, in the middle, on the background."""
    fonts = find_fonts(style.fonts) if has_text(drawing.root) else ()
    flags = drawing.flags | flag_fonts(drawing.root, fonts)
    if fonts:
        complete_families(drawing.root, fonts)
    inner = max(1, round(style.size * (1 - 2 * style.padding)))
    draw = load_back_end(style.renderer)
    stated = stated_size(drawing.root)
    frame = fit_to_square(drawing.root, stated, inner)
    xml = etree.tostring(drawing.root, encoding="unicode")
    with no_new_files(wanted=not fonts):  # text needs font files
        data = draw(xml, *picture_size(stated, frame, inner), fonts)
    with Picture.open(io.BytesIO(data)) as opened:
        picture = opened.convert("RGBA")
    if frame:
        clear_outside(picture, frame)
    picture.thumbnail((inner, inner))
    place = ((style.size - picture.width) // 2, (style.size - picture.height) // 2)
    square = Picture.new("RGBA", (style.size, style.size), (*style.background, 255))
    square.alpha_composite(picture, place)
    flat = square.convert("RGB")
    drawn = bool(picture.getchannel("A").getextrema()[1])
    return flat, sorted(flags | flag_picture(flat, drawn, style.background))


def flag_picture(picture: Picture.Image, drawn: bool, background: tuple[int, int, int]) -> set[str]:
    """Flags of a picture without any visible difference in colour."""
    ranges = [cast(tuple[int, int], picture.getchannel(channel).getextrema()) for channel in "RGB"]
    if max(brightest - darkest for darkest, brightest in ranges) > INVISIBLE:
        return set()
    if max(abs(darkest - channel) for (darkest, _), channel in zip(ranges, background, strict=True)) > INVISIBLE:
        return {"single_colour"}
    return {"white_on_white" if drawn else "blank"}


def fit_to_square(root: etree._Element, stated: tuple[float, float] | None, size: int) -> Frame | None:
    """Fit a drawing into the middle of a square of `size` pixels, as it fits into the picture that it states.

    The frame is that picture's place in the square. None for a drawing that states no size or an aspect of its own:
    back ends fit it in their own way.
    """
    box = view_box(root) or (stated and (0.0, 0.0, *stated))
    aspect = " ".join((root.get("preserveAspectRatio") or "xMidYMid").split())
    if not box or aspect not in ("xMidYMid", "xMidYMid meet"):
        return None
    x, y, width, height = box
    wide, high = stated or (width, height)
    scale = min(wide / width, high / height)  # pixels a unit in the stated picture, which may be wider than the box
    whole = max(wide, high) / scale
    root.set("viewBox", f"{x - (whole - width) / 2:.9g} {y - (whole - height) / 2:.9g} {whole:.9g} {whole:.9g}")
    root.set("width", str(size))
    root.set("height", str(size))
    left, top = (size - size * wide / max(wide, high)) / 2, (size - size * high / max(wide, high)) / 2
    return left, top, size - left, size - top


def stated_size(root: etree._Element) -> tuple[float, float] | None:
    """The width and height that a drawing states, in pixels; None where it lacks one or cannot be used."""
    lengths = [_LENGTH.fullmatch(root.get(key) or "") for key in ("width", "height")]
    sizes = [float(length[1]) * PIXELS[length[2].lower()] for length in lengths if length]
    return (sizes[0], sizes[1]) if len(sizes) == 2 and all(0 < size < math.inf for size in sizes) else None


def picture_size(stated: tuple[float, float] | None, frame: Frame | None, size: int) -> tuple[int, int]:
    """Width and height of the picture that a back end draws: the square, or what was stated, fitted into it."""
    if frame or not stated:
        return size, size
    width, height = (max(1, round(size * side / max(stated))) for side in stated)
    return width, height


def clear_outside(picture: Picture.Image, frame: Frame) -> None:
    """Make transparent what was drawn outside of the frame."""
    left, top = math.floor(frame[0]), math.floor(frame[1])
    right, bottom = math.ceil(frame[2]), math.ceil(frame[3])
    for strip in (
        (0, 0, left, picture.height),
        (right, 0, picture.width, picture.height),
        (0, 0, picture.width, top),
        (0, bottom, picture.width, picture.height),
    ):
        if strip[0] < strip[2] and strip[1] < strip[3]:
            picture.paste((0, 0, 0, 0), strip)


def load_back_end(renderer: str) -> Callable[[str, int, int, tuple[str, ...]], bytes]:
    """The function that draws with a back end: from xml, width, height and font files to PNG bytes, transparent behind.

    What the back end needs of the disk is loaded here.
    """
    if renderer == "resvg":
        return draw_with_resvg
    import cairosvg

    Picture.init()  # decoders of embedded images

    def draw_with_cairosvg(xml: str, width: int, height: int, fonts: tuple[str, ...]) -> bytes:
        return cairosvg.svg2png(bytestring=xml.encode(), output_width=width, output_height=height, unsafe=False)

    return draw_with_cairosvg


def draw_with_resvg(xml: str, width: int, height: int, fonts: tuple[str, ...]) -> bytes:
    return resvg_py.svg_to_bytes(
        svg_string=xml,
        width=width,
        height=height,
        dpi=96,  # 0, its default, makes strokes in pt or mm vanish
        skip_system_fonts=True,
        font_files=list(fonts),
        serif_family=GENERIC["serif"],
        sans_serif_family=GENERIC["sans-serif"],
        monospace_family=GENERIC["monospace"],
        cursive_family=GENERIC["cursive"],
        fantasy_family=GENERIC["fantasy"],
    )


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
