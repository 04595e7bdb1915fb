"""Models: fetched once into the store (shared between experiments), bases that are built here, the demo's CLIP.

Required: network for hub models, the Python packages of package models.
Outputs: <model_store>/<folder>/manifest.json beside the model's files; bases/<base>/ likewise; clip/.
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


rule build_vlm:
    """Put a vision-language model together of a vision tower and a language model; the manifest comes last."""
    input:
        samples=f"{RESULTS}/data/train.parquet",
        images=f"{RESULTS}/images/train.parquet",
        validation_samples=f"{RESULTS}/data/validation.parquet",
        validation_images=f"{RESULTS}/images/validation.parquet",
        vision=lambda wildcards: PLAN.built[wildcards.base].vision.manifest,
        language=lambda wildcards: PLAN.built[wildcards.base].language.manifest,
    output:
        f"{RESULTS}/bases/{{base}}/manifest.json",
    log:
        f"{RESULTS}/logs/build_vlm/{{base}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/build_vlm/{{base}}.tsv"
    wildcard_constraints:
        base=one_of(PLAN.built),
    priority: 60  # trainings wait for it
    conda:
        "../envs/main.yaml"
    threads: 8
    params:
        script=script("build_vlm"),
        folder=output_folder,
        vision=lambda wildcards: Untracked(PLAN.built[wildcards.base].vision.folder),
        language=lambda wildcards: Untracked(PLAN.built[wildcards.base].language.folder),
        options=lambda wildcards: options(
            {"settings": PLAN.built[wildcards.base].settings, "seed": PLAN.seed("build_vlm")}
        ),
        identity=lambda wildcards: identity(
            "build_vlm", settings=PLAN.built[wildcards.base].settings, seed=PLAN.seed("build_vlm")
        ),
    shell:
        "python {params.script:q} --planned-code={params.identity[code]:q}"
        " --samples {input.samples:q} --images {input.images:q}"
        " --validation-samples {input.validation_samples:q} --validation-images {input.validation_images:q}"
        " --vision {params.vision:q} --language {params.language:q} {params.options}"
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
