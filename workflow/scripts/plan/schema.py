"""The configuration's JSON schema: its defaults, and what each setting affects.

A key of the schema may have the annotation `affects`: `result` (where it is absent), `speed` (the same outputs sooner,
or on other machines) or `logging` (what is recorded beside them). Only `result` settings belong to the identity of a
job.
"""

from __future__ import annotations

import copy
from functools import cache
from pathlib import Path
from typing import Any

SCHEMA = Path(__file__).parents[2] / "schemas" / "config.schema.yaml"
KINDS = ("result", "speed", "logging")

Node = dict[str, Any]
Configuration = dict[str, Any]


def load_schema() -> Node:
    """The configuration's JSON schema."""
    return copy.deepcopy(_read_schema())


@cache
def _read_schema() -> Node:
    import yaml

    return yaml.load(SCHEMA.read_text(encoding="utf-8"), yaml.CSafeLoader)  # a tenth of the pure loader's time


def default_settings(group: str) -> dict[str, Any]:
    """The defaults of a group of settings (`health`), as the schema states them.

    A key without a default is left out.
    """
    return fill_defaults({}, _read_schema()["properties"][group])


def resolve_node(node: Node) -> Node:
    """A node of the schema with its reference replaced by what it refers to; keys beside the reference win."""
    if "$ref" not in node:
        return node
    target = _read_schema()["$defs"][node["$ref"].removeprefix("#/$defs/")]
    return resolve_node(target) | {key: value for key, value in node.items() if key != "$ref"}


def node_of_key(node: Node, key: str) -> Node:
    """The node of one key of an object: of the key itself, or of any key of a map. Empty for an unknown key."""
    node = resolve_node(node)
    child = node.get("properties", {}).get(key, node.get("additionalProperties"))
    return resolve_node(child) if isinstance(child, dict) else {}


def fill_defaults(value: Any, node: Node) -> Any:
    """A copy of a value with the defaults of its node filled in, at any depth, as Snakemake's `validate` does it."""
    if not isinstance(value, dict):
        return copy.deepcopy(value)
    node = resolve_node(node)
    defaults = {key: child["default"] for key, child in node.get("properties", {}).items() if "default" in child}
    missing = {key: default for key, default in defaults.items() if key not in value}
    return {key: fill_defaults(item, node_of_key(node, key)) for key, item in (value | missing).items()}


def result_settings(group: dict[str, Any], schema_node: Node) -> dict[str, Any]:
    """The settings of a validated group that decide the result and differ from their default, at any depth.

    So a key that a later version adds, with its default, changes no identity. An entry of a map (a base, a model)
    stays, also where nothing is left in it: that it is there is a setting.
    """
    kept = {}
    for key, value in group.items():
        child = node_of_key(schema_node, key)
        if child.get("affects", "result") != "result":
            continue
        reduced = _reduce(value, child)
        if "default" not in child or reduced != _reduce(child["default"], child):
            kept[key] = reduced
    return kept


def _reduce(value: Any, node: Node) -> Any:
    return result_settings(value, node) if isinstance(value, dict) else value


def affects(path: str) -> str:
    """What the setting at a key path affects (`captioners.blip.settings.batch_size`): result, speed or logging.

    A key inherits from the keys above it. Raises KeyError for a path that the schema does not know.
    """
    node = _read_schema()
    for key in path.split("."):
        child = node_of_key(node, key)
        if not child:
            raise KeyError(path)
        node = {"affects": node.get("affects", "result")} | child
    return node.get("affects", "result")
