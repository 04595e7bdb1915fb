"""From samples to the records of their pictures, each rendered in a worker process that can be killed."""

from __future__ import annotations

import dataclasses
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import partial

from core.command import InputError
from core.records import Image, Sample
from rendering.fonts import declared_fonts, find_fonts, known_fonts
from rendering.renderers import PictureStyle, render_xml
from rendering.worker_pool import Limits, Outcome, map_killable

# A drawing of everything that a back end loads late.
WARM_UP = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9"><rect width="5" height="5"/><text y="9">a</text></svg>'
)


def parse_colour(text: str) -> tuple[int, int, int]:
    """A background as RGB. Raises InputError for what is no colour."""
    from PIL import ImageColor

    try:
        return ImageColor.getrgb(text)[:3]
    except ValueError as error:
        raise InputError(f"render.background: {text!r} is no colour; give a CSS name or #rrggbb") from error


def render_samples(samples: Iterable[Sample], style: PictureStyle, limits: Limits) -> Iterator[Image]:
    """An image record for each sample, in order. Raises InputError for fonts that are not there."""
    ids: deque[str] = deque()

    def drawings() -> Iterator[str]:
        for sample in samples:
            ids.append(sample.id)
            yield sample.xml

    with limits_with_fonts(style, limits) as with_fonts:
        for outcome in map_killable(partial(render_xml, style=style), drawings(), with_fonts, WARM_UP):
            yield make_image(ids.popleft(), style.size, outcome)


@contextmanager
def limits_with_fonts(style: PictureStyle, limits: Limits) -> Iterator[Limits]:
    """Limits of workers that may read the fonts of a style. Raises InputError for fonts that are not there."""
    fonts = find_fonts(style.fonts)
    known_fonts(fonts)  # a file that is no font ends the job here, and not each drawing
    with declared_fonts(fonts) as folder:
        yield dataclasses.replace(limits, readable=(*fonts, folder))


def make_image(id: str, size: int, outcome: Outcome) -> Image:
    """The record of a rendered or failed drawing."""
    if outcome.value is None:
        return Image(id, None, 0, 0, "failed", outcome.reason)
    return Image(id, outcome.value.png, size, size, "ok", "", outcome.value.flags)
