"""Groups: what shares a key belongs together, through chains of any length."""

from __future__ import annotations

from collections.abc import Iterable, Mapping


def unite_by_keys(keys_of: Mapping[str, Iterable[str]]) -> dict[str, str]:
    """The group of each item: items that share a key share a group, and so do those that they share one with.

    `keys_of` maps an item to its keys, at least one. A group is named by the smallest of its keys, so that its name
    depends on the keys alone and not on which or how many items have them. Near-linear in the number of keys.
    """
    parent: dict[str, str] = {}

    def root(key: str) -> str:
        while parent.setdefault(key, key) != key:
            parent[key] = parent[parent[key]]
            key = parent[key]
        return key

    first_key = {}
    for item, keys in keys_of.items():
        first, *others = keys
        first_key[item] = first
        root(first)
        for other in others:
            low, high = sorted((root(first), root(other)))
            parent[high] = low
    return {item: root(key) for item, key in first_key.items()}
