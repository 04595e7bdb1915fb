"""Numbers of papers in the report: grey rows of their slice, without interval or mark, also in its exports."""

from __future__ import annotations

from typing import Any

import pytest
from browser_visits import Visit
from report_fixture import Experiment, make_experiment

from core.records import read_json, write_json
from html_report import main

HOSTILE = "<img src=x onerror=\"document.title='owned'\">"
# Better than any system of the experiment.
ROWS = [
    {"label": f"Claude 3.7 {HOSTILE}", "source": "A paper, table 2", "slice": "all", "scores": {"cider": 9.5}},
    {"label": "LLaMA 3.2", "source": "A paper, table 2", "slice": "source=scenes", "scores": {"cider": 0.511}},
]


@pytest.fixture(scope="module")
def experiment(tmp_path_factory: pytest.TempPathFactory) -> Experiment:
    made = make_experiment(tmp_path_factory.mktemp("published") / "demo")
    path = made.arguments["comparison"]
    comparison = read_json(path)
    comparison["slices"][1] |= {"weights": {"scenes": 200, "emoji": 100}}
    comparison["values"][0]["n_truncated_references"] = 3
    write_json(path, {**comparison, "published": ROWS})
    main(**made.arguments)
    return made


def test_published_numbers_are_the_last_rows_of_their_slice_and_never_win(browser: Any, experiment: Experiment) -> None:
    visit = Visit(browser, experiment.arguments["output"])
    rows = visit.page.locator("table.scores tr.published")
    assert rows.count() == 1
    shown = rows.inner_text()
    assert "9.500" in shown
    assert "published, not measured here: A paper, table 2" in shown
    assert rows.locator(".badge, .interval").count() == 0
    # Sorted by the value in which it is the highest, it stays below the systems.
    visit.page.locator("table.scores thead button", has_text="CIDEr").click()
    assert "Claude 3.7" in visit.page.locator("table.scores tbody tr").last.inner_text()
    assert "Claude 3.7" not in visit.page.inner_text("#scores table.uses")
    visit.page.locator("#scores-mount").get_by_label("Samples").select_option("source=scenes")
    assert ".511" in visit.page.inner_text("tr.published")
    assert "Claude 3.7" not in visit.page.inner_text("table.scores")
    assert "the mean of the scores by source, with the weights scenes 200, emoji 100." in visit.page.inner_text(
        "#scores"
    )
    assert "read only the beginning of 3 long references" in visit.page.inner_text("body")
    assert visit.page.title() == "demo"
    assert visit.errors == []


def test_exports_have_the_published_rows_and_say_where_they_are_from(browser: Any, experiment: Experiment) -> None:
    visit = Visit(browser, experiment.arguments["output"])
    visit.page.locator("#scores-mount").get_by_label("Samples").select_option("source=scenes")
    for kind in ("CSV", "Markdown", "LaTeX"):
        visit.select("This table as", kind)
        text = visit.saved("#scores button:has-text('Save')")
        assert "LLaMA 3.2" in text
        assert "0.511" in text
        if kind == "CSV":
            (line,) = [line for line in text.splitlines() if "LLaMA 3.2" in line and "cider" in line]
            assert '"","LLaMA 3.2","published"' in line
        else:
            assert "LLaMA 3.2: published, not measured here, from A paper, table 2." in text
