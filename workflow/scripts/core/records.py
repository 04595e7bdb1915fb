"""The records that pass between stages, and the only code that reads and writes them.

| record  | file                             | format                                   |
|---------|----------------------------------|------------------------------------------|
| sample  | data/<split>.parquet             | Parquet, one row a drawing               |
| image   | images/<split>.parquet           | Parquet, `png` is an Image for `datasets` |
| caption | captions/<system>.jsonl          | JSON lines, one a sample, in the samples' order |
| scores  | scores/<system>/<metric>.json    | corpus values, n, signature              |
|         | scores/<system>/<metric>.parquet | one row a sample: id, values, statistics |

Every file is written beside and renamed, and opens in pandas by hand.
"""

from __future__ import annotations

import contextlib
import csv
import dataclasses
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import pyarrow as pa
import pyarrow.parquet as pq

from core.command import InputError, write_whole
from core.visible_text import is_blank


class MissingFile(InputError):
    """A file that does not exist."""


SPLITS = ("train", "validation", "test")
NO_IMAGE = "the sample has no image record"
Item = TypeVar("Item")
ROWS_IN_MEMORY = 500  # of a Parquet file that is read or written as a stream


@dataclass
class Sample:
    """One drawing with its reference captions. `xml` is the canonical text that a model reads."""

    id: str
    source: str
    split: str  # train, validation or test; "" before split_samples has run and none was given
    group: str  # the name that came with it; in the files of splits <source>:<name>, one for all that belong together
    xml: str
    references: list[str]
    flags: list[str] = field(default_factory=list)
    n_chars: int = 0  # characters of `xml`
    n_shapes: int = 0  # drawn elements
    n_commands: int = 0  # path commands; a basic shape counts as one
    n_colours: int = 0  # distinct paints
    question: str = ""  # what is asked about the drawing; in files where a model is asked that (prompt.from)


@dataclass
class Image:
    """The rendered PNG of a sample, or the reason why there is none."""

    id: str
    png: bytes | None
    width: int
    height: int
    status: str  # ok or failed
    reason: str = ""
    flags: list[str] = field(default_factory=list)  # blank, single_colour, missing_font, … (render_png.py)

    @property
    def fault(self) -> str:
        """Why the image shows nothing of its drawing; empty where it does."""
        if self.png is None:
            return f"not rendered: {self.reason}"
        return "the image is blank" if "blank" in self.flags else ""


@dataclass
class Caption:
    """What a system wrote for a sample, or the reason why it wrote nothing."""

    id: str
    caption: str
    status: str = "ok"  # ok or failed; an empty caption is a failure with a reason
    reason: str = ""
    finish_reason: str = ""  # eos, length, or "" where the system has no such thing
    n_prompt_tokens: int | None = None
    n_xml_tokens_removed: int | None = None  # by how much the prompt was shortened; None where there is no such thing
    n_new_tokens: int | None = None
    seconds: float | None = None  # share of the batch's wall-clock time
    same_alone: bool | None = None  # whether the prompt alone gives it too; asked of a few captions in 16 bits

    @classmethod
    def written(cls, id: str, text: str, **numbers: Any) -> Caption:
        """What a model wrote, white space folded; a caption without a visible character is a failure."""
        folded = "" if is_blank(text) else " ".join(text.split())
        return cls(id, folded, *(("ok", "") if folded else ("failed", "the model wrote nothing")), **numbers)


@dataclass
class Rejection:
    """A raw record that did not become a sample."""

    source: str
    id: str
    position: int  # 0-based place in the source
    reason: str


SAMPLE_SCHEMA = pa.schema(
    [
        ("id", pa.string()),
        ("source", pa.string()),
        ("split", pa.string()),
        ("group", pa.string()),
        ("xml", pa.string()),
        ("references", pa.list_(pa.string())),
        ("flags", pa.list_(pa.string())),
        ("n_chars", pa.int32()),
        ("n_shapes", pa.int32()),
        ("n_commands", pa.int32()),
        ("n_colours", pa.int32()),
    ]
)

QUESTION = pa.field("question", pa.string())

