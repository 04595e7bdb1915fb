"""Files and folders that a configuration names: missing ones, and those that hold something else, are faults."""

import json

import pytest
from small_configuration import REVISION, SCHEMA, only_fault, small_configuration
from workflow_runs import ROOT

from plan.faults import find_faults

RECORD = {"name": "a", "code": "<svg/>", "text": "a cat"}


@pytest.fixture
def config():
    return small_configuration()


def test_a_model_folder_has_a_configuration_and_weights(config, tmp_path):
    config["bases"]["llm"]["source"] = {"path": str(tmp_path)}
    assert only_fault(config) == f"bases.llm.source.path: {tmp_path} is no model folder: it has no config.json"
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "pytorch_model.bin").touch()
    assert "has no safetensors weights (only pytorch_model.bin" in only_fault(config)


def write_records(path, records):
    path.write_text("".join(f"{json.dumps(record)}\n" for record in records))
    return str(path)


def source_of(config, path, **fields):
    config["dataset"]["sources"] = {"mine": {"path": path, "fields": fields}}
    return config


def test_a_field_that_no_record_has_is_found_in_the_data(config, tmp_path):
    path = write_records(tmp_path / "mine.jsonl", [RECORD] * 3)
    assert find_faults(source_of(config, path, id="name", drawing="code", captions=["text"]), SCHEMA) == []
    assert only_fault(source_of(config, path, drawing="cod")) == (
        f"dataset.sources.mine.fields.drawing: no record of {path} has a field 'cod'; did you mean 'code'? "
        "(there are: name, code, text)"
    )
    assert only_fault(source_of(config, path, captions=["text", "altogether"])) == (
        f"dataset.sources.mine.fields.captions: no record of {path} has a field 'altogether'; there are: name, code, "
        "text"
    )


def test_only_the_beginning_of_a_data_file_is_read(config, tmp_path):
    path = tmp_path / "mine.jsonl"
    records = [RECORD] * 500
    write_records(path, [*records, {**RECORD, "part": "test"}])
    assert "no record of the first 100 of" in only_fault(source_of(config, str(path), drawing="part"))
    # A field that records may lack can follow later on.
    assert find_faults(source_of(config, str(path), split="part"), SCHEMA) == []
    write_records(path, [RECORD] * 5)
    assert only_fault(source_of(config, str(path), split="part")).startswith("dataset.sources.mine.fields.split: no ")


def test_a_table_lacks_a_column_in_all_rows(config, tmp_path):
    path = tmp_path / "mine.csv"
    path.write_text("id,svg,caption\n" + "a,b,c\n" * 200)
    assert only_fault(source_of(config, str(path), group="set")).startswith("dataset.sources.mine.fields.group: no ")


def test_a_field_that_no_record_of_a_folder_has_is_found(config, tmp_path):
    folder = tmp_path / "rows"
    folder.mkdir()
    write_records(folder / "train.jsonl", [RECORD] * 3)
    assert find_faults(source_of(config, str(folder), id="name", drawing="code", captions="text"), SCHEMA) == []
    assert "has a field 'cod'; did you mean 'code'?" in only_fault(source_of(config, str(folder), drawing="cod"))


def test_a_field_that_no_table_beside_drawings_has_is_found(config, tmp_path):
    folder = tmp_path / "drawings"
    folder.mkdir()
    (folder / "cat.svg").write_text("<svg/>")
    (folder / "broken.json").write_text("[{]")  # no table of captions: JSON of all kinds lies about in folders
    missing = f"dataset.sources.mine.fields.captions: no record of {folder} has a field 'alt'; there are: id, svg"
    assert only_fault(source_of(config, str(folder), captions="alt")) == missing
    (folder / "captions.csv").write_text("file,alternative\ncat.svg,a cat\n")
    assert find_faults(source_of(config, str(folder), captions="alternative"), SCHEMA) == []
    assert "has a field 'alt'" in only_fault(source_of(config, str(folder), captions="alt"))


def test_a_data_file_that_cannot_be_read_is_a_fault(config, tmp_path):
    path = tmp_path / "mine.json"
    path.write_text("[{]")
    assert only_fault(source_of(config, str(path))).startswith(f"dataset.sources.mine.path: {path}, line 1: not JSON")


def test_the_records_of_a_file_system_have_id_and_caption(config, tmp_path):
    path = write_records(tmp_path / "mine.jsonl", [{"file": "a", "caption": "a cat"}])
    config["systems"] = {"mine": {"kind": "file", "path": path}}
    assert only_fault(config) == (
        f"systems.mine: {path}, record 0: no field id or filename or file_name or image_id or name; there are "
        "file, caption. Name the field of the id under fields.id"
    )
    config["systems"]["mine"]["fields"] = {"id": "file"}
    assert find_faults(config, SCHEMA) == []


def test_the_environment_of_a_captioner_is_a_file_of_the_project(config):
    captioner = {"family": "cogvlm", "source": {"hub": "owner/vlm", "revision": REVISION}}
    config["captioners"] = {"vlm": {**captioner, "environment": "envs/cogvlm.yml"}}
    assert only_fault(config) == (
        f"captioners.vlm.environment: the project folder {ROOT} has no envs/cogvlm.yml; did you mean "
        "'envs/cogvlm.yaml'?"
    )
    config["captioners"]["vlm"]["environment"] = "envs/cogvlm.yaml"
    assert find_faults(config, SCHEMA) == []


def test_fonts_must_be_there(config, tmp_path):
    config["render"] = {"fonts": [str(tmp_path)]}
    assert only_fault(config).startswith(f"render.fonts: {tmp_path} is no font file and no folder with .ttf")
