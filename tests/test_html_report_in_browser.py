"""The report as people use it in a browser: hostile text stays text, filters find the right samples, all is legible."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
from report_fixture import Experiment, make_experiment

from core.records import read_captions, read_json, read_samples
from html_report import main

HOSTILE = (
    " \"><img src=x onerror=\"document.title='owned'\"></script><script>document.title='owned'</script>"
    "\u2028{{ 7*7 }}<!--<svg onload=document.title='owned'>'"
)
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@pytest.fixture(scope="module")
def experiment(tmp_path_factory: pytest.TempPathFactory) -> Experiment:
    made = make_experiment(tmp_path_factory.mktemp("plain") / "demo")
    main(**made.arguments)
    return made


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    playwright = pytest.importorskip("playwright.sync_api", reason="needs the Python package playwright")
    if CHROMIUM is None:
        pytest.skip("needs Chromium: apt-get install chromium")
    with playwright.sync_playwright() as driver:
        running = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        yield running
        running.close()


class Visit:
    """A page opened from disk, with all it said and asked for."""

    def __init__(self, browser: Any, path: Path, fragment: str = "", **context: Any):
        self.page = browser.new_context(**context).new_page()
        self.errors: list[str] = []
        self.requests: list[str] = []
        self.page.on("console", lambda message: self.errors.append(message.text))
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("dialog", lambda dialog: (self.errors.append("dialog"), dialog.dismiss()))
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.goto(path.as_uri() + fragment)
        self.page.wait_for_selector("html[data-ready]", state="attached")

    @property
    def network(self) -> list[str]:
        return [url for url in self.requests if not url.startswith(("file:", "data:", "blob:"))]

    def select(self, label: str, value: str) -> None:
        self.page.get_by_label(label, exact=True).select_option(value)

    def listed_ids(self) -> list[str]:
        """All ids in the list of samples, found by scrolling through it."""
        return self.page.evaluate(
            """async () => {
                const list = document.querySelector(".list"), ids = [];
                for (let top = 0; top < list.scrollHeight; top += list.clientHeight / 2) {
                    list.scrollTop = top;
                    await new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)));
                    for (const { dataset } of list.querySelectorAll(".row")) ids[dataset.position] = dataset.id;
                }
                return ids;
            }"""
        )

    def fragment(self) -> str:
        """What the address says, once the page has had time to write it."""
        self.page.wait_for_timeout(250)
        return self.page.evaluate("location.hash")

    def shown_id(self) -> str | None:
        return self.page.get_attribute(".card", "data-id")

    def fill(self, label: str, text: str) -> None:
        """Type into a field of the explorer, and wait until the list has followed."""
        self.page.locator("#explorer").get_by_label(label, exact=True).fill(text)
        self.page.wait_for_timeout(250)

    def saved(self, selector: str) -> str:
        """The text of the file that a button saves."""
        with self.page.expect_download() as download:
            self.page.click(selector)
        return Path(download.value.path()).read_text(encoding="utf-8")


def test_hostile_text_in_every_field_does_not_execute(browser: Any, tmp_path: Path) -> None:
    made = make_experiment(tmp_path / "demo", hostile=HOSTILE)
    main(**made.arguments, device_hour_price=2.5, currency="EUR" + HOSTILE, clip_note=HOSTILE)
    visit = Visit(browser, made.arguments["output"])
    for summary in visit.page.query_selector_all("summary"):
        summary.evaluate("element => element.parentElement.open = true")
    visit.page.wait_for_selector(".card pre")
    for kind in ("CSV", "Markdown", "LaTeX"):
        visit.select("This table as", kind)
        visit.saved("#scores button:has-text('Save')")
    for _ in range(12):
        visit.page.click(".detail-side button:has-text('Next')")
    visit.page.click("text=Compare A and B blindly")
    visit.page.click("text=Left is better")
    visit.page.click("text=Show the result")
    visit.page.wait_for_timeout(300)
    assert visit.page.title() == "demo" + HOSTILE
    assert visit.page.query_selector_all("img[onerror], svg[onload], .card script, a[href^='javascript']") == []
    assert HOSTILE.strip()[:40] in visit.page.inner_text("#explorer .card .references, #explorer .tallies")
    assert "{{ 7*7 }}" in visit.page.inner_text(".credits")
    assert visit.errors == []
    assert visit.network == []


def test_the_page_renders_without_errors_or_network(browser: Any, experiment: Experiment) -> None:
    visit = Visit(browser, experiment.arguments["output"])
    page = visit.page
    page.wait_for_selector(".card img")
    page.wait_for_selector(".row .thumb img")
    assert len(page.query_selector_all("table.scores tbody tr")) == 5 + 1  # the last is the leave-one-out human score
    assert "1.500" in page.inner_text("tr.human")
    assert page.query_selector(".radar svg path.line")
    assert len(page.query_selector_all(".panels svg")) == 5  # the values that have a place on radars
    assert page.locator("table.slices thead th").all_inner_texts()[1].startswith("all samples")
    assert len(page.query_selector_all("table.slices thead th")) == 4
    visit.select("Slices by", "commands")
    assert "commands: many" in page.inner_text("table.slices thead")
    assert len(page.query_selector_all(".curve svg path")) == 2 * 2
    broken = page.eval_on_selector_all("img", "images => images.filter(i => i.complete && !i.naturalWidth).length")
    assert broken == 0
    assert visit.errors == []
    assert visit.network == []


def scores_of(experiment: Experiment, system: str, value: str) -> np.ndarray:
    from report.comparison import read_comparison
    from report.inputs import read_values

    arguments = experiment.arguments
    comparison = read_comparison(arguments["comparison"])
    return read_values(arguments["scores_dir"], system, comparison, ids_of(experiment))[value]


def ids_of(experiment: Experiment) -> list[str]:
    return [caption.id for caption in read_captions(experiment.arguments["captions_dir"] / "constant.jsonl")]


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
    visit.page.click("li:has-text('leak:') >> text=Show them")
    assert visit.listed_ids() == ["scenes-0001"]


def test_splits_are_shown_on_common_bins(browser: Any, experiment: Experiment) -> None:
    statistics = read_json(experiment.arguments["statistics"])["measures"]["caption_words"]
    visit = Visit(browser, experiment.arguments["output"])
    plot = visit.page.locator("#splits-mount figure", has_text="words per reference")
    medians = " · ".join(f"{statistics['splits'][split]['median']:g}" for split in ("train", "validation", "test"))
    assert f"medians {medians}" in plot.inner_text()
    assert plot.locator("path.line").count() == 3
    tips = plot.locator("title").all_text_contents()
    counts = [of_split["histogram"][0] for of_split in statistics["splits"].values()]
    assert tips[0] == "{}: {} train, {} validation, {} test".format(statistics["edges"][0], *counts)
    assert len(tips) == len(statistics["edges"]) - 1


def test_the_page_prints_all_that_is_folded_away_and_no_wider_than_paper(browser: Any, experiment: Experiment) -> None:
    visit = Visit(browser, experiment.arguments["output"], viewport={"width": 690, "height": 980})
    visit.page.emulate_media(media="print")
    visit.page.evaluate("window.dispatchEvent(new Event('beforeprint'))")
    assert visit.page.evaluate("document.documentElement.scrollWidth") == 690
    assert visit.page.locator(".signature code").first.is_visible()
    assert visit.page.locator("pre.code", has_text="experiment: demo").is_visible()
    assert visit.page.locator("#charts-mount .legend").is_visible()
    for hidden in ("nav.top", "#explorer .controls", ".list", "#scores button:has-text('Save')"):
        assert not visit.page.locator(hidden).first.is_visible()
    visit.page.evaluate("window.dispatchEvent(new Event('afterprint'))")
    assert visit.page.locator("details[data-print][open]").count() == 0


def test_words_that_the_reference_lacks_are_marked(browser: Any, experiment: Experiment) -> None:
    visit = Visit(browser, experiment.arguments["output"], "#sample=scenes-0001")
    row = visit.page.locator(".captions tbody tr", has_text="constant")
    marked = set(row.locator(".word.miss").all_inner_texts())
    reference = visit.page.inner_text(".references li:first-child").split()
    assert marked == {"a", "red", "circle"} - set(reference)
    assert visit.page.locator(".badge.exact").count() >= 1


@pytest.mark.parametrize("width", [320, 390, 1280])
def test_nothing_is_wider_than_the_window(browser: Any, experiment: Experiment, width: int) -> None:
    visit = Visit(browser, experiment.arguments["output"], viewport={"width": width, "height": 800})
    assert visit.page.evaluate("document.documentElement.scrollWidth") == width


def test_a_system_can_be_hidden_everywhere(browser: Any, experiment: Experiment) -> None:
    visit = Visit(browser, experiment.arguments["output"])
    rows = len(visit.page.query_selector_all(".card .captions tbody tr"))
    visit.page.click("#charts-mount .chip:has-text('constant')")
    assert len(visit.page.query_selector_all(".card .captions tbody tr")) == rows - 1
    assert visit.page.get_attribute("#explorer-mount .chip:has-text('constant')", "aria-pressed") == "false"


def test_pointing_at_a_system_says_its_scores_and_dims_the_others(browser: Any, experiment: Experiment) -> None:
    comparison = read_json(experiment.arguments["comparison"])
    cells = {(cell["system"], cell["value"]): cell for cell in comparison["cells"] if cell["slice"] == "all"}
    visit = Visit(browser, experiment.arguments["output"])
    readout = visit.page.locator(".readout")
    visit.page.focus("#charts-mount .chip:has-text('constant')")
    assert f"constant: BLEU-4 {cells['constant', 'bleu_4']['score']:.3f} [" in readout.inner_text()
    dimmed = "part => Number(getComputedStyle(part).opacity)"
    assert visit.page.locator(".radar g[data-system='constant']").evaluate(dimmed) == 1
    assert visit.page.locator(".forest g[data-system='smollm2-test1']").first.evaluate(dimmed) < 0.5
    visit.page.locator(".forest g[data-system='smollm2-test3'] .hit").first.hover()
    assert f"CIDEr {cells['smollm2-test3', 'cider']['score']:.3f} [" in readout.inner_text()
    visit.page.mouse.move(0, 0)
    assert readout.inner_text().startswith("Point at")


def test_the_table_leaves_as_csv_markdown_and_latex_with_differences(browser: Any, experiment: Experiment) -> None:
    comparison = read_json(experiment.arguments["comparison"])
    visit = Visit(browser, experiment.arguments["output"])
    visit.select("Differences from", "constant")
    saved = {}
    for kind in ("CSV", "Markdown", "LaTeX"):
        visit.select("This table as", kind)
        saved[kind] = visit.saved("#scores button:has-text('Save')")
    rows = list(csv.DictReader(saved["CSV"].splitlines()))
    assert len(rows) == 5 * 5
    row = next(row for row in rows if (row["system"], row["value"]) == ("smollm2-test3", "cider"))
    cell = next(
        c for c in comparison["cells"] if (c["system"], c["value"], c["slice"]) == ("smollm2-test3", "cider", "all")
    )
    pair = next(
        p for p in comparison["pairs"] if (p["a"], p["b"], p["value"]) == ("smollm2-test3", "constant", "cider")
    )
    assert float(row["score"]) == pytest.approx(cell["score"], abs=1e-5)
    assert float(row["difference"]) == pytest.approx(pair["difference"], abs=1e-5)
    assert float(row["p_holm"]) == pytest.approx(pair["p_holm"])
    assert row["signature"].startswith("cider|")
    score = f"{cell['score']:.3f}"
    assert f"**{score}** [" in saved["Markdown"]
    assert f"\\textbf{{{score}}}$^{{+}}$" in saved["LaTeX"]
    assert saved["LaTeX"].count("\\\\\n") == 1 + 5
    for kind in ("Markdown", "LaTeX"):
        assert "significantly better and worse than constant" in saved[kind]


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
    wins = sum(vote[vote["vote"]] == "smollm2-test3" for vote in saved["votes"][:3])
    # The configuration's order decides who is first of a pair.
    assert cells[:4] == [str(wins), str(3 - wins), "1", "1"]
    assert cells[4] == {3: "p = 0.250", 0: "p = 0.250"}.get(wins, "p = 1.000")
    visit.page.click("text=Back to the samples")
    assert visit.page.locator(".list").is_visible()
    assert visit.errors == []


# Contrast of each text with what is behind it, as WCAG 2.2 computes it; 3 is enough for large letters.
FAINT_TEXTS = r"""() => {
    const parse = (text) => {
        const [r, g, b, alpha] = text.match(/[\d.]+/g).map(Number), scale = text.startsWith("color(") ? 255 : 1;
        return [r * scale, g * scale, b * scale, alpha ?? 1];
    };
    const over = (top, below) => [...[0, 1, 2].map((i) => top[i] * top[3] + below[i] * (1 - top[3])), 1];
    const background = (element) => {
        if (!element) return parse(getComputedStyle(document.body).backgroundColor);
        const colour = parse(getComputedStyle(element).backgroundColor);
        return colour[3] === 1 ? colour : over(colour, background(element.parentElement));
    };
    const light = (colour) => {
        const linear = (c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
        const [r, g, b] = colour.map((c) => linear(c / 255));
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const faults = [];
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    let checked = 0;
    while (walker.nextNode()) {
        const element = walker.currentNode.parentElement;
        const shown = walker.currentNode.textContent.trim() && element.checkVisibility();
        if (!shown || element.closest("[disabled], script, option")) continue;
        const style = getComputedStyle(element), svg = element instanceof SVGElement;
        const behind = background(element);
        let opacity = 1;
        for (let outer = element; outer; outer = outer.parentElement) opacity *= getComputedStyle(outer).opacity;
        const ink = parse(svg ? style.fill : style.color);
        const front = over([ink[0], ink[1], ink[2], ink[3] * opacity], behind);
        const [high, low] = [light(front), light(behind)].sort((a, b) => b - a);
        const ratio = (high + 0.05) / (low + 0.05), size = parseFloat(style.fontSize);
        const wanted = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700) ? 3 : 4.5;
        checked += 1;
        if (ratio < wanted) faults.push(`${ratio.toFixed(2)}: ${walker.currentNode.textContent.trim().slice(0, 30)}`);
    }
    return [checked, faults];
}"""


@pytest.mark.parametrize(("scheme", "media"), [("light", "screen"), ("dark", "screen"), ("dark", "print")])
def test_all_texts_stand_out_from_what_is_behind_them(
    browser: Any, experiment: Experiment, scheme: str, media: Literal["screen", "print"]
) -> None:
    visit = Visit(browser, experiment.arguments["output"], color_scheme=scheme)
    visit.page.evaluate("document.querySelectorAll('details').forEach((details) => { details.open = true; })")
    visit.select("Differences from", "constant")
    visit.page.click("#charts-mount .chip:has-text('constant')")
    visit.page.emulate_media(media=media)
    checked, faint = visit.page.evaluate(FAINT_TEXTS)
    if media == "print":
        assert visit.page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert checked > 300
    assert faint == []
    colours = visit.page.evaluate(
        """() => {
            const style = getComputedStyle(document.documentElement);
            const names = ["--paper", ...[..."012345678"].map((digit) => `--c${digit}`)];
            return names.map((name) => style.getPropertyValue(name).trim());
        }"""
    )
    paper, *series = (luminance(colour) for colour in colours)
    ratios = [(max(one, paper) + 0.05) / (min(one, paper) + 0.05) for one in series]
    assert min(ratios) >= 3, "WCAG 1.4.11: lines and points against the page"


def luminance(colour: str) -> float:
    """Relative luminance of #rgb or #rrggbb, as WCAG 2.2 defines it."""
    digits = colour[1:] if len(colour) == 7 else "".join(2 * digit for digit in colour[1:])
    parts = [int(digits[place : place + 2], 16) / 255 for place in (0, 2, 4)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def test_the_keyboard_alone_reaches_scores_samples_and_votes(browser: Any, experiment: Experiment) -> None:
    visit = Visit(browser, experiment.arguments["output"])
    keyboard = visit.page.keyboard
    seen = []
    for _ in range(90):
        keyboard.press("Tab")
        seen.append(
            visit.page.evaluate("document.activeElement.className + document.activeElement.textContent.slice(0, 40)")
        )
        if seen[-1].startswith("list"):
            break
    assert seen[0].startswith("skip")
    assert any("Save" in text for text in seen)
    assert "Compare A and B blindly" in seen[-2]
    keyboard.press("ArrowDown")
    assert visit.shown_id() == ids_of(experiment)[1]
    keyboard.press("Shift+Tab")
    keyboard.press("Enter")
    keyboard.press("2")
    assert "1 of" in visit.page.inner_text(".ballot .status")


@pytest.mark.slow
def test_2000_samples_of_8_systems_stay_small_and_quick(browser: Any, tmp_path: Path) -> None:
    made = make_experiment(tmp_path / "demo", n_samples=2000, n_systems=8, n_more_words=70)
    main(**made.arguments)
    assert made.arguments["output"].stat().st_size < 15e6
    visit = Visit(browser, made.arguments["output"])
    paint = "performance.getEntriesByName('first-contentful-paint')[0].startTime"
    assert visit.page.evaluate(paint) < 2000
    assert len(visit.page.query_selector_all(".row")) < 40
    frames = visit.page.evaluate(
        """async () => {
            const list = document.querySelector(".list"), frames = [];
            let before = performance.now();
            for (let top = 0; top < list.scrollHeight; top += list.scrollHeight / 120) {
                list.scrollTop = top;
                await new Promise((resolve) => requestAnimationFrame(resolve));
                frames.push(performance.now() - before);
                before = performance.now();
            }
            return frames;
        }"""
    )
    assert np.median(frames) < 34, "milliseconds of a frame while scrolling"
    assert max(frames) < 250
    visit.page.wait_for_selector(".row .thumb img")
    assert visit.errors == []
