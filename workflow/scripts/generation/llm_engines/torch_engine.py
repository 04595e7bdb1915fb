"""Captions by transformers: batches by a budget of tokens, a prefix that all prompts share computed once.

Prompts are left-padded; a row that has ended leaves its batch; a batch that does not fit into memory is halved, and so
is the budget from then on. Each row draws from a seed of its own. Beams go through transformers' own `generate`.

Not every model can be decoded so: some count positions by place, some keep states in which padding leaves a trace.
Before the first batch the engine therefore compares its own decoding with a plain pass over one prompt, first with the
shared prefix, then with padding alone. Where both differ, `generate` gets one prompt at a time. Two kinds of models are
known to differ by less than 16 bits may show: COUNT_PADDING, and those that carry states along the text.

Kept beside transformers' pipeline, which has no budget of tokens and no seed for each row, and fails where a batch does
not fit. benchmarks/caption.py compares captions and time: with 40 prompts on two cores of an AMD EPYC, the pipeline
takes 2.1 times as long, and `generate` for one prompt at a time 3.8 times.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import torch
from peft import PeftModel
from peft.tuners.tuners_utils import BaseTunerLayer
from peft.utils import ModulesToSaveWrapper
from transformers import GenerationConfig

from core.command import log
from generation.llm_engines import EngineJob, Prompt, Written, sample_seed, written_before_end
from generation.llm_engines.decoding_rows import DecodingRows, PromptRows
from generation.llm_engines.fixed_rows import FixedRows, graph_pool
from generation.llm_engines.roomy_cache import RoomyCache, what_is_not_fixed
from models.attention_kernels import avoid_cudnn_attention
from models.class_faults import describe_fault, is_of_machine, name_of, told_as_input_error
from models.encoder_decoders import ENCODER_DECODERS
from models.language_models import choose_attention, load_language_model, read_config
from models.linear_kernels import speed_linear_layers
from models.lora_targets import check_merge
from models.number_format import choose_dtype
from models.pictures import PictureInputs, load_processor

# From this share of a mean prompt on, what all prompts begin with is computed once. In 16 bits that changes the last
# bits of all that follows, so that it has to save more.
LEAST_SHARED = {torch.float32: 0.1, torch.float16: 0.5, torch.bfloat16: 0.5}

# Models whose code counts padding between prefix and prompt as distance: ALiBi by place, local attention by place.
COUNT_PADDING = ("mpt", "gpt_neo")

# The most that the own decoding may differ from a plain pass: divergence (Kullback-Leibler, nats) of the next token's
# distribution. Rounding alone gave up to 4e-7 in fp32, and 0.005 in bf16 (SmolLM2-135M, prompts of 150 to 800 tokens).
MOST_DIVERGENCE = {torch.float32: 1e-4, torch.float16: 0.05, torch.bfloat16: 0.05}
CHECKED_TOKENS = 4

# How prompts of a batch are read, by device: at most so many tokens at once, and so many tokens of padding among them,
# which is about what a pass of its own costs. Measured on two cores; not measured on a GPU.
GROUPS = {"cpu": (512, 32), "cuda": (16384, 512)}

# Devices on which steps of one shape pay, as CUDA graphs.
FIXED_ON = ("cuda",)


class TorchEngine:
    """A causal LM of transformers that writes."""

    def __init__(self, model: Any, job: EngineJob, pictures: PictureInputs | None = None):
        self.model, self.settings, self.seed = model, job.settings, job.seed
        self._pictures = pictures
        self.end_ids, self.pad_id, self.most_tokens = job.end_ids, job.pad_id, job.most_tokens
        self._covered: list[tuple[Any, torch.Tensor]] = []  # the base's weights under the adapter's
        self._replaced: dict[str, torch.nn.Module] = {}  # the base's modules in whose place are those of the adapter
        self._prefix: list[int] = []
        self._prefix_states: RoomyCache | None = None
        self._graph_pool = graph_pool(model.device)
        self._is_fixed = False  # whether steps have one shape
        self._one_by_one = False  # where only generate, without padding, decodes the model rightly
        self._has_written = False
        self._most_tokens: float = float("inf")  # what fits into memory, as far as it was tried

    def activate(self, adapter: Path | None) -> None:
        """Merge an adapter into the weights, in the place of the one before; merged weights decode as fast as a base's.

        The base's weights are put back exactly: subtracting what was added would leave rounding errors. Raises
        InputError for an adapter that can't be merged.
        """
        for parameter, original in self._covered:
            parameter.data.copy_(original)
        for name, module in self._replaced.items():
            self.model.set_submodule(name, module)
        self._covered, self._replaced, self._prefix = [], {}, []
        if adapter:
            biases = [parameter for name, parameter in self.model.named_parameters() if name.endswith("bias")]
            self._covered = _copies(biases)
            wrapped = PeftModel.from_pretrained(self.model, adapter, local_files_only=True)
            check_merge(wrapped)
            layers = (module for module in wrapped.modules() if isinstance(module, BaseTunerLayer))
            self._covered += _copies(layer.get_base_layer().weight for layer in layers)
            modules = wrapped.get_base_model().named_modules()
            self._replaced = {
                name: module.original_module for name, module in modules if isinstance(module, ModulesToSaveWrapper)
            }
            self.model = wrapped.merge_and_unload().eval()

    def plan(self, prompts: list[Prompt]) -> list[list[Prompt]]:
        """Prompts of like length together, the longest first; a batch with its new tokens keeps to the budget."""
        self._share_prefix(prompts)
        with self._first_use():
            self._choose_way(prompts)
        budget = 0 if self._one_by_one else self.settings.batch_tokens // self.settings.num_beams
        return plan_batches(prompts, budget, self.settings.max_new_tokens)

    def write(self, batch: list[Prompt]) -> list[Written]:
        """What is written after each prompt; a batch that does not fit into memory is halved."""
        n_tokens = len(batch) * (max(len(prompt.tokens) for prompt in batch) + self.settings.max_new_tokens)
        if len(batch) == 1 or n_tokens <= self._most_tokens:
            try:
                by_generate = self._one_by_one or self.settings.num_beams > 1
                with self._first_use():
                    rows = self._generate(batch) if by_generate else self._write(batch)
                self._has_written = True
                return [written_before_end(tokens, self.end_ids) for tokens in rows]
            except torch.OutOfMemoryError:
                if len(batch) == 1:
                    raise
            torch.cuda.empty_cache()
            self._most_tokens = n_tokens // 2
            log("caption_llm", f"out of memory: from now on {self._most_tokens} tokens a batch instead of {n_tokens}")
        middle = len(batch) // 2
        return self.write(batch[:middle]) + self.write(batch[middle:])

    def _first_use(self) -> AbstractContextManager[None]:
        """Where the code of the model's class shows whether it can be decoded so."""
        return told_as_input_error(f"{name_of(self.model)} can't be decoded", until=lambda: self._has_written)

    @torch.inference_mode()
    def read(self, prompt: Prompt, written: list[int]) -> torch.Tensor:
        """Log-probabilities of the next token behind a prompt, and behind each token that is written after it.

        (n written + 1, vocabulary), on the CPU. One plain pass, right for models of any kind.
        """
        ids = torch.tensor([[*prompt.tokens, *written]], device=self.model.device)
        pictures = self._picture_inputs([prompt], ids)
        with self._first_use():
            output = self.model(input_ids=ids, use_cache=False, logits_to_keep=len(written) + 1, **pictures)
        return output.logits[0].float().log_softmax(dim=-1).cpu()

    @torch.inference_mode()
    def _write(self, batch: list[Prompt]) -> list[list[int]]:
        """The likeliest tokens, or drawn ones, until every row has ended."""
        state = self._start(batch)
        draws = [torch.Generator().manual_seed(sample_seed(self.seed, prompt.id)) for prompt in batch]
        written: list[list[int]] = [[] for _ in batch]
        rows = list(range(len(batch)))  # those that have not ended
        for _ in range(self.settings.max_new_tokens):
            logits = state.read()
            tokens = self._draw(logits, [draws[row] for row in rows]) if self.settings.do_sample else logits.argmax(-1)
            for row, token in zip(rows, tokens.tolist(), strict=True):
                written[row].append(token)
            going = [place for place, row in enumerate(rows) if written[row][-1] not in self.end_ids]
            if not going:
                break
            rows = [rows[place] for place in going]
            state.append(tokens, going)
        return written

    @torch.inference_mode()
    def _generate(self, batch: list[Prompt]) -> list[list[int]]:
        """What transformers' own `generate` writes, by our settings alone; a drawn caption comes one prompt a batch."""
        settings = self.settings
        drawing: dict[str, Any] = {}
        if settings.do_sample:
            drawing = {"temperature": settings.temperature, "top_p": settings.top_p, "top_k": 0}
        ids, mask = self._pad([prompt.tokens for prompt in batch])
        torch.manual_seed(sample_seed(self.seed, batch[0].id))
        output = self.model.generate(
            input_ids=ids,
            attention_mask=mask,
            max_new_tokens=settings.max_new_tokens,
            num_beams=settings.num_beams,
            do_sample=settings.do_sample,
            eos_token_id=self.end_ids,
            pad_token_id=self.pad_id,
            **drawing,
            **self._picture_inputs(batch, ids),
        )
        return output[:, ids.shape[1] :].tolist()

    def _start(self, batch: list[Prompt], n_padding: int = 0) -> DecodingRows:
        """The rows of a batch behind the shared prefix, with at least so much padding.

        Where the cache allows it, prompts are read in groups of like length, and the padding between groups is left out
        of all passes.
        """
        kind = FixedRows if self._is_fixed else DecodingRows
        options = {"graph_pool": self._graph_pool} if self._is_fixed else {}
        rows = [prompt.tokens[len(self._prefix) :] for prompt in batch]
        ends, n_before = [len(batch)], 0
        in_groups = kind.cache_class(self.model.config, 0).all_roomy and not self.model._is_stateful
        if in_groups and self._pictures is None:
            most_tokens, most_padding = GROUPS[self.model.device.type]
            ends = group_ends([len(row) for row in rows], most_tokens, most_padding)
            n_before = max(0, n_padding - most_padding)
        groups = []
        for start, end in zip([0, *ends], ends, strict=False):
            ids, mask = self._pad(rows[start:end], n_padding - n_before)
            groups.append(PromptRows(ids, mask, self._picture_inputs(batch[start:end], ids)))
        if self._prefix and self._prefix_states is None:
            self._prefix_states = self._read_prefix()
        prefix = self._prefix_states if self._prefix else None
        return kind(self.model, groups, prefix, self.settings.max_new_tokens, n_before, **options)

    def _picture_inputs(self, batch: list[Prompt], ids: torch.Tensor) -> dict[str, torch.Tensor]:
        """The model's inputs for the pictures in a batch, whose tokens are `ids` (rows x length)."""
        return self._pictures.of(ids, [png for prompt in batch for png in prompt.pngs]) if self._pictures else {}

    def _choose_way(self, prompts: list[Prompt]) -> None:
        """Give up the shared prefix, then batches, where they change what is written; use graphs where these do not."""
        self._is_fixed = False
        self._choose_batches(prompts)
        own = prompts and not self._one_by_one and self.settings.num_beams == 1
        if own and self.settings.cuda_graphs and self.model.device.type in FIXED_ON:
            others = what_is_not_fixed(self.model.config)
            self._is_fixed = not others
            fault = f"it keeps {others}" if others else self._find_fault(prompts)
            if fault:
                log("caption_llm", f"{type(self.model).__name__} is decoded without CUDA graphs: {fault}")
                self._is_fixed = False

    def _choose_batches(self, prompts: list[Prompt]) -> None:
        """Give up the shared prefix, and then batches, where they change what is written after a prompt."""
        # In 16 bits rounding would hide what padding leaves in the states of such a model.
        self._one_by_one = self.model._is_stateful and self.model.dtype != torch.float32
        for way in ("a shared prefix", "padding") if self._prefix else ("padding",):
            if self._one_by_one:
                break
            fault = self._find_fault(prompts) if prompts else ""
            if not fault:
                return
            log("caption_llm", f"{type(self.model).__name__} is decoded wrongly with {way} ({fault}) and goes without")
            self._prefix = []
        log("caption_llm", "warning: one prompt at a time from here on, which is slow")
        self._prefix, self._one_by_one = [], True

    @torch.inference_mode()
    def _find_fault(self, prompts: list[Prompt]) -> str:
        """How the own decoding of the shortest prompt differs from a plain pass over it; empty where it does not.

        It is padded to the most tokens that any row may have: what the model does with padding shows best there. Of
        that, a pass over prompts computes as much as it ever does, and the rest is left out.
        """
        shortest = min(prompts, key=lambda prompt: len(prompt.tokens))
        try:
            state = self._start([shortest], max(0, self.most_tokens - len(shortest.tokens) - CHECKED_TOKENS))
            written, found = list(shortest.tokens), []
            for _ in range(min(CHECKED_TOKENS, self.settings.max_new_tokens)):
                found.append(state.read())
                written.append(int(found[-1].argmax()))
                state.append(found[-1].argmax(-1), [0])
                state.keep(torch.tensor([0], device=self.model.device))
        except Exception as error:  # any: of a class that does not take such a cache, mask or positions
            if is_of_machine(error):
                raise
            return describe_fault(error)
        ids = torch.tensor([written[:-1]], device=self.model.device)
        pictures = self._picture_inputs([shortest], ids)
        plain = self.model(input_ids=ids, use_cache=False, logits_to_keep=len(found), **pictures)
        expected = plain.logits[0, -len(found) :].float().log_softmax(dim=-1)
        log_found = torch.cat(found).log_softmax(dim=-1)
        divergence = float((expected.exp() * (expected - log_found)).sum(dim=-1).max())
        return "" if divergence <= MOST_DIVERGENCE[self.model.dtype] else f"divergence {divergence:.2g}"

    def _share_prefix(self, prompts: list[Prompt]) -> None:
        """Find what all prompts begin with; its states are computed with the first batch."""
        n_shared = common_prefix_length([prompt.tokens for prompt in prompts])
        n_tokens = sum(len(prompt.tokens) for prompt in prompts)
        pays = len(prompts) > 1 and n_shared * len(prompts) >= LEAST_SHARED[self.model.dtype] * n_tokens
        pays = pays and not any(prompt.pngs for prompt in prompts)
        # Only where padding between prefix and prompt changes nothing: a sliding window would count it.
        sees_all = RoomyCache(self.model.config, 0).all_roomy and self.model.config.model_type not in COUNT_PADDING
        shares = pays and n_shared > 0 and sees_all
        self._prefix = prompts[0].tokens[:n_shared] if shares else []
        self._prefix_states = None

    def _read_prefix(self) -> RoomyCache:
        ids = torch.tensor([self._prefix], device=self.model.device)
        state = DecodingRows(self.model, [PromptRows(ids, torch.ones_like(ids))], None, 0)
        state.read()
        return state.cache

    def _draw(self, logits: torch.Tensor, draws: list[torch.Generator]) -> torch.Tensor:
        """One token a row among the likeliest that together have the probability top_p."""
        likely, order = (logits / self.settings.temperature).softmax(dim=-1).sort(dim=-1, descending=True, stable=True)
        summed = likely.cumsum(dim=-1)
        likely[summed - likely >= self.settings.top_p] = 0
        summed = likely.cumsum(dim=-1)
        numbers = torch.cat([torch.rand(1, 1, generator=draw) for draw in draws]).to(logits.device)
        places = torch.searchsorted(summed, numbers * summed[:, -1:], right=True)
        return order.gather(1, places.clamp(max=order.shape[1] - 1))[:, 0]

    def _pad(self, rows: list[list[int]], n_padding: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
        """Rows of tokens with padding on their left, and the mask that leaves it out (both rows x length).

        The longest row has `n_padding` columns of padding.
        """
        length = max(len(row) for row in rows) + n_padding
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


def group_ends(lengths: list[int], most_tokens: int, most_padding: int) -> list[int]:
    """Where groups of neighbouring rows end, each padded by at most so much, with at most so many tokens or one row."""
    ends, start = [], 0
    for place in range(1, len(lengths)):
        group = lengths[start : place + 1]
        n_tokens = len(group) * max(group)
        if n_tokens > most_tokens or n_tokens - sum(group) > most_padding:
            ends.append(place)
            start = place
    return [*ends, len(lengths)]


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
    config, dtype = read_config(job.base), choose_dtype(job.settings.dtype)
    model = load_language_model(job.base, config, dtype, choose_attention(config, job.settings.attention))
    model = model.to("cuda" if torch.cuda.is_available() else "cpu").eval()
    speed_linear_layers(model, model.device)
    pictures = PictureInputs(load_processor(job.base), dtype) if job.reads_pictures else None
    return make_engine(model, job, pictures)


def make_engine(model: Any, job: EngineJob, pictures: PictureInputs | None) -> TorchEngine:
    """The engine of a model that is loaded, on its device and in evaluation mode."""
    # Beams obey the settings, as the own decoding does, and nothing that the base's generation_config.json asks for.
    model.generation_config = GenerationConfig()
    if pictures and model.config.model_type in ENCODER_DECODERS:
        from generation.llm_engines.captioner_engine import CaptionerEngine  # which is made of this engine

        return CaptionerEngine(model, job, pictures)
    return TorchEngine(model, job, pictures)
