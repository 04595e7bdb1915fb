"""What becomes stale by what: dry runs of the full experiment, on stand-ins that Snakemake takes as made outputs.

docs/staleness.md has the table. No job runs here; tests/test_workflow.py asks the same of a real run in places.
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable

import pytest
from workflow_runs import ROOT, copy_project, planned_jobs, planned_outputs, snakemake, stand_in

RECORDS = [{"id": f"d{k}", "svg": f"<svg><path d='M0 0h{k}'/></svg>", "caption": f"line {k}"} for k in range(3)]

CHARTS = ("radar_chart", "html_report", "log_wandb")
PAGES = ("compare", "record_provenance", "qualitative_report", "describe_results", *CHARTS)
SCORES = ("score_text", "score_clip")
CLIP = ("extract_clip_features", "rank_references", "caption_baseline", "tokenize_captions", "caption_health")
AFTER_SPLIT = (
    *("render_png", "caption_llm", "caption_image", "tokenize_references"),
    *("extract_reference_features", "score_human", *CLIP, *SCORES, *PAGES),
)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A project whose outputs are all there and known to Snakemake."""
    project = copy_project(tmp_path_factory.mktemp("made") / "project")
    (project / "data").mkdir()
    (project / "data" / "drawings.json").write_text(json.dumps(RECORDS))
    for model in ("llama-3.1-8b-test3", "gemma-2-9b-test3"):
        adapter = project / "results/full/adapters" / model
        adapter.mkdir(parents=True)
        (adapter / "code_digest.txt").write_text("ast2 train_lora 000000000000\n")
    stand_in(project, "--cores", "1")
    return project


@pytest.fixture
def edit(made):
    """Edits a file of the project, gives the jobs that this makes stale, and takes the edit back."""
    before = {}

    def change(name: str, edited: Callable[[str], str]) -> dict[str, int]:
        path = made / name
        before[path] = path.read_text()
        path.write_text(edited(before[path]))
        assert path.read_text() != before[path]
        return planned_jobs(made, "--cores", "1")

    yield change
    for path, text in before.items():
        path.write_text(text)


def code(text: str) -> str:
    return text + "\nEDITED = 1\n"


def setting(old: str, new: str) -> Callable[[str], str]:
    return lambda text: text.replace(old, new, 1)


def test_nothing_is_stale_at_first(made):
    assert planned_jobs(made, "--cores", "1") == {}


@pytest.mark.parametrize(
    ("script", "rules"),
    [
        ("preprocess_svg", {"preprocess_svg", "split_samples", "train_lora", *AFTER_SPLIT}),
        ("split_samples", {"split_samples", "train_lora", *AFTER_SPLIT}),
        ("render_png", {"render_png", "caption_image", *CLIP, *SCORES, *PAGES}),
        ("train_lora", set()),
        ("caption_llm", {"caption_llm", "tokenize_captions", "caption_health", *SCORES, *PAGES}),
        (
            "caption_image",
            {"caption_image", "tokenize_captions", "caption_health", *SCORES, *PAGES},
        ),
        ("scoring/metrics/cider", {"score_text", "score_human", *PAGES}),
        ("scoring/metrics/clip_score", {"extract_reference_features", "rank_references", "score_clip", *PAGES}),
        ("comparison/resampling", PAGES),
        ("radar_chart", CHARTS),
        ("html_report", {"html_report"}),
    ],
)
def test_code_makes_stale_what_it_makes_and_what_follows(edit, script, rules):
    jobs = edit(f"workflow/scripts/{script}.py", code)
    assert set(jobs) == set(rules)
    if script == "scoring/metrics/cider":
        assert jobs["score_text"] == 10  # one for each system: other metrics keep their scores


