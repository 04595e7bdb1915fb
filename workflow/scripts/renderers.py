"""The back ends that turn SVG text into pixels, and what is refused before they see it.

Neither back end survives every hostile drawing in its own process (see docs/rendering.md): call them through
worker_pool.py. Neither gets a drawing that points outside itself: resvg reads local files that an `<image>` names.
"""

from __future__ import annotations

import base64
import io
import re

import numpy as np
from lxml import etree
from PIL import Image as Picture

SVG_NAMESPACE = "http://www.w3.org/2000/svg"
MAX_CHARS = 5_000_000
MAX_DEPTH = 100
MAX_ELEMENTS = 20_000
MAX_PATH_COMMANDS = 200_000
MAX_EMBEDDED_PIXELS = 4_000_000
MAX_FILTER_NUMBER = 500
FILTER_ATTRIBUTES = {"stdDeviation", "radius", "numOctaves", "order", "kernelMatrix"}

_URL = re.compile(r"url\(\s*['\"]?\s*([^)'\"]*)", re.IGNORECASE)


class Refused(Exception):
    """A drawing that no back end gets; the message is the reason."""


def check_drawing(xml: str) -> None:
    """Raise Refused for a drawing that reaches outside itself or exceeds a cap."""
    if len(xml) > MAX_CHARS:
        raise Refused(f"larger than {MAX_CHARS} characters")
    if "<!DOCTYPE" in xml or "<!ENTITY" in xml:
        raise Refused("has a DTD")
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False)
    try:
        root = etree.fromstring(xml.encode(), parser)
    except etree.XMLSyntaxError as error:
        raise Refused(f"not XML ({error.msg})") from error
    n_elements, n_commands = 0, 0
    waiting = [(root, 1)]
    while waiting:
        element, depth = waiting.pop()
        if not isinstance(element.tag, str):
            continue
        n_elements += 1
        if depth > MAX_DEPTH:
            raise Refused(f"elements nested deeper than {MAX_DEPTH}")
        check_element(element)
        n_commands += len(re.findall(r"[A-Za-z]|\s+|,", element.get("d") or element.get("points") or ""))
        if n_elements > MAX_ELEMENTS or n_commands > MAX_PATH_COMMANDS:
            raise Refused(f"more than {MAX_ELEMENTS} elements or {MAX_PATH_COMMANDS} path commands")
        waiting.extend((child, depth + 1) for child in element)
    check_uses(root)


def check_element(element: etree._Element) -> None:
    name = etree.QName(element).localname
    if name in ("script", "foreignObject"):
        raise Refused(f"has a {name} element")
    if name == "style" and "@import" in (element.text or ""):
        raise Refused("imports a stylesheet")
    texts = [element.text or ""] if name == "style" else []
    for key, value in element.attrib.items():
        plain = etree.QName(key).localname
        if plain in ("href", "src"):
            check_reference(name, value)
        if plain in FILTER_ATTRIBUTES:
            numbers = re.findall(r"-?\d+(?:\.\d*)?(?:e[+-]?\d+)?", value, re.IGNORECASE)
            if any(abs(float(number)) > MAX_FILTER_NUMBER for number in numbers):
                raise Refused(f"{plain} over {MAX_FILTER_NUMBER}")
        if plain == "numOctaves" and any(float(number) > 8 for number in re.findall(r"\d+", value)):
            raise Refused("turbulence with more than 8 octaves")
        texts.append(value)
    for text in texts:
        for target in _URL.findall(text):
            if not target.startswith("#"):
                raise Refused(f"points outside itself: url({target[:60]})")


def check_reference(name: str, value: str) -> None:
    target = value.strip()
    if target.startswith("#") or not target or name == "a":
        return
    if name in ("image", "feImage") and target.startswith("data:image/"):
        check_embedded_image(target)
        return
    raise Refused(f"points outside itself: {target[:60]}")


def check_embedded_image(target: str) -> None:
    head, _, body = target.partition(",")
    if "svg" in head:
        raise Refused("embeds another SVG")
    try:
        with Picture.open(io.BytesIO(base64.b64decode(body))) as picture:
            width, height = picture.size
    except (ValueError, OSError, Picture.DecompressionBombError) as error:
        raise Refused(f"embeds an image that cannot be read ({type(error).__name__})") from error
    if width * height > MAX_EMBEDDED_PIXELS:
        raise Refused(f"embeds an image of {width} x {height} pixels")


def check_uses(root: etree._Element) -> None:
    """Refuse `use` elements in a circle, or that multiply to more than MAX_ELEMENTS."""
    by_id = {element.get("id"): element for element in root.iter(etree.Element) if element.get("id")}
    sizes: dict[etree._Element, int] = {}

    def size(element: etree._Element, above: frozenset) -> int:
        if element in sizes:
            return sizes[element]
        if element in above:
            raise Refused("`use` elements in a circle")
        total = 1
        below = above | {element}
        if etree.QName(element).localname == "use":
            href = element.get("href") or element.get("{http://www.w3.org/1999/xlink}href") or ""
            target = by_id.get(href.removeprefix("#"))
            total += size(target, below) if target is not None else 0
        total += sum(size(child, below) for child in element if isinstance(child.tag, str))
        if total > MAX_ELEMENTS:
            raise Refused(f"`use` elements that multiply to more than {MAX_ELEMENTS} shapes")
        sizes[element] = total
        return total

    size(root, frozenset())


def render_pixels(xml: str, renderer: str, size: int) -> np.ndarray:
    """A drawing as RGBA (size x size x 4, uint8): fitted, aspect kept, centred, transparent behind."""
    data = render_png_bytes(fit_to_square(xml, size), renderer, size)
    with Picture.open(io.BytesIO(data)) as opened:
        picture = opened.convert("RGBA")
    if picture.size != (size, size):
        square = Picture.new("RGBA", (size, size))
        picture.thumbnail((size, size))
        square.paste(picture, ((size - picture.width) // 2, (size - picture.height) // 2))
        picture = square
    return np.asarray(picture)


def fit_to_square(xml: str, size: int) -> str:
    """The drawing with its size set to `size` pixels; its view box keeps the aspect and centres it."""
    root = etree.fromstring(xml.encode())
    if not root.get("viewBox") and root.get("width") and root.get("height"):
        found = [re.match(r"[\d.]+", root.get(key)) for key in ("width", "height")]
        numbers = [match[0] for match in found if match]
        if len(numbers) == 2:
            root.set("viewBox", f"0 0 {numbers[0]} {numbers[1]}")
    root.set("width", str(size))
    root.set("height", str(size))
    root.attrib.pop("preserveAspectRatio", None)
    return etree.tostring(root, encoding="unicode")


def render_png_bytes(xml: str, renderer: str, size: int) -> bytes:
    """PNG bytes of a drawing by the back end `resvg` or `cairosvg`."""
    if renderer == "resvg":
        import resvg_py

        # dpi 0, its default, makes strokes in pt or mm vanish.
        return bytes(resvg_py.svg_to_bytes(svg_string=xml, dpi=96))
    import cairosvg

    return cairosvg.svg2png(bytestring=xml.encode(), output_width=size, output_height=size, unsafe=False)
