"""What a drawing's elements refer to, as browsers find it: the first element of an id, and none that cannot be used.

Back ends differ on the rest: on second elements of an id, on filters, masks and clip paths that are not there or
hidden, on links of two kinds, on conditions that SVG 2 has given up.
"""

from __future__ import annotations

import re
from urllib.parse import unquote

from lxml import etree

from svg.declarations import TRANSFORM_ATTRIBUTES
from svg.guard import XHTML
from svg.parse import SVG_NAMESPACE, XLINK_HREF, local_name
from svg.shapes import is_hidden, link_of, parse_length
from svg.stylesheets import Declaration, parse_declarations
from svg.values import write_declaration

SYMBOL = f"{{{SVG_NAMESPACE}}}symbol"
GRADIENTS = {"linearGradient", "radialGradient"}
# Elements that a property may refer to.
TARGETS = {
    "clip-path": {"clipPath"},
    "mask": {"mask"},
    "filter": {"filter"},
    "marker": {"marker"},
    "marker-start": {"marker"},
    "marker-mid": {"marker"},
    "marker-end": {"marker"},
    "fill": {*GRADIENTS, "pattern"},
    "stroke": {*GRADIENTS, "pattern"},
}
# Of these, one with `display: none` is none; of the others it does not matter.
MUST_BE_SHOWN = {"clipPath", "mask", "pattern", *GRADIENTS}
MAX_REFERENCES = 16  # of gradients to gradients, or patterns to patterns

_REFERENCE = re.compile(
    r"""url\(\s*(?:"\s*#([^"]*)"|'\s*#([^']*)'|#([^"')]*))\s*\)\s*(.*)""", re.IGNORECASE | re.DOTALL
)
_PLAIN_REFERENCE = re.compile(r"""url\((["']?)#[^\s"'()]+\1\)(?: .*)?""", re.DOTALL)
_PLAIN_ID = re.compile(r"""[^\s"'()]+""")
_HIDDEN = re.compile(r"(?:^|;)\s*display\s*:\s*none\b")


def check_references(root: etree._Element, flags: set[str]) -> None:
    """Leave a drawing, in place, only references that every back end follows alike; `flags` gets what was repaired."""
    by_id: dict[str, etree._Element] = {}
    doubled: list[etree._Element] = []
    referring: list[tuple[etree._Element, str, str]] = []
    linked: set[str] = set()
    for element in root.iter(etree.Element):
        attributes = element.attrib
        for key, value in attributes.items():
            if key == "id":
                if by_id.setdefault(value, element) is not element:
                    doubled.append(element)
            elif "(" in value and "url(" in value.lower():
                referring.append((element, key, value))
            elif value[:1] == "#":
                linked.add(value[1:])
        if XLINK_HREF in attributes and "href" in attributes:
            del attributes[XLINK_HREF]
        if "requiredFeatures" in attributes:
            del attributes["requiredFeatures"]
        if "requiredExtensions" in attributes:
            check_extensions(element)
    if doubled:
        drop_ids(doubled, linked, referring, flags)
    for element, key, value in referring:
        if key in TARGETS:
            fixed = fixed_reference(key, value, by_id, flags)
            if fixed is None:
                del element.attrib[key]
            elif fixed != value:
                element.set(key, fixed)
        elif key == "style":
            fix_style(element, value, by_id, flags)
    for name, attribute in TRANSFORM_ATTRIBUTES.items():
        for server in root.iter(f"{{{SVG_NAMESPACE}}}{name}"):
            inherit_transform(server, attribute, by_id)
    symbols = list(root.iter(SYMBOL))
    if symbols:
        for user in root.iter(f"{{{SVG_NAMESPACE}}}use"):
            place_symbol(user, by_id)
    for symbol in symbols:
        for key in ("x", "y", "width", "height"):
            symbol.attrib.pop(key, None)


