"""Captions of an unfinished job: on disk at once, taken up again, set aside where they are another job's."""

import io
import json
from types import SimpleNamespace

import PIL.Image
import pytest
from tiny_models import build_tiny_model

import caption_image
import caption_llm
from core import identity
from core.identity import job_identity
from core.records import Caption, Image, Sample, read_captions, write_images, write_samples
from generation.captioners import Output
from generation.partial_captions import CaptionParts

IDENTITY = job_identity(inputs={"base": "aa"}, settings={"seed": 1}, code="code 1", libraries=["pytest"])


def caption(id_: str) -> Caption:
    return Caption(id=id_, caption=f"caption of {id_}")


def test_captions_are_taken_up_and_written_in_the_samples_order(tmp_path):
    output = tmp_path / "s.jsonl"
    parts = CaptionParts(output, IDENTITY)
    parts.append([caption("b"), caption("c")])
    del parts  # killed here
    again = CaptionParts(output, IDENTITY)
    assert again.waiting([caption("a"), caption("b"), caption("c")]) == [caption("a")]
    assert not output.exists()
    again.append([caption("a")])
    again.finish(["a", "b", "c"])
    assert read_captions(output) == [caption("a"), caption("b"), caption("c")]
    assert list(tmp_path.iterdir()) == [output]


@pytest.mark.parametrize("n_cut", [1, 2, 10, 80])
def test_a_batch_that_a_kill_cut_is_made_again_as_a_whole(tmp_path, n_cut):
    output = tmp_path / "s.jsonl"
    parts = CaptionParts(output, IDENTITY)
    parts.append([caption("a"), caption("b")])
    parts.append([caption("c"), caption("d")])
    path = tmp_path / "s.jsonl.parts" / "captions.jsonl"
    path.write_bytes(path.read_bytes()[:-n_cut])
    parts = CaptionParts(output, IDENTITY)
    assert list(parts.done) == ["a", "b"]
    parts.append([caption("c"), caption("d")])
    parts.finish(["a", "b", "c", "d"])
    assert read_captions(output) == [caption(id_) for id_ in "abcd"]


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"settings": {"seed": 2}}, "setting seed"),
        ({"code": "code 2"}, "code"),
        ({"libraries": {"pytest": "0.1"}}, "version of pytest"),
    ],
)
def test_captions_of_another_identity_start_anew_and_are_used_when_it_is_put_back(tmp_path, capfd, change, named):
    output = tmp_path / "s.jsonl"
    CaptionParts(output, IDENTITY).append([caption("a")])
    parts = CaptionParts(output, IDENTITY | change)
    assert not parts.done
    assert f"starts anew: {named} changed since the interrupted run" in capfd.readouterr().err
    parts.append([caption("b")])
    back = CaptionParts(output, IDENTITY)
    assert list(back.done) == ["a"]
    assert list(CaptionParts(output, IDENTITY | change).done) == ["b"]
    CaptionParts(output, IDENTITY).finish(["a"])
    assert list(tmp_path.iterdir()) == [output]  # nothing is left of the other one either


def test_a_job_killed_before_its_identity_was_whole_starts_anew(tmp_path):
    output = tmp_path / "s.jsonl"
    CaptionParts(output, IDENTITY).append([caption("a")])
    (tmp_path / "s.jsonl.parts" / "identity.json").write_text('{"sys')
    assert not CaptionParts(output, IDENTITY).done


def test_a_sample_without_caption_is_no_finished_job(tmp_path):
    output = tmp_path / "s.jsonl"
    parts = CaptionParts(output, IDENTITY)
    parts.append([caption("a")])
    with pytest.raises(KeyError, match="b"):
        parts.finish(["a", "b"])
    assert not output.exists()


DRAWINGS = [Sample(f"s{n}", "a", "test", "g", f'<svg><rect width="{n}"/></svg>' * (1 + n % 3), ["x"]) for n in range(9)]


