"""Canonical drawings: the same picture in fewer characters, broken drawings repaired and flagged by name."""

import numpy as np
import pytest
from svg_pictures import pixels, wrap

from build_openmoji import find_drawings
from svg.canonical import LEVELS, canonicalise
from svg.parse import Unusable
from svg.paths import drop_cut_end

DRAWINGS = list(find_drawings().values())[::40]


def compact(text, canvas=512, precision=0):
    return canonicalise(text, canvas, precision, "compact")


def test_real_drawings_look_the_same_in_far_fewer_characters():
    differences, ratios = [], []
    for path in DRAWINGS:
        raw = path.read_text()
        drawing = compact(raw)
        differences.append(np.abs(pixels(raw) - pixels(drawing.xml)).mean())
        ratios.append(len(drawing.xml) / len(raw))
    assert np.median(differences) < 1.0
    assert max(differences) < 6.0
    assert np.median(ratios) < 0.7


@pytest.mark.parametrize(
    "body",
    [
        '<g transform="translate(100 20) scale(2)"><rect x="5" y="5" width="60" height="40" rx="8" fill="teal"/></g>',
        '<g transform="rotate(30 256 256)"><ellipse cx="256" cy="256" rx="150" ry="60" fill="#ff8800"/></g>',
        '<path d="M100 100a80 40 30 1 1 50 90q50-80 90 10t60 20z" stroke="#00f" stroke-width="9" fill="none"/>',
        '<style>.a{fill:red;stroke:#000}</style><circle class="a" cx="200" cy="200" r="90"/>',
        '<defs><path id="p" d="M0 0h90v90z"/></defs><use href="#p" x="50" y="60" fill="green"/>',
        '<polygon points="10,10 200,40 90,300" style="fill:rgb(10,200,30);opacity:.5"/>',
        '<g fill="none" stroke="red" stroke-width="20"><line x1="50" y1="60" x2="400" y2="300"/></g>',
        '<polyline points="10 10 200 40 90 300" fill="none" stroke="black" stroke-dasharray="20 10"/>',
        '<path d="M50 50h100v100h-100zM75 75h50v50h-50z" fill-rule="evenodd" fill="purple"/>',
        '<linearGradient id="secret"><stop stop-color="red"/></linearGradient><rect width="300" height="300" '
        'fill="url(#secret)"/>',
    ],
)
def test_a_feature_draws_the_same(body):
    raw = wrap(body)
    drawing = compact(raw)
    assert np.abs(pixels(raw) - pixels(drawing.xml)).mean() < 0.6
    assert np.ptp(pixels(drawing.xml)) > 0


@pytest.mark.parametrize(
    ("text", "flag"),
    [
        (wrap('<path style="fill:3,84,76" d="M0 0h300v300z"/>'), "repaired:colour"),
        (wrap('<path style="fill:None;stroke:red" d="M0 0h300v300z"/>'), "repaired:none_colour"),
        (wrap('<path d="d=M0 0h300v300z"/>'), "repaired:doubled_d"),
        ('<svg viewBox="0 0 512 512"><rect width="300" height="300"/></svg>', "repaired:namespace"),
        (wrap('<rect width="300" height="300" inkscape:label="a"/><sodipodi:namedview/>'), "repaired:namespace"),
        (wrap('<path id="a" d="M0 0h300v300z"/><use xlink:href="#a" x="9"/>'), "repaired:namespace"),
        (wrap('<rect x="1000" y="1000" width="30" height="30"/>', ""), "repaired:viewbox"),
        (wrap('<path d="M0 0h300v300z"/><path d="M9 9h99')[:-6].replace("</svg", ""), "repaired:cut_off"),
        (wrap('<path d="M0 0h300v300h-100L5"/>'), "repaired:cut_path"),
        (wrap('<rect width="300" height="300"/><desc>caf&eacute;</desc>'), "repaired:entities"),
        (
            '<!DOCTYPE svg [<!ENTITY c "#123">]>' + wrap('<rect width="300" height="300" fill="&c;"/>'),
            "repaired:entities",
        ),
        (wrap('<style>.a{fill:3,84,76}</style><rect class="a" width="300" height="300"/>'), "repaired:colour"),
        (wrap('<rect width="300" height="300" fill="3, 84, 76"/>'), "repaired:colour"),
        (wrap('<rect width="300" height="300"/>', 'viewBox="0 0 0 0" width="0"'), "repaired:viewbox"),
        (wrap('<rect width="300" height="300"/>', 'viewBox="nan 0 9" width="100%"'), "repaired:viewbox"),
        ("\ufeff style=fill:3,84,76;stroke:None\td=M0,0 L300,0 L300,300 \nstyle=fill:null d=M1,1", "path_records"),
    ],
)
@pytest.mark.parametrize("level", LEVELS)
def test_a_known_fault_is_mended_and_named(text, flag, level):
    drawing = canonicalise(text, 512, 0, level)
    assert flag in drawing.flags
    assert pixels(drawing.xml).min() < 200


