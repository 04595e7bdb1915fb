"""The blind comparison in a browser: names, undo, subsets, filters, going on elsewhere; and votes that come back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from browser_visits import Visit, ids_of
from report_fixture import Experiment, make_experiment
from vote_files import make_ballot

import analyse_votes
from core.records import read_json, write_json
from html_report import main

HOSTILE = "<img src=x onerror=\"document.title='owned'\">=1+1"
SAVE = ".ballot button:has-text('as JSON')"


@pytest.fixture(scope="module")
def experiment(tmp_path_factory: pytest.TempPathFactory) -> Experiment:
    made = make_experiment(tmp_path_factory.mktemp("votes") / "demo")
    main(**made.arguments)
    return made


def open_ballot(browser: Any, experiment: Experiment, fragment: str = "#filter=a:smollm2-test3;b:constant") -> Visit:
    visit = Visit(browser, experiment.arguments["output"], fragment)
    visit.page.click("text=Compare A and B blindly")
    return visit


def name_rater(visit: Visit, name: str) -> None:
    visit.page.get_by_label("Your name, for the file").fill(name)


def press(visit: Visit, *keys: str) -> None:
    for key in keys:
        visit.page.locator(".choices").focus()
        visit.page.keyboard.press(key)


def status(visit: Visit) -> str:
    return visit.page.inner_text(".ballot .status")


def shown(visit: Visit) -> list[str]:
    return visit.page.locator(".ballot .side p").all_inner_texts()


def set_number(visit: Visit, label: str, number: str) -> None:
    field = visit.page.get_by_label(label)
    field.fill(number)
    field.blur()


def test_a_file_of_votes_needs_a_name(browser: Any, experiment: Experiment) -> None:
    visit = open_ballot(browser, experiment)
    press(visit, "1")
    assert visit.page.is_disabled(SAVE)
    assert "The file needs your name." in visit.page.inner_text(".ballot")
    name_rater(visit, "Ada")
    assert visit.page.is_enabled(SAVE)
    saved = json.loads(visit.saved(SAVE))
    assert (saved["rater"], saved["version"], saved["votes"][0]["filter"]) == ("Ada", 2, "")
    assert set(saved["captions"]) == {"smollm2-test3", "constant"}
    assert visit.errors == []


def test_a_vote_is_taken_back(browser: Any, experiment: Experiment) -> None:
    visit = open_ballot(browser, experiment)
    first = shown(visit)
    assert visit.page.is_disabled(".ballot button:has-text('Undo')")
    press(visit, "1", "4")
    assert status(visit).startswith("2 of ")
    press(visit, "u")
    visit.page.click(".ballot button:has-text('Undo')")
    assert status(visit).startswith("0 of ")
    assert shown(visit) == first
    press(visit, "1")
    press(visit, "1")
    visit.page.click(".ballot button:has-text('Previous')")
    visit.page.click(".ballot button:has-text('Previous')")
    press(visit, "2", "u")
    assert visit.page.locator(".choices [aria-pressed=true]").inner_text().endswith("Left is better"), "the first one"


def test_a_random_subset_is_the_same_for_all_raters_and_orders(browser: Any, experiment: Experiment) -> None:
    orders = []
    for sort in ("file", "complex"):
        visit = open_ballot(browser, experiment, f"#filter=a:smollm2-test3;b:constant;sort:{sort}")
        name_rater(visit, f"rater {sort}")
        set_number(visit, "Drawings, at random", "4")
        assert "of 4 voted" in status(visit)
        press(visit, "1", "2", "3", "4")
        assert status(visit).startswith("4 of 4 voted")
        assert visit.page.locator(".ballot progress").evaluate("one => [one.value, one.max]") == [4, 4]
        saved = json.loads(visit.saved(SAVE))
        orders.append([(vote["sample"], vote["left"]) for vote in saved["votes"]])
        assert saved["n_drawings"] == 4
    assert orders[0] == orders[1]
    assert [sample for sample, _ in orders[0]] != ids_of(experiment)[:4], "drawn by lot"
    set_number(visit, "Random seed", "2")
    assert "of 4 voted" in status(visit)
    assert not status(visit).startswith("4 of 4"), "other drawings"


def test_votes_under_a_filter_say_so_and_get_no_p_value(browser: Any, experiment: Experiment) -> None:
    visit = open_ballot(browser, experiment, "#filter=a:smollm2-test3;b:constant;relation:a;source:scenes")
    assert "where SmolLM2 LoRA r 16 beats constant by BLEU-4" in status(visit)
    assert "source scenes" in status(visit)
    name_rater(visit, "Ada")
    press(visit, "1", "1")
    saved = json.loads(visit.saved(SAVE))
    assert {vote["filter"] for vote in saved["votes"]} == {
        "source:scenes;relation:a;metric:bleu_4;a:smollm2-test3;b:constant"
    }
    visit.page.click("text=Show the result")
    assert visit.page.locator(".tallies tbody td").last.inner_text() == "no test: a filter chose the drawings"


def test_the_number_of_votes_is_told_before_voting(browser: Any, experiment: Experiment) -> None:
    text = open_ballot(browser, experiment).page.inner_text(".ballot")
    assert "prefer one system to the other in 60% of votes, 210 votes" in text
    assert "This test split has only 23 groups: one vote on each shows a preference of" in text


def resume(visit: Visit, path: Path) -> None:
    visit.page.get_by_label("Go on with saved votes").set_input_files(path)
    visit.page.wait_for_timeout(200)


def test_another_browser_goes_on_from_the_file(browser: Any, experiment: Experiment, tmp_path: Path) -> None:
    visit = open_ballot(browser, experiment, "#filter=a:smollm2-test3;b:constant;source:scenes")
    name_rater(visit, "Ada")
    set_number(visit, "Drawings, at random", "6")
    set_number(visit, "Random seed", "9")
    press(visit, "1", "2")
    following = shown(visit)
    (tmp_path / "ada.json").write_text(visit.saved(SAVE))
    other = open_ballot(browser, experiment, "")
    resume(other, tmp_path / "ada.json")
    assert other.page.get_by_label("Your name, for the file").input_value() == "Ada"
    assert status(other).startswith("2 of 6 voted")
    assert shown(other) == following
    press(other, "3")
    saved = json.loads(other.saved(SAVE))
    assert [vote["vote"] for vote in saved["votes"]] == ["left", "right", "alike"]
    other.page.reload()
    other.page.wait_for_selector("html[data-ready]", state="attached")
    other.page.click("text=Compare A and B blindly")
    assert other.page.get_by_label("Your name, for the file").input_value() == "Ada", "this browser keeps them too"
    assert other.errors == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda b: b.update(drawings="x"), "These votes are of another report: its drawings are other ones."),
        (lambda b: b["captions"].update(constant="x"), "This file has votes on other captions of constant than those"),
        (lambda b: b["votes"][0].update(left="gpt"), "This file has votes on gpt, a system that this report does not"),
        (lambda b: b["votes"][0].update(sample="gone"), "A vote of this file is damaged, or on a drawing that"),
        (lambda b: b["votes"][0].update(left=HOSTILE), f"This file has votes on {HOSTILE}, a system"),
        (lambda b: b.update(votes=[None]), "A vote of this file is damaged"),
        (lambda b: b.update(version=1), "This file holds no votes, or those of another version"),
    ],
)
def test_a_file_of_something_else_is_refused(
    browser: Any, experiment: Experiment, tmp_path: Path, change: Any, message: str
) -> None:
    ballot = make_ballot(experiment.folder, "Ada", [("smollm2-test3", "constant")], lambda *_: "alike")
    change(ballot)
    write_json(tmp_path / "ada.json", ballot)
    visit = open_ballot(browser, experiment)
    resume(visit, tmp_path / "ada.json")
    assert message in visit.page.inner_text(".ballot [role=alert]")
    assert status(visit).startswith("0 of ")
    assert visit.page.title() != "owned"
    assert visit.errors == []


def test_votes_of_two_raters_are_not_mixed(browser: Any, experiment: Experiment, tmp_path: Path) -> None:
    ballot = make_ballot(experiment.folder, "Ada", [("smollm2-test3", "constant")], lambda *_: "alike")
    write_json(tmp_path / "ada.json", ballot)
    visit = open_ballot(browser, experiment)
    name_rater(visit, "Ben")
    press(visit, "1")
    resume(visit, tmp_path / "ada.json")
    assert "There are votes of Ben here, and the file has those of Ada." in visit.page.inner_text(
        ".ballot [role=alert]"
    )
    assert status(visit).startswith("1 of ")


def test_votes_of_the_page_come_back_into_the_report(browser: Any, experiment: Experiment, tmp_path: Path) -> None:
    arguments = experiment.arguments
    files = []
    for name, keys in (("Ada", "1234" * 3), ("Ben" + HOSTILE, "1214" * 3)):
        visit = open_ballot(browser, experiment)
        name_rater(visit, name)
        press(visit, *keys)
        files.append(tmp_path / f"votes {len(files)}.json")
        files[-1].write_text(visit.saved(SAVE))
    analyse_votes.main(
        votes=files,
        **{name: arguments[name] for name in ("samples", "captions_dir", "scores_dir", "comparison")},
        n_resamples=300,
        confidence=0.95,
        seed=3,
        output=tmp_path / "votes.json",
    )
    main(**arguments | {"votes": tmp_path / "votes.json", "output": tmp_path / "report.html"})
    visit = Visit(browser, tmp_path / "report.html")
    results = read_json(tmp_path / "votes.json")
    text = visit.page.inner_text("#votes")
    assert f"{results['n_votes']} votes of 2 raters" in text
    assert "Krippendorff's alpha" in text
    assert f"Ben{HOSTILE} " in text
    assert "Only 2 raters: the intervals hardly cover" in text
    rows = visit.page.locator("#votes table").first.locator("tbody tr").count()
    assert rows == len(results["metrics"]) == 11
    assert visit.page.title() != "owned"
    assert visit.errors == []
