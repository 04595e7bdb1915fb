"""The loss of captions, computed inside the model: where logits would fill the memory, a part of them at a time.

    give_caption_loss(model)
    loss = model(**batch, num_items_in_batch=n).loss        # batch: input_ids, labels, logits_to_keep, …

Logits are positions x vocabulary numbers, and a loss with its gradient holds several such tensors: 2 GB each for 2,000
positions of 256,000 words. Above MOST_BYTES the hidden states of the captions go through the head in parts, and the
backward pass makes each part's logits anew. The head is asked by the model's own code, with the hidden states in the
place of what its layers would give: scales and caps on logits (Cohere, Granite, Gemma 2) are the model's. It happens
inside the forward pass of the whole model, because FSDP gathers weights only there.
"""

from __future__ import annotations

import dataclasses
import functools
import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from peft import PeftModel
from torch.utils.checkpoint import checkpoint
from transformers.modeling_outputs import CausalLMOutput

from captions.prompts import IGNORED
from training.data import caption_loss

# Of the logits that are there at once, in fp32; below it the loss is computed as one. The demo's batches take 10 MB.
MOST_BYTES = 2**28


def give_caption_loss(model: PeftModel, in_parts: bool = True) -> None:
    """Let a model whose inputs have labels give their loss (training/data.py, caption_loss) and no logits.

    Not `in_parts` where weights are shared out: a part may gather the head, and devices may have parts of unequal
    number.
    """
    base: Any = model.get_base_model()
    base.forward = ForwardToLoss(base, in_parts)


class ForwardToLoss:
    """The forward pass of a base that gives the loss of captions where it gets labels."""

    def __init__(self, base: Any, in_parts: bool):
        self.plain: Callable[..., Any] = base.forward
        self.layers: Any = base.base_model  # all but the head
        self.n_vocabulary: int = base.config.get_text_config().vocab_size
        # Encoder-decoders have layers of other kinds, and few positions.
        has_parts = self.layers is not base and "logits_to_keep" in inspect.signature(base.forward).parameters
        self.has_parts = in_parts and has_parts
        functools.update_wrapper(self, base.forward)

    def __call__(
        self,
        *arguments: Any,
        labels: torch.Tensor | None = None,
        num_items_in_batch: torch.Tensor | float | None = None,
        **inputs: Any,
    ) -> Any:
        """The model's output, or its loss alone: summed over labels and divided by `num_items_in_batch`, else by them.

        `labels` and `logits_to_keep` are those of a collator (training/data.py, training/packing.py).
        """
        if labels is None:
            return self.plain(*arguments, **inputs)
        if self.has_parts and 4 * labels.numel() * self.n_vocabulary > MOST_BYTES:
            total = self.loss_in_parts(labels, *arguments, **inputs)
            if total is not None:
                n_labels = (labels[:, 1:] != IGNORED).sum() if num_items_in_batch is None else num_items_in_batch
                return CausalLMOutput(loss=total / n_labels)
            self.has_parts = False
        logits = self.plain(*arguments, **inputs).logits
        return CausalLMOutput(loss=caption_loss(logits, labels, num_items_in_batch))

    def loss_in_parts(self, labels: torch.Tensor, *arguments: Any, **inputs: Any) -> torch.Tensor | None:
        """The summed loss of labels (batch x kept); None for a model that runs its layers in another way (OPT)."""
        kept = inputs.pop("logits_to_keep")
        outputs = self.run_layers(*arguments, **inputs)
        if outputs is None:
            return None
        hidden = outputs.last_hidden_state
        hidden = hidden[:, -kept:] if isinstance(kept, int) else hidden[:, kept]
        wanted = labels[:, 1:] != IGNORED
        outputs = dataclasses.replace(outputs, last_hidden_state=None)

        def loss_of(hidden: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
            return torch.nn.functional.cross_entropy(self.logits(outputs, hidden), labels, reduction="sum")

        size = max(1, MOST_BYTES // (4 * self.n_vocabulary))
        parts = zip(hidden[:, :-1][wanted].split(size), labels[:, 1:][wanted].split(size), strict=True)
        return torch.stack([checkpoint(loss_of, *part, use_reentrant=False) for part in parts]).sum()

    def run_layers(self, *arguments: Any, **inputs: Any) -> Any:
        """What the layers give for inputs of the whole model, with next to no logits; None where they aren't asked."""
        outputs: list[Any] = []

        def run(forward: Callable[..., Any], *arguments: Any, **inputs: Any) -> Any:
            outputs.append(forward(*arguments, **inputs))
            return dataclasses.replace(outputs[0], last_hidden_state=outputs[0].last_hidden_state[:, -1:])

        with self.layers_replaced(functools.partial(run, self.layers.forward)):
            self.plain(*arguments, logits_to_keep=1, **inputs)
        return outputs[0] if outputs else None

    def logits(self, outputs: Any, hidden: torch.Tensor) -> torch.Tensor:
        """Logits in fp32 (positions x vocabulary) of hidden states (positions x width)."""
        given = dataclasses.replace(outputs, last_hidden_state=hidden[None])
        with self.layers_replaced(lambda *_, **__: given):
            return self.plain().logits[0].float()

    @contextmanager
    def layers_replaced(self, forward: Callable[..., Any]) -> Iterator[None]:
        """Let the layers give what `forward` does; hooks on them stay."""
        own = self.layers.forward
        self.layers.forward = forward
        try:
            yield
        finally:
            self.layers.forward = own
