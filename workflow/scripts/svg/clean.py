"""Levels none and safe: take away what describes or names a drawing, and leave what draws it as it was written."""

from __future__ import annotations

import re

import tinycss2
from lxml import etree

from svg.guard import ANIMATIONS, IMAGES, guard_css
from svg.parse import SVG_NAMESPACE, XLINK_HREF, local_name
from svg.shapes import link_of

XML_SPACE = "{http://www.w3.org/XML/1998/namespace}space"
NEVER_DRAWN = ("title", "desc", "metadata", "script", "foreignObject", "view", "cursor", *ANIMATIONS)
DEFINITIONS = ("linearGradient", "radialGradient", "pattern", "clipPath", "mask", "filter", "marker", "symbol")
# What level safe keeps, beside the parts of filters; a renderer skips any other element with all that is in it.
ELEMENTS = {*DEFINITIONS, "svg", "g", "a", "defs", "switch", "use", "image", "stop", "style"} | {
    *("path", "rect", "circle", "ellipse", "line", "polyline", "polygon", "text", "tspan", "textPath", "tref")
}
NAMING_ATTRIBUTES = (
    "role",
    "tabindex",
    "lang",
    "version",
    "baseProfile",
    "enable-background",
    "title",
    "alt",
    "name",
    "label",
)


def words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# Properties of CSS that renderers of SVG read, as attributes or in `style`.
PROPERTIES = words(
    """alignment-baseline baseline-shift clip clip-path clip-rule color color-interpolation color-interpolation-filters
    color-rendering cx cy d direction display dominant-baseline fill fill-opacity fill-rule filter flood-color
    flood-opacity font font-family font-feature-settings font-kerning font-optical-sizing font-size font-size-adjust
    font-stretch font-style font-synthesis font-variant font-variant-caps font-variant-east-asian
    font-variant-ligatures font-variant-numeric font-variant-position font-variation-settings font-weight
    glyph-orientation-horizontal glyph-orientation-vertical height image-rendering inline-size isolation kerning
    letter-spacing lighting-color line-height marker marker-end marker-mid marker-start mask mask-type mix-blend-mode
    opacity overflow paint-order r rx ry shape-inside shape-rendering shape-subtract stop-color stop-opacity stroke
    stroke-dasharray stroke-dashoffset stroke-linecap stroke-linejoin stroke-miterlimit stroke-opacity stroke-width
    text-align text-anchor text-decoration text-decoration-color text-decoration-fill text-decoration-line
    text-decoration-stroke text-decoration-style text-indent text-overflow text-rendering text-underline-position
    transform transform-box transform-origin unicode-bidi vector-effect visibility white-space width word-spacing
    writing-mode x y"""
)
GEOMETRY = words(
    """clipPathUnits cx cy d dx dy filterRes filterUnits fr fx fy gradientTransform gradientUnits height href id
    lengthAdjust markerHeight markerUnits markerWidth maskContentUnits maskUnits method offset orient pathLength
    patternContentUnits patternTransform patternUnits points preserveAspectRatio primitiveUnits r refX refY
    requiredExtensions requiredFeatures rotate rx ry side spacing spreadMethod startOffset style systemLanguage
    textLength transform viewBox width x x1 x2 y y1 y2"""
)
FILTER_PARTS = words(
    """amplitude azimuth baseFrequency bias diffuseConstant divisor edgeMode elevation exponent in in2 intercept k1 k2
    k3 k4 kernelMatrix kernelUnitLength limitingConeAngle mode numOctaves operator order pointsAtX pointsAtY pointsAtZ
    preserveAlpha radius result scale seed slope specularConstant specularExponent stdDeviation stitchTiles surfaceScale
    tableValues targetX targetY type values xChannelSelector yChannelSelector z"""
)
CONDITIONS = ("requiredExtensions", "requiredFeatures", "systemLanguage")
FILTER_SOURCES = ("SourceGraphic", "SourceAlpha", "BackgroundImage", "BackgroundAlpha", "FillPaint", "StrokePaint")

