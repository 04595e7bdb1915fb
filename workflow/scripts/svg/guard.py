"""Guard for untrusted drawings: removes external references and limits sizes before a renderer reads them.

`guard_drawing(xml)` returns the text to draw. It removes and flags external references and content that is no
drawing (links to files and hosts, imported stylesheets, scripts, HTML), so that the rest is drawn. It rejects, with the
reason, what a renderer cannot process safely (see docs/rendering.md).
"""

from __future__ import annotations

import math
import re
import sys
from dataclasses import dataclass, field
from functools import lru_cache

from lxml import etree

from svg.embedded_images import TooLarge, check_embedded
from svg.path_records import displayed_drawing

MAX_CHARS = 5_000_000
MAX_DEPTH = 100  # the deepest of five real sets has 13; resvg overflows its stack at 255
MAX_ELEMENTS = 20_000
MAX_PATH_PARTS = 300_000  # commands, and what parts their numbers
MAX_FILTER_NUMBER = 500  # or the larger side of the view box
MAX_OCTAVES = 10  # each octave has half the strength of the one before: the eleventh is below one step of colour

PATH_PARTS = "MmLlHhVvCcSsQqTtAaZz ,\t\n"
FILTER_ATTRIBUTES = {"stdDeviation", "radius", "order"}
IMAGES = {"image", "feImage"}
XHTML = "http://www.w3.org/1999/xhtml"  # the one extension of SVG that browsers have
ANIMATIONS = {"animate", "animateColor", "animateMotion", "animateTransform", "set", "mpath", "discard"}
NOT_DRAWING = {"script", "foreignObject", "iframe", "object", "embed", "audio", "video", "handler", "listener"}

_NUMBER = re.compile(r"-?\d*\.?\d+(?:e[+-]?\d+)?", re.IGNORECASE)
# A namespace is named by an address, and not read from there.
_URL = re.compile(r"@namespace[^;{}]*;|url\(\s*(['\"]?)\s*([^)'\"]*)\1\s*\)?", re.IGNORECASE)
_IMPORT = re.compile(r"@import[^;]*;?", re.IGNORECASE)
_LINKING = re.compile(r"url\(|@import", re.IGNORECASE)
_ESCAPE = re.compile(r"\\(?:([0-9a-fA-F]{1,6})\s?|([^\n]|$))")
_COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)
_DOCTYPE = re.compile(r"<!DOCTYPE[^>\[]*>")
_DECLARATION = re.compile(r"\A[\s\ufeff]*<\?xml[^>]*\?>")


class Refused(Exception):
    """A drawing that no renderer gets; the message is the reason."""


@dataclass
class GuardedDrawing:
    """A drawing that is safe to hand to a renderer in a killable worker."""

    root: etree._Element
    flags: set[str] = field(default_factory=set)


def guard_drawing(xml: str) -> GuardedDrawing:
    """The drawing without what reaches outside it. Raises Refused for one that exceeds a cap."""
    if len(xml) > MAX_CHARS:
        raise Refused(f"larger than {MAX_CHARS} characters")
    drawing = GuardedDrawing(parse_drawing(xml))
    elements = check_size(drawing.root)
    largest = max([MAX_FILTER_NUMBER, *(view_box(drawing.root) or ())[2:]])
    n_pixels = 0
    for element in elements:
        name = plain_name(element.tag)
        if name in NOT_DRAWING:
            drawing.flags |= flags_of_removed(element, name)
            remove_element(element)
            continue
        guard_references(element, drawing.flags)
        if name.startswith("fe"):
            bound_filter(element, largest)
        if name in IMAGES:
            try:
                n_pixels += check_embedded(element, drawing.flags, n_pixels)
            except TooLarge as reason:
                raise Refused(str(reason)) from reason
    check_uses(drawing.root)
    return drawing


@lru_cache(maxsize=4096)
def plain_name(name: str) -> str:
    """The name of an element or attribute without its namespace."""
    return name.rpartition("}")[2]


