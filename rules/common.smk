"""Validation of the configuration, wildcards, and the look-ups that rules use.

Nothing runs before the configuration is checked. Scripts are commands, `python <rule>.py --arguments`.
Their output goes to the rule's log; descriptor 3 stays the terminal, where they print a few progress lines
(`3>&2 &> {log}` in each rule, and `say` in core/command.py).
"""

import os
import shlex
import subprocess
import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError
from snakemake.utils import validate

SCRIPTS = Path(workflow.basedir) / "workflow" / "scripts"
TEMPLATES = Path(workflow.basedir) / "workflow" / "templates"
sys.path.insert(0, str(SCRIPTS))

from core.code_digest import code_digest, folder_digest
from plan.configuration import as_json, fetched_sources, model_folder_name, order_keys, stage_seed, systems
from plan.duplicate_keys import duplicate_keys
from plan.faults import find_faults
from plan.presets import resolve_defaults
from plan.schema import load_schema
from generation.llm_engines import ENGINES
from core.records import SPLITS, write_json
from plan.slurm_jobs import comment_of, live_jobs, second_copies, second_copy_message

faults = find_faults(config, load_schema())
for path in workflow.configfiles:
    faults += duplicate_keys(path)
if faults:
    raise WorkflowError("The configuration has faults; nothing was run:", *(f"  {fault}" for fault in faults))
resolve_defaults(config)
validate(config, "../workflow/schemas/config.schema.yaml")
config = order_keys(config)

RESULTS = f"results/{config['experiment']}"
SYSTEMS = systems(config)

# `python` in a rule is the interpreter that runs Snakemake, also where its environment was not activated;
# an environment that a rule names (conda) is put before it. Progress lines go to descriptor 3.
os.environ.update(PATH=f"{Path(sys.executable).parent}{os.pathsep}{os.getenv('PATH')}", PROGRESS_FD="3")

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
    source="|".join(config["dataset"]["sources"]),
    model="|".join(config["models"]) or "none",
    system="|".join(SYSTEMS),
    metric="|".join(config["metrics"]),
    folder="[^/]+",
    shard="[0-9]+-of-[0-9]+",


def json_param(value):
    """A parameter that is JSON; a function, since braces in a plain one would be taken for wildcards."""
    return lambda wildcards: as_json(value)


def script(name):
    """The script of a rule. A path is no parameter that Snakemake compares: moving the project makes nothing stale."""
    return SCRIPTS / f"{name}.py"


def output_folder(wildcards, output):
    """The folder of a rule's first output."""
    return Path(output[0]).parent


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


def systems_of_family(*families, large=None):
    """Names of the systems of the given families, for wildcard constraints; with `large`, only those of that size."""
    return (
        "|".join(
            name
            for name, system in SYSTEMS.items()
            if system["family"] in families and (large is None or is_large(system) == large)
        )
        or "none"
    )


def is_large(system):
    """Whether a system's model is as large as `large_size_b`."""
    entries = config["captioners"] if system["family"] == "captioner" else config["bases"]
    return entries[system["base"]]["size_b"] >= config["large_size_b"]


def source_file(wildcards):
    """The raw samples of a source: the user's file, or the one that a rule makes."""
    source = config["dataset"]["sources"][wildcards.source]
    return source.get("path", f"{RESULTS}/raw/{wildcards.source}.jsonl")


def base_entry(system):
    """The entry of `bases` behind an LLM system."""
    return config["bases"][SYSTEMS[system]["base"]]


def source_fields(wildcards):
    """How the fields of a source are called; what we write ourselves has the usual names."""
    source = config["dataset"]["sources"][wildcards.source]
    return as_json(source["fields"] if "path" in source else {})


def sources_of_hub():
    """Names of the sources that are datasets of the hub, for wildcard constraints."""
    sources = config["dataset"]["sources"]
    return "|".join(name for name, source in sources.items() if "hub" in source) or "none"


def hub_options(wildcards):
    """The options that name a dataset of the hub."""
    source = config["dataset"]["sources"][wildcards.source]
    options = ("hub", "revision", "subset", "split")
    return " ".join(f"--{option} {source[option]}" for option in options if option in source)


def proof_options(wildcards):
    """The options of preprocess_svg that say how its texts are proven, and which are too long to take part."""
    settings = config["preprocess"]
    longest = config["dataset"]["sources"][wildcards.source]["limits"].get("max_chars")
    limits = "max_difference", "max_cell_difference", "min_similarity"
    proof = " ".join(f"--{limit.replace('_', '-')} {settings[limit]}" for limit in limits)
    options = [proof if settings["proof"] else "--no-proof", f"--max-chars {longest}" if longest else ""]
    return " ".join(option for option in options if option)


def base_of(wildcards):
    """The entry of `bases` behind a model or a captioning job."""
    return base_entry(wildcards.get("model") or systems_of_job(wildcards)[0])


def sources_built_by(kind):
    """Names of the sources of a kind that we make ourselves, for wildcard constraints."""
    sources = config["dataset"]["sources"]
    return "|".join(name for name, source in sources.items() if source.get("build") == kind) or "none"


