"""Captions of every system for the test split: one job a system, one for all systems of a base, or several for one.

Required: data/test.parquet, and for each family its models, adapters, images or features.
Outputs: captions/<system>.jsonl; unfinished parts lie in captions/<system>.jsonl.parts/, where a retry finds them.
Where jobs are grouped by base or scattered, they write to captions/passes/<base or system>/<shard>/ (LLMs) and
captions/shards/<system>/<shard>/ (captioners), and gather_captions puts the systems' files together.
"""


rule caption_llm:
    """Let an LLM system caption the xml of each test drawing."""
    input:
        base=lambda wildcards: model_manifest(base_of(wildcards)["source"]),
        adapters=adapter_files,
        train=example_files,
        samples=f"{RESULTS}/data/test.parquet",
    output:
        f"{RESULTS}/captions/{{system}}.jsonl",
    log:
        f"{RESULTS}/logs/caption_llm/{{system}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/caption_llm/{{system}}.tsv"
    wildcard_constraints:
        system=systems_with_own_job(*LLM_FAMILIES, large=False),
    conda:
        "../envs/vllm.yaml" if config["decoding"]["engine"] == "vllm" else "../envs/main.yaml"
    threads: 8
    resources:
        gpu=config["decoding"]["gpus"],
    params:
        script=script("caption_llm"),
        sample=script("sample_gpu"),
        python=config["decoding"].get("python", "python"),
        systems=systems_option,
        base=lambda wildcards: model_folder(base_of(wildcards)["source"]),
        train=lambda wildcards, input: f"--train {input.train}" if input.train else "",
        part="",
        folder=output_folder,
        prompt=json_param(config["prompt"]),
        decoding=json_param({key: config["decoding"][key] for key in config["decoding"] if key not in JOB_KEYS}),
        seed=seed_of("caption_llm"),
        code=code_digest("caption_llm", f"generation/llm_engines/{ENGINES[config['decoding']['engine']]}"),
    shell:
        "python {params.sample} {log}.gpu.jsonl {params.python} {params.script} --systems {params.systems:q} --base {params.base}"
        " --samples {input.samples} {params.train} {params.part}"
        " --prompt {params.prompt:q} --decoding {params.decoding:q} --seed {params.seed}"
        " --output-dir {params.folder} 3>&2 &> {log}"


use rule caption_llm as caption_large_llm with:
    wildcard_constraints:
        system=systems_with_own_job(*LLM_FAMILIES, large=True),


use rule caption_llm as caption_llm_pass with:
    # Let all LLM systems of a base, or one, caption the xml of the test drawings of a shard.
    output:
        f"{RESULTS}/captions/passes/{{llm_pass}}/{{shard}}/manifest.json",
    log:
        f"{RESULTS}/logs/caption_llm/{{llm_pass}}.{{shard}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/caption_llm/{{llm_pass}}.{{shard}}.tsv"
    wildcard_constraints:
        llm_pass=llm_passes(large=False),
    params:
        part=lambda wildcards, output: f"--shard {shard_option(wildcards)} --manifest {output}",


use rule caption_llm_pass as caption_large_llm_pass with:
    wildcard_constraints:
        llm_pass=llm_passes(large=True),


rule caption_image:
    """Let a captioner caption the image of each test drawing."""
    input:
        models=captioner_models,
        samples=f"{RESULTS}/data/test.parquet",
        images=f"{RESULTS}/images/test.parquet",
    output:
        f"{RESULTS}/captions/{{system}}.jsonl",
    log:
        f"{RESULTS}/logs/caption_image/{{system}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/caption_image/{{system}}.tsv"
    wildcard_constraints:
        system=systems_with_own_job("captioner", large=False),
    conda:
        lambda wildcards: f"../{config['captioners'][wildcards.system].get('environment', 'envs/main.yaml')}"
    threads: 8
    resources:
        gpu=lambda wildcards: config["captioners"][wildcards.system]["gpus"],
    params:
        script=script("caption_image"),
        sample=script("sample_gpu"),
        captioner=lambda wildcards: config["captioners"][wildcards.system],
        python=lambda wildcards: config["captioners"][wildcards.system].get("python", "python"),
        model=lambda wildcards: model_folder(config["captioners"][wildcards.system]["source"]),
        tokenizer=lambda wildcards: captioner_option(wildcards, "tokenizer", "--tokenizer"),
        trust=lambda wildcards: (
            "--trust-remote-code" if config["captioners"][wildcards.system]["trust_remote_code"] else ""
        ),
        settings=lambda wildcards: as_json(config["captioners"][wildcards.system]["settings"]),
        part="",
        seed=seed_of("caption_image"),
        code=lambda wildcards: code_digest(
            "caption_image", f"generation/captioners/{config['captioners'][wildcards.system]['family']}"
        ),
    shell:
        "python {params.sample} {log}.gpu.jsonl {params.python} {params.script} --captioner {wildcards.system}"
        " --family {params.captioner[family]} --model {params.model} {params.tokenizer} {params.trust}"
        " --images {input.images} --samples {input.samples} {params.part}"
        " --settings {params.settings:q} --seed {params.seed}"
        " --output {output} 3>&2 &> {log}"


