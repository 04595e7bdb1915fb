"""Reading a drawing: what is broken is repaired and named, what is taken out flagged, what is rejected has a cause."""

import base64
import io
import time

import numpy as np
import pytest
from PIL import Image as Picture
from svg_pictures import NAMESPACE, wrap

from samples.making import Settings, write_checked
from samples.render_check import compare_pictures, draw_picture
from svg.canonical import canonicalise, read_drawing
from svg.normal import least_rotation, points_in_order
from svg.parse import Unusable

RECT = '<rect width="256" height="512" fill="red"/>'
PLAIN = canonicalise(wrap(RECT), 512, 0, "compact").xml
PATH = '<path d="M128,256 L320,192 L320,400 Z" fill="#080341"/>'


def compact(text):
    return canonicalise(text, 512, 0, "compact")


@pytest.mark.parametrize(
    ("text", "flag"),
    [
        (f"```svg\n{wrap(RECT)}\n```", "surrounding_text"),
        (f"Here is the drawing: {wrap(RECT)} Enjoy!", "surrounding_text"),
        (f"<html><body><p>x</p>{wrap(RECT)}</body></html>", "surrounding_text"),
        (wrap('<rect width="256"height="512"fill="red"/>'), "attribute_space"),
        (wrap(RECT).replace('"', '\\"').replace("><", ">\\n<"), "escaped_quotes"),
        (wrap(f"<title>a < b</title>{RECT}"), "entities"),
        (wrap(RECT).replace("viewBox", "viewbox"), "case"),
        (wrap('<lineargradient id="g"><stop stop-color="red"/></lineargradient><rect width="256" height="512" '
              'fill="url(#g)"/>'), "case"),
    ],
)  # fmt: skip
def test_what_models_and_pages_write_around_a_drawing_is_repaired(text, flag):
    drawing = compact(text)
    assert drawing.flags == (f"repaired:{flag}",)
    assert drawing.xml == PLAIN


@pytest.mark.parametrize(
    "around", ["```svg\n{}", "```\n{}\n```\nIt was too long.", "Sure! Here it is: {}<path d='M0 0L"]
)
def test_of_a_drawing_that_is_cut_off_inside_prose_what_is_there_is_kept(around):
    drawing = compact(around.format(wrap(RECT).removesuffix("</svg>")))
    assert drawing.flags == ("repaired:cut_off", "repaired:surrounding_text")
    assert drawing.xml == PLAIN


@pytest.mark.parametrize(
    "body",
    [
        '\n style="fill="#080341";stroke="none"" d="M128,256 L320,192 L320,400 Z" />\n',
        ' d="M128,256 L320,192 L320,400 Z" fill="#080341"/>',
        '<g>\n  fill="#080341" d="M128,256 L320,192 L320,400 Z"/></g>',
    ],
)
def test_attributes_that_lost_their_element_are_a_path(body):
    drawing = compact(wrap(body))
    assert drawing.flags == ("repaired:path_tag",)
    assert drawing.xml == compact(wrap(PATH)).xml


@pytest.mark.parametrize(
    "body", [f"<desc>a > b, d=' x'/> and viewbox= too</desc>{RECT}", f'<style>/* viewbox="1" */</style>{RECT}']
)
def test_what_only_looks_broken_stays(body):
    assert (compact(wrap(body)).flags, compact(wrap(body)).xml) == ((), PLAIN)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("rubbish", r"not XML \(line 1: Start tag expected, '<' not found\)"),
        (f'<?xml version="1.0"?>\n\n<svg {NAMESPACE}>\n<g =1></g></svg>', r"not XML \(line 4: "),
        (wrap("<g>" * 300 + RECT + "</g>" * 300), "elements nested deeper than 100"),
        (wrap('<circle r="0"><animate attributeName="r" to="9"/></circle>'), r"nothing is drawn \(animated\)"),
        (wrap("<foreignObject/>"), r"nothing is drawn \(removed:foreignObject\)"),
        (wrap('<use href="x.svg#a"/>'), r"nothing is drawn \(removed:external_reference\)"),
    ],
)
def test_a_rejected_drawing_has_its_cause(text, reason):
    with pytest.raises(Unusable, match=rf"^{reason}"):
        compact(text)


