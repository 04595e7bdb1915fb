r"""Put a system's captions together that several jobs have written, in the samples' order.

Input: the caption files of all shards. Output: captions, one record a sample, as one job would have written them.

    python workflow/scripts/gather_captions.py --shards shards/1-of-2/blip.jsonl shards/2-of-2/blip.jsonl \
        --samples data/test.parquet --output captions/blip.jsonl
"""

from __future__ import annotations

import argparse
from pathlib import Path

from core.command import run_command
from core.records import check_ids, read_captions, read_samples, write_captions


def main(*, shards: list[Path], samples: Path, output: Path) -> None:
    """Write the captions of all shards. Raises InputError unless each sample has exactly one."""
    ids = [sample.id for sample in read_samples(samples)]
    places = {id_: place for place, id_ in enumerate(ids)}
    captions = [caption for shard in shards for caption in read_captions(shard)]
    captions.sort(key=lambda caption: places.get(caption.id, len(ids)))
    check_ids(", ".join(map(str, shards)), [caption.id for caption in captions], ids)
    write_captions(output, captions)


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Put a system's captions together that several jobs have written.")
    parser.add_argument("--shards", type=Path, nargs="+", required=True, help="the caption files of all shards")
    parser.add_argument("--samples", type=Path, required=True, help="data/test.parquet")
    parser.add_argument("--output", type=Path, required=True, help="captions/<system>.jsonl")
    return parser


if __name__ == "__main__":
    run_command(main, build_parser())
