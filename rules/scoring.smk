"""Scores: one job a system and metric, so that a new one computes only itself.

Required: captions/<system>.jsonl, data/test.parquet, images/<split>.parquet, the CLIP model.
Outputs: tokens/, clip_features/<split>.parquet and references.parquet, scores/<system>/<metric>.json and .parquet, health/<system>.json and
.parquet, human/<metric>.json and .parquet, comparison.*.
"""


rule extract_clip_features:
    """Compute the CLIP features of the images of a split, once for all systems."""
    input:
        clip=clip_ready(),
        images=f"{RESULTS}/images/{{split}}.parquet",
    output:
        f"{RESULTS}/clip_features/{{split}}.parquet",
    log:
        f"{RESULTS}/logs/extract_clip_features/{{split}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/extract_clip_features/{{split}}.tsv"
    conda:
        "../envs/main.yaml"
    threads: 8
    resources:
        gpu=config["decoding"]["gpus"],
    params:
        script=script("extract_clip_features"),
        sample=script("sample_gpu"),
        clip=clip_folder,
        code=code_digest("extract_clip_features"),
    shell:
        "python {params.sample} {log}.gpu.jsonl python {params.script} --clip {params.clip} --images {input.images} --output {output}"
        " 3>&2 &> {log}"


rule extract_reference_features:
    """Compute the CLIP features of the references of the test split, once for all systems."""
    input:
        clip=clip_ready(),
        samples=f"{RESULTS}/data/test.parquet",
    output:
        f"{RESULTS}/clip_features/references.parquet",
    log:
        f"{RESULTS}/logs/extract_reference_features.log",
    benchmark:
        f"{RESULTS}/benchmarks/extract_reference_features.tsv"
    conda:
        "../envs/main.yaml"
    threads: 4
    resources:
        gpu=config["decoding"]["gpus"],
    params:
        script=script("extract_reference_features"),
        sample=script("sample_gpu"),
        clip=clip_folder,
        code=code_digest("extract_reference_features"),
    shell:
        "python {params.sample} {log}.gpu.jsonl python {params.script} --clip {params.clip} --samples {input.samples} --output {output} 3>&2 &> {log}"


rule tokenize_references:
    """Tokenise the references of the test split as the metrics want them (PTB)."""
    input:
        f"{RESULTS}/data/test.parquet",
    output:
        tokens=f"{RESULTS}/tokens/references.jsonl",
        paraphrases=f"{RESULTS}/tokens/paraphrases.gz",
    log:
        f"{RESULTS}/logs/tokenize_captions/references.log",
    benchmark:
        f"{RESULTS}/benchmarks/tokenize_references/references.tsv"
    conda:
        "../envs/main.yaml"
    params:
        script=script("tokenize_captions"),
        code=code_digest("tokenize_captions"),
    shell:
        "python {params.script} --samples {input} --output {output.tokens}"
        " --paraphrases {output.paraphrases} 3>&2 &> {log}"


rule tokenize_captions:
    """Tokenise the captions of a system as the metrics want them (PTB)."""
    input:
        f"{RESULTS}/captions/{{system}}.jsonl",
    output:
        f"{RESULTS}/tokens/systems/{{system}}.jsonl",
    log:
        f"{RESULTS}/logs/tokenize_captions/{{system}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/tokenize_captions/{{system}}.tsv"
    conda:
        "../envs/main.yaml"
    params:
        script=script("tokenize_captions"),
        code=code_digest("tokenize_captions"),
    shell:
        "python {params.script} --captions {input} --output {output} 3>&2 &> {log}"


rule score_text:
    """Score the captions of a system by a metric that reads text."""
    input:
        captions=f"{RESULTS}/captions/{{system}}.jsonl",
        samples=f"{RESULTS}/data/test.parquet",
        tokens=f"{RESULTS}/tokens/systems/{{system}}.jsonl",
        reference_tokens=f"{RESULTS}/tokens/references.jsonl",
        paraphrases=f"{RESULTS}/tokens/paraphrases.gz",
        model=metric_models,
    output:
        scores=f"{RESULTS}/scores/{{system}}/{{metric}}.json",
        table=f"{RESULTS}/scores/{{system}}/{{metric}}.parquet",
    log:
        f"{RESULTS}/logs/score_text/{{system}}.{{metric}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/score_text/{{system}}.{{metric}}.tsv"
    conda:
        "../envs/main.yaml"
    params:
        script=script("score_text"),
        options=metric_options,
        code=lambda wildcards: code_digest("score_text", f"scoring/metrics/{wildcards.metric}"),
    shell:
        "python {params.script} --metric {wildcards.metric} --system {wildcards.system}"
        " --captions {input.captions} --samples {input.samples} --tokens {input.tokens}"
        " --reference-tokens {input.reference_tokens} --paraphrases {input.paraphrases} {params.options}"
        " --output {output.scores}"
        " --table {output.table} 3>&2 &> {log}"


