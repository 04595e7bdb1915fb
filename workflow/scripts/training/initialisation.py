"""Where LoRA matrices start, where not at a random A and a zero B: from the base's weights or from the data.

PiSSA (Meng et al. 2024) starts them as the weights' largest singular vectors and takes these out of the base. What it
trains is therefore turned into an ordinary adapter of the whole base, of twice the rank: W_res + s·B·A equals
W + s·(B·A - B0·A0), where B0 and A0 are the start. EVA (Paischer et al. 2024) starts A as the largest singular vectors
of what the layer reads; the base stays as it is.
"""

from __future__ import annotations

import itertools
import math
from pathlib import Path
from typing import Any

import torch
from peft import PeftModel, get_peft_model_state_dict
from peft.tuners.lora import initialize_lora_eva_weights
from safetensors.torch import load_file, save_file

from core.command import InputError
from core.records import read_json, write_json
from training.settings import TrainingSettings

# The settings' words in those of peft. An SVD by 16 subspace iterations takes seconds where a whole one takes hours.
IN_PEFT = {"default": True, "pissa": "pissa_niter_16", "eva": "eva"}
EVA_BATCHES = 8
# What a collator gives for the loss alone.
OF_LOSS = ("labels", "logits_to_keep")


def starting_matrices(model: PeftModel) -> dict[str, torch.Tensor]:
    """The adapter's weights as they are now, by the names that they have in its file."""
    return {name: weight.detach().cpu().clone() for name, weight in get_peft_model_state_dict(model).items()}


def make_ordinary(adapter: Path, start: dict[str, torch.Tensor]) -> None:
    """Rewrite an adapter of PiSSA's residual base as one of the whole base, with the matrices that it started from."""
    weights = load_file(adapter / "adapter_model.safetensors")
    for name, weight in weights.items():
        if ".lora_A." in name:
            weights[name] = torch.cat([weight, start[name]]).contiguous()
        elif ".lora_B." in name:
            weights[name] = torch.cat([weight, -start[name]], dim=1).contiguous()
    save_file(weights, adapter / "adapter_model.safetensors", metadata={"format": "pt"})
    config = read_json(adapter / "adapter_config.json")
    # The scaling stays: alpha / r, or with rsLoRA alpha / sqrt(r).
    scale = math.sqrt(2) if config["use_rslora"] else 2
    config |= {"r": 2 * config["r"], "lora_alpha": scale * config["lora_alpha"], "init_lora_weights": True}
    write_json(adapter / "adapter_config.json", config)


def start_from_data(model: PeftModel, dataset: Any, collate: Any, settings: TrainingSettings) -> None:
    """Start the A matrices from what their layers read in the first training batches (EVA), all with the same rank.

    Raises InputError where a batch has fewer tokens than the matrices have rows.
    """
    loader = torch.utils.data.DataLoader(dataset, batch_size=settings.batch_size, collate_fn=collate)
    batches = [
        {name: value for name, value in batch.items() if torch.is_tensor(value) and name not in OF_LOSS}
        for batch in itertools.islice(loader, EVA_BATCHES)
    ]
    # Packed batches have no mask: all of their tokens count.
    fewest = min(int(batch.get("attention_mask", torch.ones_like(batch["input_ids"])).sum()) for batch in batches)
    if fewest < settings.r:
        raise InputError(f"init: eva needs {settings.r} tokens in a batch, as r says, and one has {fewest}; lower r")
    initialize_lora_eva_weights(
        model,
        batches,
        forward_fn=lambda model, inputs: model(**inputs, logits_to_keep=1),  # none of them is used
        gather_distributed_inputs=False,
        show_progress_bar=False,
    )
