"""One text for one picture, whatever element, start, direction or attribute its shapes were written with."""

import random

import pytest

from samples.render_check import compare_pictures, draw_picture
from svg.canonical import canonicalise

VIEW = 'viewBox="0 0 100 100"'
RED = 'fill="red"'
LINE = 'stroke="red" stroke-width="4"'
KAPPA = 20 * 0.5522847
SYMBOL = '<symbol id="s" viewBox="0 0 10 10"><circle cx="5" cy="5" r="4" fill="red"/></symbol>'
CLIPPED = ' clip-path="url(#c)"/>'
CORNER = '<clipPath id="c"><rect x="2" y="2" width="9" height="9"/></clipPath>'
GROUND = '<rect width="90" height="20" fill="blue"/>'


def wrap(body, attributes=VIEW):
    return f'<svg xmlns="http://www.w3.org/2000/svg" {attributes}>{body}</svg>'


def compact(body, attributes=VIEW):
    drawing = canonicalise(wrap(body, attributes), 512, 0, "compact")
    assert not [flag for flag in drawing.flags if flag.startswith("kept_safe")], drawing.flags
    return drawing.xml


SAME = {
    "a rectangle": [
        f'<rect x="10" y="20" width="60" height="40" {RED}/>',
        f'<path d="M10 20h60v40H10z" {RED}/>',
        f'<path d="M70 60L10 60L10 20L70 20L70 60Z" {RED}/>',
        f'<path d="M10 20h60v40H10" {RED}/>',
        f'<path d="M10 20h20h40v40H10V50z" {RED}/>',
        f'<polygon points="70,20 70,60 10,60 10,20" {RED}/>',
        f'<polyline points="70,20 70,60 10,60 10,20" {RED}/>',
        f'<rect x="20" y="-70" width="40" height="60" transform="rotate(90)" {RED}/>',
        f'<rect x="10" y="20" width="60" height="40" {RED} fill-rule="evenodd"/>',
        f'<rect x="10%" y="20%" width="60%" height="40%" {RED}/>',
        f'<svg x="10" y="20" width="60" height="40"><path d="M0 0h60v40H0z" {RED}/></svg>',
    ],
    "a rectangle with a line": [
        f'<rect x="10" y="20" width="60" height="40" fill="blue" {LINE}/>',
        f'<path d="M70 60H10V20h60z" fill="blue" {LINE}/>',
        f'<path d="M70 60H10V20h60v40z" fill="blue" {LINE}/>',
        f'<path d="M70 60H10V20h60z" fill="blue"/><path d="M10 60V20h60v40z" fill="none" {LINE}/>',
    ],
    "an arc back to where it began": [
        f'<path d="M50 50L80 80V20z" {RED}/>',
        f'<path d="M50 50A9 9 0 1 1 50 50L80 80V20z" {RED}/>',
        f'<path d="M50 50A9 9 0 0 1 50 50L80 80V20z" {RED}/>',
        f'<path d="M50 50L80 80V20zM30 30A9 9 0 1 1 30 30z" {RED}/>',
    ],
    "a clip path of a symbol": [
        f'{CORNER}<g transform="translate(30 30)scale(2)" clip-path="url(#c)">{GROUND}</g>',
        f'{CORNER}<symbol id="s" viewBox="0 0 20 20" clip-path="url(#c)">{GROUND}</symbol>'
        '<use href="#s" x="30" y="30" width="40" height="40"/>',
    ],
    "a rectangle with round corners": [
        f'<rect x="10" y="20" width="60" height="40" rx="8" {RED}/>',
        f'<path d="M18 20h44a8 8 0 0 1 8 8v24a8 8 0 0 1-8 8H18a8 8 0 0 1-8-8V28a8 8 0 0 1 8-8z" {RED}/>',
        f'<path d="M10 28v24c0 4.418 3.582 8 8 8h44c4.418 0 8-3.582 8-8V28c0-4.418-3.582-8-8-8H18'
        f'c-4.418 0-8 3.582-8 8" {RED}/>',
    ],
    "a circle": [
        f'<circle cx="50" cy="50" r="20" {RED}/>',
        f'<ellipse cx="50" cy="50" rx="20" ry="20" {RED}/>',
        f'<path d="M30 50a20 20 0 0 0 40 0a20 20 0 0 0-40 0" {RED}/>',
        f'<path d="M50 30A20 20 0 0 1 70 50A20 20 0 0 1 50 70A20 20 0 0 1 30 50A20 20 0 0 1 50 30Z" {RED}/>',
        f'<path d="M70 50c0 {KAPPA}-{20 - KAPPA} 20-20 20s-20-{20 - KAPPA}-20-20 {20 - KAPPA}-20 20-20 20 {20 - KAPPA} '
        f'20 20z" {RED}/>',
        f'<circle r="20" transform="translate(50 50) rotate(31)" {RED}/>',
        f'<rect x="30" y="30" width="40" height="40" rx="20" {RED}/>',
        f'<circle cx="50%" cy="50%" r="20%" {RED}/>',
        f'{SYMBOL}<use href="#s" x="25" y="25" width="50" height="50"/>',
    ],
    "an ellipse": [
        f'<ellipse cx="50" cy="40" rx="30" ry="20" {RED}/>',
        f'<circle r="10" transform="translate(50 40) scale(3 2)" {RED}/>',
        f'<path d="M80 40a30 20 0 0 1-60 0 30 20 0 0 1 60 0z" {RED}/>',
        f'<path d="M50 60a20 30 90 1 0 0-40 20 30 90 1 0 0 40z" {RED}/>',
    ],
    "a triangle": [
        f'<path d="M10 10L80 20L30 70z" {RED}/>',
        f'<path d="M30 70L10 10L80 20" {RED}/>',
        f'<path d="M30 70L80 20L10 10L30 70Z" {RED}/>',
        f'<polygon points="80,20 10,10 30,70" {RED}/>',
    ],
    "an outline of curves": [
        f'<path d="M20 10C60 0 90 40 70 70Q40 90 20 60z" {RED}/>',
        f'<path d="M70 70C90 40 60 0 20 10L20 60Q40 90 70 70" {RED}/>',
    ],
    "a line": [
        f'<path d="M10 20L80 60" {LINE}/>',
        f'<path d="M80 60L10 20" fill="none" {LINE}/>',
        f'<line x1="80" y1="60" x2="10" y2="20" {LINE}/>',
        f'<polyline points="10,20 80,60" fill="blue" {LINE}/>',
        f'<path d="M80 60L10 20" fill="none" {LINE}/><path d="M50 50h0" {LINE}/><path d="M5 5L9 9"/>',
    ],
    "a filled shape seen through": [
        f'<path d="M10 10L80 20L30 70z" {RED} opacity=".5"/>',
        f'<path d="M10 10L80 20L30 70z" {RED} fill-opacity=".5"/>',
        '<path d="M10 10L80 20L30 70z" fill="rgba(255,0,0,.5)"/>',
        f'<g opacity=".5"><path d="M10 10L80 20L30 70z" {RED}/></g>',
        f'<g opacity="50%"><g><path d="M10 10L80 20L30 70z" {RED}/></g></g>',
    ],
    "a line seen through": [
        f'<path d="M10 10L80 20L30 70" fill="none" {LINE} opacity=".5"/>',
        f'<path d="M30 70L80 20L10 10" fill="none" {LINE} stroke-opacity=".5"/>',
    ],
    "an outline that does not cross itself": [
        f'<path d="M10 10h60l-20 30 20 30h-60z" {RED}/>',
        f'<path d="M10 10h60l-20 30 20 30h-60z" {RED} fill-rule="evenodd"/>',
    ],
    "a ring": [
        f'<path d="M10 10h80v80h-80zM30 30v40h40v-40z" {RED}/>',
        f'<path d="M10 10h80v80h-80zM30 30h40v40h-40z" {RED} fill-rule="evenodd"/>',
        f'<path d="M10 10v80h80v-80zM30 30h40v40h-40z" {RED} style="fill-rule:evenodd"/>',
    ],
    "a ring with lines": [
        f'<path d="M10 10h80v80h-80zM30 30v40h40v-40z" fill="blue" {LINE}/>',
        f'<path d="M10 10h80v80h-80zM30 30h40v40h-40z" fill="blue" fill-rule="evenodd"/>'
        f'<path d="M10 10h80v80h-80zM30 30h40v40h-40z" fill="none" {LINE}/>',
    ],
    "what a line states of itself": [
        f'<path d="M10 10L80 20L30 70" fill="blue" {LINE}/>',
        f'<path d="M10 10L80 20L30 70" fill="blue" {LINE} stroke-miterlimit="4.0" paint-order="fill stroke markers"/>',
        f'<path d="M10 10L80 20L30 70" fill="blue" {LINE} stroke-dasharray="0 0" stroke-dashoffset="3"/>',
    ],
    "dashes": [
        f'<path d="M10 10L80 20L30 70" fill="none" {LINE} stroke-dasharray="5" stroke-dashoffset="2"/>',
        f'<path d="M10 10L80 20L30 70" fill="none" {LINE} stroke-dasharray="5,5," stroke-dashoffset="12"/>',
        f'<path d="M10 10L80 20L30 70" fill="none" {LINE} stroke-dasharray="5 5 5 5" stroke-dashoffset="-8"/>',
    ],
    "a clip path": [
        f'<clipPath id="c"><circle cx="40" cy="40" r="30"/></clipPath><g clip-path="url(#c)">{GROUND}</g>',
        f'<clipPath id="c"><circle cx="40" cy="40" r="30"/></clipPath>{GROUND.replace("/>", CLIPPED)}',
    ],
    "a clip path that cuts nothing": [
        GROUND,
        f'<clipPath id="c"><rect x="-9" y="-9" width="300" height="200"/></clipPath>{GROUND.replace("/>", CLIPPED)}',
        f'<clipPath id="c"><path d="M0 0h95v40H0z"/></clipPath><g clip-path="url(#c)">{GROUND}</g>',
    ],
    "a gradient of one colour": [
        GROUND,
        '<linearGradient id="g"><stop stop-color="blue"/><stop offset="1" stop-color="#00f"/></linearGradient>'
        + GROUND.replace('"blue"', '"url(#g)"'),
    ],
    "what nobody sees": [
        GROUND,
        f'{GROUND}<circle cx="-40" cy="-40" r="30"/>',
        f'{GROUND}<path d="M120 10h50v50z" stroke="red"/>',
        f'<clipPath id="c"/>{GROUND}<circle cx="50" cy="50" r="30" clip-path="url(#c)"/>',
        f'{GROUND}<image width="50" height="50" href="a.png"/>',
        f'<linearGradient id="g"><stop/><stop offset="1"/></linearGradient>{GROUND}'
        '<path d="M5 5h.1v.1z" fill="url(#g)"/>',
    ],
}


