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
import json
from collections.abc import Iterator, Sequence
from pathlib import Path

from command import InputError, run_command, say, write_whole
from java_tools import tokenize
from paraphrases import restrict_to_references
from records import Caption, Sample, open_text, read_captions, read_samples


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
    say("tokenize_captions", f"{sum(map(len, tokens))} texts of {len(records)} samples tokenised")


def texts_of(record: Caption | Sample) -> list[str]:
    """The texts of a record that are tokenised."""
    if isinstance(record, Sample):
        return record.references
    return ["" if record.status == "failed" else record.caption]


def tokenize_groups(groups: Sequence[Sequence[str]]) -> list[list[str]]:
    """Tokenise the texts of all groups by one process."""
    tokens = iter(tokenize([text for group in groups for text in group]))
    return [[next(tokens) for _ in group] for group in groups]


def write_tokens(path: Path, ids: Sequence[str], tokens: Sequence[Sequence[str]]) -> None:
    """Write the tokenised texts of each record."""
    with write_whole(path) as partial, open(partial, "w", encoding="utf-8") as file:
        for record_id, texts in zip(ids, tokens, strict=True):
            file.write(json.dumps({"id": record_id, "tokens": texts}, ensure_ascii=False) + "\n")


def read_tokens(path: Path) -> Iterator[tuple[str, list[str]]]:
    """Ids and tokenised texts. Raises InputError that names the line of a broken record."""
    with open_text(path) as file:
        for number, line in enumerate(file, start=1):
            try:
                record = json.loads(line)
                yield record["id"], record["tokens"]
            except (json.JSONDecodeError, TypeError, KeyError) as error:
                raise InputError(
                    f"{path}, line {number}: not a record of tokens ({error}); remake this file"
                ) from error


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
