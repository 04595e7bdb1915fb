"""The demo's experiment in a smaller size by the slurm profile, on nodes without network, judged by SLURM's records."""

import pytest
import yaml
from slurm_runs import Run, copy_for_site
from workflow_runs import planned_jobs, write_small_demo

RECORDED = ("Partition", "TresPerJob", "NumCPUs", "NumNodes", "MinMemoryNode", "TimeLimit")


@pytest.fixture(scope="module")
def run(cluster, tmp_path_factory):
    """A whole run, with fewer metrics and systems; its training jobs ask for one and for two GPUs."""
    project = copy_for_site(tmp_path_factory.mktemp("demo") / "project")
    path = write_small_demo(project)
    config = yaml.safe_load(path.read_text())
    config["decoding"]["gpus"] = 1
    config["models"]["smollm2-test1"]["gpus"] = 2
    config["models"]["smollm2-test3"]["gpus"] = 1
    config["metrics"] = ["meteor", "rouge_l", "clip_score"]
    config["report"]["radar"] = config["metrics"]
    config["baselines"] = {"constant": {}}
    config["bases"]["smollm2-135m"]["zero_shot"] = False
    path.write_text(yaml.safe_dump(config, sort_keys=False))
    cluster.unplug_compute_nodes()
    # Nodes that promise more cores than there are would have eight threads a job fight for two.
    run = Run(cluster, project, "all", "--max-threads", "1", "--configfile", "small.yaml")
    try:
        assert run.end(seconds=1400) == 0, run.text()[-6000:]
    finally:
        cluster.plug_compute_nodes()
    return run


def granted(run, rule):
    """What SLURM gave to the jobs of a rule or group, each kind once."""
    return {tuple(job.get(key, "") for key in RECORDED) for job in run.jobs(rule)}


@pytest.mark.slow
def test_each_rule_gets_its_partition_gpus_memory_and_time(run):
    assert granted(run, "preprocess_svg") == {("cpu", "", "8", "1", "16000M", "04:00:00")}
    assert granted(run, "train_lora_wildcards_smollm2-test1") == {
        ("l40s", "gres:gpu:l40s:2", "8", "1", "48000M", "12:00:00")
    }
    assert granted(run, "train_lora_wildcards_smollm2-test3") == {
        ("l40s", "gres:gpu:l40s:1", "8", "1", "48000M", "12:00:00")
    }
    assert granted(run, "caption_llm") == {("a40", "gres:gpu:a40:1", "8", "1", "32000M", "08:00:00")}
    assert granted(run, "score_clip") == {("a40", "gres:gpu:a40:1", "4", "1", "16000M", "01:00:00")}
    assert granted(run, "compare") == {("cpu", "", "4", "1", "8000M", "01:00:00")}


@pytest.mark.slow
def test_small_jobs_share_one_job_a_system(run):
    # A baseline's job makes its captions too; an LLM's captions come from elsewhere, and their health is not needed by
    # their scores: two jobs, since Snakemake joins only what is connected.
    assert len(run.jobs("scores_")) == 1 + 2 * 2
    # One after another: the cores and the memory of one, the time of all. A baseline has its captions, their health,
    # their tokens and two scores; an LLM tokens and two scores in one job, the health of its captions in the other.
    small = {("cpu", "", "1", "1", "4000M", time) for time in ("00:50:00", "00:30:00", "00:10:00")}
    assert granted(run, "scores_") == small
    # The report needs the radar chart; the qualitative report has a job of its own.
    report = {("cpu", "", "1", "1", "8000M", "00:40:00"), ("cpu", "", "1", "1", "4000M", "00:10:00")}
    assert granted(run, "report_") == report
    assert len(run.jobs()) < 40


@pytest.mark.slow
def test_everything_was_done_at_the_first_attempt(run):
    assert {job["JobState"] for job in run.jobs()} == {"COMPLETED"}
    assert (run.project / "results" / "small" / "report.html").is_file()
    assert planned_jobs(run.project, "--profile", "profiles/local", "--configfile", "small.yaml") == {}
