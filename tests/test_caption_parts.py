"""Captions of an unfinished job: on disk at once, taken up again, thrown away where they are another job's."""

import pytest

from core.records import Caption, read_captions
from generation.partial_captions import CaptionParts

IDENTITY = {"system": "s", "seed": 1}


def caption(id_: str) -> Caption:
    return Caption(id=id_, caption=f"caption of {id_}")


def test_captions_are_taken_up_and_written_in_the_samples_order(tmp_path):
    output = tmp_path / "s.jsonl"
    parts = CaptionParts(output, IDENTITY)
    parts.append([caption("b"), caption("c")])
    del parts  # killed here
    again = CaptionParts(output, IDENTITY)
    assert again.hold(["b", "c"])
    assert not again.hold(["a", "b"])
    assert not output.exists()
    again.append([caption("a")])
    again.finish(["a", "b", "c"])
    assert read_captions(output) == [caption("a"), caption("b"), caption("c")]
    assert list(tmp_path.iterdir()) == [output]


def test_a_record_that_a_kill_cut_is_made_again(tmp_path):
    output = tmp_path / "s.jsonl"
    CaptionParts(output, IDENTITY).append([caption("a"), caption("b")])
    path = tmp_path / "s.jsonl.parts" / "captions.jsonl"
    path.write_bytes(path.read_bytes()[:-10])
    parts = CaptionParts(output, IDENTITY)
    assert list(parts.done) == ["a"]
    parts.append([caption("b")])
    parts.finish(["a", "b"])
    assert read_captions(output) == [caption("a"), caption("b")]


def test_captions_of_other_settings_are_thrown_away_and_it_is_said(tmp_path, capsys):
    output = tmp_path / "s.jsonl"
    CaptionParts(output, IDENTITY).append([caption("a")])
    capsys.readouterr()
    parts = CaptionParts(output, IDENTITY | {"seed": 2})
    assert not parts.done
    spoken = capsys.readouterr()
    assert "starts anew: seed changed since the interrupted run" in spoken.out + spoken.err


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
