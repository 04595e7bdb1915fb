"""Train the LoRA adapter of a model: a base LLM learns captions from the drawings' xml.

Input: a base model folder, train and validation samples, prompt and training settings as JSON. Output in --output-dir:
adapter_model.safetensors, adapter_config.json, README.md (model card), settings.json (resolved), history.jsonl (loss by
step), training.json (summary), code_digest.txt. While it runs, checkpoints/ has what a retry resumes from.

One device:      python workflow/scripts/train_lora.py --name m --base DIR --train data/train.parquet \
                     --validation data/validation.parquet --settings '{"r": 16}' --seed 7 --output-dir adapters/m
Several devices: accelerate launch --num_processes 2 workflow/scripts/train_lora.py (the same arguments)

SIGTERM saves a checkpoint and ends with exit code 75 (try again); the same command then resumes.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import hashlib
import json
import os
import resource
import shutil
import sys
import time
from importlib import metadata
from pathlib import Path
from typing import Any

import quiet_libraries  # noqa: F401  (before the libraries, which speak while they are imported)

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import torch
from peft import LoraConfig, PeftModel, get_peft_model, prepare_model_for_kbit_training
from transformers import AutoModelForCausalLM, AutoTokenizer, BitsAndBytesConfig, Trainer, TrainingArguments, set_seed

from code_digest import code_digest
from command import InputError, run_command, say, write_whole
from model_files import check_model_folder, model_digest
from number_format import choose_dtype
from prompts import PromptSettings
from records import read_json, read_samples, write_json
from training_callbacks import KeepBest, ShowProgress, StopOnSignal, best_evaluation, history_records
from training_data import EncodedSplit, ExampleDataset, LeftPadding, caption_loss, encode_samples, lay_out_training
from training_settings import TrainingSettings

EXIT_TRY_AGAIN = 75
FINAL_FILES = ("adapter_config.json", "README.md", "adapter_model.safetensors")


class CaptionTrainer(Trainer):
    """Trainer whose order of examples is laid out beforehand, and whose evaluation keeps no logits."""

    train_dataset: Any  # an ExampleDataset; Trainer's own annotation allows datasets without length
    model: Any

    def _get_train_sampler(self, train_dataset=None):
        return torch.utils.data.SequentialSampler(self.train_dataset)

    def evaluate(self, eval_dataset=None, ignore_keys=None, metric_key_prefix="eval") -> dict[str, float]:
        """Mean loss over all caption tokens of the validation split."""
        self.model.eval()
        totals = torch.zeros(2, dtype=torch.float64, device=self.args.device)
        for batch in self.get_eval_dataloader():
            inputs = self._prepare_inputs(batch)
            labels = inputs.pop("labels")
            with torch.inference_mode():
                outputs = self.model(**inputs)
                totals[0] += caption_loss(outputs.logits, labels, 1.0)
                totals[1] += (labels != -100).sum()
        totals = self.accelerator.reduce(totals, "sum")
        metrics = {f"{metric_key_prefix}_loss": float(totals[0] / totals[1])}
        self.log(metrics)
        self.control = self.callback_handler.on_evaluate(self.args, self.state, self.control, metrics)
        self.model.train()
        return metrics


def main(
    *,
    name: str,
    base: Path,
    train: Path,
    validation: Path,
    prompt: str,
    settings: str,
    seed: int,
    output_dir: Path,
) -> None:
    """Train and write the adapter. Raises InputError for what a person can mend, before the model is loaded."""
    start = time.monotonic()
    training, prompt_settings = TrainingSettings.from_json(settings), PromptSettings.from_json(prompt)
    check_model_folder(base)
    check_devices()
    checkpoints = output_dir / "checkpoints"
    tokenizer = AutoTokenizer.from_pretrained(base, local_files_only=True)
    splits = {
        split: encode_samples(tokenizer, read_split(path), prompt_settings, training.overlong)
        for split, path in (("train", train), ("validation", validation))
    }
    for split, encoded in splits.items():
        if not encoded.samples:
            raise InputError(f"no {split} sample is left: all are over prompt.max_tokens; raise it or shorten")
    identity = {
        "settings": dataclasses.asdict(training),
        "prompt": dataclasses.asdict(prompt_settings),
        "seed": seed,
        "base": model_digest(base),
        "data": {path.stem: file_sha256(path) for path in (train, validation)},
    }
    set_seed(seed)
    model = load_model(base, training)
    resume_from = prepare_checkpoints(checkpoints, identity)
    trainer, keep_best, stop = build_trainer(name, model, tokenizer, splits, training, seed, checkpoints)
    trainer.train(resume_from_checkpoint=str(resume_from) if resume_from else None)
    if stop.received:
        say(f"train_lora {name}", "stopped by a signal; a checkpoint is saved, run the same command to go on")
        sys.exit(EXIT_TRY_AGAIN)
    if trainer.is_world_process_zero():
        best = best_evaluation(trainer.state.log_history, training.min_delta)
        assert best is not None, "the training ended without an evaluation"
        assert_trained(keep_best.path_of(best[0]))
        summary = summarise(name, trainer, training, splits, identity, keep_best.stopped_early, best)
        summary["seconds"] = round(time.monotonic() - start, 1)
        write_results(output_dir, keep_best.path_of(best[0]), trainer, training, summary)
        shutil.rmtree(checkpoints)


def check_devices() -> None:
    """Raise InputError where more processes were started than there are GPUs, on a machine with GPUs."""
    wanted, visible = int(os.environ.get("LOCAL_WORLD_SIZE", "1")), torch.cuda.device_count()
    if visible and wanted > visible:
        raise InputError(f"{wanted} GPUs are asked for and {visible} visible: lower models.<name>.gpus")


def read_split(path: Path) -> list:
    """The samples of a split. Raises InputError for an empty one."""
    samples = read_samples(path)
    if not samples:
        raise InputError(f"{path} holds no samples; training needs some")
    return samples


def file_sha256(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def load_model(base: Path, settings: TrainingSettings) -> PeftModel:
    """The base with fresh LoRA matrices; 4-bit where asked. Raises InputError for targets it does not have."""
    options: dict[str, Any] = {"dtype": choose_dtype(settings.dtype), "local_files_only": True}
    if json.loads((base / "config.json").read_text()).get("final_logit_softcapping"):
        options["attn_implementation"] = "eager"  # Gemma 2: its attention caps scores, which SDPA does not
    if settings.quantisation == "nf4":
        options["quantization_config"] = BitsAndBytesConfig(
            load_in_4bit=True,
            bnb_4bit_quant_type="nf4",
            bnb_4bit_use_double_quant=settings.double_quantisation,
            bnb_4bit_compute_dtype=options["dtype"],
        )
        # Under DDP each rank holds the whole model on its own device; device_map "auto" would spread it.
        device = int(os.environ.get("LOCAL_RANK", "0")) if torch.cuda.is_available() else "cpu"
        options["device_map"] = {"": device}
    model = AutoModelForCausalLM.from_pretrained(base, **options)
    check_targets(model, settings.targets)
    if settings.quantisation == "nf4":
        avoid_cpu_repacking(model)
        model = prepare_model_for_kbit_training(model, use_gradient_checkpointing=settings.gradient_checkpointing)
    elif settings.gradient_checkpointing:
        model.enable_input_require_grads()  # without it no gradient reaches the adapter of a frozen base
    config = LoraConfig(
        r=settings.r,
        lora_alpha=settings.alpha,  # type: ignore[arg-type]  # peft takes any number
        target_modules=settings.targets,
        lora_dropout=settings.dropout,
        bias=settings.bias,  # type: ignore[arg-type]  # the schema has checked it
        task_type="CAUSAL_LM",
    )
    return get_peft_model(model, config)


def check_targets(model: torch.nn.Module, targets: list[str]) -> None:
    linear = {name.rsplit(".", 1)[-1] for name, module in model.named_modules() if isinstance(module, torch.nn.Linear)}
    unknown = [target for target in targets if target.rsplit(".", 1)[-1] not in linear]
    if unknown:
        raise InputError(f"targets: the model has no modules {', '.join(unknown)}; it has {', '.join(sorted(linear))}")


def avoid_cpu_repacking(model: torch.nn.Module) -> None:
    """Switch off bitsandbytes' AVX512 path, whose repacked 4-bit weights give wrong gradients after an evaluation."""
    import bitsandbytes

    for module in model.modules():
        if isinstance(module, bitsandbytes.nn.Linear4bit):
            module.support_avx512bf16_for_cpu = False


