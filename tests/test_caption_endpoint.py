"""Captions of an endpoint: prompts, records, resumed jobs, and what a configuration may say of it."""

import base64
import dataclasses
import json

import pytest
from endpoint_server import KEY, KEY_VARIABLE, chat_server, completion, error, text_of
from picture_samples import draw, image_of, scene_samples
from small_configuration import SCHEMA, only_fault, small_configuration

import caption_endpoint
from captions.prompts import PromptSettings
from core.command import InputError
from core.records import read_captions, read_json, write_images, write_samples
from generation.endpoints import Endpoint
from generation.endpoints.prompts import caption_requests
from plan.configuration import systems
from plan.endpoints import expected_cost, hosted_systems
from plan.faults import find_faults
from plan.schema import fill_defaults
from samples.split_statistics import count_tokens

SAMPLES = scene_samples("test", 4)
IMAGES = [image_of(sample, draw(*place)) for sample, place in zip(SAMPLES, [("red", "top left")] * 4, strict=True)]
ENDPOINT = Endpoint("http://127.0.0.1:1/v1", "tiny")


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv(KEY_VARIABLE, KEY)
    with chat_server() as running:
        yield running


def run(server, folder, samples=SAMPLES, images=IMAGES, **changes):
    """Caption samples as the rule does; the captions and the record."""
    write_samples(folder / "test.parquet", samples)
    write_images(folder / "images.parquet", images)
    endpoint = {"base_url": server.base_url, "model": "tiny", "api_key_env": KEY_VARIABLE, "max_new_tokens": 32}
    arguments = {
        "system": "gpt",
        "endpoint": json.dumps(endpoint),
        "input": "code",
        "prompt": "{}",
        "samples": folder / "test.parquet",
        "images": folder / "images.parquet",
        "store": folder / "answers",
        "output": folder / "gpt.jsonl",
        "record": folder / "gpt.json",
        "price": '{"input": 2, "output": 10}',
    }
    caption_endpoint.main(**{**arguments, **changes})
    return read_captions(folder / "gpt.jsonl"), read_json(folder / "gpt.json")


def test_each_sample_gets_its_caption_and_the_record_says_who_wrote_it(server, tmp_path):
    server.answer = lambda body: completion(f"  drawing with\n{text_of(body)[-9:]} ")
    captions, record = run(server, tmp_path)
    assert [caption.id for caption in captions] == [sample.id for sample in SAMPLES]
    assert all(caption.caption == f"drawing with {SAMPLES[0].xml[-9:]}" for caption in captions)
    assert {(one.status, one.finish_reason, one.n_prompt_tokens, one.n_new_tokens) for one in captions} == {
        ("ok", "eos", 100, 7)
    }
    shown = ("model", "answered_by", "n_answers", "n_rejected", "n_prompt_tokens", "n_new_tokens", "cost")
    expected = ["tiny", "tiny-2026-11-01", 4, 0, 400, 28, pytest.approx((400 * 2 + 28 * 10) / 1e6)]
    assert [record[name] for name in shown] == expected
    before = (tmp_path / "gpt.jsonl").read_bytes(), (tmp_path / "gpt.json").read_bytes()
    n_sent = len(server.bodies)
    run(server, tmp_path)
    assert ((tmp_path / "gpt.jsonl").read_bytes(), (tmp_path / "gpt.json").read_bytes()) == before
    assert len(server.bodies) == n_sent


def test_what_is_no_caption_is_a_failed_record_with_its_reason(server, tmp_path):
    replies = [
        completion("fine"),
        completion("half", finish="content_filter"),
        completion(None, refusal="I can't help\nwith that."),
        error(400, "flagged", code="content_filter"),
        completion("a red", finish="length"),
        completion("", finish="length"),
        completion(" \u200b "),
    ]
    server.faults = list(replies)
    samples = scene_samples("test", len(replies))
    captions, record = run(server, tmp_path, samples, [], endpoint=endpoint_of(server, parallel=1))
    assert [(one.status, one.caption) for one in captions] == [
        *(("ok", "fine"), ("failed", ""), ("failed", ""), ("failed", "")),
        *(("ok", "a red"), ("failed", ""), ("failed", "")),
    ]
    reasons = [one.reason for one in captions]
    assert reasons[1] == "the server filtered the answer (content_filter)"
    assert reasons[2] == "the model refused: I can't help with that."
    assert reasons[3].startswith("the server rejected the request: status 400")
    assert captions[4].finish_reason == "length"
    assert reasons[5:] == [
        "the model reached max_new_tokens before it wrote anything: raise it",
        "the model wrote nothing",
    ]
    assert (record["n_answers"], record["n_rejected"]) == (6, 1)


