"""Let an LLM, with or without adapter, caption the xml of each drawing.

Input: a base model folder, perhaps an adapter, samples, prompt and decoding settings as JSON. Output: captions, one
record a sample, in the samples' order. Prompts are sorted by length and batched by a budget of tokens, left-padded;
the prompt is removed by its number of tokens; decoding stops at the end of the turn. A killed job goes on where it was.

    python workflow/scripts/caption_llm.py --system test3 --base DIR --adapter adapters/test3 \
        --samples data/test.parquet --decoding '{"max_new_tokens": 40}' --seed 7 --output captions/test3.jsonl
"""

from __future__ import annotations

import argparse
import dataclasses
import hashlib
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import quiet_libraries  # noqa: F401  (before the libraries, which speak while they are imported)

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM, AutoTokenizer, set_seed

from caption_parts import CaptionParts
from command import InputError, Progress, run_command, say
from json_settings import settings_from_json
from model_files import check_model_folder, file_digest, model_digest
from number_format import choose_dtype
from prompts import PromptSettings, end_of_turn_ids, prompt_form, prompt_tokens
from records import Caption, read_json, read_samples


@dataclass(frozen=True)
class DecodingSettings:
    """How captions are decoded; the keys of `decoding` in the configuration."""

    max_new_tokens: int = 128
    num_beams: int = 1
    do_sample: bool = False
    temperature: float = 1.0
    top_p: float = 1.0
    batch_tokens: int = 16384
    dtype: str = "auto"


@dataclass(frozen=True)
class Prompt:
    """A sample's prompt as tokens."""

    id: str
    tokens: list[int]


