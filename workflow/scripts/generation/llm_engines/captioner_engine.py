"""Captions of encoder-decoder captioners (BLIP, ViT-GPT2) with adapters, by the models' own `generate` in batches."""

from __future__ import annotations

from typing import Any

import torch
from transformers import GenerationConfig

from generation.llm_engines import EngineJob, Prompt, sample_seed
from generation.llm_engines.torch_engine import TorchEngine
from models.encoder_decoders import BLIP
from models.pictures import PictureInputs


class CaptionerEngine(TorchEngine):
    """An encoder-decoder captioner that writes; each prompt is its start token, so that nothing is padded or shared."""

    def __init__(self, model: Any, job: EngineJob, pictures: PictureInputs):
        super().__init__(model, job, pictures)
        # BLIP's decoder generates by a configuration of its own; the settings alone decide, as with other bases.
        model.get_decoder().generation_config = GenerationConfig()

    def _share_prefix(self, prompts: list[Prompt]) -> None:
        self._prefix = []

    def _choose_way(self, prompts: list[Prompt]) -> None:
        self._one_by_one = self.settings.do_sample  # a seed for each

    def _write(self, batch: list[Prompt]) -> list[list[int]]:
        return self._generate(batch)

    @torch.inference_mode()
    def _generate(self, batch: list[Prompt]) -> list[list[int]]:
        settings = self.settings
        drawing: dict[str, Any] = {}
        if settings.do_sample:
            drawing = {"temperature": settings.temperature, "top_p": settings.top_p, "top_k": 0}
        if self.model.config.model_type != BLIP:  # which names its tokens itself
            start, ends = batch[0].tokens[0], self.end_ids
            drawing |= {"decoder_start_token_id": start, "eos_token_id": ends, "pad_token_id": self.pad_id}
        ids, _ = self._pad([prompt.tokens for prompt in batch])
        torch.manual_seed(sample_seed(self.seed, batch[0].id))
        output = self.model.generate(
            **self._picture_inputs(batch, ids),
            max_new_tokens=settings.max_new_tokens,
            num_beams=settings.num_beams,
            do_sample=settings.do_sample,
            **drawing,
        )
        return output[:, 1:].tolist()  # without the start token
