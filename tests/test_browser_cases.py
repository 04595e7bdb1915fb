"""What browsers resolve is resolved before anything is drawn: text, render check and PNG agree with a browser."""

import base64
import io

import numpy as np
import pytest
import rarer_browser_cases
from browser_cases import CASES as FREQUENT
from browser_cases import WRITTEN_OTHERWISE, whole
from lxml import etree
from PIL import Image as Picture

from samples.making import Settings, write_checked
from samples.render_check import SIZE, draw_picture
from svg.canonical import canonicalise, read_drawing

CASES = FREQUENT | rarer_browser_cases.CASES
SAME = 1.0  # of 255, the mean difference of pictures that differ at edges only
LIKE_CHROMIUM = 2.0


@pytest.fixture(scope="module")
def chromium_pictures(browser):
    """Pictures of all cases by Chromium, as images of 224 x 224 px."""
    page = browser.new_context(viewport={"width": SIZE, "height": SIZE}, offline=True).new_page()
    page.set_content(f"<style>*{{margin:0}}img{{width:{SIZE}px;height:{SIZE}px}}</style><img id=drawing>")
    pictures = {}
    for name, (case, _) in CASES.items():
        link = "data:image/svg+xml;base64," + base64.b64encode(whole(case).encode()).decode()
        page.evaluate("link => { const i = document.images[0]; i.src = link; return i.decode() }", link)
        with Picture.open(io.BytesIO(page.screenshot())) as picture:
            pictures[name] = np.asarray(picture.convert("RGB"), dtype=float)
    return pictures


@pytest.mark.parametrize("name", sorted(CASES.keys() - WRITTEN_OTHERWISE - rarer_browser_cases.WRITTEN_OTHERWISE))
def test_it_is_written_as_the_plain_drawing(name):
    case, plain = map(whole, CASES[name])
    drawing = canonicalise(case, 512, 0, "compact")
    assert drawing.xml == canonicalise(plain, 512, 0, "compact").xml
    assert not [flag for flag in drawing.flags if flag.startswith(("unresolved:", "kept_safe:"))]


@pytest.mark.parametrize("name", CASES)
def test_it_is_drawn_as_the_plain_drawing(name):
    case, plain = map(whole, CASES[name])
    assert np.abs(draw_picture(case) - draw_picture(plain)).mean() < SAME
    safe = canonicalise(case, 512, 0, "safe").xml
    assert np.abs(draw_picture(safe) - draw_picture(plain)).mean() < SAME
    assert canonicalise(safe, 512, 0, "safe").xml == safe


@pytest.mark.parametrize("name", CASES)
def test_the_render_check_takes_its_compact_text(name):
    checked = write_checked(read_drawing(whole(CASES[name][0])), Settings())
    assert not [flag for flag in checked.flags if flag.startswith(("fell_back", "render"))]


@pytest.mark.parametrize("name", CASES)
def test_chromium_draws_it_so(name, chromium_pictures):
    assert np.abs(draw_picture(whole(CASES[name][0])) - chromium_pictures[name]).mean() < LIKE_CHROMIUM


def test_nothing_of_css_is_left():
    for name, (case, _) in CASES.items():
        text = etree.tostring(read_drawing(whole(case)).resolved, encoding="unicode")
        assert not [css for css in ("<style", "var(", "transform:") if css in text], name