@pytest.mark.parametrize(
    ("cut", "whole"),
    [
        ("M0 0h300v300z", "M0 0h300v300z"),
        ("M0,0 L300,0 300,300 L5", "M0,0 L300,0 300,300"),
        ("M0,0 C1,2,3,4,5,6 7,8", "M0,0 C1,2,3,4,5,6"),
        ("M0,0 A14,28,0,1,0,40,47 A14,28,0,1", "M0,0 A14,28,0,1,0,40,47"),
        ("M0 0a14 28 0 1040 47", "M0 0a14 28 0 1040 47"),
        ("M0 0h9L", "M0 0h9"),
        ("M0,0 L111,222 33", "M0,0 L111,222"),
        ("M0,0 L5,5 A 57.50000 55.00000 0 1", "M0,0 L5,5"),
        ("M5", ""),
        ("M1e3-.5.5", "M1e3-.5"),
    ],
)
def test_a_cut_off_path_keeps_its_whole_commands(cut, whole):
    assert drop_cut_end(cut) == whole


def test_a_drawing_without_size_is_not_stuck_in_a_corner():
    columns = np.nonzero(
        pixels(compact(wrap('<rect x="1000" y="1000" width="30" height="30"/>', "")).xml).min(axis=(0, 2)) < 128
    )[0]
    assert columns[0] < 5
    assert columns[-1] > 218


@pytest.mark.parametrize("level", ["compact", "safe"])
def test_no_label_leakage_is_left_in_names(level):
    body = (
        '<title>secret</title><desc>secret</desc><metadata>secret</metadata><g id="secret" class="secret" '
        'data-name="secret" aria-label="secret"><rect width="300" height="300" fill="url(#secret-paint)"/></g>'
        '<linearGradient id="secret-paint"><stop stop-color="red"/></linearGradient>'
    )
    assert "secret" not in canonicalise(wrap(body), 512, 0, level).xml


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "not XML"),
        ("no drawing", "not XML"),
        ("<html/>", "root element"),
        (wrap(""), "nothing is drawn"),
        (wrap('<path d="M0 0h9z" fill="none"/>'), "nothing is drawn"),
        ('<!DOCTYPE svg [<!ENTITY a "aa"><!ENTITY b "&a;&a;">]>' + wrap("&b;"), "entities are refused"),
        ('<!DOCTYPE svg [<!ENTITY a SYSTEM "file:///etc/passwd">]>' + wrap("&a;"), "entities are refused"),
        (f'<!DOCTYPE svg [<!ENTITY a "{"a" * 10_000}">]>' + wrap("&a;" * 1000), "entities that make it larger"),
        (wrap("<g>" * 200 + '<rect width="9" height="9"/>' + "</g>" * 200), "nested deeper"),
        (wrap('<g id="a"><use href="#a"/></g>'), "in a circle"),
        (wrap('<path d="M0 0h1e999v5z"/>'), "finite"),
        ("<svg>" + "x" * 6_000_000 + "</svg>", "larger than"),
    ],
)
def test_what_cannot_be_used_says_why(text, reason):
    with pytest.raises(Unusable, match=reason):
        compact(text)


@pytest.mark.parametrize("canvas", [128, 512])
def test_rewriting_a_canonical_drawing_changes_nothing(canvas):
    for path in DRAWINGS:
        once = compact(path.read_text(), canvas).xml
        assert compact(once, canvas).xml == once


GRADIENTS = {
    "linear": '<linearGradient id="g" {}><stop stop-color="red"/><stop offset="100%" stop-color="#00f"/>'
    "</linearGradient>",
    "radial": '<radialGradient id="g" {}><stop stop-color="red"/><stop offset="1" stop-opacity=".2"/></radialGradient>',
}


@pytest.mark.parametrize(
    ("kind", "attributes"),
    [
        ("linear", ""),
        ("linear", 'x2="0" y2="100%" spreadMethod="reflect"'),
        ("linear", 'x1=".2" y1=".3" x2=".4" y2=".4" gradientTransform="rotate(20)"'),
        ("linear", 'gradientUnits="userSpaceOnUse" x1="10" y1="0" x2="90" y2="40"'),
        ("linear", 'gradientUnits="userSpaceOnUse" x1="10" y1="0" x2="90" y2="40" gradientTransform="skewX(30)"'),
        ("radial", ""),
        ("radial", 'cx=".3" fx=".2" r=".4"'),
        ("radial", 'gradientUnits="userSpaceOnUse" cx="50" cy="50" r="40" fx="40" fy="45"'),
        ("radial", 'gradientUnits="userSpaceOnUse" cx="50" cy="50" r="40" gradientTransform="matrix(1 .2 0 .5 3 9)"'),
    ],
)
@pytest.mark.parametrize("transform", ["translate(30 20) scale(3)", "translate(150 20) rotate(30) scale(2)"])
def test_a_gradient_draws_the_same(kind, attributes, transform):
    raw = wrap(
        f'<defs>{GRADIENTS[kind].format(attributes)}</defs><g transform="{transform}"><rect width="100" height="80" '
        f'rx="9" fill="url(#g)"/><path d="M20 90h60v30z" stroke="url(#g)" fill="none" stroke-width="6"/></g>'
    )
    drawing = compact(raw)
    assert not [flag for flag in drawing.flags if flag.startswith("kept_safe")]
    assert np.abs(pixels(raw) - pixels(drawing.xml)).mean() < 0.6
    assert compact(drawing.xml).xml == drawing.xml


