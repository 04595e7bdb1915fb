"""Entries of dataset files: JSON arrays, JSON lines, CSV and TSV, Parquet, Hugging Face datasets.

The readers of files yield the place of each entry in its file ("line 7") and the entry, without holding more than a few
of them. Text files may be gzipped (`.jsonl.gz`). Faults of a whole file are InputErrors with the line; an entry that
cannot be read is a BrokenEntry in its place, so that nothing of a file is lost uncounted.
"""

from __future__ import annotations

import codecs
import contextlib
import csv
import gzip
import io
import json
import re
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import pyarrow as pa
import pyarrow.parquet as pq

from core.command import InputError
from core.file_kinds import find_kind
from readers.delimited import iterate_rows

Entry = dict[str, Any]
Placed = tuple[str, Any]  # where in its file an entry is, and the entry

BLOCK_CHARS = 1 << 20
LONGEST_ENTRY = 200_000_000  # characters; of a cell of CSV, Python's own limit would be 131,072
BATCH_ROWS = 64  # of Parquet, in which one row may be megabytes
ENCODINGS = {b"\xff\xfe\0\0": "utf-32", b"\0\0\xfe\xff": "utf-32", b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}
# How data files and datasets name splits.
SPLIT_NAMES = {"train": "train", "training": "train", "test": "test"}
SPLIT_NAMES |= dict.fromkeys(("validation", "valid", "val", "dev"), "validation")


@dataclass(frozen=True)
class BrokenEntry:
    """An entry of a file that cannot be read, as "line 7: not JSON (…)"."""

    fault: str


class RepeatedField(ValueError):
    """A JSON object in which a field is there twice: one of its values would be lost."""


def read_json(path: Path) -> Iterator[Placed]:
    """Entries of a JSON array, of JSON lines, or of objects over several lines: the first characters tell."""
    with open_dataset_text(path) as file:
        first = first_character(file)
        if not first:
            raise InputError(f"{path} is empty; it must hold a JSON array or JSON lines of samples")
        file.seek(0)
        pretty = first == "{" and begins_over_lines(file)
        file.seek(0)
        if first == "[":
            yield from read_json_array(path, file)
        elif pretty:
            yield from read_json_objects(path, file)
        else:
            yield from read_json_lines(file)


def begins_over_lines(file: IO[str]) -> bool:
    """Whether the object that a file begins with goes on in the next line, as in pretty-printed JSON.

    A line of JSON lines that was cut off is none of these: the next line begins an object where none may begin.
    """
    filled = (line.strip() for line in file if line.strip())
    first, second = next(filled, ""), next(filled, "")
    try:
        json.loads(first)
    except json.JSONDecodeError as error:
        return error.pos == len(first) and (first[-1] == "[" or not second.startswith("{"))
    except (RecursionError, ValueError):
        pass  # the reader of lines tells the fault
    return False


def read_json_array(path: Path, file: IO[str]) -> Iterator[Placed]:
    """Entries of a JSON array, decoded one by one from blocks of text."""
    yield from read_json_values(path, file, begin="[", end="]")


def read_json_objects(path: Path, file: IO[str]) -> Iterator[Placed]:
    """JSON objects after one another, each over any number of lines; often there is one that holds a list."""
    yield from read_json_values(path, file, begin="", end="")


def read_json_values(path: Path, file: IO[str], begin: str, end: str) -> Iterator[Placed]:
    """JSON values after `begin` up to `end`, which is empty where the end of the file ends them."""
    text = file.read(BLOCK_CHARS)
    place = text.index(begin) + len(begin)
    line, counted = 1, 0  # the line of the place up to which line ends were counted
    while True:
        place = re.compile(r"[\s,]*").match(text, place).end()  # type: ignore[union-attr]
        line, counted = line + text.count("\n", counted, place), place
        try:
            if end and text[place] == end:
                break
            entry, after = decode_entry(text, place)
        except (IndexError, json.JSONDecodeError) as error:
            more = file.read(max(BLOCK_CHARS, len(text) - place))
            if not more and not end and place == len(text):
                return
            if more and len(text) - place > LONGEST_ENTRY:
                raise InputError(
                    f"{path}, line {line}: a value of more than {LONGEST_ENTRY:,} characters, or not JSON; "
                    "write its records as JSON lines"
                ) from error
            if not more:
                line += text.count("\n", place, getattr(error, "pos", len(text)))
                raise InputError(f"{path}, line {line}: not JSON ({getattr(error, 'msg', 'it ends early')})") from error
            text, place, counted = text[place:] + more, 0, 0
            continue
        except (RecursionError, ValueError) as error:
            raise InputError(f"{path}, line {line}: {fault_of_json(error)}") from error
        yield placed(f"line {line}", entry)
        place = after
    rest = (text[place + 1 :] + file.read(BLOCK_CHARS)).strip()
    if rest:
        raise InputError(f"{path}: not JSON (there is more after the end of the array: {rest[:40]!r})")


