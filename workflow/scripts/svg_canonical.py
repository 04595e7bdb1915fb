"""One text for one drawing: parse a hostile SVG, keep what is drawn, write it short on a normalised canvas.

`canonicalise(text, canvas, precision, level)` gives the canonical xml with measures and flags, or raises `Unusable`
with the reason. Level `compact` rewrites geometry: transforms are applied, numbers rounded on a square canvas, styles
resolved. What it cannot rewrite exactly (gradients, clip paths, masks, filters, text, images) falls back to level
`safe`, flagged `kept_safe`, which only removes what is not drawn and what names the drawing. Level `none` checks only.
"""

from __future__ import annotations

import html
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

import cssselect2
from lxml import etree
from svgelements import SVG as SvgElements
from svgelements import Matrix, Path, Shape
from tinycss2.color3 import RGBA

from path_records import convert_path_records, is_path_records
from svg_paths import PathWriter, parse_path, repair_path_data
from svg_style import INHERITED, OWN, Stylesheet, iterate_repairs, read_declarations, resolve_paint, shortest_colour

SVG_NAMESPACE = "http://www.w3.org/2000/svg"
XLINK_HREF = "{http://www.w3.org/1999/xlink}href"

MAX_BYTES = 5_000_000
MAX_DEPTH = 100
MAX_ELEMENTS = 20_000
MAX_USE_DEPTH = 8

CONTAINERS = {"svg", "g", "a", "switch"}
SHAPES = {"path", "rect", "circle", "ellipse", "line", "polyline", "polygon"}
# Drawn only where something refers to them, or not at all.
NOT_DRAWN = {"defs", "symbol", "title", "desc", "metadata", "style", "script", "linearGradient", "radialGradient"}
NOT_DRAWN |= {"clipPath", "mask", "filter", "pattern", "marker", "animate", "animateTransform", "animateMotion", "set"}
NOT_DRAWN |= {"font", "view", "cursor", "foreignObject"}
# Drawn, but not by geometry that we rewrite.
BEYOND = {"text", "image"}


class Unusable(Exception):
    """A drawing that cannot become a sample; the message is the reason."""


class BeyondCompact(Exception):
    """A drawing that the compact level cannot rewrite exactly."""


@dataclass
class Drawing:
    """The canonical text of a drawing with what was measured on the way."""

    xml: str
    n_shapes: int
    n_commands: int
    n_colours: int
    flags: list[str] = field(default_factory=list)


@dataclass
class Leaf:
    """A shape that is drawn: its element text without paint, and its paint."""

    geometry: str
    paint: tuple[tuple[str, str], ...]
    n_commands: int


def canonicalise(text: str, canvas: int, precision: int, level: str) -> Drawing:
    """Canonical xml of an SVG or of path records. Raises Unusable with the reason."""
    repairs: set[str] = set()
    if is_path_records(text):
        try:
            text = convert_path_records(text)
        except ValueError as error:
            raise Unusable(str(error)) from error
        repairs.add("path_records")
    root = parse_svg(text, repairs)
    if level == "compact":
        try:
            return Compactor(root, canvas, precision, repairs).compact()
        except BeyondCompact as reason:
            repairs.add(f"kept_safe:{reason}")
    if level == "none":
        return describe_text(etree.tostring(root, encoding="unicode"), root, repairs)
    clean_names(root)
    return describe_text(etree.tostring(root, encoding="unicode"), root, repairs)


def parse_svg(text: str, repairs: set[str]) -> etree._Element:
    """The root element of a drawing, parsed without DTD, entities, network; checked against the caps."""
    if len(text) > MAX_BYTES:
        raise Unusable(f"larger than {MAX_BYTES} characters")
    text = text.lstrip("\ufeff \t\r\n").replace("\0", "")
    text = re.sub(r"^<\?xml[^>]*\?>", "", text)  # it may declare an encoding that the text no longer has
    doctype = re.match(r"\s*(?:<!--.*?-->\s*)*<!DOCTYPE\s[^\[>]*(\[)?", text, re.DOTALL)
    if doctype and (doctype[1] or "<!ENTITY" in text):
        raise Unusable("a DTD with declarations of its own (entities are refused)")
    text = re.sub(r"<!DOCTYPE[^>]*>", "", text, count=1)
    root = parse_xml(text)
    if root is None:
        mended = mend_text(text, repairs)
        root = parse_xml(mended)
    if root is None:
        raise Unusable("not XML")
    if etree.QName(root).localname != "svg":
        raise Unusable(f"the root element is {etree.QName(root).localname}, not svg")
    if etree.QName(root).namespace != SVG_NAMESPACE:
        repairs.add("repaired:namespace")
        root = parse_xml(add_namespace(etree.tostring(root, encoding="unicode")))
    check_caps(root)
    return root


