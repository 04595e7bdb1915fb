"""From SVG drawings with captions to a comparison of models that caption them.

An experiment is one configuration file: config.yaml, or the one that --configfile or a profile names.

    snakemake --profile profiles/demo  all      the embedded demo (what `make demo` runs)
    snakemake --profile profiles/local all      config.yaml on this machine
    snakemake --profile profiles/slurm all      config.yaml on a SLURM cluster
    snakemake -n                                what would be done, and why

Targets that a person types: all, fetch_models, preprocess, images, png_files, train, captions, scores, exports,
report.
"""

from snakemake.utils import min_version

min_version("9.25")

# An experiment given by --configfile stands alone: merging it into config.yaml would add that file's models.
if not workflow.overwrite_configfiles:

    configfile: "config.yaml"


report: "workflow/report/workflow.rst"


include: "rules/common.smk"
include: "rules/lookups.smk"
include: "rules/data.smk"
include: "rules/models.smk"
include: "rules/training.smk"
include: "rules/captioning.smk"
include: "rules/scoring.smk"
include: "rules/judging.smk"
include: "rules/reporting.smk"
include: "rules/events.smk"


rule all:
    """The report of the experiment, and everything it needs."""
    default_target: True
    input:
        PLAN.last_files(),
        f"{RESULTS}/README.md",
        PLAN.merged,


rule fetch_models:
    """All models of the experiment, fetched where there is network."""
    input:
        [PLAN.model(source).manifest for source in PLAN.fetched.values()],


rule preprocess:
    """The samples of all splits."""
    input:
        expand(f"{RESULTS}/data/{{split}}.parquet", split=SPLITS),


rule images:
    """The rendered drawings of all splits."""
    input:
        expand(f"{RESULTS}/images/{{split}}.parquet", split=SPLITS),


rule png_files:
    """The rendered drawings as PNG files for people."""
    input:
        expand(f"{RESULTS}/png/{{split}}", split=SPLITS),


rule train:
    """The adapters of all models."""
    input:
        expand(f"{RESULTS}/adapters/{{model}}/training.json", model=PLAN.trainings),
        PLAN.merged,


rule captions:
    """The captions of all systems."""
    input:
        expand(f"{RESULTS}/captions/{{system}}.jsonl", system=PLAN.systems),


rule scores:
    """All scores of all systems, compared."""
    input:
        f"{RESULTS}/comparison.json",


rule exports:
    """Captions and references for other evaluation tools, and the pictures that these read."""
    input:
        rules.export_captions.output,
        f"{RESULTS}/png/test",


rule report:
    """The report."""
    input:
        f"{RESULTS}/report.html",
