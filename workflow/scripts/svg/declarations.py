"""What attributes and stylesheets declare of an element, as a browser reads it: which attributes, which are valid."""

from __future__ import annotations

import tinycss2
from lxml import etree

from svg.clean import PROPERTIES
from svg.conditions import matches_media
from svg.css_tokens import significant
from svg.css_values import has_variables
from svg.parse import SVG_NAMESPACE
from svg.values import (
    COLOURS,
    CONTEXTUAL_ATTRIBUTES,
    LENGTHS,
    OPACITIES,
    TRANSFORMS,
    VALID_WORDS,
    WIDE,
    NeedsContext,
    plain_value,
)

TRANSFORM_ATTRIBUTES = {
    "linearGradient": "gradientTransform",
    "radialGradient": "gradientTransform",
    "pattern": "patternTransform",
}
STYLE = f"{{{SVG_NAMESPACE}}}style"
TEXT = {"text", "tspan", "textPath", "tref", "altGlyph"}
CHECKED = {*COLOURS, *OPACITIES, *LENGTHS, *VALID_WORDS, *CONTEXTUAL_ATTRIBUTES, *TRANSFORM_ATTRIBUTES.values()} | {
    "stroke-dasharray", "stroke-miterlimit", "transform", "clip-path", "display", "vector-effect", "filter",
}  # fmt: skip
# Of these attributes, other elements than shapes have lists, or something else under the name.
CHECKED_IN_TEXT = CHECKED - LENGTHS
CHECKED_IN_FILTERS = CHECKED - TRANSFORMS
OF_PAGES = {"grid", "gap", "position", "top", "left", "float", "margin", "padding", "backdrop-filter", "object-fit"}
# Properties of CSS whose values are functions.
FUNCTIONS = {
    "transform": frozenset(
        {"matrix", "matrix3d", "perspective", "rotate", "rotate3d", "rotatex", "rotatey", "rotatez", "scale", "scale3d"}
        | {"scalex", "scaley", "scalez", "skew", "skewx", "skewy", "translate", "translate3d", "translatex"}
        | {"translatey", "translatez"}
    ),
    "d": frozenset(["path"]),
}
# What declaring a property sets back (CSS Backgrounds 3, 2.10; SVG 2, 13.7.4).
LONGHANDS = {
    "background": ("background-color", "background-image"),
    "marker": ("marker-start", "marker-mid", "marker-end"),
}


def checked_attributes(name: str) -> set[str]:
    """The attributes of an element of this name whose values are checked."""
    if name in TEXT:
        return CHECKED_IN_TEXT
    return CHECKED_IN_FILTERS if name.startswith("fe") else CHECKED


def valid_value(name: str, value: str) -> str | None:
    """The value of an attribute, or property, plain where it depends on nothing else; None where it is none."""
    if name in (*TRANSFORMS - {"transform"}, "background"):
        return value
    try:
        return plain_value(name, value)
    except NeedsContext:
        return value.strip()


def valid_declaration(name: str, value: str) -> str | None:
    """The same of a declaration of CSS, where `transform` and `d` are not what they are as attributes."""
    if name.startswith("--"):
        return value
    if name not in FUNCTIONS:
        return valid_value(name, value) or None  # an empty one is none
    if value.lower() in ("none", "inherit", *WIDE) or has_variables(value):
        return value
    functions = significant(value)
    known = [token.type == "function" and token.lower_name in FUNCTIONS[name] for token in functions]
    return value if known and all(known) else None


def supports(name: str, value: str) -> bool:
    """Whether a browser knows a property with a value, as far as we know both."""
    if name.startswith("--"):
        return True
    return name in PROPERTIES | OF_PAGES and bool(value) and bool(valid_declaration(name, value))


def sheet_texts(root: etree._Element) -> list[str]:
    """The rules of the <style> elements that apply: none of another language, medium or alternative than the first."""
    sheets = [sheet for sheet in root.iter(STYLE) if (sheet.get("type") or "text/css").lower() == "text/css"]
    first = next((title for sheet in sheets if (title := sheet.get("title"))), None)
    sheets = [sheet for sheet in sheets if (sheet.get("title") or first) == first]
    return ["".join(sheet.itertext()) for sheet in sheets if matches_media(sheet.get("media") or "")]


def path_of(d: str) -> str | None:
    """The path data of the property `d`; None of `none`."""
    function = tinycss2.parse_one_component_value(d, skip_comments=True)
    arguments = getattr(function, "arguments", [])
    return next((token.value for token in arguments if token.type == "string"), None)
