"""Validation of the configuration, wildcards, and the look-ups that rules use.

Nothing runs before the configuration is checked. Scripts are commands: `python {SCRIPTS}/<rule>.py --arguments`.
Their output goes to the rule's log; descriptor 3 stays the terminal, where they print a few progress lines
(`3>&2 &> {log}` in each rule, and `say` in command.py).
"""

import os
import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError
from snakemake.utils import validate

SCRIPTS = Path(workflow.basedir) / "workflow" / "scripts"
TEMPLATES = Path(workflow.basedir) / "workflow" / "templates"
sys.path.insert(0, str(SCRIPTS))

from code_digest import code_digest
from configuration import (
    as_json,
    fetched_sources,
    find_faults,
    load_schema,
    model_folder_name,
    resolve_presets,
    stage_seed,
    systems,
)
from records import SPLITS

faults = find_faults(config, load_schema())
if faults:
    raise WorkflowError("The configuration has faults; nothing was run:", *(f"  {fault}" for fault in faults))
resolve_presets(config)
validate(config, "../workflow/schemas/config.schema.yaml")

RESULTS = f"results/{config['experiment']}"
SYSTEMS = systems(config)

# `python` in a rule is the interpreter that runs Snakemake, also where its environment was not activated;
# an environment that a rule names (conda) is put before it. Progress lines go to descriptor 3.
os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
os.environ["PROGRESS_FD"] = "3"


wildcard_constraints:
    split="|".join(SPLITS),
    source="|".join(config["dataset"]["sources"]),
    model="|".join(config["models"]) or "none",
    system="|".join(SYSTEMS),
    metric="|".join(config["metrics"]),
    folder="[^/]+",


def json_param(value):
    """A parameter that is JSON; a function, since braces in a plain one would be taken for wildcards."""
    return lambda wildcards: as_json(value)


def seed_of(stage):
    """The seed of a stage."""
    return stage_seed(config["seed"], stage)


def model_folder(source):
    """Folder in which a model lies: the user's own for `path`, one of the store otherwise."""
    if "path" in source and "package" not in source:
        return source["path"]
    return f"{config['model_store']}/{model_folder_name(source)}"


def model_manifest(source):
    """The manifest that fetch_model writes when a model is complete."""
    return f"{config['model_store']}/{model_folder_name(source)}/manifest.json"


def model_manifests():
    """The manifests of all models of the experiment."""
    return [model_manifest(source) for source in fetched_sources(config).values()]


def systems_of_family(*families):
    """Names of the systems of the given families, for wildcard constraints."""
    return "|".join(name for name, system in SYSTEMS.items() if system["family"] in families) or "none"


def source_file(wildcards):
    """The raw samples of a source: the user's file, or the one that a rule makes."""
    source = config["dataset"]["sources"][wildcards.source]
    return source.get("path", f"{RESULTS}/raw/{wildcards.source}.jsonl")


def base_of(wildcards):
    """The entry of `bases` behind a model or an LLM system."""
    name = wildcards.get("model") or wildcards.system
    return config["bases"][SYSTEMS[name]["base"]]


def warn_of_stale_training():
    """Say which adapters were trained by other code: code alone never makes training stale."""
    for model in config["models"]:
        record = Path(RESULTS) / "adapters" / model / "code_digest.txt"
        if record.is_file() and record.read_text().strip() != code_digest("train_lora"):
            logger.warning(
                f"The training code has changed since {model} was trained; its adapter is kept. "
                f"To train it again: snakemake --forcerun train_lora"
            )


def print_summary():
    """Print the table of systems by metrics and where the report is, if the run made them."""
    table = Path(RESULTS) / "comparison.txt"
    page = Path(RESULTS) / "report.html"
    if table.is_file() and page.is_file():
        print(f"\n{table.read_text()}\nReport: {page.resolve()}", file=sys.stderr)


onstart:
    warn_of_stale_training()