def parse_xml(text: str) -> etree._Element | None:
    parser = etree.XMLParser(
        resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False, remove_comments=True, remove_pis=True
    )
    try:
        return etree.fromstring(text.encode("utf-8", "surrogatepass"), parser)
    except (etree.XMLSyntaxError, UnicodeDecodeError):
        return None


def mend_text(text: str, repairs: set[str]) -> str:
    """A text that is not XML, with HTML entities resolved, or cut-off elements closed."""
    mended = re.sub(r"&(?!amp;|lt;|gt;|quot;|apos;|#)(\w+);", lambda match: html.unescape(match[0]), text)
    mended = re.sub(r"&(?!\w+;|#)", "&amp;", mended)
    if mended != text:
        repairs.add("repaired:entities")
    if parse_xml(mended) is None:
        whole = mended[: mended.rfind(">") + 1] if mended.rstrip()[-1:] != ">" else mended
        opened: list[str] = []
        for tag in re.finditer(r"<(/?)([A-Za-z][\w:.-]*)[^<>]*?(/?)>", whole):
            if tag[1] and opened and opened[-1] == tag[2]:
                opened.pop()
            elif not tag[1] and not tag[3]:
                opened.append(tag[2])
        closed = whole + "".join(f"</{name}>" for name in reversed(opened))
        if opened and parse_xml(closed) is not None:
            repairs.add("repaired:cut_off")
            return closed
    return mended


def add_namespace(text: str) -> str:
    return re.sub(r"<svg\b", f'<svg xmlns="{SVG_NAMESPACE}"', re.sub(r'\sxmlns="[^"]*"', "", text, count=1), count=1)


def check_caps(root: etree._Element) -> None:
    waiting, n_elements = [(root, 1)], 0
    while waiting:
        element, depth = waiting.pop()
        n_elements += 1
        if depth > MAX_DEPTH:
            raise Unusable(f"elements nested deeper than {MAX_DEPTH}")
        if n_elements > MAX_ELEMENTS:
            raise Unusable(f"more than {MAX_ELEMENTS} elements")
        waiting.extend((child, depth + 1) for child in element)


def local_name(element: etree._Element) -> str:
    """Name of an SVG element, empty for one of another namespace (editor data)."""
    name = etree.QName(element)
    return name.localname if name.namespace == SVG_NAMESPACE else ""


def parse_length(value: str | None) -> float | None:
    """A length in user units; None where it is missing, a percentage, or unusable."""
    match = re.fullmatch(r"\s*([+-]?[\d.]+(?:e[+-]?\d+)?)\s*(px|pt|mm|cm|in|pc)?\s*", value or "", re.IGNORECASE)
    if not match:
        return None
    scale = {"px": 1, "pt": 4 / 3, "mm": 96 / 25.4, "cm": 96 / 2.54, "in": 96, "pc": 16, None: 1}
    try:
        return float(match[1]) * scale[match[2].lower() if match[2] else None]
    except ValueError:
        return None