use rule caption_image as caption_large_image with:
    wildcard_constraints:
        system=systems_with_own_job("captioner", large=True),


use rule caption_image as caption_image_shard with:
    # Let a captioner caption the images of the test drawings of a shard.
    output:
        f"{RESULTS}/captions/shards/{{system}}/{{shard}}/{{system}}.jsonl",
    log:
        f"{RESULTS}/logs/caption_image/{{system}}.{{shard}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/caption_image/{{system}}.{{shard}}.tsv"
    wildcard_constraints:
        system=systems_of_family("captioner", large=False),
    params:
        part=lambda wildcards: f"--shard {shard_option(wildcards)}",


use rule caption_image_shard as caption_large_image_shard with:
    wildcard_constraints:
        system=systems_of_family("captioner", large=True),


rule gather_captions:
    """Put a system's captions together that several jobs have written."""
    input:
        shards=gathered_inputs,
        samples=f"{RESULTS}/data/test.parquet",
    output:
        f"{RESULTS}/captions/{{system}}.jsonl",
    log:
        f"{RESULTS}/logs/gather_captions/{{system}}.log",
    wildcard_constraints:
        system=gathered_systems(),
    localrule: True
    conda:
        "../envs/main.yaml"
    params:
        script=script("gather_captions"),
        files=gathered_files,
        code=code_digest("gather_captions"),
    shell:
        "python {params.script} --shards {params.files} --samples {input.samples} --output {output} 3>&2 &> {log}"


rule import_captions:
    """Import captions that were made elsewhere, matched by id."""
    input:
        predictions=lambda wildcards: config["systems"][wildcards.system]["path"],
        samples=f"{RESULTS}/data/test.parquet",
    output:
        captions=f"{RESULTS}/captions/{{system}}.jsonl",
        record=f"{RESULTS}/imports/{{system}}.json",
    log:
        f"{RESULTS}/logs/import_captions/{{system}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/import_captions/{{system}}.tsv"
    wildcard_constraints:
        system=systems_of_family("file"),
    localrule: True
    conda:
        "../envs/main.yaml"
    params:
        script=script("import_captions"),
        fields=lambda wildcards: as_json(config["systems"][wildcards.system]["fields"]),
        markers=json_param(config["health"]["failure_markers"]),
        code=code_digest("import_captions"),
    shell:
        "python {params.script} --predictions {input.predictions:q} --samples {input.samples}"
        " --fields {params.fields:q} --failure-markers {params.markers:q} --output {output.captions}"
        " --record {output.record} 3>&2 &> {log}"


rule caption_baseline:
    """Caption without a model: a constant, or the caption of the nearest train image."""
    input:
        unpack(baseline_inputs),
    output:
        f"{RESULTS}/captions/{{system}}.jsonl",
    log:
        f"{RESULTS}/logs/caption_baseline/{{system}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/caption_baseline/{{system}}.tsv"
    wildcard_constraints:
        system=systems_of_family("baseline"),
    conda:
        "../envs/main.yaml"
    params:
        script=script("caption_baseline"),
        features=lambda wildcards, input: (
            f"--train-features {input.train_features} --features {input.features}"
            if wildcards.system == "clip_nearest"
            else ""
        ),
        code=code_digest("caption_baseline"),
    shell:
        "python {params.script} --kind {wildcards.system} --train {input.train}"
        " --samples {input.samples} {params.features} --output {output} 3>&2 &> {log}"
