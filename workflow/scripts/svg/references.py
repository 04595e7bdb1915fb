"""What a drawing's elements refer to, as browsers find it: the first element of an id, and none that cannot be used.

Back ends differ on the rest: on second elements of an id, on filters, masks and clip paths that are not there or
hidden, on links of two kinds, on conditions that SVG 2 has given up.
"""

from __future__ import annotations

import re

from lxml import etree

from svg.guard import XHTML
from svg.parse import SVG_NAMESPACE, XLINK_HREF, local_name
from svg.stylesheets import parse_declarations

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

_REFERENCE = re.compile(r"""url\(\s*["']?#([^"')]*)["']?\s*\)\s*(.*)""", re.IGNORECASE | re.DOTALL)
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
            elif "url(" in value:
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
    target = by_id.get(match[1])
    if target is not None and local_name(target) in TARGETS[key] and not is_hidden_target(target):
        return value
    if key in ("fill", "stroke"):
        return match[2].strip() or "none"
    flags.add("repaired:reference")
    return match[2].strip() or None


def is_hidden_target(target: etree._Element) -> bool:
    """Whether a definition, or a <defs> or <svg> around it, is hidden: browsers do not use such a one."""
    if local_name(target) not in MUST_BE_SHOWN:
        return False
    return any(
        (element is target or local_name(element) in ("defs", "svg"))
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
            kept.append(f"{one.name}:{value}{'!important' if one.important else ''}")
    if has_changed:
        element.set("style", ";".join(kept))
