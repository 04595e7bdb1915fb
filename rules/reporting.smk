"""What a person looks at: radar charts and the HTML report.

Required: everything before.
Outputs: figures/, provenance.json, report.html.
"""

SOURCES = list(config["dataset"]["sources"])


rule radar_chart:
    """Draw the radar charts and the forest plot with intervals."""
    input:
        f"{RESULTS}/comparison.json",
    output:
        multiext(f"{RESULTS}/figures/radar", ".png", ".svg", ".pdf"),
        multiext(f"{RESULTS}/figures/forest", ".png", ".svg", ".pdf"),
    log:
        f"{RESULTS}/logs/radar_chart.log",
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
    """Save the configuration as it was run, with versions and the state of the code."""
    input:
        f"{RESULTS}/comparison.json",
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
        "python {params.script} --configuration {params.configuration:q} --output {output}" " 3>&2 &> {log}"


rule html_report:
    """Write the report, one file that opens without network."""
    input:
        comparison=f"{RESULTS}/comparison.json",
        samples=f"{RESULTS}/data/test.parquet",
        images=f"{RESULTS}/images/test.parquet",
        captions=expand(f"{RESULTS}/captions/{{system}}.jsonl", system=SYSTEMS),
        counts=f"{RESULTS}/data/counts.json",
        left_out=f"{RESULTS}/data/left_out.csv",
        preprocess_counts=expand(f"{RESULTS}/preprocessed/{{source}}.counts.json", source=SOURCES),
        rejected=expand(f"{RESULTS}/preprocessed/{{source}}.rejected.csv", source=SOURCES),
        training=expand(f"{RESULTS}/adapters/{{model}}/training.json", model=config["models"]),
        history=expand(f"{RESULTS}/adapters/{{model}}/history.jsonl", model=config["models"]),
        clip_training=[clip_ready()] if "train" in config["clip"] else [],
        figures=[f"{RESULTS}/figures/radar.svg", f"{RESULTS}/figures/forest.svg"],
        provenance=f"{RESULTS}/provenance.json",
    output:
        f"{RESULTS}/report.html",
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
        clip_note=config["clip"]["note"],
        clip_training=lambda wildcards, input: f"--clip-training {input.clip_training}" if input.clip_training else "",
        templates=folder_digest(TEMPLATES),
        code=code_digest("html_report"),
    shell:
        "python {params.script} --experiment {params.title:q} --comparison {input.comparison}"
        " --samples {input.samples} --images {input.images} --captions-dir {params.results}/captions"
        " --scores-dir {params.results}/scores --counts {input.counts} --left-out {input.left_out}"
        " --preprocess-counts {input.preprocess_counts} --rejected {input.rejected}"
        " --training {input.training} --history {input.history} --figures {input.figures}"
        " --provenance {input.provenance} --benchmarks-dir {params.results}/benchmarks --credits {params.credits:q}"
        " --values {params.values} --style {params.style:q} --clip-note {params.clip_note:q} {params.clip_training}"
        " --output {output} 3>&2 &> {log}"
