r"""Score the captions of a system by a metric that reads text.

Input   captions, samples, and both tokenised by tokenize_captions.py
Output  scores/<system>/<metric>.json (corpus values, n, signature) and .parquet (one row a sample)

    python score_text.py --metric bleu --system test3 --captions captions/test3.jsonl --samples data/test.parquet \
        --tokens tokens/test3.jsonl --reference-tokens tokens/references.jsonl \
        --output scores/test3/bleu.json --table scores/test3/bleu.parquet

`scoring/metrics/__init__.py` says what a metric is and how to add one.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
from pathlib import Path

from core.command import log, run_command
from scoring.metrics import load_metric
from scoring.scores import collect_scores, write_scores
from scoring.texts import add_model_options, describe_counts, read_texts, sign


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
    scores = collect_scores(
        scorer, system, texts.captions, columns, signature, failed_is_worst=texts.failed_value is None
    )
    values = write_scores(output, table, scorer, scores)
    shown = ", ".join(f"{name} {'missing' if value is None else f'{value:.3f}'}" for name, value in values.items())
    log("score_text", f"{system}: {shown} (n {len(scores.ids)}, {int(scores.failed.sum())} failed)")


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
