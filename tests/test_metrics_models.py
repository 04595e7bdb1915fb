"""Metrics that read meaning by a text encoder, on tiny ones: equal to the packages that define them."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import bert_score
import numpy as np
import pytest
import torch
from encoder_folders import build_bert, build_roberta
from metric_fixtures import split_words
from transformers import BertModel, BertTokenizerFast, RobertaModel, RobertaTokenizer

from core.command import InputError
from models.token_encoder import package_layers, package_name
from scoring.metrics import load_metric
from scoring.scores import collect_scores, write_scores
from scoring.texts import sign

PAIRS = [
    ("a red circle", ["the red circle", "a big star and a square left of the star"]),
    ("the star left of a blue square", ["a blue square and a star"]),
    ("", ["a red star"]),
    ("circle circle unknown", ["a circle"]),
    (" ".join(["red"] * 40), ["a red star", " ".join(["blue"] * 50)]),
]
ROBERTA_BASELINE = Path(bert_score.__file__).parent / "rescale_baseline" / "en" / "roberta-large.tsv"


@pytest.fixture(scope="module")
def encoder(tmp_path_factory):
    return build_bert(tmp_path_factory.mktemp("encoder") / "bert")


def texts_of(encoder, pairs=PAIRS, **settings):
    return dataclasses.replace(split_words(pairs), model=encoder, settings=settings)


def score(encoder, pairs=PAIRS, **settings):
    return load_metric("bert_score").score_samples(texts_of(encoder, pairs, **settings))


def score_by_package(encoder, pairs=PAIRS, **options) -> list[float]:
    """What `bert_score.score` gives the pairs whose caption is not empty."""
    written = [pair for pair in pairs if pair[0]]
    captions, references = zip(*written, strict=True)
    return bert_score.score(list(captions), list(references), model_type=str(encoder), **options)[2].tolist()


@pytest.mark.parametrize("layer", [2, 3])
def test_bert_score_is_that_of_its_package(encoder, layer):
    columns = score(encoder, layer=layer)
    assert np.delete(columns["bert_score"], 2) == pytest.approx(score_by_package(encoder, num_layers=layer), abs=1e-5)
    assert columns["bert_score"][2] == 0.0
    assert columns["truncated"].tolist() == [0, 0, 0, 0, 1]
    assert columns["truncated_references"].tolist() == [0, 0, 0, 0, 1]


def test_weights_by_rarity_are_those_of_the_package(encoder):
    pairs = [pair for pair in PAIRS if pair[0]]  # the package counts the references that it is given
    columns = score(encoder, pairs, layer=2, idf=True)
    expected = score_by_package(encoder, pairs, num_layers=2, idf=True, nthreads=0)
    assert columns["bert_score"] == pytest.approx(expected, abs=1e-5)
    assert columns["bert_score"] != pytest.approx(score(encoder, pairs, layer=2)["bert_score"], abs=1e-3)


def test_rarity_is_that_in_all_references_also_where_each_is_scored_against_the_others(encoder):
    texts = texts_of(encoder, [PAIRS[0]], layer=2, idf=True)
    alone = load_metric("bert_score").score_samples(texts)["bert_score"]
    others = dataclasses.replace(texts, all_references=[references for _, references in PAIRS])
    assert load_metric("bert_score").score_samples(others)["bert_score"] != pytest.approx(alone, abs=1e-4)


def test_rescaled_scores_are_those_of_the_package_and_a_failure_is_the_worst(encoder):
    settings = {"layer": 2, "known_as": "roberta-large", "rescale_with_baseline": True}
    rescaling = {"lang": "en", "rescale_with_baseline": True, "baseline_path": str(ROBERTA_BASELINE)}
    columns = score(encoder, **settings)
    expected = score_by_package(encoder, num_layers=2, **rescaling)
    assert np.delete(columns["bert_score"], 2) == pytest.approx(expected, abs=1e-5)
    baseline = float(ROBERTA_BASELINE.read_text().splitlines()[3].split(",")[3])
    assert columns["bert_score"][2] == pytest.approx(-baseline / (1 - baseline))
    assert score(encoder, **settings, failed_value=0)["bert_score"][2] == 0.0


def test_a_batch_of_many_pairs_is_that_of_the_package(encoder):
    pairs = [(f"a {'red ' * (n % 7)}circle", [f"the {'big ' * (n % 5)}star", "a square"]) for n in range(150)]
    assert score(encoder, pairs, layer=3)["bert_score"] == pytest.approx(
        score_by_package(encoder, pairs, num_layers=3), abs=1e-5
    )


def test_roberta_reads_the_first_word_as_any_other(tmp_path):
    """The package asks its tokenizers for that; tokenizers of transformers 5 need another way."""
    folder = build_roberta(tmp_path / "roberta")
    tokenizer, model = RobertaTokenizer.from_pretrained(folder), RobertaModel.from_pretrained(folder).eval()
    assert tokenizer.tokenize("red star") != tokenizer.tokenize(" red star")
    with torch.no_grad():
        states = [
            torch.nn.functional.normalize(
                model(**tokenizer(f" {text}", return_tensors="pt"), output_hidden_states=True).hidden_states[2][0],
                dim=-1,
            )
            for text in ("red star", "the big star")
        ]
    cosines = states[0] @ states[1].T
    precision, recall = cosines.max(1).values[1:-1].mean(), cosines.max(0).values[1:-1].mean()
    found = score(folder, [("red star", ["the big star"])], layer=2)["bert_score"]
    assert found == pytest.approx([float(2 * precision * recall / (precision + recall))], abs=1e-5)


def test_bert_score_is_that_of_one_pair_after_the_other(encoder):
    tokenizer, model = BertTokenizerFast.from_pretrained(encoder), BertModel.from_pretrained(encoder).eval()
    with torch.no_grad():
        ours, theirs = (
            torch.nn.functional.normalize(
                model(**tokenizer(text, return_tensors="pt"), output_hidden_states=True).hidden_states[2][0], dim=-1
            )
            for text in (PAIRS[1][0], PAIRS[1][1][0])
        )
    cosines = ours @ theirs.T
    precision, recall = cosines.max(1).values[1:-1].mean(), cosines.max(0).values[1:-1].mean()
    expected = float(2 * precision * recall / (precision + recall))
    assert score(encoder, layer=2)["bert_score"][1] == pytest.approx(expected, abs=1e-5)


def test_the_packages_table_gives_the_layer_of_a_model_of_the_hub(tmp_path):
    import bert_score.utils

    assert package_layers() == bert_score.utils.model2layers
    assert package_name("FacebookAI/roberta-large") == "roberta-large"
    assert package_name("microsoft/deberta-xlarge-mnli") == "microsoft/deberta-xlarge-mnli"
    assert package_name("somebody/roberta-large") is None
    folder = build_bert(tmp_path / "fetched")
    # bert_uncased_L-2_H-128_A-2 has layer 1 in the table.
    hub = "google/bert_uncased_L-2_H-128_A-2"
    (folder / "manifest.json").write_text(json.dumps({"source": {"hub": hub}, "digest": "0" * 64}))
    assert score(folder)["bert_score"] == pytest.approx(score(folder, layer=1)["bert_score"], abs=0)
    signature = sign(load_metric("bert_score"), texts_of(folder), "1")
    assert f"|model:{hub}|weights:000000000000|layer:1|max_tokens:32|idf:no|baseline:no|failed:worst|" in signature


def test_the_signature_names_layer_baseline_and_what_a_failure_gets(encoder):
    settings = {"layer": 2, "known_as": "roberta-large", "rescale_with_baseline": True, "idf": True, "failed_value": 0}
    signature = sign(load_metric("bert_score"), texts_of(encoder, **settings), "1-2")
    assert signature.startswith("bert_score|value:F1|references:best|text:as written|model:roberta-large|weights:")
    assert signature.endswith("|layer:2|max_tokens:32|idf:references|baseline:en|failed:0|n_references:1-2")


@pytest.mark.parametrize(
    ("settings", "fault"),
    [
        ({}, "layer: the package bert_score has none for bert; give layer, or known_as"),
        ({"layer": 17}, "has 3 layers, and layer 17 is asked for; give one of 1 to 3"),
        ({"known_as": "roberta-larg"}, "known_as: the package bert_score has no model 'roberta-larg'"),
        ({"layer": 2, "rescale_with_baseline": True}, "has no baseline of bert for the language en"),
        (
            {"known_as": "roberta-large", "rescale_with_baseline": True, "baseline_language": "tlh"},
            "no baseline of roberta-large for the language tlh",
        ),
    ],
)
def test_a_layer_or_baseline_that_is_not_there_is_named(encoder, settings, fault):
    with pytest.raises(InputError, match=fault):
        score(encoder, **settings)


def test_a_failed_caption_may_get_more_than_a_written_one_only_where_the_settings_say_so(encoder, tmp_path):
    metric = load_metric("bert_score")
    settings = {"layer": 2, "known_as": "roberta-large", "rescale_with_baseline": True, "failed_value": 1}
    texts = texts_of(encoder, **settings)
    columns = metric.score_samples(texts)
    with pytest.raises(InputError, match="worse than what failed captions get"):
        collect_scores(metric, "s", texts.captions, columns, "x")
    scores = collect_scores(metric, "s", texts.captions, columns, "x", failed_is_worst=False)
    values = write_scores(tmp_path / "s.json", tmp_path / "s.parquet", metric, scores)
    assert values["bert_score"] == pytest.approx(columns["bert_score"].mean())
    assert json.loads((tmp_path / "s.json").read_text())["n_truncated_references"] == 1


def test_no_samples_give_no_value_and_no_model_a_clear_error(encoder):
    metric = load_metric("bert_score")
    columns = metric.score_samples(texts_of(encoder, [], layer=2))
    assert np.isnan(metric.corpus({key: column.sum() for key, column in columns.items()})["bert_score"])
    with pytest.raises(InputError, match=r"needs a model: name its folder by --model"):
        metric.score_samples(split_words(PAIRS))


def test_a_folder_without_safetensors_is_refused(tmp_path):
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "pytorch_model.bin").write_bytes(b"pickle")
    with pytest.raises(InputError, match="has no safetensors weights"):
        score(tmp_path, layer=2)