def endpoint_of(server, **more):
    return json.dumps({"base_url": server.base_url, "model": "tiny", "api_key_env": KEY_VARIABLE, **more})


def test_a_killed_job_asks_only_for_what_it_has_not(server, tmp_path):
    server.faults = [completion("one"), completion("two"), error(401)]
    with pytest.raises(InputError):
        run(server, tmp_path, endpoint=endpoint_of(server, parallel=1))
    assert not (tmp_path / "gpt.jsonl").exists()
    captions, _ = run(server, tmp_path, endpoint=endpoint_of(server, parallel=1))
    assert [caption.caption for caption in captions][:2] == ["one", "two"]
    assert len(server.bodies) == 3 + 2


# Prompts


def requests_of(input, samples=SAMPLES, images=IMAGES, **settings):
    by_id = {image.id: image for image in images}
    return caption_requests(samples, by_id, ENDPOINT, PromptSettings(**settings), input)


def test_the_prompts_are_those_of_other_systems():
    settings = {"instruction": "Describe it.", "system": "Be brief."}
    picture = base64.b64encode(IMAGES[0].png).decode()
    part = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{picture}"}}
    code = f"Describe it.\n\n{SAMPLES[0].xml}"
    contents = {
        "code": code,
        "image": [part, {"type": "text", "text": "Describe it."}],
        "both": [part, {"type": "text", "text": code}],
    }
    for input, content in contents.items():
        asked, failed = requests_of(input, **settings)
        assert failed == []
        assert asked[0].request.messages == [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": content},
        ]


def test_a_drawing_without_picture_is_left_out_or_shown_as_code():
    images = [image_of(SAMPLES[0], None, reason="too slow"), *IMAGES[1:3]]
    for input in ("image", "both"):
        asked, failed = requests_of(input, images=images)
        assert [one.id for one in asked] == [sample.id for sample in SAMPLES[1:3]]
        reasons = {one.id: one.reason for one in failed}
        assert reasons == {SAMPLES[0].id: "not rendered: too slow", SAMPLES[3].id: "the sample has no image record"}
    asked, failed = requests_of("both", images=images, missing_picture="use_code")
    assert (len(asked), failed) == (4, [])
    assert asked[0].request.messages[0]["content"].endswith(SAMPLES[0].xml)


def test_a_long_drawing_is_shortened_by_an_estimate_of_its_tokens():
    xml = "<svg>" + '<rect x="1" y="2" width="3"/>' * 200 + "</svg>"
    sample = dataclasses.replace(SAMPLES[0], xml=xml)
    asked, _ = requests_of("code", [sample], max_tokens=300)
    shown = asked[0].request.messages[0]["content"].partition("\n\n")[2]
    assert shown.startswith("<svg><rect")
    assert shown.endswith("/></svg>")
    assert 250 < count_tokens(shown) <= 300
    assert asked[0].n_prompt_tokens <= 300 < asked[0].n_prompt_tokens + asked[0].n_xml_tokens_removed
    assert requests_of("code", [sample])[0][0].n_xml_tokens_removed == 0


# The configuration


@pytest.fixture
def config():
    config = small_configuration()
    entry = {"kind": "endpoint", "base_url": "https://api.example.org/v1", "model": "m-2026", "input": "both"}
    config["systems"] = {"gpt": entry | {"api_key_env": KEY_VARIABLE, "price": {"input": 0.5, "output": 2}}}
    return config