@pytest.fixture
def caption_llm_job(tmp_path, monkeypatch):
    """Runs caption_llm with a tiny base; the number of captions that were made; None where it was killed after some."""
    base = build_tiny_model(tmp_path / "base", "llama")
    write_samples(tmp_path / "test.parquet", DRAWINGS)
    append = CaptionParts.append

    def run(killed_after=None, **decoding):
        made = []

        def count(self, captions):
            append(self, captions)
            made.extend(captions)
            if killed_after is not None and len(made) >= killed_after:
                raise KeyboardInterrupt

        monkeypatch.setattr(CaptionParts, "append", count)
        options = {"train": None, "shard": "1/1", "prompt": "{}", "seed": 7, "manifest": None}
        settings = json.dumps({"max_new_tokens": 3, "dtype": "fp32", "batch_tokens": 1, **decoding})
        job = {"systems": '{"zero": {}}', "base": base, "samples": tmp_path / "test.parquet", "decoding": settings}
        caption_llm.main(**job, output_dir=tmp_path / "captions", **options)
        return len(made)

    return run


def test_an_interrupted_job_starts_anew_with_other_decoding_code(caption_llm_job, monkeypatch, capfd):
    with pytest.raises(KeyboardInterrupt):
        caption_llm_job(killed_after=4)
    asked = []
    monkeypatch.setattr(caption_llm, "code_digest", lambda *names: asked.append(names) or "code after a fix")
    assert caption_llm_job() == len(DRAWINGS)
    assert asked == [("caption_llm", "generation/llm_engines/torch_engine")]
    assert "starts anew: code changed" in capfd.readouterr().err


def test_an_interrupted_job_starts_anew_with_another_transformers(caption_llm_job, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(identity, "library_version", lambda name: "0.1")
        with pytest.raises(KeyboardInterrupt):
            caption_llm_job(killed_after=4)
    assert caption_llm_job() == len(DRAWINGS)


def test_an_interrupted_job_goes_on_with_batches_of_another_size(caption_llm_job):
    with pytest.raises(KeyboardInterrupt):
        caption_llm_job(killed_after=4)
    assert caption_llm_job(batch_tokens=10_000) == len(DRAWINGS) - 4


class FailingCaptioner:
    """Writes one caption for each image until it fails; counts its batches."""

    model = SimpleNamespace(name_or_path="models/failing")

    def __init__(self, n_batches):
        self.n_batches, self.sizes = n_batches, []

    def prepare(self, images):
        return images

    def generate(self, images):
        if len(self.sizes) == self.n_batches:
            raise RuntimeError("the machine went down")
        self.sizes.append(len(images))
        return [Output("a square", "eos", None, 2) for _ in images]


@pytest.mark.parametrize("change", ["code", "library", "batch_size"])
def test_an_interrupted_captioner_starts_anew_with_other_code_and_libraries_only(tmp_path, monkeypatch, change):
    png = io.BytesIO()
    PIL.Image.new("RGB", (4, 4)).save(png, "PNG")
    write_samples(tmp_path / "test.parquet", DRAWINGS)
    write_images(tmp_path / "images.parquet", [Image(one.id, png.getvalue(), 4, 4, "ok") for one in DRAWINGS])
    paths = {"samples": tmp_path / "test.parquet", "images": tmp_path / "images.parquet"}
    paths |= {"output": tmp_path / "s.jsonl", "model": build_tiny_model(tmp_path / "base", "llama")}

    def batch_sizes(n_batches, batch_size=2):
        captioner = FailingCaptioner(n_batches)
        monkeypatch.setattr(caption_image, "load_captioner", lambda *_: captioner)
        options = {"captioner": "s", "family": "blip", "tokenizer": None, "trust_remote_code": False, "shard": "1/1"}
        caption_image.main(**paths, **options, seed=7, settings=json.dumps({"batch_size": batch_size}))
        return captioner.sizes

    with pytest.raises(RuntimeError, match="went down"):
        batch_sizes(2)
    if change == "code":
        monkeypatch.setattr(caption_image, "code_digest", lambda *_: "code after a fix")
    elif change == "library":
        monkeypatch.setattr(identity, "library_version", lambda name: "0.1")
    expected = {"code": [2, 2, 2, 2, 1], "library": [2, 2, 2, 2, 1], "batch_size": [3, 2]}
    assert batch_sizes(None, 3 if change == "batch_size" else 2) == expected[change]
