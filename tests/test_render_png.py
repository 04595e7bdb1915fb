"""Rendering: true pictures, and no drawing that can stop or leave its worker."""

import csv
import io
import json

import numpy as np
import pytest
from lxml import etree
from PIL import Image as Picture

import gather_images
import render_png
import write_png_files
from build_openmoji import find_drawings
from core.command import InputError
from core.records import Image, Sample, read_images, write_images, write_samples
from plan.shards import shard_of
from render_png import main
from rendering.fonts import bundled_fonts, find_fonts, flag_fonts, resolve_families
from rendering.renderers import PictureStyle, render_drawing, render_xml
from svg.guard import GuardedDrawing, guard_drawing

NAMESPACE = 'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"'


def wrap(body, attributes='viewBox="0 0 100 100"'):
    return f"<svg {NAMESPACE} {attributes}>{body}</svg>"


SETTINGS = {"renderer": "resvg", "size": 64, "background": "white", "padding": 0.0, "fonts": "[]", "workers": 2}
SETTINGS |= {"seconds_limit": 5, "memory_limit_mb": 512}


def render(tmp_path, drawings, **changes):
    samples = [Sample(f"s{n}", "a", "test", f"s{n}", xml, ["x"]) for n, xml in enumerate(drawings)]
    write_samples(tmp_path / "test.parquet", samples)
    main(
        samples=tmp_path / "test.parquet",
        **SETTINGS | {"shard": "1/1", "output": tmp_path / "images.parquet"} | changes,
    )
    if "shard" in changes:
        return []
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


@pytest.mark.parametrize(
    "body",
    [
        '<circle cx="50%" cy="50%" r="10" fill="red"/>',
        '<svg><path d="M90 40h20v20H90z" fill="red"/></svg>',
        '<symbol id="s" viewBox="0 0 10 10"><circle cx="5" cy="5" r="1" fill="red"/></symbol><use href="#s"/>',
    ],
)
def test_shares_of_a_wide_view_are_of_it_and_not_of_the_square(tmp_path, body):
    (image,) = render(tmp_path, [wrap(body, 'viewBox="0 0 200 100"')], renderer="resvg")
    rows, columns = np.nonzero((pixels(image) == [255, 0, 0]).all(axis=2))
    assert rows.mean() == pytest.approx(31.5, abs=1)
    assert columns.mean() == pytest.approx(31.5, abs=1)


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


def test_a_background_that_is_no_colour_is_named(tmp_path):
    with pytest.raises(InputError, match=r"render\.background"):
        render(tmp_path, [wrap("<rect/>")], background="whitish")


@pytest.mark.parametrize("renderer", ["resvg", "cairosvg"])
def test_padding_leaves_the_edges_free(tmp_path, renderer):
    full = wrap('<rect x="-50" width="200" height="100" fill="red"/>')
    (image,) = render(tmp_path, [full], renderer=renderer, padding=0.25)
    red = (pixels(image) == [255, 0, 0]).all(axis=2)
    assert red[16:48, 16:48].all()
    assert red.sum() == 32 * 32
    assert (image.width, image.height) == (64, 64)


@pytest.mark.parametrize(
    ("attributes", "wide"),
    [
        ('width="256" height="64"', True),
        ('width="4in" height="1in" viewBox="0 0 60 60" preserveAspectRatio="none"', True),
        ('width="100%" height="100%" viewBox="0 0 60 15"', True),
        ('viewBox="0 0 60 60"', False),
        ('width="100000" height="100000" viewBox="0 0 60 60"', False),
    ],
)
@pytest.mark.parametrize("renderer", ["resvg", "cairosvg"])
def test_a_stated_size_is_the_aspect_of_the_picture(tmp_path, renderer, attributes, wide):
    (image,) = render(tmp_path, [wrap('<rect width="999" height="999" fill="red"/>', attributes)], renderer=renderer)
    red = (pixels(image) == [255, 0, 0]).all(axis=2)
    assert red[32].all()
    assert bool(red[0, 0]) is not wide