def test_a_plan_is_explained(made, edit):
    edit("workflow/scripts/comparison/resampling.py", code)
    edit("config.yaml", setting("[bleu, meteor, rouge_l, cider, clip_score]", "[bleu, cider]"))
    command = [sys.executable, "workflow/scripts/explain_staleness.py", "--cores", "1", "--", "report"]
    run = subprocess.run(command, cwd=made, capture_output=True, text=True, check=True)
    assert run.stdout.splitlines() == [
        "4 jobs are stale; 1 of them by themselves:",
        "  compare: it has other inputs than before (something was added or left out); "
        "its code has changed (AST digest); "
        "metrics: ['bleu', 'meteor', 'rouge_l', 'cider', 'clip_score'] -> ['bleu', 'cider']",
        "    results/full/comparison.json",
        "and, because these run: radar_chart, record_provenance, html_report",
    ]


def test_a_template_makes_the_pages_stale(edit):
    assert edit("workflow/templates/report.css", lambda text: text + "\n/* */\n") == {"html_report": 1}


def test_other_rows_of_a_source_make_everything_stale(edit):
    jobs = edit("config.yaml", setting("fields: {}", "where: {caption: [line 0, line 1]}\n      fields: {}"))
    assert set(jobs) == {"preprocess_svg", "split_samples", "train_lora", *AFTER_SPLIT}


def test_a_training_setting_makes_that_model_stale(edit):
    jobs = edit(
        "config.yaml", setting("preset: test3\n    gpus: 1", "preset: test3\n    gpus: 1\n    settings: {r: 8}")
    )
    assert jobs["train_lora"] == 1
    assert jobs["caption_llm"] == 1
    assert set(jobs) == {"train_lora", "caption_llm", "tokenize_captions", "caption_health", *SCORES, *PAGES}


def test_more_seeds_train_those_alone_that_are_new(edit):
    jobs = edit("config.yaml", setting("preset: test3\n    gpus: 1", "preset: test3\n    gpus: 1\n    seeds: 3"))
    assert (jobs["train_lora"], jobs["caption_llm"], jobs["score_text"], jobs["score_clip"]) == (2, 2, 8, 2)
    assert set(jobs) == {"train_lora", "caption_llm", "tokenize_captions", "caption_health", *SCORES, *PAGES}


def test_a_setting_of_the_comparison_leaves_scores_alone(edit):
    assert set(edit("config.yaml", setting("n_resamples: 10000", "n_resamples: 999"))) == set(PAGES)


def test_a_new_system_computes_its_own_row(edit):
    jobs = edit(
        "config.yaml", setting("\ncaptioners:", "\n  another:\n    base: gemma-2-9b\n    preset: test1\n\ncaptioners:")
    )
    assert (jobs["train_lora"], jobs["caption_llm"], jobs["score_text"], jobs["score_clip"]) == (1, 1, 4, 1)
    assert set(jobs) == {"train_lora", "caption_llm", "tokenize_captions", "caption_health", *SCORES, *PAGES}


def test_what_is_said_of_an_imported_system_makes_no_caption_and_no_score_stale(made, tmp_path):
    project = tmp_path / "project"
    shutil.copytree(made, project)
    (project / "data" / "mine.csv").write_text("id,caption\nd0,a line\n")
    config = (project / "config.yaml").read_text()
    entry = "systems:\n  mine:\n    kind: file\n    path: data/mine.csv\n"
    (project / "config.yaml").write_text(f"{config}\n{entry}")
    stand_in(project, "--cores", "1")
    assert planned_jobs(project, "--cores", "1") == {}
    said = "    label: Mine\n    trained_on_this_data: true\n    input: both\n"
    (project / "config.yaml").write_text(f"{config}\n{entry}{said}")
    assert set(planned_jobs(project, "--cores", "1")) == set(PAGES)


def test_a_new_metric_computes_itself(made, edit):
    jobs = edit("config.yaml", setting("[bleu, meteor,", "[scenes, bleu, meteor,"))
    assert set(jobs) == {"score_text", "score_human", *PAGES}
    scored = {name for rule, name in planned_outputs(made, "--cores", "1") if rule in ("score_text", "score_human")}
    systems = [path.stem for path in (made / "results/full/captions").glob("*.jsonl")]
    folders = [*(f"scores/{system}" for system in systems), "human"]
    assert len(systems) == 10
    assert scored == {f"results/full/{folder}/scenes.{kind}" for folder in folders for kind in ("json", "parquet")}


