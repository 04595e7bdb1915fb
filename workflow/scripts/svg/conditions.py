"""Conditions of CSS: whether `@media` and `@supports` rules apply to a drawing that a browser shows on a screen.

Media Queries 4 and CSS Conditional Rules 3, for an image of SCREEN x SCREEN pixels on an ordinary light screen.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import tinycss2

from svg.css_tokens import significant, split_at_commas

SCREEN = 224  # px, the side of the pictures that models and the render check see
NUMBERS = {
    "width": SCREEN, "height": SCREEN, "device-width": SCREEN, "device-height": SCREEN, "aspect-ratio": 1.0,
    "device-aspect-ratio": 1.0, "resolution": 1.0, "-webkit-device-pixel-ratio": 1.0, "color": 8, "color-index": 0,
    "monochrome": 0, "grid": 0,
}  # fmt: skip
WORDS = {
    "prefers-color-scheme": "light", "prefers-reduced-motion": "no-preference", "prefers-contrast": "no-preference",
    "prefers-reduced-transparency": "no-preference", "prefers-reduced-data": "no-preference", "hover": "hover",
    "any-hover": "hover", "pointer": "fine", "any-pointer": "fine", "orientation": "portrait", "scripting": "none",
    "forced-colors": "none", "inverted-colors": "none", "color-gamut": "srgb", "update": "fast", "scan": "progressive",
    "display-mode": "browser", "dynamic-range": "standard", "overflow-block": "scroll", "overflow-inline": "scroll",
}  # fmt: skip
UNITS = {
    "": 1, "px": 1, "em": 16, "rem": 16, "pt": 4 / 3, "pc": 16, "in": 96, "cm": 96 / 2.54, "mm": 96 / 25.4,
    "dppx": 1, "x": 1, "dpi": 1 / 96, "dpcm": 2.54 / 96, "vw": SCREEN / 100, "vh": SCREEN / 100,
}  # fmt: skip
NOTHING = ("none", "no-preference")

_NUMBER = re.compile(r"\s*([+-]?\d*\.?\d+(?:e[+-]?\d+)?)\s*(?:/\s*(\d*\.?\d+)|([a-z]*))\s*")
_RANGE = re.compile(r"\s*(<=|>=|<|>|=)\s*")
COMPARE: dict[str, Callable[[float, float], bool]] = {
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
    "=": lambda a, b: a == b,
}

Test = Callable[[Any], bool | None]  # of one token: a word, a function or what is in brackets; None: unknown


def matches_media(query: Any) -> bool:
    """Whether one of the media queries of a list (text or tokens) is true on a screen; an empty list is."""
    queries = split_at_commas(significant(query))
    return queries == [[]] or any(is_true(one, matches_screen) is True for one in queries if one)


def is_true(tokens: list[Any], test: Test) -> bool | None:
    """Whether a condition of terms with `not`, `and` and `or` is true; None where what is unknown decides."""
    tokens = significant(tokens)
    if tokens and is_word(tokens[0], "only"):
        tokens = tokens[1:]
    if tokens and is_word(tokens[0], "not"):
        negated = is_true(tokens[1:], test)
        return None if negated is None else not negated
    if len(tokens) % 2 == 0:
        return None
    joints = {token.lower_value for token in tokens[1::2] if token.type == "ident"}
    values = [test_term(token, test) for token in tokens[::2]]
    if len(tokens) == 1:
        return values[0]
    if joints not in ({"and"}, {"or"}):
        return None
    deciding = joints == {"or"}
    return deciding if deciding in values else None if None in values else not deciding


def is_word(token: Any, word: str) -> bool:
    return token.type == "ident" and token.lower_value == word


def test_term(token: Any, test: Test) -> bool | None:
    """Whether a term is true: what is in brackets is a condition where it has brackets or `not` itself."""
    if token.type == "() block":
        inner = significant(token.content)
        if inner and (inner[0].type in ("() block", "function") or is_word(inner[0], "not")):
            return is_true(inner, test)
    return test(token)


def matches_screen(token: Any) -> bool | None:
    """Whether a media type or a media feature in brackets is that of the screen; None of an unknown feature."""
    if token.type == "ident":
        return token.lower_value in ("all", "screen")
    if token.type != "() block":
        return None
    text = tinycss2.serialize(token.content).strip().lower()
    name, colon, value = (part.strip() for part in text.partition(":"))
    if colon:
        return has_feature(name, value)
    parts = _RANGE.split(text)
    if len(parts) > 1:
        return in_range(parts)
    if text in WORDS:
        return WORDS[text] not in NOTHING
    return bool(NUMBERS[text]) if text in NUMBERS else None


def has_feature(name: str, value: str) -> bool | None:
    if name in WORDS:
        return WORDS[name] == value
    match = re.fullmatch(r"(-webkit-)?(?:(min|max)-)?(.+)", name)
    assert match
    comparison = {"min": ">=", "max": "<="}.get(match[2], "=")
    return in_range([(match[1] or "") + match[3], comparison, value])


def in_range(parts: list[str]) -> bool | None:
    """Whether all comparisons of a range are true, as `400px`, `<=`, `width`; None where one cannot be read."""
    values = [NUMBERS.get(part, read_number(part)) for part in parts[::2]]
    known = [value for value in values if value is not None]
    if len(known) < len(values) or not any(part in NUMBERS for part in parts[::2]):
        return None
    return all(COMPARE[sign](known[n], known[n + 1]) for n, sign in enumerate(parts[1::2]))


def read_number(text: str) -> float | None:
    """A length in px, a resolution in dots a px, a ratio or a number."""
    match = _NUMBER.fullmatch(text)
    if not match or (match[3] or "") not in UNITS:
        return None
    return float(match[1]) / (float(match[2]) or 1) if match[2] else float(match[1]) * UNITS[match[3] or ""]


def is_supported(prelude: Any, declares: Callable[[str, str], bool], selects: Callable[[str], bool]) -> bool:
    """Whether a `@supports` condition is true: `declares` and `selects` tell it of declarations and selectors."""

    def test(token: Any) -> bool:
        if token.type == "function":
            return token.lower_name == "selector" and selects(tinycss2.serialize(token.arguments))
        if token.type != "() block":
            return False
        name, colon, value = tinycss2.serialize(token.content).partition(":")
        return bool(colon) and declares(name.strip().lower(), value.strip())

    return is_true(list(prelude), test) is True