def test_a_picture_is_whole_or_absent_and_failures_are_told(tmp_path, capsys):
    images = render(tmp_path, [wrap("<rect/>"), "rubbish", wrap('<rect width="50" height="50"/>')])
    assert [image.status for image in images] == ["ok", "failed", "ok"]
    assert images[1].png is None
    errors = capsys.readouterr().err
    assert "3 drawings, 1 failed, flags {'blank': 1}" in errors
    assert "1 failed: Refused: not XML" in errors


def text(family, letters="Hx"):
    return wrap(f'<text x="5" y="80" font-size="90" font-family="{family}">{letters}</text>')


@pytest.mark.parametrize("renderer", ["resvg", "cairosvg"])
def test_text_is_drawn_in_the_bundled_fonts_and_a_missing_one_is_flagged(tmp_path, renderer):
    families = ["DejaVu Sans", "sans-serif", "DejaVu Serif", "monospace", "Papyrus, sans-serif", "Verdana"]
    images = render(tmp_path, [*(text(family) for family in families), text("serif", "\u5b57")], renderer=renderer)
    assert [image.flags for image in images[:4]] == [[], [], [], []]
    assert [image.flags for image in images[4:6]] == [["missing_font"], ["missing_font"]]
    assert "missing_glyph" in images[6].flags
    sans, also_sans, serif, mono, papyrus, verdana = (pixels(image) for image in images[:6])
    assert (sans == also_sans).all()
    assert (sans != serif).any()
    assert (sans != mono).any()
    assert min(papyrus.min(), verdana.min()) < 50
    if renderer == "resvg":  # cairosvg looks at the first family of a list alone
        assert (sans == papyrus).all()
        assert (sans == verdana).all()


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('<text font-family="Arial">a</text>', 'font-family="Arial, DejaVu Sans"'),
        ("<text style=\"font-family:'Courier New';x:y\">a</text>", "font-family:'Courier New', DejaVu Sans Mono;x:y"),
        ("<style>text{font:bold 9px Times}</style><text>a</text>", "font:bold 9px Times, DejaVu Serif}"),
        ('<text font-family="Arial,serif">a</text>', 'font-family="Arial, DejaVu Serif"'),
        ('<text font-family="Papyrus">a</text>', 'font-family="Papyrus, DejaVu Serif"'),
        ('<text font-family="inherit">a</text>', 'font-family="inherit"'),
    ],
)
def test_text_in_a_known_family_that_is_missing_keeps_its_kind_of_letter(before, after):
    root = guard_drawing(wrap(before)).root
    resolve_families(root, find_fonts(()))
    assert after in etree.tostring(root, encoding="unicode")


def test_a_declared_font_is_used(tmp_path):
    bundled = bundled_fonts()[0].with_name("STIXGeneral.ttf")
    (without,) = render(tmp_path, [text("STIXGeneral")])
    (image,) = render(tmp_path, [text("STIXGeneral")], fonts=json.dumps([str(bundled)]))
    assert (without.flags, image.flags) == (["missing_font"], [])
    assert (pixels(without) != pixels(image)).any()


@pytest.mark.parametrize("content", [None, "no font"])
def test_a_font_that_is_not_there_ends_the_job_with_its_name(tmp_path, content):
    path = tmp_path / "mine.ttf"
    if content:
        path.write_text(content)
    with pytest.raises(InputError, match=r"render\.fonts: .*mine\.ttf"):
        render(tmp_path, [text("mine")], fonts=json.dumps([str(path)]))


@pytest.mark.parametrize(
    ("css", "flag"),
    [
        ("<style>text{font-family:'Papyrus'}</style>", True),
        ("<style>text{font: bold 12px/1.5 Papyrus, serif}</style>", True),
        ("<style>text{font: italic 12px serif}</style>", False),
        ("<style>rect{fill:red}</style>", False),
    ],
)
def test_fonts_named_in_css_are_looked_for(css, flag):
    root = guard_drawing(wrap(f"{css}<text>a</text>")).root
    assert flag_fonts(root, find_fonts(())) == ({"missing_font"} if flag else set())


def test_what_resvg_cannot_draw_is_a_value_error_which_preprocessing_flags():
    with pytest.raises(ValueError, match="invalid size"):
        render_xml(wrap("<rect/>", 'width="0" height="9"'), PictureStyle())