@pytest.mark.parametrize("name", SAME)
def test_one_picture_has_one_text(name):
    texts = {body: compact(body) for body in SAME[name]}
    first = texts[SAME[name][0]]
    assert [body for body, text in texts.items() if text != first] == []
    assert canonicalise(first, 512, 0, "compact").xml == first
    for body in SAME[name]:
        difference = compare_pictures(draw_picture(wrap(body)), draw_picture(first))
        assert difference.worst_cell < 8, body


DIFFERENT = {
    "where dashes begin": [
        f'<path d="M10 10L80 20L30 70z" fill="none" {LINE} stroke-dasharray="9 3"/>',
        f'<path d="M80 20L30 70L10 10z" fill="none" {LINE} stroke-dasharray="9 3"/>',
    ],
    "dashes of a circle": [
        f'<circle cx="50" cy="50" r="20" fill="none" {LINE} stroke-dasharray="9 3"/>',
        f'<path d="M30 50a20 20 0 0 0 40 0a20 20 0 0 0-40 0z" fill="none" {LINE} stroke-dasharray="9 3"/>',
    ],
    "an open line": [
        f'<path d="M10 10L80 20L30 70" fill="none" {LINE}/>',
        f'<path d="M10 10L80 20L30 70z" fill="none" {LINE}/>',
    ],
    "holes": [
        f'<path d="M10 10h80v80h-80zM30 30v40h40v-40z" {RED}/>',
        f'<path d="M10 10h80v80h-80zM30 30h40v40h-40z" {RED}/>',
    ],
    "a dot": [
        f'{GROUND}<path d="M50 50z" stroke="red" stroke-width="20" stroke-linecap="round"/>',
        GROUND,
    ],
    "a circle and nearly one": [
        f'<circle cx="50" cy="50" r="20" {RED}/>',
        f'<path d="M70 50c0 14-6 20-20 20s-20-6-20-20 6-20 20-20 20 6 20 20z" {RED}/>',
    ],
}


