"""Level compact on what editors and strangers write: the same picture, the same text when it is rewritten."""

import random
import signal

import numpy as np
import pytest

from build_openmoji import find_drawings
from samples.making import Settings, write_checked
from samples.render_check import compare_pictures, draw_picture
from svg.bytes import decode_drawing
from svg.canonical import canonicalise, read_drawing
from svg.parse import parse_svg

STOPS = '<stop stop-color="red"/><stop offset="1" stop-color="#00f"/>'
SQUARE = '<path d="M0 0h90v90H0z"/>'
PIXEL = "data:image/gif;base64,R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7"
SYMBOL = '<symbol id="s" viewBox="0 0 10 10"><circle cx="5" cy="5" r="4" fill="red"/></symbol>'
SHAPE = '<path d="M5 5h60v80z" fill="url(#g)"/>'


def wrap(body, attributes='viewBox="0 0 100 100"'):
    return f'<svg xmlns="http://www.w3.org/2000/svg" {attributes}>{body}</svg>'


def compact(text):
    return canonicalise(text, 512, 0, "compact")


REWRITTEN = {
    "vertical gradient at the edge": '<linearGradient id="g" gradientUnits="userSpaceOnUse" x1="0" y1="0" x2="0" '
    f'y2="100">{STOPS}</linearGradient>{SHAPE}',
    "radial gradient around the origin": '<radialGradient id="g" gradientUnits="userSpaceOnUse" cx="0" cy="0" r="1" '
    f'gradientTransform="matrix(0 10 -9 0 50 50)">{STOPS}</radialGradient>{SHAPE}',
    "nearly opaque stop": f'<linearGradient id="g">{STOPS}<stop offset="1" stop-opacity=".998"/>'
    f"</linearGradient>{SHAPE}",
    "corners that differ by less than the grid": '<rect width="50" height="50" rx=".27" ry=".17"/>',
    "corners of which one is too small": '<rect width="50" height="50" rx=".01" ry="4"/>',
    "a negative corner": '<rect width="50" height="50" rx="-5" ry="5"/>',
    "a stroke too thin": '<path d="M5 5h60v80z" fill="red" stroke="#000" stroke-width=".005"/>',
    "a fill that nobody sees": '<path d="M5 5h60v80z"/><path d="M5 5h60v40z" fill="red" fill-opacity=".001"/>',
    "a group that nobody sees": '<path d="M5 5h60v80z"/><g opacity=".001"><path d="M5 5h60v40z" fill="red"/></g>',
    "a group whose shapes become one": '<g opacity=".5"><path d="M10 10h50" stroke="red"/>'
    '<path d="M10 20h50" stroke="red"/></g>',
    "joined paths with the geometry of a stroke": '<path d="M5 5h20v20z" fill="red"/>'
    '<path d="M45 5h20v20z" fill="red"/><path d="M5 5h20v20zM45 5h20v20z" fill="none" stroke="#000"/>',
    "an ellipse turned by 45 degrees": '<path d="M20 20A30 25 45.3 1 1 70 70z"/>',
    "rules that are important": "<style>.a{fill:red !important}</style>"
    '<rect class="a" width="90" height="90" style="fill:blue"/>',
    "an important rule against a stronger one": "<style>.a{fill:red!important} #b{fill:lime}</style>"
    '<rect id="b" class="a" width="90" height="90"/>',
    "an empty declaration": '<rect width="90" height="90" style="fill:red;;fill:"/>',
    "a symbol in two places": f'{SYMBOL}<use href="#s" width="40" height="40" x="5" y="2"/>'
    '<use href="#s" width="40" height="20" x="50" y="60"/>',
    "a symbol that fills the view": f'{SYMBOL}<use href="#s"/>',
    "a symbol cut by its view": f'{SYMBOL.replace("4", "8")}<use href="#s" width="40" height="40" x="25" y="22"/>',
    "a symbol cut by a view that is turned": f"{SYMBOL.replace('4', '8')}"
    '<use href="#s" width="30" height="30" x="40" y="22" transform="rotate(20)"/>',
    "a nested drawing in shares of its view": '<svg x="10" y="10" width="50%" height="30" viewBox="0 0 20 20">'
    '<rect width="50%" height="100%" fill="blue"/><path d="M0 0L20 20" stroke="red"/></svg>',
    "a nested drawing that fills its view": '<svg width="40" height="20" viewBox="0 0 20 20" '
    'preserveAspectRatio="xMinYMax slice"><circle cx="10" cy="10" r="10"/></svg>',
    "a nested drawing that is stretched": '<svg width="40" height="20" viewBox="0 0 20 20" '
    'preserveAspectRatio="none"><circle cx="10" cy="10" r="10"/></svg>',
    "a gradient in shares of the view": '<linearGradient id="g" gradientUnits="userSpaceOnUse" x1="20%" x2="100%">'
    f"{STOPS}</linearGradient>{SHAPE}",
    "a gradient of a shape that vanishes": f'<linearGradient id="g">{STOPS}</linearGradient>'
    f'<linearGradient id="h" x1="1" x2="0">{STOPS}</linearGradient><path d="M5 5h.1v.1z" fill="url(#h)"/>{SHAPE}',
    "a gradient under next to no turn": f'<linearGradient id="g">{STOPS}</linearGradient>'
    f'<g transform="matrix(1.001 .0001 0 .999 3 4)">{SHAPE}</g>',
    "gradients with the same stops and the same transform": "".join(
        f'<linearGradient id="{name}" gradientUnits="userSpaceOnUse" x1="{x}" x2="{x + 30}" '
        f'gradientTransform="matrix(1 .5 0 .5 3 9)">{STOPS}</linearGradient>'
        f'<path d="M{x} 5h40v80z" fill="url(#{name})"/>'
        for name, x in (("g", 5), ("h", 50))
    ),
    "a clip path moves with its use": '<clipPath id="c"><rect width="20" height="20"/></clipPath>'
    '<defs><path id="p" d="M0 0h30v10z" fill="red"/></defs><use href="#p" x="30" y="30" clip-path="url(#c)"/>',
    "a symbol whose style lets it overflow": SYMBOL.replace("4", "8").replace(
        "<symbol", '<symbol style="overflow:visible"'
    )
    + '<use href="#s" width="40" height="40" x="25" y="22"/>',
    "a nested drawing that overflows": '<svg x="5" y="5" width="20" height="20" overflow="visible">'
    '<rect x="40" y="40" width="30" height="30" fill="red"/></svg>',
    "a gradient of one stop that is seen through": '<linearGradient id="g">'
    f'<stop stop-color="red" stop-opacity=".6"/></linearGradient>{SHAPE}',
    "a gradient in the box of a line as well": f'<linearGradient id="g">{STOPS}</linearGradient>'
    '<path d="M0 0h100M20 20h60v60h-60z" fill="url(#g)"/>',
    "a gradient of a shape that is only a line": f'<linearGradient id="g">{STOPS}</linearGradient>'
    '<path d="M10 10h80l-.05.04z" fill="url(#g)" stroke="red" stroke-width="2" stroke-linejoin="bevel"/>',
    "a line all of whose paints are seen through": '<path d="M10 10h80l-.05.04z" fill="red" fill-opacity=".5" '
    'stroke="blue" stroke-width="4" stroke-opacity=".5" opacity=".5" stroke-linejoin="bevel"/>',
    "an uneven transform": '<path d="M300 50l900 100v50z" stroke="red" stroke-width="20" '
    'transform="matrix(.05 0 0 .1 0 9)"/>',
    "a corner that is all of a side": '<rect x="39" width="3.9" height="22.3" rx="16"/>',
    "neighbours under one clip path": '<clipPath id="c"><circle cx="40" cy="40" r="30"/></clipPath>'
    '<rect width="40" height="40" fill="red" clip-path="url(#c)"/>'
    '<circle cx="50" cy="50" r="20" fill="red" clip-path="url(#c)"/>',
    "a gradient of a stroke that nobody sees": f'<linearGradient id="g">{STOPS}</linearGradient>'
    '<path d="M5 5h60v80z" stroke="url(#g)" stroke-opacity="0" transform="rotate(180 50 50)"/>',
    "an arc below a line, either way": '<path d="M70-21L70 59M190 19A48 55 90 1 0 157 24" stroke="black" '
    'transform="scale(.5)"/>',
    "definitions used in another order": f'<clipPath id="c"><circle cx="40" cy="40" r="30"/></clipPath>'
    f'<linearGradient id="g">{STOPS}</linearGradient><g clip-path="url(#c)">{SHAPE}{SQUARE}</g>',
    "a symbol with a clip path of its own": '<clipPath id="c"><rect x="2" y="2" width="5" height="4"/></clipPath>'
    + SYMBOL.replace("<symbol", '<symbol clip-path="url(#c)"')
    + '<use href="#s" width="40" height="40" x="25" y="22"/>',
    "a symbol under a quarter turn": f'{SYMBOL}<use href="#s" width="40" height="20" transform="rotate(-90 40 40)"/>',
    "a gradient under next to no skew": '<linearGradient id="g" gradientUnits="userSpaceOnUse" x2="90" '
    f'gradientTransform="skewX(-.06)">{STOPS}</linearGradient>{SHAPE}',
    "segments of no length": '<path d="M5 5c0 0 0 0 0 0c0 0 0 0 0 0z"/>'
    '<path d="M5 5c0 0 0 0 0 0L60 5c0 0 0 0 0 0c9 9 0 40-9 40L5 45c0 0 0 0 0 0c0 0 0 0 0 0z" fill="red"/>',
    "an image that is not there": '<image width="50" height="50" href="a.png"/><path d="M5 5h60v80z"/>',
    "stops that inherit their gradient's colour, opacity": '<linearGradient id="g" stop-color="red" stop-opacity=".3">'
    '<stop style="stop-color:inherit" stop-opacity="inherit"/><stop offset="1" stop-color="#00f"/></linearGradient>'
    f"{SHAPE}",
    "a stop in the colour of what is around its gradient": '<defs color="red"><linearGradient id="g">'
    f'<stop stop-color="currentColor"/><stop offset="1" stop-color="#00f"/></linearGradient></defs>{SHAPE}',
    "an opacity that is inherited": '<g opacity=".5"><path opacity="inherit" d="M5 5h60v80z" fill="red"/></g>',
    "shapes under a flat transform": '<rect width="10" height="10"/><circle r="20" transform="scale(1,0)"/>'
    '<path d="M0 0h9v9z" transform="matrix(1 2 2 4 0 0)"/>',
}


