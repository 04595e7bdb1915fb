"""What the report says where sources disagree, where a metric says nothing, and systems with a metric's own model."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from browser_visits import Visit
from report_fixture import Experiment, make_experiment

from core.records import read_json, write_json
from html_report import main
from report.comparison import Comparison, read_comparison
from report.findings import find_leaders, headline
from report.sources import describe_sources

LONG_LABEL = "SmolLM2 135M with LoRA of rank 64 on seven modules x"
LONG_WORD = "a-label-without-any-space-" + "x" * 50


def change(raw: dict[str, Any]) -> None:
    """BLEU-4 is next to 0 on emoji for all; CIDEr has another leader there; one system uses CLIP, another cites 59."""
    assert len(LONG_LABEL) > 50
    for cell in raw["cells"]:
        key = (cell["value"], cell["slice"])
        if key == ("bleu_4", "source=openmoji"):
            cell.update(score=1e-9, low=None, high=None)
        if key == ("bleu_4", "source=scenes") and cell["system"] == "smollm2-test3":
            cell.update(score=0.952, low=0.9, high=0.99)
        if key == ("cider", "source=openmoji"):
            cell.update(score=0.2, low=0.1, high=0.3)
            if cell["system"] == "constant":
                cell.update(score=0.25)
        if (cell["value"], cell["system"]) == ("clip_score", "clip-nearest"):
            cell.update(score=59.6, low=55.0, high=64.0)
    values = {value["name"]: value for value in raw["values"]}
    values["bleu_1"].update(label="Scenes right", share=True)
    systems = {system["name"]: system for system in raw["systems"]}
    systems["clip-nearest"].update(shares_model=["clip_score"], label="Nearest train image")
    systems["smollm2-test1"]["label"] = LONG_LABEL
    systems["constant"]["label"] = LONG_WORD
    several = [dict(cell, slice="references=two or more", n=9) for cell in raw["cells"] if cell["slice"] == "all"]
    raw["cells"] += several
    raw["slices"].append({"name": "references=two or more", "n": 9, "n_groups": 9, "effective_groups": 9.0})


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Experiment:
    made = make_experiment(tmp_path_factory.mktemp("sources") / "demo", n_samples=12)
    path = made.arguments["comparison"]
    raw = read_json(path)
    change(raw)
    write_json(path, raw)
    captions = made.arguments["captions_dir"] / "smollm2-zero-shot.jsonl"
    captions.write_text(captions.read_text().replace('"empty caption"', f'"{"unbroken" * 40}"'))
    main(**made.arguments)
    return made


@pytest.fixture(scope="module")
def comparison(made: Experiment) -> Comparison:
    return read_comparison(made.arguments["comparison"])


def test_the_headline_says_where_the_sources_disagree(comparison: Comparison) -> None:
    sentences = describe_sources(comparison, [comparison.value(name) for name in ("bleu_4", "cider")])
    whole = comparison.cells["smollm2-test3", "bleu_4", "all"].score
    assert any(
        f"BLEU-4 {whole:.3f} overall, 0.000 on openmoji and 0.952 on scenes" in sentence for sentence in sentences
    )
    assert f"On openmoji others score highest (not tested): {LONG_WORD} by CIDEr." in sentences
    assert "On openmoji BLEU-4 is 0 for all systems: not informative there." in sentences


def test_sources_that_agree_make_no_sentence(tmp_path: Path) -> None:
    plain = read_comparison(make_experiment(tmp_path / "demo", n_samples=12).arguments["comparison"])
    for (system, value, part), _ in list(plain.cells.items()):
        plain.cells[system, value, part] = plain.cells[system, value, "all"]
    assert describe_sources(plain, plain.values) == []


def test_a_system_with_the_metrics_own_model_is_never_ahead(comparison: Comparison) -> None:
    leaders = find_leaders(comparison, [comparison.value("clip_score")])
    assert leaders[0].label == "SmolLM2 LoRA r 16"
    assert leaders[0].lead.endswith("Nearest train image scored higher, but uses this metric's model")
    assert "uses this metric's model: Nearest train image on CLIP score." in headline(leaders, 5)


def test_shares_are_in_headline_and_table(browser: Any, made: Experiment) -> None:
    visit = Visit(browser, made.arguments["output"])
    assert "Scenes right" in visit.page.inner_text(".leaders")
    assert "Scenes right" in visit.page.inner_text("table.scores thead")
    assert "Scenes right" in visit.page.inner_text(".forest")
    assert "Scenes right" not in visit.page.inner_text(".radar")


def test_what_is_not_tested_has_no_legend_and_what_says_nothing_says_so(browser: Any, made: Experiment) -> None:
    visit = Visit(browser, made.arguments["output"])
    scores = visit.page.locator("#scores")
    assert scores.locator("#tested-note").is_visible()
    assert scores.locator("table.scores").inner_text().count("uses this metric's model") == 1
    scores.get_by_label("Samples", exact=True).select_option("source=openmoji")
    assert not scores.locator("#tested-note").is_visible()
    assert scores.locator("#untested-note").is_visible()
    assert scores.locator("table.scores").inner_text().count("not informative here: 0 for all systems") == 1
    visit.page.locator("#charts").get_by_label("Samples", exact=True).select_option("source=openmoji")
    visit.page.locator("#charts").get_by_label("Radar axes", exact=True).select_option("min_max")
    assert visit.page.inner_text(".forest").count("not informative here") == 1
    ticks = visit.page.locator(".forest .tick, .radar .axis-range").all_text_contents()
    assert not [tick for tick in ticks if "e-" in tick or tick == "−0.5"]
    assert visit.errors == []


def test_a_difference_has_its_interval_but_no_verdict_of_a_metrics_own_model(browser: Any, made: Experiment) -> None:
    visit = Visit(browser, made.arguments["output"])
    visit.select("Differences from", "clip-nearest")
    row = visit.page.locator("table.scores tbody tr", has_text="SmolLM2 LoRA r 16")
    cells = row.locator("td").all_inner_texts()
    with_test = [cell for cell in cells if "p " in cell]
    assert len(with_test) == len(cells) - 2, "all but those of CLIP and of failures"
    assert all(re.search(r"^[+−]?\d+\.\d+ to [+−]?\d+\.\d+$", cell, re.M) for cell in with_test)
    clip = next(cell for cell in cells if "p " not in cell and cell)
    assert "better" not in clip
    assert "worse" not in clip


def test_people_are_compared_on_their_own_samples(browser: Any, made: Experiment) -> None:
    visit = Visit(browser, made.arguments["output"])
    row = visit.page.locator("tr.human")
    assert "on the 9 of 12 samples that have two or more references" in row.inner_text()
    assert "1.500" not in row.inner_text()
    row.locator("button").click()
    assert "1.500" in row.inner_text()
    assert visit.page.locator("#scores").get_by_label("Samples", exact=True).input_value() == "references=two or more"


def test_latex_names_its_package_and_is_balanced(browser: Any, made: Experiment) -> None:
    visit = Visit(browser, made.arguments["output"])
    visit.select("This table as", "LaTeX")
    lines = visit.saved("#scores button:has-text('Save')").splitlines()
    assert "\\usepackage{booktabs}" in lines[0]
    code = [line for line in lines if not line.startswith("%")]
    assert (code[0][:15], code[-1]) == ("\\begin{tabular}", "\\end{tabular}")
    rows = [line for line in code if line.endswith("\\\\")]
    n_columns = len(re.search(r"\{(l+r+)\}$", code[0])[1])
    assert {len(re.findall(r"(?<!\\)&", row)) for row in rows} == {n_columns - 1}
    for line in code:
        assert line.count("{") == line.count("}")
        assert line.count("$") % 2 == 0
        assert not re.search(r"(?<!\\)[%#_]|[<>|~^](?!\{)", line.replace("$^{", "${"))


@pytest.mark.parametrize("width", [390, 1280])
def test_long_labels_and_reasons_fit(browser: Any, made: Experiment, width: int) -> None:
    visit = Visit(browser, made.arguments["output"], viewport={"width": width, "height": 800})
    assert visit.page.evaluate("document.documentElement.scrollWidth") == width
    assert "unbroken" * 40 in visit.page.inner_text(".alerts")
    beyond = (
        """() => [...document.querySelectorAll('.forest .row-name')].filter((text) => text.getBBox().x < 0).length"""
    )
    assert visit.page.evaluate(beyond) == 0
    names = visit.page.locator(".forest svg").first.text_content()
    assert LONG_LABEL.split()[-2] in names, "nothing is cut off"
    folded = visit.page.locator("#charts .legend:not([open])").count()
    assert folded == (width == 390)
    cut = """() => [...document.querySelectorAll('nav.top a')].filter((link) => link.checkVisibility()
        && link.getBoundingClientRect().right > innerWidth).length"""
    assert visit.page.evaluate(cut) == 0
    hint = "place => getComputedStyle(place, '::before').content"
    table = visit.page.locator("#scores .scroll").first
    is_wider = table.evaluate("place => place.scrollWidth > place.clientWidth")
    assert is_wider or width > 390
    assert ("Scroll sideways" in table.evaluate(hint)) == is_wider