def parse_drawing(xml: str) -> etree._Element:
    """The root of a drawing, parsed without DTD, entities, comments, network. Raises Refused."""
    # The declaration may name an encoding that the text no longer has.
    text = _DECLARATION.sub("", displayed_drawing(xml), count=1)
    text = _DOCTYPE.sub("", text, count=1)  # a document type without declarations of its own is harmless
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        raise Refused("has a document type with declarations of its own")
    root = parse_xml(text.strip().encode("utf-8", "replace"))
    if plain_name(root.tag) != "svg":
        raise Refused(f"the root element is {plain_name(root.tag)}, not svg")
    return root


def parse_xml(data: bytes, n_cut: int = 0) -> etree._Element:
    """The root of a document in UTF-8, parsed without DTD, entities, comments, network.

    Raises Refused with the line and the cause; `n_cut` lines of the file were before the document.
    """
    parser = etree.XMLParser(
        resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False, remove_comments=True, remove_pis=True
    )
    try:
        root = etree.fromstring(data, parser)
    except etree.XMLSyntaxError as error:
        cause = str(error.msg).partition(", line ")[0]
        if "xcessive depth" in cause:
            raise Refused(f"elements nested deeper than {MAX_DEPTH}") from error
        raise Refused(f"not XML (line {n_cut + (error.lineno or 1)}: {cause})") from error
    except UnicodeDecodeError as error:
        raise Refused(f"not XML ({error})") from error
    # lxml lets an undeclared prefix pass when a mere warning follows it: such an element has a name that is none.
    for mistake in parser.error_log.filter_from_errors():
        raise Refused(f"not XML ({mistake.message})")
    for sheet in root.iter(f"{{{XHTML}}}style"):  # styles the drawing as well
        sheet.tag = "{http://www.w3.org/2000/svg}style"
    return root


def check_size(root: etree._Element) -> list[etree._Element]:
    """All elements of a drawing. Raises Refused for too many levels, elements or parts of paths."""
    elements: list[etree._Element] = []
    level, depth = [root], 0
    while level:
        depth += 1
        if depth > MAX_DEPTH:
            raise Refused(f"elements nested deeper than {MAX_DEPTH}")
        elements += level
        if len(elements) > MAX_ELEMENTS:
            raise Refused(f"more than {MAX_ELEMENTS} elements")
        level = [child for element in level for child in element if isinstance(child.tag, str)]
    paths = [path for element in elements if (path := element.get("d") or element.get("points"))]
    # No text has more parts than characters: few drawings need to be counted.
    if (
        sum(map(len, paths)) > MAX_PATH_PARTS
        and sum(path.count(part) for path in paths for part in PATH_PARTS) > MAX_PATH_PARTS
    ):
        raise Refused(f"more than {MAX_PATH_PARTS} commands and numbers in paths")
    return elements


def view_box(root: etree._Element) -> tuple[float, float, float, float] | None:
    """Left, top, width and height of the view box; None where there is none, or none that can be used."""
    numbers = [float(number) for number in _NUMBER.findall(root.get("viewBox") or "")]
    if len(numbers) != 4 or not all(map(math.isfinite, numbers)) or min(numbers[2:]) <= 0:
        return None
    return numbers[0], numbers[1], numbers[2], numbers[3]


def guard_references(element: etree._Element, flags: set[str]) -> None:
    """Take out of an element what points outside the drawing."""
    name = plain_name(element.tag)
    if name == "style" and element.text:
        element.text = guard_css(element.text, flags)
    for key, value in element.items():
        plain = plain_name(key)
        if plain in ("href", "src"):
            if reaches_outside(name, value):
                del element.attrib[key]  # what remains of an image without a source draws nothing
                if name != "a":
                    flags.add("removed:external_reference")
        elif plain == "base" or plain.startswith("on"):
            del element.attrib[key]
        elif "(" in value or "\\" in value:
            guarded = guard_css(value, flags)
            if guarded != value:
                element.set(key, guarded)


def guard_css(text: str, flags: set[str]) -> str:
    """CSS, or an attribute's value, without imports and without links to anything but parts of the drawing."""
    plain = _COMMENT.sub("", text)
    if "\\" in plain and len(_LINKING.findall(plain)) < len(_LINKING.findall(_ESCAPE.sub(spelt_out, plain))):
        plain = plain.replace("\\", "")  # escapes that spell one of the names below
    without = _IMPORT.sub("", plain)
    without = _URL.sub(lambda link: "none" if link[2] and not link[2].strip().startswith("#") else link[0], without)
    if without != plain:
        flags.add("removed:external_reference")
    return without


