"""Captions of every system for the test split: one job a system, one for all systems of a base, or several for one.

Required: data/test.parquet, and for each family its models, adapters, images or features.
Outputs: captions/<system>.jsonl; unfinished parts lie in captions/<system>.jsonl.parts/, where a retry finds them.
Where jobs are grouped by base or sharded, they write to captions/passes/<base or system>/<shard>/ (LLMs) and
captions/shards/<system>/<shard>/ (captioners), and gather_captions puts the systems' files together.
"""


rule caption_llm:
    """Let an LLM system caption each test drawing: by its xml, or by its picture where the base reads pictures."""
    input:
        base=lambda wildcards: llm_job(wildcards).base.manifest,
        adapters=lambda wildcards: llm_job(wildcards).adapters,
        train=lambda wildcards: [f"{RESULTS}/data/train.parquet"] if llm_job(wildcards).shows_examples else [],
        samples=f"{RESULTS}/data/test.parquet",
        images=lambda wildcards: list(llm_job(wildcards).images.values()),
    output:
        f"{RESULTS}/captions/{{system}}.jsonl",
    log:
        f"{RESULTS}/logs/caption_llm/{{system}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/caption_llm/{{system}}.tsv"
    wildcard_constraints:
        system=one_of(PLAN.with_one_job("zero_shot", "few_shot", "lora")),
    conda:
        "../envs/vllm.yaml" if config["decoding"]["engine"] == "vllm" else "../envs/main.yaml"
    threads: 8
    resources:
        gpu=config["decoding"]["gpus"],
    params:
        script=script("caption_llm"),
        sample=script("sample_gpu"),
        python=Untracked(config["decoding"].get("python", "python")),
        base=lambda wildcards: Untracked(llm_job(wildcards).base.folder),
        options=lambda wildcards, input: llm_options(
            wildcards, seed=PLAN.seed("caption_llm"), train=input.train[0] if input.train else None
        ),
        part="",
        folder=output_folder,
        identity=llm_identity,
    shell:
        "python {params.sample:q} --gpus={resources.gpu} {log:q}.gpu.jsonl {params.python:q} {params.script:q}"
        " --planned-code={params.identity[code]:q} --base {params.base:q} --samples {input.samples:q}"
        " {params.options} {params.part} --output-dir {params.folder:q} 3>&2 &> {log:q}"


use rule caption_llm as caption_llm_pass with:
    # Let all LLM systems of a base, or one, caption a shard, by the script of caption_llm.
    output:
        f"{RESULTS}/captions/passes/{{llm_pass}}/{{shard}}/manifest.json",
    log:
        f"{RESULTS}/logs/caption_llm/{{llm_pass}}.{{shard}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/caption_llm/{{llm_pass}}.{{shard}}.tsv"
    wildcard_constraints:
        llm_pass=one_of(PLAN.llm_jobs),
    params:
        part=lambda wildcards, output: Untracked(f"--shard {shard_option(wildcards)} --manifest {output}"),


rule caption_image:
    """Let a captioner caption the image of each test drawing."""
    input:
        models=lambda wildcards: PLAN.captioners[wildcards.system].manifests,
        samples=f"{RESULTS}/data/test.parquet",
        images=f"{RESULTS}/images/test.parquet",
    output:
        f"{RESULTS}/captions/{{system}}.jsonl",
    log:
        f"{RESULTS}/logs/caption_image/{{system}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/caption_image/{{system}}.tsv"
    wildcard_constraints:
        system=one_of(PLAN.with_one_job("captioner")),
    conda:
        lambda wildcards: f"../{PLAN.captioners[wildcards.system].environment}"
    threads: 8
    resources:
        gpu=lambda wildcards: PLAN.captioners[wildcards.system].gpus,
    params:
        script=script("caption_image"),
        sample=script("sample_gpu"),
        python=lambda wildcards: Untracked(PLAN.captioners[wildcards.system].python),
        options=captioner_options,
        part="",
        identity=captioner_identity,
    shell:
        "python {params.sample:q} --gpus={resources.gpu} {log:q}.gpu.jsonl {params.python:q} {params.script:q}"
        " --planned-code={params.identity[code]:q} {params.options} --images {input.images:q}"
        " --samples {input.samples:q} {params.part} --output {output:q} 3>&2 &> {log:q}"