@pytest.mark.parametrize("name", REWRITTEN)
def test_it_draws_the_same_and_is_rewritten_to_itself(name):
    raw = wrap(REWRITTEN[name])
    drawing = compact(raw)
    assert not [flag for flag in drawing.flags if flag.startswith("kept_safe")]
    assert compact(drawing.xml).xml == drawing.xml
    assert compare_pictures(draw_picture(raw), draw_picture(drawing.xml)).worst_cell < 8


def test_a_wide_stroke_around_an_ellipse_without_width_stays():
    raw = wrap(
        '<ellipse cx="26" cy="60" rx=".07" ry="20" stroke="orange" stroke-width="3"/>'
        '<path d="M50 50A.05 20 0 0 1 50 10" stroke="red" stroke-width="4"/>'
    )
    text = compact(raw).xml
    assert "orange" in text
    assert "red" in text
    assert compact(text).xml == text
    assert compare_pictures(draw_picture(raw), draw_picture(text)).worst_cell < 32  # it has no round ends


@pytest.mark.parametrize(
    "body",
    [
        '<circle cx="46" cy="46" r="30"/>',
        f'<linearGradient id="g" gradientUnits="userSpaceOnUse">{STOPS}</linearGradient>{SHAPE}',
        f'<radialGradient id="g" gradientUnits="userSpaceOnUse">{STOPS}</radialGradient>{SHAPE}',
        '<path d="M5 5h90v50h-90z" stroke="red" stroke-width="30"/>',
    ],
)
@pytest.mark.parametrize("view", ['viewBox="0 0 100 60"', 'viewBox="0 0 60 100"', 'width="100" height="60"'])
def test_what_is_beyond_a_wide_or_high_view_is_not_drawn(body, view):
    drawing = compact(wrap(body, view))
    assert not [flag for flag in drawing.flags if flag.startswith("kept_safe")]
    assert compact(drawing.xml).xml == drawing.xml
    assert compare_pictures(draw_picture(wrap(body, view)), draw_picture(drawing.xml)).worst_cell < 12