def test_a_metric_taken_away_changes_the_pages_alone(edit):
    jobs = edit(
        "config.yaml", setting("[bleu, meteor, rouge_l, cider, clip_score]", "[bleu, meteor, rouge_l, clip_score]")
    )
    assert set(jobs) == set(PAGES)


def test_comments_formatting_and_file_times_make_nothing_stale(made, edit):
    for path in [
        *made.glob("workflow/scripts/**/*.py"),
        *made.glob("workflow/templates/**/*.*"),
        *made.glob("rules/*"),
    ]:
        path.touch()
    (made / "data" / "drawings.json").touch()
    assert (
        edit("workflow/scripts/scoring/metrics/cider.py", lambda text: f"# a remark\n{text}".replace(" = ", "  =  "))
        == {}
    )


def test_a_moved_folder_and_a_fresh_clone_of_the_code_make_nothing_stale(made, tmp_path):
    moved = tmp_path / "elsewhere"
    shutil.copytree(made, moved)
    for name in ("rules", "workflow"):
        shutil.rmtree(moved / name)
        shutil.copytree(ROOT / name, moved / name)
    assert planned_jobs(moved, "--cores", "1") == {}


def test_other_data_make_everything_but_the_models_stale(edit):
    jobs = edit("data/drawings.json", lambda text: text.replace("line 1", "a line"))
    assert set(jobs) == {"preprocess_svg", "split_samples", "train_lora", *AFTER_SPLIT}


def test_training_code_edited_since_is_told_also_where_nothing_is_to_be_done(made):
    run = snakemake(made, "--cores", "1", "all")
    assert "The training code has changed since llama-3.1-8b-test3 was trained; its adapter is kept" in run.stdout
    assert "--forcerun train_lora" in run.stdout


def test_settings_of_speed_and_logging_make_only_what_prints_them_stale(edit):
    changes = [
        setting("batch_tokens: 32768", "batch_tokens: 999"),
        setting("seconds_limit: 10 ", "seconds_limit: 11 "),
        # Of two models: one logs more, one keeps fewer checkpoints and says a default.
        setting("preset: test3\n    gpus: 1", "preset: test3\n    settings: {log_steps: 1}\n    gpus: 1"),
        setting("preset: test3\n    gpus: 1", "preset: test3\n    settings: {keep_checkpoints: 1, r: 16}\n    gpus: 1"),
    ]

    def change_all(text):
        for change in changes:
            assert change(text) != text
            text = change(text)
        return text

    assert set(edit("config.yaml", change_all)) == {"record_provenance", "html_report"}


def test_a_data_file_that_is_replaced_by_an_older_one_is_noticed(made):
    data = made / "data" / "drawings.json"
    before, text = data.stat(), data.read_text()
    data.write_text(text.replace("line 1", "a line"))
    os.utime(data, (1, 1))
    jobs = planned_jobs(made, "--cores", "1")
    data.write_text(text)
    os.utime(data, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert "preprocess_svg" in jobs


def test_the_workflow_is_a_module_of_another(made, tmp_path):
    (tmp_path / "data").mkdir()
    shutil.copy(made / "data" / "drawings.json", tmp_path / "data")
    shutil.copy(made / "config.yaml", tmp_path / "mine.yaml")
    (tmp_path / "Snakefile").write_text(
        f'configfile: "mine.yaml"\n\nmodule captioning:\n    snakefile: "{made}/Snakefile"\n    config: config\n\n'
        "use rule * from captioning as captioning_*\n"
    )
    jobs = planned_jobs(tmp_path, "--cores", "1", "captioning_all")
    assert (jobs["captioning_train_lora"], jobs["captioning_html_report"]) == (2, 1)
