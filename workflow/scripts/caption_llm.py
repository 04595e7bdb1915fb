r"""Let systems that share a base caption each drawing: the base alone, with examples in the prompt, with an adapter.

They read the drawing's xml; a vision-language model may read its rendered picture instead, or both (`input`). Input: a
base model folder, the systems, samples (all or a shard of them), prompt and decoding settings as JSON. Output:
<output-dir>/<system>.jsonl, one caption a sample, in the samples' order. Prompts are sorted by length and batched by a
budget of tokens; the prompt is removed by its number of tokens; decoding stops at the end of the turn. A killed job
goes on where it was: what it has written lies in <system>.jsonl.parts/.

    python workflow/scripts/caption_llm.py --systems '{"test3": {"adapter": "adapters/test3"}}' --base DIR \
        --samples data/test.parquet --decoding '{"max_new_tokens": 40}' --seed 7 --output-dir captions

Several systems are captioned one after another with one load of the base:

    --systems '{"zero": {}, "few": {"few_shot": {"k": 3}}, "test3": {"adapter": "adapters/test3"}}' \
        --train data/train.parquet --shard 1/4 --manifest captions/passes/base/1-of-4/manifest.json

Systems that read pictures, whose samples without a usable picture get a failed record:

    --systems '{"vlm": {"input": "both"}}' --images '{"test": "images/test.parquet"}'
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core import quiet_libraries  # noqa: F401  (before the libraries, which speak while they are imported)

os.environ.setdefault("HF_HUB_OFFLINE", "1")

from captions.prompts import PromptSettings
from core.code_digest import code_digest
from core.command import Progress, log, run_command
from core.identity import job_identity, result_settings
from core.json_settings import settings_from_json
from core.records import Sample, read_samples
from generation.llm_captions import (
    asked_alone,
    caption_record,
    describe_alone,
    load_engine,
    prompt_limit,
    read_generation_config,
)
from generation.llm_engines import ENGINES, ONLY_SPEED, DecodingSettings, Engine, EngineJob, Prompt
from generation.llm_prompts import LlmSystem, PromptMaker, describe_example, read_systems
from generation.partial_captions import CaptionParts
from generation.passes import write_manifest
from models.encoder_decoders import check_reads_code
from models.files import (
    check_adapter,
    check_model_folder,
    describe_files,
    file_digest,
    model_digest,
    tokenizer_files,
)
from models.gpus import check_given_gpus, enough_memory
from models.language_models import check_token_ids, load_tokenizer, padding_id, read_config
from plan.shards import Shard

ADAPTER_FILES = ("adapter_config.json", "adapter_model.safetensors")
# Files of a base, beside weights and tokenizer, that determine captions.
CONFIG_FILES = ("config.json", "generation_config.json")


@dataclass
class Work:
    """The captions that a system has to write."""

    system: str
    adapter: Path | None
    prompts: list[Prompt]
    parts: CaptionParts

    @property
    def is_done(self) -> bool:
        return not self.parts.waiting(self.prompts)


def llm_identity(
    base: Path,
    samples: Path,
    shard: str,
    prompt: PromptSettings,
    decoding: DecodingSettings,
    seed: int,
    code: str,
    digest_cache: Path | None,
    reads_pictures: bool,
) -> dict[str, Any]:
    """What determines the captions of every system of a job; `code` is that of this script and its engine."""
    configs = describe_files(base, [name for name in CONFIG_FILES if (base / name).is_file()])
    inputs = {"base": model_digest(base, digest_cache), "samples": file_digest(samples)}
    inputs |= {f"base/{file['name']}": file["sha256"] for file in (*tokenizer_files(base), *configs)}
    values: dict[str, Any] = {"shard": shard, "seed": seed, "prompt": result_settings(prompt)}
    values["decoding"] = result_settings(decoding, ONLY_SPEED)
    libraries = ["torch", "transformers", "peft"] + ["vllm"] * (decoding.engine == "vllm")
    libraries += ["torchvision", "pillow"] * reads_pictures
    return job_identity(inputs=inputs, settings=values, code=code, libraries=libraries)


def plan_work(
    systems: dict[str, LlmSystem],
    samples: Sequence[Sample],
    maker: PromptMaker,
    identity: dict[str, Any],
    output_dir: Path,
) -> list[Work]:
    """Prompts and captions so far of each system; those without adapter come first."""
    works = []
    for name, system in sorted(systems.items(), key=lambda item: item[1].adapter is not None):
        examples = maker.examples(name, system)
        inputs, settings = maker.identity(system)
        inputs |= {
            f"adapter/{file}": file_digest(system.adapter / file)
            for file in ADAPTER_FILES
            if system.adapter and (system.adapter / file).is_file()
        }
        settings |= {"examples": [describe_example(example) for example in examples]}
        of_system = {
            **identity,
            "inputs": identity["inputs"] | inputs,
            "settings": identity["settings"] | settings,
        }
        prompts, failed = maker.prompts(samples, system, examples)
        log_shortened(name, prompts, maker.limit)
        parts = CaptionParts(output_dir / f"{name}.jsonl", of_system)
        if failed:
            log(f"caption_llm {name}", f"{len(failed)} of {len(samples)} samples have no usable picture")
            parts.append(parts.waiting(failed))
        works.append(Work(name, system.adapter, prompts, parts))
    return works


def log_shortened(name: str, prompts: Sequence[Prompt], limit: int) -> None:
    """Log how many prompts were shortened inside the xml; each caption's record says by how much."""
    removed = [prompt.n_xml_tokens_removed for prompt in prompts if prompt.n_xml_tokens_removed]
    if removed:
        log(
            f"caption_llm {name}",
            f"{len(removed)} of {len(prompts)} prompts are shortened inside the xml, by {sum(removed):,} tokens in all "
            f"(over prompt.max_tokens, or over the {limit:,} that the base reads before a caption)",
        )