def qualitative_value():
    """The value by which samples are chosen for the printed page."""
    chosen = config["report"]["qualitative"].get("value")
    return chosen or ("cider" if "cider" in config["metrics"] else config["report"]["radar"][0])


def last_files():
    """What a run makes last, but for the README that describes it: the pages, and the W&B run unless it is disabled."""
    wandb = [] if config["report"]["wandb"] == "disabled" else [f"{RESULTS}/wandb.json"]
    return [f"{RESULTS}/report.html", f"{RESULTS}/qualitative.html", *wandb]


def grouped_figures():
    """Names of the radar charts of single systems, of families, and of bases that are there with and without adapter."""
    families = {}
    for system in SYSTEMS.values():
        families.setdefault(system["base"], set()).add(system["family"])
    bases = [base for base, found in families.items() if {"zero_shot", "lora"} <= found]
    groups = {"systems": SYSTEMS, "families": {system["family"] for system in SYSTEMS.values()}, "bases": bases}
    return sorted(f"{folder}/{name}" for folder, names in groups.items() for name in names)


LLM_FAMILIES = ("zero_shot", "few_shot", "lora")
# Keys of `decoding` that say where captions are made and not which.
JOB_KEYS = ("gpus", "python", "group_by_base")


def llm_pass(system):
    """The job that captions an LLM system: its own, or the one of all systems on its base."""
    return SYSTEMS[system]["base"] if config["decoding"]["group_by_base"] else system


def systems_of_job(wildcards):
    """The LLM systems that a captioning job writes for."""
    if "system" in wildcards.keys():
        return [wildcards.system]
    return [name for name, system in SYSTEMS.items() if is_llm(name) and llm_pass(name) == wildcards.llm_pass]


def is_llm(system):
    """Whether a system is an LLM that reads the xml."""
    return SYSTEMS[system]["family"] in LLM_FAMILIES


def n_shards(system):
    """Jobs among which the samples of an LLM system or captioner are scattered."""
    entry = config["bases"][SYSTEMS[system]["base"]] if is_llm(system) else config["captioners"][system]
    return entry["shards"]


def llm_passes(large):
    """The captioning jobs of LLM systems, of large bases or of others, for wildcard constraints."""
    names = systems_of_family(*LLM_FAMILIES, large=large).split("|")
    return "|".join(dict.fromkeys(llm_pass(name) for name in names if name in SYSTEMS)) or "none"


def gathered_systems():
    """Systems whose captions several jobs write, or a job that writes others' as well, for wildcard constraints."""
    llms = [name for name in SYSTEMS if is_llm(name) and (config["decoding"]["group_by_base"] or n_shards(name) > 1)]
    captioners = [name for name in config["captioners"] if n_shards(name) > 1]
    return "|".join(llms + captioners) or "none"


def systems_with_own_job(*families, large):
    """Systems of the given families and size that one job captions alone, for wildcard constraints."""
    names, gathered = systems_of_family(*families, large=large).split("|"), gathered_systems().split("|")
    return "|".join(name for name in names if name not in gathered) or "none"


def shard_names(system):
    """The shards of a system as they stand in file names: 1-of-2, 2-of-2."""
    count = n_shards(system)
    return [f"{number}-of-{count}" for number in range(1, count + 1)]


def shard_option(wildcards):
    """A shard as scripts take it: 1/2."""
    return wildcards.shard.replace("-of-", "/")


def splits_in_shards(many):
    """The splits where one job renders each, or several jobs render shards of it, for wildcard constraints."""
    return "|".join(SPLITS) if (config["render"]["shards"] > 1) == many else "none"


def image_shards(wildcards):
    """The image files of all shards of a split."""
    count = config["render"]["shards"]
    return [f"{RESULTS}/images/shards/{wildcards.split}/{k}-of-{count}.parquet" for k in range(1, count + 1)]


def gathered_inputs(wildcards):
    """What says that all shards of a system are captioned: the manifests of its jobs, or a captioner's files."""
    if is_llm(wildcards.system):
        folder, name = f"{RESULTS}/captions/passes/{llm_pass(wildcards.system)}", "manifest.json"
    else:
        folder, name = f"{RESULTS}/captions/shards/{wildcards.system}", f"{wildcards.system}.jsonl"
    return [f"{folder}/{shard}/{name}" for shard in shard_names(wildcards.system)]


def gathered_files(wildcards, input):
    """The caption files of all shards of a system: beside the manifests."""
    return [Path(file).parent / f"{wildcards.system}.jsonl" for file in input.shards]


def adapter_of(system):
    """The folder of a trained system's adapter."""
    return f"{RESULTS}/adapters/{system}"


def adapter_files(wildcards):
    """The adapters of the trained systems of a captioning job."""
    systems = systems_of_job(wildcards)
    return [f"{adapter_of(name)}/adapter_model.safetensors" for name in systems if SYSTEMS[name]["family"] == "lora"]


def example_files(wildcards):
    """The train split, where a system of a captioning job shows examples of it."""
    shown = any(SYSTEMS[name]["family"] == "few_shot" for name in systems_of_job(wildcards))
    return [f"{RESULTS}/data/train.parquet"] if shown else []


