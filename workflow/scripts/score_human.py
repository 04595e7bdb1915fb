r"""Leave-one-out human score: each reference as a caption, scored against the sample's other references.

Input   samples and their references, tokenised; only samples with two or more references count
Output  human/<metric>.json and .parquet, in the form of a system's scores: one row a sample, the mean over its
        references. Empty where no sample has two.

    python score_human.py --metric bleu --samples data/test.parquet --reference-tokens tokens/references.jsonl \
        --output human/bleu.json --table human/bleu.parquet

It stands beside the systems, not among them: a reference is scored against one reference fewer than a system's caption,
and on fewer samples. Where a metric weighs words by how rare they are in all references (CIDEr), these are the same as
for the systems.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
from pathlib import Path

import numpy as np

from core.command import InputError, log, run_command
from core.records import Caption, Sample, check_ids, read_samples
from scoring.metrics import Texts, load_metric
from scoring.scores import collect_scores, write_scores
from scoring.texts import add_model_options, describe_counts, sign
from scoring.tokens import read_tokens


def leave_one_out(samples: list[Sample], reference_tokens: list[list[str]]) -> tuple[Texts, list[int]]:
    """Each reference of each sample as a caption among the others, and how many each sample has."""
    texts = Texts([], [], [], [])
    for sample, tokens in zip(samples, reference_tokens, strict=True):
        for place, reference in enumerate(sample.references):
            others = sample.references[:place] + sample.references[place + 1 :]
            texts.samples.append(dataclasses.replace(sample, references=others))
            texts.captions.append(Caption(sample.id, reference))
            texts.tokens.append(tokens[place])
            texts.reference_tokens.append(tokens[:place] + tokens[place + 1 :])
    return texts, [len(sample.references) for sample in samples]


def average_rows(column: np.ndarray, counts: list[int]) -> np.ndarray:
    """The mean of each run of rows; `counts` says how long each is, at least 1."""
    starts = np.concatenate([[0], np.cumsum(counts)[:-1]]).astype(int) if counts else np.zeros(0, int)
    return np.add.reduceat(column, starts) / np.array(counts) if counts else column


def main(
    *,
    metric: str,
    samples: Path,
    reference_tokens: Path,
    output: Path,
    table: Path,
    model: Path | None = None,
    folder: Path | None = None,
    settings: str = "{}",
) -> None:
    """Score all references of samples that have two or more."""
    scorer = load_metric(metric)
    every, tokens = read_samples(samples), list(read_tokens(reference_tokens))
    check_ids(reference_tokens, [id_ for id_, _ in tokens], [sample.id for sample in every])
    if any(len(sample.references) != len(texts) for sample, (_, texts) in zip(every, tokens, strict=True)):
        raise InputError(f"{reference_tokens} has other references than {samples}; tokenise them again")
    chosen = [(sample, texts) for sample, (_, texts) in zip(every, tokens, strict=True) if len(texts) > 1]
    texts, counts = leave_one_out([sample for sample, _ in chosen], [texts for _, texts in chosen])
    texts = dataclasses.replace(
        texts,
        model=model,
        folder=folder,
        settings=json.loads(settings),
        all_reference_tokens=[references for _, references in tokens],
        all_references=[sample.references for sample in every],
    )
    columns = {name: average_rows(column, counts) for name, column in scorer.score_samples(texts).items()}
    signature = sign(scorer, texts, f"{describe_counts(texts.reference_tokens)} of others")
    captions = [Caption(sample.id, "") for sample, _ in chosen]
    scores = collect_scores(scorer, "human", captions, columns, signature)
    values = write_scores(output, table, scorer, scores)
    shown = ", ".join(f"{name} {value:.3f}" for name, value in values.items() if value is not None)
    log("score_human", f"{metric}: {shown or 'no sample has two references'} (n {len(chosen)})")


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--metric", required=True, help="name of a file in metrics/, e.g. bleu")
    parser.add_argument("--samples", type=Path, required=True, help="data/test.parquet")
    parser.add_argument("--reference-tokens", type=Path, required=True, help="tokens/references.jsonl")
    add_model_options(parser)
    parser.add_argument("--output", type=Path, required=True, help="human/<metric>.json")
    parser.add_argument("--table", type=Path, required=True, help="human/<metric>.parquet")
    return parser


if __name__ == "__main__":
    run_command(main, build_parser())
