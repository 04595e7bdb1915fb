"""What a person looks at: radar charts and the HTML report.

Required: everything before.
Outputs: figures/, provenance.json, votes.json, report.html, qualitative.html, README.md, wandb.json.
"""

TITLE = config["report"].get("title", config["experiment"])
STYLE = {"values": tuple(config["report"]["radar"]), "style": config["report"]["style"]}


rule radar_chart:
    """Draw the radar charts and the forest plot with intervals."""
    input:
        f"{RESULTS}/comparison.json",
    output:
        report(
            f"{RESULTS}/figures/radar.svg",
            category="Charts",
            labels={"chart": "radar, all systems"},
            caption="../workflow/report/radar.rst",
        ),
        report(
            f"{RESULTS}/figures/forest.svg",
            category="Charts",
            labels={"chart": "scores with intervals"},
            caption="../workflow/report/forest.rst",
        ),
        [
            report(
                f"{RESULTS}/figures/{name}.svg",
                category="Charts",
                subcategory=name.split("/")[0],
                labels={"chart": f"radar, {name.split('/')[1]}"},
                caption="../workflow/report/radar.rst",
            )
            for name in PLAN.figures()
        ],
        expand(
            f"{RESULTS}/figures/{{name}}.{{ending}}",
            name=["radar", "forest", *PLAN.figures()],
            ending=["png", "pdf"],
        ),
    log:
        f"{RESULTS}/logs/radar_chart.log",
    benchmark:
        f"{RESULTS}/benchmarks/radar_chart.tsv"
    conda:
        "../envs/main.yaml"
    params:
        script=script("radar_chart"),
        options=options(STYLE | {"output_dir": f"{RESULTS}/figures"}),
        identity=identity("radar_chart", values=config["report"]["radar"], style=config["report"]["style"]),
    shell:
        "python {params.script:q} --planned-code={params.identity[code]:q} --comparison {input:q} {params.options}"
        " 3>&2 &> {log:q}"


rule record_provenance:
    """Save the configuration as it was run, with versions, digests of the data and the state of the code."""
    input:
        comparison=f"{RESULTS}/comparison.json",
        data=expand(f"{RESULTS}/data/{{split}}.parquet", split=SPLITS),
    output:
        f"{RESULTS}/provenance.json",
    log:
        f"{RESULTS}/logs/record_provenance.log",
    localrule: True
    conda:
        "../envs/main.yaml"
    params:
        script=script("record_provenance"),
        options=options({"configuration": config}),
        identity=identity("record_provenance", configuration=config),
    shell:
        "python {params.script:q} --planned-code={params.identity[code]:q} {params.options} --data {input.data:q}"
        " --output {output:q} 3>&2 &> {log:q}"


rule analyse_votes:
    """Analyse the blind votes of people: preferred systems, agreement of raters, agreement of metrics."""
    input:
        votes=ancient(config["human_votes"]),
        comparison=f"{RESULTS}/comparison.json",
        samples=f"{RESULTS}/data/test.parquet",
        captions=expand(f"{RESULTS}/captions/{{system}}.jsonl", system=PLAN.rows),
    output:
        f"{RESULTS}/votes.json",
    log:
        f"{RESULTS}/logs/analyse_votes.log",
    conda:
        "../envs/main.yaml"
    params:
        script=script("analyse_votes"),
        options=options(
            {
                "captions_dir": f"{RESULTS}/captions",
                "scores_dir": f"{RESULTS}/scores",
                "n_resamples": config["comparison"]["n_resamples"],
                "confidence": config["comparison"]["confidence"],
                "seed": PLAN.seed("analyse_votes"),
            }
        ),
        identity=identity(
            "analyse_votes",
            content={f"votes {n}": path for n, path in enumerate(config["human_votes"])},
            n_resamples=config["comparison"]["n_resamples"],
            confidence=config["comparison"]["confidence"],
            seed=PLAN.seed("analyse_votes"),
        ),
    shell:
        "python {params.script:q} --planned-code={params.identity[code]:q} --votes {input.votes:q} {params.options}"
        " --comparison {input.comparison:q} --samples {input.samples:q} --output {output:q} 3>&2 &> {log:q}"


