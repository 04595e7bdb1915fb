"""Files of tokenised texts: JSON lines {"id": ..., "tokens": [...]}, made by pycocoevalcap's PTB tokenizer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from core.records import Caption, Sample, stream_json_lines, write_json_lines
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
    pairs = zip(ids, tokens, strict=True)
    write_json_lines(path, ({"id": record_id, "tokens": texts} for record_id, texts in pairs))


def read_tokens(path: Path) -> Iterator[tuple[str, list[str]]]:
    """Ids and tokenised texts. Raises InputError that names the line of a broken record."""
    return stream_json_lines(path, lambda record: (record["id"], record["tokens"]), "a record of tokens")
