"""Measure captioning by an LLM against one prompt at a time and against transformers' pipeline, in one run.

    python benchmarks/caption.py --output benchmarks/caption.json

100 real drawings of all lengths (the test split of benchmarks/experiment.yaml) and SmolLM2-135M-Instruct, made by the
workflow where they are missing; greedy in fp32, where all three write the same captions:

* `vs_one_by_one`: seconds of `generate` with one prompt at a time over seconds of our engine;
* `vs_pipeline`: seconds of the text-generation pipeline with batches of 8 over seconds of our engine.

`…_cpu_time` are the same ratios of the processor's own seconds, which other work on the machine raises less.

Linear layers of the others are torch's own; ours may be computed by oneDNN (models/linear_kernels.py).

Loading the model is not counted. The sides take turns on two halves of the prompts, so that a machine that is busy with
something else now and then is less unfair to one of them. A caption that differs between the sides is an error.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "workflow" / "scripts"), str(ROOT / "benchmarks")]

from core import quiet_libraries  # noqa: E402, F401  (before the libraries, which speak while they are imported)

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import torch  # noqa: E402
import yaml  # noqa: E402
from train import EXPERIMENT, machine, make_by_workflow  # noqa: E402
from transformers import AutoTokenizer, pipeline  # noqa: E402

from captions.prompts import PromptSettings, end_of_turn_ids, prompt_tokens  # noqa: E402
from core.command import InputError, log, run_command  # noqa: E402
from core.records import read_samples, write_json  # noqa: E402
from generation.llm_engines import DecodingSettings, EngineJob, Prompt, written_before_end  # noqa: E402
from generation.llm_engines.torch_engine import TorchEngine, load_engine  # noqa: E402
from models.linear_kernels import speed_linear_layers  # noqa: E402
from plan.configuration import model_folder_name  # noqa: E402

# Parts of the prompts on which the sides take turns; more would make our batches smaller than they are in earnest.
N_SLICES = 2

Side = Callable[[list[Prompt]], list[list[int]]]  # prompts in, the new tokens of each out


def main(*, n_prompts: int, output: Path | None) -> None:
    """Measure all and print the results as JSON; also write them to `output` where given."""
    config = yaml.safe_load((ROOT / EXPERIMENT).read_text(encoding="utf-8"))
    base, test = make_inputs(config)
    tokenizer = AutoTokenizer.from_pretrained(base, local_files_only=True)
    prompt_settings = PromptSettings.from_json(json.dumps(config["prompt"]))
    samples = read_samples(test)[:n_prompts]
    prompts = [Prompt(sample.id, prompt_tokens(tokenizer, sample.xml, prompt_settings).ids) for sample in samples]
    end_ids = end_of_turn_ids(tokenizer, prompt_settings)
    settings = DecodingSettings(
        max_new_tokens=config["decoding"]["max_new_tokens"],
        batch_tokens=config["decoding"]["batch_tokens"],
        dtype="fp32",
    )
    most_tokens = max(len(prompt.tokens) for prompt in prompts) + settings.max_new_tokens
    engine = load_engine(EngineJob(base, [], end_ids, tokenizer.pad_token_id, most_tokens, settings, seed=0))
    sides = {"ours": ours(engine), "one_by_one": one_by_one(engine), "pipeline": by_pipeline(engine, tokenizer)}
    seconds, cpu_seconds, written = measure(engine.model, sides, prompts)
    others = [name for name in sides if name != "ours"]
    results: dict[str, Any] = {
        "machine": machine(),
        "n_prompts": len(prompts),
        "n_new_tokens": sum(map(len, written["ours"])),
        **{f"{name}_seconds": round(value, 2) for name, value in seconds.items()},
        **{f"vs_{name}": round(seconds[name] / seconds["ours"], 2) for name in others},
        **{f"vs_{name}_cpu_time": round(cpu_seconds[name] / cpu_seconds["ours"], 2) for name in others},
    }
    if output:
        write_json(output, results)
    print(json.dumps(results))


def make_inputs(config: dict[str, Any]) -> tuple[Path, Path]:
    """The folder of the experiment's base model and its test split, made by the workflow where they are missing."""
    (base,) = config["bases"].values()
    folder = Path("results/models") / model_folder_name(base["source"])
    test = Path("results") / config["experiment"] / "data" / "test.parquet"
    make_by_workflow([str(folder / "manifest.json"), str(test)])
    return ROOT / folder, ROOT / test