def test_a_shape_beside_a_wide_view_leaves_no_trace():
    drawing = compact(
        wrap('<rect width="50" height="50"/><rect x="5" y="70" width="9" height="9"/>', 'viewBox="0 0 99 60"')
    )
    assert drawing.xml.count("<rect") == 1
    assert "clip" not in drawing.xml


def test_lines_seen_through_that_overlap_stay_two_at_any_precision():
    line = '<path d="M{} 20l10 50" fill="none" stroke="red" stroke-width="20" opacity=".5"/>'
    raw = wrap(line.format(20) + line.format(32))
    for precision in (0, 1, 2):
        text = canonicalise(raw, 512, precision, "compact").xml
        assert compare_pictures(draw_picture(raw), draw_picture(text)).worst_cell < 8


@pytest.mark.parametrize("matrix", [".02 0 0 300 0 0", ".5 .5 -.51 -.5 50 50"])
def test_shapes_under_a_transform_that_a_grid_cannot_hold_are_kept_as_they_are(matrix):
    drawing = compact(wrap(f'<path d="M50 .1L3000 .2V.25z" stroke="red" transform="matrix({matrix})"/>'))
    assert drawing.flags == ("kept_safe:a very uneven transform",)


def test_shapes_too_fine_for_the_grid_are_kept_as_they_are():
    drawing = canonicalise(wrap('<ellipse cx="88" cy="97" rx="18.872" ry="1.602"/>'), 24, 0, "compact")
    assert drawing.flags == ("kept_safe:shapes too fine for the grid",)


