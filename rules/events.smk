"""What happens when a run starts and ends: adapters are kept, second copies refused, the plan is written for jobs.

Here also begins what a run shows on the terminal (plan/job_lines.py).

Some of it uses parts of Snakemake and of its SLURM plugin that are not public; requirements.lock pins both.
"""

import functools
import json
import subprocess

from core.code_digest import code_has_changed
from core.content_digest import ContentDigests
from core.local_gpus import PLACED, missing_gpus, visible_gpus
from core.records import write_json
from plan.endpoints import UNKNOWN_COST, expected_cost, key_faults
from plan.frozen import rules_digest
from plan.job_lines import JobLines, show_job_lines
from plan.judges import expected_cost_of_judge
from plan.kept_adapters import keep_adapter
from plan.retries import RetryRule
from plan.slurm_jobs import comment_of, job_name_prefix, live_jobs, second_copies, second_copy_message


def warn_of_stale_training():
    """Say which adapters were trained by other code: code alone never makes training stale."""
    for training in PLAN.trainings.values():
        record = Path(training.folder) / "code_digest.txt"
        if record.is_file() and code_has_changed(record.read_text().strip()):
            logger.warning(
                f"The training code has changed since {training.name} was trained; its adapter is kept. "
                f"To train it again, move {training.folder}/trained away, then: snakemake --forcerun train_lora"
            )


def save_rule_graph():
    """Save which rule needs which, for the report's picture; partial runs leave the one of the whole workflow."""
    edges = {
        (needed.rule.name, job.rule.name) for job in workflow.dag.jobs for needed in workflow.dag.dependencies[job]
    }
    if any("html_report" in edge for edge in edges):
        write_json(f"{RESULTS}/rule_graph.json", sorted(edge for edge in edges if "all" not in edge))


def slurm_executor():
    """The executor of Snakemake's SLURM plugin; None where another one is used."""
    executor = workflow.scheduler._executor
    return executor if type(executor).__module__ == "snakemake_executor_plugin_slurm" else None


def name_jobs():
    """Let the names of all jobs, which are the id of this run, begin with the experiment."""
    executor = slurm_executor()
    if executor and not workflow.executor_settings.jobname_prefix:
        executor.run_uuid = f"{job_name_prefix(config['experiment'])}_{executor.run_uuid}"


def retry_only_what_may_pass():
    """Give no second attempt to a job whose command said that its input must be fixed."""
    scheduler = workflow.scheduler
    scheduler._handle_error = RetryRule(workflow.dag.needrun_jobs(), scheduler._handle_error, logger.error)


def refuse_second_copies():
    """Submit nothing while SLURM still has jobs of a Snakemake that was killed; keep the id of this run."""
    record = Path(RESULTS) / "logs" / "slurm_runs.txt"
    run_ids = record.read_text().split() if record.is_file() else []
    outputs = {}
    for job in workflow.dag.needrun_jobs():
        outputs.setdefault(comment_of(job.rule.name, job.wildcards, job.group), []).extend(job.output)
    copies = second_copies(live_jobs(run_ids), outputs)
    if copies:
        raise WorkflowError(second_copy_message(copies))
    executor = slurm_executor()
    if executor:
        record.parent.mkdir(parents=True, exist_ok=True)
        with record.open("a") as file:
            print(executor.run_uuid, file=file)


def leave_gpus_to_the_scheduler():
    """Tell jobs that a cluster's scheduler has given them their GPUs."""
    if not workflow.local_exec:
        os.environ[PLACED] = "1"


def check_gpus():
    """Say which jobs ask for more GPUs than this machine has; on a cluster its scheduler does that."""
    if not workflow.local_exec:
        return
    requested = {}
    for job in workflow.dag.needrun_jobs():
        if job.rule.name == "train_lora" and job.resources.nodes > 1:
            raise WorkflowError(
                f"models.{job.wildcards.model}.nodes: {job.resources.nodes} nodes need SLURM: run with --profile "
                "profiles/slurm, or set nodes: 1"
            )
        gpus = job.resources.get("gpu", 0)
        if gpus > requested.get(job.rule.name, 0):
            requested[job.rule.name] = gpus
    found = len(visible_gpus())
    message = missing_gpus(requested, found)
    if message and found:
        raise WorkflowError(message)
    if message:
        logger.warning(f"\n{'!' * 100}\n{message}\n{'!' * 100}\n")


