"""Answers of an endpoint to chats (generation/chats.py)."""

from __future__ import annotations

from collections.abc import Sequence

from core.command import Progress
from generation.chats import Chat
from generation.endpoints import Answer, Endpoint, Rejection, Request
from generation.endpoints.client import Client
from generation.endpoints.prompts import as_messages
from generation.endpoints.store import AnswerStore


class HostedAnswers:
    """An endpoint that answers chats, with the alternatives of each token where `n_logprobs` asks for them."""

    def __init__(self, endpoint: Endpoint, store: AnswerStore, stage: str, n_logprobs: int = 0):
        self.endpoint, self.stage, self.n_logprobs = endpoint, stage, n_logprobs
        self.client = Client(endpoint, store)

    @property
    def model(self) -> str:
        return self.client.model

    def ask(self, chats: Sequence[Chat]) -> list[Answer | Rejection]:
        requests = [chat_request(self.endpoint, chat, self.n_logprobs) for chat in chats]
        waiting = {one.digest for one in requests if self.client.store.get(one.digest) is None}
        with Progress(self.stage, len(waiting), "answer") as progress:
            found = self.client.ask(requests, progress.advance)
        return [found[one.digest] for one in requests]


def chat_request(endpoint: Endpoint, chat: Chat, n_logprobs: int) -> Request:
    """The request for the answer to a chat."""
    picture = [{"type": "image"}] if chat.png is not None else []
    messages = [
        {**message, "content": [*(picture if place == 0 else []), {"type": "text", "text": message["content"]}]}
        for place, message in enumerate(chat.messages())
    ]
    wire = as_messages(messages, chat.png)
    return Request(endpoint.base_url, endpoint.model, wire, endpoint.max_new_tokens, n_logprobs)
