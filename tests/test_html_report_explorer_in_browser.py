"""The report's explorer in a browser: filters, links and keys find the right samples, and votes are counted."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from browser_visits import Visit, ids_of
from report_fixture import Experiment, make_experiment

from core.records import read_captions, read_samples
from html_report import main


@pytest.fixture(scope="module")
def experiment(tmp_path_factory: pytest.TempPathFactory) -> Experiment:
    made = make_experiment(tmp_path_factory.mktemp("plain") / "demo")
    main(**made.arguments)
    return made


def scores_of(experiment: Experiment, system: str, value: str) -> np.ndarray:
    from report.comparison import read_comparison
    from report.inputs import read_values

    arguments = experiment.arguments
    comparison = read_comparison(arguments["comparison"])
    return read_values(arguments["scores_dir"], system, comparison, ids_of(experiment))[value]


def test_filters_and_order_give_the_right_samples(browser: Any, experiment: Experiment) -> None:
    ids = ids_of(experiment)
    test1, test3 = (scores_of(experiment, name, "cider") for name in ("smollm2-test1", "smollm2-test3"))
    visit = Visit(browser, experiment.arguments["output"])
    assert visit.listed_ids() == ids
    for label, value in (("Metric", "cider"), ("System A", "smollm2-test3"), ("System B", "smollm2-test1")):
        visit.page.locator("#explorer").get_by_label(label, exact=True).select_option(value)
    visit.select("Show", "a")
    assert visit.listed_ids() == [ids[i] for i in np.flatnonzero(test3 > test1)]
    visit.select("Show", "all")
    visit.select("Order", "low")
    assert visit.listed_ids() == [ids[i] for i in np.argsort(test3, kind="stable")]
    visit.select("Order", "behind")
    assert visit.listed_ids() == [ids[i] for i in np.argsort(test3 - test1, kind="stable")]
    visit.page.click("text=Reset")
    visit.page.click("text=More filters")
    visit.select("Flag", "failed:smollm2-zero-shot")
    assert visit.listed_ids() == [ids[6]]
    assert "No caption: empty caption" in visit.page.inner_text(".card")
    visit.page.click("text=Reset")
    visit.page.click("text=More filters")
    visit.select("Source", "openmoji")
    assert visit.listed_ids() == ids[::3]
    visit.fill("Search", "sailboat nothing-like-it")
    visit.page.wait_for_selector("text=No sample matches the filters")
    assert visit.errors == []


def test_ranges_of_score_and_complexity_choose_samples(browser: Any, experiment: Experiment) -> None:
    ids, scores = ids_of(experiment), scores_of(experiment, "smollm2-test1", "cider")
    shapes = np.array([sample.n_shapes for sample in read_samples(experiment.arguments["samples"])])
    visit = Visit(browser, experiment.arguments["output"])
    explorer = visit.page.locator("#explorer")
    explorer.get_by_label("Metric", exact=True).select_option("cider")
    explorer.get_by_label("System A", exact=True).select_option("smollm2-test1")
    visit.page.click("text=More filters")
    visit.fill("from", "0.4")
    visit.fill("to", "2")
    assert visit.listed_ids() == [ids[i] for i in np.flatnonzero((scores >= 0.4) & (scores <= 2))]
    visit.fill("from", "")
    visit.fill("to", "")
    visit.select("measured in", "shapes")
    visit.fill("at least", "3")
    assert 0 < (shapes >= 3).sum() < len(ids)
    assert visit.listed_ids() == [ids[i] for i in np.flatnonzero(shapes >= 3)]


def test_keys_walk_through_the_list(browser: Any, experiment: Experiment) -> None:
    ids = ids_of(experiment)
    visit = Visit(browser, experiment.arguments["output"])
    visit.page.locator(".list").focus()
    for key, index in (("ArrowDown", 1), ("ArrowDown", 2), ("ArrowUp", 1), ("End", 23), ("Home", 0)):
        visit.page.keyboard.press(key)
        assert visit.shown_id() == ids[index]
        assert visit.page.get_attribute(".row[aria-selected=true]", "data-id") == ids[index]
    assert visit.fragment() == f"#sample={ids[0]}"


def test_a_link_opens_one_sample(browser: Any, experiment: Experiment) -> None:
    visit = Visit(browser, experiment.arguments["output"], "#sample=scenes-0020")
    assert visit.shown_id() == "scenes-0020"
    assert visit.page.get_attribute(".row[aria-selected=true]", "data-id") == "scenes-0020"
    visit.page.click("text=More filters")
    visit.select("Source", "openmoji")
    visit.page.evaluate("location.hash = '#sample=scenes-0001'")
    visit.page.wait_for_selector("text=current filters exclude this sample")
    assert visit.shown_id() == "scenes-0001"


def test_a_link_carries_the_filters_to_another_reader(browser: Any, experiment: Experiment) -> None:
    visit = Visit(browser, experiment.arguments["output"])
    explorer = visit.page.locator("#explorer")
    for label, value in (("Metric", "cider"), ("System A", "smollm2-test1"), ("System B", "constant")):
        explorer.get_by_label(label, exact=True).select_option(value)
    visit.select("Show", "a")
    visit.select("Order", "lead")
    visit.page.click("text=More filters")
    visit.fill("to", "4.5")
    visit.fill("Search", "a; b & <i>: 100%")
    assert visit.listed_ids() == []
    visit.fill("Search", "circle")
    visit.page.click(".detail-side button:has-text('Next')")
    ids, shown, fragment = visit.listed_ids(), visit.shown_id(), visit.fragment()
    assert len(ids) > 2
    assert shown == ids[1]
    visit.page.evaluate("navigator.clipboard.writeText = async (text) => { window.copied = text; }")
    visit.page.click("text=Copy link to this view")
    assert visit.page.evaluate("window.copied").endswith(fragment)
    assert fragment.startswith(f"#sample={shown}&filter=")
    other = Visit(browser, experiment.arguments["output"], fragment)
    assert other.listed_ids() == ids
    assert other.shown_id() == shown
    assert other.page.locator("#explorer").get_by_label("System A", exact=True).input_value() == "smollm2-test1"
    assert other.page.locator("#explorer").get_by_label("to", exact=True).input_value() == "4.5"
    other.page.click("text=Reset")
    assert other.listed_ids() == ids_of(experiment)
    assert "filter" not in other.fragment()


def test_a_link_of_another_report_says_what_is_missing(browser: Any, experiment: Experiment) -> None:
    fragment = "#sample=gone&filter=a:nobody;relation:b;constructor:x;from:much;text:%3Cimg%20onerror%3D1%3E%"
    visit = Visit(browser, experiment.arguments["output"], fragment)
    status = visit.page.inner_text("#explorer .status")
    assert status.startswith("0 of 24 samples.")
    assert status.endswith("not in this report: a nobody, constructor x, from much, sample gone")
    assert visit.page.locator("#explorer").get_by_label("Show", exact=True).input_value() == "b"
    assert visit.errors == []


def test_the_banner_leads_to_its_samples(browser: Any, experiment: Experiment) -> None:
    visit = Visit(browser, experiment.arguments["output"])
    visit.page.click("li:has-text('could not be drawn') >> text=Show them")
    assert visit.listed_ids() == ["scenes-0004"]
    visit.page.click("li:has-text('leak') >> text=Show them")
    assert visit.listed_ids() == ["scenes-0001"]
    visit.page.click("#health a[data-flag='cut_at_end:smollm2-zero-shot']")
    assert visit.listed_ids() == ids_of(experiment)[::5]
    assert visit.fragment().endswith("&filter=flag:cut_at_end%3Asmollm2-zero-shot")
    visit.page.click("li:has-text('contain words of their own') >> text=Show them")
    assert visit.listed_ids() == ["openmoji-0009"]
    visit.page.click("text=Compare A and B blindly")
    visit.page.click("li:has-text('are leaked:') >> text=Show them")
    assert visit.listed_ids() == ["scenes-0001"]


def test_words_that_the_reference_lacks_are_marked(browser: Any, experiment: Experiment) -> None:
    visit = Visit(browser, experiment.arguments["output"], "#sample=scenes-0001")
    row = visit.page.locator(".captions tbody tr", has_text="constant")
    marked = set(row.locator(".word.miss").all_inner_texts())
    reference = visit.page.inner_text(".references li:first-child").split()
    assert marked == {"a", "red", "circle"} - set(reference)
    assert visit.page.locator(".badge.exact").count() >= 1


def test_blind_votes_leave_as_json_and_give_a_result(browser: Any, experiment: Experiment) -> None:
    visit = Visit(browser, experiment.arguments["output"])
    visit.select("System A", "smollm2-test3")
    visit.select("System B", "constant")
    visit.page.click("text=Compare A and B blindly")
    captions = {
        name: {c.id: c for c in read_captions(experiment.arguments["captions_dir"] / f"{name}.jsonl")}
        for name in ("smollm2-test3", "constant")
    }
    ballot = visit.page.locator(".ballot")
    visit.page.get_by_label("Your name, for the file").fill("rater 1")
    assert "SmolLM2" not in ballot.inner_text()
    shown = []
    for key in ("1", "1", "2", "3", "4"):
        shown.append(ballot.locator(".side p").all_inner_texts())
        visit.page.locator(".choices").focus()
        visit.page.keyboard.press(key)
    saved = json.loads(visit.saved(".ballot button:has-text('Save 5 votes')"))
    assert saved["rater"] == "rater 1"
    assert saved["experiment"] == "demo"
    assert [vote["vote"] for vote in saved["votes"]] == ["left", "left", "right", "alike", "neither"]
    for vote, texts in zip(saved["votes"], shown, strict=True):
        assert [captions[vote[side]][vote["sample"]].caption for side in ("left", "right")] == texts
    assert len({vote["left"] for vote in saved["votes"]}) == 2, "sides are drawn by lot"
    visit.page.click("text=Show the result")
    cells = ballot.locator(".tallies tbody td").all_inner_texts()
    groups = {sample.id: sample.group for sample in read_samples(experiment.arguments["samples"])}
    decided = {groups[vote["sample"]] for vote in saved["votes"][:3]}
    wins = sum(vote[vote["vote"]] == "smollm2-test3" for vote in saved["votes"][:3])
    # The configuration's order decides who is first of a pair.
    assert cells[:4] == [str(wins), str(3 - wins), "1", "1"]
    assert cells[4] == str(len(decided)) == "3"
    assert cells[5] == {3: "p = 0.250", 0: "p = 0.250"}.get(wins, "p = 1.000")
    visit.page.click("text=Back to the samples")
    assert visit.page.locator(".list").is_visible()
    assert visit.errors == []
