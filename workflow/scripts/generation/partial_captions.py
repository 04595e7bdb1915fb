"""Captions that survive a kill: what a captioning job has written so far, and how it becomes the final file.

    parts = CaptionParts(output, identity={"system": ..., "decoding": ..., ...})
    for batch in batches:
        waiting = parts.waiting(batch)          # records with an id that have no caption yet
        parts.append(captions_of(waiting))      # the whole batch at once
    parts.finish(ids)                          # every id, in the samples' order

The folder `<output>.parts/` has `identity.json`, what determines the captions (core/identity.py), and `captions.jsonl`,
whole records in the order in which they were made. A job that is started again with the same identity goes on where the
killed one was. With another identity (a prompt, the seed, the code of decoding or a library changed) it starts anew,
and a line of the log names what changed; the old records lie in `set_aside/<digest>/` of that folder until a job is
complete, and are used again where the change is undone. Settings that only change the speed (the size of batches) are
no part of the identity: what is done stays, and batches of another size are made of the rest.
An empty line ends each batch in the file. A batch that was cut short is made again as a whole, so that the captions of
the second run are those of one that nobody interrupted: they may depend, in the last bits, on what stands beside them.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol, TypeVar

from core.command import InputError, log
from core.identity import changed_parts, identity_digest
from core.records import Caption, caption_line, read_captions, read_json, write_captions, write_json

BATCH_END = b"\n\n"


class HasId(Protocol):
    """A sample, a prompt, an image: whatever a caption is made of."""

    @property
    def id(self) -> str: ...


Record = TypeVar("Record", bound=HasId)


class CaptionParts:
    """The captions of an unfinished job, on disk as soon as they are appended.

    `identity` is everything that determines the captions: a record of core.identity.
    """

    def __init__(self, output: Path, identity: dict[str, Any]):
        self.output = output
        self.folder = output.with_name(output.name + ".parts")
        self._captions_path = self.folder / "captions.jsonl"
        self._identity_path = self.folder / "identity.json"
        self._agree_with(identity)
        self.done = self._read_whole_records()
        if self.done:
            log(output.stem, f"goes on after {len(self.done)} captions of an interrupted run")

    def waiting(self, records: Sequence[Record]) -> list[Record]:
        """Those of the samples, prompts or images whose captions are not done."""
        return [record for record in records if record.id not in self.done]

    def append(self, captions: Sequence[Caption]) -> None:
        """Add the whole records of a batch; they are on disk when this returns."""
        with open(self._captions_path, "a", encoding="utf-8") as file:
            file.writelines(caption_line(caption) for caption in captions)
            file.write("\n")
            file.flush()
            os.fsync(file.fileno())
        self.done.update((caption.id, caption) for caption in captions)

    def finish(self, ids: Sequence[str]) -> None:
        """Write the final file with the captions of `ids` in this order, then remove all parts.

        Raises KeyError for a sample without a caption: the caller forgot one.
        """
        write_captions(self.output, [self.done[id_] for id_ in ids])
        shutil.rmtree(self.folder)

    def _agree_with(self, identity: dict[str, Any]) -> None:
        """Set the records of another identity aside, and take those of this one back."""
        before = self._read_identity()
        if before != identity:
            if self._captions_path.is_file():
                kept = self._set_aside(before)
                kept.mkdir(parents=True, exist_ok=True)
                os.replace(self._captions_path, kept / self._captions_path.name)
                changed = ", ".join(changed_parts(before, identity))
                log(self.output.stem, f"starts anew: {changed} changed since the interrupted run")
            self.folder.mkdir(parents=True, exist_ok=True)
            write_json(self._identity_path, identity)
        own = self._set_aside(identity) / self._captions_path.name
        if own.is_file() and not self._captions_path.is_file():
            os.replace(own, self._captions_path)

    def _set_aside(self, identity: dict[str, Any]) -> Path:
        return self.folder / "set_aside" / identity_digest(identity)

    def _read_identity(self) -> dict[str, Any]:
        """The identity of the records; an empty one where there is none that can be read."""
        try:
            return read_json(self._identity_path)
        except (InputError, UnicodeDecodeError):  # killed before it was written: there are no captions either
            return {}

    def _read_whole_records(self) -> dict[str, Caption]:
        """Captions done so far. A batch that a kill cut in the middle is cut off, so that the next starts a line."""
        if not self._captions_path.is_file():
            return {}
        with open(self._captions_path, "r+b") as file:
            end = file.read().rfind(BATCH_END)
            file.truncate(end + len(BATCH_END) if end >= 0 else 0)
        return {caption.id: caption for caption in read_captions(self._captions_path)}
