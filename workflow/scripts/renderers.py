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

import numpy as np
import resvg_py
from lxml import etree
from PIL import Image as Picture

from drawing_guard import GuardedDrawing, Refused, guard_drawing, view_box_size
from fonts import GENERIC, complete_families, find_fonts, flag_fonts, has_text

RENDERERS = ("resvg", "cairosvg")
INVISIBLE = 8  # of 255: a smaller difference in colour is none to an eye
PNG_LEVEL = 4


PIXELS = {"": 1, "px": 1, "pt": 4 / 3, "pc": 16, "mm": 96 / 25.4, "cm": 96 / 2.54, "in": 96, "em": 16, "ex": 8}
_LENGTH = re.compile(rf"\s*\+?(\d*\.?\d+(?:e[+-]?\d+)?)\s*({'|'.join(PIXELS)})\s*", re.IGNORECASE)


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
    """Render a guarded drawing: fitted, aspect kept, in the middle, on the background."""
    fonts = find_fonts(style.fonts) if has_text(drawing.root) else ()
    flags = drawing.flags | flag_fonts(drawing.root, fonts)
    if fonts:
        complete_families(drawing.root, fonts)
        drawing.xml = etree.tostring(drawing.root, encoding="unicode")
    inner = max(1, round(style.size * (1 - 2 * style.padding)))
    draw = load_back_end(style.renderer)
    with no_new_files(wanted=not fonts):  # text needs font files
        data = draw(drawing, inner, fonts)
    with Picture.open(io.BytesIO(data)) as opened:
        picture = opened.convert("RGBA")
    picture.thumbnail((inner, inner))
    place = ((style.size - picture.width) // 2, (style.size - picture.height) // 2)
    square = Picture.new("RGBA", (style.size, style.size), (*style.background, 255))
    square.alpha_composite(picture, place)
    flat = square.convert("RGB")
    buffer = io.BytesIO()
    flat.save(buffer, "PNG", compress_level=PNG_LEVEL)
    drawn = bool(picture.getchannel("A").getextrema()[1])
    return Rendering(buffer.getvalue(), sorted(flags | flag_picture(flat, drawn, style.background)))


def flag_picture(picture: Picture.Image, drawn: bool, background: tuple[int, int, int]) -> set[str]:
    """Flags of a picture without any visible difference in colour."""
    pixels = np.asarray(picture)
    darkest, brightest = pixels.min(axis=(0, 1)), pixels.max(axis=(0, 1))
    if (brightest - darkest).max() > INVISIBLE:
        return set()
    if np.abs(darkest.astype(int) - background).max() > INVISIBLE:
        return {"single_colour"}
    return {"white_on_white" if drawn else "blank"}


def load_back_end(renderer: str) -> Callable[[GuardedDrawing, int, tuple[str, ...]], bytes]:
    """The function that draws with a back end: from drawing, size and font files to PNG bytes, transparent behind.

    The longer side of the picture has `size` pixels. What the back end needs of the disk is loaded here.
    """
    if renderer == "resvg":
        return draw_with_resvg
    import cairosvg

    Picture.init()  # decoders of embedded images

    def draw_with_cairosvg(drawing: GuardedDrawing, size: int, fonts: tuple[str, ...]) -> bytes:
        width, height = natural_size(drawing.root)
        scale = size / max(width, height)
        return cairosvg.svg2png(
            bytestring=drawing.xml.encode(),
            output_width=max(1, round(width * scale)),
            output_height=max(1, round(height * scale)),
            unsafe=False,
        )

    return draw_with_cairosvg


def draw_with_resvg(drawing: GuardedDrawing, size: int, fonts: tuple[str, ...]) -> bytes:
    return resvg_py.svg_to_bytes(
        svg_string=drawing.xml,
        width=size,
        height=size,
        dpi=96,  # 0, its default, makes strokes in pt or mm vanish
        skip_system_fonts=True,
        font_files=list(fonts),
        serif_family=GENERIC["serif"],
        sans_serif_family=GENERIC["sans-serif"],
        monospace_family=GENERIC["monospace"],
        cursive_family=GENERIC["cursive"],
        fantasy_family=GENERIC["fantasy"],
    )


def natural_size(root: etree._Element) -> tuple[float, float]:
    """Width and height that a drawing states, else those of its view box. Raises Refused for one without any."""
    stated = [_LENGTH.fullmatch(root.get(key) or "") for key in ("width", "height")]
    sizes = [float(length[1]) * PIXELS[length[2].lower()] for length in stated if length]
    if len(sizes) < 2 or not all(0 < size < math.inf for size in sizes):
        sizes = list(view_box_size(root))
    if not all(sizes):
        raise Refused("states no size that cairosvg could use")
    return sizes[0], sizes[1]


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
