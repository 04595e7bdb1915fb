"""Baselines: deterministic, from the train split only, honest about missing images."""

import itertools
import re

import numpy as np
import pytest

from caption_baseline import main
from captions.baselines import caption_clip_nearest, most_frequent_reference
from captions.text_neighbours import find_nearest
from core.command import InputError
from core.records import Sample, read_captions, write_samples
from models.clip_features import read_features, write_features


def sample(id, *references):
    return Sample(id, "a", "train", id, "<svg/>", list(references))


TRAIN = [sample("a", "dog", "puppy"), sample("b", "cat"), sample("c", "cat", "dog"), sample("d", "bird")]


def test_the_constant_is_the_most_frequent_reference_first_of_the_alphabet():
    assert most_frequent_reference(TRAIN) == "cat"
    assert most_frequent_reference([*TRAIN, sample("e", "dog")]) == "dog"


def test_the_nearest_image_gives_its_first_reference(tmp_path):
    features = {"a": np.array([1, 0], np.float32), "b": np.array([0, 1], np.float32), "c": None}
    write_features(tmp_path / "train.parquet", features, {"c": "took too long"})
    write_features(
        tmp_path / "test.parquet", {"x": np.array([0.6, 0.8], np.float32), "y": None}, {"y": "took too long"}
    )
    captions = caption_clip_nearest(
        TRAIN,
        [sample("x"), sample("y")],
        read_features(tmp_path / "train.parquet"),
        read_features(tmp_path / "test.parquet"),
    )
    assert (captions[0].caption, captions[0].status) == ("cat", "ok")
    assert (captions[1].caption, captions[1].status, captions[1].reason) == ("", "failed", "the drawing has no image")


def test_the_nearest_text_gives_its_first_reference(tmp_path):
    drawings = {
        "circle": '<circle cx="64" cy="64" r="20" fill="red"/>',
        "square": '<rect x="8" y="8" width="40" height="40" fill="blue"/>',
        "line": '<path d="M0 0h90" stroke="black"/>',
    }
    train = [Sample(name, "a", "train", name, f"<svg>{xml}</svg>", [f"a {name}"]) for name, xml in drawings.items()]
    asked = [
        Sample("x", "a", "test", "x", '<svg><rect x="8" y="9" width="40" height="40" fill="green"/></svg>', ["?"]),
        Sample("y", "a", "test", "y", '<svg><circle cx="64" cy="64" r="5" fill="red"/></svg>', ["?"]),
        Sample("z", "a", "test", "z", "", ["?"]),
    ]
    write_samples(tmp_path / "train.parquet", train)
    write_samples(tmp_path / "test.parquet", asked)
    paths = {"train": tmp_path / "train.parquet", "samples": tmp_path / "test.parquet", "output": tmp_path / "c.jsonl"}
    main(kind="text_nearest", train_features=None, features=None, **paths)
    assert [caption.caption for caption in read_captions(tmp_path / "c.jsonl")] == ["a square", "a circle", "a circle"]


def test_the_nearest_text_is_that_of_a_dense_computation():
    """Dictionaries of tokens and pairs instead of hashed sparse vectors."""
    generator = np.random.default_rng(0)
    texts = [" ".join(generator.choice(["path", "M1", "12", "h3", "red", "#fff", "circle"], 12)) for _ in range(40)]
    known, asked = texts[:30], texts[30:]
    terms = sorted({term for text in texts for term in terms_of(text)})
    counts = np.array([[terms_of(text).count(term) for term in terms] for text in texts], dtype=float)
    idf = np.log(31 / (1 + (counts[:30] > 0).sum(axis=0))) + 1
    vectors = counts * idf
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    expected = (vectors[30:] @ vectors[:30].T).argmax(axis=1)
    assert find_nearest(asked, known) == expected.tolist()


def terms_of(text: str) -> list[str]:
    tokens = re.findall(r"[A-Za-z]+|#\w+|-?\d+", text)
    return tokens + [f"{one} {other}" for one, other in itertools.pairwise(tokens)]


def test_without_any_train_image_there_is_a_clear_error():
    with pytest.raises(InputError, match="no train sample has CLIP features"):
        caption_clip_nearest(TRAIN, [sample("x")], {"a": None}, {})


def test_every_sample_gets_a_caption_in_order(tmp_path):
    write_samples(tmp_path / "train.parquet", TRAIN)
    write_samples(tmp_path / "test.parquet", [sample("x"), sample("y")])
    paths = {"train": tmp_path / "train.parquet", "samples": tmp_path / "test.parquet", "output": tmp_path / "c.jsonl"}
    main(kind="constant", train_features=None, features=None, **paths)
    assert [(c.id, c.caption) for c in read_captions(tmp_path / "c.jsonl")] == [("x", "cat"), ("y", "cat")]
    with pytest.raises(InputError, match="needs --train-features"):
        main(kind="clip_nearest", train_features=None, features=None, **paths)