def write_captions_of(work: Work, engine: Engine, tokenizer: Any, settings: DecodingSettings) -> None:
    """Caption a system's prompts batch by batch, each batch on disk as soon as it is made.

    In 16 bits rounding depends on the batch, so that a few prompts are written after once more, alone.
    """
    engine.activate(work.adapter)
    alone = asked_alone(work.prompts, settings)
    with Progress(f"caption_llm {work.system}", len(work.prompts), "caption") as progress:
        for batch in engine.plan(work.prompts):
            if waiting := work.parts.waiting(batch):
                start = time.monotonic()
                written = engine.write(waiting)
                seconds = (time.monotonic() - start) / len(waiting)
                captions = []
                for prompt, of_prompt in zip(waiting, written, strict=True):
                    same = engine.write([prompt]) == [of_prompt] if prompt.id in alone else None
                    captions.append(caption_record(prompt, of_prompt, tokenizer, seconds, same))
                work.parts.append(captions)
            progress.advance(len(batch))
    if said := describe_alone(work.parts.done.values()):
        log(f"caption_llm {work.system}", said)


def main(
    *,
    systems: str,
    base: Path,
    samples: Path,
    train: Path | None,
    shard: str,
    prompt: str,
    decoding: str,
    seed: int,
    output_dir: Path,
    manifest: Path | None,
    digest_cache: Path | None = None,
    images: str = "{}",
) -> None:
    """Caption all samples of the shard. Raises InputError for what a person can repair, before the model is loaded."""
    settings = settings_from_json(DecodingSettings, decoding, "decoding")
    code = code_digest("caption_llm", f"generation/llm_engines/{ENGINES[settings.engine]}")
    system_map = read_systems(systems)
    prompt_settings = PromptSettings.from_json(prompt)
    check_model_folder(base)
    adapters = [system.adapter for system in system_map.values() if system.adapter]
    for adapter in adapters:
        check_adapter(adapter, base, digest_cache)
    sample_list = Shard.from_text(shard).of(read_samples(samples))
    read_pictures = any(system.input != "code" for system in system_map.values())
    identity = llm_identity(base, samples, shard, prompt_settings, settings, seed, code, digest_cache, read_pictures)
    config, tokenizer = read_config(base), load_tokenizer(base)
    if any(system.input == "code" for system in system_map.values()):
        check_reads_code(base, config)
    limit = prompt_limit(base, config, settings)
    image_files = {split: Path(path) for split, path in json.loads(images).items()}
    maker = PromptMaker(base, tokenizer, prompt_settings, limit, seed, train, image_files)
    works = plan_work(system_map, sample_list, maker, identity, output_dir)
    log("caption_llm", f"{', '.join(system_map)}: {len(sample_list)} prompts each by the {maker.wording.form}")
    waiting = [work for work in works if not work.is_done]
    if waiting:
        check_given_gpus()
        end_ids = maker.wording.end_ids(read_generation_config(base))
        check_token_ids(base, config, (prompt.tokens for work in waiting for prompt in work.prompts))
        longest = max(len(prompt.tokens) for work in waiting for prompt in work.prompts)
        most_tokens = longest + settings.max_new_tokens
        pad_id = padding_id(tokenizer, config)
        job = EngineJob(base, adapters, end_ids, pad_id, most_tokens, settings, seed, read_pictures)
        with enough_memory("choose a smaller base, or lower prompt.max_tokens, decoding.max_new_tokens or num_beams"):
            engine = load_engine(job)
            for work in waiting:
                write_captions_of(work, engine, tokenizer, settings)
    # All at the end: a job that is killed between two systems keeps what it has of both.
    for work in works:
        work.parts.finish([sample.id for sample in sample_list])
    if manifest:
        write_manifest(manifest, [work.parts.output for work in works])


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Let LLM systems that share a base caption the xml of each drawing.")
    parser.add_argument("--systems", required=True, help='JSON: name → {"adapter": …, "few_shot": {…}, "input": …}')
    parser.add_argument("--base", type=Path, required=True, help="folder of the base model")
    parser.add_argument("--samples", type=Path, required=True, help="data/test.parquet")
    parser.add_argument(
        "--train", type=Path, help="data/train.parquet, from which few-shot prompts take their examples"
    )
    parser.add_argument(
        "--images",
        default="{}",
        help="JSON: images/<split>.parquet by split (test, train), where systems read pictures",
    )
    parser.add_argument("--shard", default="1/1", help="K/N: every N-th sample from the K-th on")
    parser.add_argument("--prompt", default="{}", help="prompt settings as JSON (docs/configuration.md, prompt)")
    parser.add_argument("--decoding", default="{}", help="decoding settings as JSON (docs/configuration.md, decoding)")
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--output-dir", type=Path, required=True, help="folder of <system>.jsonl")
    parser.add_argument("--manifest", type=Path, help="written last: the digest of each system's captions")
    parser.add_argument("--digest-cache", type=Path, help="JSON file that remembers the digests of model files")
    return parser


if __name__ == "__main__":
    run_command(main, build_parser())