def load_model(base: Path, adapter: Path | None, dtype: torch.dtype) -> Any:
    """The base, with the adapter's matrices merged in where there is one."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    model: Any = AutoModelForCausalLM.from_pretrained(base, dtype=dtype, local_files_only=True)
    model = model.to(device)
    if adapter:
        # Merged weights decode as fast as the base's.
        model = PeftModel.from_pretrained(model, adapter, local_files_only=True).merge_and_unload()
    return model.eval()


def check_adapter(adapter: Path, base: Path) -> None:
    """Raise InputError for an adapter that was trained on another base."""
    trained_on = read_json(adapter / "training.json")["base_digest"]
    found = model_digest(base)
    if trained_on != found:
        raise InputError(
            f"the adapter {adapter} was trained on another base: weights digest {trained_on[:12]}, but {base} has "
            f"{found[:12]}; train it again or name its own base"
        )


def plan_batches(prompts: list[Prompt], batch_tokens: int, max_new_tokens: int) -> list[list[Prompt]]:
    """Prompts of like length together, the longest first; a batch with its new tokens keeps to the budget."""
    batches: list[list[Prompt]] = []
    for prompt in sorted(prompts, key=lambda prompt: (-len(prompt.tokens), prompt.id)):
        longest = len(batches[-1][0].tokens) if batches else 0
        if batches and (len(batches[-1]) + 1) * (longest + max_new_tokens) <= batch_tokens:
            batches[-1].append(prompt)
        else:
            batches.append([prompt])
    return batches


class Decoder:
    """Token sequences in, captions out."""

    def __init__(self, model: Any, tokenizer: Any, end_ids: list[int], settings: DecodingSettings):
        self.model, self.tokenizer, self.end_ids, self.settings = model, tokenizer, end_ids, settings
        pad = tokenizer.pad_token_id
        self.pad_id = pad if pad is not None else end_ids[0]

    def caption(self, batch: list[Prompt]) -> Iterator[Caption]:
        """Caption a batch; one that does not fit into memory is halved."""
        start = time.monotonic()
        try:
            sequences = self._generate(batch)
        except torch.cuda.OutOfMemoryError:
            if len(batch) == 1:
                raise
            torch.cuda.empty_cache()
            say("caption_llm", f"out of memory with {len(batch)} prompts: the batch is halved")
            middle = len(batch) // 2
            yield from self.caption(batch[:middle])
            yield from self.caption(batch[middle:])
            return
        seconds = (time.monotonic() - start) / len(batch)
        for prompt, tokens in zip(batch, sequences, strict=True):
            yield self._record(prompt, tokens, seconds)

    @torch.inference_mode()
    def _generate(self, batch: list[Prompt]) -> list[list[int]]:
        length = max(len(prompt.tokens) for prompt in batch)
        ids = torch.full((len(batch), length), self.pad_id)
        mask = torch.zeros((len(batch), length), dtype=torch.long)
        for row, prompt in enumerate(batch):
            ids[row, length - len(prompt.tokens) :] = torch.tensor(prompt.tokens)
            mask[row, length - len(prompt.tokens) :] = 1
        settings = self.settings
        sampling = {"temperature": settings.temperature, "top_p": settings.top_p} if settings.do_sample else {}
        output = self.model.generate(
            input_ids=ids.to(self.model.device),
            attention_mask=mask.to(self.model.device),
            max_new_tokens=settings.max_new_tokens,
            num_beams=settings.num_beams,
            do_sample=settings.do_sample,
            eos_token_id=self.end_ids,
            pad_token_id=self.pad_id,
            **sampling,
        )
        return output[:, length:].tolist()

    def _record(self, prompt: Prompt, tokens: list[int], seconds: float) -> Caption:
        end = next((place for place, token in enumerate(tokens) if token in self.end_ids), None)
        kept = tokens if end is None else tokens[:end]
        text = " ".join(self.tokenizer.decode(kept, skip_special_tokens=True).split())
        return Caption(
            id=prompt.id,
            caption=text,
            status="ok" if text else "failed",
            reason="" if text else "the model wrote nothing",
            finish_reason="length" if end is None else "eos",
            n_prompt_tokens=len(prompt.tokens),
            n_new_tokens=len(kept),
            seconds=round(seconds, 4),
        )


def plain_generation(model: Any) -> Any:
    """The model with sampling values of its own generation config unset: ours decide, and it warns of unused ones."""
    for name in ("temperature", "top_p", "top_k", "repetition_penalty"):
        setattr(model.generation_config, name, None)
    return model


def main(
    *, system: str, base: Path, adapter: Path | None, samples: Path, prompt: str, decoding: str, seed: int, output: Path
) -> None:
    """Caption all samples. Raises InputError for what a person can mend, before the model is loaded."""
    settings = settings_from_json(DecodingSettings, decoding, "decoding")
    prompt_settings = PromptSettings.from_json(prompt)
    check_model_folder(base)
    if adapter:
        check_adapter(adapter, base)
    sample_list = read_samples(samples)
    identity = {
        "base": model_digest(base),
        "adapter": file_digest(adapter / "adapter_model.safetensors") if adapter else None,
        "samples": file_digest(samples),
        "prompt": dataclasses.asdict(prompt_settings),
        "decoding": dataclasses.asdict(settings),
        "seed": seed,
    }
    tokenizer = AutoTokenizer.from_pretrained(base, local_files_only=True)
    prompts = [Prompt(sample.id, prompt_tokens(tokenizer, sample.xml, prompt_settings).ids) for sample in sample_list]
    parts = CaptionParts(output, identity)
    say("caption_llm", f"{system}: {len(prompts)} prompts by the {prompt_form(tokenizer)}")
    model = plain_generation(load_model(base, adapter, choose_dtype(settings.dtype)))
    end_ids = end_of_turn_ids(tokenizer, prompt_settings, model.generation_config)
    decoder = Decoder(model, tokenizer, end_ids, settings)
    with Progress(f"caption_llm {system}", len(prompts), "caption") as progress:
        for batch in plan_batches(prompts, settings.batch_tokens, settings.max_new_tokens):
            ids = [prompt.id for prompt in batch]
            if not parts.hold(ids):
                # A seed of its own makes a batch the same whether or not the ones before it were made in this run.
                set_seed(batch_seed(seed, ids))
                parts.append(list(decoder.caption(batch)))
            progress.advance(len(batch))
    parts.finish([sample.id for sample in sample_list])


def batch_seed(seed: int, ids: list[str]) -> int:
    """The seed of a batch, from the job's seed and what is in it."""
    return int.from_bytes(hashlib.sha256(f"{seed}:{ids}".encode()).digest()[:4], "big")


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Let an LLM caption the xml of each drawing.")
    parser.add_argument("--system", required=True, help="name of the system")
    parser.add_argument("--base", type=Path, required=True, help="folder of the base model")
    parser.add_argument("--adapter", type=Path, help="folder of a LoRA adapter trained on that base")
    parser.add_argument("--samples", type=Path, required=True, help="data/test.parquet")
    parser.add_argument("--prompt", default="{}", help="prompt settings as JSON (docs/configuration.md, prompt)")
    parser.add_argument("--decoding", default="{}", help="decoding settings as JSON (docs/configuration.md, decoding)")
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--output", type=Path, required=True, help="captions/<system>.jsonl")
    return parser


if __name__ == "__main__":
    run_command(main, build_parser())
