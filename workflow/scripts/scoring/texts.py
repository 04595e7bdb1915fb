"""The texts that a metric reads: captions and references of the same samples, and the signature that names them."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from core.command import InputError
from core.records import check_ids, read_captions, read_samples
from models.files import model_digest, model_name
from scoring.java_tools import PTB_VERSION
from scoring.metrics import Metric, Texts
from scoring.tokens import read_tokens


def read_texts(captions: Path, samples: Path, tokens: Path, reference_tokens: Path) -> Texts:
    """Read the four files and check that they hold the same samples in the same order."""
    sample_records, caption_records = read_samples(samples), read_captions(captions)
    ids = [sample.id for sample in sample_records]
    caption_tokens, reference_records = list(read_tokens(tokens)), list(read_tokens(reference_tokens))
    check_ids(captions, [caption.id for caption in caption_records], ids)
    check_ids(tokens, [record_id for record_id, _ in caption_tokens], ids)
    check_ids(reference_tokens, [record_id for record_id, _ in reference_records], ids)
    if any(len(texts) != 1 for _, texts in caption_tokens):
        raise InputError(
            f"{tokens} holds several texts for one caption; give the tokens of captions, not of references"
        )
    for sample, (_, references) in zip(sample_records, reference_records, strict=True):
        if not references or len(references) != len(sample.references):
            raise InputError(
                f"{reference_tokens}: sample {sample.id!r} has {len(references)} tokenised references for "
                f"{len(sample.references)}, and at least 1 is needed; remake this file from {samples}"
            )
    return Texts(
        samples=sample_records,
        captions=caption_records,
        tokens=[texts[0] for _, texts in caption_tokens],
        reference_tokens=[references for _, references in reference_records],
    )


def sign(metric: Metric, texts: Texts, n_references: str) -> str:
    """The metric's signature, completed with the model's name and digest, settings and number of references."""
    facts: dict[str, object] = {} if metric.needs_model else {"tokens": PTB_VERSION}
    if texts.model:
        facts |= {"model": model_name(texts.model), "weights": model_digest(texts.model)[:12]}
        facts |= metric.facts_of_model(texts.model, texts.settings)
    else:
        facts |= texts.settings
    files = metric.facts_of_folder(texts.folder) if texts.folder else {}
    return metric.signature(**{**facts, **files, "n_references": n_references})


def describe_counts(groups: Sequence[Sequence[str]]) -> str:
    """How many members the groups have: "5", or "1-3" where that differs."""
    counts = {len(group) for group in groups} or {0}
    return str(min(counts)) if len(counts) == 1 else f"{min(counts)}-{max(counts)}"


def add_model_options(parser: argparse.ArgumentParser) -> None:
    """Options of metrics that need more than texts."""
    parser.add_argument("--model", type=Path, help="folder of the model of a metric that needs one")
    parser.add_argument("--folder", type=Path, help="folder with the files of a metric that needs some (spice: jars)")
    parser.add_argument("--settings", default="{}", help="JSON: the metric's own settings")
