"""The picture of the workflow: every rule below what it needs, names as text, equal input gives equal bytes."""

from __future__ import annotations

import re

from lxml import etree

from report.rule_graph import draw_rule_graph, find_depths, make_ways, reduce_edges

EDGES = [("a", "b"), ("b", "c"), ("a", "c"), ("d", "c"), ("a", "e")]


def test_an_edge_that_a_longer_way_makes_superfluous_is_left_out() -> None:
    assert ("a", "c") not in reduce_edges(EDGES)
    assert set(reduce_edges(EDGES)) == set(EDGES) - {("a", "c")}


def test_a_rule_lies_below_all_that_it_needs() -> None:
    assert find_depths(EDGES) == {"a": 0, "b": 1, "c": 2, "d": 0, "e": 1}


def test_a_line_over_several_layers_has_a_place_in_each() -> None:
    way = next(way for way in make_ways(EDGES, find_depths(EDGES)) if way[0] == "d")
    assert (len(way), way[-1]) == (3, "c")


def test_every_rule_is_a_box_with_its_note_and_no_box_covers_another() -> None:
    picture = draw_rule_graph(EDGES, {"b": "2 jobs", "c": "<b>&"})
    root = etree.fromstring(picture)
    texts = [text.text for text in root.iter("{*}text")]
    assert sorted(texts) == ["2 jobs", "<b>&", "a", "b", "c", "d", "e"]
    boxes = [tuple(float(box.get(name)) for name in ("x", "y", "width", "height")) for box in root.iter("{*}rect")]
    assert len(boxes) == 5
    for i, (x, y, width, height) in enumerate(boxes):
        for other_x, other_y, other_width, other_height in boxes[i + 1 :]:
            apart = x + width <= other_x or other_x + other_width <= x
            assert apart or y + height <= other_y or other_y + other_height <= y
    assert len(re.findall("<path", picture)) == 4


def test_the_order_of_the_edges_changes_nothing() -> None:
    assert draw_rule_graph(EDGES, {}) == draw_rule_graph(EDGES[::-1], {})
