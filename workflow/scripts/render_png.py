"""Render the drawings of a split as PNG, each in a worker process that can be killed.

Input: samples. Output: one image record a sample, in the samples' order; a drawing that cannot be rendered has status
`failed` and its reason. Flags: `blank` (nothing but background), `white_on_white` (something was drawn in the
background's colour), `single_colour`.

    python workflow/scripts/render_png.py --samples data/test.parquet --output images/test.parquet
"""

from __future__ import annotations

import argparse
import io
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from command import InputError, Progress, run_command, say
from records import Image, Sample, read_samples, write_images
from worker_pool import Limits, Outcome, map_killable


@dataclass(frozen=True)
class Task:
    """What a worker needs to render one drawing."""

    xml: str
    renderer: str
    size: int
    background: tuple[int, int, int]


@dataclass(frozen=True)
class Rendering:
    """A rendered drawing: PNG bytes and flags."""

    png: bytes
    flags: list[str]


WARM_UP = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9"><rect width="5" height="5"/></svg>'


def render_task(task: Task | None) -> Rendering:
    """Render one drawing on its background; runs in a worker. None is a small drawing that loads everything.

    Raises renderers.Refused, or whatever the back end raises.
    """
    import numpy as np
    from PIL import Image as Picture

    from renderers import check_drawing, render_pixels

    if task is None:
        for renderer in ("resvg", "cairosvg"):
            rendering = render_task(Task(WARM_UP, renderer, 32, (255, 255, 255)))
        return rendering
    check_drawing(task.xml)
    pixels = render_pixels(task.xml, task.renderer, task.size)
    alpha = pixels[:, :, 3:].astype(np.float32) / 255
    background = np.array(task.background, dtype=np.float32)
    flat = np.rint(pixels[:, :, :3] * alpha + background * (1 - alpha)).astype(np.uint8)
    buffer = io.BytesIO()
    Picture.fromarray(flat).save(buffer, "PNG", compress_level=6)
    return Rendering(buffer.getvalue(), find_flags(flat, bool(alpha.any()), task.background))


def find_flags(pixels, drawn: bool, background: tuple[int, int, int]) -> list[str]:
    """Flags of a picture without any difference in colour."""
    if (pixels != pixels[0, 0]).any():
        return []
    if tuple(int(channel) for channel in pixels[0, 0]) != background:
        return ["single_colour"]
    return ["white_on_white" if drawn else "blank"]


def parse_colour(text: str) -> tuple[int, int, int]:
    """A background as RGB. Raises InputError for what is no colour."""
    from PIL import ImageColor

    try:
        return ImageColor.getrgb(text)[:3]
    except ValueError as error:
        raise InputError(f"render.background: {text!r} is no colour; give a CSS name or #rrggbb") from error


def render_samples(samples: list[Sample], renderer: str, size: int, background: str, limits: Limits) -> Iterator[Image]:
    """An image record for each sample, in order."""
    colour = parse_colour(background)
    tasks = [Task(sample.xml, renderer, size, colour) for sample in samples]
    for sample, outcome in zip(samples, map_killable(render_task, tasks, limits), strict=True):
        yield make_image(sample.id, size, outcome)


def make_image(id: str, size: int, outcome: Outcome) -> Image:
    """The record of a rendered or failed drawing."""
    if outcome.value is None:
        return Image(id, None, 0, 0, "failed", outcome.reason)
    return Image(id, outcome.value.png, size, size, "ok", "", outcome.value.flags)


def main(
    *,
    samples: Path,
    renderer: str,
    size: int,
    background: str,
    workers: int,
    seconds_limit: float,
    memory_limit_mb: int,
    output: Path,
    png_dir: Path | None,
) -> None:
    """Render all drawings of a file of samples."""
    sample_list = read_samples(samples)
    images = []
    limits = Limits(workers, seconds_limit, memory_limit_mb)
    with Progress(f"render_png {samples.stem}", len(sample_list), "drawing") as progress:
        for image in render_samples(sample_list, renderer, size, background, limits):
            images.append(image)
            progress.advance()
    write_images(output, images)
    if png_dir:
        write_png_files(images, png_dir)
    failed = Counter(image.reason for image in images if image.status == "failed")
    flags = Counter(flag for image in images for flag in image.flags)
    say("render_png", f"{samples.stem}: {len(images)} drawings, {sum(failed.values())} failed, flags {dict(flags)}")


def write_png_files(images: list[Image], folder: Path) -> None:
    """PNG files for people, named by id."""
    folder.mkdir(parents=True, exist_ok=True)
    for image in images:
        if image.png:
            (folder / f"{image.id.replace('/', '_')}.png").write_bytes(image.png)


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Render the drawings of a split as PNG.")
    parser.add_argument("--samples", type=Path, required=True, help="data/<split>.parquet")
    parser.add_argument("--renderer", choices=["resvg", "cairosvg"], default="resvg")
    parser.add_argument("--size", type=int, default=224, help="side of the square image in pixels")
    parser.add_argument("--background", default="white", help="CSS name or #rrggbb")
    parser.add_argument("--workers", type=int, default=1, help="processes")
    parser.add_argument("--seconds-limit", type=float, default=10, help="for one drawing")
    parser.add_argument("--memory-limit-mb", type=int, default=1024, help="for one worker")
    parser.add_argument("--output", type=Path, required=True, help="images/<split>.parquet")
    parser.add_argument("--png-dir", type=Path, help="also write PNG files for people there")
    return parser


if __name__ == "__main__":
    run_command(main, build_parser())
