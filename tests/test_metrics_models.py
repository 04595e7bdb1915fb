"""Metrics that read meaning by a text encoder, on a tiny one: equal to a computation of one pair after the other."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from metric_fixtures import split_words
from transformers import BertConfig, BertModel, BertTokenizerFast

from core.command import InputError
from scoring.metrics import load_metric

WORDS = ["a", "the", "red", "blue", "circle", "square", "star", "left", "of", "and", "big"]
PAIRS = [
    ("a red circle", ["the red circle", "a big star and a square left of the star"]),
    ("the star left of a blue square", ["a blue square and a star"]),
    ("", ["a red star"]),
    ("circle circle unknown", ["a circle"]),
    (" ".join(["red"] * 40), ["a red star"]),
]


@pytest.fixture(scope="module")
def encoder(tmp_path_factory):
    """A tiny random BERT that reads 32 tokens."""
    folder = tmp_path_factory.mktemp("encoder")
    (folder / "vocab.txt").write_text("\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS]))
    tokenizer = BertTokenizerFast(vocab=str(folder / "vocab.txt"), model_max_length=32)
    tokenizer.save_pretrained(folder)
    torch.manual_seed(0)
    sizes = {"hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 4, "intermediate_size": 64}
    config = BertConfig(vocab_size=len(WORDS) + 5, max_position_embeddings=64, **sizes)
    BertModel(config).save_pretrained(folder)
    return folder


def states_of(encoder, text: str, layer: int) -> torch.Tensor:
    """The states of one text's tokens, unit vectors; [CLS] first and [SEP] last."""
    tokenizer = BertTokenizerFast.from_pretrained(encoder)
    model = BertModel.from_pretrained(encoder).eval()
    with torch.no_grad():
        batch = tokenizer(text, truncation=True, max_length=32, return_tensors="pt")
        return model(**batch, output_hidden_states=True).hidden_states[layer][0]


def score(name: str, encoder, **settings):
    return load_metric(name).score_samples(dataclasses.replace(split_words(PAIRS), model=encoder, settings=settings))


@pytest.mark.parametrize("layer", [2, None])
def test_bert_score_is_that_of_one_pair_after_the_other(encoder, layer):
    columns = score("bert_score", encoder, **({"layer": layer} if layer else {}))
    for row, (caption, references) in enumerate(PAIRS):
        expected = []
        for reference in references if caption else []:
            ours, theirs = (
                torch.nn.functional.normalize(states_of(encoder, text, layer or 3), dim=-1)
                for text in (caption, reference)
            )
            cosines = ours @ theirs.T
            precision, recall = cosines.max(1).values[1:-1].mean(), cosines.max(0).values[1:-1].mean()
            expected.append(float(2 * precision * recall / (precision + recall)))
        assert columns["bert_score"][row] == pytest.approx(max(expected, default=0.0), abs=1e-5)
    assert columns["truncated"].tolist() == [0, 0, 0, 0, 1]


def test_sentence_similarity_is_the_cosine_of_mean_states(encoder):
    columns = score("sentence_similarity", encoder)
    for row, (caption, references) in enumerate(PAIRS):
        if caption:
            means = [states_of(encoder, text, 3).mean(0) for text in (caption, *references)]
            expected = max(float(torch.cosine_similarity(means[0], other, dim=0)) for other in means[1:])
            assert columns["sentence_similarity"][row] == pytest.approx(expected, abs=1e-5)
    assert columns["sentence_similarity"][2] == 0.0  # the failed caption
    assert columns["stat_sentence_similarity_n"].sum() == len(PAIRS)
    assert columns["truncated"].tolist() == [0, 0, 0, 0, 1]


def test_a_caption_equal_to_its_reference_scores_one(encoder):
    texts = dataclasses.replace(split_words([("a red circle", ["a star", "a red circle"])]), model=encoder)
    for name in ("bert_score", "sentence_similarity"):
        assert load_metric(name).score_samples(texts)[name] == pytest.approx([1.0], abs=1e-6)


@pytest.mark.parametrize("name", ["bert_score", "sentence_similarity"])
def test_no_samples_give_no_value_and_no_model_a_clear_error(encoder, name):
    metric = load_metric(name)
    columns = metric.score_samples(dataclasses.replace(split_words([]), model=encoder))
    assert np.isnan(metric.corpus({key: column.sum() for key, column in columns.items()})[name])
    with pytest.raises(InputError, match=r"needs a model: name its folder by --model"):
        metric.score_samples(split_words(PAIRS))


def test_a_layer_that_is_not_there_is_named(encoder):
    with pytest.raises(InputError, match="has 3 layers, and layer 17 is asked for; give one of 1 to 3"):
        score("bert_score", encoder, layer=17)


def test_a_folder_without_safetensors_is_refused(tmp_path):
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "pytorch_model.bin").write_bytes(b"pickle")
    with pytest.raises(InputError, match="has no safetensors weights"):
        score("bert_score", tmp_path)