class Compactor:
    """Rewrites a parsed drawing on a square canvas."""

    def __init__(self, root: etree._Element, canvas: int, precision: int, repairs: set[str]):
        self.root, self.canvas, self.precision, self.flags = root, canvas, precision, repairs
        self.by_id = {element.get("id"): element for element in root.iter(etree.Element) if element.get("id")}
        texts = [element.text or "" for element in root.iter(f"{{{SVG_NAMESPACE}}}style")]
        self.wrappers = {}
        self.stylesheet = Stylesheet(texts) if texts else None
        if texts:
            wrapper = cssselect2.ElementWrapper.from_xml_root(root)
            self.wrappers = {wrapped.etree_element: wrapped for wrapped in wrapper.iter_subtree()}
        self.colours: set[str] = set()

    def compact(self) -> Drawing:
        style = self._cascade(self.root, dict(INHERITED))
        leaves = [leaf for child in self.root for leaf in self._leaves(child, self._view_matrix(), style, 0)]
        if not leaves:
            raise Unusable("nothing is drawn")
        leaves = list(merge_outlines(leaves))
        body = "".join(write_runs(leaves))
        xml = f'<svg xmlns="{SVG_NAMESPACE}" viewBox="0 0 {self.canvas} {self.canvas}">{body}</svg>'
        n_commands = sum(leaf.n_commands for leaf in leaves)
        return Drawing(xml, len(leaves), n_commands, len(self.colours), sorted(self.flags))

    def _view_matrix(self) -> Matrix:
        """The matrix that puts the drawing's own view box, aspect kept, in the middle of the canvas."""
        stated = [parse_length(part) for part in re.split(r"[\s,]+", (self.root.get("viewBox") or "").strip())]
        numbers = [number for number in stated if number is not None]
        if len(stated) != 4 or len(numbers) != 4 or numbers[2] <= 0 or numbers[3] <= 0:
            width, height = parse_length(self.root.get("width")), parse_length(self.root.get("height"))
            if width and height and width > 0 and height > 0:
                numbers = [0.0, 0.0, width, height]
            else:
                numbers = self._bounds()
                self.flags.add("repaired:viewbox")
        x, y, width, height = numbers
        scale = self.canvas / max(width, height)
        left, top = (self.canvas - scale * width) / 2, (self.canvas - scale * height) / 2
        return Matrix(scale, 0, 0, scale, left - scale * x, top - scale * y)

    def _bounds(self) -> list[float]:
        """The box of the geometry, for a drawing that states no size."""
        boxes = []
        style = self._cascade(self.root, dict(INHERITED))
        for child in self.root:
            for shape, matrix, _ in self._shapes(child, Matrix(), style, 0):
                box = (shape * matrix).bbox()
                if box:
                    boxes.append(box)
        if not boxes:
            raise Unusable("nothing is drawn")
        left, top = min(box[0] for box in boxes), min(box[1] for box in boxes)
        right, bottom = max(box[2] for box in boxes), max(box[3] for box in boxes)
        if right <= left and bottom <= top:
            raise Unusable("the drawing has no extent")
        return [left, top, max(right - left, 1e-6), max(bottom - top, 1e-6)]

    def _cascade(self, element: etree._Element, inherited: dict[str, str]) -> dict[str, str]:
        """The style of an element: inherited, its attributes, CSS rules, style attribute, in this order."""
        own = {name: element.get(name) for name in (*INHERITED, *OWN) if element.get(name) is not None}
        if self.stylesheet and element in self.wrappers:
            own |= self.stylesheet.declarations_of(self.wrappers[element])
        own |= read_declarations(element.get("style") or "")
        self.flags.update(f"repaired:{repair}" for repair in iterate_repairs(own))
        own = {name: value for name, value in own.items() if value != "inherit"}
        return {**{name: inherited[name] for name in INHERITED}, **OWN, **own}

    def _shapes(
        self, element: etree._Element, matrix: Matrix, inherited: dict[str, str], use_depth: int
    ) -> Iterator[tuple[Path, Matrix, tuple[etree._Element, dict[str, str]]]]:
        """Every drawn shape below an element: its path, its matrix, its element and style."""
        name = local_name(element)
        if not name or name in NOT_DRAWN:
            return
        if name in BEYOND:
            raise BeyondCompact(name)
        style = self._cascade(element, inherited)
        if style["display"] == "none":
            return
        for beyond in ("clip-path", "mask", "filter"):
            if style[beyond] != "none":
                raise BeyondCompact(beyond)
        matrix = Matrix(element.get("transform") or "") * matrix
        if name in CONTAINERS:
            if name == "svg" and element is not self.root:
                raise BeyondCompact("nested svg")
            if style["opacity"] != "1" and len(element):
                raise BeyondCompact("group opacity")
            for child in element:
                yield from self._shapes(child, matrix, style, use_depth)
        elif name == "use":
            yield from self._used_shapes(element, matrix, style, use_depth)
        elif name in SHAPES and style["visibility"] == "visible":
            path = self._path_of(element, name)
            if path is not None:
                yield path, matrix, (element, style)

    def _used_shapes(self, element, matrix, style, use_depth):
        target = self.by_id.get((element.get("href") or element.get(XLINK_HREF) or "").removeprefix("#"))
        if target is None:
            self.flags.add("dangling_use")
            return
        if use_depth >= MAX_USE_DEPTH:
            raise Unusable("`use` elements nested too deep or in a circle")
        if local_name(target) == "symbol":
            raise BeyondCompact("symbol")
        offset = Matrix.translate(parse_length(element.get("x")) or 0, parse_length(element.get("y")) or 0)
        if style["opacity"] != "1":
            raise BeyondCompact("group opacity")
        yield from self._shapes(target, offset * matrix, style, use_depth + 1)

    def _path_of(self, element: etree._Element, name: str) -> Path | None:
        """The path of a shape in its own coordinates; None where it draws nothing."""
        if name == "path":
            d, repairs = repair_path_data(element.get("d") or "")
            try:
                path, more = parse_path(d)
            except ValueError as error:
                raise Unusable(str(error)) from error
            self.flags.update(f"repaired:{repair}" for repair in (*repairs, *more))
            return path if len(path) > 1 else None
        attributes = {key: value for key, value in element.attrib.items() if key in GEOMETRY[name]}
        if any("%" in value for value in attributes.values()):
            raise BeyondCompact("percentages")
        text = etree.tostring(etree.Element(f"{{{SVG_NAMESPACE}}}{name}", attributes), encoding="unicode")
        elements = SvgElements.parse(io.StringIO(f"<svg>{text}</svg>")).elements()
        shape = next((element for element in elements if isinstance(element, Shape)), None)
        path = Path(shape) if shape is not None else Path()
        return path if len(path) > 1 else None

    def _leaves(self, element, matrix, inherited, use_depth) -> Iterator[Leaf]:
        for path, place, (shape, style) in self._shapes(element, matrix, inherited, use_depth):
            paint = self._paint(style, place)
            if paint is None:
                continue
            geometry, n_commands = self._geometry(shape, path, place)
            if geometry:
                yield Leaf(geometry, paint, n_commands)

    def _geometry(self, element: etree._Element, path: Path, matrix: Matrix) -> tuple[str, int]:
        """A shape's element without paint, the shorter of basic shape and path, and its number of commands."""
        writer = PathWriter(self.precision)
        text = writer.write(Path(path), matrix)
        if writer.n_commands < 2:
            return "", 0
        as_path = f'path d="{text}"'
        as_shape = self._basic_shape(element, matrix, writer)
        if as_shape:
            return as_shape, 1
        return as_path, writer.n_commands

    def _basic_shape(self, element: etree._Element, matrix: Matrix, writer: PathWriter) -> str:
        """A circle, ellipse or rectangle as such, where the matrix keeps it so; else empty."""
        name = local_name(element)
        if name not in ("circle", "ellipse", "rect") or matrix.b or matrix.c or matrix.a <= 0 or matrix.d <= 0:
            return ""
        scale_x, scale_y = matrix.a, matrix.d
        get = {key: parse_length(element.get(key)) or 0.0 for key in GEOMETRY[name]}
        number = writer.number
        if name == "rect":
            radius_x = parse_length(element.get("rx"))
            radius_y = parse_length(element.get("ry"))
            rx = (radius_x if radius_x is not None else radius_y or 0.0) * scale_x
            ry = (radius_y if radius_y is not None else radius_x or 0.0) * scale_y
            left, top = writer.round(get["x"] * scale_x + matrix.e), writer.round(get["y"] * scale_y + matrix.f)
            right = writer.round((get["x"] + get["width"]) * scale_x + matrix.e)
            bottom = writer.round((get["y"] + get["height"]) * scale_y + matrix.f)
            values = {"x": left, "y": top, "width": right - left, "height": bottom - top, "rx": rx, "ry": ry}
            if abs(rx - ry) < 10**-self.precision / 2:
                values.pop("ry")
        else:
            values = {"cx": get["cx"] * scale_x + matrix.e, "cy": get["cy"] * scale_y + matrix.f}
            if name == "circle" and abs(scale_x - scale_y) < 1e-9:
                values["r"] = get["r"] * scale_x
            else:
                name = "ellipse"
                values["rx"] = (get.get("rx") or get.get("r", 0.0)) * scale_x
                values["ry"] = (get.get("ry") or get.get("r", 0.0)) * scale_y
                if element.get("rx") is None and element.get("r") is None:
                    return ""
            smallest = min(values[key] for key in ("r", "rx", "ry") if key in values)
            if writer.round(smallest) <= 0:
                return ""
        attributes = "".join(f' {key}="{number(value)}"' for key, value in values.items() if writer.round(value) != 0)
        return name + attributes

    def _paint(self, style: dict[str, str], matrix: Matrix) -> tuple[tuple[str, str], ...] | None:
        """The paint attributes of a shape in a fixed order, defaults left out; None where nothing is drawn."""
        paint: dict[str, str] = {}
        fill, fill_opacity = self._colour(style, "fill")
        stroke, stroke_opacity = self._colour(style, "stroke")
        width = parse_length(style["stroke-width"])
        if width is None:
            raise BeyondCompact("stroke width in other units")
        opacity = parse_opacity(style["opacity"])
        if width <= 0 or stroke_opacity == 0:
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
            paint |= self._stroke(style, stroke, stroke_opacity, width, matrix)
        paint["opacity"] = short_decimal(opacity)
        self.colours.update(colour for colour in (fill, stroke) if colour != "none")
        defaults = {**INHERITED, **OWN}
        return tuple((name, value) for name, value in paint.items() if value != defaults.get(name))

    def _stroke(self, style, stroke: str, opacity: float, width: float, matrix: Matrix) -> dict[str, str]:
        scale = abs(matrix.a * matrix.d - matrix.b * matrix.c) ** 0.5
        if abs(matrix.a**2 + matrix.b**2 - scale**2) > 1e-3 * scale**2 or abs(
            matrix.a * matrix.c + matrix.b * matrix.d
        ) > (1e-3 * scale**2):
            raise BeyondCompact("stroke under a skewed transform")
        paint = {"stroke": stroke, "stroke-width": short_decimal(width * scale, max(self.precision, 1))}
        for name in ("stroke-linecap", "stroke-linejoin"):
            paint[name] = style[name]
        if style["stroke-linejoin"] == "miter":
            paint["stroke-miterlimit"] = style["stroke-miterlimit"]
        paint["stroke-opacity"] = short_decimal(opacity)
        if style["stroke-dasharray"] != "none":
            dashes = [parse_length(part) for part in re.split(r"[\s,]+", style["stroke-dasharray"].strip())]
            if None in dashes:
                raise BeyondCompact("dashes in other units")
            paint["stroke-dasharray"] = " ".join(short_decimal(dash * scale, max(self.precision, 1)) for dash in dashes)
            offset = parse_length(style["stroke-dashoffset"]) or 0.0
            paint["stroke-dashoffset"] = short_decimal(offset * scale, max(self.precision, 1))
        return paint

    def _colour(self, style: dict[str, str], name: str) -> tuple[str, float]:
        """The shortest text of a paint and its opacity."""
        paint = resolve_paint(style[name], style["color"])
        opacity = parse_opacity(style[f"{name}-opacity"])
        if paint is None:
            self.flags.add("unknown_colour")
            return ("black" if name == "fill" else "none"), opacity
        if isinstance(paint, RGBA):
            return shortest_colour(paint), opacity * paint.alpha
        if paint != "none":
            raise BeyondCompact("gradient or pattern")
        return "none", opacity


