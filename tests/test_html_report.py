"""The report as it is made: every part is there, counts are checked, what is embedded is safe."""

from __future__ import annotations

import csv
import dataclasses
import json
from pathlib import Path

import pytest
from report_fixture import Experiment, make_experiment
from test_split_samples import run, sample

from core.command import InputError
from core.records import read_captions, read_json, read_samples, write_captions, write_json, write_samples
from html_report import main
from report.comparison import Cell, Value
from report.findings import Leader, describe_testing, headline
from report.inputs import Benchmark, ReportInputs, find_leaked, read_benchmarks, read_inputs
from report.page import safe_url
from report.payload import displayable_svg, embed_json, pack_drawings
from report.resource_usage import usage_by_rule


@pytest.fixture(scope="module")
def experiment(tmp_path_factory: pytest.TempPathFactory) -> Experiment:
    made = make_experiment(tmp_path_factory.mktemp("plain") / "demo")
    main(**made.arguments)
    return made


@pytest.fixture
def copied(experiment: Experiment, tmp_path: Path) -> Experiment:
    """A copy that a test may change."""
    return make_experiment(tmp_path / "demo")


def read_all(experiment: Experiment) -> ReportInputs:
    arguments = {name: value for name, value in experiment.arguments.items() if name not in ("experiment", "output")}
    return read_inputs(**{"clip_training": None} | arguments)


def text_of(experiment: Experiment) -> str:
    return experiment.arguments["output"].read_text(encoding="utf-8")


def test_every_part_is_in_the_page(experiment: Experiment) -> None:
    text = text_of(experiment)
    for part in ("scores", "charts", "slices", "health", "explorer", "training", "data", "provenance"):
        assert f'<section id="{part}">' in text
    for words in (
        "SmolLM2 LoRA r 16 (trained on this data, unlike SmolLM2 zero-shot) scores highest",
        "All counts add up",
        "Show them",
        "not comparable with ViT-B/32",
        "data:image/svg+xml;base64,",
        "train_lora/smollm2-test3",
        "0123456789abcdef",
        "CC BY-SA 4.0",
        "instruction: Write a caption",
        "no path in it",
        "max_steps reached",
        "fedcba98",
        "The workflow as it was run",
        "assigned to the split of another sample with the same drawing, picture or caption: 31",
        "Drawings with label leakage left (4)",
        "<td>sun cloud</td>",
        "words per reference",
        "label_leakage_removed",
    ):
        assert words in text, words


def test_unchanged_input_gives_the_same_bytes(experiment: Experiment) -> None:
    before = experiment.arguments["output"].read_bytes()
    main(**experiment.arguments)
    assert experiment.arguments["output"].read_bytes() == before


def test_failures_stand_in_the_banner_with_their_numbers(experiment: Experiment) -> None:
    text = text_of(experiment)
    failed = "SmolLM2 zero-shot wrote no caption for 1 of 24 samples (4.2%, 95% interval "
    assert failed in text
    assert "BLEU and METEOR are computed from counts of words, and failures can raise them." in text
    assert "; mean of the samples&#39; values 0." in text.split(failed)[1].split("</ul>")[0]
    assert "1 of 24 samples (4.2%) could not be drawn" in text
    assert "1 of 24 samples (4.2%) are drawn as a blank image" in text
    assert "SmolLM2 zero-shot, cut at the end: 5 of 24 captions (20.8%, 95% interval 1.2–25.0%). The limit is" in text
    assert "CLIP score truncated long captions: 2 of constant." in text
    leak = "1 of 24 samples (4.2%) are leaked: the train split has their drawing, a near-duplicate, or"
    assert f"{leak} a drawing of the same caption." in text
    assert "6 of 532 raw records were rejected" in text
    assert "1 of 24 test drawings (4.2%) contain words of their own captions" in text


def test_near_duplicates_that_were_not_looked_for_are_not_said_to_be_none(copied: Experiment) -> None:
    path = copied.arguments["counts"]
    counts = read_json(path)
    main(**copied.arguments)
    assert "Captions that several drawings of one split share: 5; captions shared across splits: 1." in text_of(copied)
    write_json(path, counts | {"duplicates": counts["duplicates"] | {"near_pairs": None}})
    main(**copied.arguments)
    assert "Near-duplicates were not searched" in text_of(copied)


def test_a_drawing_leaks_by_itself_or_by_its_group_and_not_by_a_name_of_another_source(tmp_path: Path) -> None:
    two_sources = [sample(0, group="1", split="train"), sample(1, group="1", source="b", split="test")]
    one_caption = [sample(2 + n, references=["a dog"], split=split) for n, split in enumerate(("train", "test"))]
    splits = run(tmp_path, [*two_sources, *one_caption, sample(4, split="validation")])
    train, test = tmp_path / "data" / "train.parquet", splits["test"]
    assert [one.id for one in test] == ["s001", "s003"]
    assert find_leaked(train, test) == {1}
    assert find_leaked(train, [dataclasses.replace(test[0], xml=two_sources[0].xml), test[1]]) == {0, 1}


