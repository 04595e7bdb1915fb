"""Scores: one job a system and metric, so that a new one computes only itself.

Required: captions/<system>.jsonl, data/test.parquet, images/<split>.parquet, the CLIP model.
Outputs: tokens/, exports/, clip_features/<split>.parquet and references.parquet, mismatch.json and .csv, scores/<system>/<metric>.json and .parquet, health/<system>.json and
.parquet, human/<metric>.json and .parquet, comparison.*.
"""

CLIP = PLAN.clip


if CLIP:

    rule extract_clip_features:
        """Compute the CLIP features of the images of a split, once for all systems."""
        input:
            clip=CLIP.manifest,
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
            clip=Untracked(CLIP.folder),
            identity=identity("extract_clip_features"),
        shell:
            "python {params.sample:q} --gpus={resources.gpu} {log:q}.gpu.jsonl python {params.script:q}"
            " --planned-code={params.identity[code]:q} --clip {params.clip:q} --images {input.images:q}"
            " --output {output:q} 3>&2 &> {log:q}"

    rule extract_reference_features:
        """Compute the CLIP features of the references of the test split, once for all systems."""
        input:
            clip=CLIP.manifest,
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
            clip=Untracked(CLIP.folder),
            identity=identity("extract_reference_features"),
        shell:
            "python {params.sample:q} --gpus={resources.gpu} {log:q}.gpu.jsonl python {params.script:q}"
            " --planned-code={params.identity[code]:q} --clip {params.clip:q} --samples {input.samples:q}"
            " --output {output:q} 3>&2 &> {log:q}"

    rule rank_references:
        """Rank the references of the test split for their own pictures, to find captions of other drawings."""
        input:
            samples=f"{RESULTS}/data/test.parquet",
            features=f"{RESULTS}/clip_features/test.parquet",
            reference_features=f"{RESULTS}/clip_features/references.parquet",
        output:
            ranks=f"{RESULTS}/mismatch.json",
            table=f"{RESULTS}/mismatch.csv",
        log:
            f"{RESULTS}/logs/rank_references.log",
        benchmark:
            f"{RESULTS}/benchmarks/rank_references.tsv"
        conda:
            "../envs/main.yaml"
        params:
            script=script("rank_references"),
            seed=Untracked(str(PLAN.seed("rank_references"))),
            identity=identity("rank_references", seed=PLAN.seed("rank_references")),
        shell:
            "python {params.script:q} --planned-code={params.identity[code]:q} --samples {input.samples:q}"
            " --features {input.features:q} --reference-features {input.reference_features:q} --seed={params.seed}"
            " --output {output.ranks:q} --table {output.table:q} 3>&2 &> {log:q}"

    rule score_clip:
        """Score the captions of a system against the images by CLIP."""
        input:
            clip=CLIP.manifest,
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
            clip=Untracked(CLIP.folder),
            identity=identity("score_clip", "scoring/metrics/clip_score"),
        shell:
            "python {params.sample:q} --gpus={resources.gpu} {log:q}.gpu.jsonl python {params.script:q}"
            " --planned-code={params.identity[code]:q} --system {wildcards.system} --clip {params.clip:q}"
            " --captions {input.captions:q} --samples {input.samples:q} --features {input.features:q}"
            " --reference-features {input.reference_features:q} --output {output.scores:q} --table {output.table:q}"
            " 3>&2 &> {log:q}"


rule tokenize_references:
    """Tokenise the references of the test split as the metrics want them (PTB), by the script tokenize_captions."""
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
        identity=identity("tokenize_captions"),
    shell:
        "python {params.script:q} --planned-code={params.identity[code]:q} --samples {input:q} --output {output.tokens:q}"
        " --paraphrases {output.paraphrases:q} 3>&2 &> {log:q}"


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
        identity=identity("tokenize_captions"),
    shell:
        "python {params.script:q} --planned-code={params.identity[code]:q} --captions {input:q} --output {output:q} 3>&2 &> {log:q}"


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
    wildcard_constraints:
        metric=one_of(PLAN.text_metrics),
    conda:
        "../envs/main.yaml"
    params:
        script=script("score_text"),
        options=metric_options,
        identity=lambda wildcards: identity(
            "score_text", f"scoring/metrics/{wildcards.metric}", settings=metric_settings(wildcards.metric)
        ),
    shell:
        "python {params.script:q} --planned-code={params.identity[code]:q} --metric {wildcards.metric} --system {wildcards.system}"
        " --captions {input.captions:q} --samples {input.samples:q} --tokens {input.tokens:q}"
        " --reference-tokens {input.reference_tokens:q} --paraphrases {input.paraphrases:q} {params.options}"
        " --output {output.scores:q}"
        " --table {output.table:q} 3>&2 &> {log:q}"