def prepare_checkpoints(folder: Path, identity: dict[str, Any]) -> Path | None:
    """The checkpoint to resume from; None for a fresh start. Checkpoints of other settings or data are removed."""
    record = folder / "identity.json"
    if not record.is_file() or read_json(record) != json.loads(json.dumps(identity)):
        if record.is_file():
            say("train_lora", "starts anew: settings or data changed since the interrupted run")
        with contextlib.suppress(FileNotFoundError):
            shutil.rmtree(folder)
        write_json(record, identity)
        return None
    for checkpoint in sorted(folder.glob("checkpoint-*"), key=lambda path: -int(path.name.split("-")[1])):
        if is_whole(checkpoint):
            say("train_lora", f"resumes from step {checkpoint.name.split('-')[1]}")
            return checkpoint
        say("train_lora", f"{checkpoint.name} is not whole (killed while it was saved); the one before it is used")
        shutil.rmtree(checkpoint)
    return None


def is_whole(checkpoint: Path) -> bool:
    """Whether all parts of a checkpoint are there and can be read."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(checkpoint / "adapter_model.safetensors", "pt") as adapter:
            list(adapter.keys())
        for name in ("optimizer.pt", "scheduler.pt"):
            torch.load(checkpoint / name, weights_only=True, map_location="meta")
        json.loads((checkpoint / "trainer_state.json").read_text())
    except (OSError, SafetensorError, RuntimeError, EOFError, ValueError):
        return False
    return True


def build_trainer(
    name: str,
    model: PeftModel,
    tokenizer: Any,
    splits: dict[str, EncodedSplit],
    settings: TrainingSettings,
    seed: int,
    checkpoints: Path,
) -> tuple[CaptionTrainer, KeepBest, StopOnSignal]:
    """The trainer with its callbacks; says what it is going to do."""
    n_devices = int(os.environ.get("WORLD_SIZE", "1"))
    train, validation = splits["train"].samples, splits["validation"].samples
    n_steps = settings.n_steps(len(train), n_devices)
    effective = settings.effective_batch(n_devices)
    order = lay_out_training(train, n_steps * effective, effective, seed)
    arguments = TrainingArguments(
        output_dir=str(checkpoints),
        seed=seed,
        max_steps=n_steps,
        per_device_train_batch_size=settings.batch_size,
        per_device_eval_batch_size=settings.batch_size,
        gradient_accumulation_steps=settings.accumulation,
        learning_rate=settings.learning_rate,
        lr_scheduler_type=settings.scheduler,
        warmup_steps=round(settings.warmup_ratio * n_steps),
        weight_decay=settings.weight_decay,
        logging_steps=settings.log_steps,
        eval_strategy="steps",
        eval_steps=min(settings.eval_steps, n_steps),
        save_steps=settings.save_steps,
        save_total_limit=settings.keep_checkpoints,
        gradient_checkpointing=settings.gradient_checkpointing,
        gradient_checkpointing_kwargs={"use_reentrant": False} if settings.gradient_checkpointing else None,
        use_cpu=not torch.cuda.is_available(),
        remove_unused_columns=False,
        disable_tqdm=True,
        report_to=[] if settings.wandb == "disabled" else ["wandb"],
        run_name=name,
        ddp_find_unused_parameters=False,
        dataloader_pin_memory=torch.cuda.is_available(),
    )
    if settings.wandb != "disabled":
        os.environ["WANDB_MODE"] = settings.wandb
        os.environ.setdefault("WANDB_DIR", str(checkpoints.parent))
        os.environ.setdefault("WANDB_SILENT", "true")
    keep_best, stop = KeepBest(checkpoints, settings), StopOnSignal()
    pad = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else tokenizer.eos_token_id
    trainer = CaptionTrainer(
        model=model,
        args=arguments,
        data_collator=LeftPadding(pad),
        train_dataset=ExampleDataset(train, order),
        eval_dataset=ExampleDataset(validation, [(place, 0) for place in range(len(validation))]),
        compute_loss_func=lambda outputs, labels, num_items_in_batch=None: (
            caption_loss(outputs.logits, labels, num_items_in_batch) * n_devices
        ),
        callbacks=[keep_best, stop, ShowProgress(name, n_steps, checkpoints / "history.jsonl")],
    )
    trainer.remove_callback(transformers_printer())
    say(
        f"train_lora {name}",
        f"{n_steps} steps of {effective} = {n_devices} device(s) x {settings.batch_size} x {settings.accumulation}; "
        f"{len(train)} train, {len(validation)} validation samples",
    )
    return trainer, keep_best, stop


def transformers_printer() -> type:
    """The callback that prints raw dictionaries to stdout."""
    from transformers.trainer_callback import PrinterCallback

    return PrinterCallback


def assert_trained(best: Path) -> None:
    """Every B matrix starts at zero: one that is still zero got no gradient, and hours were for nothing."""
    from safetensors.torch import load_file

    still = [
        key
        for key, value in load_file(best / "adapter_model.safetensors").items()
        if ".lora_B." in key and not value.any()
    ]
    assert not still, f"{len(still)} LoRA matrices did not move, {still[0]} for one"


def count_parameters(model: PeftModel) -> dict[str, Any]:
    """Trainable and all parameters; 4-bit weights count as what they hold, not as packed bytes."""
    trainable, total = model.get_nb_trainable_parameters()
    return {"trainable": trainable, "total": total, "percentage": round(100 * trainable / total, 4)}


def peak_memory_mb() -> dict[str, float]:
    """Most memory that this process held, on the GPU where there is one."""
    peaks: dict[str, float] = {"peak_memory_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)}
    if torch.cuda.is_available():
        peaks["peak_gpu_memory_mb"] = round(torch.cuda.max_memory_allocated() / 2**20)
    return peaks


def summarise(
    name: str,
    trainer: CaptionTrainer,
    settings: TrainingSettings,
    splits: dict[str, EncodedSplit],
    identity: dict[str, Any],
    stopped_early: bool,
    best: tuple[int, float],
) -> dict[str, Any]:
    """What is to be known of a training: training.json."""
    n_devices = trainer.args.world_size
    return {
        "name": name,
        "steps": trainer.state.global_step,
        "best_step": best[0],
        "best_eval_loss": best[1],
        "stop_reason": f"no better evaluation in {settings.patience_steps} steps"
        if stopped_early
        else "all steps done",
        "effective_batch": settings.effective_batch(n_devices),
        "devices": n_devices,
        "parameters": count_parameters(trainer.model),
        "samples": {split: len(encoded.samples) for split, encoded in splits.items()},
        "shortened": {split: len(encoded.shortened) for split, encoded in splits.items()},
        "dropped": {split: len(encoded.dropped) for split, encoded in splits.items()},
        "base_digest": identity["base"],
        "data_digests": identity["data"],
        "seed": identity["seed"],
        "dtype": str(next(trainer.model.get_base_model().parameters()).dtype).removeprefix("torch."),
        "versions": {package: metadata.version(package) for package in ("torch", "transformers", "peft")},
        **peak_memory_mb(),
    }


def write_results(
    output_dir: Path, best: Path, trainer: CaptionTrainer, settings: TrainingSettings, summary: dict[str, Any]
) -> None:
    """Put the final files into place; the adapter's weights come last."""
    summary["adapter_bytes"] = (best / "adapter_model.safetensors").stat().st_size
    write_json(output_dir / "settings.json", dataclasses.asdict(settings))
    with write_whole(output_dir / "history.jsonl") as partial:
        lines = (json.dumps(record) + "\n" for record in history_records(trainer.state.log_history))
        partial.write_text("".join(lines), encoding="utf-8")
    (best / "README.md").write_text(model_card(summary, settings), encoding="utf-8")
    with write_whole(output_dir / "code_digest.txt") as partial:
        partial.write_text(code_digest("train_lora") + "\n")
    write_json(output_dir / "training.json", summary)
    for file in FINAL_FILES:
        with write_whole(output_dir / file) as partial:
            shutil.copyfile(best / file, partial)
    say(
        f"train_lora {summary['name']}",
        f"best at step {summary['best_step']} of {summary['steps']}, validation loss {summary['best_eval_loss']:.3f}; "
        f"{summary['stop_reason']}",
    )


