"""Shards: each record is in one, by its id alone; what has not changed is not made again; gathered, nothing is lost."""

import json
import re

import pytest
import yaml
from workflow_runs import ROOT

import preprocess_svg
import shard_source
from core.command import InputError
from core.records import read_json, read_samples
from gather_samples import main as gather
from plan.shards import shard_of
from preprocess_svg import build_parser, main
from readers.entries import open_entries, read_records
from shard_source import shard_records

SVG = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9"><path d="M0 0h{}v9z"/></svg>'


def records_of(n):
    bad = [{"id": "bad", "svg": "rubbish", "caption": "x"}, {"id": "none", "svg": SVG.format(3)}]
    return [{"id": f"d{n}", "svg": SVG.format(2 + n % 7), "caption": f"shape {n}"} for n in range(n)] + bad


def make_shards(tmp_path, records, n_shards=3):
    (tmp_path / "all.json").write_text(json.dumps(records))
    paths = [tmp_path / f"{number}-of-{n_shards}.jsonl" for number in range(1, n_shards + 1)]
    shard_records(open_entries(tmp_path / "all.json"), "all.json", {}, paths, tmp_path / "order.txt")
    return paths


def preprocess(path, *options):
    names = ["--output", "parquet", "--rejected", "rejected.csv", "--counts", "counts.json"]
    outputs = [part if part.startswith("-") else str(path.with_suffix(f".{part}")) for part in names]
    arguments = ["--input", str(path), "--source", "mine", *outputs, *options]
    main(**vars(build_parser().parse_args(arguments)))


def preprocess_shards(paths):
    for path in paths:
        preprocess(path, "--store", str(path.with_suffix(".store")))


def test_every_record_is_in_the_shard_of_its_id(tmp_path):
    paths = make_shards(tmp_path, records_of(50))
    in_shards = [{record.id for record in read_records(open_entries(path), {}, "x")} for path in paths]
    assert sum(map(len, in_shards)) == len(set.union(*in_shards)) == 52
    assert all(shard_of(id, 3) == number for number, ids in enumerate(in_shards) for id in ids)
    with pytest.raises(InputError, match="records 0 and 1 have one id 'a'"):
        make_shards(tmp_path, [{"id": "a", "svg": text} for text in "xy"])


def test_a_record_is_the_same_in_its_shard(tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.svg").write_bytes(b"\xef\xbb\xbf" + SVG.format(5).encode())
    (tmp_path / "in" / "b.svgz").write_bytes(b"\x1f\x8bbroken")
    before = list(read_records(open_entries(tmp_path / "in"), {}, "in"))
    shard_records(open_entries(tmp_path / "in"), "in", {}, [tmp_path / "one.jsonl"])
    assert list(read_records(open_entries(tmp_path / "one.jsonl"), {}, "one")) == before


def test_gathered_shards_are_what_one_job_makes(tmp_path):
    paths = make_shards(tmp_path, [*records_of(40), records_of(40)[3]])
    preprocess_shards(paths)
    gather(
        shards=[path.with_suffix(".counts.json") for path in paths],
        order=tmp_path / "order.txt",
        output=tmp_path / "mine.counts.json",
    )
    preprocess(tmp_path / "all.json")
    assert read_json(tmp_path / "mine.counts.json") == read_json(tmp_path / "all.counts.json")
    together, alone = (read_samples(tmp_path / f"{name}.parquet") for name in ("mine", "all"))
    assert together == alone  # also in order: the number of shards must not change a training
    prints = [(tmp_path / f"{name}.fingerprints.parquet").read_bytes() for name in ("mine", "all")]
    assert prints[0] == prints[1]
    rejected = [sorted((tmp_path / f"{name}.rejected.csv").read_text().splitlines()) for name in ("mine", "all")]
    assert rejected[0] == rejected[1]
    assert any(row.endswith(",a copy of record 3") for row in rejected[0])


def test_a_shard_that_has_not_changed_is_not_made_again(tmp_path, monkeypatch):
    preprocess_shards(make_shards(tmp_path, records_of(30)))
    made = []
    original = preprocess_svg.preprocess_dataset
    monkeypatch.setattr(
        preprocess_svg,
        "preprocess_dataset",
        lambda path, *rest, **more: (made.append(path), original(path, *rest, **more)),
    )
    paths = make_shards(tmp_path, [*records_of(30), {"id": "new", "svg": SVG.format(4), "caption": "new"}])
    for output in tmp_path.glob("*-of-3.parquet"):
        output.unlink()
    preprocess_shards(paths)
    assert made == [paths[shard_of("new", 3)]]
    assert sum(len(read_samples(path.with_suffix(".parquet"))) for path in paths) == 31


def test_an_empty_shard_is_no_error_and_an_empty_source_is(tmp_path):
    paths = make_shards(tmp_path, records_of(1)[:1], n_shards=4)
    preprocess_shards(paths)
    shards = [path.with_suffix(".counts.json") for path in paths]
    gather(shards=shards, order=tmp_path / "order.txt", output=tmp_path / "mine.counts.json")
    assert read_json(tmp_path / "mine.counts.json")["kept"] == 1
    empty = [path for path in shards if read_json(path)["in"] == 0]
    with pytest.raises(InputError, match="none of 0 records"):
        gather(shards=empty, order=tmp_path / "order.txt", output=tmp_path / "none.counts.json")


def test_a_source_is_named_once():
    with pytest.raises(InputError, match="give --input, or --hub"):
        shard_source.open_source(None, None, "main", None, None)


def test_jobs_of_shards_have_the_resources_of_whole_ones_on_a_cluster():
    resources = yaml.safe_load((ROOT / "profiles/slurm/config.yaml").read_text())["set-resources"]
    rules = "".join(path.read_text() for path in (ROOT / "rules").glob("*.smk"))
    shards = set(re.findall(r"\b(?:rule|as) (\w+_shard)\b", rules))
    wholes = {"preprocess_shard": "preprocess_svg", "render_png_shard": "render_png"}
    wholes |= {"caption_image_shard": "caption_image"}
    assert shards == wholes.keys()
    assert {shard: resources[shard] for shard in shards} == {shard: resources[wholes[shard]] for shard in shards}
