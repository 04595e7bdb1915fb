"""Hostile drawings go the whole way, preprocessing and rendering: each costs itself at most, and reaches nothing."""

import contextlib
import csv
import http.server
import io
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from hostile_drawings import SECRET, VISIBLE, make_hostile, wrap
from PIL import Image as Picture

import preprocess_svg
import render_png
from core.records import Sample, read_images, read_samples, write_samples
from rendering.renderers import RENDERERS
from svg.bytes import Undecodable, decode_drawing

LEVELS = ("compact", "none")
SECONDS_LIMIT = 4
MOST_MEMORY_MB = 1000
GOOD = ("0_good", "zz_good")  # the first and the last of the batch


@dataclass
class Run:
    """What a command did: wall-clock time and the peak memory of its largest process."""

    seconds: float
    peak_mb: float


# A process counts the memory of the one that it was forked from: this test's own would hide the command's.
LAUNCHER = (
    "import resource, subprocess, sys; done = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL);"
    "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss); sys.exit(done.returncode)"
)


def run(script, *arguments):
    start = time.monotonic()
    command = [sys.executable, "-c", LAUNCHER, sys.executable, script.__file__, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    return Run(time.monotonic() - start, int(done.stdout) / 1024)


@pytest.fixture(scope="session")
def requests():
    """The paths that anyone asked of a server on this machine; its port is in `requests.url`."""
    paths = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            paths.append(self.path)
            self.send_error(404)

        def log_message(self, *arguments):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    url, ended = f"http://127.0.0.1:{server.server_address[1]}", threading.Event()

    def serve():
        while not ended.is_set():
            with contextlib.suppress(OSError):  # drawing in this process forbids it to open or poll files for a while
                server.serve_forever()

    threading.Thread(target=serve, daemon=True).start()
    yield paths, url
    with pytest.raises(urllib.error.HTTPError):
        urllib.request.urlopen(f"{url}/alive", timeout=10)
    assert paths[-1] == "/alive"  # nobody asked, and not: nobody listened
    ended.set()
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="session")
def hostile(tmp_path_factory, requests):
    """A folder of hostile files between two good ones, with a table of captions."""
    folder = tmp_path_factory.mktemp("hostile")
    files = make_hostile(folder, requests[1]) | {name: (".svg", wrap(VISIBLE).encode()) for name in GOOD}
    for name, (suffix, data) in files.items():
        (folder / f"{name}{suffix}").write_bytes(data)
    rows = "".join(f"{name}{suffix},a lighthouse\n" for name, (suffix, _) in files.items())
    (folder / "captions.csv").write_text("filename,caption\n" + rows)
    return folder, files


@pytest.fixture(scope="session")
def preprocessed(tmp_path_factory, hostile):
    """For each level: the samples, the reasons of the rejected, and what the command needed."""
    return {level: preprocess(hostile[0], level, tmp_path_factory.mktemp(level)) for level in LEVELS}


def preprocess(folder, level, output):
    done = run(
        *(preprocess_svg, "--input", folder, "--output", output / "a.parquet", "--rejected", output / "a.csv"),
        *("--counts", output / "a.json", "--workers", 2, "--level", level),
    )
    with open(output / "a.csv") as file:
        rejected = {row["id"]: row["reason"] for row in csv.DictReader(file)}
    return output / "a.parquet", rejected, done


def render(samples, renderer):
    output = samples.with_name(f"{renderer}.parquet")
    done = run(
        *(render_png, "--samples", samples, "--renderer", renderer, "--size", 96, "--workers", 2),
        *("--seconds-limit", SECONDS_LIMIT, "--output", output),
    )
    return {image.id: image for image in read_images(output)}, done


@pytest.fixture(scope="session")
def raw_samples(tmp_path_factory, hostile):
    """The hostile drawings themselves, where they are text, as samples: what a renderer gets without preprocessing."""
    samples = []
    for name, (_, data) in hostile[1].items():
        try:
            samples.append(Sample(name, "raw", "test", name, decode_drawing(data)[0], ["x"]))
        except Undecodable:
            continue
    path = tmp_path_factory.mktemp("raw") / "test.parquet"
    write_samples(path, samples)
    return path


@pytest.fixture(scope="session")
def rendered(raw_samples):
    """For each back end: the images by id, and what the command needed."""
    return {renderer: render(raw_samples, renderer) for renderer in RENDERERS}


def shows_secret(image):
    pixels = np.asarray(Picture.open(io.BytesIO(image.png)).convert("RGB"), dtype=int)
    return bool((np.abs(pixels - SECRET).max(axis=2) < 40).any())


@pytest.mark.parametrize("level", LEVELS)
def test_every_hostile_file_becomes_a_sample_or_a_rejection_with_a_reason(hostile, preprocessed, level):
    samples, rejected, _ = preprocessed[level]
    kept = {sample.id for sample in read_samples(samples)}
    assert kept | rejected.keys() == hostile[1].keys()
    assert not kept & rejected.keys()
    assert all(rejected.values())
    assert kept.issuperset(GOOD)
    assert all("larger than" in rejected[name] for name in ("huge_base64", "huge_file", "svgz_bomb"))


