r"""Put a system's captions together that several jobs have written, in the samples' order.

Input: the caption files of all shards. Output: captions, one record a sample, as one job would have written them.

    python workflow/scripts/gather_captions.py --shards shards/1-of-2/blip.jsonl shards/2-of-2/blip.jsonl \
        --samples data/test.parquet --output captions/blip.jsonl
"""

from __future__ import annotations

import argparse
from pathlib import Path

from core.command import InputError, run_command
from core.records import read_captions, read_samples, write_captions


def main(*, shards: list[Path], samples: Path, output: Path) -> None:
    """Write the captions of all shards. Raises InputError unless each sample has exactly one."""
    captions = [caption for shard in shards for caption in read_captions(shard)]
    by_id = {caption.id: caption for caption in captions}
    ids = [sample.id for sample in read_samples(samples)]
    if len(captions) != len(ids) or by_id.keys() != set(ids):
        wrong = sorted(by_id.keys() ^ set(ids))
        raise InputError(
            f"{', '.join(map(str, shards))}: {len(captions)} captions for {len(ids)} samples of {samples}"
            + (f", such as {wrong[0]!r}" if wrong else "")
            + "; caption them again: remove the folder of these files and rerun"
        )
    write_captions(output, [by_id[id_] for id_ in ids])


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Put a system's captions together that several jobs have written.")
    parser.add_argument("--shards", type=Path, nargs="+", required=True, help="the caption files of all shards")
    parser.add_argument("--samples", type=Path, required=True, help="data/test.parquet")
    parser.add_argument("--output", type=Path, required=True, help="captions/<system>.jsonl")
    return parser


if __name__ == "__main__":
    run_command(main, build_parser())
