"""What is done for a drawing, step by step in one thread, each result told as soon as it is there.

    desk = Desk(experiment, workshop)
    desk.start()                                   loads the first base at once, so that the first drawing waits less
    request = desk.ask(b"<svg …>", tell)           the bytes of a file, or a test sample
    request.cancel()                               what is not done yet is left out

`tell` gets the events of page/events.py. Only one drawing is worked on at a time: neither models and their adapters nor
the workers are made for several threads.
"""

from __future__ import annotations

import queue
import threading
import time
import traceback
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path

from core.command import InputError, log
from core.records import Caption, Sample, read_captions, read_samples
from page.drawings import Drawing, Workshop, find_raw
from page.events import Event, Tell, caption_event, drawing_event, neighbours_event, raw_event, run_event
from page.experiment import Experiment
from page.neighbours import Neighbours
from page.systems import clip_obstacles, find_places
from plan.experiment import LLM_FAMILIES
from svg.parse import Unusable

MOST_COUNTED = 1_000_000  # characters of a text that are counted in tokens
MOST_WAITING = 8  # requests
WARM_UP = b'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9"><rect width="5" height="5"/></svg>'


@dataclass
class Request:
    """A drawing that somebody waits for: a file's bytes, or a test sample."""

    asked: bytes | Sample
    tell: Tell
    is_cancelled: bool = False

    def cancel(self) -> None:
        """Leave out what is not done yet."""
        self.is_cancelled = True


class Busy(Exception):
    """Too many drawings wait."""


