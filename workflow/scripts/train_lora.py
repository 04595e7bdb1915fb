r"""Train the LoRA adapter of a model: a base LLM learns captions from the drawings' xml.

Input: a base model folder, train and validation samples, prompt and training settings as JSON. Output in --output-dir:
adapter_model.safetensors, adapter_config.json, README.md (model card), settings.json (resolved), history.jsonl (loss by
step), training.json (summary), overlong.csv (what was too long), code_digest.txt; with the setting eval_captions also
eval_captions.jsonl (captions of validation samples by step). While it runs, checkpoints/ has what a retry resumes from;
set_aside/ has the checkpoints of other settings or data, and trained/ each adapter that was completed: the
same training is not done twice (training/store.py).

One device:      python workflow/scripts/train_lora.py --name m --base DIR --train data/train.parquet \
                     --validation data/validation.parquet --settings '{"r": 16}' --seed 7 --output-dir adapters/m
With pictures:   the same with --input both --images '{"train": "images/train.parquet", "validation": "…"}'
Several devices: the same with --devices 2: it starts itself by `accelerate launch`, a process a GPU (or on CPUs)

SIGTERM saves a checkpoint and ends with exit code 75 (try again); the same command then resumes.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import sys
import time
from pathlib import Path

from core import quiet_libraries  # noqa: F401  (before the libraries, which speak while they are imported)

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import torch
from transformers import TrainerState, set_seed

from captions.prompts import INPUTS, PromptSettings
from core.code_digest import code_digest
from core.command import InputError, log, run_command
from core.records import read_images, read_samples, write_json
from generation.captions_in_training import CaptionWriter
from models.class_faults import told_as_input_error
from models.gpus import check_given_gpus, device_name, enough_memory
from models.language_models import load_tokenizer, padding_id, read_config
from models.number_format import choose_dtype
from models.pictures import PictureInputs, load_processor
from scoring.subset_score import SubsetScore, metric_of_texts
from training.callbacks import KeepBest
from training.checkpoints import newest_whole, read_attempts, remove_finished, step_of
from training.endings import tell_stopped, told_faults
from training.eval_captions import EvalCaptions, choose_subset
from training.history import best_evaluation
from training.identity import training_identity
from training.initialisation import make_ordinary, start_from_data, starting_matrices
from training.launch import EXIT_TRY_AGAIN, launch_ranks
from training.micro_batch import MicroBatchPlan, out_of_memory, smaller_weights
from training.model import load_model
from training.preparation import SPLITS, Prepared, devices_here, prepare_training, read_prepared
from training.resource_usage import CountEffort
from training.results import check_trained, summarise, write_results
from training.settings import TrainingSettings
from training.store import keep_trained, restore_trained
from training.tracking import tracking_callbacks
from training.trainer import CaptionTrainer, build_trainer, cannot_train


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
    devices: int = 1,
    nodes: int = 1,
    digest_cache: Path | None = None,
    input: str = "code",
    images: str = "{}",
) -> None:
    """Train and write the adapter. Raises InputError for what a person can repair, before the model is loaded."""
    start = time.monotonic()
    # First of all: an edit during the training must not pass for the code that trained.
    code = code_digest("train_lora") if "RANK" not in os.environ else None
    training, prompt_settings = TrainingSettings.from_json(settings), PromptSettings.from_json(prompt)
    if training.captions.samples:
        metric_of_texts(training.captions.metric)  # which raises InputError for none
    checkpoints = output_dir / "checkpoints"
    pictures = read_image_files(input, images, training)
    if "RANK" not in os.environ:
        files = {"train": train, "validation": validation}
        shown = {f"{split}_images": path for split, path in pictures.items()}
        identity = training_identity(
            base, files | shown, prompt_settings, training, seed, devices, code, digest_cache, input
        )
        if restore_trained(name, output_dir, identity):
            remove_finished(checkpoints, identity)
            return
        check_given_gpus()
        prepare_training(
            name, base, files, prompt_settings, training, identity, checkpoints, input, pictures, devices // nodes
        )
    captions = None
    if training.captions.samples:
        captions = plan_captions(base, validation, prompt_settings, training, seed, checkpoints, input, pictures)
    if "RANK" not in os.environ:
        if captions:
            captions.check()
        if devices > 1:
            launch_ranks(devices, checkpoints, nodes)
            return
    with told_faults(checkpoints):
        train_prepared(name, base, training, seed, output_dir, start, pictures, captions)


def read_image_files(input: str, images: str, settings: TrainingSettings) -> dict[str, Path]:
    """The images of each split, by --images. Raises InputError where input and images do not agree."""
    files = {split: Path(path) for split, path in json.loads(images).items()}
    if input == "code":
        if files or settings.train_vision or settings.train_projector:
            raise InputError("input: code reads no pictures: leave out --images, train_vision and train_projector")
    elif set(files) != set(SPLITS):
        raise InputError(f"input: {input} needs the images of the splits {' and '.join(SPLITS)}: give them by --images")
    return files


def plan_captions(
    base: Path,
    validation: Path,
    prompt: PromptSettings,
    settings: TrainingSettings,
    seed: int,
    checkpoints: Path,
    input: str,
    images: dict[str, Path],
) -> EvalCaptions:
    """What writes and scores captions at each evaluation. Raises InputError where a prompt cannot be made."""
    wanted = settings.captions
    samples = choose_subset(read_samples(validation), wanted.samples, seed)
    ids = {sample.id for sample in samples}
    shown = [image for image in read_images(images["validation"]) if image.id in ids] if images else None
    writer = CaptionWriter(base, samples, prompt, wanted.max_new_tokens, input, shown, settings.dtype)
    return EvalCaptions(samples, writer, SubsetScore(wanted.metric, samples), wanted, checkpoints)


def train_prepared(
    name: str,
    base: Path,
    settings: TrainingSettings,
    seed: int,
    output_dir: Path,
    start: float,
    images: dict[str, Path],
    captions: EvalCaptions | None = None,
) -> None:
    """Train what has been checked and prepared, in this process or as one rank of several."""
    checkpoints = output_dir / "checkpoints"
    prepared = read_prepared(checkpoints, images)
    resume_from = newest_whole(checkpoints)
    set_seed(seed)
    with enough_memory("; or ".join([*smaller_weights(settings), "choose a smaller base"])):
        model = load_model(base, settings)
        start_weights = starting_matrices(model) if settings.init == "pissa" else {}
        pad_id = padding_id(load_tokenizer(base), read_config(base))
        pictures = PictureInputs(load_processor(base), choose_dtype(settings.dtype)) if images else None
        trainer, plan, keep_best, stop = build_trainer(
            name, model, pad_id, pictures, prepared.splits, settings, seed, checkpoints
        )
    trainer.eval_captions = captions
    settings = plan.apply(settings)
    if settings.init == "eva" and not resume_from:
        with told_as_input_error(cannot_train(model)):
            start_from_data(model, trainer.train_dataset, trainer.data_collator, settings)
    say_plan(name, trainer, prepared, settings, plan, checkpoints)
    effort = CountEffort(checkpoints / "effort.json", start)
    trainer.add_callback(effort)
    tracked = {"settings": dataclasses.asdict(settings), "parameters": prepared.parameters, "seed": seed}
    for callback in tracking_callbacks(name, settings, checkpoints, tracked):
        trainer.add_callback(callback)
    run_trainer(name, trainer, keep_best, prepared, settings, resume_from)
    history, step = trainer.state.log_history, trainer.state.global_step
    stopped_early = keep_best.is_out_of_patience(history)
    if stop.received and step < trainer.args.max_steps and not stopped_early:
        if trainer.is_world_process_zero():
            log(f"train_lora {name}", "stopped by a signal; a checkpoint is saved, run the same command to go on")
            tell_stopped(checkpoints)
        if torch.distributed.is_initialized():
            # A node whose process has ended may take the others with it (srun --kill-on-bad-exit).
            torch.distributed.barrier()
        sys.exit(EXIT_TRY_AGAIN)
    if trainer.is_world_process_zero():
        best = best_evaluation(history, settings.best_by)
        assert best is not None, "the last step is evaluated, and its loss is finite"
        check_trained(keep_best.path_of(best[0]))
        summary = summarise(name, base, prepared, settings, devices_here(), step, history, stopped_early)
        if captions:
            summary["eval_captions"] = captions.summarise(history, best[0], settings.best_by)
        summary |= {"micro_batch": dataclasses.asdict(plan)} | effort.total() | {"made_by": read_attempts(checkpoints)}
        write_results(output_dir, keep_best.path_of(best[0]), prepared, settings, history, summary)
        if settings.init == "pissa":
            make_ordinary(output_dir, start_weights)
        keep_trained(output_dir, prepared.identity)
        remove_finished(checkpoints, prepared.identity)
        log(
            f"train_lora {name}",
            f"best at step {best[0]} of {step}, validation {settings.best_by} {best[1]:.3f}; {summary['stop_reason']}",
        )
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()


def say_plan(
    name: str,
    trainer: CaptionTrainer,
    prepared: Prepared,
    settings: TrainingSettings,
    plan: MicroBatchPlan,
    checkpoints: Path,
) -> None:
    """Say what is going to be done, and write it down for monitor_training."""
    if not trainer.is_world_process_zero():
        return
    n_devices, n_steps = devices_here(), trainer.args.max_steps
    effective = settings.effective_batch(n_devices)
    n_train, n_validation = (len(prepared.splits[split].samples) for split in ("train", "validation"))
    written = {"name": name, "steps": n_steps, "effective_batch": effective, "devices": n_devices}
    written |= {"patience_steps": settings.patience_steps, "min_delta": settings.min_delta, "started": time.time()}
    written |= {"best_by": settings.best_by}
    write_json(checkpoints / "plan.json", written)
    log(
        f"train_lora {name}",
        f"{n_steps} steps of {effective} = {n_devices} device(s) x {plan.cut} ({plan.reason}; {plan.packing}); "
        f"{n_train} train, {n_validation} validation samples; on {device_name()}",
    )


def run_trainer(
    name: str,
    trainer: CaptionTrainer,
    keep_best: KeepBest,
    prepared: Prepared,
    settings: TrainingSettings,
    resume_from: Path | None,
) -> None:
    """Train, from a checkpoint where there is one. Raises InputError where the GPU's memory is too small."""
    if resume_from:
        if trainer.is_world_process_zero():
            log(f"train_lora {name}", f"resumes from step {step_of(resume_from)}")
        state = TrainerState.load_from_json(str(resume_from / "trainer_state.json"))
        # The job ended between its last checkpoint and its results.
        if state.global_step >= trainer.args.max_steps or keep_best.is_out_of_patience(state.log_history):
            trainer.state = state
            return
    try:
        trainer.train(resume_from_checkpoint=str(resume_from) if resume_from else None)
    except torch.OutOfMemoryError as error:
        raise InputError(out_of_memory(settings, prepared.splits["train"].samples)) from error


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Train the LoRA adapter of a model.")
    parser.add_argument("--name", required=True, help="name of the model")
    parser.add_argument("--base", type=Path, required=True, help="folder of the base model")
    parser.add_argument("--train", type=Path, required=True, help="data/train.parquet")
    parser.add_argument("--validation", type=Path, required=True, help="data/validation.parquet")
    parser.add_argument("--prompt", default="{}", help="prompt settings as JSON (docs/configuration.md, prompt)")
    parser.add_argument("--settings", default="{}", help="training settings as JSON (docs/configuration.md, presets)")
    parser.add_argument("--input", choices=INPUTS, default="code", help="what the model reads of a drawing")
    parser.add_argument("--images", default="{}", help="JSON: images/<split>.parquet by split, where it reads pictures")
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--output-dir", type=Path, required=True, help="adapters/<model>")
    parser.add_argument("--devices", type=int, default=1, help="processes that train together, one a GPU")
    parser.add_argument("--nodes", type=int, default=1, help="nodes of a SLURM job on which they run, as many on each")
    parser.add_argument("--digest-cache", type=Path, help="JSON file that remembers the digests of model files")
    return parser


if __name__ == "__main__":
    run_command(main, build_parser())
