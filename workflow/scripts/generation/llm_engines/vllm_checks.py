"""Whether the installed vLLM takes what we hand over and gives what we read; another version says so in one line.

vLLM changes names between versions. Each call goes through here, where its arguments are compared with the signature
of what is installed, before the model is loaded where that is possible.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NoReturn

from core.command import InputError
from core.records import read_json

ADAPTER_TENSORS = (".lora_A.weight", ".lora_B.weight", ".lora_embedding_A", ".lora_embedding_B")
# What PEFT can train and vLLM can't wear: key of adapter_config.json, its value without it, what it is.
NOT_WORN: tuple[tuple[str, tuple[Any, ...], str], ...] = (
    ("use_dora", (False, None), "DoRA"),
    ("bias", ("none", None), "trained biases"),
    ("modules_to_save", ([], None), "modules that were trained whole"),
    ("rank_pattern", ({}, None), "ranks of their own for some modules"),
    ("alpha_pattern", ({}, None), "alphas of their own for some modules"),
)


def call(name: str, function: Callable[..., Any], *args: Any, **options: Any) -> Any:
    """Call a function of vLLM. Raises InputError for options that the installed version does not take."""
    check_options(name, function, options)
    return function(*args, **options)


def check_options(name: str, function: Callable[..., Any], options: Iterable[str]) -> None:
    """Raise InputError for the names of options that a function does not take.

    What LLM takes beside its own goes to EngineArgs, and is compared with that.
    """
    import vllm

    known = inspect.signature(function).parameters
    taken = set(known)
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in known.values()):
        if not hasattr(vllm, "EngineArgs"):
            return
        taken |= set(inspect.signature(vllm.EngineArgs).parameters)
    refused = [option for option in options if option not in taken]
    if refused:
        _refuse(f"{name} takes no {', '.join(refused)}")


def tokens_of(outputs: Any, n_prompts: int) -> list[list[int]]:
    """The tokens after each prompt. Raises InputError where the installed version gives something else."""
    if len(outputs) != n_prompts:
        _refuse(f"LLM.generate gave {len(outputs)} results for {n_prompts} prompts")
    try:
        return [list(output.outputs[0].token_ids) for output in outputs]
    except (AttributeError, IndexError, TypeError) as error:
        _refuse(f"a result of LLM.generate has no outputs[0].token_ids ({error})")


def check_worn(adapter: Path) -> None:
    """Raise InputError for an adapter that vLLM can't wear beside the weights."""
    from safetensors import safe_open

    config = read_json(adapter / "adapter_config.json")
    faults = [what for key, without, what in NOT_WORN if config.get(key) not in without]
    with safe_open(adapter / "adapter_model.safetensors", "pt") as tensors:
        others = [name for name in tensors.keys() if not name.endswith(ADAPTER_TENSORS)]  # noqa: SIM118 (no mapping)
    if others and not faults:
        faults = [f"tensors of another kind ({min(others)})"]
    if faults:
        raise InputError(
            f"{adapter} has {', '.join(faults)}, which engine vllm can't decode: set engine: transformers, or merge it "
            "into its base (merge_adapter)"
        )


def _refuse(fault: str) -> NoReturn:
    import vllm

    raise InputError(
        f"vLLM {getattr(vllm, '__version__', 'of an unknown version')}: {fault}; install the version in envs/vllm.txt, "
        "for which this workflow is written, or set decoding.engine: transformers"
    )
