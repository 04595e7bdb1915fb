"""Asks an endpoint: several requests at once, each answer stored when it arrives, patient with errors that pass.

Rate limits (429), errors of the server (408, 409, 5xx), cut connections and answers that are none are tried again,
later and later, a bounded number of times; then a MachineError ends the job, and what was answered stays in the store.
After a rate limit all threads wait. A wrong key (401) or name (404) ends the job at once. Another rejection (400, 403,
413, 422) concerns one request, as a filtered prompt or one that is too long, unless the first ones are all rejected.
"""

from __future__ import annotations

import dataclasses
import datetime
import email.utils
import random
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from typing import Any

import openai

from core.command import InputError, MachineError, log
from generation.endpoints import SECRET, Answer, Endpoint, Rejection, Request
from generation.endpoints.answers import BadAnswerError, read_answer, shorten
from generation.endpoints.store import AnswerStore

FIRST_REJECTIONS = 5  # requests that are tried alone before the rejection of all is the configuration's fault
TRANSIENT = (408, 409, 425, 429)
OUT_OF_MONEY = ("insufficient_quota", "billing_hard_limit_reached", "insufficient_balance")


@dataclass(frozen=True)
class Patience:
    """How long a request is tried: waits double from the first to the longest, in seconds."""

    attempts: int = 8
    first_wait: float = 1.0
    longest_wait: float = 60.0
    longest_asked: float = 600.0  # that a server may ask for by Retry-After
    timeout: float = 600.0  # of one attempt

    def wait_after(self, attempt: int) -> float:
        """Seconds after an attempt, counted from 0; not the same for all threads."""
        return min(self.longest_wait, self.first_wait * 2**attempt) * random.uniform(0.75, 1)


PATIENCE = Patience()


class StoppedError(Exception):
    """Another request has ended the job."""


