r"""Build a vision-language model of a vision tower and a language model, before any training of the latter.

Input: EfficientNet-lite0 (ImageNet), a causal language model with a chat template, pictures and captions of the train
split. Output: a model folder with its processor, and manifest.json, written last.

The language model is not touched and not run. Between it and the tower stands a projector of two layers. The first is
taught which words of the captions each of the 7 x 7 places of a picture shows; the tower's last stages learn with it.
Nobody says where a word belongs: a picture shows it if any place does (multiple-instance learning, Maron and
Lozano-Pérez 1998). The second layer has the language model's own embeddings of these words. So the language model gets,
for each place, the sum of the embeddings of what is there, and a short LoRA training is enough to make sentences of it.

    python workflow/scripts/build_vlm.py --samples data/train.parquet --images images/train.parquet \
        --validation-samples data/validation.parquet --validation-images images/validation.parquet \
        --vision models/efficientnet --language models/smollm2 --seed 7 --output-dir base --manifest base/manifest.json
"""

from __future__ import annotations

import argparse
import math
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from core import quiet_libraries  # noqa: F401  (before the libraries, which speak while they are imported)
from core.command import InputError, log, run_command
from core.json_settings import settings_from_json
from core.records import read_images, read_samples, write_json
from models.assembly import assemble
from models.efficientnet import early_stages, late_stages, load_efficientnet
from models.manifest import describe_model, share_files
from models.pictures import read_picture

RARE, COMMON = 0.01, 0.95  # shares of pictures between which a token says something of a picture
BATCH = 16  # pictures


@dataclass(frozen=True)
class BuildSettings:
    """How projector and tower are taught."""

    epochs: int = 6
    learning_rate: float = 2e-3
    tower_learning_rate: float = 3e-4
    max_pictures: int = 4000


@dataclass
class Pictures:
    """What the early stages make of pictures (n x channels x 14 x 14), and the tokens of each one's captions."""

    maps: torch.Tensor
    tokens: list[set[int]]

    def labels(self, words: Sequence[int]) -> torch.Tensor:
        """n x words: 1 where a caption of the picture has the token."""
        return torch.tensor([[float(word in tokens) for word in words] for tokens in self.tokens])


def read_pictures(
    samples: Path, images: Path, stages: torch.nn.Module, processor: Any, limit: int, seed: int
) -> Pictures:
    """The samples that have a picture; of more than `limit` those that are drawn. Raises InputError for none."""
    captions = {sample.id: sample.references for sample in read_samples(samples)}
    rendered = [image for image in read_images(images) if not image.fault and image.id in captions]
    if not rendered:
        raise InputError(f"{images} holds no picture of a sample; a vision-language model can't be built of it")
    order = torch.randperm(len(rendered), generator=torch.Generator().manual_seed(seed))[:limit].sort().values
    chosen = [rendered[place] for place in order]
    maps = []
    for start in range(0, len(chosen), BATCH):
        shown = [read_picture(image.png) for image in chosen[start : start + BATCH]]
        with torch.no_grad():
            maps.append(stages(processor.image_processor(shown, return_tensors="pt")["pixel_values"]))
    tokenizer = processor.tokenizer
    # Words as they stand within a sentence: with a space before them.
    texts = [[f" {caption}" for caption in captions[image.id]] for image in chosen]
    tokens = [
        {token for ids in tokenizer(one, add_special_tokens=False)["input_ids"] for token in ids} for one in texts
    ]
    return Pictures(torch.cat(maps), tokens)


def choose_words(pictures: Pictures, tokenizer: Any, most: int) -> list[int]:
    """The tokens with letters that tell pictures apart, the most frequent first; `most` at most.

    Raises InputError for none.
    """
    counts, n_pictures = Counter(token for one in pictures.tokens for token in one), len(pictures.tokens)
    telling = [token for token, n in counts.most_common() if RARE * n_pictures <= n <= COMMON * n_pictures]
    words = [token for token in telling if any(letter.isalpha() for letter in tokenizer.decode([token]))]
    if not words:
        raise InputError("no word of the captions tells pictures of the train split apart; give more samples")
    return words[:most]


class WordFinder(torch.nn.Module):
    """The tower's last stages and the projector's first layer: which words each place of a picture shows."""

    def __init__(self, stages: torch.nn.Module, layer: torch.nn.Linear, n_words: int):
        super().__init__()
        self.stages, self.layer, self.n_words = stages, layer, n_words

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        """Logits of words at places (n x places x words)."""
        places = self.stages(maps).flatten(2).transpose(1, 2)
        return self.layer(places)[:, :, : self.n_words]


