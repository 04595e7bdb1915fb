"""Captions by transformers: batches by a budget of tokens, a prefix that all prompts share computed once.

Prompts are left-padded; a row that has ended leaves its batch; a batch that does not fit into memory is halved, and so
is the budget from then on. Each row draws from a seed of its own. Beams go through transformers' own `generate`.

Kept beside transformers' pipeline, which has no budget of tokens and no seed for each row, and fails where a batch does
not fit. benchmarks/caption.py compares captions and time: with 40 prompts on two cores, the pipeline takes 1.2 times as
long, and `generate` for one prompt at a time 2.2 times.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from peft import PeftModel
from peft.tuners.tuners_utils import BaseTunerLayer
from transformers import AutoModelForCausalLM

from core.command import log
from generation.llm_engines import EngineJob, Prompt, Written, sample_seed, written_before_end
from generation.llm_engines.roomy_cache import RoomyCache
from models.attention_kernels import avoid_cudnn_attention
from models.number_format import choose_dtype

# From this share of a mean prompt on, what all prompts begin with is computed once. In 16 bits that changes the last
# bits of all that follows, so that it has to save more.
LEAST_SHARED = {torch.float32: 0.1, torch.float16: 0.5, torch.bfloat16: 0.5}


class TorchEngine:
    """A causal LM of transformers that writes."""

    def __init__(self, model: Any, job: EngineJob):
        self.model, self.settings, self.seed = model, job.settings, job.seed
        self.end_ids, self.pad_id = job.end_ids, job.pad_id
        self._covered: list[tuple[Any, torch.Tensor]] = []  # the base's weights under the adapter's
        self._prefix: list[int] = []
        self._prefix_states: RoomyCache | None = None
        self._most_tokens: float = float("inf")  # what fits into memory, as far as it was tried

    def activate(self, adapter: Path | None) -> None:
        """Merge an adapter into the weights, in the place of the one before; merged weights decode as fast as a base's.

        The base's weights are put back exactly: subtracting what was added would leave rounding errors.
        """
        for parameter, original in self._covered:
            parameter.data.copy_(original)
        self._covered, self._prefix = [], []
        if adapter:
            biases = [parameter for name, parameter in self.model.named_parameters() if name.endswith("bias")]
            self._covered = _copies(biases)
            wrapped = PeftModel.from_pretrained(self.model, adapter, local_files_only=True)
            layers = (module for module in wrapped.modules() if isinstance(module, BaseTunerLayer))
            self._covered += _copies(layer.get_base_layer().weight for layer in layers)
            self.model = wrapped.merge_and_unload().eval()

    def plan(self, prompts: list[Prompt]) -> list[list[Prompt]]:
        """Prompts of like length together, the longest first; a batch with its new tokens keeps to the budget."""
        self._share_prefix(prompts)
        return plan_batches(
            prompts, self.settings.batch_tokens // self.settings.num_beams, self.settings.max_new_tokens
        )

    def write(self, batch: list[Prompt]) -> list[Written]:
        """What is written after each prompt; a batch that does not fit into memory is halved."""
        n_tokens = len(batch) * (max(len(prompt.tokens) for prompt in batch) + self.settings.max_new_tokens)
        if len(batch) == 1 or n_tokens <= self._most_tokens:
            try:
                rows = self._write_beams(batch) if self.settings.num_beams > 1 else self._write(batch)
                return [written_before_end(tokens, self.end_ids) for tokens in rows]
            except torch.OutOfMemoryError:
                if len(batch) == 1:
                    raise
            torch.cuda.empty_cache()
            self._most_tokens = n_tokens // 2
            log("caption_llm", f"out of memory: from now on {self._most_tokens} tokens a batch instead of {n_tokens}")
        middle = len(batch) // 2
        return self.write(batch[:middle]) + self.write(batch[middle:])

    @torch.inference_mode()
    def _write(self, batch: list[Prompt]) -> list[list[int]]:
        """The likeliest tokens, or drawn ones, until every row has ended."""
        ids, mask, cache = self._start(batch)
        positions = (mask.cumsum(dim=1) - 1).clamp(min=0)[:, -ids.shape[1] :]
        draws = [torch.Generator().manual_seed(sample_seed(self.seed, prompt.id)) for prompt in batch]
        written: list[list[int]] = [[] for _ in batch]
        rows = list(range(len(batch)))  # those that have not ended
        for _ in range(self.settings.max_new_tokens):
            logits = self._logits(ids, mask, positions, cache)
            tokens = self._draw(logits, [draws[row] for row in rows]) if self.settings.do_sample else logits.argmax(-1)
            for row, token in zip(rows, tokens.tolist(), strict=True):
                written[row].append(token)
            going = [place for place, row in enumerate(rows) if written[row][-1] not in self.end_ids]
            if not going:
                break
            positions = positions[:, -1:] + 1
            if len(going) < len(rows):
                rows = [rows[place] for place in going]
                places = torch.tensor(going, device=tokens.device)
                cache.batch_select_indices(places)
                tokens, mask, positions = tokens[places], mask[places], positions[places]
            ids = tokens[:, None]
            mask = torch.cat([mask, torch.ones_like(ids)], dim=1)
        return written

    def _write_beams(self, batch: list[Prompt]) -> list[list[int]]:
        ids, mask = self._pad([prompt.tokens for prompt in batch])
        with torch.inference_mode():
            output = self.model.generate(
                input_ids=ids,
                attention_mask=mask,
                max_new_tokens=self.settings.max_new_tokens,
                num_beams=self.settings.num_beams,
                do_sample=False,
                eos_token_id=self.end_ids,
                pad_token_id=self.pad_id,
            )
        return output[:, ids.shape[1] :].tolist()

    def _start(self, batch: list[Prompt]) -> tuple[torch.Tensor, torch.Tensor, RoomyCache]:
        """Tokens behind the shared prefix (rows x length), the mask over both, and a cache that holds the prefix."""
        n_shared = len(self._prefix)
        ids, mask = self._pad([prompt.tokens[n_shared:] for prompt in batch])
        cache = RoomyCache(self.model.config, ids.shape[1] + self.settings.max_new_tokens)
        if n_shared:
            if self._prefix_states is None:
                self._prefix_states = self._read_prefix()
            cache.begin_with(self._prefix_states, len(batch))
            mask = torch.cat([mask.new_ones(len(batch), n_shared), mask], dim=1)
        return ids, mask, cache

    def _share_prefix(self, prompts: list[Prompt]) -> None:
        """Find what all prompts begin with; its states are computed with the first batch."""
        n_shared = common_prefix_length([prompt.tokens for prompt in prompts])
        n_tokens = sum(len(prompt.tokens) for prompt in prompts)
        pays = len(prompts) > 1 and n_shared * len(prompts) >= LEAST_SHARED[self.model.dtype] * n_tokens
        # Only where all layers see everything: a sliding window would count the padding between prefix and prompt.
        shares = pays and n_shared > 0 and RoomyCache(self.model.config, 0).all_roomy
        self._prefix = prompts[0].tokens[:n_shared] if shares else []
        self._prefix_states = None

    def _read_prefix(self) -> RoomyCache:
        ids = torch.tensor([self._prefix], device=self.model.device)
        cache = RoomyCache(self.model.config, len(self._prefix))
        self._logits(ids, torch.ones_like(ids), torch.arange(ids.shape[1], device=ids.device)[None], cache)
        return cache

    def _logits(
        self, ids: torch.Tensor, mask: torch.Tensor, positions: torch.Tensor, cache: RoomyCache
    ) -> torch.Tensor:
        """Logits of the next token of each row (rows x vocabulary), fp32."""
        output = self.model(
            input_ids=ids,
            attention_mask=mask,
            position_ids=positions,
            cache=cache,
            use_cache=True,
            logits_to_keep=1,
        )
        return output.logits[:, -1].float()

    def _draw(self, logits: torch.Tensor, draws: list[torch.Generator]) -> torch.Tensor:
        """One token a row among the likeliest that together have the probability top_p."""
        likely, order = (logits / self.settings.temperature).softmax(dim=-1).sort(dim=-1, descending=True, stable=True)
        summed = likely.cumsum(dim=-1)
        likely[summed - likely >= self.settings.top_p] = 0
        summed = likely.cumsum(dim=-1)
        numbers = torch.cat([torch.rand(1, 1, generator=draw) for draw in draws]).to(logits.device)
        places = torch.searchsorted(summed, numbers * summed[:, -1:], right=True)
        return order.gather(1, places.clamp(max=order.shape[1] - 1))[:, 0]

    def _pad(self, rows: list[list[int]]) -> tuple[torch.Tensor, torch.Tensor]:
        """Rows of tokens with padding on their left, and the mask that leaves it out (both rows x length)."""
        length = max(len(row) for row in rows)
        ids = torch.tensor([[self.pad_id] * (length - len(row)) + row for row in rows])
        mask = torch.tensor([[0] * (length - len(row)) + [1] * len(row) for row in rows])
        return ids.to(self.model.device), mask.to(self.model.device)


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


def common_prefix_length(rows: list[list[int]]) -> int:
    """How many tokens all rows begin with, at least one token of each row left over."""
    if not rows:
        return 0
    # What the first and the last row in alphabetical order share, all share.
    first, last = min(rows), max(rows)
    most = min(len(row) for row in rows) - 1
    return next((place for place in range(most) if first[place] != last[place]), max(most, 0))


def _copies(parameters: Iterable[Any]) -> list[tuple[Any, torch.Tensor]]:
    return [(parameter, parameter.detach().to("cpu", copy=True)) for parameter in parameters]


def load_engine(job: EngineJob) -> TorchEngine:
    """The engine with its base loaded."""
    avoid_cudnn_attention()
    model: Any = AutoModelForCausalLM.from_pretrained(
        job.base, dtype=choose_dtype(job.settings.dtype), local_files_only=True
    )
    # Sampling values of the model's own generation config are unset: ours decide, and it warns of unused ones.
    for name in ("temperature", "top_p", "top_k", "repetition_penalty"):
        setattr(model.generation_config, name, None)
    return TorchEngine(model.to("cuda" if torch.cuda.is_available() else "cpu").eval(), job)
