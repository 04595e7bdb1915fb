"""The models of the page: each is loaded once, by the code of the captioning jobs, and captions one drawing at a time.

A base holds all its systems, and switches their adapters. It works as a job does that has one sample: prompt, engine,
decoding and seed are those of caption_llm.py, image and settings those of caption_image.py.
"""

from __future__ import annotations

import gc
import time
from pathlib import Path
from typing import Any

import torch

from captions.prompts import Example, PromptSettings
from core.command import InputError
from core.json_settings import pick_settings
from core.records import Caption
from generation.captioners import CaptionerSettings
from generation.image_captions import caption_batch, choose_images, load_captioner, prepare_batch
from generation.llm_captions import caption_record, load_engine, prompt_limit, read_generation_config
from generation.llm_engines import DecodingSettings, Engine, EngineJob
from generation.llm_prompts import LlmSystem, PromptMaker, read_systems
from models.encoder_decoders import check_reads_code
from models.gpus import check_given_gpus
from models.language_models import check_token_ids, load_tokenizer, padding_id, read_config
from page.drawings import Drawing
from plan.experiment import Plan
from plan.jobs import Captioner, LlmJob


def bases_of(plan: Plan) -> dict[str, list[LlmJob]]:
    """The captioning jobs of each base, by its folder, in the order of the configuration."""
    bases: dict[str, list[LlmJob]] = {}
    for job in plan.llm_jobs.values():
        bases.setdefault(job.base.folder, []).append(job)
    return bases


def count_tokens(tokenizer: Any, text: str) -> int:
    """Tokens of a text by itself; control tokens that it spells out are read as text, as in prompts."""
    return len(tokenizer(text, add_special_tokens=False, split_special_tokens=True)["input_ids"])


class Base:
    """A base model with its systems: alone, with examples in the prompt, with each adapter."""

    def __init__(self, plan: Plan, jobs: list[LlmJob]):
        self.folder = Path(jobs[0].base.folder)
        self.systems: dict[str, LlmSystem] = {}
        for job in jobs:
            self.systems |= read_systems(job.described)
        self._decoding = pick_settings(DecodingSettings, plan.config["decoding"])
        self._seed = plan.seed("caption_llm")
        self._config = read_config(self.folder)
        self.tokenizer = load_tokenizer(self.folder)
        images = {split: Path(path) for job in jobs for split, path in job.images.items()}
        inputs = sorted({system.input for system in self.systems.values()})
        self._maker = PromptMaker(
            self.folder,
            self.tokenizer,
            pick_settings(PromptSettings, plan.prompt(*inputs)),
            prompt_limit(self.folder, self._config, self._decoding),
            self._seed,
            Path(plan.results) / "data" / "train.parquet",
            images,
        )
        self._examples: dict[str, list[Example]] = {}
        self._engine: Engine | None = None
        self.adapter: Path | None = None  # the active one

    def order(self, names: list[str]) -> list[str]:
        """Systems in an order that switches adapters least: that of the active one first."""
        return sorted(names, key=lambda name: self.systems[name].adapter != self.adapter)

    def caption(self, system: str, drawing: Drawing) -> Caption:
        """What a system writes for a drawing; a failed record for one that it cannot be shown.

        Its time is that of the prompt, the adapter and the writing, without that of loading the base.
        """
        start = time.monotonic()
        chosen = self.systems[system]
        if chosen.input == "code":
            check_reads_code(self.folder, self._config)
        if system not in self._examples:
            self._examples[system] = self._maker.examples(system, chosen)
        prompts, failed = self._maker.prompts([drawing.sample], chosen, self._examples[system], [drawing.image])
        if failed:
            return failed[0]
        (prompt,) = prompts
        check_token_ids(self.folder, self._config, [prompt.tokens])
        if self._engine is None:
            before = time.monotonic()
            self._engine = self._load(len(prompt.tokens))
            self._engine.plan(prompts)  # finds out once how this model is decoded
            start += time.monotonic() - before
        if chosen.adapter != self.adapter:
            self._engine.activate(chosen.adapter)
            self.adapter = chosen.adapter
        (written,) = self._engine.write(prompts)
        return caption_record(prompt, written, self.tokenizer, time.monotonic() - start)

    @property
    def is_loaded(self) -> bool:
        """Whether the weights are in memory."""
        return self._engine is not None

    def release(self) -> None:
        """Leave the memory of the weights to others."""
        self._engine, self.adapter = None, None

    def _load(self, n_prompt_tokens: int) -> Engine:
        check_given_gpus()
        job = EngineJob(
            base=self.folder,
            adapters=[system.adapter for system in self.systems.values() if system.adapter],
            end_ids=self._maker.wording.end_ids(read_generation_config(self.folder)),
            pad_id=padding_id(self.tokenizer, self._config),
            most_tokens=n_prompt_tokens + self._decoding.max_new_tokens,
            settings=self._decoding,
            seed=self._seed,
            reads_pictures=any(system.input != "code" for system in self.systems.values()),
        )
        return load_engine(job)


