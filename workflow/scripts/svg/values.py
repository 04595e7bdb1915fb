"""Values of attributes and properties in the form that all back ends read, as far as they depend on nothing else.

`plain_value` and `plain_style` return a value unchanged where it is plain already, as nearly all are.
"""

from __future__ import annotations

import re
from functools import lru_cache

from svg.colours import plain_colour
from svg.stylesheets import Declaration, parse_declarations

COLOURS = {"fill", "stroke", "color", "stop-color", "flood-color", "lighting-color"}
OPACITIES = {"opacity", "fill-opacity", "stroke-opacity", "stop-opacity", "flood-opacity"}
# Properties whose values are one of some words; any other word is no value.
WORDS = {
    "visibility": "visible hidden collapse",
    "fill-rule": "nonzero evenodd",
    "clip-rule": "nonzero evenodd",
    "stroke-linecap": "butt round square",
    "stroke-linejoin": "miter round bevel miter-clip arcs",
    "text-anchor": "start middle end",
    "color-interpolation": "auto srgb linearrgb",
    "color-interpolation-filters": "auto srgb linearrgb",
}
VALID_WORDS = {name: frozenset(words.split()) for name, words in WORDS.items()}
SPELLINGS = {"linearrgb": "linearRGB", "srgb": "sRGB"}
# Geometry properties of CSS, and attributes of one length.
GEOMETRY = {"x", "y", "width", "height", "cx", "cy", "r", "rx", "ry"}
LENGTHS = {*GEOMETRY, "x1", "y1", "x2", "y2", "fx", "fy", "fr", "stroke-width", "stroke-dashoffset"}
NEVER_NEGATIVE = {"width", "height", "r", "stroke-width"}
TRANSFORMS = {"transform", "translate", "rotate", "scale", "transform-origin", "transform-box"}
# What a `style` says that is an attribute of SVG, or that only a browser draws.
CONTEXTUAL = {*TRANSFORMS, *GEOMETRY, "d", "direction", "background", "background-color", "background-image"} | {
    "animation", "animation-name",
}  # fmt: skip
# What browsers draw and we do not: of all elements, and of the box of the root.
UNDRAWN = {"all", "offset", "offset-path"}
UNDRAWN_OF_ROOT = {"border", "padding"}
CONTEXTUAL_ATTRIBUTES = {"transform-origin", "transform-box", "pathLength", "direction"}
WIDE = {"initial", "unset", "revert", "revert-layer"}

# Functions of any value: what they give depends on the element, or is a calculation (CSS Values 4, 10).
_FUNCTION = re.compile(
    r"\b(?:var|env|calc|min|max|clamp|round|mod|rem|abs|sign|a?sin|a?cos|a?tan|atan2|pow|sqrt|hypot|log|exp)\(",
    re.IGNORECASE,
)
_FILTER = re.compile(
    r"none$|(?:url|blur|brightness|contrast|drop-shadow|grayscale|hue-rotate|invert|opacity|saturate|sepia)\("
)
# Possessive, so that no digits are read in two ways.
_NUMBER = r"[+-]?(?>\d++\.?+\d*+|\.\d++)(?:[eE][+-]?\d++)?+"
_PLAIN_NUMBER = re.compile(_NUMBER)
_PLAIN_LENGTH = re.compile(rf"({_NUMBER})(?:px|pt|pc|mm|cm|in|%)?")
_RELATIVE = re.compile(rf"{_NUMBER}\s*(?:em|ex|ch|ic|cap|lh|rem|rex|rch|q|[sld]?v(?:w|h|min|max|i|b))", re.IGNORECASE)
_FUNCTION_OF_SVG = rf"(?:matrix|translate|scale|rotate|skewX|skewY)\s*+\(\s*+{_NUMBER}(?:\s*+,?+\s*+{_NUMBER})*+\s*+\)"
_TRANSFORM = re.compile(rf"\s*+(?:{_FUNCTION_OF_SVG}(?:\s*+,?+\s*+{_FUNCTION_OF_SVG})*+)?+\s*+")
_REFERENCE = re.compile(r"""(url\(\s*(?:"[^"]*"|'[^']*'|[^)]*)\s*\))\s*(.*)""", re.IGNORECASE | re.DOTALL)
_IMPORTANT = re.compile(r"\s*!\s*important\s*$")


class NeedsContext(Exception):
    """A value that depends on the element: on a custom property, a font size, a box."""


def has_functions(value: str) -> bool:
    """Whether a value holds variables or calculations."""
    return "(" in value and bool(_FUNCTION.search(value))


