"""Answers of a local model to chats (generation/chats.py): greedy, by the engine that captions.

    source = LocalAnswers(base, settings, store, reads_pictures=True)
    source.ask([Chat(("Rate this caption: …",), png, begins="0.")])

Answers are kept by the digest of their chat in a store whose folder names the model's weights, the code and the
libraries (`local_identity`), so that another system costs only its own captions.

A chat that `begins` is not continued but read: the answer holds the probabilities of what the model would write at each
place of these words and behind them.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from transformers import GenerationConfig

from captions.picture_prompts import PictureTokens, read_picture_tokens
from captions.prompts import PromptSettings, caption_tokens, encode_chat, end_of_turn_ids
from core.command import InputError, Progress
from core.identity import canonical_json, job_identity, result_settings
from generation.chats import Chat
from generation.endpoints import Answer, Rejection
from generation.endpoints.store import AnswerStore
from generation.llm_engines import ONLY_SPEED, DecodingSettings, EngineJob, Prompt
from generation.llm_engines.torch_engine import TorchEngine, load_engine
from models.encoder_decoders import ENCODER_DECODERS
from models.files import describe_files, model_digest, tokenizer_files
from models.gpus import check_given_gpus
from models.language_models import check_token_ids, context_length, load_tokenizer, padding_id, read_config
from models.pictures import load_processor, read_picture

N_ALTERNATIVES = 50  # of each token that is read
LIBRARIES = ("torch", "transformers")


def local_identity(base: Path, settings: DecodingSettings, code: str, digest_cache: Path | None) -> dict[str, Any]:
    """What determines the answers of a local model: its files, how it decodes, code and libraries."""
    inputs = {"base": model_digest(base, digest_cache)}
    configs = [name for name in ("config.json", "generation_config.json") if (base / name).is_file()]
    inputs |= {file["name"]: file["sha256"] for file in (*tokenizer_files(base), *describe_files(base, configs))}
    decoding = result_settings(settings, ONLY_SPEED)
    return job_identity(inputs=inputs, settings={"decoding": decoding}, code=code, libraries=LIBRARIES)


class LocalAnswers:
    """A base that answers chats; it is loaded when the first chat is not in the store."""

    def __init__(self, base: Path, settings: DecodingSettings, store: AnswerStore, stage: str, reads_pictures: bool):
        self.base, self.settings, self.store, self.stage = base, settings, store, stage
        self.tokenizer, self.config = load_tokenizer(base), read_config(base)
        if not self.tokenizer.chat_template or self.config.model_type in ENCODER_DECODERS:
            raise InputError(
                f"{base} has no chat template, by which a judge is asked: choose an instruct model as judge"
            )
        self.processor: Any = None
        if reads_pictures:
            self.processor = load_processor(base)
            self.tokenizer = self.processor.tokenizer
        self._pictures: dict[tuple[int, int], PictureTokens] = {}  # by size
        self._engine: TorchEngine | None = None

    @property
    def model(self) -> str:
        return self.base.name

    def ask(self, chats: Sequence[Chat]) -> list[Answer | Rejection]:
        """An answer to each chat; one that is too long for the model is rejected.

        Raises InputError where the tokenizer has tokens that the model does not know.
        """
        digests = [chat_digest(chat) for chat in chats]
        new = {digest: chat for digest, chat in zip(digests, chats, strict=True) if self.store.get(digest) is None}
        prompts = {digest: self._prompt(digest, chat) for digest, chat in new.items()}
        most = context_length(self.config) - self.settings.max_new_tokens
        rejected = {
            digest: Rejection(f"the question takes {len(prompt.tokens)} tokens, and the judge reads {most}")
            for digest, prompt in prompts.items()
            if len(prompt.tokens) > most
        }
        waiting = [prompt for digest, prompt in prompts.items() if digest not in rejected]
        if waiting:
            check_token_ids(self.base, self.config, (prompt.tokens for prompt in waiting))
            engine = self._load(waiting)
            with Progress(self.stage, len(waiting), "answer") as progress:
                read = [prompt for prompt in waiting if new[prompt.id].begins]
                for prompt in read:
                    self.store.add(prompt.id, self._read(engine, prompt, new[prompt.id].begins))
                    progress.advance()
                for batch in engine.plan([prompt for prompt in waiting if not new[prompt.id].begins]):
                    self._write(engine, batch)
                    progress.advance(len(batch))
        return [self.store.get(digest) or rejected[digest] for digest in digests]

    def _prompt(self, digest: str, chat: Chat) -> Prompt:
        messages: list[dict[str, Any]] = list(chat.messages())
        if chat.png is None:
            return Prompt(digest, encode_chat(self.tokenizer, messages))
        messages = [{**message, "content": [{"type": "text", "text": message["content"]}]} for message in messages]
        messages[0]["content"].insert(0, {"type": "image"})
        size = read_picture(chat.png).size
        if size not in self._pictures:
            self._pictures[size] = read_picture_tokens(self.processor, PromptSettings(), *size)
        ids = self._pictures[size].put_into(encode_chat(self.tokenizer, messages))
        return Prompt(digest, ids, None, (chat.png,))

    def _load(self, prompts: Sequence[Prompt]) -> TorchEngine:
        if self._engine is None:
            check_given_gpus()
            path = self.base / "generation_config.json"
            generation = (
                GenerationConfig.from_pretrained(self.base, local_files_only=True)
                if path.is_file()
                else GenerationConfig.from_model_config(self.config)
            )
            end_ids = end_of_turn_ids(self.tokenizer, PromptSettings(), generation)
            most = max(len(prompt.tokens) for prompt in prompts) + self.settings.max_new_tokens
            pad_id = padding_id(self.tokenizer, self.config)
            job = EngineJob(self.base, [], end_ids, pad_id, most, self.settings, 0, self.processor is not None)
            self._engine = load_engine(job)
        return self._engine

    def _write(self, engine: TorchEngine, batch: list[Prompt]) -> None:
        for prompt, written in zip(batch, engine.write(batch), strict=True):
            text = self.tokenizer.decode(written.tokens, skip_special_tokens=True)
            ended = "stop" if written.ended else "length"
            n_tokens = len(prompt.tokens), len(written.tokens)
            answer = Answer(text, ended, self.model, n_prompt_tokens=n_tokens[0], n_new_tokens=n_tokens[1])
            self.store.add(prompt.id, answer)

    def _read(self, engine: TorchEngine, prompt: Prompt, begins: str) -> Answer:
        """The alternatives at each place of `begins` and behind it; the written token comes last."""
        forced = caption_tokens(self.tokenizer, begins, PromptSettings())[:-1]
        logprobs = engine.read(prompt, forced)
        best, places = logprobs.topk(min(N_ALTERNATIVES, logprobs.shape[-1]))
        written = [*forced, int(places[-1, 0])]
        alternatives = [
            self._as_texts(dict(zip(tokens, values, strict=True)), token, float(row[token]))
            for tokens, values, token, row in zip(places.tolist(), best.tolist(), written, logprobs, strict=True)
        ]
        text = self.tokenizer.decode(written, skip_special_tokens=True)
        n_tokens = len(prompt.tokens)
        return Answer(text, "length", self.model, logprobs=alternatives, n_prompt_tokens=n_tokens, n_new_tokens=1)

    def _as_texts(self, found: Mapping[int, float], written: int, logprob: float) -> dict[str, float]:
        """Alternatives by their texts; tokens of one text count together."""
        texts: dict[str, float] = {}
        for token, value in [*found.items(), *([] if written in found else [(written, logprob)])]:
            text = self.tokenizer.decode([token])
            texts[text] = math.log(math.exp(texts[text]) + math.exp(value)) if text in texts else value
        last = self.tokenizer.decode([written])
        texts[last] = texts.pop(last)
        return texts


def chat_digest(chat: Chat) -> str:
    """The digest of what a model is shown."""
    png = hashlib.sha256(chat.png).hexdigest() if chat.png is not None else None
    return hashlib.sha256(canonical_json([list(chat.turns), png, chat.begins]).encode()).hexdigest()
