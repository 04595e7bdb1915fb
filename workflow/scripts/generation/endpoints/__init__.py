"""Models behind a server with the API of OpenAI's chat completions: requests, the store of answers, the client.

    endpoint = settings_from_json(Endpoint, text, "systems.gpt")
    client = Client(endpoint, AnswerStore(folder / endpoint.folder))
    answers = client.ask([Request(endpoint.base_url, endpoint.model, messages, 128)])

Every answer is stored by the digest of its request when it arrives: a killed job pays nothing twice, and a repeated run
sends nothing. What a server says is untrusted. The key comes from an environment variable and goes to the server alone.
"""

from __future__ import annotations

import hashlib
import os
import re
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from core.command import InputError
from core.identity import canonical_json

SECRET = "[key]"  # stands in texts of a server that repeat the key
VARIABLE_NAME = re.compile(r"[A-Z_][A-Z0-9_]*")


@dataclass(frozen=True)
class Endpoint:
    """A model at a server: keys of `systems.<name>` in the configuration."""

    base_url: str
    model: str
    api_key_env: str | None = None
    parallel: int = 4
    max_new_tokens: int = 128

    def __post_init__(self) -> None:
        for fault in (url_fault(self.base_url), variable_fault(self.api_key_env)):
            if fault:
                raise InputError(f"the endpoint of {self.model}: {fault}")

    @property
    def folder(self) -> str:
        """The name of the folder of its answers: readable, and one for each server and model."""
        digest = hashlib.sha256(f"{self.base_url}\n{self.model}".encode()).hexdigest()[:12]
        return f"{re.sub(r'[^A-Za-z0-9._-]+', '-', self.model)[:60]}@{digest}"

    def read_key(self) -> str:
        """The key; empty where the server needs none. Raises InputError where its variable is not set."""
        if self.api_key_env is None:
            return ""
        key = os.environ.get(self.api_key_env, "").strip()
        if not key:
            raise InputError(missing_key(self.api_key_env, self.model))
        if not (key.isascii() and key.isprintable()):
            raise InputError(f"the environment variable {self.api_key_env} holds signs that no key has: set it anew")
        return key


@dataclass(frozen=True)
class Request:
    """One request. What decides its answer is in its digest, and nothing else: no key, no number of threads.

    `n_logprobs` asks for the probabilities of so many alternatives of each token. `round` tells equal requests apart
    that are to be answered anew; the server does not see it.
    """

    base_url: str
    model: str
    messages: list[dict[str, Any]]
    max_new_tokens: int
    n_logprobs: int = 0
    round: int = 0

    @property
    def digest(self) -> str:
        values: dict[str, Any] = {"base_url": self.base_url, "model": self.model, "messages": self.messages}
        values |= {"max_new_tokens": self.max_new_tokens, "n_logprobs": self.n_logprobs, "round": self.round}
        return hashlib.sha256(canonical_json(values).encode()).hexdigest()


@dataclass(frozen=True)
class Answer:
    """What a server answered; `finish_reason` and `model` in its own words."""

    text: str
    finish_reason: str
    model: str
    refusal: str = ""
    n_prompt_tokens: int | None = None
    n_new_tokens: int | None = None
    logprobs: list[dict[str, float]] = field(default_factory=list)  # of each token: alternatives, natural logarithms
    seconds: float = 0.0
    time: str = ""  # when, as 2026-11-27T23:58:24+00:00
    parameters: dict[str, Any] = field(default_factory=dict)  # that were sent with the prompt

    @property
    def fault(self) -> str:
        """Why it is no caption; empty where it is one."""
        if self.refusal:
            return f"the model refused: {self.refusal}"
        if self.finish_reason == "content_filter":
            return "the server filtered the answer (content_filter)"
        if not self.text.strip() and self.finish_reason == "length":
            return "the model reached max_new_tokens before it wrote anything: raise it"
        return ""


@dataclass(frozen=True)
class Rejection:
    """Why a server does not answer one request: it filters the prompt, or takes none so long."""

    reason: str


def url_fault(base_url: str) -> str:
    """What is wrong with the address of a server; empty where nothing is. Credentials in it are not repeated."""
    try:
        url = urlsplit(base_url)
        port = url.port
    except ValueError:
        return "base_url is no address"
    if url.username is not None or url.password is not None or url.query or url.fragment:
        return (
            "base_url has credentials or a query; give the address alone, and the key in an environment variable that "
            "api_key_env names"
        )
    if url.scheme not in ("http", "https") or not url.hostname or port == 0:
        return f"base_url {base_url!r} is no address of a server; it begins with https:// or http://"
    if url.path.rstrip("/").endswith("/chat/completions"):
        return "base_url ends where the API begins, as in https://api.openai.com/v1: leave out /chat/completions"
    return ""


def variable_fault(name: str | None) -> str:
    """What is wrong with the name of a key's variable. It is not repeated: somebody may have put the key there."""
    if name is None or VARIABLE_NAME.fullmatch(name):
        return ""
    return "api_key_env must be the name of an environment variable (A-Z, 0-9, _), and not the key"


def missing_key(variable: str, what: str) -> str:
    return f"the environment variable {variable} is not set, and {what} needs the key in it: export {variable}=…"
