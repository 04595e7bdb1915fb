"""Tiny models that are taught in a second to give one reply, whatever they are asked."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch

from captions.prompts import PromptSettings, caption_tokens
from generation.chats import Chat
from generation.endpoints.store import AnswerStore
from generation.llm_engines import DecodingSettings
from generation.local_answers import LocalAnswers
from models.language_models import load_language_model

STEPS, ENOUGH = 200, 0.02  # loss


def local_source(folder: Path, store: Path, reads_pictures: bool = False, n_tokens: int = 24) -> LocalAnswers:
    settings = DecodingSettings(max_new_tokens=n_tokens, dtype="fp32")
    return LocalAnswers(folder, settings, AnswerStore(store), "test", reads_pictures)


def teach(folder: Path, chats: Sequence[Chat], reply: str) -> Path:
    """Train the model in a folder, in place, until it gives a reply to chats."""
    source = local_source(folder, folder / "none", any(chat.png for chat in chats))
    prompts = [source._prompt("", chat) for chat in chats]
    model = load_language_model(folder, source.config, torch.float32, "eager")
    answer = caption_tokens(source.tokenizer, reply, PromptSettings())
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    pictures = None
    if source.processor:
        from models.pictures import PictureInputs

        pictures = PictureInputs(source.processor, torch.float32)
    for _ in range(STEPS):
        loss = torch.zeros(())
        for prompt in prompts:
            ids = torch.tensor([[*prompt.tokens, *answer]])
            shown = pictures.of(ids, list(prompt.pngs)) if pictures else {}
            logits = model(input_ids=ids, **shown).logits[0, -len(answer) - 1 : -1]
            loss = loss + torch.nn.functional.cross_entropy(logits, torch.tensor(answer)) / len(prompts)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if loss.item() < ENOUGH:
            break
    model.save_pretrained(folder)
    return folder
