r"""Train a small CLIP on the train split, of frozen towers and two projections: a CLIP that needs no download.

Image tower: EfficientNet-lite0 (ImageNet); text tower: all-MiniLM-L6-v2. Their features are computed once; then two
linear projections are trained contrastively (LiT, Zhai et al. 2022, with both towers locked) in seconds.

Input: train samples and images, both towers; validation samples and images for the retrieval figures. Output: a folder
in open_clip's format, and training.json with the retrieval on the validation split. What it scores says how a caption
fits an image among drawings of this kind; it is not comparable with other CLIP models.

    python workflow/scripts/train_clip_heads.py --samples data/train.parquet --images images/train.parquet \
        --validation-samples data/validation.parquet --validation-images images/validation.parquet \
        --vision-weights efficientnet/model.safetensors --text-model minilm --seed 7 --output-dir clip
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import random
import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import numpy as np
import torch
from safetensors.torch import load_file, save_file

from core.command import InputError, log, run_command, write_whole
from core.json_settings import settings_from_json
from core.records import read_images, read_samples, write_json
from models.clip_model import CONFIG, WEIGHTS
from models.efficientnet import MEAN, SIDE, STD, VISION_MODEL, rename_efficientnet

TEXT_FILES = ("config.json", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "vocab.txt")


@dataclass(frozen=True)
class HeadSettings:
    """How the projections are trained."""

    dimension: int = 256
    epochs: int = 200
    learning_rate: float = 2e-3
    weight_decay: float = 0.2
    temperature: float = 0.07


def make_config(dimension: int) -> dict[str, Any]:
    """open_clip's configuration of the model. The loader puts in where the text tower's own configuration lies."""
    return {
        "name": "embedded EfficientNet-lite0 + MiniLM",
        "model_cfg": {
            "embed_dim": dimension,
            "vision_cfg": {
                "timm_model_name": VISION_MODEL,
                "timm_model_pretrained": False,
                "timm_pool": "",
                "timm_proj": "linear",
                "image_size": SIDE,
            },
            "text_cfg": {
                "hf_model_name": ".",
                "hf_tokenizer_name": ".",
                "hf_pooler_type": "mean_pooler",
                "hf_proj_type": "linear",
                "context_length": 77,
            },
        },
        "preprocess_cfg": {"mean": list(MEAN), "std": list(STD), "interpolation": "bicubic"},
    }


def build_model(folder: Path, vision_weights: Path, text_model: Path) -> Any:
    """open_clip's model of the folder's configuration with the frozen towers' weights in it."""
    import open_clip

    config = json.loads((folder / CONFIG).read_text())["model_cfg"]
    text = {**config["text_cfg"], "hf_model_name": str(folder), "hf_model_pretrained": False}
    model = open_clip.create_model(f"local-dir:{folder}", load_weights=False, text_cfg=text)
    trunk = model.visual.trunk
    trunk.load_state_dict(rename_efficientnet(load_file(vision_weights), trunk.state_dict()))
    tower = model.text.transformer
    wanted = tower.state_dict()
    state = {name.removeprefix("bert."): value for name, value in load_file(text_model / "model.safetensors").items()}
    tower.load_state_dict({name: value for name, value in state.items() if name in wanted})
    return model.eval().to(memory_format=torch.channels_last)  # convolutions take half the time on a CPU


@dataclass
class Pairs:
    """Images with their references, as the towers' features before the projections."""

    images: torch.Tensor  # n x image width
    texts: list[torch.Tensor]  # for each image its references' features, m x text width


@torch.no_grad()
def compute_pairs(model: Any, folder: Path, samples: Path, images: Path) -> Pairs:
    """Tower features of the samples that have an image."""
    import open_clip

    from models.clip_model import Clip

    transform = open_clip.image_transform(SIDE, is_train=False, mean=MEAN, std=STD)
    references = {sample.id: sample.references for sample in read_samples(samples)}
    rendered = [image for image in read_images(images) if image.png]
    if not rendered:
        raise InputError(f"{images} holds no rendered image; CLIP cannot be trained")
    tokenizer = open_clip.get_tokenizer(f"local-dir:{folder}")
    heads = model.visual.head, model.text.proj
    model.visual.head, model.text.proj = torch.nn.Identity(), torch.nn.Identity()
    bare = Clip(_Unnormalised(model), transform, tokenizer, "", "", "cpu", "fp32")
    pngs = [image.png for image in rendered if image.png]
    image_features = [bare.encode_images(pngs[start : start + 16]) for start in range(0, len(pngs), 16)]
    flat = [reference for image in rendered for reference in references[image.id]]
    text_features = torch.from_numpy(bare.encode_texts(flat))
    model.visual.head, model.text.proj = heads
    sizes = [len(references[image.id]) for image in rendered]
    return Pairs(torch.from_numpy(np.concatenate(image_features)), list(text_features.split(sizes)))