@pytest.mark.parametrize("name", DIFFERENT)
def test_what_shows_keeps_its_own_text(name):
    texts = [compact(body) for body in DIFFERENT[name]]
    assert texts[0] != texts[1]
    for body, own, other in zip(DIFFERENT[name], texts, texts[::-1], strict=True):
        raw = draw_picture(wrap(body))
        differences = [compare_pictures(raw, draw_picture(text)).worst_cell for text in (own, other)]
        assert differences[0] < 15, body
        assert differences[1] > 30, body


def test_a_shape_may_be_written_from_any_point_and_either_way():
    pick = random.Random(5)
    for _ in range(200):
        points = [(pick.randint(5, 95), pick.randint(5, 95)) for _ in range(pick.randint(3, 9))]
        first = pick.randrange(len(points))
        other = (points[first:] + points[:first])[:: pick.choice((1, -1))]
        texts = [
            compact(f'<path d="M{" L".join(f"{x} {y}" for x, y in corners)}{end}" {RED}/>')
            for corners, end in ((points, "z"), (other, ""), ([*other, other[0]], ""))
        ]
        assert len(set(texts)) == 1, points


def test_subpaths_that_touch_keep_their_holes():
    pick = random.Random(6)
    for _ in range(60):
        squares = [(pick.randint(0, 60), pick.randint(0, 60), pick.randint(10, 40)) for _ in range(pick.randint(2, 6))]
        d = "".join(
            f"M{x} {y}h{s}v{s}h-{s}z" if pick.random() < 0.5 else f"M{x} {y}v{s}h{s}v-{s}z" for x, y, s in squares
        )
        rule = pick.choice(("nonzero", "evenodd"))
        body = f'<path d="{d}" {RED} fill-rule="{rule}"/>'
        assert compare_pictures(draw_picture(wrap(body)), draw_picture(compact(body))).worst_cell < 40, body


def test_a_line_says_nothing_of_a_fill_that_nobody_sees():
    line = compact(f'<rect width="50" height="50" {RED}/><path d="M10 20L80 60" fill="none" stroke="blue"/>')
    assert 'fill="none"' not in line
    lines = compact(f'<path d="M10 20L80 60" fill="none" {LINE}/><path d="M10 80L80 90L9 9" fill="none" {LINE}/>')
    assert lines.count('fill="none"') == 1


def test_a_clip_path_of_a_nested_drawing_is_in_its_coordinates():
    """As in browsers; resvg has it in others."""
    group = f'{CORNER}<g transform="translate(30 30)scale(2)" clip-path="url(#c)">{GROUND}</g>'
    nested = f'{CORNER}<svg x="30" y="30" width="40" height="40" viewBox="0 0 20 20" clip-path="url(#c)">{GROUND}</svg>'
    assert compact(nested) == compact(group)
