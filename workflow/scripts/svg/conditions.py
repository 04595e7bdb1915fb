"""Conditions of CSS: whether `@media` and `@supports` rules apply to a drawing that a browser shows on a screen.

Media Queries 4 and CSS Conditional Rules 3, for an image of SCREEN x SCREEN pixels on an ordinary light screen.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import tinycss2

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

Test = Callable[[Any], bool]  # of one token: a word, a function or what is in brackets


def matches_media(query: Any) -> bool:
    """Whether one of the media queries of a list (text or tokens) is true on a screen; an empty list is."""
    tokens = tinycss2.parse_component_value_list(query) if isinstance(query, str) else list(query)
    queries: list[list[Any]] = [[]]
    for token in tokens:
        if token == ",":
            queries.append([])
        elif token.type not in ("whitespace", "comment"):
            queries[-1].append(token)
    return queries == [[]] or any(is_true(one, matches_screen) for one in queries if one)


def is_true(tokens: list[Any], test: Test) -> bool:
    """Whether a condition of terms with `not`, `and` and `or` is true; what cannot be read is not."""
    tokens = [token for token in tokens if token.type not in ("whitespace", "comment")]
    if tokens and is_word(tokens[0], "only"):
        tokens = tokens[1:]
    if tokens and is_word(tokens[0], "not"):
        return len(tokens) > 1 and not is_true(tokens[1:], test)
    if len(tokens) % 2 == 0:
        return False
    joints = {token.lower_value for token in tokens[1::2] if token.type == "ident"}
    values = [test_term(token, test) for token in tokens[::2]]
    if len(tokens) == 1 or joints == {"and"}:
        return all(values)
    return joints == {"or"} and any(values)


def is_word(token: Any, word: str) -> bool:
    return token.type == "ident" and token.lower_value == word


def test_term(token: Any, test: Test) -> bool:
    """Whether a term is true: what is in brackets is a condition where it has brackets or `not` itself."""
    if token.type == "() block":
        inner = [part for part in token.content if part.type not in ("whitespace", "comment")]
        if inner and (inner[0].type in ("() block", "function") or is_word(inner[0], "not")):
            return is_true(inner, test)
    return test(token)


def matches_screen(token: Any) -> bool:
    """Whether a media type or a media feature in brackets is that of the screen."""
    if token.type == "ident":
        return token.lower_value in ("all", "screen")
    if token.type != "() block":
        return False
    text = tinycss2.serialize(token.content).strip().lower()
    name, colon, value = (part.strip() for part in text.partition(":"))
    if colon:
        return has_feature(name, value)
    parts = _RANGE.split(text)
    if len(parts) > 1:
        return in_range(parts)
    return bool(NUMBERS.get(text)) or WORDS.get(text, "none") not in NOTHING


def has_feature(name: str, value: str) -> bool:
    if name in WORDS:
        return WORDS[name] == value
    match = re.fullmatch(r"(-webkit-)?(?:(min|max)-)?(.+)", name)
    assert match
    comparison = {"min": ">=", "max": "<="}.get(match[2], "=")
    return in_range([(match[1] or "") + match[3], comparison, value])


def in_range(parts: list[str]) -> bool:
    """Whether all comparisons of a range are true, as `400px`, `<=`, `width`."""
    values = [NUMBERS.get(part, read_number(part)) for part in parts[::2]]
    known = [value for value in values if value is not None]
    if len(known) < len(values) or not any(part in NUMBERS for part in parts[::2]):
        return False
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

    return is_true(list(prelude), test)
