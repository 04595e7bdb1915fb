"""Files of tokenised texts: JSON lines {"id": ..., "tokens": [...]}, made by pycocoevalcap's PTB tokenizer."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

from core.command import InputError, write_whole
from core.records import Caption, Sample, open_text
from scoring.java_tools import tokenize


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
