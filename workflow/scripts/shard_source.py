"""Put the records of a dataset into shards, so that a change of some records leaves the other shards as they are.

Input: a file or folder of drawings with captions, or a dataset of the Hugging Face hub (streamed, needs network).
Output: JSON lines, a file a shard; a record's shard depends on its id alone. One output file is all of it in JSON
lines. Few records are in memory at a time, and the ids.

    python workflow/scripts/shard_source.py --input drawings.parquet --output 1-of-2.jsonl 2-of-2.jsonl
    python workflow/scripts/shard_source.py --hub someone/icons --revision 0123… --output icons.jsonl
"""

from __future__ import annotations

import argparse
import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from core.command import InputError, Progress, log, run_command, write_whole
from core.records import json_line
from plan.shards import shard_of
from readers.entries import SHARD_MARK, iterate_unique, open_entries, read_records, write_record
from readers.filters import Where
from readers.folder import DATASETS
from readers.formats import read_hub_dataset


def open_source(input: Path | None, hub: str | None, revision: str, subset: str | None, split: str | None):
    """The entries of a dataset and its name for messages. Raises InputError where none or two are given."""
    if input and not hub:
        return open_entries(input), str(input)
    if hub and not input:
        return read_hub_dataset(hub, revision, subset, split), hub
    raise InputError("give --input, or --hub with --revision")


def shard_records(
    entries: Iterator[Any],
    name: str,
    fields: dict[str, Any],
    outputs: list[Path],
    order: Path | None = None,
    where: Where | None = None,
) -> list[int]:
    """Write each record to its shard; returns how many each has. Raises InputError for two records of one id.

    Rows that `where` leaves out are records, too, which say so: what follows counts them.
    `order` gets the id of each record as JSON, a line a record in the order of the source.
    """
    counts = [0] * len(outputs)
    with contextlib.ExitStack() as stack:
        partials = [stack.enter_context(write_whole(path)) for path in [*outputs, *([order] if order else [])]]
        files = [stack.enter_context(open(partial, "w", encoding="utf-8")) for partial in partials]
        for file in files:
            file.write(SHARD_MARK)
        with Progress(f"shard_source {Path(name).name}", None, "record") as progress:
            for record in iterate_unique(read_records(entries, fields, name, where), name):
                shard = shard_of(record.id, len(outputs))
                files[shard].write(write_record(record))
                if order:
                    files[-1].write(json_line(record.id))
                counts[shard] += 1
                progress.advance()
        if not sum(counts):
            raise InputError(f"{name} holds no records")
    return counts


def main(
    *,
    input: Path | None,
    hub: str | None,
    revision: str,
    subset: str | None,
    split: str | None,
    fields: str,
    output: list[Path],
    order: Path | None = None,
    where: str = "{}",
) -> None:
    """Put the records of a dataset into as many shards as there are output files."""
    entries, name = open_source(input, hub, revision, subset, split)
    counts = shard_records(entries, name, json.loads(fields), output, order, json.loads(where))
    log("shard_source", f"{name}: {sum(counts)} records in {len(counts)} files, {min(counts)} to {max(counts)} in each")


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--input", type=Path, help=DATASETS)
    parser.add_argument("--hub", help="dataset of the Hugging Face hub, owner/name")
    parser.add_argument("--revision", default="main", help="commit of the hub's dataset")
    parser.add_argument("--subset", help="configuration of the hub's dataset")
    parser.add_argument("--split", help="split of the hub's dataset; all where absent")
    parser.add_argument("--fields", default="{}", help="JSON: names of the fields id, drawing, captions, split, group")
    parser.add_argument("--where", default="{}", help="JSON: field → value, or values, of the rows that take part")
    parser.add_argument("--output", type=Path, nargs="+", required=True, help="JSON lines, a file a shard")
    parser.add_argument("--order", type=Path, help="the ids of all records in their order, a JSON string a line")
    return parser


if __name__ == "__main__":
    run_command(main, build_parser())
