r"""Put the shards of a preprocessed source together again: samples, fingerprints, rejections, label leakage, counts.

    python workflow/scripts/gather_samples.py --shards 1-of-2.counts.json 2-of-2.counts.json \
        --order order.txt --output icons.counts.json

Shards and output are named by their counts; the other files lie beside them under the names that preprocess_svg gives
(`….parquet`, `….fingerprints.parquet`, `….rejected.csv`, `….label_leakage.csv`). Rows pass by, few in memory.
"""

from __future__ import annotations

import argparse
from collections import Counter
from pathlib import Path

import pyarrow as pa

from core.command import InputError, log, run_command, write_whole
from core.records import open_rows, read_json, sample_schema_of, stream_json_lines, stream_rows, write_json
from plan.shards import shard_of
from samples import fingerprints

COUNTS = ".counts.json"


def beside(counts: Path, ending: str) -> Path:
    """Another file of the shard or source whose counts these are."""
    return counts.with_name(counts.name.removesuffix(COUNTS) + ending)


def gather_rows(paths: list[Path], order: Path, output: Path, schema: pa.Schema) -> None:
    """Merge the rows of shards in the order of the source: what follows must not depend on the number of shards.

    A shard has its rows in that order and lacks those of rejected records.
    """
    streams = [stream_rows(path, schema) for path in paths]
    heads = [next(stream, None) for stream in streams]
    with open_rows(output, schema) as write:
        for id in stream_json_lines(order, str, "an id"):
            shard = shard_of(id, len(paths))
            if (row := heads[shard]) and row["id"] == id:
                write(row)
                heads[shard] = next(streams[shard], None)
    left = [row["id"] for row in heads if row]
    if left:
        raise InputError(f"{order} lacks the record {left[0]!r}: make the shards again from one source")


def gather_lines(paths: list[Path], output: Path) -> None:
    """Put CSV files with one header together."""
    with write_whole(output) as partial, open(partial, "w", encoding="utf-8", newline="") as file:
        for number, path in enumerate(paths):
            with open(path, encoding="utf-8", newline="") as lines:
                header = lines.readline()
                file.write(header if number == 0 else "")
                file.writelines(lines)


def add_counts(counts: list[dict]) -> dict[str, object]:
    """The sums of the counts of shards."""
    flags: Counter[str] = Counter()
    filtered: Counter[str] = Counter()
    for shard in counts:
        flags.update(shard["flags"])
        filtered.update(shard["filtered"])
    sums = {key: sum(shard[key] for shard in counts) for key in ("in", "rejected", "kept")}
    return {"source": counts[0]["source"], **sums, "filtered": dict(filtered), "flags": dict(flags.most_common())}


def main(*, shards: list[Path], order: Path, output: Path) -> None:
    """Put shards together in the order of their source."""
    samples = [beside(path, ".parquet") for path in shards]
    gather_rows(samples, order, beside(output, ".parquet"), sample_schema_of(samples[0]))
    prints = ".fingerprints.parquet"
    gather_rows([beside(path, prints) for path in shards], order, beside(output, prints), fingerprints.SCHEMA)
    for ending in (".rejected.csv", ".label_leakage.csv"):
        gather_lines([beside(path, ending) for path in shards], beside(output, ending))
    counts = add_counts([read_json(path) for path in shards])
    if not counts["kept"]:
        raise InputError(f"none of {counts['in']} records of {counts['source']} became a sample; see {output.parent}")
    write_json(output, counts)
    log(
        "gather_samples", f"{counts['source']}: {counts['in']} in, {counts['kept']} kept, {counts['rejected']} rejected"
    )


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shards", type=Path, nargs="+", required=True, help="counts of the shards, in their order")
    parser.add_argument("--order", type=Path, required=True, help="ids of the source, as shard_source writes them")
    parser.add_argument("--output", type=Path, required=True, help="counts of the source")
    return parser


if __name__ == "__main__":
    run_command(main, build_parser())
