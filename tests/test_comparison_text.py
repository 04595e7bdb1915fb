"""The printed table of a comparison: plain text of bounded width, nothing cut off."""

from typing import Any

from rich.cells import cell_len

from comparison.text import render_comparison


def comparison_of(labels: list[str], n_values: int) -> dict[str, Any]:
    """A comparison of made-up systems, the first of which is the best by all values."""
    values = [
        {"name": f"v{place}", "metric": "m", "label": f"value {place}", "radar": True, "range": [0, 1], "corpus": False}
        for place in range(n_values)
    ]
    systems = [
        {"name": f"s{place}", "label": label, "trained": not place, "input": "code", "trainings": None}
        for place, label in enumerate(labels)
    ]
    numbers = {"score": 0.412, "low": 0.39, "high": 0.43, "seed_sd": None, "n": 2000, "n_groups": 1900, "n_failed": 6}
    return {
        "systems": systems,
        "values": values,
        "cells": [
            {"system": system["name"], "value": value["name"], "slice": "all", **numbers}
            for system in systems
            for value in values
        ],
        "best": {value["name"]: {"system": "s0", "ties": ["s1"], "testable": True} for value in values},
        "slices": [{"name": "all", "n": 2000, "n_groups": 1900, "effective_groups": 1800.0}],
        **{"human": [], "health": [], "confidence": 0.95, "n_resamples": 1000, "n_samples": 2000},
    }


def test_many_values_break_into_tables_that_fit():
    shown = render_comparison(comparison_of(["Good", "Weak"], 12))
    assert max(map(len, shown.splitlines())) <= 100
    assert shown.count("Weak") == 2
    assert all(f"value {place}" in shown for place in range(12))


def test_each_system_says_whether_it_was_trained_on_this_data_and_what_it_reads():
    lines = render_comparison(comparison_of(["Good", "Weak"], 3)).splitlines()
    under = {line.split()[0]: lines[place + 1] for place, line in enumerate(lines) if line.startswith(("Good", "Weak"))}
    assert under["Good"].startswith("  trained, code ")
    assert under["Weak"].startswith("  not trained, code ")


def test_a_system_that_uses_the_metrics_own_model_is_marked_and_the_mark_explained():
    comparison = comparison_of(["Good", "Weak", "Other"], 2)
    assert "~" not in render_comparison(comparison)
    comparison["systems"][2]["shares_model"] = ["m"]
    shown = render_comparison(comparison)
    assert shown.count("~.412") == 2
    assert "~ uses the model of this metric itself" in shown


def test_a_share_is_a_main_value_and_its_interval_is_named():
    comparison = comparison_of(["Good"], 2)
    comparison["values"][1] |= {"label": "Scenes right", "radar": False}
    assert "Scenes right" not in render_comparison(comparison)
    comparison["values"][1]["share"] = True
    shown = render_comparison(comparison)
    assert "Scenes right" in shown.splitlines()[0]
    assert "of a share (Scenes right): Wilson's interval" in shown


def test_long_labels_are_whole_and_columns_aligned():
    shown = render_comparison(comparison_of([f"[{place}] 絵 {'word ' * 12}" for place in range(3)], 3))
    assert [shown.count(f"[{place}] 絵") for place in range(3)] == [1] * 3
    assert shown.count("word") == 3 * 12
    assert [shown.count(mark) for mark in ("*.412", "=.412", " .412")] == [3, 3, 3]
    rows = [line for line in shown.split("\n\n")[0].splitlines() if ".4" in line]
    assert len(rows) == 2 * 3
    assert len({cell_len(row) for row in rows}) == 1
    assert "\x1b" not in shown
