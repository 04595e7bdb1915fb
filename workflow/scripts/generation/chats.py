"""Chats that a model answers, a local one or one behind a server: what judges ask.

    answers = source.ask([Chat(("Rate this caption: …",), png)])     LocalAnswers or HostedAnswers

Answers come in the order of the chats and are kept in a store, so that a chat is answered once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from generation.endpoints import Answer, Rejection


@dataclass(frozen=True)
class Chat:
    """A user's text, an answer, a text, …; the last one is to be answered."""

    turns: tuple[str, ...]
    png: bytes | None = None  # shown before the first turn
    begins: str = ""  # a local model is read behind these words: they need not be what it would write

    def messages(self) -> list[dict[str, str]]:
        """The turns as messages."""
        return [
            {"role": "assistant" if place % 2 else "user", "content": text} for place, text in enumerate(self.turns)
        ]


class AnswerSource(Protocol):
    """A model that answers chats."""

    @property
    def model(self) -> str:
        """The name of the model that answered, by its own words; empty before it did."""

    def ask(self, chats: Sequence[Chat]) -> list[Answer | Rejection]:
        """An answer to each chat, or why there is none."""
