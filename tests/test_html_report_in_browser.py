"""The report as people use it in a browser: hostile text stays text, scores are told and saved, all is legible."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
from browser_visits import Visit, ids_of
from report_fixture import Experiment, make_experiment

from core.records import read_json
from html_report import main

HOSTILE = (
    " \"><img src=x onerror=\"document.title='owned'\"></script><script>document.title='owned'</script>"
    "\u2028{{ 7*7 }}<!--<svg onload=document.title='owned'>'"
)


@pytest.fixture(scope="module")
def experiment(tmp_path_factory: pytest.TempPathFactory) -> Experiment:
    made = make_experiment(tmp_path_factory.mktemp("plain") / "demo")
    main(**made.arguments)
    return made


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
    # The last row is the leave-one-out human score.
    assert len(page.query_selector_all("table.scores tbody tr:not(.part)")) == 5 + 1
    assert "1.500" in page.inner_text("tr.human")
    assert page.query_selector(".radar svg path.line")
    assert len(page.query_selector_all(".panels svg")) == 5  # the values that have a place on radars
    assert page.locator("table.slices thead th").all_inner_texts()[1].startswith("all samples")
    assert len(page.query_selector_all("table.slices thead th")) == 4
    visit.select("Slices by", "commands")
    assert "commands: many" in page.inner_text("table.slices thead")
    assert len(page.query_selector_all(".curve svg path")) == 2 * 2 + 1  # losses, and the score of captions of one
    broken = page.eval_on_selector_all("img", "images => images.filter(i => i.complete && !i.naturalWidth).length")
    assert broken == 0
    assert visit.errors == []
    assert visit.network == []


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
    if media == "print":
        visit.page.hover("#charts-mount .chip:has-text('zero-shot')")  # dims the others on a screen, not on paper
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
    for _ in range(120):
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
