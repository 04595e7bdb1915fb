"""Endpoints against `transformers serve` with tiny models: the captions are those that caption_llm writes."""

import json
import socket
import time
import urllib.request
from contextlib import contextmanager

import pytest
from picture_samples import write_scenes
from tiny_models import build_tiny_model

import caption_endpoint
import caption_llm
from core.records import read_captions, read_json

pytest.importorskip("transformers.cli.serve")
N, NEW_TOKENS = 4, 8


def free_port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


@contextmanager
def serve(folder):
    """A server of the model in a folder, in this process; its address."""
    from transformers.cli.serve import Serve

    port = free_port()
    running = Serve(
        force_model=str(folder), host="127.0.0.1", port=port, device="cpu", dtype="float32", non_blocking=True
    )
    try:
        for _ in range(200):
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=1)
                break
            except OSError:
                time.sleep(0.05)
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        running.kill_server()


def caption_both(folder, model, base_url, input):
    """Captions by the endpoint and by the local job."""
    samples = write_scenes(folder, "test", N)
    images = folder / "images" / "test.parquet"
    endpoint = {"base_url": base_url, "model": str(model), "parallel": 1, "max_new_tokens": NEW_TOKENS}
    caption_endpoint.main(
        system="hosted",
        endpoint=json.dumps(endpoint),
        input=input,
        prompt="{}",
        samples=samples,
        images=images,
        store=folder / "answers",
        output=folder / "hosted.jsonl",
        record=folder / "hosted.json",
    )
    caption_llm.main(
        systems=json.dumps({"local": {"input": input}}),
        base=model,
        samples=samples,
        train=None,
        shard="1/1",
        prompt="{}",
        decoding=json.dumps({"max_new_tokens": NEW_TOKENS, "dtype": "fp32"}),
        seed=7,
        output_dir=folder,
        manifest=None,
        images=json.dumps({"test": str(images)}),
    )
    return read_captions(folder / "hosted.jsonl"), read_captions(folder / "local.jsonl")


def test_a_hosted_model_gets_the_prompts_of_the_local_one(tmp_path):
    model = build_tiny_model(tmp_path / "llm", "llama")
    with serve(model) as base_url:
        hosted, local = caption_both(tmp_path, model, base_url, "code")
    assert [one.caption for one in hosted] == [one.caption for one in local]
    assert [one.n_prompt_tokens for one in hosted] == [one.n_prompt_tokens for one in local]
    assert str(model) in read_json(tmp_path / "hosted.json")["answered_by"]


def test_a_hosted_vision_language_model_sees_the_same_picture(tmp_path, vlms):
    model = vlms("qwen2_5_vl")
    with serve(model) as base_url:
        hosted, local = caption_both(tmp_path, model, base_url, "both")
    assert [one.n_prompt_tokens for one in hosted] == [one.n_prompt_tokens for one in local]
    assert [one.caption for one in hosted] == [one.caption for one in local]
