"""Tiny encoders with random weights in local folders: a BERT, a RoBERTa, and the files of sentence-transformers."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import torch
from transformers import BertConfig, BertModel, BertTokenizerFast, RobertaConfig, RobertaModel, RobertaTokenizer

WORDS = ["a", "the", "red", "blue", "circle", "square", "star", "left", "of", "and", "big"]
SIZES = {"hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 4, "intermediate_size": 64}
MOST_TOKENS = 32


def build_bert(folder: Path) -> Path:
    """A BERT of three layers whose tokenizer knows WORDS in lower case and reads 32 tokens."""
    folder.mkdir(parents=True)
    (folder / "vocab.txt").write_text("\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS]))
    tokenizer = BertTokenizerFast(vocab=str(folder / "vocab.txt"), model_max_length=MOST_TOKENS)
    tokenizer.save_pretrained(folder)
    torch.manual_seed(0)
    BertModel(BertConfig(vocab_size=len(WORDS) + 5, max_position_embeddings=64, **SIZES)).save_pretrained(folder)
    return folder


def build_roberta(folder: Path, n_layers: int = 3, most_tokens: int = MOST_TOKENS) -> Path:
    """A RoBERTa whose tokens are letters, and words of WORDS that a space comes before."""
    words = [f"Ġ{word}" for word in WORDS]
    letters = sorted({letter for word in WORDS for letter in word} | {"Ġ"})
    tokens = ["<s>", "<pad>", "</s>", "<unk>", "<mask>", *letters]
    merges: list[tuple[str, str]] = []
    for word in words:
        for end in range(2, len(word) + 1):
            if word[:end] not in tokens:
                tokens.append(word[:end])
                merges.append((word[: end - 1], word[end - 1]))
    vocabulary = {token: place for place, token in enumerate(tokens)}
    RobertaTokenizer(vocab=vocabulary, merges=merges, model_max_length=most_tokens).save_pretrained(folder)
    torch.manual_seed(1)
    special = {"pad_token_id": 1, "bos_token_id": 0, "eos_token_id": 2}
    sizes = {**SIZES, "num_hidden_layers": n_layers, "max_position_embeddings": most_tokens + 2}
    config = RobertaConfig(vocab_size=len(tokens), **special, **sizes)
    RobertaModel(config).save_pretrained(folder)
    return folder


def build_sentence_model(
    encoder: Path, folder: Path, pooling: dict[str, Any], *, normalise: bool = True, **settings: Any
) -> Path:
    """The files that sentence-transformers writes beside an encoder, as its older versions write them."""
    shutil.copytree(encoder, folder)
    kinds = ["Transformer", "Pooling", *(["Normalize"] if normalise else [])]
    modules = [
        {
            "idx": place,
            "name": str(place),
            "path": f"{place}_{kind}" if place else "",
            "type": f"sentence_transformers.models.{kind}",
        }
        for place, kind in enumerate(kinds)
    ]
    write_json(folder / "modules.json", modules)
    write_json(folder / "sentence_bert_config.json", settings)
    write_json(folder / "1_Pooling" / "config.json", {"word_embedding_dimension": SIZES["hidden_size"], **pooling})
    return folder


def write_json(path: Path, content: Any) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(content))