def keep_adapters():
    """Keep adapters whose place a training of this run empties, unless their own training keeps them."""
    for job in workflow.dag.needrun_jobs():
        if job.rule.name == "train_lora":
            kept = keep_adapter(Path(PLAN.trainings[job.wildcards.model].folder), ContentDigests(CACHE))
            if kept:
                logger.info(f"The adapter of {job.wildcards.model} is kept in {kept}")


def freeze_run():
    """Write what this run was planned with, for the jobs that read code and configuration again when they start."""
    for job in workflow.dag.needrun_jobs():
        job.params  # computes the identities, and with them the digests
    Frozen(config, IDENTITIES.codes, IDENTITIES.contents, rules_digest(ROOT)).write(Path(RESULTS) / "logs" / "runs")


def announce_models():
    """Say how large the models are that this run will fetch."""
    jobs = [job for job in workflow.dag.needrun_jobs() if job.rule.name == "fetch_model"]
    if jobs:
        missing = json.dumps([PLAN.fetched[job.wildcards.folder] for job in jobs])
        command = [sys.executable, script("model_sizes"), "--sources", missing, "--store", config["model_store"]]
        subprocess.run(command, check=False)


@functools.cache  # the pictures of a large test split take seconds to read
def cost_of_endpoint(name):
    """What a system's requests will cost; None while its samples are not there."""
    system = PLAN.endpoints[name]
    return expected_cost(system, PLAN.prompt(system.input), Path(RESULTS) / "data" / "test.parquet", Path(ANSWERS))


def is_answered(name):
    """Whether the store has all answers of a system, so that no key is needed."""
    cost = cost_of_endpoint(name)
    return cost is not None and cost.n_stored == cost.n_requests


def announce_endpoints():
    """Say what the requests to endpoints will cost, and whose key is not there; a dry run needs no key."""
    for name, system in PLAN.endpoints.items():
        cost = cost_of_endpoint(name)
        told = cost.describe(system.price, config["report"]["currency"]) if cost else UNKNOWN_COST
        logger.info(f"Endpoint {name} ({system.endpoint['model']}): {told}")
    for name, judge in PLAN.judges.items():
        cost = expected_cost_of_judge(judge, len(PLAN.systems), Path(RESULTS) / "data" / "test.parquet")
        told = cost.describe(judge.price, config["report"]["currency"]) if cost else UNKNOWN_COST
        if judge.endpoint:
            logger.info(f"Judge of {name} ({judge.name}), with nothing in the store: {told}")
    waiting = {name: one.api_key_env for name, one in PLAN.endpoints.items() if not is_answered(name)}
    waiting |= {f"the judge of {name}": judge.api_key_env for name, judge in PLAN.judges.items()}
    for fault in key_faults(waiting):
        logger.warning(f"Before a run asks for captions, set it: {fault}")


def require_keys():
    """Stop a run whose endpoints lack their keys before anything is done."""
    jobs = list(workflow.dag.needrun_jobs())
    names = [job.wildcards.system for job in jobs if job.rule.name == "caption_endpoint"]
    judges = [job.wildcards.metric for job in jobs if job.rule.name == "score_hosted_judge"]
    waiting = {name: PLAN.endpoints[name].api_key_env for name in names if not is_answered(name)}
    faults = key_faults(waiting | {f"the judge of {name}": PLAN.judges[name].api_key_env for name in judges})
    if faults:
        raise WorkflowError("Keys of endpoints are missing; nothing was run:", *(f"  {fault}" for fault in faults))


def print_summary():
    """Print the table of systems by metrics and where the report is, if the run made them."""
    table = Path(RESULTS) / "comparison.txt"
    page = Path(RESULTS) / "report.html"
    if table.is_file() and page.is_file():
        print(f"\n{table.read_text()}\nReport: {page.resolve()}", file=sys.stderr)


onstart:
    JOB_LINES.waits = not workflow.local_exec
    require_keys()
    name_jobs()
    retry_only_what_may_pass()
    refuse_second_copies()
    leave_gpus_to_the_scheduler()
    check_gpus()
    save_rule_graph()
    keep_adapters()
    freeze_run()
    announce_models()


onsuccess:
    print_summary()


# Snakemake's own words, with --dry-run or --verbose, are what a person has asked for.
JOB_LINES = JobLines()
if workflow.is_main_process and not workflow.output_settings.dryrun and not workflow.output_settings.verbose:
    show_job_lines(logger, JOB_LINES)

if workflow.is_main_process:
    warn_of_stale_training()
    announce_endpoints()