@pytest.mark.parametrize(
    "body",
    [
        '<clipPath id="c"><circle cx="90" cy="90" r="60"/></clipPath><g clip-path="url(#c)" transform="scale(2)">'
        '<rect width="90" height="200"/><rect x="90" width="90" height="200" fill="red"/></g>',
        '<clipPath id="c"><path d="M20 20h200v200h-200zM60 60h99v99h-99z" clip-rule="evenodd"/></clipPath>'
        '<rect clip-path="url(#c)" width="400" height="400"/>',
        '<g opacity=".5"><rect width="200" height="200"/><rect x="100" y="100" width="200" height="200"/></g>',
        '<g opacity=".5"><rect width="200" height="200" opacity=".5"/></g>',
        '<rect width="200" height="200" opacity=".5"/><rect x="100" y="50" width="200" height="200" opacity=".5"/>',
        '<g transform="matrix(2 0 1 1 40 40)"><circle cx="60" cy="60" r="40" fill="red" stroke="#000" '
        'stroke-width="9"/></g>',
        '<switch><foreignObject requiredExtensions="x"/><g><rect width="200" height="200"/></g><circle r="400"/>'
        "</switch>",
        '<style>#a{fill:red}.b{stroke:blue;stroke-width:9}</style><rect id="a" class="b" width="200" height="200"/>',
    ],
)
@pytest.mark.parametrize("level", ["safe", "compact"])
def test_a_group_draws_the_same(body, level):
    raw = wrap(body)
    drawing = canonicalise(raw, 512, 0, level)
    assert not [flag for flag in drawing.flags if flag.startswith("kept_safe")]
    assert np.abs(pixels(raw) - pixels(drawing.xml)).mean() < (0.3 if level == "compact" else 1e-9)
    assert canonicalise(drawing.xml, 512, 0, level).xml == drawing.xml


def test_path_data_that_only_renderers_read_is_kept_as_it_was():
    drawing = compact(wrap('<path d="M0 0L5 5 5L9 9z"/><path d="M0 0h99v99z"/>'))
    assert "kept_safe:path data" in drawing.flags
    assert pixels(drawing.xml).min() < 200


def test_a_clip_of_the_whole_canvas_is_left_out():
    body = '<clipPath id="c"><path d="M0 0h24v24H0z"/></clipPath><g clip-path="url(#c)"><path d="M2 2h9v9z"/></g>'
    whole = body.replace('<path d="M0 0h24v24H0z"/>', '<rect width="24" height="24"/>')
    assert "clip" not in compact(wrap(whole, 'viewBox="0 0 24 24"')).xml


RECORDS = (
    "style=fill:3,84,76;stroke:None;stroke-width:1;opacity:1\td=M11,471 L40,471 A14,28,0,1,0,40,400 C1,2,3,4,90,30"
)


def test_path_records_are_written_as_they_are_read():
    drawing = canonicalise(RECORDS, 512, 0, "path_records")
    assert drawing.xml == RECORDS
    assert (drawing.n_shapes, drawing.n_commands) == (1, 4)


def test_path_records_draw_what_the_drawing_does():
    for path in DRAWINGS:
        drawing = canonicalise(path.read_text(), 512, 0, "path_records")
        assert drawing.xml.startswith("style=") or any(flag.startswith("kept_safe:") for flag in drawing.flags)
        assert np.abs(pixels(path.read_text()) - pixels(drawing.xml)).mean() < 3


def test_what_path_records_cannot_say_is_kept_safe():
    stops = '<stop/><stop offset="1" stop-color="red"/>'
    body = f'<linearGradient id="g">{stops}</linearGradient><path fill="url(#g)" d="M0 0h300v300z"/>'
    drawing = canonicalise(wrap(body), 512, 0, "path_records")
    assert drawing.flags == ("kept_safe:gradient",)
    assert drawing.xml.startswith("<svg")


def test_use_is_flattened_or_kept():
    body = '<defs><path id="p" d="M0 0h90v90z"/></defs><use href="#p" x="50" fill="green"/>'
    assert "<use" not in canonicalise(wrap(body), 512, 0, "compact").xml
    kept = canonicalise(wrap(body), 512, 0, "compact", use="keep")
    assert "<use" in kept.xml
    assert kept.flags == ("kept_safe:use",)
