"""Captions by vLLM, an optional extra (envs/vllm.txt): the same prompts, records and adapters by another engine.

vLLM batches by itself and keeps a shared prefix by itself; a batch of ours is only what is written to disk at once.
In 16 bits its captions are not those of transformers to the letter: the sums are made in another order. vLLM is not
installed where the tests run: they use a stand-in with the arguments of its version in envs/vllm.txt, and each call is
compared with the installed version when it is made (vllm_checks.py).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from core.command import InputError
from core.records import read_json
from generation.llm_engines import EngineJob, Prompt, Written, sample_seed, written_before_end
from generation.llm_engines.vllm_checks import call, check_worn, tokens_of
from models.number_format import choose_dtype

PROMPTS_A_BATCH = 256


class VllmEngine:
    """A causal LM of vLLM that writes."""

    def __init__(self, llm: Any, job: EngineJob):
        self.llm, self.settings, self.seed, self.end_ids = llm, job.settings, job.seed, job.end_ids
        self._numbers = {adapter: number for number, adapter in enumerate(job.adapters, start=1)}
        self._request: Any = None

    def activate(self, adapter: Path | None) -> None:
        """Write with this adapter from now on, beside the weights, as vLLM does."""
        from vllm.lora.request import LoRARequest

        # vLLM knows an adapter by its number, which must not be 0.
        names = {"lora_name": str(adapter), "lora_path": str(adapter)}
        self._request = adapter and call("LoRARequest", LoRARequest, **names, lora_int_id=self._numbers[adapter])

    def plan(self, prompts: list[Prompt]) -> list[list[Prompt]]:
        """Prompts in their order, so many at once that vLLM is busy and a killed job loses little."""
        return [prompts[start : start + PROMPTS_A_BATCH] for start in range(0, len(prompts), PROMPTS_A_BATCH)]

    def write(self, batch: list[Prompt]) -> list[Written]:
        """What is written after each prompt."""
        outputs = call(
            "LLM.generate",
            self.llm.generate,
            [{"prompt_token_ids": prompt.tokens} for prompt in batch],
            [self._sampling(prompt) for prompt in batch],
            lora_request=self._request,
            use_tqdm=False,
        )
        return [written_before_end(tokens, self.end_ids) for tokens in tokens_of(outputs, len(batch))]

    def _sampling(self, prompt: Prompt) -> Any:
        from vllm import SamplingParams

        settings = self.settings
        drawing = {"temperature": settings.temperature, "top_p": settings.top_p} if settings.do_sample else {}
        return call(
            "SamplingParams",
            SamplingParams,
            **(drawing or {"temperature": 0.0}),
            max_tokens=settings.max_new_tokens,
            stop_token_ids=self.end_ids,
            ignore_eos=True,  # else it stops at the base's own end as well, which may be no end of a turn
            seed=sample_seed(self.seed, prompt.id),
            detokenize=False,
        )


def adapter_options(adapters: list[Path]) -> dict[str, Any]:
    """Options of vLLM for adapters: one at a time, room for the highest rank (a power of two from 8 on)."""
    if not adapters:
        return {}
    rank = max(read_json(adapter / "adapter_config.json")["r"] for adapter in adapters)
    return {"enable_lora": True, "max_loras": 1, "max_lora_rank": max(8, 1 << (rank - 1).bit_length())}


def load_engine(job: EngineJob) -> VllmEngine:
    """The engine with its base loaded. Raises InputError where vLLM is not installed or can't do what is asked."""
    if job.settings.num_beams > 1:
        raise InputError("decoding: engine vllm decodes without beams; set num_beams: 1 or engine: transformers")
    if job.settings.attention != "auto":
        raise InputError("decoding: engine vllm chooses attention itself; set attention: auto or engine: transformers")
    if job.reads_pictures:
        raise InputError("decoding: engine vllm is given no pictures; set engine: transformers, or input: code")
    try:
        from vllm import LLM
    except ImportError as error:
        raise InputError(
            f"decoding.engine is vllm, which can't be imported here ({error}): install it with "
            "`pip install -r envs/vllm.txt` into an environment of its own and name its interpreter in decoding.python "
            "(or run with --sdm conda), or set engine: transformers"
        ) from error
    for adapter in job.adapters:
        check_worn(adapter)
    llm = call(
        "LLM",
        LLM,
        model=str(job.base),
        dtype=str(choose_dtype(job.settings.dtype)).removeprefix("torch."),
        max_model_len=job.most_tokens,
        enable_prefix_caching=True,
        seed=job.seed,
        **adapter_options(job.adapters),
    )
    return VllmEngine(llm, job)