def choose_layers(model: torch.nn.Module, is_ours: bool) -> None:
    """Let linear layers be computed as our engine computes them, or as torch does."""
    for module in model.modules():
        vars(module).pop("forward", None)
    if is_ours:
        speed_linear_layers(model, torch.device("cpu"))


def measure(
    model: torch.nn.Module, sides: dict[str, Side], prompts: list[Prompt]
) -> tuple[dict[str, float], dict[str, float], dict[str, list[list[int]]]]:
    """Seconds and the processor's seconds of each side for all prompts, and the new tokens of each prompt.

    Raises InputError where a side writes something else.
    """
    seconds, cpu_seconds = dict.fromkeys(sides, 0.0), dict.fromkeys(sides, 0.0)
    written: dict[str, list[list[int]]] = {name: [] for name in sides}
    for name, side in sides.items():
        choose_layers(model, name == "ours")
        side(prompts[:2])  # what is made at the first call is not counted
    for number in range(N_SLICES):
        part = prompts[number::N_SLICES]
        for name, side in sides.items():
            choose_layers(model, name == "ours")
            start, cpu_start = time.perf_counter(), time.process_time()
            written[name] += side(part)
            seconds[name] += time.perf_counter() - start
            cpu_seconds[name] += time.process_time() - cpu_start
        log("benchmark", ", ".join(f"{name} {value:.1f} s" for name, value in seconds.items()))
    for name in sides:
        n_different = sum(a != b for a, b in zip(written[name], written["ours"], strict=True))
        if n_different:
            raise InputError(f"{n_different} of {len(prompts)} captions differ between ours and {name}")
    return seconds, cpu_seconds, written


def ours(engine: TorchEngine) -> Side:
    """Our engine as caption_llm.py drives it."""

    def write(prompts: list[Prompt]) -> list[list[int]]:
        batches = engine.plan(prompts)
        by_id = {
            prompt.id: written.tokens
            for batch in batches
            for prompt, written in zip(batch, engine.write(batch), strict=True)
        }
        return [by_id[prompt.id] for prompt in prompts]

    return write


def decoding_options(engine: TorchEngine) -> dict[str, Any]:
    """Our engine's settings, greedy, in the words of `generate`."""
    return {
        "max_new_tokens": engine.settings.max_new_tokens,
        "do_sample": False,
        "eos_token_id": engine.end_ids,
    }


def one_by_one(engine: TorchEngine) -> Side:
    """`generate` for one prompt after another, as the earlier experiments did."""

    @torch.inference_mode()
    def write(prompts: list[Prompt]) -> list[list[int]]:
        written = []
        for prompt in prompts:
            ids = torch.tensor([prompt.tokens], device=engine.model.device)
            output = engine.model.generate(
                input_ids=ids,
                attention_mask=torch.ones_like(ids),
                pad_token_id=engine.pad_id,
                **decoding_options(engine),
            )
            written.append(written_before_end(output[0, ids.shape[1] :].tolist(), engine.end_ids).tokens)
        return written

    return write


def by_pipeline(engine: TorchEngine, tokenizer: Any) -> Side:
    """The text-generation pipeline with batches of 8; it takes texts, which give the same tokens again."""
    tokenizer.padding_side = "left"
    generator = pipeline("text-generation", model=engine.model, tokenizer=tokenizer)

    def write(prompts: list[Prompt]) -> list[list[int]]:
        texts = [tokenizer.decode(prompt.tokens) for prompt in prompts]
        outputs = generator(texts, batch_size=8, return_tensors=True, **decoding_options(engine))
        written = []
        for prompt, (output,) in zip(prompts, outputs, strict=True):
            tokens = [int(token) for token in output["generated_token_ids"]]
            start = next(place for place in range(len(tokens)) if tokens[place:][: len(prompt.tokens)] == prompt.tokens)
            written.append(written_before_end(tokens[start + len(prompt.tokens) :], engine.end_ids).tokens)
        return written

    return write


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n-prompts", type=int, default=100)
    parser.add_argument("--output", type=Path, help="JSON file to write")
    return parser


if __name__ == "__main__":
    run_command(main, build_parser())
