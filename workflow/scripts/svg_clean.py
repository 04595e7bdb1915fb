"""Levels none and safe: take away what describes or names a drawing, and leave what draws it as it was written."""

from __future__ import annotations

import re

from lxml import etree

from svg_parse import SVG_NAMESPACE, local_name
from svg_style import Stylesheet, wrap_elements

XML_NAMESPACES = (None, "http://www.w3.org/1999/xlink", "http://www.w3.org/XML/1998/namespace")
NEVER_DRAWN = ("title", "desc", "metadata", "script", "foreignObject", "view", "cursor")
NAMING_ATTRIBUTES = ("role", "tabindex", "lang", "class", "version", "baseProfile", "enable-background")

_URL = re.compile(r"url\(\s*['\"]?#([^)'\"\s]+)['\"]?\s*\)")


def drop_descriptions(root: etree._Element) -> None:
    """Level none: remove titles, descriptions, metadata, scripts, and what no renderer of ours draws."""
    for element in list(root.iter(etree.Element)):
        if element is not root and local_name(element) in NEVER_DRAWN:
            remove(element)


def clean_names(root: etree._Element) -> None:
    """Level safe: remove what is not drawn and what may name the drawing; references get short ids."""
    for element in list(root.iter(etree.Element)):
        if element is not root and (not local_name(element) or local_name(element) in NEVER_DRAWN):
            remove(element)
    inline_stylesheet(root)
    drop_unused_definitions(root)
    short = {name: f"i{number}" for number, name in enumerate(referenced_ids(root))}
    for element in root.iter(etree.Element):
        for key in list(element.attrib):
            name = etree.QName(key)
            names = name.localname.startswith(("data-", "aria-", "on")) or name.localname in NAMING_ATTRIBUTES
            if names or name.namespace not in XML_NAMESPACES or (key == "id" and element.get(key) not in short):
                del element.attrib[key]
            elif key == "id":
                element.set(key, short[element.get(key)])
            else:
                element.set(key, rename_references(element.get(key), short))
    etree.cleanup_namespaces(root)


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


def inline_stylesheet(root: etree._Element) -> None:
    """Write what the CSS rules say into `style` attributes, so that no class and no selector is needed."""
    sheets = list(root.iter(f"{{{SVG_NAMESPACE}}}style"))
    if not sheets:
        return
    stylesheet = Stylesheet([sheet.text or "" for sheet in sheets], known_only=False)
    for element, wrapper in wrap_elements(root).items():
        style = stylesheet.style_of(wrapper, element.get("style") or "", known_only=False)
        if style:
            element.set("style", "".join(f"{name}:{value};" for name, value in style.items()))
    for sheet in sheets:
        remove(sheet)


def drop_unused_definitions(root: etree._Element) -> None:
    """Remove children of <defs> that nothing refers to, until there are none."""
    while True:
        used = set(referenced_ids(root))
        unused = [
            element
            for definitions in root.iter(f"{{{SVG_NAMESPACE}}}defs")
            for element in definitions
            if not any(inner.get("id") in used for inner in element.iter(etree.Element))
        ]
        if not unused:
            break
        for element in unused:
            remove(element)
    for definitions in list(root.iter(f"{{{SVG_NAMESPACE}}}defs")):
        if not len(definitions):
            remove(definitions)


def referenced_ids(root: etree._Element) -> list[str]:
    """The ids that attributes refer to, in the order of the document."""
    found: dict[str, None] = {}
    for element in root.iter(etree.Element):
        for key, value in element.attrib.items():
            found |= dict.fromkeys(_URL.findall(value))
            if value.startswith("#") and etree.QName(key).localname == "href":
                found[value[1:]] = None
    return list(found)


def rename_references(value: str, short: dict[str, str]) -> str:
    value = _URL.sub(lambda match: f"url(#{short.get(match[1], match[1])})", value)
    return f"#{short[value[1:]]}" if value.startswith("#") and value[1:] in short else value
