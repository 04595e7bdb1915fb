"""Groups of settings: one JSON argument of a command line becomes a dataclass, and mistakes become sentences."""

from __future__ import annotations

import dataclasses
import difflib
import json
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, TypeVar

from core.command import InputError

Settings = TypeVar("Settings")


def settings_from_json(
    kind: type[Settings], text: str, name: str, renamed: Mapping[str, str] = MappingProxyType({})
) -> Settings:
    """The dataclass `kind` from a JSON object; what the object lacks has the dataclass's default.

    `name` is what the configuration calls the group, `renamed` gives the field of a key that is no name in Python
    (`from`). Raises InputError for a text that is no JSON object, and for an
    unknown key, with the nearest known one.
    """
    try:
        values: Any = json.loads(text)
    except json.JSONDecodeError as error:
        raise InputError(f"the {name} settings are not JSON ({error})") from error
    if not isinstance(values, dict):
        raise InputError(f"the {name} settings must be a JSON object, not {text}")
    keys = {field: key for key, field in renamed.items()}
    known = [keys.get(field.name, field.name) for field in dataclasses.fields(kind)]  # type: ignore[arg-type]
    for key in values:
        if key not in known:
            near = difflib.get_close_matches(key, known, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(known)}"
            raise InputError(f"{name}.{key}: unknown key; {hint}")
    return kind(**{renamed.get(key, key): value for key, value in values.items()})


def pick_settings(kind: type[Settings], group: Mapping[str, Any]) -> Settings:
    """The dataclass `kind` from a validated group of the configuration, which may hold keys of other stages as well."""
    return kind(**{field.name: group[field.name] for field in dataclasses.fields(kind) if field.name in group})  # type: ignore[arg-type]
