"""What the report says of its own numbers: groups, few of them, failures that raise scores, what was not testable."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from browser_visits import Visit
from report_fixture import Experiment, make_experiment

from comparison.cover import UNMEASURED
from core.records import read_json, read_samples, write_json, write_samples
from html_report import main


@pytest.fixture
def made(tmp_path: Path) -> Experiment:
    return make_experiment(tmp_path / "demo")


def report_of(made: Experiment, change: Callable[[dict[str, Any]], None] = lambda _: None) -> str:
    """The page, after a change of comparison.json."""
    path = made.arguments["comparison"]
    comparison = read_json(path)
    change(comparison)
    write_json(path, comparison)
    main(**made.arguments)
    text = made.arguments["output"].read_text(encoding="utf-8")
    return " ".join(text.split('<section id="scores">')[0].split("<body")[1].split()).replace("&#39;", "'")


def test_the_groups_stand_beside_the_number_of_drawings_with_what_the_intervals_cover(made: Experiment) -> None:
    text = report_of(made)
    assert "24 test drawings in 23 groups of similar drawings" in text
    assert "intervals are from 400 resamples of the groups; they cover the choice of test drawings; " in text
    assert f'one training seed: {UNMEASURED}. </p> <p class="lead">' in text
    assert f"every other system. One training seed (SmolLM2 LoRA r 16): {UNMEASURED}.</p>" in text, "beside the claim"
    assert "corrected (Holm) for the pairs of systems of each metric, not for the 5 metrics" in text
    assert "intervals are rough" not in text
    assert "No difference can be significant" not in text


def test_few_groups_are_a_red_banner(made: Experiment) -> None:
    text = report_of(made, lambda raw: raw["slices"][0].update(n_groups=6, effective_groups=4.31))
    faults = text.split('class="alert fault"')[1].split("</div>")[0]
    assert "the 24 test drawings form only 6 groups of similar ones (worth 4.3 of one size)" in faults


def test_a_slice_of_few_groups_is_a_notice(made: Experiment) -> None:
    text = report_of(made, lambda raw: raw["slices"][1].update(n_groups=3, effective_groups=2.5))
    notices = text.split('class="alert notice"')[1].split("</div>")[0]
    assert "The intervals on slices of few groups are rough." in notices
    assert "source: openmoji (8 drawings in 3 groups)" in notices


def untest(*names: str) -> Callable[[dict[str, Any]], None]:
    """A change after which no difference can be significant by some values."""

    def change(raw: dict[str, Any]) -> None:
        for name in names:
            raw["best"][name] |= {"testable": False, "ties": []}
        for pair in raw["pairs"]:
            if pair["value"] in names:
                pair["p_holm"] = 0.2  # none is below 0.05 then

    return change


def test_a_lead_that_cannot_be_tested_is_neither_a_tie_nor_significant(made: Experiment) -> None:
    text = report_of(made, untest("cider"))
    assert "No difference can be significant by CIDEr: 23 groups of drawings" in text
    lead = text.split("<h2>CIDEr</h2>")[1].split("</li>")[0]
    assert "too few groups of drawings to test its lead" in lead
    assert "ahead" not in lead


def test_a_leader_by_bleu_whose_failures_may_have_raised_it_is_named(made: Experiment) -> None:
    def change(raw: dict[str, Any]) -> None:
        raw["best"]["bleu_4"] = {
            "system": "smollm2-zero-shot", "ties": [], "testable": True, "by_sample_mean": "constant"
        }  # fmt: skip

    text = report_of(made, change)
    assert "SmolLM2 zero-shot leads by BLEU-4 with failed captions (1), which can raise it." in text
    assert "By the mean of the samples' BLEU-4, constant leads." in text


def test_a_value_without_any_score_makes_no_report_fail(made: Experiment) -> None:
    assert "No difference can be" not in report_of(made, lambda raw: raw["best"].update(clip_cosine=None))


def test_the_tables_show_groups_and_means_and_say_what_was_not_tested(browser: Any, made: Experiment) -> None:
    def change(raw: dict[str, Any]) -> None:
        untest("cider")(raw)
        for cell in raw["cells"]:
            if (cell["system"], cell["value"]) == ("constant", "rouge_l"):
                cell.update(low=None, high=None)
        for pair in raw["pairs"]:
            if pair["value"] == "rouge_l":
                pair.update(low=None, high=None)

    report_of(made, change)
    visit = Visit(browser, made.arguments["output"])
    table = visit.page.locator("table.scores")
    assert "n = 24 in 23 groups" in table.inner_text()
    assert table.inner_text().count("mean of samples") == 2 * 5, "BLEU-4 and METEOR of five systems"
    assert "n = 20 in 19 groups" in visit.page.inner_text("tr.human")
    assert "(1.2–25.0%)" in visit.page.inner_text("#health")
    visit.select("Differences from", "constant")
    row = table.locator("tbody tr", has_text="SmolLM2 LoRA r 16")
    assert row.inner_text().count("too few groups") == 1
    visit.select("This table as", "Markdown")
    saved = visit.saved("#scores button:has-text('Save')")
    assert "Too few groups for any difference to be significant by CIDEr." in saved
    visit.select("This table as", "CSV")
    assert "n_groups" in visit.saved("#scores button:has-text('Save')").splitlines()[0]
    assert visit.errors == []


@pytest.mark.parametrize(("n_groups", "p"), [(24, "p = 0.031"), (1, "p = 1.000"), (2, "p = 0.500")])
def test_blind_votes_on_similar_drawings_count_as_one_group(
    browser: Any, made: Experiment, n_groups: int, p: str
) -> None:
    """Six votes for one system: by six drawings of their own, by one drawing seen six times, by two."""
    path = made.arguments["samples"]
    samples = read_samples(path)
    write_samples(path, [dataclasses.replace(s, group=f"g{n % n_groups}") for n, s in enumerate(samples)])
    report_of(made)
    visit = Visit(browser, made.arguments["output"])
    visit.select("System A", "smollm2-test3")
    visit.select("System B", "constant")
    visit.page.click("text=Compare A and B blindly")
    for _ in range(6):
        left = visit.page.locator(".ballot .side p").first.inner_text()
        visit.page.click("text=Right is better" if left == "a red circle" else "text=Left is better")
    visit.page.click("text=Show the result")
    cells = visit.page.locator(".ballot .tallies tbody td").all_inner_texts()
    assert cells[:2] == ["6", "0"]
    assert cells[4:] == [str(min(6, n_groups)), p]
    assert "treats votes on similar drawings as one group" in visit.page.inner_text(".ballot")


def test_the_seeds_of_a_model_are_unfolded_below_their_mean(browser: Any, made: Experiment) -> None:
    def change(raw: dict[str, Any]) -> None:
        next(s for s in raw["systems"] if s["name"] == "smollm2-test3")["trainings"] = {
            "1": "smollm2-test3",
            "2": "smollm2-test1",
        }
        for cell in raw["cells"]:
            if cell["system"] == "smollm2-test3":
                cell.update(by_training=[0.25, 0.75], seed_sd=0.354)

    text = report_of(made, change)
    assert (
        "they cover the choice of test drawings, and of training seeds where a model has several; one training" in text
    )
    assert "One training seed" not in text
    visit = Visit(browser, made.arguments["output"])
    row = visit.page.locator("table.scores tbody tr", has_text="SmolLM2 LoRA r 16")
    assert row.inner_text().count("s.d. of seeds 0.354") == 4
    visit.page.get_by_role("button", name="Show the 2 seeds").click()
    assert [one.split()[:4] for one in visit.page.locator("tr.seed").all_inner_texts()] == [
        ["seed", "1", "0.250", "0.250"],
        ["seed", "2", "0.750", "0.750"],
    ]
    assert "SmolLM2 LoRA r 16, seed 2" in visit.page.inner_text("#health")
    assert "SmolLM2 LoRA r 16, seed 2 was decoded in 16 bits" in visit.page.inner_text("#health")
    assert "2 of 16 captions that were checked (12%) differ" in visit.page.inner_text("#health")
    visit.select("This table as", "CSV")
    assert ",2,0.354,0.25 0.75," in visit.saved("#scores button:has-text('Save')")
    visit.page.get_by_role("button", name="Hide the seeds").click()
    assert visit.page.locator("tr.seed").count() == 0
    assert visit.errors == []