def test_no_label_leakage_is_told_where_there_is_none(copied: Experiment) -> None:
    path = copied.arguments["samples"]
    write_samples(path, [dataclasses.replace(one, flags=[]) for one in read_samples(path)])
    main(**copied.arguments)
    assert "contain words of their own captions" not in text_of(copied)


def test_leaks_of_given_splits_are_told_with_what_became_of_them(copied: Experiment) -> None:
    path = copied.arguments["counts"]
    found = (
        "Groups of similar drawings or captions in more than one of them: 4, of these with test drawings: 2, "
        "similar in a caption only: 1."
    )
    main(**copied.arguments)
    notices = text_of(copied).split('class="alert notice"')[1].split("</div>")[0]
    assert f"{found} Samples moved to the split of their group: 6." in notices
    counts = read_json(path)
    write_json(path, counts | {"leakage": counts["leakage"] | {"setting": "warn", "moved": 0}})
    main(**copied.arguments)
    faults = text_of(copied).split('class="alert fault"')[1].split("</div>")[0]
    assert f"{found} They were not moved" in faults
    write_json(path, {"sources": counts["sources"]})
    with pytest.raises(InputError, match="lacks duplicates, leakage; split again"):
        main(**copied.arguments)


def test_a_list_of_label_leakage_that_differs_from_the_counts_is_noticed(copied: Experiment) -> None:
    copied.arguments["label_leakage"][0].write_text("id,words\n")
    main(**copied.arguments)
    assert "openmoji: flagged label_leakage_left, against the list: 2 ≠ 0" in text_of(copied)


def test_counts_that_do_not_add_up_are_shown_and_told(copied: Experiment, capsys: pytest.CaptureFixture[str]) -> None:
    path = copied.arguments["counts"]
    counts = read_json(path)
    counts["sources"]["scenes"]["train"] -= 1
    write_json(path, counts)
    main(**copied.arguments)
    text = text_of(copied)
    assert "The counts do not add up" in text
    assert "scenes: kept, against left out + train + validation + test: 342 ≠ 341" in text
    assert "All counts add up" not in text
    assert "counts do not add up" in capsys.readouterr().err


def test_a_lost_entry_of_the_lists_is_noticed(copied: Experiment) -> None:
    path = copied.arguments["rejected"][0]
    rows = list(csv.reader(path.open()))
    with path.open("w", newline="") as file:
        csv.writer(file).writerows(rows[:-1])
    main(**copied.arguments)
    assert "rejected, against the list of rejected records: 3 ≠ 2" in text_of(copied)


def test_captions_of_other_samples_are_refused(copied: Experiment) -> None:
    path = copied.arguments["captions_dir"] / "constant.jsonl"
    write_captions(path, read_captions(path)[::-1])
    with pytest.raises(InputError, match=r"constant\.jsonl does not belong to these samples"):
        main(**copied.arguments)
    assert not copied.arguments["output"].exists()


def test_a_missing_file_is_named(copied: Experiment) -> None:
    copied.arguments["images"].unlink()
    with pytest.raises(InputError, match=r"images/test\.parquet does not exist"):
        main(**copied.arguments)


def test_the_page_allows_no_script_but_its_own(experiment: Experiment) -> None:
    text = text_of(experiment)
    policy = text.split('Content-Security-Policy" content="')[1].split('"')[0].replace("&#39;", "'")
    assert policy.startswith("default-src 'none'; img-src data:; style-src 'sha256-")
    assert "unsafe" not in policy
    assert 'src="http' not in text


def test_embedded_json_cannot_end_its_element() -> None:
    value = {"a": "</script><!--\u2028\u2029&"}
    text = embed_json(value)
    assert not set("<>&\u2028\u2029") & set(text)
    assert json.loads(text) == value


def test_drawings_without_a_namespace_get_it() -> None:
    assert displayable_svg('<svg viewBox="0 0 1 1"/>').startswith('<svg xmlns="http://www.w3.org/2000/svg" viewBox')
    whole = '<svg xmlns="http://www.w3.org/2000/svg"/>'
    assert displayable_svg(whole) == whole


def test_links_go_to_the_web_only() -> None:
    assert safe_url("https://example.org/a") == "https://example.org/a"
    assert safe_url("javascript:alert(1)") == safe_url("data:text/html,x") == safe_url(None) == ""


def make_leader(name: str, label: str, ties: list[str], testable: bool = True, border: str = "") -> Leader:
    value = Value(name, name, name.upper(), (0, 1), True, True, False, "", "")
    return Leader(value, label, Cell(label, name, "all", 0.5, 0.4, 0.6, 9, 9, 0, 0, None), ties, testable, border)


