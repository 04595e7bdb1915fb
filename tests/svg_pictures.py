"""Drawings as text, and the pixels that they draw."""

import io

import numpy as np
import svg2png_py
from PIL import Image

from svg.path_records import displayed_drawing

NAMESPACE = 'xmlns="http://www.w3.org/2000/svg"'


def pixels(svg):
    svg = displayed_drawing(svg)
    svg = svg.replace("<svg ", '<svg width="224" height="224" ', 1)
    png = svg2png_py.svg_to_png(svg, svg2png_py.FontDatabase(), bg_color=(255, 255, 255, 255))
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB"), dtype=float)


def wrap(body, attributes='viewBox="0 0 512 512"'):
    return f"<svg {NAMESPACE} {attributes}>{body}</svg>"
