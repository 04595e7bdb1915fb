"""The built-in presets, and the settings that follow from other keys than their own."""

from __future__ import annotations

from typing import Any

from plan.metrics import default_radar
from plan.schema import Configuration

TEST1 = {
    "r": 4,
    "alpha": 8,
    "targets": ["q_proj", "v_proj"],
    "dropout": 0.05,
    "bias": "none",
    "batch_size": 1,
    "accumulation": 16,
    "learning_rate": 2.0e-4,
    "scheduler": "cosine",
    "warmup_ratio": 0.03,
}
TEST3 = {
    "r": 16,
    "alpha": 32,
    "targets": ["q_proj", "k_proj", "v_proj", "o_proj"],
    "dropout": 0.05,
    "batch_size": 2,
    "accumulation": 4,
    "learning_rate": 1.0e-5,
    "scheduler": "cosine",
    "warmup_ratio": 0.05,
    "weight_decay": 0.01,
    "log_steps": 10,
    "eval_steps": 50,
    "save_steps": 100,
    "keep_checkpoints": 5,
    "patience_steps": 100,
    "min_delta": 0.0001,
    "quantisation": "nf4",
    "double_quantisation": True,
    "gradient_checkpointing": True,
    "dtype": "auto",
}
# test1 is for one GPU, test2 the same on two, test3 QLoRA with early stopping.
BUILT_IN: dict[str, dict[str, Any]] = {
    "test1": TEST1,
    "test2": {**TEST1, "batch_size": 4, "accumulation": 2},
    "test3": TEST3,
}


def all_presets(config: Configuration) -> dict[str, dict[str, Any]]:
    """The built-in presets and the configuration's own, which replace those of their name."""
    return {**BUILT_IN, **config.get("presets", {})}


def resolve_defaults(config: Configuration) -> None:
    """Put into a configuration without faults, in place, what no default of the schema can say.

    Each model's preset is put under its own settings, and the radar chart shows values of the listed metrics only.
    To be called before the schema's defaults are filled in: they would override both.
    """
    presets = all_presets(config)
    for model in config.get("models", {}).values():
        model["settings"] = {**presets[model["preset"]], **model.get("settings", {})}
    config.setdefault("report", {}).setdefault("radar", default_radar(config))
