"""Rendering: true pictures, and no drawing that can stop or leave its worker."""

import base64
import io
import time

import numpy as np
import pytest
from PIL import Image as Picture

from build_openmoji import find_drawings
from command import InputError
from records import Sample, read_images, write_samples
from render_png import main

NAMESPACE = 'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"'


def wrap(body, attributes='viewBox="0 0 100 100"'):
    return f"<svg {NAMESPACE} {attributes}>{body}</svg>"


def render(tmp_path, drawings, **changes):
    samples = [Sample(f"s{n}", "a", "test", f"s{n}", xml, ["x"]) for n, xml in enumerate(drawings)]
    write_samples(tmp_path / "test.parquet", samples)
    settings = {"renderer": "resvg", "size": 64, "background": "white", "workers": 2, "seconds_limit": 5}
    settings |= {"memory_limit_mb": 512, "output": tmp_path / "images.parquet", "png_dir": None, **changes}
    main(samples=tmp_path / "test.parquet", **settings)
    images = read_images(tmp_path / "images.parquet")
    assert [image.id for image in images] == [sample.id for sample in samples]
    return images


def pixels(image):
    return np.asarray(Picture.open(io.BytesIO(image.png)).convert("RGB"), dtype=int)


@pytest.mark.parametrize("renderer", ["resvg", "cairosvg"])
def test_a_wide_drawing_keeps_its_aspect_in_the_middle(tmp_path, renderer):
    wide = wrap('<rect width="200" height="100" fill="red"/>', 'viewBox="0 0 200 100"')
    (image,) = render(tmp_path, [wide], renderer=renderer)
    colours = pixels(image)
    assert colours.shape == (64, 64, 3)
    assert (colours[32, 2] == [255, 0, 0]).all()
    assert (colours[4, 32] == 255).all()
    assert (colours[60, 32] == 255).all()


def test_the_background_shows_and_pictures_are_deterministic(tmp_path):
    drawings = [path.read_text() for path in list(find_drawings().values())[:200:20]]
    first = render(tmp_path, drawings, background="#102030")
    second = render(tmp_path, drawings, background="#102030")
    assert [image.png for image in first] == [image.png for image in second]
    assert all((pixels(image)[0, 0] == [16, 32, 48]).all() for image in first)


def test_back_ends_agree_on_real_drawings(tmp_path):
    drawings = [path.read_text() for path in list(find_drawings().values())[:400:20]]
    by_resvg = render(tmp_path, drawings)
    by_cairo = render(tmp_path, drawings, renderer="cairosvg")
    differences = [np.abs(pixels(a) - pixels(b)).mean() for a, b in zip(by_resvg, by_cairo, strict=True)]
    assert np.median(differences) < 2


def test_what_shows_nothing_is_flagged(tmp_path):
    images = render(
        tmp_path,
        [
            wrap('<rect x="900" width="5" height="5"/>'),
            wrap('<rect width="50" height="50" fill="white"/>'),
            wrap('<rect width="100" height="100" fill="red"/>'),
            wrap('<rect width="50" height="50" fill="red"/>'),
        ],
    )
    assert [image.flags for image in images] == [["blank"], ["white_on_white"], ["single_colour"], []]


def png_bomb():
    buffer = io.BytesIO()
    Picture.new("1", (20000, 20000)).save(buffer, "PNG")
    return base64.b64encode(buffer.getvalue()).decode()


def exponential_use():
    levels = "".join(f'<g id="l{n}"><use href="#l{n - 1}"/><use href="#l{n - 1}"/></g>' for n in range(1, 30))
    return wrap(f'<defs><rect id="l0" width="5" height="5"/>{levels}</defs><use href="#l29"/>')


def filtered(effect):
    return wrap(f'<filter id="f">{effect}</filter><rect width="9" height="9" filter="url(#f)"/>')


HOSTILE = {
    "entity bomb": '<!DOCTYPE svg [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]>' + wrap("<text>&b;</text>"),
    "external entity": '<!DOCTYPE svg [<!ENTITY x SYSTEM "file:///etc/passwd">]>' + wrap("<text>&x;</text>"),
    "file image": wrap('<image href="file:///etc/hostname" width="9" height="9"/>'),
    "relative image": wrap('<image href="../secret.png" width="9" height="9"/>'),
    "absolute image": wrap('<image xlink:href="/secret.png" width="9" height="9"/>'),
    "http image": wrap('<image href="http://127.0.0.1:9/x.png" width="9" height="9"/>'),
    "http use": wrap('<use href="http://127.0.0.1:9/x.svg#a"/>'),
    "css import": wrap('<style>@import url("http://127.0.0.1:9/x.css");</style><rect width="9" height="9"/>'),
    "css url": wrap('<rect width="9" height="9" style="fill:url(file:///etc/passwd)"/>'),
    "script": wrap("<script>alert(1)</script><rect width='9' height='9'/>"),
    "foreignObject": wrap("<foreignObject width='9' height='9'/>"),
    "deep nesting": wrap("<g>" * 10000 + "</g>" * 10000),
    "recursive use": wrap('<g id="a"><use href="#a"/></g>'),
    "exponential use": exponential_use(),
    "huge filter": wrap(
        '<filter id="f"><feMorphology radius="99999"/></filter><rect width="9" height="9" filter="url(#f)"/>'
    ),
    "octaves": wrap(
        '<filter id="f"><feTurbulence numOctaves="400"/></filter><rect width="9" height="9" filter="url(#f)"/>'
    ),
    "png bomb": wrap(f'<image width="9" height="9" href="data:image/png;base64,{png_bomb()}"/>'),
    "million commands": wrap('<path d="M0 0' + "l1 1" * 1_000_000 + '"/>'),
    "binary rubbish": "\x01\x02 rubbish",
    "empty": "",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_drawing_fails_with_a_reason_and_costs_only_itself(tmp_path, name):
    good = wrap('<rect width="50" height="50" fill="red"/>')
    start = time.monotonic()
    images = render(tmp_path, [good, HOSTILE[name], good])
    assert time.monotonic() - start < 20
    assert [image.status for image in images] == ["ok", "failed", "ok"]
    assert images[1].reason
    assert images[1].png is None


@pytest.mark.parametrize("renderer", ["resvg", "cairosvg"])
@pytest.mark.parametrize(
    "body",
    [
        '<rect width="1e400" height="nan"/><circle r="inf"/><path d="M0 0L1e308 1e308"/>',
        '<rect width="0" height="-5"/><circle r="-1"/>',
        '<svg width="100000" height="100000"><rect width="9" height="9"/></svg>',
    ],
)
def test_strange_numbers_give_a_picture_or_a_reason(tmp_path, body, renderer):
    (image,) = render(tmp_path, [wrap(body)], renderer=renderer, seconds_limit=2)
    assert (image.png is not None) == (image.status == "ok")
    assert image.status == "ok" or image.reason


def test_a_background_that_is_no_colour_is_named(tmp_path):
    with pytest.raises(InputError, match=r"render\.background"):
        render(tmp_path, [wrap("<rect/>")], background="whitish")