GEOMETRY = {
    "rect": ("x", "y", "width", "height", "rx", "ry"),
    "circle": ("cx", "cy", "r"),
    "ellipse": ("cx", "cy", "rx", "ry"),
    "line": ("x1", "y1", "x2", "y2"),
    "polyline": ("points",),
    "polygon": ("points",),
}


def parse_opacity(value: str) -> float:
    match = re.fullmatch(r"\s*([+-]?[\d.]+(?:e[+-]?\d+)?)(%)?\s*", value or "", re.IGNORECASE)
    number = float(match[1]) / (100 if match[2] else 1) if match else 1.0
    return min(max(number, 0.0), 1.0)


def short_decimal(value: float, precision: int = 2) -> str:
    """A number without needless zeros: 1, .5, 2.25."""
    text = f"{value:.{precision}f}"
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return re.sub(r"^(-?)0\.", r"\1.", text)


def merge_outlines(leaves: list[Leaf]) -> Iterator[Leaf]:
    """The shapes, a filled one and the outline of the same geometry right after it made into one.

    Exact, since a shape's own stroke is painted over its own fill.
    """
    waiting: Leaf | None = None
    for leaf in leaves:
        paint = dict(leaf.paint)
        is_outline = paint.pop("fill", "") == "none" and "opacity" not in paint
        below = dict(waiting.paint) if waiting else {}
        if waiting and is_outline and leaf.geometry == waiting.geometry and not below.keys() & {"stroke", "opacity"}:
            waiting = Leaf(leaf.geometry, (*waiting.paint, *paint.items()), leaf.n_commands)
            continue
        if waiting:
            yield waiting
        waiting = leaf
    if waiting:
        yield waiting


