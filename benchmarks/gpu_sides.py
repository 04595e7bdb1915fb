"""What benchmarks/gpu.py measures of decoding, a side in a process of its own; the last line is the result as JSON.

* `step`: milliseconds of a decoding step of our engine by number of rows, with CUDA graphs and without, beside the time
  that reading the model's weights takes at the bandwidth that a copy reaches on this device;
* `generate`: captions a second of transformers' `generate` with batches of 64 of like length;
* `vllm`: captions a second of vLLM, if installed.

Prompts are lists of tokens (`--prompts`, JSON); no token ends a caption.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "workflow" / "scripts"))

from core import quiet_libraries  # noqa: E402, F401  (before the libraries, which speak while they are imported)

# isort: split
import torch  # noqa: E402

from core.records import read_json  # noqa: E402
from generation.llm_captions import load_engine  # noqa: E402
from generation.llm_engines import DecodingSettings, EngineJob, Prompt  # noqa: E402

if TYPE_CHECKING:  # vLLM's environment has no peft
    from generation.llm_engines.torch_engine import TorchEngine

ROWS = (1, 16, 64)
GENERATE_ROWS = 64
COPIED_BYTES = {"cuda": 2**33, "cpu": 2**26}


def main(*, side: str, base: Path, prompts: Path, max_new_tokens: int, dtype: str) -> dict[str, Any]:
    """Measure a side."""
    rows = [Prompt(str(number), tokens) for number, tokens in enumerate(read_json(prompts))]
    settings = DecodingSettings(
        engine="vllm" if side == "vllm" else "transformers",
        max_new_tokens=max_new_tokens,
        dtype=dtype,
        batch_tokens=10**9,
        cuda_graphs=side == "step",
    )
    most_tokens = max(len(row.tokens) for row in rows) + max_new_tokens
    engine = load_engine(EngineJob(base, [], [], 0, most_tokens, settings, seed=0))
    return SIDES[side](engine, rows)


def measure_step(engine: Any, prompts: list[Prompt]) -> dict[str, Any]:
    """Milliseconds of a step by rows, and of the reading of the weights, of which a step can take no less."""
    model = engine.model
    n_bytes = sum(weight.numel() * weight.element_size() for weight in model.parameters())
    bandwidth = copy_bandwidth(model.device)
    weights_ms = 1000 * n_bytes / bandwidth
    engine.plan(prompts[: max(ROWS)])
    result: dict[str, Any] = {"copy_gb_per_second": bandwidth / 1e9, "weights_ms": weights_ms}
    result["by_graphs"] = engine._is_fixed
    for n_rows in ROWS:
        batch = (prompts * n_rows)[:n_rows]
        if engine._is_fixed:
            result[f"graph_ms_{n_rows}"] = step_ms(engine, batch)
            result[f"graph_over_weights_{n_rows}"] = result[f"graph_ms_{n_rows}"] / weights_ms
        engine._is_fixed, fixed = False, engine._is_fixed
        result[f"plain_ms_{n_rows}"] = step_ms(engine, batch)
        engine._is_fixed = fixed
    return result


@torch.inference_mode()
def step_ms(engine: TorchEngine, batch: list[Prompt]) -> float:
    """Milliseconds of a step after the prompts, recording not counted."""
    state = engine._start(batch)
    going = list(range(len(batch)))
    n_steps = engine.settings.max_new_tokens - 4
    for number in range(4 + n_steps):
        if number == 4:
            synchronize(engine.model.device)
            start = time.perf_counter()
        tokens = state.read().argmax(-1)
        tokens.tolist()  # as the engine, which looks for ends
        state.append(tokens, going)
    synchronize(engine.model.device)
    return 1000 * (time.perf_counter() - start) / n_steps


def copy_bandwidth(device: torch.device) -> float:
    """Bytes a second that a copy on the device reads and writes; the best of five."""
    source = torch.zeros(COPIED_BYTES[device.type], dtype=torch.uint8, device=device)
    target, seconds = torch.empty_like(source), []
    for _ in range(5):
        synchronize(device)
        start = time.perf_counter()
        target.copy_(source)
        synchronize(device)
        seconds.append(time.perf_counter() - start)
    return 2 * len(source) / min(seconds)


def synchronize(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize()


def measure_generate(engine: Any, prompts: list[Prompt]) -> dict[str, Any]:
    """Captions a second of `generate`, the longest prompts first."""
    prompts = sorted(prompts, key=lambda prompt: -len(prompt.tokens))
    batches = [prompts[start : start + GENERATE_ROWS] for start in range(0, len(prompts), GENERATE_ROWS)]
    engine.end_ids = None
    engine._generate(batches[-1])
    synchronize(engine.model.device)
    start = time.perf_counter()
    for batch in batches:
        engine._generate(batch)
    return {"captions_per_second": len(prompts) / (time.perf_counter() - start)}


def measure_vllm(engine: Any, prompts: list[Prompt]) -> dict[str, Any]:
    """Captions a second of vLLM with all prompts at once."""
    engine.write(prompts[:8])
    start = time.perf_counter()
    engine.write(prompts[8:])
    return {"captions_per_second": len(prompts[8:]) / (time.perf_counter() - start)}


SIDES = {"step": measure_step, "generate": measure_generate, "vllm": measure_vllm}


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--side", choices=SIDES, required=True)
    parser.add_argument("--base", type=Path, required=True)
    parser.add_argument("--prompts", type=Path, required=True)
    parser.add_argument("--max-new-tokens", type=int, required=True)
    parser.add_argument("--dtype", default="auto")
    return parser


if __name__ == "__main__":
    print(json.dumps(main(**vars(build_parser().parse_args()))))