# The metadata makes `datasets.load_dataset("parquet", ...)` decode `png` as an image.
_IMAGE_FEATURES = {
    "id": {"dtype": "string", "_type": "Value"},
    "png": {"_type": "Image"},
    "width": {"dtype": "int32", "_type": "Value"},
    "height": {"dtype": "int32", "_type": "Value"},
    "status": {"dtype": "string", "_type": "Value"},
    "reason": {"dtype": "string", "_type": "Value"},
    "flags": {"feature": {"dtype": "string", "_type": "Value"}, "_type": "List"},
}
IMAGE_SCHEMA = pa.schema(
    [
        ("id", pa.string()),
        ("png", pa.struct([("bytes", pa.binary()), ("path", pa.string())])),
        ("width", pa.int32()),
        ("height", pa.int32()),
        ("status", pa.string()),
        ("reason", pa.string()),
        ("flags", pa.list_(pa.string())),
    ],
    metadata={"huggingface": json.dumps({"info": {"features": _IMAGE_FEATURES}})},
)


def sample_schema(questions: bool) -> pa.Schema:
    """The columns of a file of samples. Without questions it has no column for them, so that it is as it always was."""
    return SAMPLE_SCHEMA.append(QUESTION) if questions else SAMPLE_SCHEMA


def sample_schema_of(path: Path | str) -> pa.Schema:
    """The columns that a file of samples has. Raises InputError for a missing or foreign file."""
    return sample_schema(QUESTION.name in _open_table(path, SAMPLE_SCHEMA.names).schema_arrow.names)


def write_samples(path: Path | str, samples: Iterable[Sample], questions: bool = False) -> None:
    """Write samples as Parquet, whole or not at all; of a stream, a few are in memory."""
    with open_rows(path, sample_schema(questions)) as write:
        for sample in samples:
            write(dataclasses.asdict(sample))


def read_samples(path: Path | str) -> list[Sample]:
    """Read samples in the order of the file. Raises InputError for a missing or foreign file."""
    return [Sample(**row) for row in _read_table(path, sample_schema_of(path)).to_pylist()]


def stream_samples(path: Path | str) -> Iterator[Sample]:
    """Yield samples in the order of the file, a few in memory. Raises InputError for a missing or foreign file."""
    return (Sample(**row) for row in stream_rows(path, sample_schema_of(path)))


def write_images(path: Path | str, images: Iterable[Image]) -> None:
    """Write images as Parquet whose `png` column `datasets` loads as images."""
    with open_images(path) as write:
        for image in images:
            write(image)


@contextlib.contextmanager
def open_images(path: Path | str) -> Iterator[Callable[[Image], None]]:
    """A function that appends an image to a Parquet file, which is there whole when the block ends, or not at all."""
    with open_rows(path, IMAGE_SCHEMA) as write_row:

        def write(image: Image) -> None:
            row = {f.name: getattr(image, f.name) for f in dataclasses.fields(image)}
            row["png"] = None if image.png is None else {"bytes": image.png, "path": f"{image.id}.png"}
            write_row(row)

        yield write


@contextlib.contextmanager
def open_rows(path: Path | str, schema: pa.Schema) -> Iterator[Callable[[dict[str, Any]], None]]:
    """A function that appends a row to a Parquet file, which is there whole when the block ends, or not at all."""
    rows: list[dict[str, Any]] = []
    with write_whole(path) as partial, pq.ParquetWriter(partial, schema, compression="zstd") as writer:

        def write(row: dict[str, Any]) -> None:
            rows.append(row)
            if len(rows) == ROWS_IN_MEMORY:
                flush()

        def flush() -> None:
            writer.write_table(pa.Table.from_pylist(rows, schema=schema))
            rows.clear()

        yield write
        if rows:
            flush()


def read_images(path: Path | str) -> list[Image]:
    """Read images in the order of the file. Raises InputError for a missing or foreign file."""
    return list(stream_images(path))


def stream_images(path: Path | str) -> Iterator[Image]:
    """Yield images in the order of the file, a few in memory. Raises InputError for a missing or foreign file."""
    rows = stream_rows(path, IMAGE_SCHEMA)
    return (Image(**{**row, "png": row["png"] and row["png"]["bytes"]}) for row in rows)


def write_captions(path: Path | str, captions: Iterable[Caption]) -> None:
    """Write captions as JSON lines, whole or not at all."""
    write_json_lines(path, map(_caption_fields, captions))


def caption_line(caption: Caption) -> str:
    """One caption as a line of JSON; what resumable jobs append to their part files."""
    return json_line(_caption_fields(caption))


def _caption_fields(caption: Caption) -> dict[str, Any]:
    """A caption as a record. Files of captions of which nothing was asked have no column of answers."""
    fields = dataclasses.asdict(caption)
    if caption.same_alone is None:
        del fields["same_alone"]
    return fields


