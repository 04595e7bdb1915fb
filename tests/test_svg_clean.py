"""Levels none and safe: nothing in the text says what the drawing is, and the picture stays the same."""

import numpy as np
import pytest

from samples.render_check import draw_picture
from svg.canonical import canonicalise
from svg.label_leakage import find_leaked_words

HEAD = (
    '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
    'xmlns:inkscape="http://www.inkscape.org/namespaces/inkscape" viewBox="0 0 90 90">'
)
RECT = '<rect width="40" height="40" fill="teal"/>'
FILTER = (
    '<filter id="f"><feFlood flood-color="red" result="cat"/>'
    '<feBlend in="SourceGraphic" in2="cat" mode="multiply"/></filter>'
)


def clean(body, level):
    """The text of a level, which draws what the source does and is its own text of that level."""
    source = f"{HEAD}{body}</svg>"
    text = canonicalise(source, 128, 0, level).xml
    assert np.array_equal(draw_picture(source), draw_picture(text))
    assert canonicalise(text, 128, 0, level).xml == text
    return text


@pytest.mark.parametrize(
    "body",
    [
        '<path title="cat" alt="cat" name="cat" label="cat" d="M0 0h9v9z"/>',
        f'<a xlink:title="cat" xlink:href="http://x/cat.html">{RECT}</a>',
        f'<image href="cat.png" width="9" height="9"/>{RECT}',
        '<g style="/* cat */fill:red;--cat:1;-inkscape-x:cat"><path d="M0 0h9v9z"/></g>',
        '<rect width="9" height="9"><animate attributeName="x" values="cat"/><set attributeName="y" to="cat"/></rect>',
        FILTER + '<rect width="40" height="40" fill="teal" filter="url(#f)"/>',
        f"cat {RECT}mat cat<g>cat</g>",
        f'<text display="none">cat</text><text style="display:none">cat</text>{RECT}',
        f'<g visibility="hidden"><text y="40">cat</text></g>{RECT}',
        '<g display="none"><linearGradient id="g"/><text>cat</text></g><rect width="9" height="9" fill="url(#g)"/>',
        f'<switch>{RECT}<text y="40">cat</text></switch>',
        f"<cat>{RECT}</cat>{RECT}",
        f'<linearGradient id="a"/><clipPath id="b"><path id="cat" d="M0 0z"/></clipPath><g><mask id="cat"/></g>{RECT}',
    ],
)
def test_safe_says_nothing_of_what_is_drawn(body):
    assert "cat" not in clean(body, "safe")


@pytest.mark.parametrize(
    "body",
    [
        f'<g id="cat" class="cat" inkscape:label="cat" aria-label="cat" data-name="cat">{RECT}</g>',
        '<style>/* cat */.cat,#cat2{/* cat{} */fill:#cab}</style><path id="cat2" d="M0 0h9v9z"/>'
        '<path class="x cat" d="M9 9h9v9z"/>',
        f'<inkscape:cat name="cat"/>{RECT}',
        '<linearGradient id="cat"><stop stop-color="red"/></linearGradient>'
        '<style>path{fill:url(#cat)}</style><path d="M0 0h9v9z"/>',
    ],
)
@pytest.mark.parametrize("level", ["none", "safe"])
def test_neither_level_names_parts(body, level):
    assert "cat" not in clean(body, level)


PARTS = (
    '<rect id="cat" width="30" height="9"/><rect class="cat  x" y="9" width="30" height="9"/>'
    '<rect class="{}" y="20" width="30" height="9"/>'
)


@pytest.mark.parametrize(
    "selector",
    [
        "[id=cat]",
        "rect[ id = 'cat' ]",
        '[class~="cat"]',
        "[class~=cat]",
        "[class=cat]",
        '[class="cat  x"]',
        ".cat[id='b.cat']",
    ],
)
@pytest.mark.parametrize("last", ["cat", "cat x", "cat  y", " cat", "x"])
def test_selectors_of_ids_and_classes_as_attributes_name_nothing(selector, last):
    body = f"<style>{selector}{{fill:red}} .x{{opacity:.5}}</style>{PARTS.format(last)}"
    assert "cat" not in clean(body, "none")


@pytest.mark.parametrize(
    "selector", [".猫", "#猫", r".cat\:x", ".🐱", "[id^=cat]", "[class|=cat]", "[id=cat i]", "[data-name=cat]"]
)
def test_other_selectors_still_paint(selector):
    named = "".join(
        f'<rect id="{name}" class="{name}" data-name="{name}" y="{10 * y}" width="30" height="9"/>'
        for y, name in enumerate(["猫", "cat:x", "🐱", "cat", "cat-x", "CAT"])
    )
    text = clean(f"<style>{selector}{{fill:red}}</style>{named}", "none")
    assert ("cat" in text) == (selector not in (".猫", "#猫"))


def test_leaked_words_in_selectors_that_stay_are_found():
    text = clean(f"<style>[id^=cat]{{fill:red}}</style>{PARTS}", "none")
    assert find_leaked_words(text, ["a black cat"]) == {"cat"}


@pytest.mark.parametrize("first", ["<defs/>", '<linearGradient id="g"/>', '<image href="cat.png"/>'])
def test_a_switch_keeps_its_choice(first):
    clean(f'{RECT}<switch>{first}<path d="M0 0h90v90z"/></switch>', "safe")


def test_safe_writes_attributes_in_one_order():
    first, second = (
        clean(f"<rect {attributes}/>", "safe")
        for attributes in ('x="1" y="2" fill="red" width="9" height="9"', 'fill="red" height="9" y="2" width="9" x="1"')
    )
    assert first == second
    assert '<rect height="9" width="9" x="1" y="2" fill="red"/>' in first


def test_safe_removes_definitions_that_nothing_refers_to():
    text = clean(f'<linearGradient id="a"/><g><clipPath id="b"><path d="M0 0z"/></clipPath></g>{RECT}', "safe")
    assert "linearGradient" not in text
    assert "clipPath" not in text


@pytest.mark.parametrize(
    "body",
    [
        '<text x="5" y="40"><tspan>a</tspan> <tspan>cat</tspan></text>',
        '<switch><g systemLanguage="xx"/><text x="5" y="40">cat</text></switch>',
        '<text x="5" y="40" space="preserve">a   cat</text>',
        '<g visibility="hidden"><text x="5" y="40" visibility="visible">cat</text></g>',
        '<g display="none"><text id="t" x="5" y="40">cat</text></g><use href="#t"/>',
    ],
)
@pytest.mark.parametrize("level", ["none", "safe"])
def test_drawn_text_stays(body, level):
    assert "cat" in clean(body, level)


def test_nested_rules_keep_their_references():
    body = f'<style>svg{{clip-path:url(#c);.x{{fill:red}}}}</style><clipPath id="c">{RECT}</clipPath>'
    assert "#c" not in clean(f'{body}<path class="x" d="M0 0h90v90z"/>', "none")


@pytest.mark.parametrize("style", ["mix-blend-mode:multiply", "fill:red!important", "opacity:.5;isolation:isolate"])
def test_properties_that_renderers_read_stay(style):
    assert style in clean(f'{RECT}<path d="M9 9h50v50z" style="{style}"/>', "safe")