class ImageCaptioner:
    """A captioner."""

    def __init__(self, plan: Plan, captioner: Captioner):
        check_given_gpus()
        self._seed = plan.seed("caption_image")
        self._captioner = load_captioner(
            captioner.family,
            Path(captioner.model.folder),
            Path((captioner.tokenizer or captioner.model).folder),
            pick_settings(CaptionerSettings, captioner.settings),
            captioner.trust_remote_code,
        )

    def caption(self, system: str, drawing: Drawing) -> Caption:
        """What it writes for the picture of a drawing; a failed record where there is none."""
        usable, failed = choose_images([drawing.sample], [drawing.image])
        if failed:
            return failed[0]
        torch.manual_seed(self._seed)
        return caption_batch(self._captioner, prepare_batch(self._captioner, usable))[0]


class Models:
    """The models of an experiment, each loaded when it is first asked for."""

    def __init__(self, plan: Plan):
        self._plan = plan
        self._jobs = bases_of(plan)
        self._bases: dict[str, Base] = {}  # by folder
        self._captioners: dict[str, ImageCaptioner] = {}  # by name

    def base(self, system: str) -> Base:
        """The base of an LLM system, without its weights unless they are there. Raises InputError."""
        folder = self._plan.llm_job_of(system).base.folder
        if folder not in self._bases:
            self._bases[folder] = Base(self._plan, self._jobs[folder])
        return self._bases[folder]

    def is_loaded(self, system: str) -> bool:
        """Whether the weights of a system are in memory."""
        if system in self._plan.captioners:
            return system in self._captioners
        base = self._bases.get(self._plan.llm_job_of(system).base.folder)
        return base is not None and base.is_loaded

    def order(self, systems: list[str]) -> list[str]:
        """Systems in an order that loads and switches least: captioners last, of each base the active adapter first."""
        llms = [name for name in systems if name not in self._plan.captioners]
        folders = dict.fromkeys(self._plan.llm_job_of(name).base.folder for name in llms)
        of_bases = [[name for name in llms if self._plan.llm_job_of(name).base.folder == folder] for folder in folders]
        known = [self._bases.get(folder) for folder in folders]
        ordered = [
            name for base, names in zip(known, of_bases, strict=True) for name in (base.order(names) if base else names)
        ]
        return ordered + [name for name in systems if name in self._plan.captioners]

    def caption(self, system: str, drawing: Drawing) -> Caption:
        """What a system writes for a drawing. Where memory does not suffice, all other models leave it first.

        Raises InputError for what a person can repair, and where the model does not fit into the memory alone.
        """
        try:
            return self._caption(system, drawing)
        except torch.OutOfMemoryError:
            pass  # outside of this block nothing holds what was loaded
        self._release_others(system)
        try:
            return self._caption(system, drawing)
        except torch.OutOfMemoryError as error:
            raise InputError("the model does not fit into the memory of this GPU") from error

    def _caption(self, system: str, drawing: Drawing) -> Caption:
        if system not in self._plan.captioners:
            return self.base(system).caption(system, drawing)
        if system not in self._captioners:
            self._captioners[system] = ImageCaptioner(self._plan, self._plan.captioners[system])
        return self._captioners[system].caption(system, drawing)

    def _release_others(self, system: str) -> None:
        self._captioners = {name: model for name, model in self._captioners.items() if name == system}
        for base in self._bases.values():
            if system not in base.systems:
                base.release()
        gc.collect()
        torch.cuda.empty_cache()