rule score_clip:
    """Score the captions of a system against the images by CLIP."""
    input:
        clip=clip_ready(),
        captions=f"{RESULTS}/captions/{{system}}.jsonl",
        samples=f"{RESULTS}/data/test.parquet",
        features=f"{RESULTS}/clip_features/test.parquet",
        reference_features=f"{RESULTS}/clip_features/references.parquet",
    output:
        scores=f"{RESULTS}/scores/{{system}}/clip_score.json",
        table=f"{RESULTS}/scores/{{system}}/clip_score.parquet",
    log:
        f"{RESULTS}/logs/score_clip/{{system}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/score_clip/{{system}}.tsv"
    conda:
        "../envs/main.yaml"
    threads: 4
    resources:
        gpu=config["decoding"]["gpus"],
    params:
        script=script("score_clip"),
        sample=script("sample_gpu"),
        clip=clip_folder,
        code=code_digest("score_clip", "scoring/metrics/clip_score"),
    shell:
        "python {params.sample} {log}.gpu.jsonl python {params.script} --system {wildcards.system} --clip {params.clip} --captions {input.captions}"
        " --samples {input.samples} --features {input.features} --reference-features {input.reference_features}"
        " --output {output.scores} --table {output.table}"
        " 3>&2 &> {log}"


# Both rules could make clip_score files; images belong to this one.
ruleorder: score_clip > score_text


rule score_human:
    """Score human agreement by a metric that reads text: each reference against the others."""
    input:
        samples=f"{RESULTS}/data/test.parquet",
        reference_tokens=f"{RESULTS}/tokens/references.jsonl",
        model=metric_models,
    output:
        scores=f"{RESULTS}/human/{{metric}}.json",
        table=f"{RESULTS}/human/{{metric}}.parquet",
    log:
        f"{RESULTS}/logs/score_human/{{metric}}.log",
    conda:
        "../envs/main.yaml"
    params:
        script=script("score_human"),
        options=metric_options,
        code=lambda wildcards: code_digest("score_human", f"scoring/metrics/{wildcards.metric}"),
    shell:
        "python {params.script} --metric {wildcards.metric} --samples {input.samples}"
        " --reference-tokens {input.reference_tokens} {params.options}"
        " --output {output.scores} --table {output.table}"
        " 3>&2 &> {log}"


rule caption_health:
    """Look at the captions of a system for what scores hide."""
    input:
        captions=f"{RESULTS}/captions/{{system}}.jsonl",
        samples=f"{RESULTS}/data/test.parquet",
    output:
        summary=f"{RESULTS}/health/{{system}}.json",
        table=f"{RESULTS}/health/{{system}}.parquet",
    log:
        f"{RESULTS}/logs/caption_health/{{system}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/caption_health/{{system}}.tsv"
    conda:
        "../envs/main.yaml"
    params:
        script=script("caption_health"),
        family=lambda wildcards: SYSTEMS[wildcards.system]["family"],
        instruction=lambda wildcards: config["prompt"]["instruction"],
        settings=json_param(config["health"]),
        code=code_digest("caption_health"),
    shell:
        "python {params.script} --system {wildcards.system} --family {params.family} --captions {input.captions}"
        " --samples {input.samples} --instruction {params.instruction:q} --settings {params.settings:q}"
        " --output {output.summary} --table {output.table} 3>&2 &> {log}"


rule compare:
    """Compare all systems on the same samples, with intervals."""
    input:
        samples=f"{RESULTS}/data/test.parquet",
        scores=expand(
            f"{RESULTS}/scores/{{system}}/{{metric}}.{{ending}}",
            system=SYSTEMS,
            metric=config["metrics"],
            ending=["json", "parquet"],
        ),
        human=expand(
            f"{RESULTS}/human/{{metric}}.{{ending}}",
            metric=[metric for metric in config["metrics"] if metric != "clip_score"],
            ending=["json", "parquet"],
        ),
        token_counts=token_counts,
        health=expand(f"{RESULTS}/health/{{system}}.{{ending}}", system=SYSTEMS, ending=["json", "parquet"]),
    output:
        comparison=f"{RESULTS}/comparison.json",
        table=report(
            f"{RESULTS}/comparison.csv",
            category="Scores",
            labels={"table": "all scores"},
            caption="../workflow/report/scores.rst",
        ),
        text=f"{RESULTS}/comparison.txt",
    log:
        f"{RESULTS}/logs/compare.log",
    benchmark:
        f"{RESULTS}/benchmarks/compare.tsv"
    conda:
        "../envs/main.yaml"
    params:
        script=script("compare"),
        experiment=config["experiment"],
        systems=json_param(SYSTEMS),
        metrics=config["metrics"],
        scores=lambda wildcards, input: Path(input.scores[0]).parent.parent,
        health=lambda wildcards, input: Path(input.health[0]).parent,
        human=lambda wildcards, input: f"--human-dir {Path(input.human[0]).parent}" if input.human else "",
        token_counts=lambda wildcards, input: f"--token-counts {input.token_counts}" if input.token_counts else "",
        settings=config["comparison"],
        seed=seed_of("compare"),
        code=code_digest("compare", *(f"scoring/metrics/{metric}" for metric in config["metrics"])),
    shell:
        "python {params.script} --experiment {params.experiment} --samples {input.samples}"
        " --systems {params.systems:q} --metrics {params.metrics} --scores-dir {params.scores}"
        " --health-dir {params.health} {params.human} {params.token_counts}"
        " --slices {params.settings[slices]}"
        " --n-resamples {params.settings[n_resamples]} --confidence {params.settings[confidence]}"
        " --seed {params.seed} --output {output.comparison} --table {output.table} --text {output.text}"
        " 3>&2 &> {log}"
