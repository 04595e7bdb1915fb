"""Values of CSS properties: custom properties, lengths and sums of them, transforms.

What depends on the element comes in a Context. Lengths become numbers of user units, or stay percentages.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import tinycss2
from svgelements import Matrix

from svg.conditions import SCREEN
from svg.css_tokens import significant, split_at_commas

MAX_VALUE = 100_000  # characters of a value with its custom properties: they can multiply
MAX_DEPTH = 100  # of custom properties in custom properties
X_HEIGHT = 0.547  # of DejaVu Sans, a share of the font size, as the width of its zero
ZERO_WIDTH = 0.636
PIXELS = {"": 1.0, "px": 1.0, "pt": 4 / 3, "pc": 16.0, "in": 96.0, "cm": 96 / 2.54, "mm": 96 / 25.4, "q": 96 / 101.6}
OF_SCREEN = ("vw", "vh", "vmin", "vmax", "svw", "svh", "lvw", "lvh", "dvw", "dvh", "vi", "vb")
ANGLES = {"deg": 1.0, "grad": 0.9, "rad": 180 / math.pi, "turn": 360.0}
SUMS = ("calc", "min", "max", "clamp")

_VARIABLE = re.compile(r"\b(?:var|env)\(", re.IGNORECASE)
_LENGTH = re.compile(r"\s*([+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?)\s*([a-z]*|%)\s*", re.IGNORECASE)


@dataclass(frozen=True)
class Context:
    """What the values of an element depend on: font sizes in user units, and its custom properties."""

    font_size: float
    root_font_size: float
    custom: Mapping[str, str]
    whole: float | None = None  # what percentages are of, in user units, where that is known


@dataclass(frozen=True)
class Length:
    """A length: user units, and a share of what percentages are of."""

    units: float
    share: float = 0.0

    def text(self) -> str | None:
        """The length as an attribute; None of a sum of both."""
        if self.share:
            return f"{100 * self.share:.9g}%" if not self.units else None
        return f"{self.units:.9g}"


def substitute(value: str, custom: Mapping[str, str], depth: int = 0) -> str | None:
    """A value with its `var()` replaced; None where one has neither value nor fallback."""
    if not has_variables(value):
        return value
    if depth > MAX_DEPTH:
        return None
    text = substitute_tokens(tinycss2.parse_component_value_list(value), custom, depth)
    return text if text is None or len(text) <= MAX_VALUE else None


def has_variables(value: str) -> bool:
    """Whether a value holds `var()` or `env()`; no variable of the environment is set on our screen."""
    return bool(_VARIABLE.search(value))


def evaluate_sums(value: str, context: Context) -> str:
    """A value with the sums in its functions worked out, as those of the channels of a colour."""
    return "".join(map(partial(evaluated, context=context), tinycss2.parse_component_value_list(value)))


def evaluated(token: Any, context: Context) -> str:
    if token.type != "function":
        return token.serialize()
    found = evaluate([token], context) if token.lower_name in SUMS else None
    if found is not None:
        return found.text() or token.serialize()
    return f"{token.name}({''.join(evaluated(inner, context) for inner in token.arguments)})"


def substitute_tokens(tokens: list[Any], custom: Mapping[str, str], depth: int) -> str | None:
    texts: list[str] = []
    n_chars = 0
    for token in tokens:
        if token.type == "function" and token.lower_name in ("var", "env"):
            text = value_of_variable(token.arguments, custom, depth)
        elif token.type == "function":
            inner = substitute_tokens(token.arguments, custom, depth)
            text = None if inner is None else f"{token.name}({inner})"
        else:
            text = token.serialize()
        if text is None or n_chars > MAX_VALUE:
            return None
        texts.append(text)
        n_chars += len(text)
    return "".join(texts)


def value_of_variable(arguments: list[Any], custom: Mapping[str, str], depth: int) -> str | None:
    """The value of `var(--name, fallback)`."""
    first = next(iter(significant(arguments)), None)
    if first is None or first.type != "ident":
        return None
    known = custom.get(first.value)
    if known is not None:
        return known
    comma = next((place for place, token in enumerate(arguments) if token == ","), None)
    if comma is None:
        return None
    return substitute(tinycss2.serialize(arguments[comma + 1 :]).strip(), custom, depth + 1)


def resolve_custom(declared: Mapping[str, str], inherited: Mapping[str, str]) -> dict[str, str]:
    """The custom properties of an element; one that depends on itself has no value."""
    resolved: dict[str, str | None] = {name: inherited[name] for name in inherited if name not in declared}

    def resolve(name: str, above: tuple[str, ...]) -> str | None:
        if name in resolved or name not in declared:
            return resolved.get(name)
        if name in above or len(above) > MAX_DEPTH:
            return None
        resolved[name] = evaluate_custom(name, above)
        return resolved[name]

    def evaluate_custom(name: str, above: tuple[str, ...]) -> str | None:
        value = declared[name]
        for reference in re.findall(r"var\(\s*(--[^\s,)]+)", value, re.IGNORECASE):
            if resolve(reference, (*above, name)) is None and reference in (*above, name):
                return None
        if value.lower() in ("inherit", "unset", "revert", "initial"):
            return inherited.get(name) if value.lower() != "initial" else None
        return substitute(value, known(resolved))

    for name in declared:
        resolve(name, ())
    return known(resolved)


def known(values: Mapping[str, str | None]) -> dict[str, str]:
    """The custom properties that have a value."""
    return {name: value for name, value in values.items() if value is not None}


def parse_css_length(text: str, context: Context) -> Length | None:
    """A length, a percentage, or a sum of both; None where it is none of these."""
    match = _LENGTH.fullmatch(text)
    if match:
        return as_length(float(match[1]), match[2].lower(), context)
    token = tinycss2.parse_one_component_value(text, skip_comments=True)
    return evaluate([token], context) if token.type == "function" and token.lower_name in SUMS else None


def as_length(number: float, unit: str, context: Context) -> Length | None:
    """A number with its unit."""
    if not math.isfinite(number):
        return None
    if unit == "%":
        return Length(0.0, number / 100) if context.whole is None else Length(number / 100 * context.whole)
    relative = {"em": 1.0, "ex": X_HEIGHT, "ch": ZERO_WIDTH, "ic": 1.0, "cap": 0.729, "lh": 1.2}
    if unit in relative:
        return Length(number * relative[unit] * context.font_size)
    if unit in ("rem", "rex", "rch"):
        return Length(number * relative[unit[1:]] * context.root_font_size)
    if unit in OF_SCREEN:
        return Length(number * SCREEN / 100)
    return Length(number * PIXELS[unit]) if unit in PIXELS else None


def evaluate(tokens: list[Any], context: Context) -> Length | None:
    """The value of a sum of products (CSS Values 4, 10); None where it cannot be worked out."""
    try:
        return Sum(tokens, context).value()
    except (ArithmeticError, ValueError, IndexError):
        return None


class Sum:
    """Reads a calculation: sums of products of numbers, lengths, brackets and functions."""

    def __init__(self, tokens: list[Any], context: Context):
        self.tokens = significant(tokens)
        self.context = context

    def value(self) -> Length:
        total = self._product()
        while self.tokens:
            sign = self.tokens.pop(0)
            if sign not in ("+", "-"):
                raise ValueError("no sum")
            other = self._product()
            factor = 1 if sign == "+" else -1
            total = Length(total.units + factor * other.units, total.share + factor * other.share)
        return total

    def _product(self) -> Length:
        product = self._term()
        while self.tokens and self.tokens[0] in ("*", "/"):
            sign, other = self.tokens.pop(0), self._term()
            if sign == "/":
                product = Length(product.units / other.units, product.share / other.units)
            elif product.share:
                product = Length(product.units * other.units, product.share * other.units)
            else:
                product = Length(product.units * other.units, product.units * other.share)
        return product

    def _term(self) -> Length:
        token = self.tokens.pop(0)
        found: Length | None = None
        if token.type == "() block":
            return Sum(token.content, self.context).value()
        if token.type == "function" and token.lower_name in SUMS:
            parts = split_at_commas(token.arguments)
            return choose(token.lower_name, [Sum(part, self.context).value() for part in parts])
        if token.type in ("number", "percentage", "dimension"):
            unit = token.lower_unit if token.type == "dimension" else "%" if token.type == "percentage" else ""
            found = as_length(token.value, unit, self.context)
        if found is None:
            raise ValueError("no length")
        return found


def choose(function: str, values: list[Length]) -> Length:
    """The value of `min`, `max` or `clamp`, of lengths of one kind."""
    if function == "calc" and len(values) == 1:
        return values[0]
    if any(value.share for value in values) and any(value.units for value in values):
        raise ValueError("percentages and lengths")
    order = sorted(values, key=lambda value: (value.units, value.share))
    if function == "clamp" and len(values) == 3:
        low, middle, high = values
        upper = min((middle, high), key=lambda value: (value.units, value.share))
        return max((low, upper), key=lambda value: (value.units, value.share))
    return order[0] if function == "min" else order[-1]


Box = tuple[float, float, float, float]  # x, y, width, height


def read_number(token: Any) -> float:
    if token.type not in ("number", "percentage"):
        raise ValueError("no number")
    return token.value / 100 if token.type == "percentage" else token.value


def read_angle(token: Any) -> float:
    """An angle in degrees."""
    if token.type == "number" and token.value == 0:
        return 0.0
    if token.type != "dimension" or token.lower_unit not in ANGLES:
        raise ValueError("no angle")
    return token.value * ANGLES[token.lower_unit]


def read_distance(token: Any, side: float, context: Context) -> float:
    """A length in user units; a percentage is a share of a side of the reference box."""
    if token.type == "number" and token.value:
        raise ValueError("a length without unit")
    found = evaluate([token], context)
    if found is None:
        raise ValueError("no length")
    return found.units + found.share * side


def parse_css_transform(text: str, box: Box, context: Context) -> Matrix | None:
    """The matrix of a `transform` in CSS (CSS Transforms 1 and 2), without its origin; None where it is none.

    Transforms in three dimensions count where they stay in the plane.
    """
    matrix = Matrix()
    try:
        for token in significant(text):
            if token.type != "function":
                return None
            arguments = [inner for inner in significant(token.arguments) if inner != ","]
            matrix = matrix_of(token.lower_name, arguments, box, context) * matrix
    except (ValueError, IndexError, TypeError):
        return None
    return matrix


def matrix_of(name: str, arguments: list[Any], box: Box, context: Context) -> Matrix:
    """The matrix of one function. Raises ValueError or IndexError where it cannot be read."""

    def distance(place: int, side: int) -> float:
        return read_distance(arguments[place], box[2 + side], context) if place < len(arguments) else 0.0

    if name in ("translate", "translate3d"):
        return Matrix.translate(distance(0, 0), distance(1, 1))
    if name == "translatex":
        return Matrix.translate(distance(0, 0), 0)
    if name == "translatey":
        return Matrix.translate(0, distance(0, 1))
    if name in ("scale", "scale3d", "scalex", "scaley"):
        first = read_number(arguments[0])
        second = read_number(arguments[1]) if len(arguments) > 1 else first
        return Matrix(1 if name == "scaley" else first, 0, 0, 1 if name == "scalex" else second, 0, 0)
    if name == "rotate3d" and len(arguments) == 4 and read_number(arguments[0]) == read_number(arguments[1]) == 0:
        return rotation(math.copysign(1, read_number(arguments[2])) * read_angle(arguments[3]))
    if name in ("rotate", "rotatez"):
        return rotation(read_angle(arguments[0]))
    if name in ("skew", "skewx", "skewy"):
        first = math.tan(math.radians(read_angle(arguments[0])))
        second = math.tan(math.radians(read_angle(arguments[1]))) if len(arguments) > 1 else 0.0
        return Matrix(1, first, 0, 1, 0, 0) if name == "skewy" else Matrix(1, second, first, 1, 0, 0)
    if name == "matrix" and len(arguments) == 6:
        return Matrix(*map(read_number, arguments))
    if name == "matrix3d" and len(arguments) == 16:
        numbers = list(map(read_number, arguments))
        return Matrix(*(numbers[place] for place in (0, 1, 4, 5, 12, 13)))
    if name in ("translatez", "scalez"):
        return Matrix()
    raise ValueError("another function")


def rotation(degrees: float) -> Matrix:
    turn = math.radians(degrees)
    return Matrix(math.cos(turn), math.sin(turn), -math.sin(turn), math.cos(turn), 0, 0)


WORDS = {"left": 0.0, "top": 0.0, "center": 0.5, "right": 1.0, "bottom": 1.0}


def parse_origin(text: str, box: Box, context: Context) -> tuple[float, float] | None:
    """The point of a `transform-origin` relative to the corner of the reference box."""
    tokens = significant(text)
    if len(tokens) == 4:
        return parse_edges(tokens, box, context)
    if tokens and tokens[0].type == "ident" and tokens[0].lower_value in ("top", "bottom"):
        tokens = (
            [*tokens[1:2], tokens[0]] if len(tokens) > 1 else [*tinycss2.parse_component_value_list("center"), *tokens]
        )
    elif len(tokens) > 1 and tokens[1].type == "ident" and tokens[1].lower_value in ("left", "right"):
        tokens = [tokens[1], tokens[0]]
    places = []
    for side in (0, 1):
        token = tokens[side] if side < len(tokens) else None
        if token is None or (token.type == "ident" and token.lower_value in WORDS):
            places.append(box[2 + side] * (WORDS[token.lower_value] if token is not None else 0.5))
            continue
        found = evaluate([token], context)
        if found is None:
            return None
        places.append(found.units + found.share * box[2 + side])
    return places[0], places[1]


def parse_edges(tokens: list[Any], box: Box, context: Context) -> tuple[float, float] | None:
    """The point of a position by its distances from two edges, as `right 10px top 20px` (CSS Values 5, 8.3)."""
    places: dict[str, float] = {}
    for edge, token in (tokens[:2], tokens[2:]):
        found = evaluate([token], context)
        if edge.type != "ident" or edge.lower_value not in WORDS or found is None:
            return None
        axis = "y" if edge.lower_value in ("top", "bottom") else "x"
        side = box[3 if axis == "y" else 2]
        place = found.units + found.share * side
        places[axis] = side - place if edge.lower_value in ("right", "bottom") else place
    return (places["x"], places["y"]) if len(places) == 2 else None


def write_transform(matrix: Matrix) -> str:
    """A matrix as an attribute; empty for one that changes nothing."""
    numbers = [float(f"{value:.9g}") for value in (matrix.a, matrix.b, matrix.c, matrix.d, matrix.e, matrix.f)]
    if numbers == [1, 0, 0, 1, 0, 0]:
        return ""
    return f"matrix({' '.join(f'{number:.9g}' for number in numbers)})"
