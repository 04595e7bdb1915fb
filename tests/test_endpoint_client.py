"""The client of endpoints and its store, against a server that misbehaves."""

import dataclasses
import email.utils
import json
import time

import pytest
from endpoint_server import CUT, GARBAGE, HALF, KEY, KEY_VARIABLE, as_json, chat_server, completion, error, text_of

from core.command import InputError, MachineError
from generation.endpoints import Answer, Endpoint, Rejection, Request
from generation.endpoints.client import Client, Patience, seconds_to_wait
from generation.endpoints.store import AnswerStore

QUICK = Patience(attempts=4, first_wait=0.01, longest_wait=0.04, longest_asked=5, timeout=5)


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv(KEY_VARIABLE, KEY)
    with chat_server() as running:
        yield running


@pytest.fixture
def ask(server, tmp_path):
    """Ask for answers to texts by a client of its own, as a job does; the answers in the texts' order."""

    def ask_texts(texts, patience=QUICK, parallel=4, **settings):
        endpoint = Endpoint(server.base_url, "tiny", KEY_VARIABLE, parallel, 32)
        client = Client(endpoint, AnswerStore(tmp_path / "answers"), patience)
        requests = [request(server, text, **settings) for text in texts]
        found = client.ask(requests, lambda: None)
        return [found[one.digest] for one in requests]

    return ask_texts


def request(server, text, **settings):
    return Request(server.base_url, "tiny", [{"role": "user", "content": text}], 32, **settings)


def test_answers_come_with_what_the_server_says_of_them(server, ask):
    server.answer = lambda body: completion(f"caption of {text_of(body)}")
    (answer,) = ask(["a"])
    assert (answer.text, answer.model, answer.finish_reason) == ("caption of a", "tiny-2026-11-01", "stop")
    assert (answer.n_prompt_tokens, answer.n_new_tokens) == (100, 7)
    assert answer.parameters == {"max_tokens": 32, "temperature": 0}
    assert server.headers[0]["authorization"] == f"Bearer {KEY}"


def test_a_repeated_run_sends_nothing_and_needs_no_key(server, ask, monkeypatch):
    first = ask(["a", "b", "c"])
    n_sent = len(server.bodies)
    monkeypatch.delenv(KEY_VARIABLE)
    assert ask(["c", "a", "b"]) == [first[2], first[0], first[1]]
    assert len(server.bodies) == n_sent == 3


def test_other_settings_leave_paid_answers_in_the_store(server, ask):
    first = ask(["a"])
    assert ask(["a"], round=1) != []
    assert len(server.bodies) == 2
    assert ask(["a"]) == first
    assert len(server.bodies) == 2


def test_equal_requests_are_sent_once(server, ask):
    assert len(set(map(str, ask(["a", "a", "a"])))) == 1
    assert len(server.bodies) == 1


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(error(500), id="server error"),
        pytest.param(error(503), id="unavailable"),
        pytest.param(error(429, "slow down"), id="rate limit"),
        pytest.param(CUT, id="cut connection"),
        pytest.param(HALF, id="cut answer"),
        pytest.param(GARBAGE, id="page of a proxy"),
        pytest.param(as_json([]), id="list"),
        pytest.param(as_json({"choices": []}), id="no choice"),
        pytest.param(as_json({"choices": [{"message": {"content": {"a": 1}}}]}), id="content of another type"),
        pytest.param(as_json({"choices": [{"message": None}]}), id="no message"),
        pytest.param(as_json({"error": {"message": "upstream"}}), id="error with status 200"),
        pytest.param((200, {"Content-Type": "application/json"}, b"[" * 100_000), id="deep nesting"),
    ],
)
def test_what_passes_is_tried_again(server, ask, fault):
    server.faults = [fault, fault]
    assert [answer.finish_reason for answer in ask(["a", "b"])] == ["stop", "stop"]
    assert len(server.bodies) == 4


def test_a_slow_answer_is_tried_again(server, ask):
    server.seconds = 0.3
    with pytest.raises(MachineError, match="did not answer in 2 attempts"):
        ask(["a"], Patience(attempts=2, first_wait=0.01, timeout=0.05))
    server.seconds = 0
    assert isinstance(ask(["a"])[0], Answer)


