"""Entries of dataset files: JSON arrays, JSON lines, CSV and TSV, Parquet, Hugging Face datasets.

Each reader is a function of a path that yields one mapping of field names to values after the other, without holding
more than a few of them. Text files may be gzipped (`.jsonl.gz`). Faults of a whole file are InputErrors with the line;
a line of JSON lines that is no JSON is a BrokenLine in the place of its entry.
"""

from __future__ import annotations

import contextlib
import csv
import gzip
import io
import json
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import pyarrow as pa
import pyarrow.parquet as pq

from core.command import InputError

Entry = dict[str, Any]

BLOCK_CHARS = 1 << 20
LONGEST_ENTRY = 200_000_000  # characters; of a cell of CSV, Python's own limit would be 131,072
BATCH_ROWS = 64  # of Parquet, in which one row may be megabytes
# How data files and datasets name splits.
SPLIT_NAMES = {"train": "train", "training": "train", "test": "test"}
SPLIT_NAMES |= dict.fromkeys(("validation", "valid", "val", "dev"), "validation")


@dataclass(frozen=True)
class BrokenLine:
    """A line that holds no entry; `number` counts from 1."""

    number: int
    fault: str


def read_json(path: Path) -> Iterator[Any]:
    """Entries of a JSON array or of JSON lines: the first character tells."""
    with open_dataset_text(path) as file:
        first = first_character(file)
        if not first:
            raise InputError(f"{path} is empty; it must hold a JSON array or JSON lines of samples")
        file.seek(0)
        yield from read_json_array(path, file) if first == "[" else read_json_lines(file)


def read_json_array(path: Path, file: IO[str]) -> Iterator[Any]:
    """Entries of a JSON array, decoded one by one from blocks of text."""
    decoder = json.JSONDecoder()
    text, n_lines = file.read(BLOCK_CHARS), 0
    place = text.index("[") + 1
    while True:
        place = re.compile(r"[\s,]*").match(text, place).end()  # type: ignore[union-attr]
        try:
            if text[place] == "]":
                break
            entry, end = decoder.raw_decode(text, place)
        except (IndexError, json.JSONDecodeError) as error:
            more = file.read(max(BLOCK_CHARS, len(text) - place))
            if not more or len(text) - place > LONGEST_ENTRY:
                line = n_lines + text.count("\n", 0, getattr(error, "pos", len(text))) + 1
                raise InputError(f"{path}, line {line}: not JSON ({getattr(error, 'msg', 'it ends early')})") from error
            n_lines += text.count("\n", 0, place)
            text, place = text[place:] + more, 0
            continue
        yield entry
        place = end
    rest = (text[place + 1 :] + file.read(BLOCK_CHARS)).strip()
    if rest:
        raise InputError(f"{path}: not JSON (there is more after the end of the array: {rest[:40]!r})")


def read_json_lines(file: IO[str]) -> Iterator[Any]:
    """Entries of JSON lines; a line that is not JSON invalidates only its own entry."""
    for number, line in enumerate(file, start=1):
        if line.strip():
            try:
                yield json.loads(line)
            except json.JSONDecodeError as error:
                yield BrokenLine(number, f"not JSON ({error.msg})")


def read_table(path: Path) -> Iterator[Entry]:
    """Rows of a CSV or TSV file with a header. The separator is the one that gives the header most columns."""
    csv.field_size_limit(LONGEST_ENTRY)
    with open_dataset_text(path) as file:
        header = file.readline()
        if not header.strip():
            raise InputError(f"{path} is empty; it must hold a header and rows")
        separator = max("\t,;", key=header.count)
        file.seek(0)
        rows = csv.DictReader(file, delimiter=separator)
        try:
            for row in rows:
                yield {name: value for name, value in row.items() if name is not None}
        except csv.Error as error:
            raise InputError(f"{path}, line {rows.line_num}: not CSV ({error})") from error


def read_parquet(path: Path) -> Iterator[Entry]:
    """Rows of a Parquet file, a few at a time."""
    try:
        with pq.ParquetFile(path) as table:
            for batch in table.iter_batches(BATCH_ROWS):
                yield from batch.to_pylist()
    except pa.ArrowInvalid as error:
        raise InputError(f"{path} is not a Parquet file ({error})") from error


def read_saved_dataset(path: Path) -> Iterator[Entry]:
    """Rows of a folder that `datasets` saved with save_to_disk: one dataset, or one for each split."""
    import datasets

    saved = datasets.load_from_disk(str(path))
    parts = saved if isinstance(saved, dict) else {"": saved}
    for split, part in parts.items():
        for row in part:
            yield with_split(row, split)


def read_hub_dataset(hub: str, revision: str, subset: str | None, split: str | None) -> Iterator[Entry]:
    """Rows of a dataset of the Hugging Face hub at a revision, streamed; all splits where none is named."""
    import datasets

    try:
        streamed = datasets.load_dataset(hub, subset, revision=revision, split=split, streaming=True)
        parts = streamed if isinstance(streamed, dict) else {split or "": streamed}
        for name, part in parts.items():
            for row in part:
                yield with_split(row, name)
    except (OSError, ValueError) as error:  # what the library raises without network, for unknown names and for gates
        raise InputError(f"dataset {hub} at {revision[:12]} cannot be read ({error})") from error


def with_split(row: Any, split: str) -> Any:
    """The row with the split that its file or dataset has, where that is one of ours and the row names none."""
    known = SPLIT_NAMES.get(split.lower())
    return {"split": known, **row} if known and isinstance(row, dict) else row


def split_in_name(path: Path) -> str:
    """The split that a data file's name begins with (train-00000-of-00002.parquet), or an empty text."""
    match = re.match(r"[a-z]+", path.name.lower())
    return SPLIT_NAMES.get(match[0], "") if match else ""


def first_character(file: IO[str]) -> str:
    """The first character that is no white space; empty where there is none."""
    for block in iter(lambda: file.read(1024), ""):
        if block.strip():
            return block.lstrip()[0]
    return ""


@contextlib.contextmanager
def open_dataset_text(path: Path) -> Iterator[IO[str]]:
    """A text file for reading, gunzipped where its name ends so; UTF-8, or UTF-16 with its mark.

    Raises InputError where it does not exist or holds other bytes.
    """
    try:
        with open_binary(path) as raw:
            start = raw.read(2)
        encoding = "utf-16" if start in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
        with open_binary(path) as raw, io.TextIOWrapper(raw, encoding, newline="") as file:
            yield file
    except FileNotFoundError as error:
        raise InputError(f"{path} does not exist") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not UTF-8 text ({error.reason} at byte {error.start}); convert it") from error
    except gzip.BadGzipFile as error:
        raise InputError(f"{path} is not gzipped ({error}); take the .gz from its name") from error
    except (EOFError, zlib.error) as error:
        raise InputError(f"{path} is cut off or damaged ({error}); fetch or compress it again") from error


def open_binary(path: Path) -> IO[bytes]:
    return gzip.open(path) if path.suffix == ".gz" else open(path, "rb")  # type: ignore[return-value]