class Client:
    """Asks one endpoint, and keeps its answers."""

    def __init__(self, endpoint: Endpoint, store: AnswerStore, patience: Patience = PATIENCE):
        self.endpoint, self.store, self.patience = endpoint, store, patience
        self.model = ""  # that answers, by the server's own words
        self._key = ""
        self._api: openai.OpenAI | None = None
        self._lock, self._stop = threading.Lock(), threading.Event()
        self._not_before = 0.0  # on the monotonic clock, after a rate limit
        self._left_out: dict[str, str] = {}  # parameters that this model does not take → what is sent in their place

    def ask(self, requests: Sequence[Request], advance: Callable[[], None]) -> dict[str, Answer | Rejection]:
        """The answers by the digests of their requests; `advance` is called for each that was sent.

        Raises InputError where the server refuses all, or another model answers than before, and MachineError where it
        does not answer.
        """
        self._stop.clear()
        found: dict[str, Answer | Rejection] = {}
        new: dict[str, Request] = {}
        for request in requests:
            stored = self.store.get(request.digest)
            if stored:
                self._check_model(stored)
                found[request.digest] = stored
            else:
                new[request.digest] = request
        waiting = list(new.values())
        if waiting and self._api is None:  # a run that sends nothing needs no key
            self._key = self.endpoint.read_key()
            self._api = openai.OpenAI(
                base_url=self.endpoint.base_url,
                api_key=self._key or "none",  # else the client takes one from a variable that nobody named
                max_retries=0,
                timeout=self.patience.timeout,
            )
        while waiting and not any(isinstance(answer, Answer) for answer in found.values()):
            request = waiting.pop(0)
            found[request.digest] = self._answer(request)
            advance()
            if len(found) == FIRST_REJECTIONS or not waiting:
                self._check_not_all_rejected(found)
        found |= self._ask_together(waiting, advance)
        return found

    def _check_not_all_rejected(self, found: dict[str, Answer | Rejection]) -> None:
        rejections = [answer.reason for answer in found.values() if isinstance(answer, Rejection)]
        if len(rejections) == len(found):
            raise InputError(
                f"{self._name} rejects every request, {len(rejections)} of {len(rejections)}: {rejections[0]}; correct "
                "the endpoint's settings, or choose a model that takes such requests"
            )

    def _ask_together(self, requests: list[Request], advance: Callable[[], None]) -> dict[str, Answer | Rejection]:
        found: dict[str, Answer | Rejection] = {}
        threads = ThreadPoolExecutor(max_workers=self.endpoint.parallel)
        try:
            coming = {threads.submit(self._answer, request): request for request in requests}
            for done in as_completed(coming):
                try:
                    found[coming[done].digest] = done.result()
                except StoppedError:  # the error that stopped it is still to come
                    continue
                advance()
        finally:  # what is under way has been paid: it is stored before the job ends
            self._stop.set()
            threads.shutdown(wait=True, cancel_futures=True)
        return found

    def _answer(self, request: Request) -> Answer | Rejection:
        """The answer to one request, stored; or why there will be none."""
        for attempt in range(self.patience.attempts):
            self._wait_for_turn()
            body = self._body(request)
            try:
                answer = self._send(body)
            except (openai.APIConnectionError, BadAnswerError) as error:
                fault = self._hide(f"{error} {error.__cause__ or ''}".strip())
                wait = self.patience.wait_after(attempt)
            except openai.APIStatusError as error:
                fault = f"status {error.status_code}: {shorten(self._hide(error.message))}"
                if self._takes_without(error, body):
                    continue
                if error.status_code not in TRANSIENT and error.status_code < 500:
                    return self._reject(error, fault)
                wait = self._wait_asked(error, fault) or self.patience.wait_after(attempt)
                if error.status_code == 429:
                    self._delay_all(wait)
            else:
                self.store.add(request.digest, answer)
                self._check_model(answer)
                return answer
            if attempt + 1 < self.patience.attempts and self._stop.wait(wait):
                raise StoppedError
        self._stop.set()
        raise MachineError(
            f"{self._name} did not answer in {self.patience.attempts} attempts ({fault}); what it has answered is kept "
            f"in {self.store.folder}, and another run goes on there; a smaller `parallel` meets fewer rate limits"
        )

    def _send(self, body: dict[str, Any]) -> Answer:
        assert self._api is not None, "ask() connects"
        start = time.monotonic()
        now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
        response = self._api.chat.completions.with_raw_response.create(**body)
        answer = read_answer(self._hide(response.text), time.monotonic() - start, now)
        sent = {name: value for name, value in body.items() if name not in ("model", "messages")}
        # Once more, since JSON can write a key by escapes.
        text, refusal, model = map(self._hide, (answer.text, answer.refusal, answer.model))
        return dataclasses.replace(answer, text=text, refusal=refusal, model=model, parameters=sent)

    def _body(self, request: Request) -> dict[str, Any]:
        """What is sent: greedy decoding, where the model takes a temperature."""
        body: dict[str, Any] = {"model": request.model, "messages": request.messages}
        settings: dict[str, Any] = {"max_tokens": request.max_new_tokens, "temperature": 0}
        for name, value in settings.items():
            if sent := self._left_out.get(name, name):
                body[sent] = value
        if request.n_logprobs:
            body |= {"logprobs": True, "top_logprobs": request.n_logprobs}
        return body

    def _takes_without(self, error: openai.APIStatusError, body: Mapping[str, Any]) -> bool:
        """Whether the server refuses a parameter that it can do without; then it is not sent again.

        OpenAI's models that think take max_completion_tokens for max_tokens, and their own temperature alone.
        """
        if error.status_code != 400:
            return False
        for name, instead in (("max_tokens", "max_completion_tokens"), ("temperature", "")):
            named = error.param == name or f"'{name}'" in error.message
            if named and name in body:
                if name not in self._left_out:
                    told = f"takes {instead} for {name}" if instead else f"decides its {name} itself"
                    log("endpoint", f"{self._name} {told}")
                self._left_out[name] = instead
                return True
        return False

    def _reject(self, error: openai.APIStatusError, fault: str) -> Rejection:
        """Why one request is not answered. Raises InputError or MachineError where no other one will be."""
        if error.status_code == 401:
            self._stop.set()
            raise InputError(f"{self._name} refuses the key ({fault}): correct {self.endpoint.api_key_env or 'it'}")
        if error.status_code == 404:
            self._stop.set()
            raise InputError(f"{self._name} is not there ({fault}): correct base_url or model")
        if error.status_code == 402:
            self._stop.set()
            raise MachineError(f"{self._name} wants to be paid ({fault}); what it has answered is kept")
        return Rejection(f"the server rejected the request: {fault}")

    def _wait_asked(self, error: openai.APIStatusError, fault: str) -> float:
        """Seconds that the server asks to wait; 0 where it asks for none. Raises MachineError where they are many."""
        seconds = seconds_to_wait(error.response.headers.get("retry-after"))
        if error.code in OUT_OF_MONEY or seconds > self.patience.longest_asked:
            self._stop.set()
            asked = f"asks to wait {seconds / 60:.0f} minutes" if seconds else "has no credit left"
            raise MachineError(f"{self._name} {asked} ({fault}); what it has answered is kept in {self.store.folder}")
        return seconds

    def _check_model(self, answer: Answer) -> None:
        """Raise InputError where another model answers than the one before: scores of two would be one system's."""
        with self._lock:
            self.model = self.model or answer.model
            if answer.model != self.model:
                self._stop.set()
                raise InputError(
                    f"{self._name}: answers are of two models, {self.model!r} and {answer.model!r}, which are no one "
                    f"system; name one of them as `model`, or move {self.store.folder} away to ask anew"
                )

    def _wait_for_turn(self) -> None:
        """Wait out a rate limit. Raises StoppedError where the job ends."""
        while (left := self._not_before - time.monotonic()) > 0:
            if self._stop.wait(left):
                break
        if self._stop.is_set():
            raise StoppedError

    def _delay_all(self, seconds: float) -> None:
        with self._lock:
            self._not_before = max(self._not_before, time.monotonic() + seconds)

    def _hide(self, text: str) -> str:
        """A text of the server without the key, which some repeat."""
        return text.replace(self._key, SECRET) if self._key else text

    @property
    def _name(self) -> str:
        return f"{self.endpoint.model} at {self.endpoint.base_url}"


def seconds_to_wait(header: str | None) -> float:
    """The seconds of a Retry-After header, a number or a date; 0 for none and for nonsense."""
    if not header:
        return 0.0
    try:
        return max(0.0, float(header)) if float(header) < float("inf") else 0.0
    except ValueError:
        pass
    try:
        then = email.utils.parsedate_to_datetime(header)
    except ValueError:
        return 0.0
    return max(0.0, then.timestamp() - time.time())
