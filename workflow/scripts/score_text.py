r"""Score the captions of a system by a metric that reads text.

Input   captions, samples, and both tokenised by tokenize_captions.py
Output  scores/<system>/<metric>.json (corpus values, n, signature) and .parquet (one row a sample)

    python score_text.py --metric bleu --system test3 --captions captions/test3.jsonl --samples data/test.parquet \
        --tokens tokens/test3.jsonl --reference-tokens tokens/references.jsonl \
        --output scores/test3/bleu.json --table scores/test3/bleu.parquet

`metrics/__init__.py` says what a metric is and how to add one.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path

from command import InputError, run_command, say
from java_tools import PTB_VERSION
from metrics import Metric, Texts, load_metric
from model_files import model_digest
from records import Sample, read_captions, read_samples
from scores import collect_scores, write_scores
from tokenize_captions import read_tokens


def main(
    *,
    metric: str,
    system: str,
    captions: Path,
    samples: Path,
    tokens: Path,
    reference_tokens: Path,
    output: Path,
    table: Path,
    paraphrases: Path | None = None,
    model: Path | None = None,
    folder: Path | None = None,
    settings: str = "{}",
) -> None:
    """Score all samples, the failed captions among them, and write values, statistics and signature."""
    scorer = load_metric(metric)
    texts = dataclasses.replace(
        read_texts(captions, samples, tokens, reference_tokens),
        paraphrases=paraphrases,
        model=model,
        folder=folder,
        settings=json.loads(settings),
    )
    columns = scorer.score_samples(texts)
    signature = sign(scorer, texts, describe_counts(texts.reference_tokens))
    scores = collect_scores(scorer, system, texts.captions, columns, signature)
    values = write_scores(output, table, scorer, scores)
    shown = ", ".join(f"{name} {'missing' if value is None else f'{value:.3f}'}" for name, value in values.items())
    say("score_text", f"{system}: {shown} (n {len(scores.ids)}, {int(scores.failed.sum())} failed)")


def read_texts(captions: Path, samples: Path, tokens: Path, reference_tokens: Path) -> Texts:
    """Read the four files and check that they hold the same samples in the same order."""
    sample_records, caption_records = read_samples(samples), read_captions(captions)
    caption_tokens, reference_records = list(read_tokens(tokens)), list(read_tokens(reference_tokens))
    check_same_ids(captions, [caption.id for caption in caption_records], sample_records)
    check_same_ids(tokens, [record_id for record_id, _ in caption_tokens], sample_records)
    check_same_ids(reference_tokens, [record_id for record_id, _ in reference_records], sample_records)
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
    """The metric's signature with what only these texts tell: the model's name and digest, settings, references."""
    model = {"model": texts.model.name, "weights": model_digest(texts.model)[:12]} if texts.model else {}
    tokens = {} if metric.needs_model else {"tokens": PTB_VERSION}
    files = metric.facts_of_folder(texts.folder) if texts.folder else {}
    return metric.signature(**tokens, **model, **files, **texts.settings, n_references=n_references)


def add_model_options(parser: argparse.ArgumentParser) -> None:
    """Options of metrics that need more than texts."""
    parser.add_argument("--model", type=Path, help="folder of the model of a metric that needs one")
    parser.add_argument("--folder", type=Path, help="folder with the files of a metric that needs some (spice: jars)")
    parser.add_argument("--settings", default="{}", help="JSON: the metric's own settings")


def check_same_ids(path: Path, ids: Sequence[str], samples: Sequence[Sample]) -> None:
    """Raise InputError where a file's records are not one a sample in the samples' order."""
    expected = [sample.id for sample in samples]
    if list(ids) == expected:
        return
    missing, foreign = sorted(set(expected) - set(ids)), sorted(set(ids) - set(expected))
    if missing:
        fault = f"lacks {len(missing)} of {len(expected)} samples, {missing[0]!r} for one"
    elif foreign:
        fault = f"has {len(foreign)} records of no sample, {foreign[0]!r} for one"
    else:
        fault = "has the samples twice or in another order"
    raise InputError(f"{path} {fault}; remake it from the same samples")


def describe_counts(groups: Sequence[Sequence[str]]) -> str:
    """How many members the groups have: "5", or "1-3" where that differs."""
    counts = {len(group) for group in groups} or {0}
    return str(min(counts)) if len(counts) == 1 else f"{min(counts)}-{max(counts)}"


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--metric", required=True, help="name of a file in metrics/, e.g. bleu")
    parser.add_argument("--system", required=True, help="name of the system, for the record")
    parser.add_argument("--captions", type=Path, required=True, help="captions of the system")
    parser.add_argument("--samples", type=Path, required=True, help="samples that they are scored on")
    parser.add_argument("--tokens", type=Path, required=True, help="the captions, tokenised")
    parser.add_argument("--reference-tokens", type=Path, required=True, help="the references, tokenised")
    parser.add_argument("--paraphrases", type=Path, help="METEOR's table for these references, made with them")
    add_model_options(parser)
    parser.add_argument("--output", type=Path, required=True, help="scores/<system>/<metric>.json")
    parser.add_argument("--table", type=Path, required=True, help="scores/<system>/<metric>.parquet")
    return parser


if __name__ == "__main__":
    run_command(main, build_parser())
