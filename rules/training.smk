"""LoRA training: one job a model, and merging where it is wanted.

Required: the base model, data/train.parquet, data/validation.parquet.
Outputs: adapters/<model>/ with the adapter, its resolved settings, its history and a summary. Checkpoints lie in
adapters/<model>/checkpoints/, undeclared, so that a retry finds them. With `merge: true` adapters/<model>/merged/.
"""


rule train_lora:
    """Train the LoRA adapter of a model."""
    input:
        base=lambda wildcards: model_manifest(base_of(wildcards)["source"]),
        train=f"{RESULTS}/data/train.parquet",
        validation=f"{RESULTS}/data/validation.parquet",
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
        gpu=lambda wildcards: config["models"][wildcards.model]["gpus"],
    params:
        script=script("train_lora"),
        sample=script("sample_gpu"),
        folder=output_folder,
        # No code digest here: hundreds of GPU hours are not thrown away for an edit. warn_of_stale_training tells.
        base=lambda wildcards: model_folder(base_of(wildcards)["source"]),
        settings=lambda wildcards: as_json(config["models"][wildcards.model]["settings"]),
        prompt=json_param(config["prompt"]),
        # One process a GPU; the script starts them by accelerate launch.
        devices=lambda wildcards: max(1, config["models"][wildcards.model]["gpus"]),
        seed=seed_of("train_lora"),
    shell:
        "python {params.sample} {log}.gpu.jsonl python {params.script} --name {wildcards.model} --base {params.base} --train {input.train}"
        " --validation {input.validation} --prompt {params.prompt:q} --settings {params.settings:q}"
        " --seed {params.seed} --devices {params.devices} --output-dir {params.folder} 3>&2 &> {log}"


rule merge_adapter:
    """Merge the adapter of a model into its base: a model that loads without peft."""
    input:
        base=lambda wildcards: model_manifest(base_of(wildcards)["source"]),
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
        base=lambda wildcards: model_folder(base_of(wildcards)["source"]),
        code=code_digest("merge_adapter"),
    shell:
        "python {params.script} --base {params.base} --adapter $(dirname {input.adapter})"
        " --output-dir {params.folder} 3>&2 &> {log}"
