"""The identity of a job: what decides its results, as one JSON-able record.

    record = job_identity(
        inputs={"samples": sha256, "base": digest}, settings=result_settings(settings, without=("batch_size",)),
        code=code_digest("caption_llm"), libraries=("torch", "transformers"),
    )
    identity_digest(record)          # "3f0c9a1b2d4e5f60": names a folder of a store
    changed_parts(before, record)    # ["setting r", "input train", "version of torch"]

Rule parameters, checkpoints of a training, partial captions and stores of results use it. Inputs count by the digest
of their content, never by a path or a time, so that a clone or a moved folder has the same identities. Only settings
that change results take part; what only logs or only changes the speed is left out, and so is a key that has its
default: a key that a later version adds changes no identity.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Collection, Iterable, Mapping
from importlib import metadata
from typing import Any

ABSENT = "absent"
# How a part of the record is named in a message.
PART_NAMES = {"inputs": "input", "settings": "setting", "libraries": "version of"}


def job_identity(
    *, inputs: Mapping[str, str], settings: Mapping[str, Any], code: str | None, libraries: Iterable[str]
) -> dict[str, Any]:
    """The record {"inputs": {name: content digest}, "settings": …, "code": …, "libraries": {name: version}}.

    `code` is a digest of core.code_digest; None where the code takes no part. `libraries` are those that decide the
    job's numbers. The record is as JSON gives it back: it equals one that was written and read.
    """
    versions = {name: library_version(name) for name in sorted(libraries)}
    record = {"inputs": dict(inputs), "settings": dict(settings), "code": code, "libraries": versions}
    return json.loads(canonical_json(record))


def library_version(name: str) -> str:
    """The installed version of a distribution; "absent" where it is not installed."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return ABSENT


def result_settings(settings: Any, without: Collection[str] = ()) -> dict[str, Any]:
    """The fields of a settings dataclass that differ from their defaults, but those in `without`."""
    return {
        field.name: value
        for field in dataclasses.fields(settings)
        if field.name not in without and (value := getattr(settings, field.name)) != field_default(field)
    }


def field_default(field: dataclasses.Field[Any]) -> Any:
    """The default of a dataclass field; dataclasses.MISSING where it has none."""
    return field.default if field.default_factory is dataclasses.MISSING else field.default_factory()


def identity_digest(record: Mapping[str, Any], without: Collection[str] = ()) -> str:
    """16 hexadecimal digits of a record; `without` are its keys that are recorded and take no part."""
    counted = {key: value for key, value in record.items() if key not in without}
    return hashlib.sha256(canonical_json(counted).encode()).hexdigest()[:16]


def canonical_json(value: Any) -> str:
    """JSON that depends neither on the order of keys nor on whether a whole number is written as 16 or as 16.0."""
    return json.dumps(_whole_numbers_as_int(value), sort_keys=True, separators=(",", ":"), allow_nan=False)


def changed_parts(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """What differs between two records, in words: "setting prompt.max_tokens", "input train", "code"."""
    changed = []
    for key in sorted({*before, *now}):
        one, other = before.get(key), now.get(key)
        if one == other:
            continue
        names = changed_names(one, other) if key in PART_NAMES else [""]
        changed += [f"{PART_NAMES[key]} {name}" if name else key for name in names]
    return changed


def changed_names(before: Any, now: Any) -> list[str]:
    """Dotted names of the values that differ; an empty name where not both are mappings."""
    if not (isinstance(before, Mapping) and isinstance(now, Mapping)):
        return [""]
    names = []
    for key in sorted({*before, *now}):
        if before.get(key) != now.get(key):
            inside = changed_names(before.get(key), now.get(key))
            names += [f"{key}.{name}" if name else str(key) for name in inside]
    return names


def _whole_numbers_as_int(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _whole_numbers_as_int(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_whole_numbers_as_int(item) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value