_URL = re.compile(r"url\(\s*['\"]?#([^)'\"\s]+)['\"]?\s*\)")
_COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)
_SELECTORS = re.compile(r"[^{}]*\{")
_NAME = r"-?[^\W\d][\w-]*"
# .name and #name; [id=name], [class=name] and [class~=name], whose name may be in quotes.
_SELECTED = re.compile(rf"""([.#])({_NAME})|(\[\s*(?:id\s*|class\s*~?)=\s*)(["']?)((?<=["'])[^"'\\]+|{_NAME})\4\s*\]""")
_UNRENAMED = re.compile(r"[\[\\]|[.#][^\s\d]")  # other attributes, other operators, escapes, signs in names


def drop_descriptions(root: etree._Element) -> None:
    """Level none: remove descriptions, editor data, scripts, and what no renderer of ours draws; ids get short."""
    for element in list(root.iter(etree.Element)):
        if element is not root and (not local_name(element) or local_name(element) in NEVER_DRAWN):
            remove(element)
    drop_loose_text(root)
    sheets = list(root.iter(f"{{{SVG_NAMESPACE}}}style"))
    selectors = "".join(part for sheet in sheets for part in _SELECTORS.findall(_COMMENT.sub("", sheet.text or "")))
    if _UNRENAMED.search(_SELECTED.sub("", selectors)):
        return  # any attribute may be what a rule is about; svg/label_leakage.py tells what the text gives away
    for element in root.iter(etree.Element):
        drop_editor_attributes(element)
    ids, classes = number_selected(root, selectors)
    for sheet in sheets:
        sheet.text = rename_selectors(rename_references(_COMMENT.sub("", sheet.text or ""), ids), ids, classes)
    for element in root.iter(etree.Element):
        rename_class(element, classes)
        rename_ids(element, ids)
    etree.cleanup_namespaces(root)


def number_selected(root: etree._Element, selectors: str) -> tuple[dict[str, str], dict[str, str]]:
    """Short names of the ids that are referred to and selected, and of the classes that are selected.

    Of all classes where a rule may be about the whole attribute.
    """
    ids = referenced_ids(root)
    classes: list[str] = []
    for match in _SELECTED.finditer(selectors):
        if is_of_id(match):
            ids.append(match[2] or match[5])
        else:
            classes += (match[2] or match[5]).split()
    if any(match[3] and not is_of_id(match) for match in _SELECTED.finditer(selectors)):
        classes += [name for element in root.iter(etree.Element) for name in (element.get("class") or "").split()]
    return number_names("i", ids), number_names("c", classes)


def is_of_id(selected: re.Match[str]) -> bool:
    return selected[1] == "#" or "id" in (selected[3] or "")


def drop_editor_attributes(element: etree._Element) -> None:
    for key in list(element.attrib):
        name = etree.QName(key).localname
        names = name.startswith(("data-", "aria-", "on")) or name in NAMING_ATTRIBUTES
        if names or (key != name and key not in (XLINK_HREF, XML_SPACE)):
            del element.attrib[key]


def clean_names(root: etree._Element) -> None:
    """Level safe: keep only what is drawn, under short names, with attributes in a fixed order."""
    for element in list(root.iter(etree.Element)):
        name = local_name(element)
        if element is not root and name not in ELEMENTS and not name.startswith("fe"):
            remove(element)
    for element in list(root.iter(etree.Element)):
        clean_attributes(element)
        if local_name(element) == "image" and not link_of(element) and not is_branch(element):
            remove(element)
    while drop_not_drawn(root) or drop_unused_definitions(root):
        pass  # what was removed may have been the last to refer to something
    drop_loose_text(root)
    ids = number_names("i", referenced_ids(root))
    for element in root.iter(etree.Element):
        rename_ids(element, ids)
    rename_results(root)
    etree.cleanup_namespaces(root)


def is_branch(element: etree._Element) -> bool:
    """Whether an element is a branch of a `switch`: without it, resvg would choose another one."""
    parent = element.getparent()
    return parent is not None and local_name(parent) == "switch"