def teach_words(finder: WordFinder, train: Pictures, words: Sequence[int], settings: BuildSettings, seed: int) -> float:
    """Train the finder; batch norms keep their statistics. Returns the loss of the last epoch."""
    torch.manual_seed(seed)
    groups = [
        {"params": finder.layer.parameters(), "lr": settings.learning_rate},
        {"params": finder.stages.parameters(), "lr": settings.tower_learning_rate},
    ]
    optimizer = torch.optim.AdamW(groups, weight_decay=0.01)
    labels, losses = train.labels(words), [0.0]
    n_steps = settings.epochs * -(-len(labels) // BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, [group["lr"] for group in optimizer.param_groups], total_steps=n_steps
    )
    for epoch in range(settings.epochs):
        losses = []
        for rows in torch.randperm(len(labels)).split(BATCH):
            shown = over_places(finder(train.maps[rows]))
            loss = torch.nn.functional.binary_cross_entropy_with_logits(shown, labels[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            losses.append(loss.item())
        log("build_vlm", f"epoch {epoch + 1} of {settings.epochs}, loss {sum(losses) / len(losses):.3f}")
    return sum(losses) / len(losses)


def over_places(logits: torch.Tensor) -> torch.Tensor:
    """Logits of words in pictures (n x words) from those at places (n x places x words): a smooth maximum.

    It is above 0 only where that of a place is: a word that no place shows alone is not found in all of them together.
    """
    return logits.logsumexp(1) - math.log(logits.shape[1])


@torch.no_grad()
def measure_words(finder: WordFinder, pictures: Pictures, words: Sequence[int]) -> dict[str, float | int]:
    """Precision and recall of the words found in pictures that the finder was not taught."""
    found = torch.cat([over_places(finder(maps)) for maps in pictures.maps.split(BATCH)]) > 0
    stated = pictures.labels(words) > 0
    right = int((found & stated).sum())
    return {
        "n": len(stated),
        "precision": right / max(1, int(found.sum())),
        "recall": right / max(1, int(stated.sum())),
    }


@torch.no_grad()
def write_words(projector: Any, embeddings: torch.Tensor, words: Sequence[int]) -> None:
    """Give the projector's second layer the embeddings (vocabulary x width) of the words that its first layer finds."""
    projector.linear_2.weight.zero_()
    projector.linear_2.bias.zero_()
    projector.linear_2.weight[:, : len(words)] = embeddings[list(words)].T


def silence(layer: torch.nn.Linear, n_words: int) -> None:
    """Start the first layer with no word anywhere, and without the units that find none."""
    with torch.no_grad():
        layer.bias.fill_(-4.0)
        layer.weight[n_words:], layer.bias[n_words:] = 0.0, 0.0


def main(
    *,
    samples: Path,
    images: Path,
    validation_samples: Path,
    validation_images: Path,
    vision: Path,
    language: Path,
    settings: str,
    seed: int,
    output_dir: Path,
    manifest: Path,
) -> None:
    """Write the model folder and, last, its manifest."""
    start = time.monotonic()
    chosen = settings_from_json(BuildSettings, settings, "bases.<name>.build.settings")
    torch.manual_seed(seed)
    model, processor = assemble(load_efficientnet(vision / "model.safetensors"), language)
    tower, projector = model.model.vision_tower.timm_model, model.model.multi_modal_projector
    early = early_stages(tower)
    train, held_out = (
        read_pictures(*files, early, processor, chosen.max_pictures, seed)
        for files in ((samples, images), (validation_samples, validation_images))
    )
    words = choose_words(train, processor.tokenizer, projector.linear_1.out_features)
    silence(projector.linear_1, len(words))
    finder = WordFinder(late_stages(tower), projector.linear_1, len(words))
    loss = teach_words(finder, train, words, chosen, seed)
    measured = measure_words(finder, held_out, words)
    embeddings: Any = model.get_input_embeddings()
    write_words(projector, embeddings.weight, words)
    output_dir.mkdir(parents=True, exist_ok=True)
    model.save_pretrained(output_dir)
    processor.save_pretrained(output_dir)
    record = {
        "words": [processor.tokenizer.decode([word]) for word in words],
        "pictures": len(train.tokens),
        "loss": loss,
        "validation": measured,
        "seed": seed,
        "seconds": round(time.monotonic() - start, 1),
    }
    write_json(output_dir / "building.json", record)
    share_files(output_dir)
    parts = {"vision": vision, "language": language}
    write_json(manifest, describe_model({"build": {part: folder.name for part, folder in parts.items()}}, output_dir))
    log(
        "build_vlm",
        f"{output_dir.name}: {len(words)} words in {len(train.tokens)} pictures, loss {loss:.3f}; on {measured['n']} "
        f"held-out pictures precision {measured['precision']:.2f}, recall {measured['recall']:.2f}",
    )


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Build a vision-language model of a tower and a language model.")
    parser.add_argument("--samples", type=Path, required=True, help="data/train.parquet")
    parser.add_argument("--images", type=Path, required=True, help="images/train.parquet")
    parser.add_argument("--validation-samples", type=Path, required=True, help="data/validation.parquet")
    parser.add_argument("--validation-images", type=Path, required=True, help="images/validation.parquet")
    parser.add_argument("--vision", type=Path, required=True, help="folder of EfficientNet-lite0 as safetensors")
    parser.add_argument("--language", type=Path, required=True, help="folder of a causal language model")
    parser.add_argument("--settings", default="{}", help="JSON: epochs, learning_rate, …")
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--output-dir", type=Path, required=True, help="folder for the model's files")
    parser.add_argument("--manifest", type=Path, required=True, help="manifest.json, written last")
    return parser


if __name__ == "__main__":
    run_command(main, build_parser())
