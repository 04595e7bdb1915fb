"""Groups: items that share a key belong together, through chains of any length."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
import scipy.sparse.csgraph


def unite_by_keys(keys_of: Mapping[str, Iterable[str]]) -> dict[str, str]:
    """The group of each item: items that share a key share a group, and so do those that they share one with.

    `keys_of` maps an item to its keys, at least one. A group is named by the smallest of its keys, so that its name
    depends on the keys alone and not on which or how many items have them. Near-linear in the number of keys.
    """
    places: dict[str, int] = {}  # of the keys, among the nodes of a graph in which items come first
    edges = [
        (item, places.setdefault(key, len(keys_of) + len(places)))
        for item, keys in enumerate(keys_of.values())
        for key in keys
    ]
    size = len(keys_of) + len(places)
    ends = tuple(np.array(edges, dtype=np.int32).reshape(-1, 2).T)
    graph = scipy.sparse.coo_array((np.ones(len(edges), dtype=bool), ends), shape=(size, size))
    labels = scipy.sparse.csgraph.connected_components(graph, directed=False)[1].tolist()
    names: dict[int, str] = {}
    for key, place in places.items():
        names[labels[place]] = min(key, names.get(labels[place], key))
    return {item: names[label] for item, label in zip(keys_of, labels, strict=False)}
