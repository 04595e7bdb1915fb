"""Vision-language models trained by the one trainer: prompts with pictures, what the loss covers, what is adapted."""

import json

import PIL.Image
import pytest
import torch
from picture_samples import SCENES, SIDE, draw, image_of, scene_samples, write_scenes
from tiny_vlms import KINDS, build_tiny_vlm
from training_runs import SETTINGS, adapter
from transformers import AutoModelForImageTextToText

from captions.picture_prompts import PicturePrompts
from captions.prompts import PromptSettings, chat_messages, prompt_tokens
from models.pictures import PictureInputs, counts_positions_itself, load_processor, read_picture
from train_lora import main
from training.data import Example, LeftPadding, caption_loss, encode_samples


@pytest.fixture(scope="module")
def bases(tmp_path_factory):
    """The folder of a tiny model of a kind, built once."""
    folder, built = tmp_path_factory.mktemp("bases"), {}

    def base(kind):
        built[kind] = built.get(kind) or build_tiny_vlm(folder / kind, kind)
        return built[kind]

    return base


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    write_scenes(folder, "train")
    write_scenes(folder, "validation", 4)
    return folder


def images_of(data):
    return {split: str(data / "images" / f"{split}.parquet") for split in ("train", "validation")}


def train(base, data, output, input="image", prompt=None, **changes):
    """Train on pictures in this process; returns training.json."""
    main(
        name="tiny",
        base=base,
        train=data / "train.parquet",
        validation=data / "validation.parquet",
        prompt=json.dumps(prompt or {}),
        settings=json.dumps({**SETTINGS, **changes}),
        seed=7,
        output_dir=output,
        input=input,
        images=json.dumps(images_of(data) if input != "code" else {}),
    )
    return json.loads((output / "training.json").read_text())


def prompts_of(base, input="image", settings=None):
    samples = scene_samples("train")
    images = [image_of(sample, draw("red", "top left")) for sample in samples]
    return PicturePrompts(load_processor(base), settings or PromptSettings(), input, images)


@pytest.mark.parametrize("kind", KINDS)
def test_a_prompt_is_what_the_processor_itself_makes_of_drawing_and_picture(kind, bases):
    pictures = prompts_of(bases(kind), "both", PromptSettings(system="Be brief."))
    for sample in scene_samples("train", 3):
        shown = pictures.show(sample)
        ids = prompt_tokens(pictures.processor.tokenizer, shown.xml, pictures.settings, picture=shown.tokens).ids
        expected = pictures.processor.apply_chat_template(
            chat_messages(pictures.settings, sample.xml, has_picture=True),
            add_generation_prompt=True,
            tokenize=True,
            return_dict=True,
            processor_kwargs={"images": [PIL.Image.new("RGB", (SIDE, SIDE), "blue")]},
        )["input_ids"][0]
        assert ids == expected


@pytest.mark.parametrize("kind", KINDS)
def test_a_drawing_that_spells_out_the_tokens_of_a_picture_shows_none(kind, bases):
    pictures = prompts_of(bases(kind), "both")
    tokenizer = pictures.processor.tokenizer
    shown = pictures.show(scene_samples("train", 1)[0])
    special = [token.content for token in tokenizer.added_tokens_decoder.values()]
    hostile = f"<svg><text>{' '.join(special)}</text></svg>"
    ids = prompt_tokens(tokenizer, hostile, pictures.settings, picture=shown.tokens).ids
    plain = prompt_tokens(tokenizer, "<svg/>", pictures.settings, picture=shown.tokens).ids
    for token in tokenizer.added_tokens_decoder:
        assert ids.count(token) == plain.count(token)


@pytest.mark.parametrize("kind", KINDS)
def test_an_adapter_of_the_language_model_learns_from_pictures(kind, bases, data, tmp_path):
    summary = train(bases(kind), data, tmp_path, targets="all-linear")
    assert summary["input"] == "image"
    assert summary["samples"] == {"train": 16, "validation": 4}
    language = ("language_model", "text_model", "lm_head")
    assert all(any(part in name for part in language) for name in adapter(tmp_path))
    assert not [name for name in adapter(tmp_path) if "vision" in name or "visual" in name]


def reference_gradients(base, samples, pngs, settings, names):
    """Gradients of the mean loss of the captions' tokens, by the processor's own batch and a mask made by hand."""
    processor = load_processor(base)
    model = AutoModelForImageTextToText.from_pretrained(base, dtype=torch.float32)
    total, n_labels = 0.0, 0
    for sample, png in zip(samples, pngs, strict=True):
        chat = chat_messages(settings, None, has_picture=True)
        answered = [*chat, {"role": "assistant", "content": [{"type": "text", "text": sample.references[0]}]}]
        batch, prompt = (
            processor.apply_chat_template(
                messages,
                add_generation_prompt=messages is chat,
                tokenize=True,
                return_dict=True,
                return_tensors="pt",
                processor_kwargs={"images": [read_picture(png)]},
            )
            for messages in (answered, chat)
        )
        n_prompt = prompt["input_ids"].shape[1]
        ids = batch["input_ids"][0]
        special = [token for token in ids[n_prompt:].tolist() if token in processor.tokenizer.added_tokens_decoder]
        end = n_prompt + ids[n_prompt:].tolist().index(special[0]) + 1  # the template writes a line feed behind it
        logits = model(**batch).logits[0, n_prompt - 1 : end - 1]
        total = total + torch.nn.functional.cross_entropy(logits, ids[n_prompt:end], reduction="sum")
        n_labels += end - n_prompt
    (total / n_labels).backward()
    return {name: dict(model.named_parameters())[name].grad for name in names}


@pytest.mark.parametrize("kind", KINDS)
def test_the_loss_covers_the_caption_alone_however_long_the_picture_is(kind, bases):
    base, settings = bases(kind), PromptSettings()
    samples = scene_samples("train", 3)
    samples[1].references[0] += " and much more of it"  # padding in the batch
    pngs = [draw(*scene) for scene in SCENES[:3]]
    images = [image_of(sample, png) for sample, png in zip(samples, pngs, strict=True)]
    pictures = PicturePrompts(load_processor(base), settings, "image", images)
    model = AutoModelForImageTextToText.from_pretrained(base, dtype=torch.float32)
    encoded = encode_samples(pictures.processor.tokenizer, samples, settings, "shorten", 2048, pictures).samples
    inputs = PictureInputs(pictures.processor, torch.float32)
    collate = LeftPadding(0, inputs, gives_positions=not counts_positions_itself(model))
    batch = collate([Example(sample.prompt, sample.captions[0], sample.png) for sample in encoded])
    labels = batch.pop("labels")
    caption_loss(model(**batch).logits, labels, None).backward()
    # Of the projector or the vision tower as well: a caption must reach the picture.
    names = [name for name, weight in model.named_parameters() if weight.grad is not None and weight.grad.any()]
    assert any("visual" in name or "vision" in name for name in names)
    expected = reference_gradients(base, samples, pngs, settings, names)
    for name in names:
        found = dict(model.named_parameters())[name].grad
        assert torch.allclose(found, expected[name], atol=1e-5, rtol=1e-3), name