def clean_attributes(element: etree._Element) -> None:
    """Keep the attributes that renderers read, without links to the outside: geometry first, then paint, by name."""
    kept = {}
    for key, value in element.attrib.items():
        name = etree.QName(key).localname
        if name == "href" and not is_inside(element, value):
            continue
        if name not in ("href", "style") and ("(" in value or "\\" in value):
            value = guard_css(value, set())
        elif name == "style":
            value = clean_style(value)
        of_filter = local_name(element).startswith("fe") and name in FILTER_PARTS
        known = key == name and (name in GEOMETRY or name in PROPERTIES or of_filter)
        # resvg reads a `space` without its prefix as well.
        spaced = key in (XML_SPACE, "space") and value == "preserve"
        if (known or key == XLINK_HREF or spaced) and (value or name != "style"):
            kept[key] = value
    element.attrib.clear()
    for key in sorted(kept, key=lambda key: (key not in GEOMETRY and key in PROPERTIES, etree.QName(key).localname)):
        element.set(key, kept[key])


def is_inside(element: etree._Element, target: str) -> bool:
    """Whether a link leads to a part of the drawing, or is an embedded picture."""
    target = target.strip().lower()
    return local_name(element) != "a" and (
        target.startswith("#") or (local_name(element) in IMAGES and target.startswith("data:"))
    )


def clean_style(text: str) -> str:
    """The declarations of a `style` attribute that renderers read, without comments."""
    return ";".join(
        f"{declaration.lower_name}:{tinycss2.serialize(declaration.value).strip()}"
        + ("!important" if declaration.important else "")
        for declaration in tinycss2.parse_blocks_contents(guard_css(text, set()))
        if declaration.type == "declaration" and declaration.lower_name in PROPERTIES
    )


def drop_not_drawn(root: etree._Element) -> bool:
    """Remove what is hidden, and the branches of a `switch` after its first; not what something refers to."""
    used = set(referenced_ids(root))
    dropped = False

    def visit(element: etree._Element, hidden: bool, shown: bool) -> None:
        nonlocal dropped
        for position, child in enumerate(list(element)):
            visible = (own_property(child, "visibility") or ("visible" if shown else "hidden")) == "visible"
            gone = hidden or own_property(child, "display") == "none"
            if local_name(element) == "switch":
                # A hidden branch is chosen nevertheless, and has to stay.
                gone = hidden or (position > 0 and not any(key in element[0].attrib for key in CONDITIONS))
            # A hidden shape still counts for the box of its group: only text may say what the drawing is.
            unseen = local_name(child) == "text" and not visible and not says_visibility(child)
            if (gone or unseen) and not holds_used(child, used):
                remove(child)
                dropped = True
            elif child.get("id") not in used:
                visit(child, gone, visible)

    visit(root, False, True)
    return dropped


def own_property(element: etree._Element, name: str) -> str | None:
    """A property as an element's cleaned `style` or its attribute says it."""
    declared = re.findall(rf"(?:^|;){name}:([\w-]+)", element.get("style") or "")
    value: str | None = declared[-1] if declared else element.get(name)
    return value if value != "inherit" else None


def says_visibility(element: etree._Element) -> bool:
    return any(own_property(inner, "visibility") for inner in element.iterdescendants(etree.Element))


def holds_used(element: etree._Element, used: set[str]) -> bool:
    return any(inner.get("id") in used for inner in element.iter(etree.Element))


def drop_loose_text(root: etree._Element) -> None:
    """Remove what is written between shapes; it is not drawn."""
    drawn = {inner for text in root.iter(f"{{{SVG_NAMESPACE}}}text") for inner in text.iter(etree.Element)}
    for element in root.iter(etree.Element):
        if element not in drawn and local_name(element) != "style":
            element.text = None
        if element.getparent() not in drawn:
            element.tail = None


def number_names(prefix: str, names: list[str]) -> dict[str, str]:
    """A short name for each name, in their order."""
    return {name: f"{prefix}{number}" for number, name in enumerate(dict.fromkeys(names))}


