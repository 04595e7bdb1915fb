r"""Say how large the models are that are not in the store yet, before anything is fetched.

Input: the sources of the missing models as JSON and the folder of the store. Output: a table on the terminal, one line
a model with its size, where it comes from and, for a gated one, whose licence has to be accepted; their sum, and the
free space. A model whose size can't be learnt (no network) is listed with the reason; fetching it will fail with it.

    python workflow/scripts/model_sizes.py --store results/models \
        --sources '[{"hub": "google/gemma-2-9b-it", "revision": "11c9b309abf73637e4b6f9a3fa1e92e615547819"}]'
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

from core.command import InputError, run_command
from models.hub import choose_files, hub_errors
from models.packages import files_of_package
from models.sources import Source, readable_size, source_name


@dataclass(frozen=True)
class ModelSize:
    """A model to be fetched: bytes (None: not known), and what a person has to know of it."""

    name: str
    size: int | None
    remark: str = ""


def size_of(source: Source) -> ModelSize:
    """How much there is to fetch of a model."""
    name = source_name(source)
    try:
        if "hub" in source:
            return size_on_hub(source)
        if "package" in source:
            return ModelSize(name, sum(file.stat().st_size for file in files_of_package(source)))
        return ModelSize(name, 0, "used where it lies")
    except InputError as error:
        return ModelSize(name, None, str(error))


def size_on_hub(source: Source) -> ModelSize:
    """The size that the hub states, and whether it asks for the acceptance of a licence."""
    from huggingface_hub import HfApi, constants

    with hub_errors(source):
        info = HfApi().model_info(source["hub"], revision=source["revision"], files_metadata=True, timeout=10)
    page = f"{constants.ENDPOINT}/{source['hub']}"
    size = sum(file.size or 0 for file in choose_files(info.siblings or [], source))
    remark = f"gated: accept its licence at {page}, log in with `hf auth login`" if info.gated else ""
    return ModelSize(source_name(source), size, remark)


def describe_sizes(sizes: list[ModelSize], free: int) -> str:
    """The table, with its sum and the free space of the store in bytes."""
    known = sum(model.size or 0 for model in sizes)
    unknown = sum(model.size is None for model in sizes)
    total = readable_size(known) + (f" and {unknown} of unknown size" if unknown else "")
    lines = [f"Models to be fetched: {len(sizes)}, {total}; {readable_size(free)} are free"]
    for model in sizes:
        size = "?" if model.size is None else readable_size(model.size)
        lines.append(f"  {size:>9}  {model.name}" + (f" ({model.remark})" if model.remark else ""))
    if known > free:
        lines.append("  There is not enough room: free some space, or name another folder as model_store")
    return "\n".join(lines) + "\n"


def main(*, sources: str, store: Path) -> None:
    """Print the table to stderr."""
    there = next(folder for folder in (store, *store.resolve().parents) if folder.is_dir())
    sizes = [size_of(source) for source in json.loads(sources)]
    sys.stderr.write(describe_sizes(sizes, shutil.disk_usage(there).free))


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Say how large the models are that are not in the store yet.")
    parser.add_argument("--sources", required=True, help="their sources as a JSON array (see fetch_model.py)")
    parser.add_argument("--store", type=Path, required=True, help="folder of the store")
    return parser


if __name__ == "__main__":
    run_command(main, build_parser())