def write_runs(leaves: list[Leaf]) -> Iterator[str]:
    """The shapes in order; neighbours of equal paint share a group where that is shorter."""
    start = 0
    while start < len(leaves):
        stop = start + 1
        while stop < len(leaves) and leaves[stop].paint == leaves[start].paint:
            stop += 1
        run, paint = leaves[start:stop], write_paint(leaves[start].paint)
        alone = "".join(f"<{leaf.geometry}{paint}/>" for leaf in run)
        grouped = f"<g{paint}>{''.join(f'<{leaf.geometry}/>' for leaf in run)}</g>"
        yield min(alone, grouped, key=len)
        start = stop


def write_paint(paint: tuple[tuple[str, str], ...]) -> str:
    return "".join(f' {name}="{value}"' for name, value in paint)


def clean_names(root: etree._Element) -> None:
    """Level safe: remove what is not drawn and what may name the drawing; references get short ids."""
    for element in list(root.iter(etree.Element)):
        name = local_name(element)
        if element is not root and (not name or name in ("title", "desc", "metadata", "script", "foreignObject")):
            parent = element.getparent()
            if parent is not None:
                parent.remove(element)
    has_css = any(True for _ in root.iter(f"{{{SVG_NAMESPACE}}}style"))
    text = etree.tostring(root, encoding="unicode")
    referenced = set(re.findall(r"url\(\s*['\"]?#([^)'\"\s]+)", text)) | set(re.findall(r'href="#([^"]+)"', text))
    short = {name: f"i{number}" for number, name in enumerate(sorted(referenced))}
    for element in root.iter(etree.Element):
        for key in list(element.attrib):
            namespace = etree.QName(key).namespace
            foreign = namespace not in (None, "http://www.w3.org/1999/xlink", "http://www.w3.org/XML/1998/namespace")
            plain = etree.QName(key).localname
            drops = foreign or plain.startswith(("data-", "aria-", "on")) or plain in ("role", "tabindex", "lang")
            if drops or (plain == "class" and not has_css) or (plain == "id" and element.get(key) not in short):
                del element.attrib[key]
            elif plain == "id":
                element.set(key, short[element.get(key)])
            else:
                element.set(key, rename_references(element.get(key), short))
        if local_name(element) == "style" and element.text:
            element.text = rename_references(element.text, short)
    etree.cleanup_namespaces(root)


def rename_references(value: str, short: dict[str, str]) -> str:
    value = re.sub(r"url\(\s*['\"]?#([^)'\"\s]+)['\"]?\s*\)", lambda m: f"url(#{short.get(m[1], m[1])})", value)
    return f"#{short[value[1:]]}" if value.startswith("#") and value[1:] in short else value


def describe_text(xml: str, root: etree._Element, flags: set[str]) -> Drawing:
    """Measures of a drawing that was not rewritten."""
    shapes = [element for element in root.iter(etree.Element) if local_name(element) in SHAPES | BEYOND | {"use"}]
    if not shapes:
        raise Unusable("nothing is drawn")
    if any(local_name(element) == "text" for element in shapes):
        flags.add("has_text")
    n_commands = sum(
        len(re.findall(r"[A-Za-z]", element.get("d") or "")) if local_name(element) == "path" else 1
        for element in shapes
    )
    colours = set(re.findall(r"(?:fill|stroke)\s*[:=]\s*\"?\s*(#\w+|[a-z]+|rgb\([^)]*\))", xml)) - {"none"}
    return Drawing(re.sub(r">\s+<", "><", xml), len(shapes), n_commands, len(colours), sorted(flags))
