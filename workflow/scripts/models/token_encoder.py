"""The encoder of BERTScore from a local folder: F1 of pairs of texts, computed by the authors' package `bert_score`.

The package knows a layer and baselines of many models of the hub, by their names. Its table is read without importing
the package, which takes seconds. A folder is loaded here and not by the package: safetensors only, no network, no code
from the folder.
"""

from __future__ import annotations

import ast
import csv
import importlib.util
import os
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from core import quiet_libraries  # noqa: F401  (before the libraries, which speak while they are imported)

os.environ.setdefault("HF_HUB_OFFLINE", "1")

from core.command import InputError
from models.files import check_model_folder

# Where the hub moved models that the package knows by their name alone.
MOVED_TO = ("FacebookAI", "google-bert", "distilbert", "albert", "xlnet", "google-t5", "openai-community")
BATCH_SIZE = 64  # pairs, as in the package
MAX_TOKENS = 512  # where neither tokenizer nor model states a limit
LONGEST = 1_000_000  # a limit above is that of a tokenizer without one


def package_folder() -> Path:
    """Where the package lies."""
    found = importlib.util.find_spec("bert_score")
    if found is None or not found.submodule_search_locations:
        raise InputError("the Python package bert-score is not installed: pip install bert-score==0.3.13")
    return Path(found.submodule_search_locations[0])


@cache
def package_layers() -> dict[str, int]:
    """The layer of each model that the package's authors chose, by the correlation with people's judgements."""
    tree = ast.parse((package_folder() / "utils.py").read_text(encoding="utf-8"))
    for node in tree.body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "model2layers":
            return ast.literal_eval(node.value)
    raise InputError(f"{package_folder() / 'utils.py'} has no table of layers; install bert-score==0.3.13")


def package_name(model: str) -> str | None:
    """The name by which the package knows a model of the hub; None where it does not."""
    owner, _, name = model.rpartition("/")
    candidates = [model, *([name] if owner in MOVED_TO else [])]
    return next((one for one in candidates if one in package_layers()), None)


def find_baseline(model: str, language: str) -> Path | None:
    """The package's baselines of a model, a table of layers; None where it has none."""
    path = package_folder() / "rescale_baseline" / language / f"{model}.tsv"
    return path if path.is_file() else None


def read_baseline(path: Path, layer: int) -> float:
    """The F1 that texts of unrelated meaning have in a layer. Raises InputError where the table lacks it."""
    with open(path, encoding="utf-8", newline="") as file:
        rows = {int(row["LAYER"]): float(row["F"]) for row in csv.DictReader(file)}
    if layer not in rows:
        raise InputError(f"{path} has no baseline of layer {layer}; give one of {min(rows)} to {max(rows)}")
    return rows[layer]


@dataclass(frozen=True)
class TokenEncoder:
    """The first layers of a model with its tokenizer. Longer texts than `max_tokens` are truncated, the end kept."""

    model: Any
    tokenizer: Any
    max_tokens: int
    device: str

    def is_truncated(self, text: str) -> bool:
        return len(self.tokenizer(text.strip(), truncation=False, verbose=False)["input_ids"]) > self.max_tokens

    def f1(
        self, captions: Sequence[str], references: Sequence[str], idf_texts: Sequence[str] | None = None
    ) -> np.ndarray:
        """F1 of pairs of texts with visible characters, not rescaled, (n pairs,).

        `idf_texts` are those by whose rarity tokens are weighed; None weighs all alike but the special ones.
        """
        from bert_score.utils import bert_cos_score_idf, get_idf_dict

        if idf_texts is None:
            weights: Any = defaultdict(lambda: 1.0)
            weights |= {self.tokenizer.sep_token_id: 0, self.tokenizer.cls_token_id: 0}
        else:
            weights = get_idf_dict(list(idf_texts), self.tokenizer, nthreads=0)
        scores = np.zeros(len(captions))
        # The package keeps the states of all texts of a call; a batch a call keeps few, whose composition is the same
        # in every run. Similar lengths come together, and the references of one caption.
        order = sorted(range(len(captions)), key=lambda place: (len(captions[place]), captions[place]))
        for start in range(0, len(order), BATCH_SIZE):
            places = order[start : start + BATCH_SIZE]
            values = bert_cos_score_idf(
                self.model,
                [references[place] for place in places],
                [captions[place] for place in places],
                self.tokenizer,
                weights,
                batch_size=2 * BATCH_SIZE,
                device=self.device,
            )
            scores[places] = values[:, 2].double().numpy()
        return scores


@lru_cache(maxsize=1)  # the signature is written after the scores
def load_token_encoder(folder: Path, layer: int) -> TokenEncoder:
    """Load the layers up to `layer`. Raises InputError where a folder holds no encoder, or has not so many layers."""
    import torch
    from transformers import AutoConfig, AutoModel, AutoTokenizer, GPT2Tokenizer, RobertaTokenizer

    check_model_folder(folder)
    local: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}
    config = AutoConfig.from_pretrained(folder, **local)
    n_layers = config.num_hidden_layers
    if not 1 <= layer <= n_layers:
        raise InputError(f"{folder} has {n_layers} layers, and layer {layer} is asked for; give one of 1 to {n_layers}")
    config.num_hidden_layers = layer
    tokenizer = AutoTokenizer.from_pretrained(folder, **local)
    if isinstance(tokenizer, GPT2Tokenizer | RobertaTokenizer):
        # The package asks for it with each text, which tokenizers of transformers 5 pass over; its baselines have it.
        tokenizer = AutoTokenizer.from_pretrained(folder, add_prefix_space=True, **local)
    if tokenizer.model_max_length > LONGEST:
        tokenizer.model_max_length = min(MAX_TOKENS, getattr(config, "max_position_embeddings", MAX_TOKENS))
    device = "cuda" if torch.cuda.is_available() else "cpu"
    model = AutoModel.from_pretrained(folder, config=config, use_safetensors=True, **local)
    encoder = model.encoder if hasattr(model, "encoder") and hasattr(model, "decoder") else model
    return TokenEncoder(encoder.to(device).eval(), tokenizer, tokenizer.model_max_length, device)