rule html_report:
    """Write the report, one file that opens without network."""
    input:
        comparison=f"{RESULTS}/comparison.json",
        train=f"{RESULTS}/data/train.parquet",
        samples=f"{RESULTS}/data/test.parquet",
        images=f"{RESULTS}/images/test.parquet",
        captions=expand(f"{RESULTS}/captions/{{system}}.jsonl", system=PLAN.rows),
        health=expand(f"{RESULTS}/health/{{system}}.{{ending}}", system=PLAN.rows, ending=["json", "parquet"]),
        counts=f"{RESULTS}/data/counts.json",
        statistics=f"{RESULTS}/data/statistics.json",
        left_out=f"{RESULTS}/data/left_out.csv",
        preprocess_counts=expand(f"{RESULTS}/preprocessed/{{source}}.counts.json", source=SOURCES),
        rejected=expand(f"{RESULTS}/preprocessed/{{source}}.rejected.csv", source=SOURCES),
        label_leakage=expand(f"{RESULTS}/preprocessed/{{source}}.label_leakage.csv", source=SOURCES),
        training=expand(f"{RESULTS}/adapters/{{model}}/training.json", model=PLAN.trainings),
        history=expand(f"{RESULTS}/adapters/{{model}}/history.jsonl", model=PLAN.trainings),
        clip_training=(
            [PLAN.clip.manifest] if "train" in (config.get("clip") or {}) and "clip_score" in config["metrics"] else []
        ),
        votes=[f"{RESULTS}/votes.json"] if config["human_votes"] else [],
        judges=expand(f"{RESULTS}/judges/{{metric}}.json", metric=PLAN.judges),
        endpoints=expand(f"{RESULTS}/endpoints/{{system}}.json", system=PLAN.endpoints),
        mismatch=[f"{RESULTS}/mismatch.json"] if "clip_score" in config["metrics"] else [],
        figures=[f"{RESULTS}/figures/radar.svg", f"{RESULTS}/figures/forest.svg"],
        provenance=f"{RESULTS}/provenance.json",
    output:
        report(
            f"{RESULTS}/report.html",
            category="Pages",
            labels={"page": "report"},
            caption="../workflow/report/report.rst",
        ),
    log:
        f"{RESULTS}/logs/html_report.log",
    conda:
        "../envs/main.yaml"
    params:
        script=script("html_report"),
        options=lambda wildcards, input: options(
            {
                "experiment": TITLE,
                **{
                    f"{name}_dir": f"{RESULTS}/{name}"
                    for name in ("captions", "scores", "health", "benchmarks", "logs")
                },
                "rule_graph": f"{RESULTS}/rule_graph.json",
                "device_hour_price": config["report"].get("device_hour_price"),
                "currency": config["report"]["currency"],
                "credits": config["report"]["credits"],
                "clip_note": (config.get("clip") or {}).get("note", ""),
                "clip_training": input.clip_training[0] if input.clip_training else None,
                "votes": input.votes[0] if input.votes else None,
                "endpoints": tuple(input.endpoints) or None,
                "judges": tuple(input.judges) or None,
                "judges_kin": {name: judge.kin for name, judge in PLAN.judges.items()},
                "mismatch": input.mismatch[0] if input.mismatch else None,
                **STYLE,
            }
        ),
        identity=identity(
            "html_report",
            "report",
            title=TITLE,
            clip_note=(config.get("clip") or {}).get("note", ""),
            judges_kin={name: judge.kin for name, judge in PLAN.judges.items()},
            content={"templates": str(TEMPLATES)},
        ),
    shell:
        "python {params.script:q} --planned-code={params.identity[code]:q} {params.options}"
        " --comparison {input.comparison:q} --train {input.train:q} --samples {input.samples:q}"
        " --images {input.images:q} --counts {input.counts:q} --statistics {input.statistics:q}"
        " --left-out {input.left_out:q} --preprocess-counts {input.preprocess_counts:q} --rejected {input.rejected:q}"
        " --label-leakage {input.label_leakage:q} --training {input.training:q} --history {input.history:q}"
        " --figures {input.figures:q} --provenance {input.provenance:q} --output {output:q} 3>&2 &> {log:q}"


rule qualitative_report:
    """Write a page of chosen samples, to be printed for a paper's appendix."""
    input:
        comparison=f"{RESULTS}/comparison.json",
        samples=f"{RESULTS}/data/test.parquet",
        captions=expand(f"{RESULTS}/captions/{{system}}.jsonl", system=PLAN.rows),
    output:
        report(
            f"{RESULTS}/qualitative.html",
            category="Pages",
            labels={"page": "chosen samples"},
            caption="../workflow/report/qualitative.rst",
        ),
    log:
        f"{RESULTS}/logs/qualitative_report.log",
    conda:
        "../envs/main.yaml"
    params:
        script=script("qualitative_report"),
        options=options(
            {
                "experiment": TITLE,
                "captions_dir": f"{RESULTS}/captions",
                "scores_dir": f"{RESULTS}/scores",
                "value": PLAN.qualitative_value(),
                "system": config["report"]["qualitative"].get("system"),
                "n": config["report"]["qualitative"]["n"],
                "seed": PLAN.seed("qualitative_report"),
            }
        ),
        identity=identity(
            "qualitative_report",
            "report.qualitative",
            title=TITLE,
            value=PLAN.qualitative_value(),
            seed=PLAN.seed("qualitative_report"),
            content={"templates": str(TEMPLATES / "qualitative")},
        ),
    shell:
        "python {params.script:q} --planned-code={params.identity[code]:q} {params.options}"
        " --comparison {input.comparison:q} --samples {input.samples:q} --output {output:q} 3>&2 &> {log:q}"


rule describe_results:
    """Write what each file of the results is."""
    input:
        comparison=[f"{RESULTS}/comparison.json", f"{RESULTS}/comparison.txt"],
        described=ancient(PLAN.last_files()),
    output:
        f"{RESULTS}/README.md",
    log:
        f"{RESULTS}/logs/describe_results.log",
    localrule: True
    conda:
        "../envs/main.yaml"
    params:
        script=script("describe_results"),
        options=options({"title": TITLE, "results": RESULTS}),
        identity=identity("describe_results", title=TITLE),
    shell:
        "python {params.script:q} --planned-code={params.identity[code]:q} {params.options} --output {output:q}"
        " 3>&2 &> {log:q}"


rule log_wandb:
    """Give the comparison to Weights & Biases, offline unless the configuration says otherwise."""
    input:
        comparison=f"{RESULTS}/comparison.json",
        table=f"{RESULTS}/comparison.csv",
        radar=f"{RESULTS}/figures/radar.png",
    output:
        f"{RESULTS}/wandb.json",
    log:
        f"{RESULTS}/logs/log_wandb.log",
    localrule: True
    conda:
        "../envs/main.yaml"
    params:
        script=script("log_wandb"),
        mode=Untracked(config["report"]["wandb"]),
        identity=identity("log_wandb"),
    shell:
        "python {params.script:q} --planned-code={params.identity[code]:q} --comparison {input.comparison:q}"
        " --table {input.table:q} --radar {input.radar:q} --mode {params.mode} --output {output:q} 3>&2 &> {log:q}"