@pytest.mark.parametrize(
    ("body", "flag"),
    [
        ("<foreignObject/>", "removed:foreignObject"),
        ("<script>1</script>", "removed:script"),
        ('<image href="x.png" width="9" height="9"/>', "removed:external_reference"),
        ('<use href="x.svg#a"/>', "removed:external_reference"),
        ("<style>@import 'x.css';</style>", "removed:external_reference"),
        ("<style>rect{filter:url(x.svg#f)}</style>", "removed:external_reference"),
        ('<path d="M0 0h9v9z" fill="url(x.svg#f)"/>', "removed:external_reference"),
        ('<image href="data:image/svg+xml,%3Csvg/%3E" width="9" height="9"/>', "removed:embedded_svg"),
        ('<image href="data:image/png;base64,AAAA" width="9" height="9"/>', "removed:embedded_file"),
        ('<g><animate attributeName="opacity" to="0"/></g>', "animated"),
        ("<style>@keyframes x{from{opacity:0}}</style>", "animated"),
        ('<g style="animation:spin 1s"/>', "animated"),
        ('<g style="mask:linear-gradient(red,blue)"/>', "unresolved:mask"),
        ('<rect width="9" height="9" style="transform:perspective(9px)"/>', "unresolved:transform"),
        ('<text style="clip-path:circle(9px)">a</text>', "unresolved:clip-path"),
        ('<path d="M0 0h9v9z" style="clip-path:path(5)"/>', "unresolved:clip-path"),
        ('<rect width="9" height="9" fill="rgb(from red r g 99)"/>', "unresolved:fill"),
        ('<rect width="9" height="9" style="stroke:color(a98-rgb 1 0 0)"/>', "unresolved:stroke"),
        ('<rect width="9" height="9" fill="color-mix(in oklch, red, blue)"/>', "unresolved:fill"),
        ("<style>@scope (g){rect{fill:red}}</style>", "unresolved:@scope"),
        ("<style>@property --a{syntax:'*';inherits:false}</style>", "unresolved:@property"),
        ("<g style=\"offset-path:path('M0 0h9')\"/>", "unresolved:offset-path"),
        ('<g style="all:unset"/>', "unresolved:all"),
        (f"<style>{'@media all{' * 30}rect{{fill:red}}{'}' * 30}</style>", "unresolved:nesting"),
        ('<g style="transform:inherit"/>', "unresolved:transform"),
        ('<rect style="width:round(7px, 2px)"/>', "unresolved:width"),
        ('<g fill="hsl(calc(2 * 60deg) 100% 50%)"/>', "unresolved:fill"),
        ('<mask id="m" color-interpolation="linearRGB"/>', "unresolved:color-interpolation"),
        ('<g filter="url(#nope)"/>', "repaired:reference"),
        ('<linearGradient id="a"/><linearGradient id="a"/><path d="M0 0h9v9z" fill="url(#a)"/>', "repaired:doubled_id"),
    ],
)
@pytest.mark.parametrize("level", ["none", "safe", "compact"])
def test_what_is_taken_out_or_not_resolved_is_flagged_at_every_level(body, flag, level):
    assert flag in canonicalise(wrap(f"{body}{RECT}"), 512, 0, level).flags


@pytest.mark.parametrize(
    "body",
    [
        '<a href="http://example.org">{}</a>',
        '<foreignObject requiredExtensions="http://ns.example.org/editor"/>{}',
        '<g id="a"/><g id="a"/>{}',
        "<style>@font-face{{font-family:x}}</style>{}",
        '<g fill="no colour" stroke="rgb(1 2)">{}</g>',
    ],
)
def test_what_no_browser_draws_and_nothing_refers_to_has_no_flag(body):
    assert compact(wrap(body.format(RECT))).flags == ()


def test_a_stylesheet_of_another_file_is_flagged():
    assert "removed:external_reference" in compact(f'<?xml-stylesheet href="x.css"?>{wrap(RECT)}').flags


def encoded(picture_format):
    data = io.BytesIO()
    Picture.new("RGB", (8, 8), "red").save(data, picture_format)
    return base64.b64encode(data.getvalue()).decode()


@pytest.mark.parametrize(
    "link",
    [
        f"data:img/png;base64,{encoded('PNG')}",
        f"data:image/jpeg;base64,{encoded('PNG')}",
        f"data:;base64,{encoded('PNG').rstrip('=')}",
        f"data:image/png;base64,{encoded('PNG').replace('+', '%2B').replace('/', '%2F')}",
        f"data:image/bmp;base64,{encoded('BMP')}",
        f"data:image/webp;base64,{encoded('WEBP')}",
    ],
)
def test_an_embedded_picture_is_read_by_its_bytes(link):
    checked = write_checked(read_drawing(wrap(f'<image width="512" height="512" href="{link}"/>')), Settings())
    assert {"kept_safe:image", "repaired:embedded_image"} == {*checked.drawing.flags, *checked.flags}
    assert np.abs(draw_picture(checked.drawing.xml) - [255, 0, 0]).max() < 6


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF"])
def test_a_plain_embedded_picture_stays_as_it_is(kind):
    link = f"data:image/{kind.lower()};base64,{encoded(kind)}"
    drawing = compact(wrap(f'<image width="9" height="9" href="{link}"/>'))
    assert link in drawing.xml
    assert drawing.flags == ("kept_safe:image",)