def spelt_out(escape: re.Match[str]) -> str:
    """The character that an escape of CSS stands for (CSS Syntax 3, 4.3.7)."""
    code = int(escape[1], 16) if escape[1] else 0
    return chr(code) if 0 < code < sys.maxunicode else (escape[2] or "")


def find_removed(root: etree._Element) -> set[str]:
    """The flags of what is taken out of a drawing before it is drawn; the drawing stays as it is.

    Of an animation that is `animated`: the drawing is that before it begins.
    """
    flags: set[str] = set()
    for element in root.iter(etree.Element):
        name = plain_name(element.tag)
        if name in NOT_DRAWING:
            flags |= flags_of_removed(element, name)
        elif name in ANIMATIONS:
            flags.add("animated")
        elif name == "style":
            guard_css(element.text or "", flags)
        for key, value in element.attrib.items():
            if "(" in value or "\\" in value:
                guard_css(value, flags)
            elif plain_name(key) in ("href", "src") and name != "a" and reaches_outside(name, value):
                flags.add("removed:external_reference")
    return flags


def flags_of_removed(element: etree._Element, name: str) -> set[str]:
    """The flag of an element that is no drawing; none where no browser draws it, as the data of an editor."""
    extensions = (element.get("requiredExtensions") or XHTML).split()
    return {f"removed:{name}"} if set(extensions) <= {XHTML} else set()


def reaches_outside(name: str, value: str) -> bool:
    """Whether a link of an element leads to anything but a part of the drawing or an embedded picture."""
    target = value.strip().lower()
    return bool(target) and not target.startswith("#") and not (name in IMAGES and target.startswith("data:"))


def bound_filter(element: etree._Element, largest: float) -> None:
    """Refuse a part of a filter whose work grows without bounds; leave octaves of noise out that nobody would see."""
    for name in FILTER_ATTRIBUTES:
        if any(abs(float(number)) > largest for number in _NUMBER.findall(element.get(name) or "")):
            raise Refused(f"{name} over {largest:g}")
    octaves = _NUMBER.findall(element.get("numOctaves") or "")
    if octaves and float(octaves[0]) > MAX_OCTAVES:
        element.set("numOctaves", str(MAX_OCTAVES))


def remove_element(element: etree._Element) -> None:
    """Remove an element; the text behind it stays."""
    parent = element.getparent()
    if parent is None:
        raise Refused("nothing is left to draw")
    if element.tail:
        before = element.getprevious()
        if before is None:
            parent.text = (parent.text or "") + element.tail
        else:
            before.tail = (before.tail or "") + element.tail
    parent.remove(element)


def check_uses(root: etree._Element) -> None:
    """Refuse `use` elements in a circle, in too long a chain, or that multiply to more than MAX_ELEMENTS."""
    if next(root.iter("{*}use"), None) is None:
        return
    by_id: dict[str, etree._Element] = {}
    for element in root.iter(etree.Element):
        if element.get("id"):
            by_id.setdefault(element.get("id"), element)
    sizes: dict[etree._Element, int] = {}

    def size(element: etree._Element, above: frozenset) -> int:
        if element in sizes:
            return sizes[element]
        if element in above:
            raise Refused("`use` elements in a circle")
        if len(above) > MAX_DEPTH:
            raise Refused(f"`use` elements nested deeper than {MAX_DEPTH}")
        total = 1
        below = above | {element}
        if plain_name(element.tag) == "use":
            href = element.get("href") or element.get("{http://www.w3.org/1999/xlink}href") or ""
            target = by_id.get(href.removeprefix("#"))
            total += size(target, below) if target is not None else 0
        total += sum(size(child, below) for child in element)
        if total > MAX_ELEMENTS:
            raise Refused(f"`use` elements that multiply to more than {MAX_ELEMENTS} shapes")
        sizes[element] = total
        return total

    size(root, frozenset())