@pytest.mark.parametrize(
    ("leaders", "words"),
    [
        ([make_leader("bleu", "A", []), make_leader("cider", "A", [])], "significantly ahead of every other"),
        ([make_leader("bleu", "A", ["B"]), make_leader("cider", "A", ["B"])], "never significantly ahead"),
        ([make_leader("bleu", "A", []), make_leader("cider", "A", ["B"])], "on CIDER its lead may be chance"),
        ([make_leader("bleu", "A", []), make_leader("cider", "B", [])], "No system leads everywhere: A on BLEU; B on"),
        ([make_leader("bleu", "A", [], testable=False)], "too few groups of drawings to test any lead"),
        ([make_leader("bleu", "A", []), make_leader("cider", "A", [], testable=False)], "on CIDER its lead may be"),
        ([], "No system has a score"),
    ],
)
def test_the_headline_claims_no_more_than_the_ties_allow(leaders: list[Leader], words: str) -> None:
    assert words in headline(leaders, n_systems=3)


def test_tests_of_several_metrics_say_what_they_are_not_corrected_for() -> None:
    tested = [make_leader(name, "A", []) for name in ("bleu", "meteor", "cider")]
    words = describe_testing([*tested, make_leader("clip", "A", [], testable=False)], 3, 0.95)
    assert "of each metric, not for the 3 metrics" in words
    assert words.endswith("in at most 5%, and a lead on at least one of the 3 in up to 15%.")
    assert describe_testing(tested, 3, 0.6).endswith("a lead on at least one of the 3 in up to 100%.")


def test_one_metric_or_system_needs_no_word_on_several_metrics() -> None:
    tested = [make_leader(name, "A", []) for name in ("bleu", "cider")]
    assert describe_testing(tested[:1], 3, 0.95) == ""
    assert describe_testing(tested, 1, 0.95) == ""
    assert describe_testing([make_leader(name, "A", [], testable=False) for name in ("a", "b")], 3, 0.95) == ""


def test_benchmarks_that_snakemake_could_not_measure_stay_empty(tmp_path: Path) -> None:
    (tmp_path / "compare.tsv").write_text("s\th:m:s\tmax_rss\tcpu_time\n0.05\t0:00:00\t-\tNA\n")
    (benchmark,) = read_benchmarks(tmp_path)
    assert (benchmark.seconds, benchmark.max_rss_mb, benchmark.cpu_seconds) == (0.05, None, None)


def test_a_price_gives_the_cost_of_each_training(copied: Experiment) -> None:
    main(**copied.arguments)
    assert "estimated cost" not in text_of(copied)
    main(**copied.arguments, device_hour_price=36, currency="CHF")
    assert "<td>2.31 CHF</td>" in text_of(copied), "231.4 s on one device"


PLANNED_BATCH = '<td class="batch">8 = 1 × 2 × 4, checkpointed, packed <small>3.0 times as fast as 1 x 8 as given'


def test_trainings_are_compared_by_parameters_adapter_and_memory_predicted_and_measured(copied: Experiment) -> None:
    main(**copied.arguments)
    text = text_of(copied)
    for cell in (
        "921,600 <small>0.68% of 135,436,608</small>",
        "<td>3.69 MB</td>",
        "2,210 MB",
        "284 MB predicted",
        PLANNED_BATCH,
    ):
        assert cell in text, cell


def test_captions_of_a_training_are_shown_by_step_with_their_share_of_the_time(experiment: Experiment) -> None:
    text = text_of(experiment)
    note = "At each evaluation the model captioned 5 validation samples, which took 10% of the training time."
    assert text.count(note) == 1, "one of the two models wrote captions"
    assert "The adapter of step 50 was kept because it has the lowest validation loss" in text
    assert text.count('<th scope="row">step 50 (kept)</th>') == 3
    assert "its captions have CIDEr 0.833." in " ".join(text.split())
    assert text.count("<caption>validation ") == 3
    assert text.count('<th scope="row">step 10</th><td>at step 10</td>') == 3
    assert text.count('<th scope="row">step 20</th><td>no caption</td>') == 3


def test_jobs_are_summed_by_rule() -> None:
    jobs = [Benchmark("a/1", 2.0, 10.0, None), Benchmark("a/2", 3.0, 30.0, 1.0), Benchmark("b", 60.0, None, None)]
    b, a = usage_by_rule(jobs)
    assert (b.rule, b.seconds, b.max_rss_mb, b.words) == ("b", 60.0, None, "1 job, 1 min 00 s")
    assert (a.rule, a.seconds, a.max_rss_mb, a.cpu_seconds, a.words) == ("a", 5.0, 30.0, 1.0, "2 jobs, 5.0 s")


def test_images_are_reduced_where_they_would_make_the_page_too_large(experiment: Experiment) -> None:
    inputs = read_all(experiment)
    assert pack_drawings(inputs).reduced == ""
    packed = pack_drawings(inputs, most_bytes=4000)
    assert "112 px" in packed.reduced
    assert sum(map(len, packed.parts)) < sum(map(len, pack_drawings(inputs).parts))
