"""The store of answers: a folder for each server and model, whose files no job ever deletes or changes.

    <store>/<model>@<digest>/<time>-<id>.jsonl    a file a job, a line an answer: {"request": digest, "answer": {…}}

Each job appends to a file of its own, so that jobs on several machines can share the folder. A line is on disk before
the answer counts as given; the half line of a killed job is passed over.
"""

from __future__ import annotations

import dataclasses
import json
import os
import threading
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

from core.command import InputError
from core.records import json_line
from generation.endpoints import Answer


class AnswerStore:
    """Answers of a model by the digest of their request; safe to be used by several threads."""

    def __init__(self, folder: Path):
        self.folder = folder
        self._answers: dict[str, Answer] = {}
        for path in sorted(self.folder.glob("*.jsonl")):
            for digest, answer in _read_answers(path):
                self._answers.setdefault(digest, answer)
        self._path = self.folder / f"{time.time_ns()}-{uuid.uuid4().hex[:8]}.jsonl"
        self._lock = threading.Lock()

    def get(self, digest: str) -> Answer | None:
        return self._answers.get(digest)

    def add(self, digest: str, answer: Answer) -> None:
        """Store an answer; it is on disk when this returns."""
        line = json_line({"request": digest, "answer": dataclasses.asdict(answer)})
        with self._lock:
            self.folder.mkdir(parents=True, exist_ok=True)
            with open(self._path, "a", encoding="utf-8") as file:
                file.write(line)
                file.flush()
                os.fsync(file.fileno())
            self._answers[digest] = answer


def _read_answers(path: Path) -> Iterator[tuple[str, Answer]]:
    """The whole lines of a file. Raises InputError for one that is no answer."""
    with open(path, encoding="utf-8") as file:
        for number, line in enumerate(file, start=1):
            if not line.endswith("\n"):
                return
            try:
                record = json.loads(line)
                answer = Answer(**record["answer"])
            except (json.JSONDecodeError, KeyError, TypeError) as error:
                raise InputError(
                    f"{path}, line {number}: no stored answer ({error}); remove that line, and it is asked again"
                ) from error
            yield record["request"], answer
