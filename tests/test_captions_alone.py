"""Captions in 16 bits: a few are written again with the prompt alone, and the share that differs is told."""

import json

import pytest
import vllm_of_the_tests
from test_caption_llm import caption, write_drawings
from tiny_models import build_tiny_model

from core.records import Caption
from generation.llm_captions import describe_alone
from generation.llm_engines.torch_engine import TorchEngine
from scoring.health import count_alone


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    return build_tiny_model(tmp_path_factory.mktemp("base"), "llama")


@pytest.fixture
def samples(tmp_path):
    return write_drawings(tmp_path)


def answers(records):
    return {record.id: record.same_alone for record in records if record.same_alone is not None}


@pytest.mark.parametrize("decoding", [{}, {"do_sample": True, "temperature": 1.5}])
def test_what_is_said_of_sixteen_captions_is_what_writing_them_alone_gives(
    decoding,
    base,
    samples,
    tmp_path,
    capfd,
):
    records = caption(base, samples, tmp_path / "a", decoding={"dtype": "bf16", **decoding})
    said = capfd.readouterr().err
    alone = caption(base, samples, tmp_path / "b", decoding={"dtype": "bf16", "batch_tokens": 1, **decoding})
    found = answers(records)
    same = {one.id: one.caption == other.caption for one, other in zip(records, alone, strict=True)}
    assert found == {id_: same[id_] for id_ in found}
    assert len(found) == 16
    n_differ = list(found.values()).count(False)
    assert f"in 16 bits {n_differ} of 16 captions differ from those of the prompt alone" in said
    assert count_alone(records) == {"n": 16, "n_differ": n_differ}


def test_a_caption_that_its_batch_changes_is_found(base, samples, tmp_path, monkeypatch):
    write = TorchEngine._write

    def written_otherwise_in_batches(self, batch):
        rows = write(self, batch)
        return rows if len(batch) == 1 else [[5, *row[1:]] for row in rows]

    monkeypatch.setattr(TorchEngine, "_write", written_otherwise_in_batches)
    records = caption(base, samples, tmp_path / "a", decoding={"dtype": "bf16"})
    assert list(answers(records).values()) == [False] * 16


def test_in_fp32_it_is_not_asked(base, samples, tmp_path):
    records = caption(base, samples, tmp_path / "a", decoding={"max_new_tokens": 3})
    assert (answers(records), count_alone(records), describe_alone(records)) == ({}, None, "")
    lines = (tmp_path / "a" / "tiny.jsonl").read_text().splitlines()
    assert all("same_alone" not in json.loads(line) for line in lines)


def test_vllm_is_asked_as_well(base, samples, tmp_path, monkeypatch):
    vllm_of_the_tests.install(monkeypatch)
    records = caption(base, samples, tmp_path / "a", decoding={"engine": "vllm", "dtype": "bf16", "max_new_tokens": 3})
    assert list(answers(records).values()) == [True] * 16


def test_the_share_counts_what_differs():
    captions = [Caption(f"s{n}", "a", same_alone=answer) for n, answer in enumerate([True, None, False, True])]
    assert count_alone(captions) == {"n": 3, "n_differ": 1}
    assert describe_alone(captions).startswith("in 16 bits 1 of 3 captions differ")