@pytest.mark.parametrize(
    ("attributes", "place"),
    [
        ('viewBox="0 0 100 100" width="200" height="100"', "in the middle of a wide picture"),
        ('viewBox="0 0 100 50" width="100" height="200"', "in the middle of a high picture"),
        ('viewBox="0 0 100 100" width="90" height="45" preserveAspectRatio="none"', "stretched"),
        ('viewBox="0 0 100 100" width="90" height="45" preserveAspectRatio="xMinYMin"', "at the left"),
        ('viewBox="0 0 100 100" width="90" height="45" preserveAspectRatio="xMidYMin slice"', "cut at the bottom"),
    ],
)
def test_a_picture_wider_or_higher_than_its_view_is_kept_as_stated(attributes, place):
    raw = wrap('<rect x="10" y="10" width="80" height="30" fill="red"/>', attributes)
    drawing = compact(raw)
    assert not [flag for flag in drawing.flags if flag.startswith("kept_safe")]
    assert compare_pictures(draw_picture(raw), draw_picture(drawing.xml)).worst_cell < 16, place


@pytest.mark.parametrize(
    ("body", "attributes", "kept"),
    [
        ('<marker id="m" markerWidth="9"><path d="M0 0h9v9z"/></marker><path d="M9 9h50" style="marker:url(#m)"/>', "",
         "marker"),
        ('<clipPath id="c"><path d="M0 0h50v50z"/></clipPath><path d="M0 0h90v90z"/>', 'clip-path="url(#c)"',
         "clip-path of the root"),
        ('<path d="M0 0h90v90z"/>', 'opacity=".5"', "opacity of the root"),
    ],
)  # fmt: skip
def test_what_it_cannot_write_is_kept(body, attributes, kept):
    raw = wrap(body, f'viewBox="0 0 100 100" {attributes}')
    drawing = compact(raw)
    assert f"kept_safe:{kept}" in drawing.flags
    assert np.array_equal(draw_picture(raw), draw_picture(drawing.xml))


def test_real_drawings_are_rewritten_to_themselves():
    texts = [path.read_text() for path in random.Random(2).sample(sorted(find_drawings().values()), 80)]
    once = [compact(text).xml for text in texts]
    assert [compact(text).xml for text in once] == once


@pytest.mark.parametrize("level", ["compact", "safe"])
def test_a_small_part_that_is_lost_is_seen_by_the_render_check(level):
    raw = wrap('<path d="M0 0h100v100H0z" fill="#eee"/><circle cx="50" cy="50" r="8" fill="red"/>')
    lost = wrap('<path d="M0 0h100v100H0z" fill="#eee"/><circle cx="50" cy="50" r="8"/>')
    difference = compare_pictures(draw_picture(raw), draw_picture(lost))
    assert difference.mean_absolute < Settings().max_difference
    assert difference.similarity > Settings().min_similarity
    assert not Settings().allows(difference, level)
    assert write_checked(read_drawing(raw), Settings()).flags == set()


@pytest.mark.parametrize("encoding", ["undefined", "punycode", "hex", "utf_16", "UTF-16", "no-such-encoding"])
def test_an_encoding_that_is_none_is_guessed(encoding):
    data = f'<?xml version="1.0" encoding="{encoding}"?>{wrap("<text>é</text>")}'.encode()
    text, repairs = decode_drawing(data)
    assert ("é" in text, repairs) == (True, ["repaired:encoding"])


