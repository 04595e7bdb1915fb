"""Measure the loss of captions computed in parts against that of all logits at once: memory and time of a pass.

    python benchmarks/loss.py --positions 2000 --vocabulary 256000

The model has two layers of Gemma 2's kind with random weights and LoRA matrices, so that the head decides, as it does
where a large vocabulary meets many captions. Each side is a process of its own. Printed are seconds of a forward and
backward pass (the faster of two), and the peak memory above the loaded model. Losses that differ are an error.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "workflow" / "scripts"))

import torch  # noqa: E402
from peft import LoraConfig, get_peft_model  # noqa: E402
from transformers import AutoModelForCausalLM, Gemma2Config  # noqa: E402

from core.command import InputError, run_command  # noqa: E402
from training import loss  # noqa: E402

SIDES = ("in_parts", "at_once")
ROWS = 40


def main(*, positions: int, vocabulary: int, side: str | None) -> None:
    """Measure both sides and print the results as JSON."""
    if side:
        print(json.dumps(measure(side, positions, vocabulary)))
        return
    options = ["--positions", str(positions), "--vocabulary", str(vocabulary)]
    results = {
        name: json.loads(
            subprocess.run(
                [sys.executable, __file__, *options, "--side", name], stdout=subprocess.PIPE, text=True, check=True
            ).stdout.splitlines()[-1]
        )
        for name in SIDES
    }
    in_parts, at_once = (results[name]["loss"] for name in SIDES)
    if abs(in_parts - at_once) > 1e-5 * at_once:
        raise InputError(f"the losses differ: {in_parts} in parts, {at_once} at once")
    memory = {name: results[name]["peak_mb"] for name in SIDES}
    print(json.dumps({**results, "memory_saved": round(memory["at_once"] / memory["in_parts"], 1)}))


def measure(side: str, positions: int, vocabulary: int) -> dict[str, float]:
    """Loss, seconds and peak memory (MB above the loaded model) of passes over `positions` caption tokens."""
    if side == "at_once":
        loss.MOST_BYTES = 2**62
    torch.manual_seed(0)
    model = make_model(vocabulary)
    kept = positions // ROWS + 1
    ids = torch.randint(5, vocabulary, (ROWS, kept + 20))
    labels = ids[:, -kept:].clone()
    before = peak_mb()
    seconds = []
    for _ in range(2):
        model.zero_grad()
        start = time.perf_counter()
        found = model(input_ids=ids, attention_mask=torch.ones_like(ids), labels=labels, logits_to_keep=kept).loss
        found.backward()
        seconds.append(time.perf_counter() - start)
    return {"loss": float(found), "seconds": round(min(seconds), 2), "peak_mb": round(peak_mb() - before)}


def make_model(vocabulary: int) -> torch.nn.Module:
    config = Gemma2Config(
        vocab_size=vocabulary,
        hidden_size=256,
        intermediate_size=512,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=64,
        use_cache=False,
    )
    base = AutoModelForCausalLM.from_config(config, dtype=torch.float32, attn_implementation="eager")
    model = get_peft_model(base, LoraConfig(r=8, target_modules=["q_proj", "v_proj"]))
    loss.give_caption_loss(model)
    return model


def peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--positions", type=int, default=2000, help="caption tokens of a pass")
    parser.add_argument("--vocabulary", type=int, default=256000)
    parser.add_argument("--side", choices=SIDES, help=argparse.SUPPRESS)  # a process of our own
    return parser


if __name__ == "__main__":
    run_command(main, build_parser())