def test_a_drawing_kept_safe_may_not_differ_as_a_compact_one(monkeypatch):
    body = '<mask id="m"><path d="M0 0h512v512z" fill="white"/></mask><path d="M0 0h512v512H0z" mask="url(#m)"/>'
    asked = []
    monkeypatch.setattr(Settings, "allows", lambda self, difference, level: asked.append(level) or level == "none")
    checked = write_checked(read_drawing(wrap(body)), Settings())
    assert asked == ["safe", "none"]
    assert checked.flags == {"fell_back:safe"}
    assert checked.drawing.level == "none"


def test_a_drawing_that_ends_the_back_end_in_a_panic_is_kept_unchecked():
    body = '<rect x="-1e9" y="-1e9" width="2e9" height="2e9" fill="red"/>'
    checked = write_checked(read_drawing(wrap(body, 'viewBox="0 0 100 100"')), Settings())
    assert "render_check_failed" in checked.flags
    assert any(flag.startswith("render_failed:resvg cannot draw it") for flag in checked.flags)
    assert checked.drawing.xml


def test_arcs_along_a_line_become_no_huge_circle():
    body = '<path d="M5 5a10 10 0 0 1 7 0a10 10 0 0 0 7 0v8" fill="none" stroke="red" stroke-width="2"/>'
    raw = wrap(body, 'viewBox="0 0 24 24"')
    assert compare_pictures(draw_picture(raw), draw_picture(compact(raw).xml)).worst_cell < 10


@pytest.mark.parametrize(
    "gradient",
    [
        'gradientUnits="userSpaceOnUse" x1="824.742" y1="333.781" x2="825.742" y2="333.781" '
        'gradientTransform="matrix(100 0 0 -323.0226 -82474.2 107869)"',
        'x1="8247.42" y1="3337.81" x2="8248.42" y2="3337.81" gradientTransform="matrix(1 0 0 -3.2 -8247.42 10681)"',
    ],
)
def test_a_gradient_far_from_the_origin_keeps_its_place(gradient):
    stops = '<stop stop-color="red"/><stop offset="1" stop-color="blue"/>'
    shape = '<rect y="40" width="100" height="20" fill="url(#g)"/>'
    body = f'<linearGradient id="g" {gradient}>{stops}</linearGradient>{shape}'
    raw = wrap(body, 'viewBox="0 0 100 100"')
    drawing = compact(raw)
    assert compare_pictures(draw_picture(raw), draw_picture(drawing.xml)).mean_absolute < 0.5
    assert compact(drawing.xml).xml == drawing.xml


def test_a_pattern_keeps_its_phase():
    tile = (
        '<pattern id="p" patternUnits="userSpaceOnUse" width="20" height="20"><circle cx="10" cy="10" r="5"/></pattern>'
    )
    drawn = draw_picture(wrap(f'{tile}<rect x="128" y="128" width="256" height="256" fill="url(#p)"/>'))
    circles = "".join(f'<circle cx="{x}" cy="{y}" r="5"/>' for x in range(130, 384, 20) for y in range(130, 384, 20))
    window = '<clipPath id="c"><rect x="128" y="128" width="256" height="256"/></clipPath>'
    assert np.abs(drawn - draw_picture(wrap(f'{window}<g clip-path="url(#c)">{circles}</g>'))).mean() < 3


def test_text_from_right_to_left_ends_at_its_place():
    text = '<text x="480" y="300" font-family="DejaVu Sans" font-size="200" {}>\u05e9\u05dc</text>'
    drawn = draw_picture(wrap(text.format('direction="rtl"')))
    assert (drawn == draw_picture(wrap(text.format('text-anchor="end"')))).all()
    assert 'text-anchor="end"' in compact(wrap(text.format('style="direction:rtl"'))).xml


def test_the_least_rotation_is_that_of_all():
    generator = np.random.default_rng(0)
    for _ in range(500):
        items = [[(float(value), 0.0)] for value in generator.integers(0, 3, size=generator.integers(2, 12))]
        least = min(items)
        starts = [n + 1 for n, item in enumerate(items) if item == least]
        rotations = [items[n % len(items) :] + items[: n % len(items)] for n in starts]
        found = least_rotation(items, starts)
        assert items[found % len(items) :] + items[: found % len(items)] == min(rotations)


def test_an_outline_that_passes_its_top_often_takes_no_longer():
    seconds = []
    for n in (5_000, 20_000):
        start = time.process_time()
        compact(wrap(f'<path d="M0 0{"L500 500L0 0" * n}"/>'))
        seconds.append(time.process_time() - start)
    assert seconds[1] < 10 * seconds[0] + 1


def test_points_in_order_have_no_flags():
    assert points_in_order([("A", 5 + 5j, 0, True, False, 1 + 2j)]) == [(5.0, 5.0), (2.0, 1.0)]
