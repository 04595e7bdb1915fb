"""Judges: models that score captions, for the metrics clair, caption_qa and image_judge; one job for all systems.

Required: captions/<system>.jsonl of all systems, data/test.parquet, images/test.parquet for image_judge, the questions
for caption_qa, the judge.
Outputs: scores/<system>/<metric>.json and .parquet, judgements/<metric>/<system>.jsonl, judges/<metric>.json.
"""


rule score_judge:
    """Let a base score the captions of all systems: a sample that it fails on has no value for any of them."""
    input:
        base=lambda wildcards: PLAN.judges[wildcards.metric].base.manifest,
        samples=f"{RESULTS}/data/test.parquet",
        images=judge_images,
        questions=judge_questions,
        captions=expand(f"{RESULTS}/captions/{{system}}.jsonl", system=PLAN.systems),
    output:
        record=f"{RESULTS}/judges/{{metric}}.json",
        scores=[
            f"{RESULTS}/scores/{system}/{{metric}}.{ending}"
            for system in PLAN.systems
            for ending in ("json", "parquet")
        ],
        judgements=[f"{RESULTS}/judgements/{{metric}}/{system}.jsonl" for system in PLAN.systems],
    log:
        f"{RESULTS}/logs/score_judge/{{metric}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/score_judge/{{metric}}.tsv"
    wildcard_constraints:
        metric=one_of(name for name, judge in PLAN.judges.items() if judge.base),
    conda:
        "../envs/main.yaml"
    threads: 8
    resources:
        gpu=config["decoding"]["gpus"],
    params:
        script=script("score_judge"),
        sample=script("sample_gpu"),
        options=judge_options,
        identity=judge_identity,
    shell:
        "python {params.sample:q} --gpus={resources.gpu} {log:q}.gpu.jsonl python {params.script:q}"
        " --planned-code={params.identity[code]:q} {params.options} --samples {input.samples:q}"
        " --record {output.record:q} 3>&2 &> {log:q}"


rule score_hosted_judge:
    """Let an endpoint score them, by the script score_judge: where Snakemake runs, since nodes often lack network."""
    input:
        samples=f"{RESULTS}/data/test.parquet",
        images=judge_images,
        questions=judge_questions,
        captions=expand(f"{RESULTS}/captions/{{system}}.jsonl", system=PLAN.systems),
    output:
        record=f"{RESULTS}/judges/{{metric}}.json",
        scores=[
            f"{RESULTS}/scores/{system}/{{metric}}.{ending}"
            for system in PLAN.systems
            for ending in ("json", "parquet")
        ],
        judgements=[f"{RESULTS}/judgements/{{metric}}/{system}.jsonl" for system in PLAN.systems],
    log:
        f"{RESULTS}/logs/score_judge/{{metric}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/score_judge/{{metric}}.tsv"
    wildcard_constraints:
        metric=one_of(name for name, judge in PLAN.judges.items() if judge.endpoint),
    localrule: True
    conda:
        "../envs/main.yaml"
    params:
        script=script("score_judge"),
        options=judge_options,
        identity=judge_identity,
    shell:
        "python {params.script:q} --planned-code={params.identity[code]:q} {params.options}"
        " --samples {input.samples:q} --record {output.record:q} 3>&2 &> {log:q}"
