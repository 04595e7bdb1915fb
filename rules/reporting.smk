"""What a person looks at: radar charts and the HTML report.

Required: everything before.
Outputs: figures/, provenance.json, report.html, qualitative.html, README.md, wandb.json.
"""

SOURCES = list(config["dataset"]["sources"])


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
            for name in grouped_figures()
        ],
        expand(
            f"{RESULTS}/figures/{{name}}.{{ending}}",
            name=["radar", "forest", *grouped_figures()],
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
        folder=output_folder,
        values=config["report"]["radar"],
        style=json_param(config["report"]["style"]),
        code=code_digest("radar_chart"),
    shell:
        "python {params.script} --comparison {input} --values {params.values} --style {params.style:q}"
        " --output-dir {params.folder} 3>&2 &> {log}"


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
        configuration=json_param(config),
        code=code_digest("record_provenance"),
    shell:
        "python {params.script} --configuration {params.configuration:q} --data {input.data}"
        " --output {output} 3>&2 &> {log}"


rule html_report:
    """Write the report, one file that opens without network."""
    input:
        comparison=f"{RESULTS}/comparison.json",
        train=f"{RESULTS}/data/train.parquet",
        samples=f"{RESULTS}/data/test.parquet",
        images=f"{RESULTS}/images/test.parquet",
        captions=expand(f"{RESULTS}/captions/{{system}}.jsonl", system=SYSTEMS),
        health=expand(f"{RESULTS}/health/{{system}}.{{ending}}", system=SYSTEMS, ending=["json", "parquet"]),
        counts=f"{RESULTS}/data/counts.json",
        statistics=f"{RESULTS}/data/statistics.json",
        left_out=f"{RESULTS}/data/left_out.csv",
        preprocess_counts=expand(f"{RESULTS}/preprocessed/{{source}}.counts.json", source=SOURCES),
        rejected=expand(f"{RESULTS}/preprocessed/{{source}}.rejected.csv", source=SOURCES),
        answers=expand(f"{RESULTS}/preprocessed/{{source}}.answers.csv", source=SOURCES),
        training=expand(f"{RESULTS}/adapters/{{model}}/training.json", model=config["models"]),
        history=expand(f"{RESULTS}/adapters/{{model}}/history.jsonl", model=config["models"]),
        clip_training=[clip_ready()] if "train" in config["clip"] and "clip_score" in config["metrics"] else [],
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
        results=output_folder,
        title=config["report"].get("title", config["experiment"]),
        credits=json_param(config["report"]["credits"]),
        values=config["report"]["radar"],
        style=json_param(config["report"]["style"]),
        price=(
            f"--device-hour-price {config['report']['device_hour_price']}"
            if "device_hour_price" in config["report"]
            else ""
        ),
        currency=config["report"]["currency"],
        clip_note=config["clip"]["note"],
        clip_training=lambda wildcards, input: f"--clip-training {input.clip_training}" if input.clip_training else "",
        templates=folder_digest(TEMPLATES),
        code=code_digest("html_report"),
    shell:
        "python {params.script} --experiment {params.title:q} --comparison {input.comparison}"
        " --train {input.train} --samples {input.samples} --images {input.images} --captions-dir {params.results}/captions"
        " --scores-dir {params.results}/scores --health-dir {params.results}/health --counts {input.counts}"
        " --statistics {input.statistics} --left-out {input.left_out}"
        " --preprocess-counts {input.preprocess_counts} --rejected {input.rejected} --answers {input.answers}"
        " --training {input.training} --history {input.history} --figures {input.figures}"
        " --provenance {input.provenance} --benchmarks-dir {params.results}/benchmarks --logs-dir {params.results}/logs"
        " --rule-graph {params.results}/rule_graph.json {params.price} --currency {params.currency:q}"
        " --credits {params.credits:q}"
        " --values {params.values} --style {params.style:q} --clip-note {params.clip_note:q} {params.clip_training}"
        " --output {output} 3>&2 &> {log}"


rule qualitative_report:
    """Write a page of chosen samples, to be printed for a paper's appendix."""
    input:
        comparison=f"{RESULTS}/comparison.json",
        samples=f"{RESULTS}/data/test.parquet",
        captions=expand(f"{RESULTS}/captions/{{system}}.jsonl", system=SYSTEMS),
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
        results=output_folder,
        title=config["report"].get("title", config["experiment"]),
        value=qualitative_value(),
        system=(
            f"--system {config['report']['qualitative']['system']}"
            if "system" in config["report"]["qualitative"]
            else ""
        ),
        n=config["report"]["qualitative"]["n"],
        seed=seed_of("qualitative_report"),
        templates=folder_digest(TEMPLATES / "qualitative"),
        code=code_digest("qualitative_report"),
    shell:
        "python {params.script} --experiment {params.title:q} --comparison {input.comparison} --samples {input.samples}"
        " --captions-dir {params.results}/captions --scores-dir {params.results}/scores"
        " --value {params.value} {params.system} --n {params.n} --seed {params.seed} --output {output} 3>&2 &> {log}"


rule describe_results:
    """Write what each file of the results is."""
    input:
        comparison=[f"{RESULTS}/comparison.json", f"{RESULTS}/comparison.txt"],
        described=ancient(last_files()),
    output:
        f"{RESULTS}/README.md",
    log:
        f"{RESULTS}/logs/describe_results.log",
    localrule: True
    conda:
        "../envs/main.yaml"
    params:
        script=script("describe_results"),
        results=output_folder,
        title=config["report"].get("title", config["experiment"]),
        code=code_digest("describe_results"),
    shell:
        "python {params.script} --title {params.title:q} --results {params.results} --output {output} 3>&2 &> {log}"


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
        mode=config["report"]["wandb"],
        code=code_digest("log_wandb"),
    shell:
        "python {params.script} --comparison {input.comparison} --table {input.table} --radar {input.radar}"
        " --mode {params.mode} --output {output} 3>&2 &> {log}"
