"""Decoding steps that a GPU replays as CUDA graphs: recorded on a CPU they give what the present loop gives."""

import re

import pytest
import torch
from recorded_steps import RecordedGraph, record_on_cpu
from test_caption_llm import caption, texts, write_drawings
from tiny_architectures import build_architecture
from tiny_models import build_tiny_model
from transformers import FalconH1Config, LlamaConfig

from generation.llm_engines import DecodingSettings, EngineJob, Prompt, torch_engine
from generation.llm_engines.roomy_cache import what_is_not_fixed
from generation.llm_engines.torch_engine import load_engine


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    return build_tiny_model(tmp_path_factory.mktemp("base"), "llama")


@pytest.fixture
def samples(tmp_path):
    return write_drawings(tmp_path)


def replays_and_captions(base, samples, folder, monkeypatch, **decoding):
    """How often graphs were replayed, the captions by them, and those without."""
    options = {"decoding": {"cuda_graphs": True, **decoding}}
    expected = texts(caption(base, samples, folder / "plain", **options))
    record_on_cpu(monkeypatch)
    found = texts(caption(base, samples, folder / "recorded", **options))
    return RecordedGraph.n_replays, found, expected


@pytest.mark.parametrize("family", ["llama", "gemma2", "gemma3", "qwen3", "plain"])
def test_replayed_steps_write_the_same_captions(family, samples, tmp_path, monkeypatch):
    """Windows of gemma are shorter than the prompts; the others begin with a shared prefix."""
    monkeypatch.setitem(torch_engine.LEAST_SHARED, torch.float32, 0)
    n_replays, found, expected = replays_and_captions(
        build_tiny_model(tmp_path / "base", family), samples, tmp_path, monkeypatch, batch_tokens=2000
    )
    assert found == expected
    assert n_replays > 20


def written_lengths(engine, prompts):
    written = {
        prompt.id: one for batch in engine.plan(prompts) for prompt, one in zip(batch, engine.write(batch), strict=True)
    }
    return [(len(written[prompt.id].tokens), written[prompt.id]) for prompt in prompts]


def test_rows_that_have_ended_change_nothing_in_those_that_go_on(base, monkeypatch):
    """A seventh of the vocabulary ends a caption, so that rows end at different steps."""
    settings = DecodingSettings(max_new_tokens=20, dtype="fp32", cuda_graphs=True)
    job = EngineJob(base, [], list(range(4, 300, 7)), 0, 120, settings, seed=0)
    prompts = [Prompt(f"p{k}", [5 + (7 * k + 3 * n) % 290 for n in range(20 + 4 * k)]) for k in range(16)]
    expected = written_lengths(load_engine(job), prompts)
    record_on_cpu(monkeypatch)
    assert written_lengths(load_engine(job), prompts) == expected
    assert RecordedGraph.n_replays > 8
    assert len({length for length, _ in expected}) > 4


def test_drawn_captions_are_the_same_by_replayed_steps(base, samples, tmp_path, monkeypatch):
    drawn = {"do_sample": True, "temperature": 1.5, "top_p": 0.9}
    n_replays, found, expected = replays_and_captions(base, samples, tmp_path, monkeypatch, **drawn)
    assert (found, n_replays > 8) == (expected, True)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("gpt_neo", "GPTNeoForCausalLM is decoded without CUDA graphs: RuntimeError in .*: aten.lift_fresh.default is"),
        ("mpt", "MptForCausalLM is decoded without CUDA graphs: RuntimeError in .*: aten.is_nonzero.default is not"),
        ("mixtral", ""),
        ("qwen2_vl", ""),
    ],
)
def test_a_model_whose_step_can_not_be_recorded_goes_without_and_says_why(
    name,
    reason,
    samples,
    tmp_path,
    monkeypatch,
    capfd,
):
    folder = build_architecture(tmp_path / "base", name)
    n_replays, found, expected = replays_and_captions(folder, samples, tmp_path, monkeypatch)
    assert found == expected
    said = capfd.readouterr().err
    assert re.search(reason, said)
    assert ("without CUDA graphs" in said) == bool(reason)
    assert (n_replays > 0) == (not reason)


def test_a_model_that_keeps_other_states_goes_without():
    assert what_is_not_fixed(LlamaConfig()) == ""
    assert what_is_not_fixed(FalconH1Config()) == "LinearAttentionAndFullAttentionLayer"


def test_without_the_setting_nothing_is_recorded(base, samples, tmp_path, monkeypatch):
    n_replays, found, expected = replays_and_captions(base, samples, tmp_path, monkeypatch, cuda_graphs=False)
    assert (n_replays, found) == (0, expected)