def read_json_lines(file: IO[str]) -> Iterator[Placed]:
    """Entries of JSON lines; a line that is not JSON invalidates only its own entry."""
    for number, line in enumerate(file, start=1):
        if line.strip():
            try:
                yield placed(f"line {number}", json.loads(line, object_pairs_hook=object_of))
            except (RecursionError, ValueError) as error:
                yield broken(f"line {number}", fault_of_json(error))


def decode_entry(text: str, place: int) -> tuple[Any, int]:
    """The JSON value that begins at a place of a text, or that a field of it is there twice; where it ends."""
    try:
        return json.JSONDecoder(object_pairs_hook=object_of).raw_decode(text, place)
    except RepeatedField as fault:
        return fault, json.JSONDecoder().raw_decode(text, place)[1]


def object_of(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object of its fields. Raises RepeatedField."""
    fields = dict(pairs)
    if len(fields) < len(pairs):
        name, _ = Counter(name for name, _ in pairs).most_common(1)[0]
        raise RepeatedField(f"the field {name!r} is there twice")
    return fields


def placed(place: str, entry: Any) -> Placed:
    """An entry of JSON in its place; broken where it is no object with fields."""
    if isinstance(entry, dict):
        return place, entry
    if isinstance(entry, RepeatedField):
        return broken(place, str(entry))
    return broken(place, f"not an object with fields but {type(entry).__name__}")


def broken(place: str, fault: str) -> Placed:
    return place, BrokenEntry(f"{place}: {fault}")


def fault_of_json(error: Exception) -> str:
    if isinstance(error, RecursionError):
        return "not JSON that can be read (nested too deep)"
    if isinstance(error, RepeatedField):
        return str(error)
    return f"not JSON ({getattr(error, 'msg', error)})"


def read_table(path: Path) -> Iterator[Placed]:
    """Rows of a CSV or TSV file with a header. The separator is the one that gives the header most columns."""
    csv.field_size_limit(LONGEST_ENTRY)
    with open_dataset_text(path) as file:
        first = next((line for line in file if line.strip()), "")
        if not first:
            raise InputError(f"{path} is empty; it must hold a header and rows")
        separator = max("\t,;", key=first.count)
        file.seek(0)
        rows = iterate_rows(file, separator)
        number, header = next((n, cells) for n, cells in rows if isinstance(cells, str) or any(map(str.strip, cells)))
        if isinstance(header, str):
            raise InputError(f"{path}, line {number}: {header}")
        header = [name.strip() for name in header]
        check_names(path, header)
        for line, cells in rows:
            fault = cells if isinstance(cells, str) else fault_of_row(header, cells)
            place = f"line {line}"
            yield broken(place, fault) if fault else (place, {k: v for k, v in zip(header, cells, strict=True) if k})


def fault_of_row(header: list[str], cells: list[str]) -> str:
    """Why the cells of a row are not those of the columns; empty where they are."""
    if len(cells) != len(header):
        return (
            f"{len(cells)} cells where the header has {len(header)} columns; a cell with separators or line ends "
            "must be in quotes"
        )
    # The first column of tables that pandas wrote has no name: it holds the numbers of the rows.
    if any(cell.strip() and not name for name, cell in list(zip(header, cells, strict=True))[1:]):
        return "a cell in a column without a name; a cell with separators must be in quotes"
    return ""


def check_names(path: Path, names: Iterable[str]) -> None:
    """Raises InputError where two columns of a table have one name: one of them would be lost."""
    for name, number in Counter(names).items():
        if name and number > 1:
            raise InputError(f"{path}: {number} columns are called {name!r}; give each a name of its own")


def read_parquet(path: Path) -> Iterator[Placed]:
    """Rows of a Parquet file, a few at a time; a row whose texts cannot be decoded is broken."""
    number = 0
    try:
        with pq.ParquetFile(path, page_checksum_verification=True) as table:
            check_names(path, table.schema_arrow.names)
            for batch in table.iter_batches(BATCH_ROWS):
                for row in rows_of_batch(batch):
                    number += 1
                    place = f"row {number}"
                    yield broken(place, str(row)) if isinstance(row, Exception) else (place, row)
    except FileNotFoundError as error:
        raise InputError(f"{path} does not exist") from error
    except (pa.ArrowException, OSError) as error:
        raise InputError(
            f"{path} is not a Parquet file, or is damaged after row {number} ({error}); fetch or write it again"
        ) from error


def rows_of_batch(batch: pa.RecordBatch) -> list[Any]:
    """The rows of a batch, with the error in the place of each row that cannot be converted."""
    try:
        return batch.to_pylist()
    except (ValueError, pa.ArrowException) as error:  # a text that is not UTF-8, a time that Python has not
        if batch.num_rows == 1:
            return [error]
        return [row for place in range(batch.num_rows) for row in rows_of_batch(batch.slice(place, 1))]


def read_saved_dataset(path: Path) -> Iterator[Entry]:
    """Rows of a folder that `datasets` saved with save_to_disk: one dataset, or one for each split."""
    import datasets

    try:
        saved = datasets.load_from_disk(str(path))
        parts = saved if isinstance(saved, dict) else {"": saved}
        for split, part in parts.items():
            for row in part:
                yield with_split(row, split)
    except (OSError, ValueError, pa.ArrowException) as error:
        raise InputError(f"{path} cannot be read as a saved dataset ({error}); save it again") from error


def read_hub_dataset(hub: str, revision: str, subset: str | None, split: str | None) -> Iterator[Entry]:
    """Rows of a dataset of the Hugging Face hub at a revision, streamed; all splits where none is named."""
    import datasets

    try:
        streamed = datasets.load_dataset(hub, subset, revision=revision, split=split, streaming=True)
        parts = streamed if isinstance(streamed, dict) else {split or "": streamed}
        for name, part in parts.items():
            for row in part:
                yield with_split(row, name)
    except (OSError, ValueError, pa.ArrowException) as error:  # without network, for unknown names, gates, bad files
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
    """A text file for reading, gunzipped where its name ends so; UTF-8, or UTF-16 or UTF-32 with its mark.

    Raises InputError where it does not exist or holds other bytes.
    """
    try:
        with open_binary(path) as raw:
            kind = find_kind(raw)
            if kind:
                raise InputError(f"{path} is {kind.name}; {kind.fix}")
            raw.seek(0)
            start = raw.read(4)
        encoding = next((name for mark, name in ENCODINGS.items() if start.startswith(mark)), "utf-8-sig")
        with open_binary(path) as raw, io.TextIOWrapper(raw, encoding, newline="") as file:
            yield file
    except FileNotFoundError as error:
        raise InputError(f"{path} does not exist") from error
    except UnicodeDecodeError as error:
        line, byte = place_of_bad_byte(path, encoding)
        raise InputError(f"{path}, line {line}: not UTF-8 text ({error.reason} at byte {byte}); convert it") from error
    except gzip.BadGzipFile as error:
        raise InputError(f"{path} is not gzipped ({error}); take the .gz from its name") from error
    except (EOFError, zlib.error) as error:
        raise InputError(f"{path} is cut off or damaged ({error}); fetch or compress it again") from error


def place_of_bad_byte(path: Path, encoding: str) -> tuple[int, int]:
    """The line (from 1) and the offset in the file of the first byte that is none of an encoding's."""
    decoder = codecs.getincrementaldecoder(encoding)()
    n_lines, n_bytes = 1, 0
    with open_binary(path) as raw:
        while True:
            block = raw.read(BLOCK_CHARS)
            n_bytes += len(block)
            try:
                n_lines += decoder.decode(block, final=not block).count("\n")
            except UnicodeDecodeError as error:
                before = error.object[: error.start].decode(error.encoding)
                return n_lines + before.count("\n"), n_bytes - len(error.object) + error.start


def open_binary(path: Path) -> IO[bytes]:
    return gzip.open(path) if is_gzipped(path) else open(path, "rb")  # type: ignore[return-value]


def is_gzipped(path: Path) -> bool:
    return path.suffix.lower() == ".gz"
