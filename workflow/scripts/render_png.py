"""Render the drawings of a split as PNG, each in a worker process that can be killed.

Input: samples. Output: one image record a sample, in the samples' order; a drawing that cannot be rendered has status
`failed` and its reason. Samples and images stream: the memory does not grow with their number. Flags: `blank` (nothing
but background), `white_on_white` (something was drawn in the background's colour), `single_colour`, `missing_font`,
`missing_glyph`, and `removed:<what>` for what was taken out of the drawing because it is no drawing or lies outside it.

    python workflow/scripts/render_png.py --samples data/test.parquet --output images/test.parquet
"""

from __future__ import annotations

import argparse
import dataclasses
import json
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

from core.code_digest import code_digest
from core.command import Progress, log, run_command
from core.identity import identity_digest, job_identity
from core.records import Sample, open_images, stream_samples
from models.files import file_digest
from plan.identity import LIBRARIES
from plan.result_store import keep_results, restore_results, result_key
from plan.shards import Shard
from rendering.fonts import find_fonts
from rendering.image_records import parse_colour, render_samples
from rendering.renderers import RENDERERS, PictureStyle
from rendering.sandbox import describe_measures
from rendering.worker_pool import Limits


def main(
    *,
    samples: Path,
    renderer: str,
    size: int,
    background: str,
    padding: float,
    fonts: str,
    workers: int,
    seconds_limit: float,
    memory_limit_mb: int,
    shard: str,
    output: Path,
    store: Path | None = None,
) -> None:
    """Render the drawings of a file of samples, all of them or a shard; one that is in the store is not made again."""
    style = PictureStyle(renderer, size, parse_colour(background), padding, tuple(json.loads(fonts)))
    limits = Limits(workers, seconds_limit, memory_limit_mb)
    part = Shard.from_text(shard)

    def drawings() -> Iterator[Sample]:
        return (sample for sample in stream_samples(samples) if part.holds(sample.id))

    identity = job_identity(
        inputs={f"font {n}": file_digest(Path(font)) for n, font in enumerate(find_fonts(style.fonts))},
        settings={"style": repr(dataclasses.replace(style, fonts=()))},
        code=code_digest("render_png"),
        libraries=LIBRARIES["render_png"],
    )
    texts = (f"{sample.id}\0{sample.xml}\0".encode() for sample in drawings())
    key = result_key(texts, identity_digest(identity)) if store else ""
    if store and restore_results(store, key, [output]):
        log("render_png", f"{samples.stem}: nothing has changed in shard {shard}")
        return
    render_drawings(samples.stem, drawings(), sum(1 for _ in drawings()), style, limits, output)
    if store:
        keep_results(store, key, [output])


def render_drawings(
    name: str, samples: Iterable[Sample], n_images: int, style: PictureStyle, limits: Limits, output: Path
) -> None:
    """Write an image record for each sample, and tell what failed and what is odd."""
    reasons: Counter[str] = Counter()
    flags: Counter[str] = Counter()
    log("render_png", describe_measures())
    with Progress(f"render_png {name}", n_images, "drawing") as progress, open_images(output) as write:
        for image in render_samples(samples, style, limits):
            write(image)
            reasons.update([image.reason] if image.status == "failed" else [])
            flags.update(image.flags)
            progress.advance()
    log("render_png", f"{name}: {n_images} drawings, {reasons.total()} failed, flags {dict(flags)}")
    for reason, number in reasons.most_common(5):
        log("render_png", f"{name}: {number} failed: {reason}")


def build_parser() -> argparse.ArgumentParser:
    defaults = PictureStyle()
    parser = argparse.ArgumentParser(description="Render the drawings of a split as PNG.")
    parser.add_argument("--samples", type=Path, required=True, help="data/<split>.parquet")
    parser.add_argument("--renderer", choices=RENDERERS, default=defaults.renderer)
    parser.add_argument("--size", type=int, default=defaults.size, help="side of the square image in pixels")
    parser.add_argument("--background", default="white", help="CSS name or #rrggbb")
    parser.add_argument("--padding", type=float, default=defaults.padding, help="share of the side free at each edge")
    parser.add_argument("--fonts", default="[]", help="JSON: font files or folders beside the bundled fonts")
    parser.add_argument("--workers", type=int, default=1, help="processes")
    parser.add_argument("--seconds-limit", type=float, default=10, help="for one drawing")
    parser.add_argument("--memory-limit-mb", type=int, default=768, help="for one worker, beyond what it starts with")
    parser.add_argument("--shard", default="1/1", help="K/N: the samples that a hash puts there")
    parser.add_argument("--output", type=Path, required=True, help="images/<split>.parquet")
    parser.add_argument("--store", type=Path, help="folder of the shard's images, taken where nothing has changed")
    return parser


if __name__ == "__main__":
    run_command(main, build_parser())
