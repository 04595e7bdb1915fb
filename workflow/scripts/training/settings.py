"""The settings of LoRA training: the keys of a preset in the configuration, with their defaults and checks."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from core.command import InputError
from core.identity import result_settings
from core.json_settings import settings_from_json

LOSS = "loss"
# What sharding: fsdp is built for, by key; the first value is the one to set.
SHARDED_WITH: dict[str, tuple[Any, ...]] = {
    "quantisation": ("none",),
    "use_dora": (False,),
    "init": ("default",),
    "lora_plus_ratio": (None,),
    "trained_modules": ([],),
    "kernels": ("none",),
    "packing": ("never", "auto"),
}


@dataclass(frozen=True)
class EvalCaptionSettings:
    """Captions that are written and scored at each evaluation; none where `samples` is 0."""

    samples: int = 0
    metric: str = "cider"
    max_new_tokens: int = 32

    def __post_init__(self) -> None:
        if self.samples == 1:
            raise InputError("eval_captions.samples: 1 sample has no CIDEr, and says little; set 2 or more, or 0")


@dataclass(frozen=True)
class TrainingSettings:
    """Every key is described in docs/configuration.md under presets; the defaults here are the same."""

    r: int = 8
    alpha: float = 16
    targets: list[str] | str = field(default_factory=lambda: ["q_proj", "v_proj"])
    last_layers: int | None = None
    use_rslora: bool = False
    use_dora: bool = False
    init: str = "default"
    trained_modules: list[str] = field(default_factory=list)
    lora_plus_ratio: float | None = None
    dropout: float = 0.05
    bias: str = "none"
    train_vision: bool = False
    train_projector: bool = False
    batch_size: int = 1
    accumulation: int = 16
    learning_rate: float = 2e-4
    scheduler: str = "cosine"
    warmup_ratio: float = 0.03
    weight_decay: float = 0.0
    epochs: float = 3
    max_steps: int | None = None
    log_steps: int = 10
    eval_steps: int = 50
    save_steps: int = 100
    keep_checkpoints: int = 5
    patience_steps: int | None = None
    min_delta: float = 0.0
    best_by: str = LOSS
    eval_captions: dict[str, Any] = field(default_factory=dict)
    quantisation: str = "none"
    double_quantisation: bool = True
    gradient_checkpointing: bool = False
    dtype: str = "auto"
    attention: str = "auto"
    kernels: str = "none"
    sharding: str = "none"
    overlong: str = "shorten"
    micro_batch: str = "auto"
    packing: str = "auto"
    wandb: str = "offline"
    tensorboard: bool = False

    @classmethod
    def from_json(cls, text: str) -> TrainingSettings:
        """Settings from a JSON object. Raises InputError for unknown keys, with the nearest known one."""
        return settings_from_json(cls, text, "training")

    def __post_init__(self) -> None:
        if self.save_steps % self.eval_steps:
            raise InputError(
                f"save_steps {self.save_steps} is no multiple of eval_steps {self.eval_steps}: the best evaluation "
                "may have no checkpoint to go back to; choose a multiple"
            )
        if self.last_layers is not None and self.bias == "all":
            raise InputError(
                "bias: all trains the biases of every layer, also where last_layers leaves some out; set lora_only"
            )
        if self.init == "eva" and (self.train_vision or self.train_projector):
            raise InputError(
                "init: eva starts from what layers read of text; set train_vision and train_projector to false"
            )
        if self.init == "pissa" and self.quantisation != "none":
            raise InputError(
                "init: pissa changes the weights of the base, which 4-bit weights do not allow; set quantisation: none"
            )
        captions = self.captions
        # Without the defaults: a key that a later version adds is not in the identities of those before.
        object.__setattr__(self, "eval_captions", result_settings(captions))
        if self.best_by != LOSS and not (captions.samples and self.best_by == captions.metric):
            raise InputError(
                f"best_by: {self.best_by} is not measured while this model trains; set it to {LOSS}, or "
                f"eval_captions: {{samples: 50, metric: {self.best_by}}}"
            )

    @property
    def captions(self) -> EvalCaptionSettings:
        """The settings of `eval_captions` with their defaults."""
        return settings_from_json(EvalCaptionSettings, json.dumps(self.eval_captions), "eval_captions")

    def effective_batch(self, n_devices: int) -> int:
        """Samples an optimizer step: devices x batch size x accumulation."""
        return n_devices * self.batch_size * self.accumulation

    def n_steps(self, n_samples: int, n_devices: int) -> int:
        """Optimizer steps of the whole training."""
        if self.max_steps is not None:
            return self.max_steps
        return max(1, round(self.epochs * n_samples / self.effective_batch(n_devices)))
