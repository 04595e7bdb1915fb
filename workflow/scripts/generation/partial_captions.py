"""Captions that survive a kill: what a captioning job has written so far, and how it becomes the final file.

    parts = CaptionParts(output, identity={"system": ..., "decoding": ..., ...})
    for batch in batches:                      # the same batches in every run
        if not parts.hold(batch_ids):
            parts.append(captions_of(batch))   # the whole batch at once
    parts.finish(ids)                          # every id, in the samples' order

The folder `<output>.parts/` has `identity.json`, what determines the captions, and `captions.jsonl`, whole records in
the order in which they were made. A job that is started again with the same identity goes on where the killed one was;
with another identity (a prompt was edited, another seed) the old records are thrown away, and that is said.
A batch that was cut short is made again as a whole, so that the captions of the second run are those of one that nobody
interrupted: they may depend, in the last bits, on what stands beside them in the batch.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

from core.command import InputError, say
from core.records import Caption, caption_line, read_captions, read_json, write_captions, write_json


class CaptionParts:
    """The captions of an unfinished job, on disk as soon as they are appended.

    `identity` is everything that determines the captions, as JSON: settings, seed, digests of samples and model.
    """

    def __init__(self, output: Path, identity: dict[str, Any]):
        self.output = output
        self.folder = output.with_name(output.name + ".parts")
        self._captions_path = self.folder / "captions.jsonl"
        self._identity_path = self.folder / "identity.json"
        self._drop_foreign_parts(identity)
        self.done = self._read_whole_records()
        if self.done:
            say(output.stem, f"goes on after {len(self.done)} captions of an interrupted run")

    def hold(self, ids: Collection[str]) -> bool:
        """Whether the captions of all these samples are done."""
        return all(id_ in self.done for id_ in ids)

    def append(self, captions: Sequence[Caption]) -> None:
        """Add whole records; they are on disk when this returns."""
        with open(self._captions_path, "a", encoding="utf-8") as file:
            file.writelines(caption_line(caption) for caption in captions)
            file.flush()
            os.fsync(file.fileno())
        self.done.update((caption.id, caption) for caption in captions)

    def finish(self, ids: Sequence[str]) -> None:
        """Write the final file with the captions of `ids` in this order, then remove the parts.

        Raises KeyError for a sample without a caption: the caller forgot one.
        """
        write_captions(self.output, [self.done[id_] for id_ in ids])
        shutil.rmtree(self.folder)

    def _drop_foreign_parts(self, identity: dict[str, Any]) -> None:
        if self.folder.is_dir():
            changed = self._changed_keys(identity)
            if not changed:
                return
            say(self.output.stem, f"starts anew: {', '.join(changed)} changed since the interrupted run")
            shutil.rmtree(self.folder)
        self.folder.mkdir(parents=True)
        write_json(self._identity_path, identity)

    def _changed_keys(self, identity: dict[str, Any]) -> list[str]:
        try:
            before = read_json(self._identity_path)
        except InputError:
            return ["identity.json"]  # killed before it was written: there are no captions either
        return [key for key in sorted({*before, *identity}) if before.get(key) != identity.get(key)]

    def _read_whole_records(self) -> dict[str, Caption]:
        """Captions done so far. A record that a kill cut in the middle is cut off, so that the next starts a line."""
        if not self._captions_path.is_file():
            return {}
        with open(self._captions_path, "r+b") as file:
            file.truncate(file.read().rfind(b"\n") + 1)
        return {caption.id: caption for caption in read_captions(self._captions_path)}