def test_an_endpoint_is_a_system_of_its_own_family(config, monkeypatch):
    monkeypatch.delenv(KEY_VARIABLE, raising=False)
    assert find_faults(config, SCHEMA) == [], "a plan needs no key"
    full = fill_defaults(config, SCHEMA)
    expected = {"label": "gpt", "base": "gpt", "family": "endpoint", "trained": False, "input": "both"}
    assert systems(full)["gpt"] == expected
    hosted = hosted_systems(full, "results/small")["gpt"]
    assert hosted.endpoint["max_new_tokens"] == 128
    assert hosted.images == "results/small/images/test.parquet"


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"base_url": "https://u:secret@x.org/v1"}, "systems.gpt.base_url: has credentials or a query; give the addr"),
        (
            {"base_url": "https://x.org/v1?key=secret"},
            "systems.gpt.base_url: has credentials or a query; give the addr",
        ),
        ({"base_url": "x.org/v1"}, "systems.gpt.base_url: 'x.org/v1' is no address of a server"),
        ({"base_url": "https://x.org/v1/chat/completions"}, "systems.gpt.base_url: ends where the API begins"),
        ({"base_url": "http://[x"}, "systems.gpt.base_url: is no address"),
        ({"api_key_env": "sk-secret"}, "systems.gpt.api_key_env: must be the name of an environment variable"),
        ({"api_key": "sk-secret"}, "systems.gpt.api_key: unknown key; did you mean 'api_key_env'?"),
        ({"path": "a.json"}, "systems.gpt"),
        ({"fields": {"id": "x"}}, "systems.gpt.fields: a system of kind endpoint has no fields; remove it"),
        ({"model": None}, "systems.gpt"),
        ({"input": None}, "systems.gpt"),
        ({"price": {"input": 1}}, "systems.gpt.price.output: missing in systems.gpt.price"),
        ({"kind": "file"}, "systems.gpt.path: missing; a system of kind file needs path"),
    ],
)
def test_faults_of_an_endpoint_are_named_and_no_secret_is_repeated(config, change, fault):
    entry = config["systems"]["gpt"] | change
    config["systems"]["gpt"] = {key: value for key, value in entry.items() if value is not None}
    faults = find_faults(config, SCHEMA)
    assert faults[0].startswith(fault), faults
    assert "secret" not in str(faults)


def test_a_file_has_no_settings_of_endpoints(config, tmp_path):
    (tmp_path / "a.csv").write_text("id,caption\n")
    config["systems"] = {"mine": {"kind": "file", "path": str(tmp_path / "a.csv"), "parallel": 3}}
    assert only_fault(config).startswith("systems.mine.parallel: a system of kind file has no parallel")


def test_the_cost_is_told_before_a_run_and_what_is_stored_costs_nothing(server, tmp_path, config):
    config["systems"]["gpt"] |= {"base_url": server.base_url, "model": "tiny", "input": "code", "max_new_tokens": 32}
    hosted = hosted_systems(fill_defaults(config, SCHEMA), "results/small")["gpt"]
    samples, store = tmp_path / "test.parquet", tmp_path / "answers"
    assert expected_cost(hosted, {}, samples, store) is None
    write_samples(samples, SAMPLES)
    cost = expected_cost(hosted, {}, samples, store)
    asked, _ = requests_of("code")
    assert (cost.n_requests, cost.n_stored, cost.n_new_tokens) == (4, 0, 4 * 32)
    assert cost.n_prompt_tokens == sum(one.n_prompt_tokens for one in asked)
    price = {"input": 1000.0, "output": 2000.0}
    assert cost.describe(price, "EUR") == (
        f"4 requests, about {cost.n_prompt_tokens} tokens of prompts and at most 128 of answers, "
        f"{(cost.n_prompt_tokens + 2 * 128) / 1000:.2f} EUR at most"
    )
    run(server, tmp_path, SAMPLES[:3])
    write_samples(samples, SAMPLES)
    assert "1 requests" in (text := expected_cost(hosted, {}, samples, store).describe(None, "EUR"))
    assert "(3 of 4 requests are answered in the store)" in text
    assert "EUR" not in text
    run(server, tmp_path)
    assert expected_cost(hosted, {}, samples, store).describe(price, "EUR").startswith("nothing is sent: 4 of 4")
