"""Stands in for the package vllm where it is not installed: the calls that llm_engines/vllm_engine.py makes, no more.

The arguments are those of vLLM 0.33 (LLM, LLM.generate, SamplingParams, LoRARequest); anything else is a TypeError.
What is written is written by transformers, one prompt at a time, and like vLLM it keeps the token that ended it. This
tests how prompts, adapters, stops and results are handed over; it says nothing of vLLM's own numbers.
"""

from __future__ import annotations

import sys
import types
from dataclasses import dataclass

import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM

__version__ = "0.33.0"
RANKS = (1, 8, 16, 32, 64, 128, 256, 320, 512)


@dataclass(frozen=True, kw_only=True)
class SamplingParams:
    temperature: float
    max_tokens: int
    stop_token_ids: list[int]
    ignore_eos: bool
    seed: int
    detokenize: bool
    top_p: float = 1.0


@dataclass(frozen=True)
class LoRARequest:
    lora_name: str
    lora_int_id: int
    lora_path: str


class LLM:
    """The base from a folder, with room for adapters of a rank where they are enabled."""

    def __init__(
        self,
        model,
        *,
        dtype,
        max_model_len,
        enable_prefix_caching,
        seed,
        enable_lora=False,
        max_loras=1,
        max_lora_rank=16,
    ):
        assert max_lora_rank in RANKS
        self.base, self.dtype, self.max_model_len = model, getattr(torch, dtype), max_model_len
        self.enable_lora, self.max_lora_rank = enable_lora, max_lora_rank

    def generate(self, prompts, sampling_params, *, use_tqdm, lora_request):
        model = AutoModelForCausalLM.from_pretrained(self.base, dtype=self.dtype)
        if lora_request:
            assert self.enable_lora
            assert lora_request.lora_int_id > 0
            model = PeftModel.from_pretrained(model, lora_request.lora_path)
            assert model.peft_config["default"].r <= self.max_lora_rank
        return [self._write(model, *pair) for pair in zip(prompts, sampling_params, strict=True)]

    def _write(self, model, prompt, params):
        assert params.temperature == 0, "the stand-in is greedy"
        assert params.ignore_eos, "vLLM would stop at the base's own end as well"
        ids = torch.tensor([prompt["prompt_token_ids"]])
        assert ids.shape[1] + params.max_tokens <= self.max_model_len
        written = model.generate(
            input_ids=ids, max_new_tokens=params.max_tokens, do_sample=False, eos_token_id=params.stop_token_ids
        )
        tokens = written[0, ids.shape[1] :].tolist()
        return types.SimpleNamespace(outputs=[types.SimpleNamespace(token_ids=tuple(tokens))])


def install(monkeypatch) -> None:
    """Make `import vllm` find this module."""
    request = types.ModuleType("vllm.lora.request")
    request.LoRARequest = LoRARequest
    monkeypatch.setitem(sys.modules, "vllm", sys.modules[__name__])
    monkeypatch.setitem(sys.modules, "vllm.lora", types.ModuleType("vllm.lora"))
    monkeypatch.setitem(sys.modules, "vllm.lora.request", request)