@pytest.mark.parametrize("level", LEVELS)
def test_preprocessing_hostile_files_stays_within_memory_and_time(hostile, preprocessed, level):
    _, rejected, done = preprocessed[level]
    assert done.peak_mb < MOST_MEMORY_MB
    slow = sum("took longer" in reason for reason in rejected.values())
    assert done.seconds < 40 + 10 * slow


@pytest.mark.parametrize("level", LEVELS)
def test_what_preprocessing_keeps_is_drawn_or_failed_with_a_reason_and_shows_no_secret(preprocessed, level):
    images, done = render(preprocessed[level][0], "resvg")
    assert done.peak_mb < MOST_MEMORY_MB
    assert all(image.status == "ok" or image.reason for image in images.values())
    assert not [name for name, image in images.items() if image.png and shows_secret(image)]
    assert all(images[name].status == "ok" and not images[name].flags for name in GOOD)


@pytest.mark.parametrize("renderer", RENDERERS)
def test_rendering_hostile_drawings_costs_only_themselves(raw_samples, rendered, renderer):
    images, done = rendered[renderer]
    assert list(images) == [sample.id for sample in read_samples(raw_samples)]
    assert all(image.status == "ok" or (image.reason and not image.png) for image in images.values())
    assert all(images[name].status == "ok" and not images[name].flags for name in GOOD)
    assert done.peak_mb < MOST_MEMORY_MB
    slow = sum("took longer" in image.reason for image in images.values())
    assert done.seconds < 20 + SECONDS_LIMIT * slow


@pytest.mark.parametrize("renderer", RENDERERS)
def test_no_picture_shows_a_file_of_this_machine(rendered, renderer):
    assert not [name for name, image in rendered[renderer][0].items() if image.png and shows_secret(image)]


def test_nobody_asked_the_server(requests, preprocessed, rendered):
    assert requests[0] == []


REFUSED = {
    "entity_bomb": "document type",
    "quadratic_entities": "document type",
    "external_entity": "document type",
    "nested_groups": "nested deeper",
    "nested_300": "nested deeper",
    "recursive_use": "in a circle",
    "exponential_use": "multiply",
    "use_chain": "`use`",
    "filter_radius": "radius over",
    "filter_blur": "stdDeviation over",
    "png_bomb": "too large",
    "million_commands": "in paths",
    "many_commands": "in paths",
    "rubbish": "not XML",
    "empty": "not XML",
}


@pytest.mark.parametrize("renderer", RENDERERS)
@pytest.mark.parametrize(("name", "reason"), REFUSED.items())
def test_what_no_renderer_survives_is_refused_before_it(rendered, renderer, name, reason):
    image = rendered[renderer][0][name]
    assert image.status == "failed"
    assert reason.lower() in image.reason.lower()


DRAWN = {
    "external_dtd": [],
    "image_file_url": ["removed:external_reference"],
    "image_absolute": ["removed:external_reference"],
    "image_relative": ["removed:external_reference"],
    "image_parent": ["removed:external_reference"],
    "image_http": ["removed:external_reference"],
    "image_entity_spelled": ["removed:external_reference"],
    "use_file": ["removed:external_reference"],
    "use_http": ["removed:external_reference"],
    "css_import": ["removed:external_reference"],
    "css_url": ["removed:external_reference"],
    "xml_base": ["removed:external_reference"],
    "stylesheet_instruction": [],
    "script": ["removed:script"],
    "foreign_object": ["removed:external_reference", "removed:foreignObject"],
    "image_rubbish": ["removed:embedded_file"],
    "embedded_svg": ["removed:embedded_svg"],
    "utf16": [],
    "utf16_unmarked": [],
    "wrongly_declared": [],
    "latin1_as_utf8": [],
}


@pytest.mark.parametrize("renderer", RENDERERS)
@pytest.mark.parametrize(("name", "flags"), DRAWN.items())
def test_what_reaches_outside_is_taken_out_and_flagged_and_the_rest_is_drawn(rendered, renderer, name, flags):
    image = rendered[renderer][0][name]
    assert (image.status, image.flags) == ("ok", flags)
    pixels = np.asarray(Picture.open(io.BytesIO(image.png)).convert("RGB"))
    assert tuple(pixels[10, 10]) == (0, 128, 128)


@pytest.mark.parametrize(
    ("name", "data"),
    [("utf16", "<svg> in UTF-16".encode("utf-16")), ("rubbish", bytes(range(256))), ("empty", b"")],
)
def test_one_hostile_file_on_the_command_line_is_one_line_of_error(tmp_path, name, data):
    path = tmp_path / f"{name}.svg"
    path.write_bytes(data)
    command = [sys.executable, Path(preprocess_svg.__file__), path]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("error: ")
    assert "Traceback" not in done.stderr
