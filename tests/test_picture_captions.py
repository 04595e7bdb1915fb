"""Captions of vision-language models by the engine of LLMs: batches, adapters, few-shot, resuming, missing pictures."""

import json

import pytest
import torch
from peft import LoraConfig, get_peft_model
from picture_samples import SCENES, draw, image_of, write_scenes
from test_caption_llm import DECODING, texts
from tiny_vlms import KINDS, build_tiny_vlm
from transformers import AutoModelForImageTextToText

from caption_llm import main
from captions.prompts import PromptSettings, chat_messages, end_of_turn_ids
from core.command import InputError
from core.records import Caption, read_captions, read_images, read_samples, write_images, write_samples
from generation.llm_engines.torch_engine import TorchEngine
from models.files import model_digest
from models.pictures import load_processor, read_picture


@pytest.fixture
def data(tmp_path):
    """Test and train scenes; prompts of unequal lengths."""
    for split in ("test", "train"):
        path = write_scenes(tmp_path, split)
        samples = read_samples(path)
        for number, sample in enumerate(samples):
            sample.xml = sample.xml.replace("</svg>", '<rect width="2"/>' * (number % 4) + "</svg>")
        write_samples(path, samples)
    return tmp_path


def caption(base, data, output, systems, **changes):
    """The captions of systems that share a base, by name."""
    decoding = {**DECODING, **changes.pop("decoding", {})}
    options = {"train": None, "shard": "1/1", "prompt": "{}", "seed": 7, "manifest": None, **changes}
    images = {split: str(data / "images" / f"{split}.parquet") for split in ("test", "train")}
    main(
        base=base,
        samples=data / "test.parquet",
        output_dir=output,
        systems=json.dumps(systems),
        decoding=json.dumps(decoding),
        images=json.dumps(images),
        **options,
    )
    return {name: read_captions(output / f"{name}.jsonl") for name in systems}


def generated(base, model, samples, images, input):
    """What transformers writes for one prompt at a time that the processor itself has made."""
    processor, settings = load_processor(base), PromptSettings()
    ends = end_of_turn_ids(processor.tokenizer, settings, model.generation_config)
    for sample, image in zip(samples, images, strict=True):
        batch = processor.apply_chat_template(
            chat_messages(settings, sample.xml if input == "both" else None, has_picture=True),
            add_generation_prompt=True,
            tokenize=True,
            return_dict=True,
            return_tensors="pt",
            processor_kwargs={"images": [read_picture(image.png)]},
        )
        output = model.generate(**batch, max_new_tokens=DECODING["max_new_tokens"], do_sample=False, eos_token_id=ends)
        tokens = [token for token in output[0, batch["input_ids"].shape[1] :].tolist() if token not in ends]
        yield Caption.written(sample.id, processor.tokenizer.decode(tokens, skip_special_tokens=True)).caption


@pytest.mark.parametrize("input", ["image", "both"])
@pytest.mark.parametrize("kind", KINDS)
def test_batches_give_what_the_model_writes_for_one_prompt_of_its_processor(kind, input, vlms, data, tmp_path, capfd):
    base = vlms(kind)
    found = caption(base, data, tmp_path / "a", {"vlm": {"input": input}})["vlm"]
    assert "wrongly" not in capfd.readouterr().err  # in batches, not one by one
    model = AutoModelForImageTextToText.from_pretrained(base, dtype=torch.float32)
    samples, images = read_samples(data / "test.parquet"), read_images(data / "images" / "test.parquet")
    assert [record.caption for record in found] == list(generated(base, model, samples, images, input))
    assert len({record.caption for record in found}) > 1  # pictures differ, and captions by them


def build_adapter(base, folder):
    """An adapter of random matrices for the language model, as train_lora leaves one."""
    torch.manual_seed(1)
    model = AutoModelForImageTextToText.from_pretrained(base, dtype=torch.float32)
    config = LoraConfig(r=4, target_modules=r".*language_model.*\.[qv]_proj", init_lora_weights=False)
    get_peft_model(model, config).save_pretrained(folder)
    (folder / "training.json").write_text(json.dumps({"base_digest": model_digest(base)}))
    return folder


def test_one_load_of_a_base_captions_by_code_picture_and_both_with_and_without_adapter(vlms, data, tmp_path):
    base = vlms("qwen2_5_vl")
    one = str(build_adapter(base, tmp_path / "adapter"))
    systems = {f"{input}-{with_}": {"input": input} for input in ("code", "image", "both") for with_ in ("bare", "one")}
    systems = {name: entry | ({"adapter": one} if "one" in name else {}) for name, entry in systems.items()}
    together = caption(base, data, tmp_path / "a", systems)
    for name, entry in systems.items():
        assert texts(caption(base, data, tmp_path / name, {name: entry})[name]) == texts(together[name])
    assert len({tuple(record.caption for record in records) for records in together.values()}) == 6
    assert [record.n_xml_tokens_removed for record in together["image-bare"]] == [None] * 16


