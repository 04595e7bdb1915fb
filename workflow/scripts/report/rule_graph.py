"""The picture of the workflow: a box for each rule, lines to the rules that need it, top to bottom, as SVG."""

from __future__ import annotations

import itertools
from collections import defaultdict
from xml.sax.saxutils import escape

BOX_HEIGHT, LAYER_HEIGHT, GAP, MARGIN = 34, 74, 18, 12
LETTER = 6.7  # width of a letter of the labels
WAY = "\0"  # in the names of places that a line goes through; no rule is called so
SWEEPS = 8  # orderings of the layers; more change nothing on graphs of this size

Edges = list[tuple[str, str]]


def reduce_edges(edges: Edges) -> Edges:
    """Without the edges that a longer way makes superfluous. The graph has no cycles."""
    after = _neighbours(edges)
    reach: dict[str, set[str]] = {}

    def reached(node: str) -> set[str]:
        if node not in reach:
            reach[node] = set().union(*({other} | reached(other) for other in after[node]))
        return reach[node]

    return [
        (one, other) for one, other in edges if not any(other in reached(way) for way in after[one] if way != other)
    ]


def find_depths(edges: Edges) -> dict[str, int]:
    """The layer of each rule: below all that it needs."""
    before = _neighbours([(other, one) for one, other in edges])
    depths: dict[str, int] = {}

    def depth_of(node: str) -> int:
        if node not in depths:
            depths[node] = max((depth_of(other) + 1 for other in before[node]), default=0)
        return depths[node]

    for node in sorted({node for edge in edges for node in edge}):
        depth_of(node)
    return depths


def make_ways(edges: Edges, depths: dict[str, int]) -> list[list[str]]:
    """Each edge as the places that its line goes through: one in each layer that it crosses keeps it off the boxes."""
    return [
        [one, *(f"{one}{WAY}{other}{WAY}{level}" for level in range(depths[one] + 1, depths[other])), other]
        for one, other in edges
    ]


def order_layers(ways: list[list[str]], depths: dict[str, int]) -> list[list[str]]:
    """Rules and places of lines by layer, ordered so that lines are short and seldom cross."""
    steps = [step for way in ways for step in itertools.pairwise(way)]
    after, before = _neighbours(steps), _neighbours([(other, one) for one, other in steps])
    layers: list[list[str]] = [[] for _ in range(max(depths.values(), default=-1) + 1)]
    for way in ways:
        for level, node in enumerate(way[:-1], start=depths[way[0]]):
            if node not in layers[level]:
                layers[level].append(node)
        if way[-1] not in layers[depths[way[-1]]]:
            layers[depths[way[-1]]].append(way[-1])
    for sweep in range(SWEEPS):
        downwards = sweep % 2 == 0
        for layer in layers if downwards else reversed(layers):
            place = {node: (i + 0.5) / len(row) for row in layers for i, node in enumerate(row)}
            near = before if downwards else after
            layer.sort(key=lambda node: (_mean([place[other] for other in near[node]], place[node]), node))
    return layers


def draw_rule_graph(edges: Edges, notes: dict[str, str]) -> str:
    """An SVG file. `notes` stand below the names of their rules, for instance what their jobs took."""
    edges = reduce_edges(sorted(set(edges)))
    depths = find_depths(edges)
    ways = make_ways(edges, depths)
    layers = order_layers(ways, depths)
    widths = {
        node: 0.0 if WAY in node else LETTER * max(len(node), len(notes.get(node, ""))) + 20
        for layer in layers
        for node in layer
    }
    layer_widths = [sum(widths[node] + GAP for node in layer) - GAP for layer in layers]
    width, height = max(layer_widths) + 2 * MARGIN, LAYER_HEIGHT * (len(layers) - 1) + BOX_HEIGHT + 2 * MARGIN
    corners: dict[str, tuple[float, float]] = {}
    for level, layer in enumerate(layers):
        x = (width - layer_widths[level]) / 2
        for node in layer:
            corners[node] = (x, MARGIN + level * LAYER_HEIGHT)
            x += widths[node] + GAP
    lines = "".join(_draw_way(way, corners, widths) for way in ways)
    boxes = "".join(
        _draw_box(node, *corners[node], widths[node], notes.get(node, "")) for node in corners if WAY not in node
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}" width="{width:.0f}"'
        f' height="{height:.0f}" font-family="system-ui, Helvetica, Arial, sans-serif" font-size="12"'
        f' text-anchor="middle"><g fill="none" stroke="#8b877f">{lines}</g>{boxes}</svg>'
    )


def _draw_way(way: list[str], corners: dict[str, tuple[float, float]], widths: dict[str, float]) -> str:
    parts: list[str] = []
    for one, other in itertools.pairwise(way):
        x, y = corners[one][0] + widths[one] / 2, corners[one][1] + BOX_HEIGHT
        to_x, to_y = corners[other][0] + widths[other] / 2, corners[other][1]
        middle = (y + to_y) / 2
        start = "L" if parts else "M"
        parts.append(f"{start}{x:.1f} {y:.1f}C{x:.1f} {middle:.1f} {to_x:.1f} {middle:.1f} {to_x:.1f} {to_y:.1f}")
    return f'<path d="{"".join(parts)}"/>'


def _draw_box(node: str, x: float, y: float, width: float, note: str) -> str:
    centre = x + width / 2
    name = f'<text x="{centre:.1f}" y="{y + (15 if note else 21):.1f}">{escape(node)}</text>'
    small = f'<text x="{centre:.1f}" y="{y + 28:.1f}" font-size="10" fill="#5b5954">{escape(note)}</text>'
    box = (
        f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{BOX_HEIGHT}" rx="4" fill="#fff" stroke="#8b877f"/>'
    )
    return box + name + (small if note else "")


def _neighbours(edges: Edges) -> defaultdict[str, list[str]]:
    found: defaultdict[str, list[str]] = defaultdict(list)
    for one, other in edges:
        found[one].append(other)
    return found


def _mean(numbers: list[float], otherwise: float) -> float:
    return sum(numbers) / len(numbers) if numbers else otherwise