rule import_scores:
    """Import the per-sample scores of another tool, for all systems at once: its file is refused as a whole."""
    input:
        scores=imported_scores,
        captions=expand(f"{RESULTS}/captions/{{system}}.jsonl", system=PLAN.systems),
    output:
        [f"{RESULTS}/scores/{system}/{{metric}}.{ending}" for system in PLAN.systems for ending in ("json", "parquet")],
    log:
        f"{RESULTS}/logs/import_scores/{{metric}}.log",
    wildcard_constraints:
        metric=one_of(PLAN.imported_metrics),
    localrule: True
    conda:
        "../envs/main.yaml"
    params:
        script=script("import_scores"),
        options=imported_options,
        captions_dir=Untracked(f"{RESULTS}/captions"),
        scores_dir=Untracked(f"{RESULTS}/scores"),
        identity=imported_identity,
    shell:
        "python {params.script:q} --planned-code={params.identity[code]:q} --metric {wildcards.metric} --file {input.scores:q}"
        " --captions-dir {params.captions_dir:q} {params.options} --scores-dir {params.scores_dir:q} 3>&2 &> {log:q}"


rule score_human:
    """Compute the leave-one-out human score of a text metric: each reference against the others."""
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
        identity=lambda wildcards: identity(
            "score_human", f"scoring/metrics/{wildcards.metric}", settings=metric_settings(wildcards.metric)
        ),
    shell:
        "python {params.script:q} --planned-code={params.identity[code]:q} --metric {wildcards.metric} --samples {input.samples:q}"
        " --reference-tokens {input.reference_tokens:q} {params.options}"
        " --output {output.scores:q} --table {output.table:q}"
        " 3>&2 &> {log:q}"


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
        options=lambda wildcards: options(
            {
                "system": wildcards.system,
                "family": PLAN.systems[wildcards.system].family,
                "instruction": config["prompt"]["instruction"],
                "settings": config["health"],
            }
        ),
        identity=lambda wildcards: identity(
            "caption_health",
            "health",
            family=PLAN.systems[wildcards.system].family,
            instruction=config["prompt"]["instruction"],
        ),
    shell:
        "python {params.script:q} --planned-code={params.identity[code]:q} {params.options}"
        " --captions {input.captions:q} --samples {input.samples:q}"
        " --output {output.summary:q} --table {output.table:q} 3>&2 &> {log:q}"


rule compare:
    """Compare all systems on the same samples, with intervals."""
    input:
        samples=f"{RESULTS}/data/test.parquet",
        scores=expand(
            f"{RESULTS}/scores/{{system}}/{{metric}}.{{ending}}",
            system=PLAN.systems,
            metric=[*config["metrics"], *PLAN.imported_metrics],
            ending=["json", "parquet"],
        ),
        human=expand(
            f"{RESULTS}/human/{{metric}}.{{ending}}",
            metric=PLAN.text_metrics,
            ending=["json", "parquet"],
        ),
        token_counts=[f"{RESULTS}/captions/{PLAN.first_llm}.jsonl"] if PLAN.first_llm else [],
        health=expand(f"{RESULTS}/health/{{system}}.{{ending}}", system=PLAN.systems, ending=["json", "parquet"]),
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
        options=lambda wildcards, input: options(
            {
                "experiment": config["experiment"],
                "systems": PLAN.describe_rows(),
                "metrics": tuple(config["metrics"]),
                "imported": tuple(PLAN.imported_metrics),
                "scores_dir": f"{RESULTS}/scores",
                "health_dir": f"{RESULTS}/health",
                "human_dir": f"{RESULTS}/human" if input.human else None,
                "token_counts": input.token_counts[0] if input.token_counts else None,
                "slices": tuple(config["comparison"]["slices"]),
                "aggregates": config["comparison"]["aggregates"],
                "published": config["published"],
                "n_resamples": config["comparison"]["n_resamples"],
                "confidence": config["comparison"]["confidence"],
                "seed": PLAN.seed("compare"),
            }
        ),
        identity=identity(
            "compare",
            *(f"scoring/metrics/{metric}" for metric in config["metrics"]),
            "comparison",
            "published",
            systems=list(PLAN.describe_rows().items()),
            metrics=[*config["metrics"], *PLAN.imported_metrics],
            seed=PLAN.seed("compare"),
        ),
    shell:
        "python {params.script:q} --planned-code={params.identity[code]:q} {params.options} --samples {input.samples:q}"
        " --output {output.comparison:q} --table {output.table:q} --text {output.text:q} 3>&2 &> {log:q}"


rule export_captions:
    """Write captions and references in the layouts of other evaluation tools."""
    input:
        samples=f"{RESULTS}/data/test.parquet",
        captions=expand(f"{RESULTS}/captions/{{system}}.jsonl", system=PLAN.systems),
    output:
        expand(
            f"{RESULTS}/exports/{{name}}",
            name=[
                "coco/annotations.json",
                *(f"coco/results/{system}.json" for system in PLAN.systems),
                "capevalkit/references.jsonl",
                *(f"capevalkit/predictions/{system}.jsonl" for system in PLAN.systems),
            ],
        ),
    log:
        f"{RESULTS}/logs/export_captions.log",
    localrule: True
    conda:
        "../envs/main.yaml"
    params:
        script=script("export_captions"),
        options=options(
            {
                "systems": tuple(PLAN.systems),
                "captions_dir": f"{RESULTS}/captions",
                "output_dir": f"{RESULTS}/exports",
            }
        ),
        identity=identity("export_captions"),
    shell:
        "python {params.script:q} --planned-code={params.identity[code]:q} {params.options} --samples {input.samples:q}"
        " 3>&2 &> {log:q}"