class Desk:
    """The thread that works, and what it has loaded."""

    def __init__(self, experiment: Experiment, workshop: Workshop):
        self.plan = experiment.plan
        self.places = find_places(self.plan)
        test = read_samples(Path(self.plan.results) / "data" / "test.parquet")
        self.test = {sample.id: sample for sample in test}
        self._workshop, self._neighbours = workshop, Neighbours(self.plan)
        self._requests: queue.Queue[Request | None] = queue.Queue()
        self._stops = False
        self._thread = threading.Thread(target=self._work, name="desk", daemon=True)
        self._captions_in_run = cache(self._read_captions)

    def start(self) -> None:
        """Begin to work."""
        self._thread.start()

    def stop(self, seconds: float = 10.0) -> None:
        """End after the step that is being done, and wait for that some seconds."""
        self._stops = True
        self._requests.put(None)
        self._thread.join(seconds)

    def ask(self, asked: bytes | Sample, tell: Tell) -> Request:
        """Work on a drawing when those before it are done. Raises Busy where too many wait."""
        if self._requests.qsize() >= MOST_WAITING:
            raise Busy
        request = Request(asked, tell)
        self._requests.put(request)
        return request

    def _work(self) -> None:
        with ThreadPoolExecutor(1) as thread:  # workers start while torch, which takes seconds, is imported here
            starting = thread.submit(self._workshop.warm_up)
            from page.models import Models

            self._models = Models(self.plan)
        try:
            starting.result()
            self._warm_up()
        except Exception:  # as below: the first drawing has it again
            traceback.print_exc()
        log("try_experiment", "ready")
        while not self._stops and (request := self._requests.get()):
            try:
                self._serve(request)
            except Exception:  # a fault of ours ends one drawing and not the page; the terminal has its traceback
                traceback.print_exc()
                request.tell({"event": "fault", "reason": "The page failed; its terminal has the traceback."})
            request.tell(None)

    def _warm_up(self) -> None:
        """Load what the first drawing needs; what is left when that comes is loaded for it."""
        drawing = self._workshop.read(WARM_UP)
        steps: list[Callable[[], Iterable[object]]] = [
            *(partial(self._caption, system, drawing) for system in self._runnable(*LLM_FAMILIES)[:1]),
            partial(self._picture_neighbours, drawing),
            partial(self._neighbours.by_code, drawing),
        ]
        for step in steps:
            if self._requests.empty():
                list(step())

    def _runnable(self, *families: str) -> list[str]:
        """The systems of families that nothing keeps from running here."""
        return [one.system.name for one in self.places if one.system.family in families and not one.obstacle]

    def _serve(self, request: Request) -> None:
        for event in self._events(request.asked):
            request.tell(event)
            if request.is_cancelled or self._stops:
                return

    def _events(self, asked: bytes | Sample) -> Iterator[Event]:
        """All that is told of a drawing; each step is done when its event is asked for."""
        start = time.monotonic()
        try:
            drawing = self._workshop.show(asked) if isinstance(asked, Sample) else self._workshop.read(asked)
        except Unusable as reason:
            yield {"event": "rejected", "reason": str(reason)}
            return
        yield drawing_event(drawing, time.monotonic() - start)
        by_code = self._code_neighbours(drawing)
        if self._neighbours.has_texts:  # a large train split takes longer to count than a model to write
            yield from by_code
        if drawing.is_given:
            yield from self._texts(drawing)
        for system in self._models.order(self._runnable(*LLM_FAMILIES, "captioner")):
            yield {"event": "working", "system": system, "loads": not self._models.is_loaded(system)}
            yield from self._caption(system, drawing)
        yield from self._captions_of_run(drawing)
        yield from by_code
        yield from self._picture_neighbours(drawing)
        if not drawing.is_given:  # whose raw text is sought in the whole source
            yield from self._texts(drawing)
        yield {"event": "done", "seconds": round(time.monotonic() - start, 3)}

    def _caption(self, system: str, drawing: Drawing) -> Iterator[Event]:
        start = time.monotonic()
        try:
            if system in self.plan.config["baselines"]:
                caption = self._neighbours.caption(system, drawing)
            else:
                caption = self._models.caption(system, drawing)
        except InputError as error:
            yield {"event": "obstacle", "system": system, "reason": str(error)}
            return
        yield caption_event(system, caption, time.monotonic() - start, self._in_run(system, drawing))

    def _code_neighbours(self, drawing: Drawing) -> Iterator[Event]:
        """What needs no model: the nearest train drawings by their code, after the baselines that read no picture."""
        for system in self._runnable("baseline"):
            if system != "clip_nearest":
                yield from self._caption(system, drawing)
        yield neighbours_event("code", self._neighbours.by_code(drawing))

    def _picture_neighbours(self, drawing: Drawing) -> Iterator[Event]:
        """The nearest train drawings by their picture, after the baseline that copies the caption of the first."""
        obstacle = next(clip_obstacles(self.plan), "")
        if obstacle:
            yield neighbours_event("picture", [], obstacle)
            return
        if "clip_nearest" in self.plan.systems:
            yield {"event": "working", "system": "clip_nearest", "loads": not self._neighbours.has_clip}
            yield from self._caption("clip_nearest", drawing)
        try:
            yield neighbours_event("picture", self._neighbours.by_picture(drawing), drawing.image.fault)
        except InputError as error:
            yield neighbours_event("picture", [], str(error))

    def _captions_of_run(self, drawing: Drawing) -> Iterator[Event]:
        """Of a test sample, the experiment's captions by systems that cannot run here."""
        for place in self.places:
            if place.obstacle and (caption := self._in_run(place.system.name, drawing)):
                yield run_event(place.system.name, caption)

    def _in_run(self, system: str, drawing: Drawing) -> Caption | None:
        return None if drawing.is_given else self._captions_in_run(system).get(drawing.sample.id)

    def _read_captions(self, system: str) -> dict[str, Caption]:
        path = Path(self.plan.results) / "captions" / f"{system}.jsonl"
        return {caption.id: caption for caption in read_captions(path)} if path.is_file() else {}

    def _texts(self, drawing: Drawing) -> Iterator[Event]:
        """The text as it was given, and the tokens of both texts."""
        raw, why = self._find_raw(drawing)
        yield raw_event(raw, why)
        yield {"event": "tokens", "bases": list(self._count_tokens(raw, drawing.sample.xml))}

    def _find_raw(self, drawing: Drawing) -> tuple[str | None, str]:
        """The text as it was given, or why it is not there."""
        if drawing.raw is not None:
            return drawing.raw, ""
        source = self.plan.sources[drawing.sample.source]
        try:
            raw = find_raw(source, drawing.sample.id)
        except InputError as error:
            return None, str(error)
        return raw, "" if raw is not None else f"{source.path} has no record {drawing.sample.id!r} any more."

    def _count_tokens(self, raw: str | None, xml: str) -> Iterator[dict[str, object]]:
        """Tokens by the tokenizer of each base; very long texts are not counted."""
        from page.models import count_tokens

        of_bases = {self.plan.systems[system].base: system for system in self._runnable(*LLM_FAMILIES)}
        for base, system in of_bases.items():
            try:
                tokenizer = self._models.base(system).tokenizer
            except InputError:  # which stands with each of its systems
                continue
            is_counted = raw is not None and len(raw) <= MOST_COUNTED
            yield {
                "label": self.plan.config["bases"][base].get("label", base),
                "raw": count_tokens(tokenizer, raw or "") if is_counted else None,
                "canonical": count_tokens(tokenizer, xml),
            }
