"""What only a GPU shows: 4-bit training and its resume, memory that runs out, captions and CLIP there.

    python -m pytest tests/test_on_gpu.py

Skipped where there is no CUDA device.
"""

from __future__ import annotations

import contextlib
import io
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image as Picture
from tiny_models import build_tiny_clip, build_tiny_model
from training_runs import adapter, history, start, train, write_base_and_data, write_data

from core.command import InputError
from generation.llm_engines import DecodingSettings, EngineJob, Prompt
from generation.llm_engines.torch_engine import TorchEngine, load_engine
from models.clip_model import load_clip
from training.data import Example, LeftPadding, caption_loss
from training.model import load_model
from training.settings import TrainingSettings

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")

QLORA = {"quantisation": "nf4", "double_quantisation": True, "gradient_checkpointing": True, "dtype": "auto"}
QLORA |= {"targets": ["q_proj", "k_proj", "v_proj", "o_proj"], "max_steps": 40, "eval_steps": 10, "save_steps": 10}
END = 2


@pytest.fixture(scope="module")
def base_and_data(tmp_path_factory) -> tuple[Path, Path]:
    return write_base_and_data(tmp_path_factory.mktemp("gpu"))


@contextlib.contextmanager
def memory_left(megabytes: int) -> Iterator[None]:
    """All of the GPU's memory but so much is taken."""
    torch.cuda.empty_cache()
    free, _ = torch.cuda.mem_get_info()
    hog = torch.empty(free - megabytes * 2**20, dtype=torch.uint8, device="cuda")
    try:
        yield
    finally:
        del hog
        torch.cuda.empty_cache()


def test_qlora_trains_in_bf16_and_says_the_memory_of_the_gpu(base_and_data, tmp_path):
    summary = train(*base_and_data, tmp_path / "out", **QLORA)
    assert summary["dtype"] == "bfloat16"
    assert 0 < summary["peak_gpu_memory_mb"] < 1000
    losses = [record["loss"] for record in history(tmp_path / "out") if "loss" in record]
    assert losses[-1] < losses[0]
    moved = [tensor for name, tensor in adapter(tmp_path / "out").items() if "lora_B" in name]
    assert all(tensor.abs().sum() > 0 for tensor in moved)


def test_left_padding_gives_finite_gradients_at_every_length(base_and_data):
    """CuDNN's attention gives NaN at lengths of 64 over a multiple of 128, where a row of the mask is empty."""
    model = load_model(base_and_data[0], TrainingSettings(dtype="bf16", dropout=0.0)).cuda().train()
    for length in (*range(60, 70), 128, 190, 191, 192, 193, 320):
        batch = LeftPadding(0)([Example([7] * (length - 5), [8] * 5), Example([9] * 20, [8] * 4)])
        inputs = {name: value.cuda() if torch.is_tensor(value) else value for name, value in batch.items()}
        labels = inputs.pop("labels")
        model.zero_grad()
        caption_loss(model(**inputs).logits, labels, None).backward()
        gradients = [parameter.grad for parameter in model.parameters() if parameter.grad is not None]
        assert all(gradient.isfinite().all() for gradient in gradients), length


def test_qlora_killed_on_the_gpu_goes_on_to_the_same_loss(base_and_data, tmp_path):
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    train(*base_and_data, whole, **QLORA)
    process = start(*base_and_data, cut, **QLORA)
    while process.poll() is None and not list(cut.glob("checkpoints/checkpoint-*/trainer_state.json")):
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert not (cut / "training.json").exists(), "it had ended before it was killed"
    assert train(*base_and_data, cut, **QLORA)["attempts"] == 2
    # Sums on a GPU have no fixed order, so the last digits may differ.
    first, second = (history(folder)[-1]["eval_loss"] for folder in (whole, cut))
    assert second == pytest.approx(first, rel=0.02)


def test_a_batch_over_the_memory_is_halved_and_the_effective_batch_kept(tmp_path, capfd):
    base = build_tiny_model(tmp_path / "base", layers=32)
    # Without checkpointing each layer keeps its activations for the backward pass.
    settings = {"batch_size": 512, "accumulation": 1, "max_steps": 2, "dtype": "fp32"}
    with memory_left(700):
        summary = train(base, write_data(tmp_path, n_train=600), tmp_path / "out", **settings)
    assert summary["batch_size"] < 512
    assert summary["batch_size"] * summary["accumulation"] == summary["effective_batch"] == 512
    assert "512 x 1 as given does not fit into memory" in capfd.readouterr().err