def read_captions(path: Path | str) -> list[Caption]:
    """Read captions. Raises InputError that names the line of a broken record."""
    return list(stream_json_lines(path, lambda record: Caption(**record), "a caption record"))


def check_ids(records: Path | str, ids: Sequence[str], expected: Sequence[str]) -> None:
    """Raise InputError unless a file, or what `records` names, has one record a sample in the samples' order."""
    if list(ids) == list(expected):
        return
    kinds = {"missing": set(expected) - set(ids), "not of the samples": set(ids) - set(expected)}
    faults = [
        f"{len(some)} {kind} ({', '.join(sorted(some)[:5])}{', …' if len(some) > 5 else ''})"
        for kind, some in kinds.items()
        if some
    ]
    fault = " and ".join(faults) or "the same ids in another order or twice"
    raise InputError(f"{records} does not belong to these samples: {fault}; remake it")


def write_rejections(path: Path | str, rejections: Iterable[Rejection]) -> None:
    """Write rejected records as CSV with a header, also when there are none."""
    with write_whole(path) as partial, open(partial, "w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, [f.name for f in dataclasses.fields(Rejection)])
        writer.writeheader()
        writer.writerows(dataclasses.asdict(rejection) for rejection in rejections)


def write_json(path: Path | str, value: Any) -> None:
    """Write a JSON file, indented and with NaN refused: a missing number is null or absent."""
    with write_whole(path) as partial:
        partial.write_text(json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n", encoding="utf-8")


def read_json(path: Path | str) -> Any:
    """Read a JSON file. Raises InputError where it is missing or no JSON."""
    with open_text(path) as file:
        try:
            return json.load(file)
        except json.JSONDecodeError as error:
            raise InputError(f"{path} is not JSON ({error})") from error


def json_line(record: Any) -> str:
    """A record as a line of JSON; NaN is refused, as in write_json."""
    return json.dumps(record, ensure_ascii=False, allow_nan=False) + "\n"


def write_json_lines(path: Path | str, records: Iterable[Any]) -> None:
    """Write records as JSON lines, whole or not at all."""
    with write_whole(path) as partial, open(partial, "w", encoding="utf-8") as file:
        file.writelines(map(json_line, records))


def read_json_lines(path: Path) -> list[dict[str, Any]]:
    """Read JSON lines. Raises InputError that names the line of a broken one."""
    return list(stream_json_lines(path, lambda record: record, "JSON"))


def stream_json_lines(path: Path | str, make: Callable[[Any], Item], kind: str) -> Iterator[Item]:
    """Yield what `make` makes of each line of JSON; empty lines are none, they end the batches of an unfinished job.

    Raises InputError that names the first line that is not `kind`.
    """
    with open_text(path) as file:
        for number, line in enumerate(file, start=1):
            if not line.strip():
                continue
            try:
                item = make(json.loads(line))
            except (json.JSONDecodeError, TypeError, KeyError) as error:
                raise InputError(f"{path}, line {number}: not {kind} ({error}); remake this file") from error
            yield item


def open_text(path: Path | str):
    """Open a UTF-8 text file for reading. Raises MissingFile."""
    try:
        return open(path, encoding="utf-8")
    except FileNotFoundError as error:
        raise MissingFile(f"{path} does not exist") from error


def _read_table(path: Path | str, schema: pa.Schema) -> pa.Table:
    return _open_table(path, schema.names).read(columns=schema.names)


def stream_rows(path: Path | str, schema: pa.Schema) -> Iterator[dict[str, Any]]:
    """Yield the rows of a Parquet file, a few in memory. Raises InputError for a missing or foreign file."""
    file = _open_table(path, schema.names)
    return (
        row
        for batch in file.iter_batches(ROWS_IN_MEMORY, columns=schema.names)
        for row in batch.select(schema.names).to_pylist()
    )


def _open_table(path: Path | str, columns: list[str]) -> pq.ParquetFile:
    if not Path(path).is_file():
        raise MissingFile(f"{path} does not exist")
    try:
        file = pq.ParquetFile(path)
    except pa.ArrowInvalid as error:
        raise InputError(f"{path} is not a Parquet file ({error})") from error
    missing = [name for name in columns if name not in file.schema_arrow.names]
    if missing:
        raise InputError(f"{path} lacks the columns {', '.join(missing)}; remake it with this version")
    return file
