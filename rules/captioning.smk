"""Captions of every system for the test split: one job a system.

Required: data/test.parquet, and for each family its models, adapters, images or features.
Outputs: captions/<system>.jsonl; unfinished parts lie in captions/<system>.jsonl.parts/, where a retry finds them.
"""


rule caption_llm:
    """Let an LLM, with or without adapter, caption the xml of each test drawing."""
    input:
        base=lambda wildcards: model_manifest(base_of(wildcards)["source"]),
        adapter=adapter_files,
        samples=f"{RESULTS}/data/test.parquet",
    output:
        f"{RESULTS}/captions/{{system}}.jsonl",
    log:
        f"{RESULTS}/logs/caption_llm/{{system}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/caption_llm/{{system}}.tsv"
    wildcard_constraints:
        system=systems_of_family("zero_shot", "lora", large=False),
    conda:
        "../envs/main.yaml"
    threads: 8
    resources:
        gpu=config["decoding"]["gpus"],
    params:
        script=script("caption_llm"),
        base=lambda wildcards: model_folder(base_of(wildcards)["source"]),
        adapter=adapter_option,
        prompt=json_param(config["prompt"]),
        decoding=json_param({key: value for key, value in config["decoding"].items() if key != "gpus"}),
        seed=seed_of("caption_llm"),
        code=code_digest("caption_llm"),
    shell:
        "python {params.script} --system {wildcards.system} --base {params.base} {params.adapter}"
        " --samples {input.samples} --prompt {params.prompt:q} --decoding {params.decoding:q} --seed {params.seed}"
        " --output {output} 3>&2 &> {log}"


use rule caption_llm as caption_large_llm with:
    wildcard_constraints:
        system=systems_of_family("zero_shot", "lora", large=True),


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
        system=systems_of_family("captioner", large=False),
    conda:
        lambda wildcards: f"../{config['captioners'][wildcards.system].get('environment', 'envs/main.yaml')}"
    threads: 8
    resources:
        gpu=lambda wildcards: config["captioners"][wildcards.system]["gpus"],
    params:
        script=script("caption_image"),
        captioner=lambda wildcards: config["captioners"][wildcards.system],
        python=lambda wildcards: config["captioners"][wildcards.system].get("python", "python"),
        model=lambda wildcards: model_folder(config["captioners"][wildcards.system]["source"]),
        tokenizer=lambda wildcards: captioner_option(wildcards, "tokenizer", "--tokenizer"),
        trust=lambda wildcards: (
            "--trust-remote-code" if config["captioners"][wildcards.system]["trust_remote_code"] else ""
        ),
        settings=lambda wildcards: as_json(config["captioners"][wildcards.system]["settings"]),
        seed=seed_of("caption_image"),
        code=lambda wildcards: code_digest(
            "caption_image", f"captioners/{config['captioners'][wildcards.system]['family']}"
        ),
    shell:
        "{params.python} {params.script} --captioner {wildcards.system}"
        " --family {params.captioner[family]} --model {params.model} {params.tokenizer} {params.trust}"
        " --images {input.images} --samples {input.samples} --settings {params.settings:q} --seed {params.seed}"
        " --output {output} 3>&2 &> {log}"


use rule caption_image as caption_large_image with:
    wildcard_constraints:
        system=systems_of_family("captioner", large=True),


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
