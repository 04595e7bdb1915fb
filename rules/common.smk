"""Validation of the configuration, the plan, wildcards, and the look-ups that rules use.

Nothing runs before the configuration is checked. Scripts are commands, `python <rule>.py --options`. Their output goes
to the rule's log; descriptor 3 stays the terminal, where they print warnings and, twice a minute, the progress of a long
job (`3>&2 &> {log}` in each rule, and core/command.py).

Every rule has one parameter that Snakemake compares, `identity` (plan/identity.py), and passes the digest of its code
as --planned-code: a job whose code was edited after the run was planned refuses to run.
"""

import os
import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError
from snakemake.utils import validate

ROOT = Path(str(workflow.current_basedir)).parent  # also where this is a module of another workflow
SCRIPTS = ROOT / "workflow" / "scripts"
TEMPLATES = ROOT / "workflow" / "templates"
sys.path.insert(0, str(SCRIPTS))

from core.records import SPLITS
from generation.llm_engines import ENGINES
from plan.arguments import Untracked, options
from plan.configuration import order_keys
from plan.duplicate_keys import duplicate_keys
from plan.experiment import make_plan, metric_files, one_of
from plan.faults import find_faults
from plan.frozen import Frozen
from plan.identity import Identities, schema_node
from plan.presets import resolve_defaults
from plan.schema import load_schema, result_settings

# A job that Snakemake starts in a process of its own works by what the run was planned with.
FROZEN = Frozen.of_job(ROOT) if not workflow.is_main_process else None
if FROZEN:
    config = FROZEN.configuration
else:
    faults = find_faults(config, load_schema()) + [
        fault for path in workflow.configfiles for fault in duplicate_keys(path)
    ]
    if faults:
        raise WorkflowError("The configuration has faults; nothing was run:", *(f"  {fault}" for fault in faults))
    resolve_defaults(config)
    validate(config, "../workflow/schemas/config.schema.yaml")
    config = order_keys(config)

PLAN = make_plan(config)
RESULTS = PLAN.results
CACHE = Path(RESULTS) / "cache" / "content_digests.json"
# Digests of model folders, so that several gigabytes are not read for each job.
DIGEST_CACHE = f"{RESULTS}/cache/model_digests.json"
# Answers of endpoints, by the digests of their requests. They were paid for: nothing deletes them.
ANSWERS = f"{RESULTS}/answers"
IDENTITIES = Identities(config, CACHE, FROZEN)
identity = IDENTITIES.of

# `python` in a rule is the interpreter that runs Snakemake, also where its environment was not activated;
# an environment that a rule names (conda) is put before it. Progress lines go to descriptor 3.
os.environ.update(PATH=f"{Path(sys.executable).parent}{os.pathsep}{os.getenv('PATH')}", PROGRESS_FD="3")
# A cluster profile chooses partitions by it: {"job": "cpu" | "small" | "large"}.
os.environ.update(DEVICE_CLASSES=repr(PLAN.device_classes()))

# Caches lie in the experiment, not in a home folder that fills up and that others read; a user's own setting is kept.
for name, folder in {
    "HF_HUB_CACHE": "hub",
    "HF_XET_CACHE": "xet",
    "HF_DATASETS_CACHE": "datasets",
    "HF_MODULES_CACHE": "modules",
    "MPLCONFIGDIR": "matplotlib",
    "TORCHINDUCTOR_CACHE_DIR": "inductor",
    "TRITON_CACHE_DIR": "triton",
    "WANDB_CACHE_DIR": "wandb",
    "WANDB_CONFIG_DIR": "wandb",
    "WANDB_DATA_DIR": "wandb",
}.items():
    os.environ.setdefault(name, str(Path(RESULTS).resolve() / "cache" / folder))


scattergather:
    shards=config["dataset"]["shards"],


wildcard_constraints:
    split="|".join(SPLITS),
    source=one_of(PLAN.sources),
    model=one_of(PLAN.trainings),
    system=one_of(PLAN.systems),
    metric=one_of([*config["metrics"], *PLAN.imported_metrics]),
    folder="[^/]+",
    shard="[0-9]+-of-[0-9]+",


def script(name):
    """The script of a rule. A path is no parameter that Snakemake compares: moving the project makes nothing stale."""
    return SCRIPTS / f"{name}.py"


def output_folder(wildcards, output):
    """The folder of a rule's first output."""
    return Path(output[0]).parent


def shard_option(wildcards):
    """A shard as scripts take it: 1/2."""
    return wildcards.shard.replace("-of-", "/")
