"""The style of an element: what it inherits, its attributes, the rules of the drawing's stylesheets, its own style."""

from __future__ import annotations

from lxml import etree

from svg.parse import SVG_NAMESPACE
from svg.style import DEFAULTS, INHERITED, OWN, PROPERTIES, Stylesheet, read_style, wrap_elements

Style = dict[str, str]


class Cascade:
    """Computes the styles of the elements of a parsed drawing."""

    def __init__(self, root: etree._Element):
        texts = [element.text or "" for element in root.iter(f"{{{SVG_NAMESPACE}}}style")]
        self.stylesheet = Stylesheet(texts) if texts else None
        self.wrappers = wrap_elements(root) if texts else {}

    def style_of(self, element: etree._Element, inherited: Style) -> Style:
        """The style of an element: inherited, its attributes, CSS rules, style attribute, in this order."""
        own = {name: value for name, value in element.attrib.items() if name in PROPERTIES}
        style = element.get("style") or ""
        if self.stylesheet and element in self.wrappers:
            own |= self.stylesheet.style_of(self.wrappers[element], style)
        elif style:
            own |= read_style(style)
        if "inherit" in own.values():
            of_parent = {**DEFAULTS, **inherited}
            own = {name: of_parent[name] if value == "inherit" else value for name, value in own.items()}
        return {**inherited, **OWN, **own}

    def style_of_stop(self, stop: etree._Element) -> Style:
        """The style of a stop, which may inherit from its gradient and from all around that."""
        style = dict(INHERITED)
        for element in (*reversed(list(stop.iterancestors(etree.Element))), stop):
            style = self.style_of(element, style)
        return style
