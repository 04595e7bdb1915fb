"""BLIP and ViT-GPT2 trained on this data: the loss, the adapter, and captions as their captioner modules write them."""

import dataclasses
import json

import pytest
import torch
from picture_samples import SCENES, draw, image_of, scene_samples, write_scenes
from test_picture_captions import caption
from tiny_captioners import WORDS, build_tiny_captioner
from training_runs import adapter, train
from transformers import AutoModelForImageTextToText

from caption_image import main as caption_image
from captions.picture_prompts import PicturePrompts
from captions.prompts import PromptSettings
from core.command import InputError
from core.records import read_captions, read_samples, write_samples
from models.encoder_decoders import encoder_decoder
from models.language_models import read_config
from models.pictures import PictureInputs, load_processor, read_picture
from training.data import Example, RightPadding, caption_loss, encode_samples

FAMILIES = {"blip": "blip", "vit_gpt2": "vision_encoder_decoder"}
COLOURS = {"red": "red", "green": "green", "blue": "blue", "yellow": "star"}  # in the words of the tiny tokenizers
LORA = {"r": 32, "alpha": 64, "targets": "all-linear", "batch_size": 16, "train_vision": True}
LORA |= {"max_steps": 400, "eval_steps": 100, "save_steps": 100, "log_steps": 100}
RATES = {"blip": 0.001, "vit_gpt2": 0.002}


def worded(samples):
    """The scenes' captions in words that the tiny tokenizers know."""
    places = {"top left": "left above", "top right": "right above", "bottom left": "left", "bottom right": "right"}
    return [
        dataclasses.replace(sample, references=[f"{COLOURS[colour]} {places[place]}"])
        for sample, (colour, place) in zip(samples, SCENES, strict=True)
    ]


@pytest.fixture(scope="module")
def bases(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bases")
    return {kind: build_tiny_captioner(folder / kind, kind) for kind in FAMILIES}


@pytest.fixture
def data(tmp_path):
    for split in ("train", "validation", "test"):
        write_scenes(tmp_path, split)
        write_samples(tmp_path / f"{split}.parquet", worded(scene_samples(split)))
    return tmp_path


@pytest.mark.parametrize("kind", FAMILIES)
def test_the_loss_is_the_models_own_on_the_captions_tokens(kind, bases):
    base, samples = bases[kind], worded(scene_samples("train"))[:3]
    assert all(word in WORDS for sample in samples for word in sample.references[0].split())
    images = [image_of(sample, draw(*scene)) for sample, scene in zip(samples, SCENES, strict=False)]
    pictures = PicturePrompts(load_processor(base), PromptSettings(), "image", images)
    encoded = encode_samples(pictures.processor.tokenizer, samples, PromptSettings(), "shorten", 512, pictures).samples
    batch = RightPadding(0, PictureInputs(pictures.processor, torch.float32))(
        [Example(sample.prompt, sample.captions[0], sample.png) for sample in encoded]
    )
    labels = batch.pop("labels")
    model = AutoModelForImageTextToText.from_pretrained(base, dtype=torch.float32).eval()
    found = caption_loss(model(**batch).logits, labels, None)
    decoder = encoder_decoder(base, read_config(base))
    total = 0.0
    for sample, image in zip(encoded, images, strict=True):
        pixels = pictures.processor.image_processor([read_picture(image.png)], return_tensors="pt")["pixel_values"]
        tokens = torch.tensor([[*sample.prompt, *sample.captions[0]]])
        assert tokens[0, 0] == decoder.start
        assert tokens[0, -1] == decoder.end
        logits = model(pixel_values=pixels, **{decoder.ids: tokens[:, :-1]}).logits[0]
        total += float(torch.nn.functional.cross_entropy(logits, tokens[0, 1:], reduction="sum"))
    n_labels = sum(len(sample.captions[0]) for sample in encoded)
    assert float(found) == pytest.approx(total / n_labels, rel=1e-5)


@pytest.mark.parametrize("kind", FAMILIES)
def test_an_untrained_one_writes_what_its_captioner_module_writes(kind, bases, data, tmp_path):
    found = caption(bases[kind], data, tmp_path / "a", {"one": {"input": "image"}})["one"]
    settings = json.dumps({"max_new_tokens": 12, "dtype": "fp32"})
    options = {"tokenizer": None, "trust_remote_code": False, "shard": "1/1", "settings": settings, "seed": 7}
    caption_image(
        captioner="one",
        family=FAMILIES[kind],
        model=bases[kind],
        images=data / "images" / "test.parquet",
        samples=data / "test.parquet",
        output=tmp_path / "b.jsonl",
        **options,
    )
    assert [record.caption for record in found] == [record.caption for record in read_captions(tmp_path / "b.jsonl")]
    beams = {"num_beams": 3}
    together = caption(bases[kind], data, tmp_path / "c", {"one": {"input": "image"}}, decoding=beams)["one"]
    alone = {**beams, "batch_tokens": 1}
    single = caption(bases[kind], data, tmp_path / "d", {"one": {"input": "image"}}, decoding=alone)["one"]
    assert [record.caption for record in together] == [record.caption for record in single]


@pytest.mark.parametrize("kind", FAMILIES)
def test_a_trained_one_follows_the_picture(kind, bases, data, tmp_path):
    summary = train(bases[kind], data, data / "adapter", "image", **LORA, learning_rate=RATES[kind])
    assert summary["input"] == "image"
    assert not [name for name in adapter(data / "adapter") if "predictions.decoder" in name or "lm_head" in name]
    systems = {"one": {"input": "image", "adapter": str(data / "adapter")}}
    expected = [sample.references[0] for sample in read_samples(data / "test.parquet")]
    found = caption(bases[kind], data, tmp_path / "a", systems)["one"]
    assert sum(record.caption == text for record, text in zip(found, expected, strict=True)) >= 14
    write_scenes(data, "test", pngs=[draw(*scene) for scene in SCENES[3:] + SCENES[:3]])
    write_samples(data / "test.parquet", worded(scene_samples("test")))
    moved = caption(bases[kind], data, tmp_path / "b", systems)["one"]
    turned = expected[3:] + expected[:3]
    assert sum(record.caption == text for record, text in zip(moved, turned, strict=True)) >= 14


@pytest.mark.parametrize("kind", FAMILIES)
def test_they_are_asked_for_nothing_but_the_picture(kind, bases, data, tmp_path):
    for input, message in (("code", "reads pictures alone; set input: image"), ("both", "this one takes no prompt")):
        with pytest.raises(InputError, match=message):
            caption(bases[kind], data, tmp_path / "a", {"one": {"input": input}})
        with pytest.raises(InputError, match=message):
            train(bases[kind], data, tmp_path / "b", input, **LORA | {"train_vision": False})
    few = {"one": {"input": "image", "few_shot": {"k": 2}}}
    with pytest.raises(InputError, match="few_shot: a captioner that takes no prompt"):
        caption(bases[kind], data, tmp_path / "c", few, train=data / "train.parquet")