def test_a_batch_as_given_over_the_memory_says_what_to_lower(tmp_path):
    base = build_tiny_model(tmp_path / "base", layers=32)
    with memory_left(700), pytest.raises(InputError, match=r"out of GPU memory with 512 x .* micro_batch: auto"):
        train(
            base,
            write_data(tmp_path, n_train=600),
            tmp_path / "out",
            batch_size=512,
            max_steps=2,
            micro_batch="as_given",
        )


def engine_of(base: Path, **settings) -> TorchEngine:
    return load_engine(EngineJob(base, [], [END], 0, 0, DecodingSettings(max_new_tokens=12, **settings), seed=0))


def prompts_of(n: int, length: int) -> list[Prompt]:
    draw = np.random.default_rng(0)
    return [Prompt(f"p{k}", draw.integers(5, 300, draw.integers(length // 2, length)).tolist()) for k in range(n)]


def test_captions_in_batches_equal_those_one_by_one(base_and_data):
    engine, prompts = engine_of(base_and_data[0], dtype="fp32"), prompts_of(40, 60)
    assert engine.model.device.type == "cuda"
    single = {prompt.id: engine.write([prompt])[0].tokens for prompt in prompts}
    for batch in engine.plan(prompts):
        assert [written.tokens for written in engine.write(batch)] == [single[prompt.id] for prompt in batch]


@pytest.mark.parametrize("family", ["llama", "gemma2", "gemma3", "qwen3"])
def test_captions_by_cuda_graphs_equal_those_without(family, tmp_path, monkeypatch, capfd):
    base, prompts, replays = build_tiny_model(tmp_path / "base", family), prompts_of(40, 60), []

    class CountedGraph(torch.cuda.CUDAGraph):
        def replay(self) -> None:
            replays.append(self)
            super().replay()

    monkeypatch.setattr(torch.cuda, "CUDAGraph", CountedGraph)
    with_graphs, without = (
        [written.tokens for batch in engine.plan(prompts) for written in engine.write(batch)]
        for engine in (engine_of(base, dtype="fp32", batch_tokens=800, cuda_graphs=used) for used in (True, False))
    )
    assert with_graphs == without
    assert len(replays) > 20
    assert "without CUDA graphs" not in capfd.readouterr().err


def test_captions_over_the_memory_are_written_in_halves(base_and_data, capfd):
    engine = engine_of(base_and_data[0], dtype="fp32", batch_tokens=10**7)
    prompts = prompts_of(600, 1200)
    expected = [written.tokens for batch in engine.plan(prompts) for written in engine.write(batch)]
    engine = engine_of(base_and_data[0], dtype="fp32", batch_tokens=10**7)
    with memory_left(300):
        found = [written.tokens for batch in engine.plan(prompts) for written in engine.write(batch)]
    assert found == expected
    assert "out of memory: from now on" in capfd.readouterr().err


def png(colour: str) -> bytes:
    buffer = io.BytesIO()
    Picture.new("RGB", (48, 48), colour).save(buffer, "PNG")
    return buffer.getvalue()


def test_clip_features_of_the_gpu_are_those_of_the_cpu(tmp_path, monkeypatch):
    folder, pngs = build_tiny_clip(tmp_path / "clip"), [png(colour) for colour in ("red", "blue", "teal", "gold")]
    texts = ["a red square", "blue", "two circles"]
    on_gpu = load_clip(folder)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    on_cpu = load_clip(folder)
    assert (on_gpu.device, on_gpu.precision, on_cpu.device) == ("cuda", "bf16", "cpu")
    # Features are unit vectors; bf16 has three digits.
    assert np.allclose(on_gpu.encode_images(pngs), on_cpu.encode_images(pngs), atol=0.02)
    assert np.allclose(on_gpu.encode_texts(texts), on_cpu.encode_texts(texts), atol=0.02)
