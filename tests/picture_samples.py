"""Samples with pictures for tests: plain scenes in few colours, their code, and images/<split>.parquet."""

from __future__ import annotations

import io
from pathlib import Path

import PIL.Image
import PIL.ImageDraw

from core.records import Image, Sample, write_images, write_samples

SIDE = 32  # pixels
COLOURS = ["red", "green", "blue", "yellow"]
PLACES = {"top left": (2, 2), "top right": (18, 2), "bottom left": (2, 18), "bottom right": (18, 18)}
SCENES = [(colour, place) for colour in COLOURS for place in PLACES]


def draw(colour: str, place: str) -> bytes:
    """The PNG of a square of a colour at a place."""
    image = PIL.Image.new("RGB", (SIDE, SIDE), "white")
    x, y = PLACES[place]
    PIL.ImageDraw.Draw(image).rectangle((x, y, x + 12, y + 12), fill=colour)
    return encode(image)


def encode(image: PIL.Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def scene_samples(split: str, n: int = 16) -> list[Sample]:
    """The first `n` of the 16 scenes; the code tells a scene as the picture does."""
    return [
        Sample(
            id=f"{split}{number}",
            source="a",
            split=split,
            group=f"{number}",
            xml=f'<svg><rect x="{PLACES[place][0]}" y="{PLACES[place][1]}" width="12" fill="{colour}"/></svg>',
            references=[f"{colour} {place}"],
        )
        for number, (colour, place) in enumerate(SCENES[:n])
    ]


def image_of(sample: Sample, png: bytes | None, reason: str = "", flags: tuple[str, ...] = ()) -> Image:
    return Image(sample.id, png, SIDE, SIDE, "ok" if png else "failed", reason, list(flags))


def write_scenes(folder: Path, split: str, n: int = 16, pngs: list[bytes] | None = None) -> Path:
    """Write <split>.parquet and images/<split>.parquet; returns the former. `pngs` replace the scenes' pictures."""
    samples = scene_samples(split, n)
    pngs = pngs or [draw(*scene) for scene in SCENES[:n]]
    write_samples(folder / f"{split}.parquet", samples)
    (folder / "images").mkdir(exist_ok=True)
    images = [image_of(sample, png) for sample, png in zip(samples, pngs, strict=True)]
    write_images(folder / "images" / f"{split}.parquet", images)
    return folder / f"{split}.parquet"
