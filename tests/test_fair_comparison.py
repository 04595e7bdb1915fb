"""Systems on both sides of training: what a claim of a win says, and the best of each side by input."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from browser_visits import Visit
from report_fixture import Experiment, make_experiment
from small_configuration import small_configuration

from compare import parse_systems
from core.command import InputError
from core.records import read_json, write_json
from html_report import main
from plan.configuration import BASELINE_INPUT, systems
from plan.presets import resolve_defaults
from plan.schema import fill_defaults, load_schema
from qualitative_report import main as write_qualitative
from report.comparison import System, read_comparison
from report.fair_comparison import describe_border, make_grid, outside_grid
from report.findings import find_leaders, headline


@pytest.fixture
def made(tmp_path: Path) -> Experiment:
    return make_experiment(tmp_path / "demo")


def change(made: Experiment, edit: Callable[[dict[str, dict[str, Any]]], None]) -> None:
    """Edit the systems of comparison.json, by name."""
    path = made.arguments["comparison"]
    raw = read_json(path)
    edit({system["name"]: system for system in raw["systems"]})
    write_json(path, raw)


def section_of(made: Experiment) -> str:
    """The grid as text in one line."""
    main(**made.arguments)
    text = made.arguments["output"].read_text(encoding="utf-8").split('<table class="uses">')[1]
    return " ".join(re.sub("<[^>]+>", " ", text.split("</section>")[0]).split())


def system(label: str, trained: bool | None) -> System:
    return System(label, label, "lora", None, trained, "code")


def test_each_kind_of_entry_says_its_training_and_input() -> None:
    config = small_configuration()
    config["bases"]["llm"]["few_shot"] = {}
    config["captioners"] = {"blip": {"family": "blip", "source": config["clip"]["source"]}}
    resolve_defaults(config)
    found = systems(fill_defaults(config, load_schema()))
    assert {name: (one["trained"], one["input"]) for name, one in found.items()} == {
        "llm-zero-shot": (False, "code"),
        "llm-few-shot": (False, "code"),
        "tuned": (True, "code"),
        "blip": (False, "image"),
        "constant": (True, "none"),
        "text_nearest": (True, "code"),
        "clip_nearest": (True, "image"),
    }
    assert set(BASELINE_INPUT) == set(load_schema()["properties"]["baselines"]["properties"])


@pytest.mark.parametrize("use", ['"trained": "yes"', '"trained": 1', '"input": "sound"', '"input": "unknown"'])
def test_a_use_that_the_table_cannot_hold_is_refused(use: str) -> None:
    with pytest.raises(ValueError, match=r"trained is true|input is code"):
        parse_systems(f'{{"a": {{"family": "lora", {use}}}}}')


def test_a_comparison_without_the_use_of_its_systems_is_refused(made: Experiment) -> None:
    change(made, lambda systems: systems["constant"].pop("trained"))
    with pytest.raises(InputError, match="run compare again"):
        read_comparison(made.arguments["comparison"])


@pytest.mark.parametrize(
    ("winner", "others", "words"),
    [
        (True, [True], ""),
        (False, [False, False], ""),
        (True, [False], "trained on this data, unlike 0"),
        (False, [True, False, True], "not trained on this data, unlike 0 and 2"),
        (True, [False] * 5, "trained on this data, unlike 0, 1 and 3 others"),
        (True, [None], "trained on this data; of 0 this is unknown"),
        (False, [True, None], "not trained on this data, unlike 0; of 1 this is unknown"),
        (None, [None], "whether trained on this data is unknown"),
        (None, [], ""),
    ],
)
def test_the_border_is_told_where_a_win_crosses_it(winner: bool | None, others: list[bool | None], words: str) -> None:
    best = system("best", winner)
    assert describe_border(best, [best, *(system(str(n), trained) for n, trained in enumerate(others))]) == words


def test_the_headline_and_each_leader_say_in_the_sentence_that_the_win_crosses_the_border(made: Experiment) -> None:
    comparison = read_comparison(made.arguments["comparison"])
    leaders = find_leaders(comparison, [value for value in comparison.values if value.radar])
    border = "trained on this data, unlike SmolLM2 zero-shot"
    assert headline(leaders, 5).startswith(f"SmolLM2 LoRA r 16 ({border}) scores highest on all 5 metrics")
    assert all(leader.lead.endswith(f"; {border}") for leader in leaders)


def test_a_headline_among_systems_of_one_side_says_nothing_of_it(made: Experiment) -> None:
    change(made, lambda systems: [entry.update(trained=False) for entry in systems.values()])
    comparison = read_comparison(made.arguments["comparison"])
    leaders = find_leaders(comparison, [value for value in comparison.values if value.radar])
    assert headline(leaders, 5).startswith("SmolLM2 LoRA r 16 scores highest on all 5 metrics")
    assert all("trained" not in leader.lead for leader in leaders)


def test_several_leaders_each_say_their_border(made: Experiment) -> None:
    path = made.arguments["comparison"]
    raw = read_json(path)
    raw["best"]["cider"]["system"] = "smollm2-zero-shot"
    write_json(path, raw)
    comparison = read_comparison(path)
    leaders = find_leaders(comparison, [comparison.value(name) for name in ("meteor", "cider")])
    assert headline(leaders, 5) == (
        "No system leads everywhere: SmolLM2 LoRA r 16 (trained on this data, unlike SmolLM2 zero-shot) on METEOR; "
        "SmolLM2 zero-shot (not trained on this data, unlike SmolLM2 LoRA r 4, SmolLM2 LoRA r 16 and 2 others) "
        "on CIDEr."
    )


def test_the_grid_has_the_best_of_each_cell_with_its_score(made: Experiment) -> None:
    change(made, lambda systems: systems["smollm2-test1"].update(trained=False, input="both"))
    comparison = read_comparison(made.arguments["comparison"])
    values = [comparison.value(name) for name in ("meteor", "cider")]
    grid = [
        (words, [[(w.system.name, [(v.name, c.score) for v, c in w.scores]) for w in cell.winners] for cell in cells])
        for words, cells in make_grid(comparison, values)
    ]

    def best(name: str) -> list[tuple[str, list[tuple[str, float | None]]]]:
        return [(name, [(value.name, comparison.cells[name, value.name, "all"].score) for value in values])]

    assert grid == [
        ("trained on this data", [best("smollm2-test3"), best("clip-nearest"), []]),
        ("not trained on this data", [best("smollm2-zero-shot"), [], best("smollm2-test1")]),
    ]
    assert [one.name for one in outside_grid(comparison)] == ["constant"]


def test_two_winners_of_a_cell_have_their_own_values_and_lower_can_be_better(made: Experiment) -> None:
    path = made.arguments["comparison"]
    raw = read_json(path)
    next(value for value in raw["values"] if value["name"] == "cider")["higher_is_better"] = False
    write_json(path, raw)
    comparison = read_comparison(path)
    (_, [cell, *_]), _ = make_grid(comparison, [comparison.value(name) for name in ("meteor", "cider")])
    found = {winner.system.name: [value.name for value, _ in winner.scores] for winner in cell.winners}
    assert (cell.n_systems, found) == (2, {"smollm2-test3": ["meteor"], "smollm2-test1": ["cider"]})


def test_the_page_shows_the_grid_with_empty_cells_and_what_is_in_none(made: Experiment) -> None:
    change(made, lambda systems: systems["clip-nearest"].update(trained=None, input=None))
    text = section_of(made)
    assert text.count(" none") == 4
    assert "of 2 systems" in text
    assert (
        "Systems in no cell of this table: nearest by CLIP (training unknown, input unknown), constant (trained "
        in text
    )


def test_the_table_has_parts_filters_and_exports_by_training_and_input(browser: Any, made: Experiment) -> None:
    main(**made.arguments)
    visit = Visit(browser, made.arguments["output"])
    parts = visit.page.locator("table.scores th[scope=rowgroup]")
    assert parts.all_inner_texts() == ["trained on this data", "not trained on this data"]
    visit.select("Parts", "input")
    assert parts.all_inner_texts() == ["reads code", "reads the image", "reads no drawing"]
    scores = "table.scores tbody:has(.part):nth-of-type(1) td:nth-child(5) .number"
    visit.page.click("table.scores thead button:has-text('CIDEr')")
    shown = [float(text) for text in visit.page.locator(scores).all_inner_texts()]
    assert len(shown) == 3
    assert shown == sorted(shown, reverse=True), "sorted inside its part"
    visit.select("Training", "yes")
    visit.select("Input", "code")
    rows = visit.page.locator("table.scores tbody th[scope=row]").all_inner_texts()
    assert [text.split("\n")[0] for text in rows[:-1]] == ["SmolLM2 LoRA r 16", "SmolLM2 LoRA r 4"]
    assert visit.page.inner_text(".counted[role=status]") == "2 of 5 systems shown"
    exported = list(csv.DictReader(visit.saved("#scores button:has-text('Save')").splitlines()))
    assert {(row["system"], row["trained"], row["input"]) for row in exported} == {
        ("smollm2-test1", "yes", "code"),
        ("smollm2-test3", "yes", "code"),
    }
    sides = visit.page.locator(".forest svg").first.locator("text.training-side").all_text_contents()
    assert sides == ["trained on this data", "not trained on this data"]
    assert visit.page.locator("#charts-mount [role=group][aria-label='not trained on this data'] .chip").count() == 1
    assert visit.errors == []


def test_the_printed_page_says_the_use_of_each_system(made: Experiment, tmp_path: Path) -> None:
    taken = ("experiment", "comparison", "samples", "captions_dir", "scores_dir")
    arguments = {name: made.arguments[name] for name in taken}
    write_qualitative(**arguments, value="cider", seed=3, output=tmp_path / "qualitative.html")
    text = (tmp_path / "qualitative.html").read_text(encoding="utf-8")
    assert "SmolLM2 zero-shot<small>not trained on this data, reads code</small>" in text
    assert "nearest by CLIP<small>trained on this data, reads the image</small>" in text