def inherit_transform(server: etree._Element, attribute: str, by_id: dict[str, etree._Element]) -> None:
    """Give a gradient or pattern the transform that it has of the one that it refers to (SVG 2, 14.2.2, 14.3)."""
    source: etree._Element | None = server
    for _ in range(MAX_REFERENCES):
        if source is None or TRANSFORM_ATTRIBUTES.get(local_name(source)) != attribute:
            return
        transform = source.get(attribute)
        if transform is not None:
            server.set(attribute, transform)
            return
        source = by_id.get(link_of(source).strip().removeprefix("#"))


def place_symbol(user: etree._Element, by_id: dict[str, etree._Element]) -> None:
    """Give a `use` the size and place of its symbol, or hide it with that: back ends do not look for them there."""
    symbol = by_id.get(link_of(user).strip().removeprefix("#"))
    if symbol is None or symbol.tag != SYMBOL:
        return
    if is_hidden(symbol):
        user.set("display", "none")
    for key in ("width", "height"):
        if user.get(key) is None and symbol.get(key) not in (None, "auto"):
            user.set(key, symbol.get(key))
    for key in ("x", "y"):
        place, moved = parse_length(user.get(key) or "0"), parse_length(symbol.get(key))
        if moved and place is not None:
            user.set(key, f"{place + moved:.9g}")


def check_extensions(element: etree._Element) -> None:
    """Browsers have one extension, HTML; an empty list of them is never fulfilled."""
    extensions = (element.get("requiredExtensions") or "").split()
    if extensions and set(extensions) <= {XHTML}:
        del element.attrib["requiredExtensions"]
    elif not extensions:
        element.set("requiredExtensions", "none")


def drop_ids(
    doubled: list[etree._Element], linked: set[str], referring: list[tuple[etree._Element, str, str]], flags: set[str]
) -> None:
    """Take their ids from elements after the first of an id; that something refers to it is worth a flag."""
    for _, _, value in referring:
        linked |= set(re.findall(r"""url\(\s*["']?#([^"')]*)""", value))
    for element in doubled:
        if element.attrib.pop("id") in linked:
            flags.add("repaired:doubled_id")


def fixed_reference(key: str, value: str, by_id: dict[str, etree._Element], flags: set[str]) -> str | None:
    """A property's value as it is where its target can be used; else the fallback of a paint, or None."""
    match = _REFERENCE.fullmatch(value.strip())
    if not match:
        return value
    name, rest = (match[1] or match[2] or match[3] or "").strip(), match[4].strip()
    if name not in by_id:
        name = unquote(name)
    target = by_id.get(name)
    if target is not None and local_name(target) in TARGETS[key] and not is_hidden_target(target):
        is_plain = _PLAIN_REFERENCE.fullmatch(value) or not _PLAIN_ID.fullmatch(name)
        return value if is_plain and name in value else f"url(#{name}) {rest}".rstrip()
    if key in ("fill", "stroke"):
        return rest or "none"
    flags.add("repaired:reference")
    return rest or None


def is_hidden_target(target: etree._Element) -> bool:
    """Whether a definition, or a <defs>, <svg> or <symbol> around it, is hidden: browsers do not use such a one."""
    if local_name(target) not in MUST_BE_SHOWN:
        return False
    return any(
        (element is target or local_name(element) in ("defs", "svg", "symbol"))
        and (element.get("display") == "none" or bool(_HIDDEN.search(element.get("style") or "")))
        for element in (target, *target.iterancestors(f"{{{SVG_NAMESPACE}}}*"))
    )


def fix_style(element: etree._Element, text: str, by_id: dict[str, etree._Element], flags: set[str]) -> None:
    """The same for a `style` attribute."""
    kept = []
    has_changed = False
    for one in parse_declarations(text):
        value = fixed_reference(one.name, one.value, by_id, flags) if one.name in TARGETS else one.value
        has_changed |= value != one.value
        if value is not None:
            kept.append(write_declaration(Declaration(one.name, value, one.important)))
    if has_changed:
        element.set("style", ";".join(kept))
