"""Proof that a trained model uses what it reads: captions follow the picture, or the code, and nothing else.

A tiny model learns 16 scenes. Then what it reads is exchanged between the samples, or is taken away.
"""

import dataclasses

import PIL.Image
import pytest
from picture_samples import SCENES, SIDE, draw, encode, scene_samples, write_scenes
from test_picture_captions import caption
from tiny_vlms import build_tiny_vlm
from training_runs import train

from core.records import write_samples

N_KNOWN = 14  # of 16 captions
LORA = {"r": 32, "alpha": 64, "targets": "all-linear", "batch_size": 16, "learning_rate": 0.003}
LORA |= {"max_steps": 120, "eval_steps": 60, "save_steps": 60, "log_steps": 60}
PICTURES = {"train_vision": True, "train_projector": True}  # they are drawn by chance, and tell no colours as they are
GREY = encode(PIL.Image.new("RGB", (SIDE, SIDE), "grey"))
EMPTY = "<svg></svg>"


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    return build_tiny_vlm(tmp_path_factory.mktemp("base") / "llava", "llava")


def write_split(folder, split, scenes, pngs=None, xmls=None):
    """The 16 samples of a split, each with what it shows: the scenes' pictures and code, or what is given."""
    write_scenes(folder, split, pngs=pngs or [draw(*scene) for scene in scenes])
    code = [scene_samples(split)[SCENES.index(scene)].xml for scene in scenes]
    samples = zip(scene_samples(split), xmls or code, strict=True)
    write_samples(folder / f"{split}.parquet", [dataclasses.replace(sample, xml=xml) for sample, xml in samples])


def learn(base, folder, input, xmls=None):
    """An adapter that has learnt the scenes, each sample with its own; returns the function that lets it caption."""
    for split in ("train", "validation"):
        write_split(folder, split, SCENES, xmls=xmls)
    train(base, folder, folder / "adapter", input, **LORA, **(PICTURES if input != "code" else {}))

    def captions(scenes=SCENES, **shown):
        write_split(folder, "test", scenes, **shown)
        systems = {"one": {"input": input, "adapter": str(folder / "adapter")}}
        found = caption(base, folder, folder / "captions", systems, decoding={"max_new_tokens": 32})["one"]
        return [record.caption for record in found]

    return captions


def n_right(captions, scenes=SCENES):
    return sum(text == f"{colour} {place}" for text, (colour, place) in zip(captions, scenes, strict=True))


SHUFFLED = SCENES[5:] + SCENES[:5]


@pytest.mark.parametrize("input", ["image", "both"])
def test_captions_follow_the_picture_and_not_its_place_among_the_samples(base, tmp_path, input):
    """In `both` the code is the same for all samples, so that the picture alone tells them apart."""
    same = [EMPTY] * 16 if input == "both" else None
    captions = learn(base, tmp_path, input, same)
    assert n_right(captions(xmls=same)) >= N_KNOWN
    assert n_right(captions(SHUFFLED, xmls=same), SHUFFLED) >= N_KNOWN
    grey = captions(pngs=[GREY] * 16, xmls=same)
    assert n_right(grey) <= 4
    assert len(set(grey)) == 1


def test_captions_of_code_follow_the_code(base, tmp_path):
    captions = learn(base, tmp_path, "code")
    assert n_right(captions()) >= N_KNOWN
    assert n_right(captions(SHUFFLED), SHUFFLED) >= N_KNOWN
    assert captions(pngs=[GREY] * 16) == captions()  # pictures are not read
    assert n_right(captions(xmls=[EMPTY] * 16)) <= 4


def test_a_model_that_reads_both_has_both_in_its_prompt(base, tmp_path):
    captions = learn(base, tmp_path, "both")
    assert n_right(captions()) >= N_KNOWN
    other_code = captions(pngs=[draw(*scene) for scene in SCENES], xmls=[EMPTY] * 16)
    other_picture = captions(pngs=[GREY] * 16)
    assert other_code != captions()
    assert other_picture != captions()
