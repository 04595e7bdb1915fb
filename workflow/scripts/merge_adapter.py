"""Merge a LoRA adapter into its base: a model of its own that loads without peft.

Input: the base model folder and the adapter's folder (train_lora.py). Output in --output-dir: the merged model as
safetensors with configuration, tokenizer and model card, and last merged.json (digests of what went in and came out).

    python workflow/scripts/merge_adapter.py --base DIR --adapter adapters/m --output-dir adapters/m/merged

The adapter goes into the unquantised base also where it was trained on a 4-bit one: 4-bit weights are coarser than what
the adapter adds.
"""

from __future__ import annotations

import argparse
import os
import shutil
from pathlib import Path
from typing import Any

from core import quiet_libraries  # noqa: F401  (before the libraries, which speak while they are imported)

os.environ.setdefault("HF_HUB_OFFLINE", "1")

from peft import PeftModel

from core.command import log, run_command
from core.records import write_json
from models.files import check_adapter, check_model_folder, describe_files, file_digest, model_digest, weights_digest
from models.language_models import choose_attention, load_language_model, load_tokenizer, read_config
from models.lora_targets import check_merge


def main(*, base: Path, adapter: Path, output_dir: Path) -> None:
    """Write the merged model. Raises InputError for an adapter of another base, or one that can't be merged."""
    check_model_folder(base)
    check_adapter(adapter, base)
    merged = merge(base, adapter)
    building = output_dir.with_name(output_dir.name + ".partial")
    shutil.rmtree(building, ignore_errors=True)
    merged.save_pretrained(building)
    load_tokenizer(base).save_pretrained(building)
    shutil.copyfile(adapter / "README.md", building / "README.md")
    files = describe_files(building, [path.name for path in building.iterdir()])
    record = {"base": model_digest(base), "adapter": file_digest(adapter / "adapter_model.safetensors")}
    write_json(building / "merged.json", {**record, "digest": weights_digest(files)})
    shutil.rmtree(output_dir, ignore_errors=True)
    building.rename(output_dir)
    log("merge_adapter", f"{output_dir}: {sum(file['size'] for file in files) / 1e9:.2g} GB")


def merge(base: Path, adapter: Path) -> Any:
    """The base, in its own number format, with the adapter's matrices in its weights."""
    config = read_config(base)
    model = load_language_model(base, config, "auto", choose_attention(config))
    adapted = PeftModel.from_pretrained(model, adapter, local_files_only=True)
    check_merge(adapted)
    return adapted.merge_and_unload()


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Merge a LoRA adapter into its base.")
    parser.add_argument("--base", type=Path, required=True, help="folder of the base model, not quantised")
    parser.add_argument("--adapter", type=Path, required=True, help="folder of the adapter")
    parser.add_argument("--output-dir", type=Path, required=True, help="folder for the merged model")
    return parser


if __name__ == "__main__":
    run_command(main, build_parser())
