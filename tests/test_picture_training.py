"""Vision-language models trained by the one trainer: prompts with pictures, what the loss covers, what is adapted."""

import json

import PIL.Image
import pytest
import torch
from picture_samples import SCENES, SIDE, draw, image_of, scene_samples, write_scenes
from test_training_resume import Killed, interrupt, kill
from tiny_vlms import KINDS
from training_runs import adapter, out_of_memory_above, same_adapters, start, train
from transformers import AutoModelForImageTextToText

from captions.picture_prompts import PicturePrompts
from captions.prompts import PromptSettings, chat_messages, prompt_tokens
from core.command import InputError
from core.records import write_images
from models.lora_targets import PROJECTORS
from models.pictures import PictureInputs, counts_positions_itself, load_processor, read_picture
from training.callbacks import StopOnSignal
from training.checkpoints import newest_whole
from training.data import Example, LeftPadding, caption_loss, encode_samples
from training.identity import training_digest, training_identity
from training.parameters import count_parameters
from training.settings import TrainingSettings

SHORT = {"max_steps": 2, "eval_steps": 2, "save_steps": 2, "log_steps": 1}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    write_scenes(folder, "train")
    write_scenes(folder, "validation", 4)
    return folder


def prompts_of(base, input="image", settings=None):
    samples = scene_samples("train")
    images = [image_of(sample, draw("red", "top left")) for sample in samples]
    return PicturePrompts(load_processor(base), settings or PromptSettings(), input, images)


@pytest.mark.parametrize("kind", KINDS)
def test_a_prompt_is_what_the_processor_itself_makes_of_drawing_and_picture(kind, vlms):
    pictures = prompts_of(vlms(kind), "both", PromptSettings(system="Be brief."))
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
def test_a_drawing_that_spells_out_the_tokens_of_a_picture_shows_none(kind, vlms):
    pictures = prompts_of(vlms(kind), "both")
    tokenizer = pictures.processor.tokenizer
    shown = pictures.show(scene_samples("train", 1)[0])
    special = [token.content for token in tokenizer.added_tokens_decoder.values()]
    hostile = f"<svg><text>{' '.join(special)}</text></svg>"
    ids = prompt_tokens(tokenizer, hostile, pictures.settings, picture=shown.tokens).ids
    plain = prompt_tokens(tokenizer, "<svg/>", pictures.settings, picture=shown.tokens).ids
    for token in tokenizer.added_tokens_decoder:
        assert ids.count(token) == plain.count(token)


@pytest.mark.parametrize("kind", KINDS)
def test_an_adapter_of_the_language_model_learns_from_pictures(kind, vlms, data, tmp_path):
    summary = train(vlms(kind), data, tmp_path, "image", **SHORT, targets="all-linear")
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
def test_the_loss_covers_the_caption_alone_however_long_the_picture_is(kind, vlms):
    base, settings = vlms(kind), PromptSettings()
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


@pytest.mark.parametrize("kind", KINDS)
def test_vision_tower_and_projector_are_trained_where_asked(kind, vlms, data, tmp_path):
    asked = {"train_vision": True, "train_projector": kind != "gemma3"}
    train(vlms(kind), data, tmp_path, "image", **SHORT, **asked)
    found = {name for name in adapter(tmp_path) if "lora_B" in name}
    language = {name for name in found if "language_model" in name or "text_model.layers" in name}
    projector = {name for name in found if set(name.split(".")) & set(PROJECTORS)}
    tower = found - language - projector
    assert language
    assert tower
    assert all("vis" in name for name in tower)
    assert bool(projector) == (kind != "gemma3")


def test_a_projector_without_linear_layers_cannot_be_trained(vlms, data, tmp_path):
    with pytest.raises(InputError, match="train_projector: Gemma3ForConditionalGeneration has no linear layers"):
        train(vlms("gemma3"), data, tmp_path, "image", train_projector=True)


@pytest.mark.parametrize("kind", ["qwen2_5_vl", "gemma3", "smolvlm"])
def test_a_killed_training_on_pictures_goes_on_exactly(kind, vlms, data, tmp_path, monkeypatch):
    settings = {"dropout": 0.1, "max_steps": 8, "eval_steps": 2, "save_steps": 2}
    train(vlms(kind), data, tmp_path / "whole", "both", **settings)
    with monkeypatch.context() as patch:
        interrupt(patch, StopOnSignal, "on_step_end", 5, kill)
        with pytest.raises(Killed):
            train(vlms(kind), data, tmp_path / "out", "both", **settings)
    assert newest_whole(tmp_path / "out" / "checkpoints").name == "checkpoint-4"
    train(vlms(kind), data, tmp_path / "out", "both", **settings)
    assert same_adapters(tmp_path / "whole", tmp_path / "out")