def test_patience_ends_with_a_machine_error_that_keeps_what_was_answered(server, ask, tmp_path):
    server.answer = lambda body: error(500, "overloaded") if text_of(body) == "bad" else completion("fine")
    with pytest.raises(MachineError, match=r"did not answer in 4 attempts \(status 500: .*overloaded.*kept in"):
        ask([*"abcdef", "bad"], parallel=1)
    assert len(server.bodies) == 6 + QUICK.attempts
    server.answer = lambda body: completion("fine")
    assert [answer.text for answer in ask([*"abcdef", "bad"])] == ["fine"] * 7
    assert len(server.bodies) == 6 + QUICK.attempts + 1


def test_what_is_under_way_when_a_job_ends_is_stored(server, ask):
    def answer(body):
        if text_of(body) == "first":
            return completion("fine")
        if text_of(body) == "bad":
            return error(401, "wrong key")
        time.sleep(0.2)
        return completion("fine")

    server.answer = answer
    with pytest.raises(InputError, match="refuses the key"):
        ask(["first", "slow", "bad", *map(str, range(20))], parallel=2)
    assert len(server.bodies) == 3
    server.answer = lambda body: completion("fine")
    ask(["slow"])
    assert len(server.bodies) == 3


def test_a_rate_limit_is_waited_out_by_all(server, ask):
    server.faults = [completion("fine"), error(429, "slow down", {"Retry-After": "0.4"})]
    server.seconds = 0.02
    start = time.monotonic()
    assert len(ask([*"abcdefghijkl"], parallel=2)) == 12
    waited = [moment - start for moment in server.times]
    assert sum(moment < 0.4 for moment in waited) <= 4  # the first, the limited one, and what the other thread sent
    assert waited[-1] >= 0.4


def test_a_server_that_asks_for_too_long_a_wait_ends_the_job(server, ask):
    server.faults = [error(429, "slow down", {"Retry-After": "86400"})]
    with pytest.raises(MachineError, match="asks to wait 1440 minutes"):
        ask(["a"])
    assert len(server.bodies) == 1


def test_an_empty_account_ends_the_job(server, ask):
    server.faults = [error(429, "quota", code="insufficient_quota"), error(402, "pay")]
    for words in ("has no credit left", "wants to be paid"):
        with pytest.raises(MachineError, match=words):
            ask(["a"])
    assert len(server.bodies) == 2


@pytest.mark.parametrize(("status", "words"), [(401, f"correct {KEY_VARIABLE}"), (404, "correct base_url or model")])
def test_a_wrong_key_or_name_ends_the_job_at_once(server, ask, status, words):
    server.answer = lambda body: error(status)
    with pytest.raises(InputError, match=words) as caught:
        ask([*"abcdef"])
    assert not isinstance(caught.value, MachineError)
    assert len(server.bodies) == 1


def test_a_rejected_request_is_a_rejection_of_its_own(server, ask):
    filtered = error(400, "The response was filtered", code="content_filter")
    server.answer = lambda body: filtered if text_of(body) == "b" else completion("fine")
    first, second, third = ask([*"abc"])
    assert second == Rejection("the server rejected the request: status 400: " + second.reason.partition("400: ")[2])
    assert "The response was filtered" in second.reason
    assert (first.text, third.text) == ("fine", "fine")


def test_a_server_that_rejects_everything_is_a_fault_of_the_settings(server, ask):
    server.answer = lambda body: error(400, "images are not supported")
    with pytest.raises(InputError, match=r"rejects every request, 5 of 5: .*images are not supported"):
        ask([*"abcdefghij"])
    assert len(server.bodies) == 5
    with pytest.raises(InputError, match=r"rejects every request, 2 of 2"):
        ask([*"ab"])


def test_a_model_that_takes_other_parameters_gets_them(server, ask):
    def answer(body):
        for name in ("max_tokens", "temperature"):
            if name in body:
                return error(400, f"Unsupported: '{name}' is not supported with this model", param=name)
        return completion(str(sorted(body)))

    server.answer = answer
    answers = ask([*"abcd"])
    assert {one.text for one in answers} == {str(["max_completion_tokens", "messages", "model"])}
    assert answers[0].parameters == {"max_completion_tokens": 32}
    assert len(server.bodies) == 4 + 2
    server.bodies.clear()
    assert all(isinstance(one, Answer) for one in ask([*"abcdefgh"]))  # a resumed run learns it in several threads


