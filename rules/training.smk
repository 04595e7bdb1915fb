"""LoRA training: a job for each training of a model, and merging where it is wanted.

Required: the base model, data/train.parquet, data/validation.parquet, and for a model that reads pictures their images.
Outputs: adapters/<model>/ with the adapter, its resolved settings, its history and a summary. Checkpoints lie in
adapters/<model>/checkpoints/, undeclared, so that a retry finds them; set_aside/ has those of other settings, trained/
each completed adapter by its identity. With `merge: true` adapters/<model>/merged/.
"""


rule train_lora:
    """Train the LoRA adapter of a model, or one of several by other random numbers."""
    input:
        base=lambda wildcards: PLAN.trainings[wildcards.model].base.manifest,
        train=f"{RESULTS}/data/train.parquet",
        validation=f"{RESULTS}/data/validation.parquet",
        images=lambda wildcards: list(PLAN.trainings[wildcards.model].images.values()),
    output:
        adapter=f"{RESULTS}/adapters/{{model}}/adapter_model.safetensors",
        config=f"{RESULTS}/adapters/{{model}}/adapter_config.json",
        settings=f"{RESULTS}/adapters/{{model}}/settings.json",
        history=f"{RESULTS}/adapters/{{model}}/history.jsonl",
        summary=f"{RESULTS}/adapters/{{model}}/training.json",
        overlong=f"{RESULTS}/adapters/{{model}}/overlong.csv",
    log:
        f"{RESULTS}/logs/train_lora/{{model}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/train_lora/{{model}}.tsv"
    priority: 50  # everything waits for the longest jobs: they start first
    conda:
        "../envs/main.yaml"
    threads: 8
    resources:
        gpu=lambda wildcards: PLAN.trainings[wildcards.model].nodes * PLAN.trainings[wildcards.model].gpus,
        nodes=lambda wildcards: PLAN.trainings[wildcards.model].nodes,
        # On several nodes the command starts its processes by srun itself: the plugin's name for that is `mpi`.
        mpi=lambda wildcards: on_several_nodes(wildcards, "srun"),
        tasks=lambda wildcards: on_several_nodes(wildcards, PLAN.trainings[wildcards.model].nodes),
        tasks_per_gpu=lambda wildcards: on_several_nodes(wildcards, 0),  # else it would be `tasks`
    params:
        script=script("train_lora"),
        sample=script("sample_gpu"),
        folder=output_folder,
        base=lambda wildcards: Untracked(PLAN.trainings[wildcards.model].base.folder),
        options=lambda wildcards: options(
            {
                "name": wildcards.model,
                "settings": PLAN.trainings[wildcards.model].settings,
                **picture_options(PLAN.trainings[wildcards.model]),
                "prompt": PLAN.prompt(PLAN.trainings[wildcards.model].input),
                "seed": PLAN.trainings[wildcards.model].seed,
                # One process a GPU; the script starts them by accelerate launch.
                "devices": PLAN.trainings[wildcards.model].processes,
                **node_options(PLAN.trainings[wildcards.model]),
                "digest_cache": DIGEST_CACHE,
            }
        ),
        # Without its code: hundreds of GPU hours are not thrown away for an edit. A warning names such adapters.
        identity=training_identity,
        code=lambda wildcards: Untracked(IDENTITIES.code_of("train_lora")),
    shell:
        "python {params.sample:q} --gpus={resources.gpu} {log:q}.gpu.jsonl python {params.script:q} --planned-code={params.code:q}"
        " --base {params.base:q} --train {input.train:q} --validation {input.validation:q} {params.options}"
        " --output-dir {params.folder:q} 3>&2 &> {log:q}"


rule merge_adapter:
    """Merge the adapter of a model into its base: a model that loads without peft."""
    input:
        base=lambda wildcards: PLAN.trainings[wildcards.model].base.manifest,
        adapter=f"{RESULTS}/adapters/{{model}}/adapter_model.safetensors",
    output:
        f"{RESULTS}/adapters/{{model}}/merged/merged.json",
    log:
        f"{RESULTS}/logs/merge_adapter/{{model}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/merge_adapter/{{model}}.tsv"
    conda:
        "../envs/main.yaml"
    threads: 4
    params:
        script=script("merge_adapter"),
        folder=output_folder,
        base=lambda wildcards: Untracked(PLAN.trainings[wildcards.model].base.folder),
        identity=identity("merge_adapter"),
    shell:
        "python {params.script:q} --planned-code={params.identity[code]:q} --base {params.base:q}"
        ' --adapter "$(dirname {input.adapter:q})" --output-dir {params.folder:q} 3>&2 &> {log:q}'
