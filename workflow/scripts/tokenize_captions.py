r"""Tokenise captions, or the references of samples, as all text metrics want them.

Input   a captions file (--captions) or a samples file (--samples, whose references are meant)
Output  JSON lines {"id": ..., "tokens": [...]}, one a record, in the input's order: one text for a
        caption ("" where it failed), one for each reference of a sample. Each text is Penn-Treebank
        tokenised by pycocoevalcap's jar: lower case, no punctuation, words joined by one space.
        For references, on request, also METEOR's paraphrases that can match them (--paraphrases),
        which makes METEOR quicker for every system and changes no score.

    python tokenize_captions.py --captions captions/test3.jsonl --output tokens/test3.jsonl
    python tokenize_captions.py --samples data/test.parquet --output tokens/references.jsonl \
        --paraphrases tokens/paraphrases.gz
"""

from __future__ import annotations

import argparse
from pathlib import Path

from core.command import InputError, log, run_command
from core.records import read_captions, read_samples
from scoring.paraphrases import restrict_to_references
from scoring.tokens import texts_of, tokenize_groups, write_tokens


def main(
    *, output: Path, captions: Path | None = None, samples: Path | None = None, paraphrases: Path | None = None
) -> None:
    """Tokenise the texts of the one input file that is given; the command line sees to it that one is."""
    if captions and paraphrases:
        raise InputError("--paraphrases are made of references: give it together with --samples")
    records = read_captions(captions) if captions else read_samples(samples or "")
    tokens = tokenize_groups([texts_of(record) for record in records])
    if paraphrases:
        restrict_to_references(tokens, paraphrases)
    write_tokens(output, [record.id for record in records], tokens)
    log("tokenize_captions", f"{sum(map(len, tokens))} texts of {len(records)} samples tokenised")


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--captions", type=Path, help="captions file of a system")
    source.add_argument("--samples", type=Path, help="samples file, for its references")
    parser.add_argument("--output", type=Path, required=True, help="JSON lines to write")
    parser.add_argument("--paraphrases", type=Path, help="METEOR's paraphrases for the references, to write")
    return parser


if __name__ == "__main__":
    run_command(main, build_parser())
