"""Whether a base predicts a token from those before it alone, as a causal language model does.

Some classes do so only by a setting of config.json (XLM, BERT's kin), or by token types that captions do not have
(CPM-Ant, PaliGemma). In training they would read the token that they are to predict: the loss would fall to nothing,
and the model would not caption. Logits of 200 causal classes (tiny, random) change by at most 1e-6 of the largest.
"""

from __future__ import annotations

from typing import Any

import torch

from core.command import InputError
from models.class_faults import name_of
from training.packing import N_ASKED, ROUNDED_TOLERANCE, TOLERANCE


@torch.no_grad()
def check_causal(base: Any) -> None:
    """Raise InputError for a base (with or without adapter) whose predictions change with a token behind them."""
    was_training = base.training
    base.eval()
    draws = torch.Generator().manual_seed(0)
    ids = torch.randint(base.get_input_embeddings().num_embeddings, (2, N_ASKED), generator=draws)
    ids[1, :-1] = ids[0, :-1]
    one, other = (base(input_ids=row[None].to(base.device), use_cache=False).logits[0, :-1] for row in ids)
    base.train(was_training)
    if (one - other).abs().max() > TOLERANCE.get(base.dtype, ROUNDED_TOLERANCE) * one.abs().max():
        raise InputError(
            f"{name_of(base)} reads the tokens behind those that it predicts, so that it would learn to copy; set what "
            "makes it a decoder in its config.json, or choose a causal language model"
        )