def model_card(summary: dict[str, Any], settings: TrainingSettings) -> str:
    """The adapter's README: what it was made of and how to load it."""
    return f"""\
# {summary["name"]}

A LoRA adapter that captions SVG drawings from their xml. Weights digest of its base: `{summary["base_digest"]}`.

* best at step {summary["best_step"]} of {summary["steps"]}, validation loss {summary["best_eval_loss"]:.4f}
* {summary["parameters"]["trainable"]:,} trainable parameters of {summary["parameters"]["total"]:,}
* data: {summary["samples"]["train"]} train samples, digests {summary["data_digests"]}
* settings: `{json.dumps(dataclasses.asdict(settings), sort_keys=True)}`

Load it on its base with `peft.PeftModel.from_pretrained(base_model, this_folder)`.
"""


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Train the LoRA adapter of a model.")
    parser.add_argument("--name", required=True, help="name of the model")
    parser.add_argument("--base", type=Path, required=True, help="folder of the base model")
    parser.add_argument("--train", type=Path, required=True, help="data/train.parquet")
    parser.add_argument("--validation", type=Path, required=True, help="data/validation.parquet")
    parser.add_argument("--prompt", default="{}", help="prompt settings as JSON (docs/configuration.md, prompt)")
    parser.add_argument("--settings", default="{}", help="training settings as JSON (docs/configuration.md, presets)")
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--output-dir", type=Path, required=True, help="adapters/<model>")
    return parser


if __name__ == "__main__":
    run_command(main, build_parser())