def test_a_step_is_the_same_in_batches_of_any_size_and_on_two_processes(vlms, data, tmp_path, monkeypatch):
    base, steps = vlms("qwen2_5_vl"), {**SHORT, "learning_rate": 0.001}
    two = start(base, data, tmp_path / "two", 2, "image", batch_size=2, accumulation=2, **steps)
    train(base, data, tmp_path / "one", "image", batch_size=8, **steps)
    train(base, data, tmp_path / "checkpointed", "image", batch_size=8, gradient_checkpointing=True, **steps)
    out_of_memory_above(monkeypatch, 4)
    summary = train(base, data, tmp_path / "fitted", "image", batch_size=8, **steps)
    assert (summary["batch_size"], summary["accumulation"]) == (4, 2)
    _, log = two.communicate()
    assert two.returncode == 0, log
    for name in ("two", "fitted", "checkpointed"):
        for key, value in adapter(tmp_path / "one").items():
            assert torch.allclose(value, adapter(tmp_path / name)[key], atol=2e-5), (name, key)


def test_a_model_in_4_bit_is_trained_on_pictures(vlms, data, tmp_path):
    summary = train(vlms("qwen2_5_vl"), data, tmp_path, "image", **SHORT, quantisation="nf4")
    plain = count_parameters(vlms("qwen2_5_vl"), TrainingSettings(dtype="fp32"))
    assert summary["parameters"]["memory_bytes"]["weights"] < 0.6 * plain["memory_bytes"]["weights"]
    assert adapter(tmp_path)


def test_samples_without_a_picture_are_listed_and_left_out_or_read_by_their_code(vlms, tmp_path, capfd):
    write_scenes(tmp_path, "validation", 4)
    write_scenes(tmp_path, "train")
    samples = scene_samples("train")
    images = [image_of(sample, draw(*scene)) for sample, scene in zip(samples, SCENES, strict=True)]
    images[0] = image_of(samples[0], None, "timeout")
    images[5] = image_of(samples[5], images[5].png, flags=("blank",))
    write_images(tmp_path / "images" / "train.parquet", images)
    missing = {"train0": "not rendered: timeout", "train5": "the image is blank"}
    use_code = json.dumps({"missing_picture": "use_code"})
    for input, prompt, n_trained in (("image", "{}", 14), ("both", "{}", 14), ("both", use_code, 16)):
        output = tmp_path / f"{input}{n_trained}"
        summary = train(vlms("llava"), tmp_path, output, input, prompt, **SHORT)
        assert summary["missing_pictures"] == {"train": missing, "validation": {}}
        assert summary["samples"]["train"] == n_trained
        done = "left out" if n_trained == 14 else "trained by their code alone"
        assert f"2 train samples have no usable picture and are {done}" in capfd.readouterr().err
        assert "| drawings without a usable picture | 2 in train |" in (output / "README.md").read_text()
    write_images(tmp_path / "images" / "train.parquet", [image_of(sample, None, "timeout") for sample in samples])
    with pytest.raises(InputError, match=r"no train sample is left: 16 are without a usable picture"):
        train(vlms("llava"), tmp_path, tmp_path / "none", "image")


def test_other_pictures_are_another_training_and_what_is_not_read_changes_nothing(vlms, data, tmp_path):
    def record(input, **images):
        files = {"train": data / "train.parquet", **images}
        return training_identity(vlms("llava"), files, PromptSettings(), TrainingSettings(), 7, 1, input=input)

    def identity(input, **images):
        return training_digest(record(input, **images))

    pictures = data / "images" / "train.parquet"
    other = write_scenes(tmp_path, "train", pngs=[draw(*scene) for scene in reversed(SCENES)]).parent / "images"
    assert identity("image", train_images=pictures) != identity("image", train_images=other / "train.parquet")
    assert identity("image", train_images=pictures) != identity("both", train_images=pictures)
    of_code = record("code")
    assert "input" not in of_code["settings"]  # so that adapters of earlier versions are still valid
    assert not [name for name in of_code["inputs"] if "processor" in name]