def rename_ids(element: etree._Element, ids: dict[str, str]) -> None:
    """Give an element and what it refers to their short names; without one, it needs none."""
    for key, value in element.attrib.items():
        if key != "id":
            element.set(key, rename_references(value, ids))
        elif value in ids:
            element.set(key, ids[value])
        else:
            del element.attrib[key]


def rename_class(element: etree._Element, classes: dict[str, str]) -> None:
    names = (element.get("class") or "").split()
    short = [classes[name] for name in names if name in classes]
    if not short:
        element.attrib.pop("class", None)
    elif len(short) < len(names):
        element.set("class", " ".join(short))
    else:
        element.set("class", rename_words(element.get("class") or "", classes))


def rename_words(text: str, short: dict[str, str]) -> str:
    """A text with short names for its words, and its spaces as they are, on which selectors of attributes depend."""
    return re.sub(r"\S+", lambda word: short.get(word[0], word[0]), text)


def rename_selectors(sheet: str, ids: dict[str, str], classes: dict[str, str]) -> str:
    """A stylesheet with the short names in its selectors."""

    def rename(selected: re.Match[str]) -> str:
        name = selected[2] or selected[5]
        # Before a nested rule there can be declarations, whose references have their short names already.
        short = ids.get(name, name) if is_of_id(selected) else rename_words(name, classes)
        return f"{selected[1]}{short}" if selected[1] else f"{selected[3]}{selected[4]}{short}{selected[4]}]"

    return _SELECTORS.sub(lambda selectors: _SELECTED.sub(rename, selectors[0]), sheet)


def rename_results(root: etree._Element) -> None:
    """Give the results that parts of filters hand on short names; one that no part takes needs none."""
    parts = [element for element in root.iter(etree.Element) if local_name(element).startswith("fe")]
    taken = [value for part in parts for key in ("in", "in2") if (value := part.get(key))]
    short = number_names("r", [name for name in taken if name not in FILTER_SOURCES])
    for part in parts:
        for key in ("in", "in2", "result"):
            name = part.get(key)
            if name in short:
                part.set(key, short[name])
            elif key == "result" and name is not None:
                del part.attrib[key]


def remove(element: etree._Element) -> None:
    """Take an element away, but not the text after it."""
    parent, tail = element.getparent(), element.tail
    if parent is None:
        return
    before = element.getprevious()
    if tail and before is not None:
        before.tail = (before.tail or "") + tail
    elif tail:
        parent.text = (parent.text or "") + tail
    parent.remove(element)


def drop_unused_definitions(root: etree._Element) -> bool:
    """Remove definitions that nothing refers to, in <defs> or elsewhere; whether there were any."""
    used = set(referenced_ids(root))
    unused = [
        element
        for element in root.iter(etree.Element)
        if is_definition(element) and not is_branch(element) and not holds_used(element, used)
    ]
    for element in unused:
        remove(element)
    return bool(unused)


def is_definition(element: etree._Element) -> bool:
    """Whether an element defines something, or is a <defs> without anything."""
    name, parent = local_name(element), element.getparent()
    in_defs = parent is not None and local_name(parent) == "defs"
    return in_defs or name in DEFINITIONS or (name == "defs" and not len(element))


def referenced_ids(root: etree._Element) -> list[str]:
    """The ids that attributes and stylesheets refer to, in the order of the document."""
    found: dict[str, None] = {}
    for element in root.iter(etree.Element):
        if local_name(element) == "style":
            found |= dict.fromkeys(_URL.findall(element.text or ""))
        for key, value in element.attrib.items():
            found |= dict.fromkeys(_URL.findall(value))
            if value.startswith("#") and etree.QName(key).localname == "href":
                found[value[1:]] = None
    return list(found)


def rename_references(value: str, short: dict[str, str]) -> str:
    value = _URL.sub(lambda match: f"url(#{short.get(match[1], match[1])})", value)
    return f"#{short[value[1:]]}" if value.startswith("#") and value[1:] in short else value
