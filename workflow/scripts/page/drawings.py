"""Untrusted drawings of the page, as the workflow makes samples and pictures of them: same code, workers and limits.

    with open_workshop(plan) as workshop:
        drawing = workshop.read(b"<svg …>")         # raises Unusable with the reason
        drawing = workshop.show(sample)             # of a test sample, whose canonical text is there

A file is read, and a picture rendered, each in a worker process that can be killed, without files and network.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from core.command import InputError
from core.json_settings import pick_settings
from core.records import Image, Sample
from plan.experiment import Plan
from plan.jobs import Source
from readers.entries import open_entries, read_records
from rendering.image_records import WARM_UP, limits_with_fonts, make_image, parse_colour
from rendering.renderers import PictureStyle, render_xml
from rendering.worker_pool import Limits, StandingWorker
from samples.making import MEMORY_LIMIT_MB, SECONDS_LIMIT, MadeFile, Settings, process_file
from svg.parse import Unusable

GIVEN = "given"  # the id, and the source, of a drawing that is no sample


@dataclass(frozen=True)
class Drawing:
    """A drawing as its systems get it: the canonical text as a sample, the picture; and the text as it was given."""

    sample: Sample
    image: Image
    raw: str | None  # None where a test sample was chosen

    @property
    def is_given(self) -> bool:
        """Whether it is no sample of the experiment."""
        return self.sample.source == GIVEN


class Workshop:
    """Makes drawings, one at a time; `open_workshop` starts its workers."""

    def __init__(self, reader: StandingWorker, renderer: StandingWorker, size: int):
        self._reader, self._renderer, self._size = reader, renderer, size

    def warm_up(self) -> None:
        """Start both workers side by side; they load their libraries."""
        with ThreadPoolExecutor(2) as threads:
            list(threads.map(StandingWorker.process, (self._reader, self._renderer), (WARM_UP.encode(), WARM_UP)))

    def read(self, data: bytes) -> Drawing:
        """The drawing of a file's bytes. Raises Unusable with the reason why it has none."""
        outcome = self._reader.process(data)
        if outcome.value is None:
            kind, _, reason = outcome.reason.partition(": ")
            raise Unusable(reason or kind)
        made: MadeFile = outcome.value
        drawing = made.drawing
        sample = Sample(
            id=GIVEN,
            source=GIVEN,
            split="test",
            group=GIVEN,
            xml=drawing.xml,
            references=[],
            flags=made.flags,
            n_chars=len(drawing.xml),
            n_shapes=drawing.n_shapes,
            n_commands=drawing.n_commands,
            n_colours=drawing.n_colours,
        )
        return self.show(sample, made.text)

    def show(self, sample: Sample, raw: str | None = None) -> Drawing:
        """A sample with its picture."""
        image = make_image(sample.id, self._size, self._renderer.process(sample.xml))
        return Drawing(sample, image, raw)


@contextlib.contextmanager
def open_workshop(plan: Plan) -> Iterator[Workshop]:
    """A workshop with the settings of an experiment; its workers end with the block."""
    render = plan.config["render"]
    changes = {"background": parse_colour(render["background"]), "fonts": tuple(render["fonts"])}
    style = pick_settings(PictureStyle, render | changes)
    reading = partial(process_file, settings=pick_settings(Settings, plan.config["preprocess"]))
    limits = Limits(1, render["seconds_limit"], render["memory_limit_mb"])
    with limits_with_fonts(style, limits) as with_fonts, contextlib.ExitStack() as stack:
        reader = StandingWorker(reading, Limits(1, SECONDS_LIMIT, MEMORY_LIMIT_MB), WARM_UP.encode())
        stack.callback(reader.stop)
        renderer = StandingWorker(partial(render_xml, style=style), with_fonts, WARM_UP)
        stack.callback(renderer.stop)
        yield Workshop(reader, renderer, style.size)


def find_raw(source: Source, id: str) -> str | None:
    """The text of a sample as its source has it; None where the source has no such record any more.

    Raises InputError for a source that is not there.
    """
    path = Path(source.path)
    if not path.exists():
        raise InputError(f"{path}, the source of the sample, does not exist")
    records = read_records(open_entries(path), json.loads(source.fields), str(path))
    return next((record.drawing for record in records if record.id == id), None)