def test_comments_before_the_root_cost_no_time():
    def too_slow(*_):
        raise TimeoutError

    signal.signal(signal.SIGALRM, too_slow)
    signal.alarm(10)
    try:
        assert parse_svg("<!-- a -->\n" * 500 + wrap("<path/>"), set()).tag.endswith("svg")
    finally:
        signal.alarm(0)


def test_a_grammar_without_entities_is_no_reason_to_reject():
    grammar = '<!ATTLIST svg xmlns:xlink CDATA #FIXED "http://www.w3.org/1999/xlink"><!ELEMENT svg ANY>'
    raw = f'<!DOCTYPE svg PUBLIC "-//W3C//DTD SVG 1.1//EN" "x.dtd" [{grammar}]>{wrap(SQUARE)}'
    assert "<rect" in compact(raw).xml


@pytest.mark.parametrize("colour", ["3,84,76", "(3,84,76)", "3.0,84.0,76.0"])
def test_colours_without_their_function_are_repaired(colour):
    for body in (f'<path d="M0 0h9v9z" fill="{colour}"/>', f'<path d="M0 0h9v9z" style="fill:{colour}"/>'):
        drawing = compact(wrap(body))
        assert ('fill="#03544c"' in drawing.xml, "repaired:colour" in drawing.flags) == (True, True)


@pytest.mark.parametrize("none", ["None", "null", "Null", "NULL"])
def test_paints_that_mean_none_are_repaired(none):
    for body in (f'fill="{none}"', f'style="fill:{none}"'):
        drawing = compact(wrap(f'<path d="M0 0h9v9z" {body} stroke="red"/>'))
        assert ('fill="none"' in drawing.xml, "repaired:none_colour" in drawing.flags) == (True, True)


@pytest.mark.parametrize(
    ("text", "repair"),
    [
        (wrap('<path d="M0 0h50v50z" fill="red" d="M0 0h90v90z"/>'), "doubled_attribute"),
        (wrap('<path d=" d = d=M0 0h50v50z" fill="red"/>'), "doubled_d"),
        (wrap('<path d="M0 0h50v50z" fill="red"/>').replace("<", "&lt;").replace(">", "&gt;"), "entities"),
        (wrap('<desc>&nothing; &#0; \x07</desc><path d="M0 0h50v50z" fill="red"/>'), "entities"),
        (wrap('<!-- a -- b --><path d="M0 0h50v50z" fill="red"/>'), "comments"),
        (wrap('<g><path d="M0 0h50v50z" fill="red">'), "cut_off"),
        (wrap('<g><path d="M0 0h50v50z" fill="red"/></g></g>'), "cut_off"),
    ],
)
def test_broken_texts_are_repaired_by_name(text, repair):
    drawing = compact(text)
    assert 'd="M0 0h256v256z" fill="red"' in drawing.xml
    assert f"repaired:{repair}" in drawing.flags


@pytest.mark.parametrize(
    ("body", "view"),
    [
        (
            '<rect x="10" y="10" width="100" height="100" fill="none" stroke="red" stroke-width="40"/>',
            "-10 -10 140 140",
        ),
        ('<g style="stroke:red;stroke-width:4"><path d="M10 10h100" transform="scale(2)"/></g>', "16 16 208 8"),
        ('<rect width="90" height="90"/><path d="M900 900h9v9z" style="display:none"/>', "0 0 90 90"),
        (f'{SYMBOL}<use href="#s" width="40" height="40" x="5" y="2"/>', "5 2 40 40"),
        (f'{SYMBOL}<use href="#s" x="5" y="2"/>', "5 2 10 10"),
        (f'<image x="5" y="2" width="40" height="30" href="{PIXEL}"/>', "5 2 40 30"),
        ('<text x="20" y="40" font-size="10">Hello</text>', "20 30 30 12.5"),
        ('<text x="20" y="40" font-size="10" text-anchor="middle">Hello</text>', "5 30 30 12.5"),
    ],
)
def test_a_view_that_is_worked_out_shows_lines_and_nothing_hidden(body, view):
    repaired = read_drawing(wrap(body, ""))
    assert (repaired.root.get("viewBox"), "repaired:viewbox" in repaired.repairs) == (view, True)
