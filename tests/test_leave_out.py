"""Lists of samples that take no part, and splits that come without validation."""

import csv
import json

import pytest
from small_configuration import SCHEMA, small_configuration
from test_split_samples import run, sample

from core.command import InputError
from plan.faults import find_faults


def taking_part(splits):
    return {one.id for split in splits.values() for one in split}


def test_listed_samples_are_left_out_and_their_copies_are_not(tmp_path, capfd):
    (tmp_path / "list.csv").write_text("source,id\na,s003\na,s005\na,gone\n")
    samples = [sample(n) for n in range(40)] + [sample(40, xml="<svg>3</svg>", references=["the right caption"])]
    splits = run(tmp_path, samples, leave_out=[tmp_path / "list.csv"])
    assert taking_part(splits) == {one.id for one in samples} - {"s003", "s005"}
    counts = json.loads((tmp_path / "data" / "counts.json").read_text())["sources"]["a"]
    assert (counts["listed"], counts["duplicates"]) == (2, 0)
    with open(tmp_path / "data" / "left_out.csv") as file:
        assert {row["id"]: row["reason"] for row in csv.DictReader(file)} == {"s003": "listed", "s005": "listed"}
    assert "2 of 3 listed samples are there, and left out" in capfd.readouterr().err


def test_of_a_mismatch_table_the_flagged_rows_count(tmp_path):
    (tmp_path / "mismatch.csv").write_text(
        "id,source,reference,n_better,n_others,flagged\ns001,a,0,56,57,True\ns002,a,0,3,57,False\n"
    )
    splits = run(tmp_path, [sample(n) for n in range(40)], leave_out=[tmp_path / "mismatch.csv"])
    assert taking_part(splits) == {f"s{n:03}" for n in range(40)} - {"s001"}


def test_data_with_train_and_test_alone_get_a_validation_split_of_whole_groups(tmp_path, capfd):
    samples = [sample(n, split="test" if n < 20 else "train", group=f"g{n // 2}") for n in range(100)]
    splits = run(tmp_path, samples)
    assert {one.id for one in splits["test"]} == {f"s{n:03}" for n in range(20)}
    found = {one.id for one in splits["validation"]}
    assert 4 <= len(found) <= 32, "a fifth of 80"
    assert {f"s{int(one[1:]) ^ 1:03}" for one in found} == found
    assert f"no validation split: {len(found)} samples of train became one" in capfd.readouterr().err


def test_a_list_of_other_data_is_refused(tmp_path):
    (tmp_path / "list.csv").write_text("id\nx1\nx2\n")
    with pytest.raises(InputError, match=r"list.csv: none of its 2 ids is that of a sample, 'x1' for one"):
        run(tmp_path, [sample(n) for n in range(40)], leave_out=[tmp_path / "list.csv"])


def test_a_list_that_is_none_is_a_fault_of_the_configuration(tmp_path):
    (tmp_path / "list.csv").write_text("name\nx1\n")
    config = small_configuration()
    config["dataset"]["leave_out"] = [str(tmp_path / "list.csv"), "gone.csv"]
    found = find_faults(config, SCHEMA)
    assert "dataset.leave_out[0]" in found[0]
    assert "is CSV with a column id; this has name" in found[0]
    assert "dataset.leave_out[1]: gone.csv does not exist" in found[1]
