"""Keys that a YAML file has twice. YAML loaders keep the last of them and drop the others without a word."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

MERGE_KEY = "tag:yaml.org,2002:merge"


def duplicate_keys(path: str | Path) -> list[str]:
    """A fault for each key that a mapping of a YAML or JSON file has more than once.

    A file that cannot be parsed has none: whoever loads it says what is wrong with it.
    """
    try:
        root = yaml.compose(Path(path).read_text(encoding="utf-8"), yaml.CSafeLoader)
    except (yaml.YAMLError, OSError, UnicodeDecodeError):
        return []
    return list(_duplicates(root, "", Path(path).name, set()))


def _duplicates(node: Any, where: str, file: str, seen: set[int]) -> Iterator[str]:
    if id(node) in seen:  # an alias
        return
    seen.add(id(node))
    if isinstance(node, yaml.SequenceNode):
        for place, item in enumerate(node.value):
            yield from _duplicates(item, f"{where}.{place}", file, seen)
    elif isinstance(node, yaml.MappingNode):
        lines: dict[tuple[str, str], list[int]] = {}
        for key, value in node.value:
            name = f"{where}.{key.value}".lstrip(".")
            if key.tag != MERGE_KEY:
                lines.setdefault((key.tag, str(key.value)), []).append(key.start_mark.line + 1)
            yield from _duplicates(value, name, file, seen)
        for (_, key), found in lines.items():
            if len(found) > 1:
                name, places = f"{where}.{key}".lstrip("."), " and ".join(map(str, found))
                yield f"{name}: the key occurs {len(found)} times, in lines {places} of {file}; keep one of them"