class _Unnormalised:
    """A CLIP model whose encoders give what the towers give."""

    def __init__(self, model: Any):
        self.model, self.text = model, model.text

    def encode_image(self, pictures: torch.Tensor, normalize: bool) -> torch.Tensor:
        return self.model.visual(pictures)

    def encode_text(self, tokens: torch.Tensor, normalize: bool) -> torch.Tensor:
        return self.model.text(tokens)


def train_heads(model: Any, pairs: Pairs, settings: HeadSettings, seed: int) -> float:
    """Train the two projections on all pairs at once; each epoch draws one reference an image. Returns the loss."""
    torch.manual_seed(seed)
    randomness = random.Random(seed)
    heads = [model.visual.head, model.text.proj]
    parameters = [parameter for head in heads for parameter in head.parameters()]
    optimizer = torch.optim.AdamW(parameters, lr=settings.learning_rate, weight_decay=settings.weight_decay)
    for _ in range(settings.epochs):
        texts = torch.stack([references[randomness.randrange(len(references))] for references in pairs.texts])
        logits = project(model, pairs.images, texts) / settings.temperature
        wanted = torch.arange(len(logits))
        loss = (
            torch.nn.functional.cross_entropy(logits, wanted) + torch.nn.functional.cross_entropy(logits.T, wanted)
        ) / 2
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return float(loss.detach())


def project(model: Any, images: torch.Tensor, texts: torch.Tensor) -> torch.Tensor:
    """Cosines of all images with all texts, n x m."""
    image_features = torch.nn.functional.normalize(model.visual.head(images), dim=-1)
    text_features = torch.nn.functional.normalize(model.text.proj(texts), dim=-1)
    return image_features @ text_features.T


@torch.inference_mode()
def measure_retrieval(model: Any, pairs: Pairs) -> dict[str, float | int]:
    """How often an image's own first reference is the nearest, or among the five nearest, of all first references."""
    cosines = project(model, pairs.images, torch.stack([references[0] for references in pairs.texts]))
    own = cosines.diagonal().unsqueeze(1)
    ranks = (cosines > own).sum(1)
    return {
        "n": len(ranks),
        "top_1": float((ranks < 1).float().mean()),
        "top_5": float((ranks < 5).float().mean()),
        "chance_top_1": 1 / len(ranks),
    }


def copy_text_files(text_model: Path, folder: Path, names: Sequence[str]) -> None:
    for name in names:
        if (text_model / name).is_file():
            shutil.copyfile(text_model / name, folder / name)


def main(
    *,
    samples: Path,
    images: Path,
    validation_samples: Path,
    validation_images: Path,
    vision_weights: Path,
    text_model: Path,
    settings: str,
    seed: int,
    output_dir: Path,
) -> None:
    """Write the CLIP folder and its training record."""
    from transformers import logging as transformers_logging

    transformers_logging.set_verbosity_error()
    logging.getLogger().setLevel(logging.ERROR)  # open_clip warns that there are no weights yet
    start = time.monotonic()
    head_settings = settings_from_json(HeadSettings, settings, "clip.train.settings")
    output_dir.mkdir(parents=True, exist_ok=True)
    copy_text_files(text_model, output_dir, TEXT_FILES)
    write_json(output_dir / CONFIG, make_config(head_settings.dimension))
    torch.manual_seed(seed)
    model = build_model(output_dir, vision_weights, text_model)
    pairs = compute_pairs(model, output_dir, samples, images)
    held_out = compute_pairs(model, output_dir, validation_samples, validation_images)
    loss = train_heads(model, pairs, head_settings, seed)
    retrieval = measure_retrieval(model, held_out)
    with write_whole(output_dir / WEIGHTS) as partial:
        state = {name: value.clone().contiguous() for name, value in model.state_dict().items()}
        save_file(state, partial, metadata={"format": "pt"})
    record = {
        "train_pairs": len(pairs.texts),
        "train_loss": loss,
        "validation_retrieval": retrieval,
        "seed": seed,
        "seconds": round(time.monotonic() - start, 1),
    }
    write_json(output_dir / "training.json", record)
    log(
        "train_clip_heads",
        f"{len(pairs.texts)} pairs, loss {loss:.3f}; on {retrieval['n']} held-out drawings top-1 "
        f"{retrieval['top_1']:.2f}, top-5 {retrieval['top_5']:.2f} (chance {retrieval['chance_top_1']:.2f})",
    )


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Train a small CLIP's projections on the train split.")
    parser.add_argument("--samples", type=Path, required=True, help="data/train.parquet")
    parser.add_argument("--images", type=Path, required=True, help="images/train.parquet")
    parser.add_argument("--validation-samples", type=Path, required=True, help="data/validation.parquet")
    parser.add_argument("--validation-images", type=Path, required=True, help="images/validation.parquet")
    parser.add_argument("--vision-weights", type=Path, required=True, help="EfficientNet-lite0 as safetensors")
    parser.add_argument("--text-model", type=Path, required=True, help="folder of all-MiniLM-L6-v2")
    parser.add_argument("--settings", default="{}", help="JSON: dimension, epochs, learning_rate, …")
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--output-dir", type=Path, required=True, help="clip/")
    return parser


if __name__ == "__main__":
    run_command(main, build_parser())
