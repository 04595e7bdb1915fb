"""BERTScore (Zhang et al., 2020): F1 against the best reference, computed by the authors' package `bert_score`.

Each token of one text is matched with the closest of the other, by the cosine of their states in one layer of an
encoder (`metric_options.bert_score.source`). Settings:

    layer                   of the model; where absent the one that the package has for it
    known_as                the model's name in the package (roberta-large), where its folder or its id on the hub is
                            another one
    rescale_with_baseline   subtract what unrelated texts have, as the package does: (F1 - b) / (1 - b)
    baseline_language       of the package's baselines; en where absent
    idf                     weigh tokens by their rarity in the references of all samples
    failed_value            what a failed caption gets; where absent the worst value, an F1 of 0 before it is rescaled

The corpus value is the mean.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from core.command import InputError
from core.visible_text import is_blank
from models.files import model_name
from scoring.encoders import check_types, truncations
from scoring.metrics import FAILED_VALUE, MeanMetric, Texts, ValueInfo

LANGUAGE = "en"


class BertScore(MeanMetric):
    name = "bert_score"
    known_settings = ("layer", "known_as", "rescale_with_baseline", "baseline_language", "idf", FAILED_VALUE)
    needs_model = True
    values: ClassVar = {
        "bert_score": ValueInfo(
            "BERTScore", 0, 1, radar=False, note="F1; where it is not rescaled, all values are high"
        )
    }
    facts: ClassVar = {"value": "F1", "references": "best", "text": "as written"}

    def values_of_samples(self, texts: Texts) -> dict[str, np.ndarray]:
        from models.token_encoder import load_token_encoder

        layer, baseline = choose_layer(model_name(texts.model_folder), texts.settings)
        encoder = load_token_encoder(texts.model_folder, layer)
        pairs = [
            (row, caption.caption, reference)
            for row, (caption, sample) in enumerate(zip(texts.captions, texts.samples, strict=True))
            for reference in sample.references
            if caption.status != "failed" and not is_blank(reference)
        ]
        idf_texts = written_references(texts) if texts.settings.get("idf") else None
        scores = np.zeros(len(texts.samples))
        found = encoder.f1([caption for _, caption, _ in pairs], [text for *_, text in pairs], idf_texts)
        np.maximum.at(scores, np.array([row for row, *_ in pairs], dtype=int), found)
        return {self.name: rescale(scores, baseline), **truncations(texts, encoder.is_truncated)}

    def value_of_failure(self, info: ValueInfo, inputs: Texts) -> float:
        if inputs.failed_value is not None:
            return inputs.failed_value
        return float(rescale(np.zeros(1), choose_layer(model_name(inputs.model_folder), inputs.settings)[1])[0])

    def check_options(self, source: Mapping[str, Any], settings: Mapping[str, Any]) -> None:
        names = {"known_as": str, "baseline_language": str, "rescale_with_baseline": bool, "idf": bool}
        check_types(settings, layer=int, failed_value=float, **names)
        choose_layer(source.get("hub", ""), settings)

    def facts_of_model(self, folder: Path, settings: Mapping[str, Any]) -> dict[str, object]:
        from models.token_encoder import load_token_encoder, package_name

        found = model_name(folder)
        layer, _ = choose_layer(found, settings)
        rescaled = settings.get("rescale_with_baseline", False)
        return {
            "model": settings.get("known_as") or package_name(found) or found,
            "layer": layer,
            "max_tokens": load_token_encoder(folder, layer).max_tokens,
            "idf": "references" if settings.get("idf") else "no",
            "baseline": settings.get("baseline_language", LANGUAGE) if rescaled else "no",
            "failed": settings.get(FAILED_VALUE, "worst"),
        }


def choose_layer(model: str, settings: Mapping[str, Any]) -> tuple[int, float]:
    """The layer of a model, by its id on the hub or `known_as`, and its baseline; 0 where none is subtracted.

    Raises InputError where the package knows neither the layer nor the baseline that the settings ask for.
    """
    from models.token_encoder import find_baseline, package_layers, package_name, read_baseline

    known = package_name(settings.get("known_as") or model)
    if "known_as" in settings and known is None:
        raise InputError(f"known_as: the package bert_score has no model {settings['known_as']!r}")
    if "layer" not in settings and known is None:
        raise InputError(
            f"layer: the package bert_score has none for {model or 'this model'}; give layer, or known_as, the model's "
            "name in that package (roberta-large)"
        )
    layer = settings["layer"] if "layer" in settings else package_layers()[str(known)]
    if not settings.get("rescale_with_baseline"):
        return layer, 0.0
    language = settings.get("baseline_language", LANGUAGE)
    path = find_baseline(known, language) if known else None
    if path is None:
        raise InputError(
            f"rescale_with_baseline: the package bert_score has no baseline of {known or model or 'this model'} for "
            f"the language {language}; give known_as, or leave rescale_with_baseline out"
        )
    return layer, read_baseline(path, layer)


def rescale(scores: np.ndarray, baseline: float) -> np.ndarray:
    """Scores of which the baseline is taken off; 1 stays 1."""
    return (scores - baseline) / (1 - baseline)


def written_references(texts: Texts) -> list[str]:
    """The references of all samples, also where each is scored against the others; those of spaces alone left out."""
    groups = texts.all_references or [sample.references for sample in texts.samples]
    return [text for group in groups for text in group if not is_blank(text)]


METRIC = BertScore()
