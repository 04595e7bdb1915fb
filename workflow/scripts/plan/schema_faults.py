"""What the schema finds wrong with a configuration, in words that name key, value and remedy."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from typing import Any

from plan.schema import Configuration, Node


def schema_faults(config: Configuration, schema: Node) -> Iterator[str]:
    """A line for each unknown key, missing key, wrong type and value out of range."""
    from jsonschema import Draft202012Validator

    for error in Draft202012Validator(schema).iter_errors(config):
        parts = [str(part) for part in error.absolute_path]
        if "propertyNames" in error.absolute_schema_path:  # the fault is the name of an entry
            parts.append(str(error.instance))
        yield from _fault_lines(".".join(parts), error)


def _fault_lines(path: str, error: Any) -> Iterator[str]:
    where = path or "the top level"
    described = f" ({error.schema['description']})" if "description" in error.schema else ""
    if error.validator == "additionalProperties":
        yield from _unknown_keys(path, error)
    elif error.validator == "required":
        yield from _missing_keys(path, error)
    elif error.validator == "enum":
        choices = [str(choice) for choice in error.validator_value]
        near = difflib.get_close_matches(str(error.instance), choices, n=1)
        hint = f"did you mean {near[0]!r}? " if near else ""
        yield f"{where}: {error.instance!r} is none of {', '.join(choices)}. {hint}{described}".rstrip()
    elif error.validator == "oneOf":
        choices = [" and ".join(option["required"]) for option in error.validator_value if "required" in option]
        yield f"{where}: needs exactly one of: {'; '.join(choices)}{described}"
    elif error.validator == "pattern":
        hint = colour_hint(error.instance) if error.schema.get("format") == "color" else ""
        yield f"{where}: {error.instance!r} does not fit{described or ' ' + error.validator_value}{hint}"
    elif error.validator == "not":
        yield f"{where}: {error.instance!r} is a reserved name; choose another"
    elif error.validator == "type" and isinstance(error.instance, bool) and "string" in error.validator_value:
        yield f"{where}: YAML reads unquoted no, off, yes and on as false and true; put the text in quotes{described}"
    elif error.validator == "type" and "number" in error.validator_value and is_number(error.instance):
        yield f"{where}: YAML reads {error.instance} as text; write a number with a dot, as 1.0e-4{described}"
    else:  # type, minimum, maximum, minItems, ...: the library's sentence is clear
        yield f"{where}: {error.message}{described}"


def _unknown_keys(path: str, error: Any) -> Iterator[str]:
    known = list(error.schema.get("properties", {}))
    for key in sorted(set(error.instance) - set(known), key=str):
        near = difflib.get_close_matches(str(key), known, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"known keys here: {', '.join(known)}"
        yield f"{_below(path, key)}: unknown key; {hint}"


def _missing_keys(path: str, error: Any) -> Iterator[str]:
    for key in error.validator_value:
        if key not in error.instance:
            description = error.schema.get("properties", {}).get(key, {}).get("description", "")
            yield f"{_below(path, key)}: missing in {path or 'the top level'}; {description}".rstrip("; ")


def _below(path: str, key: object) -> str:
    return f"{path}.{key}" if path else str(key)


def is_number(text: object) -> bool:
    """Whether a text is a number in Python's notation, as 1e-4, which YAML takes for text."""
    try:
        float(str(text))
    except ValueError:
        return False
    return isinstance(text, str)


def colour_hint(text: object) -> str:
    """The colour as #rrggbb where a text is one in another notation: a CSS name, three digits, rgb()."""
    from PIL import ImageColor

    try:
        red, green, blue = ImageColor.getrgb(str(text))[:3]
    except ValueError:
        return ""
    return f"; did you mean '#{red:02x}{green:02x}{blue:02x}'?"
