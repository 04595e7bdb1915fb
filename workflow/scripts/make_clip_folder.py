r"""Make a CLIP folder of a bare weights file and the name of one of open_clip's architectures.

Input: weights as safetensors. Output: a folder in open_clip's format, to be named under `clip.source.path`.

    python workflow/scripts/make_clip_folder.py --architecture ViT-B-32-quickgelu --weights ViT-B-32.safetensors \
        --output-dir models/vit-b-32

OpenAI's weights need an architecture with quickgelu in its name: plain ViT-B-32 loads them and scores wrong.
"""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

from core.command import InputError, run_command
from core.records import write_json
from models.clip_model import CONFIG, WEIGHTS


def main(*, architecture: str, weights: Path, output_dir: Path) -> None:
    """Write the folder. Raises InputError for an unknown architecture and for weights of another format."""
    import open_clip

    config = open_clip.get_model_config(architecture)
    if config is None:
        known = [name for name in open_clip.list_models() if name.startswith(architecture[:5])]
        raise InputError(f"open_clip knows no architecture {architecture!r}; near it: {', '.join(known) or 'none'}")
    if weights.suffix != ".safetensors":
        raise InputError(f"{weights} is not safetensors; convert it first")
    output_dir.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(weights, output_dir / WEIGHTS)
    write_json(output_dir / CONFIG, {"name": architecture, "model_cfg": config, "preprocess_cfg": {}})


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Make a CLIP folder of a bare weights file.")
    parser.add_argument("--architecture", required=True, help="one of open_clip's, e.g. ViT-B-32-quickgelu")
    parser.add_argument("--weights", type=Path, required=True, help="safetensors file")
    parser.add_argument("--output-dir", type=Path, required=True, help="folder to make")
    return parser


if __name__ == "__main__":
    run_command(main, build_parser())
