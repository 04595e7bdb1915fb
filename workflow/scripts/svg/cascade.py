"""The style of an element of a resolved drawing: what it inherits, its attributes, its own `style`."""

from __future__ import annotations

from lxml import etree

from svg.style import DEFAULTS, INHERITED, OWN, PROPERTIES, read_style

Style = dict[str, str]


def style_of(element: etree._Element, inherited: Style) -> Style:
    """The style of an element: inherited, its attributes, its `style` attribute, in this order."""
    own = {name: value for name, value in element.attrib.items() if name in PROPERTIES}
    style = element.get("style")
    if style:
        own |= read_style(style)
    if "inherit" in own.values():
        of_parent = {**DEFAULTS, **inherited}
        own = {name: of_parent[name] if value == "inherit" else value for name, value in own.items()}
    return {**inherited, **OWN, **own}


def style_of_stop(stop: etree._Element) -> Style:
    """The style of a stop, which may inherit from its gradient and from all around that."""
    style = dict(INHERITED)
    for element in (*reversed(list(stop.iterancestors(etree.Element))), stop):
        style = style_of(element, style)
    return style