@pytest.mark.parametrize("parallel", [1, 4])
def test_another_model_in_the_middle_of_a_run_is_an_error(server, ask, parallel):
    server.answer = lambda body: completion("fine", model="new" if text_of(body) == "d" else "old")
    with pytest.raises(InputError, match=r"answers are of two models, 'old' and 'new'.*name one of them as `model`"):
        ask([*"abcdef"], parallel=parallel)
    with pytest.raises(InputError, match="answers are of two models"):  # also those of the store
        ask([*"ad"])


def test_so_many_requests_at_once_as_are_allowed(server, ask):
    server.seconds = 0.05
    ask([*"abcdefghij"], parallel=3)
    assert server.most_at_once == 3


def test_a_half_line_of_a_killed_job_is_passed_over(server, ask, tmp_path):
    first = ask(["a", "b"])
    (path,) = (tmp_path / "answers").rglob("*.jsonl")
    lines = path.read_text().splitlines(keepends=True)
    path.write_text(lines[0] + lines[1][:-20])
    assert [one.text for one in ask(["a", "b"])] == [one.text for one in first]
    assert len(server.bodies) == 3
    path.write_text("{}\n" + lines[0])
    with pytest.raises(InputError, match="line 1: no stored answer"):
        ask(["a"])


def test_a_key_that_a_server_repeats_is_hidden(server, ask, tmp_path):
    server.faults = [error(400, f"your key {KEY} is odd"), completion(f"the key is {KEY}")]
    rejected, answer = ask(["a", "b"])
    assert "[key]" in rejected.reason
    assert answer.text == "the key is [key]"
    server.answer = lambda body: error(500, f"key {KEY}")
    with pytest.raises(MachineError) as caught:
        ask(["c"])
    assert KEY not in str(caught.value)
    assert "[key]" in str(caught.value)
    assert all(KEY not in path.read_text() for path in tmp_path.rglob("*.jsonl"))


def test_lone_surrogates_of_an_answer_can_be_stored(server, ask):
    server.answer = lambda body: completion("a \ud800 circle")
    assert ask(["a"])[0].text == "a ? circle"
    assert ask(["a"])[0].text == "a ? circle"


def test_probabilities_are_read_where_they_were_asked_for(server, ask):
    alternatives = [{"token": "9", "logprob": -0.1}, {"token": "8", "logprob": -2.5}]
    tokens = [{"token": "9", "logprob": -0.1, "top_logprobs": alternatives}]
    reply = json.loads(completion("9")[2])
    reply["choices"][0]["logprobs"] = {"content": tokens}
    server.answer = lambda body: as_json(reply)
    (answer,) = ask(["a"], n_logprobs=5)
    assert answer.logprobs == [{"9": -0.1, "8": -2.5}]
    assert (server.bodies[0]["logprobs"], server.bodies[0]["top_logprobs"]) == (True, 5)
    assert "logprobs" not in server.bodies[0] or ask(["b"])[0].logprobs


def test_the_variable_of_the_key_must_be_set_where_something_is_sent(server, ask, monkeypatch):
    monkeypatch.delenv(KEY_VARIABLE)
    with pytest.raises(InputError, match=f"the environment variable {KEY_VARIABLE} is not set"):
        ask(["a"])
    monkeypatch.setenv(KEY_VARIABLE, "schlüssel")
    with pytest.raises(InputError, match="holds signs that no key has") as caught:
        ask(["a"])
    assert "schlüssel" not in str(caught.value)


def test_no_other_key_of_the_environment_is_sent(server, tmp_path, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-not-for-this-server")
    endpoint = Endpoint(server.base_url, "tiny")
    Client(endpoint, AnswerStore(tmp_path)).ask([request(server, "a")], lambda: None)
    assert "sk-not-for-this-server" not in str(server.headers)


def test_the_digest_is_that_of_what_decides_the_answer(server):
    one = request(server, "a")
    others = [
        dataclasses.replace(one, **{name: value})
        for name, value in {"base_url": "http://x/v1", "model": "m", "messages": [], "max_new_tokens": 1}.items()
    ]
    others += [dataclasses.replace(one, n_logprobs=1), dataclasses.replace(one, round=1)]
    assert len({one.digest, *(other.digest for other in others)}) == 7
    assert request(server, "a").digest == one.digest


def test_waits_are_read_as_seconds_or_as_a_date():
    assert seconds_to_wait("2.5") == 2.5
    assert 3 < seconds_to_wait(email.utils.formatdate(time.time() + 5, usegmt=True)) <= 5
    assert [seconds_to_wait(text) for text in (None, "", "soon", "-3", "inf", "nan")] == [0] * 6