@lru_cache(maxsize=16384)
def plain_value(name: str, value: str) -> str | None:
    """The value of a property or attribute; None where it is none, as if it was not there. Raises NeedsContext."""
    if name in CONTEXTUAL_ATTRIBUTES:
        raise NeedsContext(name)
    if "{" in value:
        return None  # no property has such a value, and back ends stumble over it
    if has_functions(value):
        raise NeedsContext(name)
    stripped = value.strip()
    lower = stripped.lower()
    if lower in WIDE:
        raise NeedsContext(name)
    if lower == "inherit":
        return stripped if stripped == lower else lower
    if name in COLOURS:
        return plain_paint(name, value, stripped)
    if name in OPACITIES:
        return plain_opacity(stripped)
    if name in LENGTHS:
        return plain_length(name, stripped)
    if name == "stroke-dasharray":
        return plain_dashes(stripped)
    if name == "stroke-miterlimit":
        return stripped if _PLAIN_NUMBER.fullmatch(stripped) else None
    if name in VALID_WORDS:
        spelt = SPELLINGS.get(lower, lower)
        if spelt == "linearRGB" and name == "color-interpolation":
            raise NeedsContext(name)
        return (stripped if stripped == spelt else spelt) if lower in VALID_WORDS[name] else None
    if name in ("transform", "gradientTransform", "patternTransform"):
        return value if _TRANSFORM.fullmatch(value) else None
    if name in ("clip-path", "mask") and lower != "none" and not lower.startswith("url("):
        raise NeedsContext(name)
    if name == "vector-effect" and lower == "non-scaling-stroke":
        raise NeedsContext(name)
    if name == "filter":
        return value if _FILTER.match(lower) else None  # older browsers have others, as `progid:` and `alpha()`
    if name == "display":
        return value if lower != "none" or value == "none" else "none"
    return value


def plain_paint(name: str, value: str, stripped: str) -> str | None:
    """A colour or paint."""
    lower = stripped.lower()
    if lower == "currentcolor":
        return "currentColor" if name != "color" else "inherit"
    if name in ("fill", "stroke"):
        if lower == "none":
            return "none"
        if lower in ("context-fill", "context-stroke"):
            return lower
        reference = _REFERENCE.fullmatch(stripped)
        if reference:
            fallback = plain_paint(name, reference[2], reference[2].strip()) if reference[2].strip() else ""
            return value if fallback == reference[2].strip() else f"{reference[1]} {fallback or 'none'}"
    return plain_colour(stripped)


def plain_opacity(stripped: str) -> str | None:
    """An opacity as a number."""
    if _PLAIN_NUMBER.fullmatch(stripped):
        return stripped
    if stripped.endswith("%") and _PLAIN_NUMBER.fullmatch(stripped[:-1]):
        return f"{float(stripped[:-1]) / 100:.9g}"
    return None


def plain_length(name: str, stripped: str) -> str | None:
    """A length, without spaces around it. Raises NeedsContext for one of a font or of the screen."""
    match = _PLAIN_LENGTH.fullmatch(stripped)
    if match:
        return None if name in NEVER_NEGATIVE and float(match[1]) < 0 else stripped
    if _RELATIVE.fullmatch(stripped):
        raise NeedsContext(name)
    if stripped.lower() == "auto" and name in GEOMETRY:
        return "auto"
    match = _PLAIN_LENGTH.fullmatch(stripped.lower())  # PX
    return match[0] if match else None


def plain_dashes(stripped: str) -> str | None:
    """Dashes as they are; None of a list with what is no length, or a negative one."""
    if stripped.lower() == "none":
        return "none"
    listed = stripped.rstrip(", ")
    lengths = [plain_length("stroke-width", part) for part in re.split(r"\s*,\s*|\s+", listed)]
    return listed if listed and None not in lengths else None


@lru_cache(maxsize=4096)
def plain_style(text: str) -> str:
    """A `style` attribute whose declarations all back ends read alike. Raises NeedsContext."""
    declarations = parse_declarations(text)
    kept: dict[str, Declaration] = {}
    is_plain = True
    for one in declarations:
        if one.name in CONTEXTUAL | UNDRAWN | UNDRAWN_OF_ROOT or one.name.startswith("--"):
            raise NeedsContext(one.name)
        value = plain_value(one.name, one.value)
        before = kept.get(one.name)
        is_plain &= value == one.value and before is None
        if value is not None and not (before and before.important and not one.important):
            kept[one.name] = Declaration(one.name, value, one.important)
    if is_plain and [write_declaration(one) for one in kept.values()] == read_naively(text):
        return text
    return ";".join(map(write_declaration, kept.values()))


def write_declaration(one: Declaration) -> str:
    return f"{one.name}:{one.value}{'!important' if one.important else ''}"


def read_naively(text: str) -> list[str]:
    """The declarations of a style as simple readers split them."""
    parts = text.strip().removesuffix(";").split(";")
    pairs = (_IMPORTANT.sub("!important", part).partition(":") for part in parts)
    return [f"{name.strip()}:{value.strip()}" for name, _, value in pairs]