def systems_option(wildcards):
    """The LLM systems of a captioning job as its script takes them."""
    described = {}
    for name in systems_of_job(wildcards):
        family = SYSTEMS[name]["family"]
        entry = {"adapter": adapter_of(name)} if family == "lora" else {}
        described[name] = entry | ({"few_shot": base_entry(name)["few_shot"]} if family == "few_shot" else {})
    return as_json(described)


def merged_models():
    """The records of the merged models that the configuration asks for."""
    return [
        f"{RESULTS}/adapters/{name}/merged/merged.json" for name, model in config["models"].items() if model["merge"]
    ]


def captioner_option(wildcards, key, option):
    """An option that only some captioners have: the tokenizer's folder."""
    captioner = config["captioners"][wildcards.system]
    return f"{option} {model_folder(captioner[key])}" if key in captioner else ""


def captioner_models(wildcards):
    """The manifests of a captioner's model and, where it is another, its tokenizer."""
    captioner = config["captioners"][wildcards.system]
    return [model_manifest(captioner[key]) for key in ("source", "tokenizer") if key in captioner]


def baseline_inputs(wildcards):
    """What a baseline reads: the train split, and CLIP features for the nearest image."""
    inputs = {"train": f"{RESULTS}/data/train.parquet", "samples": f"{RESULTS}/data/test.parquet"}
    if wildcards.system == "clip_nearest":
        inputs["train_features"] = f"{RESULTS}/clip_features/train.parquet"
        inputs["features"] = f"{RESULTS}/clip_features/test.parquet"
    return inputs


def metric_models(wildcards):
    """The manifest of a metric's model and the files of its folder; nothing for a metric without."""
    options = config["metric_options"].get(wildcards.metric, {})
    manifests = [model_manifest(options["source"])] if "source" in options else []
    files = Path(options["folder"]).iterdir() if "folder" in options else []
    return [*manifests, *sorted(str(path) for path in files if path.is_file())]


def metric_options(wildcards):
    """The options that give a metric its model, files and settings; empty for a metric without."""
    options = config["metric_options"].get(wildcards.metric, {})
    model = f"--model {model_folder(options['source'])}" if "source" in options else ""
    folder = f"--folder {shlex.quote(options['folder'])}" if "folder" in options else ""
    return f"{model} {folder} --settings {shlex.quote(as_json(options['settings']))}" if options else ""


def token_counts(wildcards):
    """Captions of the first LLM of the comparison, by which samples are sliced into short and long; none without one."""
    llms = [name for name, system in SYSTEMS.items() if system["family"] in ("zero_shot", "lora")]
    return [f"{RESULTS}/captions/{llms[0]}.jsonl"] if llms else []


def clip_folder(wildcards):
    """Folder of the CLIP model: the store's, the user's own, or the one that is trained here."""
    return f"{RESULTS}/clip" if "train" in config["clip"] else model_folder(config["clip"]["source"])


def clip_ready():
    """The file that is there when the CLIP model is complete."""
    trained = "train" in config["clip"]
    return f"{RESULTS}/clip/training.json" if trained else model_manifest(config["clip"]["source"])


def warn_of_stale_training():
    """Say which adapters were trained by other code: code alone never makes training stale."""
    for model in config["models"]:
        record = Path(RESULTS) / "adapters" / model / "code_digest.txt"
        if record.is_file() and record.read_text().strip() != code_digest("train_lora"):
            logger.warning(
                f"The training code has changed since {model} was trained; its adapter is kept. "
                f"To train it again: snakemake --forcerun train_lora"
            )


def save_rule_graph():
    """Save which rule needs which, for the report's picture; partial runs leave the one of the whole workflow."""
    edges = {
        (needed.rule.name, job.rule.name) for job in workflow.dag.jobs for needed in workflow.dag.dependencies[job]
    }
    if any("html_report" in edge for edge in edges):
        write_json(f"{RESULTS}/rule_graph.json", sorted(edge for edge in edges if "all" not in edge))


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
    executor = workflow.scheduler._executor  # nothing public tells the run id
    if type(executor).__module__ == "snakemake_executor_plugin_slurm":
        record.parent.mkdir(parents=True, exist_ok=True)
        with record.open("a") as file:
            print(executor.run_uuid, file=file)


def announce_models():
    """Say how large the models are that this run will fetch."""
    sources = fetched_sources(config)
    jobs = [job for job in workflow.dag.needrun_jobs() if job.rule.name == "fetch_model"]
    if jobs:
        missing = as_json([sources[job.wildcards.folder] for job in jobs])
        command = [sys.executable, script("model_sizes"), "--sources", missing, "--store", config["model_store"]]
        subprocess.run(command, check=False)


def print_summary():
    """Print the table of systems by metrics and where the report is, if the run made them."""
    table = Path(RESULTS) / "comparison.txt"
    page = Path(RESULTS) / "report.html"
    if table.is_file() and page.is_file():
        print(f"\n{table.read_text()}\nReport: {page.resolve()}", file=sys.stderr)


onstart:
    refuse_second_copies()
    save_rule_graph()
    announce_models()


if workflow.is_main_process:
    warn_of_stale_training()