def test_a_back_end_can_open_no_file_while_it_draws(tmp_path):
    secret = tmp_path / "secret.png"
    Picture.new("RGB", (9, 9), "red").save(secret)
    unguarded = GuardedDrawing(etree.fromstring(wrap(f'<image href="{secret}" width="90" height="90"/>')))
    assert render_drawing(unguarded, PictureStyle()).flags == ["blank"]
    assert secret.read_bytes()  # this process may open files again


def test_datasets_loads_images_as_pictures(tmp_path, monkeypatch):
    import datasets

    render(tmp_path, [wrap('<rect width="50" height="50"/>'), "rubbish"])
    loaded = datasets.load_dataset(
        "parquet", data_files=str(tmp_path / "images.parquet"), split="train", cache_dir=str(tmp_path / "cache")
    )
    assert loaded[0]["png"].size == (64, 64)
    assert loaded[1]["png"] is None
    assert (loaded[1]["status"], loaded[1]["id"]) == ("failed", "s1")


def test_people_get_png_files_and_an_index(tmp_path):
    write_images(
        tmp_path / "test.parquet",
        [
            Image("../a/b", b"one", 1, 1, "ok", flags=["blank"]),
            Image("a b", None, 0, 0, "failed", "too slow"),
            Image("x" * 500, b"two", 1, 1, "ok"),
        ],
    )
    write_png_files.main(images=tmp_path / "test.parquet", output_dir=tmp_path / "png")
    with open(tmp_path / "png" / "index.csv") as file:
        rows = list(csv.DictReader(file))
    assert rows[0] == {"file": "000000-.._a_b.png", "id": "../a/b", "status": "ok", "reason": "", "flags": "blank"}
    assert (rows[1]["file"], rows[1]["reason"]) == ("", "too slow")
    assert [(tmp_path / "png" / rows[n]["file"]).read_bytes() for n in (0, 2)] == [b"one", b"two"]
    assert len(list((tmp_path / "png").iterdir())) == 3


def test_shards_gathered_are_what_one_job_renders(tmp_path):
    colours = ["red", "blue", "no colour", "green", "teal"]
    drawings = [wrap(f'<rect width="50" height="50" fill="{colour}"/>') for colour in colours]
    drawings[2] = "rubbish"
    whole = render(tmp_path, drawings)
    shards = [tmp_path / f"{number}-of-3.parquet" for number in (1, 2, 3)]
    for number, shard in enumerate(shards, start=1):
        main(samples=tmp_path / "test.parquet", **SETTINGS, shard=f"{number}/3", output=shard)
    sizes = [sum(shard_of(f"s{n}", 3) == number for n in range(5)) for number in range(3)]
    assert [len(read_images(shard)) for shard in shards] == sizes
    gather_images.main(shards=shards, samples=tmp_path / "test.parquet", output=tmp_path / "gathered.parquet")
    assert read_images(tmp_path / "gathered.parquet") == whole
    with pytest.raises(InputError, match="render it again"):
        gather_images.main(shards=shards[::-1], samples=tmp_path / "test.parquet", output=tmp_path / "wrong.parquet")
    assert not (tmp_path / "wrong.parquet").exists()


def test_a_shard_whose_drawings_are_the_same_is_not_rendered_again(tmp_path, monkeypatch):
    drawings = [wrap(f'<rect width="50" height="{height}"/>') for height in range(10, 16)]
    made = []
    original = render_png.render_samples
    monkeypatch.setattr(render_png, "render_samples", lambda samples, *rest: original(kept(made, samples), *rest))

    def render_shards():
        made.clear()
        for number in (1, 2):
            store = tmp_path / f"store{number}"
            render(tmp_path, drawings, shard=f"{number}/2", output=tmp_path / f"{number}.parquet", store=store)
        return sorted(made)

    assert render_shards() == [f"s{n}" for n in range(6)]
    assert render_shards() == []
    drawings[3] = wrap('<rect width="9" height="9"/>')
    assert render_shards() == [f"s{n}" for n in range(6) if shard_of(f"s{n}", 2) == shard_of("s3", 2)]


def kept(made, samples):
    for sample in samples:
        made.append(sample.id)
        yield sample
