"""Captions by a model in memory while it is trained: the prompts, the decoding and the records of caption_llm.

    writer = CaptionWriter(base, samples, prompt_settings, max_new_tokens=32)
    writer.write(model, share=0, n_shares=1)     # {"a17": Caption(…), …}

Greedy, with the adapter's matrices beside the weights: caption_llm adds them to the weights, so that the last bits of
logits may differ. In fp32 the captions are the same. A base that is trained in 4 bit is captioned in 4 bit here.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

from peft import PeftModel

from captions.prompts import PromptSettings
from core.records import Caption, Image, Sample
from generation.llm_captions import caption_record, prompt_limit, read_generation_config
from generation.llm_engines import DecodingSettings, EngineJob
from generation.llm_engines.torch_engine import make_engine
from generation.llm_prompts import LlmSystem, PromptMaker
from models.language_models import check_token_ids, load_tokenizer, padding_id, read_config
from models.number_format import choose_dtype
from models.pictures import PictureInputs, load_processor


class CaptionWriter:
    """Lets models of a base write captions of `samples`; `images` are their pictures where prompts show them."""

    def __init__(
        self,
        base: Path,
        samples: Sequence[Sample],
        prompt: PromptSettings,
        max_new_tokens: int,
        input: str = "code",
        images: Sequence[Image] | None = None,
        dtype: str = "auto",
    ):
        settings = DecodingSettings(max_new_tokens=max_new_tokens)
        self.tokenizer, config = load_tokenizer(base), read_config(base)
        limit = prompt_limit(base, config, settings, "eval_captions.max_new_tokens")
        maker = PromptMaker(base, self.tokenizer, prompt, limit, 0, None, {})
        self.prompts, failed = maker.prompts(samples, LlmSystem(input=input), [], images)
        # Those of like length fall to different devices.
        self.prompts.sort(key=lambda prompt: (-len(prompt.tokens), prompt.id))
        self.failed = {caption.id: caption for caption in failed}
        check_token_ids(base, config, (prompt.tokens for prompt in self.prompts))
        longest = max((len(prompt.tokens) for prompt in self.prompts), default=0)
        end_ids = maker.wording.end_ids(read_generation_config(base))
        reads_pictures = input != "code"
        pad_id = padding_id(self.tokenizer, config)
        self.job = EngineJob(base, [], end_ids, pad_id, longest + max_new_tokens, settings, 0, reads_pictures)
        self.pictures = PictureInputs(load_processor(base), choose_dtype(dtype)) if reads_pictures else None

    def write(self, model: PeftModel, share: int, n_shares: int) -> dict[str, Caption]:
        """Captions by id, of each n-th prompt from `share` (0-based) on; failed ones are in all shares.

        `model` is in evaluation mode, and its adapter is active.
        """
        engine = make_engine(model.get_base_model(), self.job, self.pictures)
        captions = dict(self.failed)
        for batch in engine.plan(self.prompts[share::n_shares]):
            start = time.monotonic()
            written = engine.write(batch)
            seconds = (time.monotonic() - start) / len(batch)
            for prompt, of_prompt in zip(batch, written, strict=True):
                captions[prompt.id] = caption_record(prompt, of_prompt, self.tokenizer, seconds)
        return captions