def test_beams_and_few_shot_prompts_show_pictures_as_well(vlms, data, tmp_path):
    base = vlms("smolvlm")
    few = {"input": "image", "few_shot": {"k": 2}}
    found = caption(base, data, tmp_path / "a", {"few": few, "zero": {"input": "image"}}, train=data / "train.parquet")
    n_more = found["few"][0].n_prompt_tokens - found["zero"][0].n_prompt_tokens
    assert n_more > 2 * 34  # two pictures of 34 tokens each, and their captions
    assert [record.caption for record in found["few"]] != [record.caption for record in found["zero"]]
    alone = caption(
        base, data, tmp_path / "b", {"few": few}, train=data / "train.parquet", decoding={"batch_tokens": 1}
    )
    assert texts(alone["few"]) == texts(found["few"])
    beams = {"num_beams": 3}
    together = caption(base, data, tmp_path / "c", {"zero": {"input": "both"}}, decoding=beams)["zero"]
    alone = caption(base, data, tmp_path / "d", {"zero": {"input": "both"}}, decoding={**beams, "batch_tokens": 1})
    assert texts(together) == texts(alone["zero"])


def spoil(data, split="test"):
    """Take the picture of the first sample away, and make that of the second blank."""
    samples = read_samples(data / f"{split}.parquet")
    images = read_images(data / "images" / f"{split}.parquet")
    images[0] = image_of(samples[0], None, "timeout")
    images[1] = image_of(samples[1], images[1].png, flags=("blank",))
    write_images(data / "images" / f"{split}.parquet", images)


def test_samples_without_a_picture_are_failures_with_their_reason(vlms, data, tmp_path):
    spoil(data)
    for input in ("image", "both"):
        found = caption(vlms("llava"), data, tmp_path / input, {"vlm": {"input": input}})["vlm"]
        assert [(record.id, record.status, record.reason) for record in found[:2]] == [
            ("test0", "failed", "not rendered: timeout"),
            ("test1", "failed", "the image is blank"),
        ]
        assert {record.status for record in found[2:]} == {"ok"}


def test_a_drawing_without_picture_is_read_by_its_code_where_the_setting_says_so(vlms, data, tmp_path):
    base, prompt = vlms("llava"), json.dumps({"missing_picture": "use_code"})
    spoil(data)
    systems = {"both": {"input": "both"}, "code": {}, "image": {"input": "image"}}
    found = caption(base, data, tmp_path / "a", systems, prompt=prompt)
    assert texts(found["both"])[:2] == texts(found["code"])[:2]
    assert texts(found["both"])[2:] != texts(found["code"])[2:]
    assert [record.status for record in found["image"]][:3] == ["failed", "failed", "ok"]


def test_a_killed_job_goes_on_and_new_pictures_make_old_captions_stale(vlms, data, tmp_path, capfd):
    base, output = vlms("llava"), tmp_path / "a"
    whole = caption(base, data, tmp_path / "whole", {"vlm": {"input": "image"}})["vlm"]

    def interrupt():
        """Stop the job after its first batch."""
        n_written = []

        def write(engine, batch, _write=TorchEngine.write):
            if n_written:
                raise KeyboardInterrupt
            n_written.append(len(batch))
            return _write(engine, batch)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(TorchEngine, "write", write)
            with pytest.raises(KeyboardInterrupt):
                caption(base, data, output, {"vlm": {"input": "image"}}, decoding=few)
        return n_written[0]

    few = {"batch_tokens": 256}
    n_done = interrupt()
    assert 0 < n_done < 16
    assert texts(caption(base, data, output, {"vlm": {"input": "image"}}, decoding=few)["vlm"]) == texts(whole)
    assert f"goes on after {n_done}" in capfd.readouterr().err

    interrupt()
    samples = read_samples(data / "test.parquet")
    write_scenes(data, "test", pngs=[draw(*scene) for scene in reversed(SCENES)])
    write_samples(data / "test.parquet", samples)
    caption(base, data, output, {"vlm": {"input": "image"}}, decoding=few)
    assert "starts anew: input images changed" in capfd.readouterr().err


def test_what_cannot_show_pictures_is_refused_in_a_line(vlms, data, tmp_path):
    from tiny_models import build_tiny_model

    systems = {"vlm": {"input": "image"}}
    text_alone = build_tiny_model(tmp_path / "text", "llama")
    with pytest.raises(InputError, match="a llama model reads text alone; set input: code"):
        caption(text_alone, data, tmp_path / "a", systems)
    with pytest.raises(InputError, match=r"prompt takes \d+ tokens, 16 of them for a picture, without any drawing"):
        caption(vlms("llava"), data, tmp_path / "b", systems, prompt=json.dumps({"max_tokens": 16}))
    without = build_tiny_vlm(tmp_path / "without", "llava")
    (without / "chat_template.jinja").unlink()
    with pytest.raises(InputError, match="neither its processor nor its tokenizer has a chat template"):
        caption(without, data, tmp_path / "c", systems)
    without = build_tiny_vlm(tmp_path / "no-processor", "llava")
    (without / "processor_config.json").unlink()
    with pytest.raises(InputError, match=r"its processor can't be loaded: OSError in .*: Can't load image pro"):
        caption(without, data, tmp_path / "d", systems)
    with pytest.raises(InputError, match="input: 'picture' is none of code, image, both"):
        caption(vlms("llava"), data, tmp_path / "e", {"vlm": {"input": "picture"}})