use rule caption_image as caption_image_shard with:
    # Let a captioner caption the images of a shard, by the script of caption_image.
    output:
        f"{RESULTS}/captions/shards/{{system}}/{{shard}}/{{system}}.jsonl",
    log:
        f"{RESULTS}/logs/caption_image/{{system}}.{{shard}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/caption_image/{{system}}.{{shard}}.tsv"
    wildcard_constraints:
        system=one_of(PLAN.captioners),
    params:
        part=lambda wildcards: Untracked(f"--shard {shard_option(wildcards)}"),


rule gather_captions:
    """Put a system's captions together that several jobs have written."""
    input:
        shards=lambda wildcards: PLAN.systems[wildcards.system].parts_ready,
        samples=f"{RESULTS}/data/test.parquet",
    output:
        f"{RESULTS}/captions/{{system}}.jsonl",
    log:
        f"{RESULTS}/logs/gather_captions/{{system}}.log",
    wildcard_constraints:
        system=one_of(PLAN.gathered),
    localrule: True
    conda:
        "../envs/main.yaml"
    params:
        script=script("gather_captions"),
        shards=lambda wildcards: options({"shards": PLAN.systems[wildcards.system].parts}),
        identity=identity("gather_captions"),
    shell:
        "python {params.script:q} --planned-code={params.identity[code]:q} {params.shards}"
        " --samples {input.samples:q} --output {output:q} 3>&2 &> {log:q}"


rule caption_endpoint:
    """Ask an endpoint for the caption of each test drawing, where Snakemake runs: compute nodes often lack network."""
    input:
        samples=f"{RESULTS}/data/test.parquet",
        images=lambda wildcards: PLAN.endpoints[wildcards.system].images or [],
    output:
        captions=f"{RESULTS}/captions/{{system}}.jsonl",
        record=f"{RESULTS}/endpoints/{{system}}.json",
    log:
        f"{RESULTS}/logs/caption_endpoint/{{system}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/caption_endpoint/{{system}}.tsv"
    wildcard_constraints:
        system=one_of(PLAN.endpoints),
    localrule: True
    conda:
        "../envs/main.yaml"
    params:
        script=script("caption_endpoint"),
        options=endpoint_options,
        identity=endpoint_identity,
    shell:
        "python {params.script:q} --planned-code={params.identity[code]:q} {params.options}"
        " --samples {input.samples:q} --output {output.captions:q} --record {output.record:q} 3>&2 &> {log:q}"


rule import_captions:
    """Import captions that were made elsewhere, matched by id."""
    input:
        predictions=lambda wildcards: ancient(config["systems"][wildcards.system]["path"]),
        samples=f"{RESULTS}/data/test.parquet",
    output:
        captions=f"{RESULTS}/captions/{{system}}.jsonl",
        record=f"{RESULTS}/imports/{{system}}.json",
    log:
        f"{RESULTS}/logs/import_captions/{{system}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/import_captions/{{system}}.tsv"
    wildcard_constraints:
        system=one_of(PLAN.systems_of("file")),
    localrule: True
    conda:
        "../envs/main.yaml"
    params:
        script=script("import_captions"),
        options=lambda wildcards: options(
            {
                "fields": config["systems"][wildcards.system]["fields"],
                "failure_markers": config["health"]["failure_markers"],
            }
        ),
        identity=lambda wildcards: identity(
            "import_captions",
            fields=config["systems"][wildcards.system]["fields"],
            markers=config["health"]["failure_markers"],
            content={"predictions": config["systems"][wildcards.system]["path"]},
        ),
    shell:
        "python {params.script:q} --planned-code={params.identity[code]:q} --predictions {input.predictions:q}"
        " --samples {input.samples:q} {params.options} --output {output.captions:q} --record {output.record:q} 3>&2 &> {log:q}"


rule caption_baseline:
    """Caption without a model: a constant, or the caption of the nearest train drawing."""
    input:
        unpack(baseline_features),
        train=f"{RESULTS}/data/train.parquet",
        samples=f"{RESULTS}/data/test.parquet",
    output:
        f"{RESULTS}/captions/{{system}}.jsonl",
    log:
        f"{RESULTS}/logs/caption_baseline/{{system}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/caption_baseline/{{system}}.tsv"
    wildcard_constraints:
        system=one_of(PLAN.systems_of("baseline")),
    conda:
        "../envs/main.yaml"
    params:
        script=script("caption_baseline"),
        features=lambda wildcards: options(baseline_features(wildcards)),
        identity=identity("caption_baseline"),
    shell:
        "python {params.script:q} --planned-code={params.identity[code]:q} --kind {wildcards.system}"
        " --train {input.train:q} --samples {input.samples:q} {params.features} --output {output:q} 3>&2 &> {log:q}"
