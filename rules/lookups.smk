"""What rules pass to their commands, and the identities of their jobs: functions of wildcards, read from the plan."""


def llm_job(wildcards):
    """The captioning job of a system, or the one whose parts a rule writes."""
    return PLAN.llm_job_of(wildcards.get("llm_pass") or wildcards.system)


def llm_options(wildcards, **more):
    """The options of caption_llm.py that are no files."""
    settings = {
        key: value for key, value in config["decoding"].items() if key not in ("gpus", "python", "group_by_base")
    }
    job = llm_job(wildcards)
    given = {
        "systems": job.described,
        "prompt": PLAN.prompt(*job.inputs),
        "decoding": settings,
        "digest_cache": DIGEST_CACHE,
    }
    return options({**given, **({"images": job.images} if job.images else {}), **more})


def llm_identity(wildcards):
    """The identity of a captioning job of LLM systems."""
    engine = f"generation/llm_engines/{ENGINES[config['decoding']['engine']]}"
    job, seed = llm_job(wildcards), PLAN.seed("caption_llm")
    pictures = ["models/pictures"] if job.images else []
    prompt = result_settings(PLAN.prompt(*job.inputs), schema_node("prompt"))
    return identity("caption_llm", engine, *pictures, "decoding", prompt=prompt, systems=job.described, seed=seed)


def preprocess_options(wildcards):
    """The options of preprocess_svg.py that are no files."""
    settings = dict(config["preprocess"])
    settings["no_render_check"] = not settings.pop("render_check")
    source = PLAN.sources[wildcards.source]
    captions = config["dataset"]["captions"]
    kept = {"captions": captions, "max_chars": source.max_chars, "questions": source.has_questions}
    return options({"source": source.name, **settings, **kept})


def metric_options(wildcards):
    """The options that give a metric its model, files and settings; empty for a metric without."""
    chosen = config["metric_options"].get(wildcards.metric, {})
    model = PLAN.model(chosen["source"]).folder if "source" in chosen else None
    return options({"model": model, "folder": chosen.get("folder"), "settings": chosen.get("settings", {})})


def metric_models(wildcards):
    """The manifest of a metric's model and the files of its folder; nothing for a metric without."""
    chosen = config["metric_options"].get(wildcards.metric, {})
    return [*([PLAN.model(chosen["source"]).manifest] if "source" in chosen else []), *metric_files(chosen)]


def built_sources(kind):
    """The sources of a kind that we make ourselves, for wildcard constraints."""
    return one_of(name for name, source in PLAN.sources.items() if source.build == kind)


def source_content(wildcards):
    """A file or folder of the user's goes by its content; what a rule writes is compared by Snakemake."""
    source = PLAN.sources[wildcards.source]
    return {"data": source.path} if source.is_given else {}


def source_file(wildcards):
    """The raw samples of a source. The time of a given file or folder says nothing of its content."""
    source = PLAN.sources[wildcards.source]
    return ancient(source.path) if source.is_given else source.path


def source_rows(wildcards):
    """How the rows of a source are read: their fields, and which of them take part."""
    source = PLAN.sources[wildcards.source]
    return {"fields": source.fields} | ({"where": source.where} if source.where else {})


def source_fields(wildcards):
    return options(source_rows(wildcards))


def hub_options(wildcards):
    return options(PLAN.sources[wildcards.source].hub | source_rows(wildcards))


def preprocess_identity(wildcards, **more):
    source = PLAN.sources[wildcards.source]
    settings = {"max_chars": source.max_chars, **({"questions": True} if source.has_questions else {}), **more}
    return identity("preprocess_svg", "preprocess", "dataset.captions", **settings)


def render_identity(wildcards):
    return identity(
        "render_png", "render", content={f"font {n}": font for n, font in enumerate(config["render"]["fonts"])}
    )


def model_identity(wildcards):
    """A folder of the user's goes by its content: weights that are replaced there are other weights."""
    source = PLAN.fetched[wildcards.folder]
    own = "path" in source and "package" not in source
    return identity("fetch_model", source=source, content={"folder": source["path"]} if own else {})


def picture_options(training):
    """The options of train_lora.py for a model that reads pictures; none for one that reads code alone."""
    return {"input": training.input, "images": training.images} if training.images else {}


def node_options(training):
    """The options of train_lora.py for a training on several nodes."""
    return {"nodes": training.nodes} if training.nodes > 1 else {}


def on_several_nodes(wildcards, value):
    """A resource that only a training on several nodes has; Snakemake leaves out what is None."""
    return value if PLAN.trainings[wildcards.model].nodes > 1 else None


def training_identity(wildcards):
    training = PLAN.trainings[wildcards.model]
    values = {"settings": result_settings(training.settings, schema_node("presets.*"))}
    values |= {"prompt": result_settings(PLAN.prompt(training.input), schema_node("prompt"))}
    values |= {"input": training.input} if training.images else {}
    return identity("train_lora", processes=training.processes, seed=training.seed, **values)


def captioner_identity(wildcards):
    captioner = PLAN.captioners[wildcards.system]
    settings = result_settings(captioner.settings, schema_node("captioners.*.settings"))
    family_module = f"generation/captioners/{captioner.family}"
    return identity(
        "caption_image", family_module, family=captioner.family, settings=settings, seed=PLAN.seed("caption_image")
    )


def captioner_options(wildcards):
    captioner = PLAN.captioners[wildcards.system]
    return options(
        {
            "captioner": captioner.name,
            "family": captioner.family,
            "model": captioner.model.folder,
            "tokenizer": captioner.tokenizer.folder if captioner.tokenizer else None,
            "trust_remote_code": captioner.trust_remote_code,
            "settings": captioner.settings,
            "seed": PLAN.seed("caption_image"),
            "digest_cache": DIGEST_CACHE,
        }
    )


def endpoint_options(wildcards):
    """The options of caption_endpoint.py but its samples and outputs. No key is among them."""
    system = PLAN.endpoints[wildcards.system]
    return options(
        {
            "system": system.name,
            "endpoint": system.endpoint,
            "input": system.input,
            "images": system.images,
            "prompt": PLAN.prompt(system.input),
            "store": ANSWERS,
            "price": system.price,
            "currency": config["report"]["currency"],
        }
    )


def endpoint_identity(wildcards):
    """The identity of an endpoint's captions. Whatever it says, no answer is asked for that the store has."""
    system = PLAN.endpoints[wildcards.system]
    settings = result_settings(system.endpoint, schema_node("systems.*"))
    prompt = result_settings(PLAN.prompt(system.input), schema_node("prompt"))
    return identity("caption_endpoint", endpoint=settings, input=system.input, prompt=prompt, price=system.price)


def baseline_features(wildcards):
    """CLIP features of the train and the test split, for the nearest image alone."""
    if wildcards.system != "clip_nearest":
        return {}
    return {
        name: f"{RESULTS}/clip_features/{split}.parquet"
        for name, split in (("train_features", "train"), ("features", "test"))
    }


def metric_settings(metric):
    """The settings of a metric; its model and files are inputs of the rules."""
    return config["metric_options"].get(metric, {}).get("settings", {})


def judge_images(wildcards):
    """The pictures that a judge looks at; none for one of texts."""
    return PLAN.judges[wildcards.metric].images or []


def judge_questions(wildcards):
    """The file of questions that a judge answers. Its time says nothing of its content."""
    questions = PLAN.judges[wildcards.metric].questions
    return ancient(questions["path"]) if questions else []


def judge_options(wildcards):
    """The options of score_judge.py but its samples and record. No key is among them."""
    judge = PLAN.judges[wildcards.metric]
    return options(
        {
            "metric": judge.metric,
            "systems": tuple(PLAN.systems),
            "captions_dir": f"{RESULTS}/captions",
            "images": judge.images,
            "questions": judge.questions["path"] if judge.questions else None,
            "question_fields": judge.questions["fields"] if judge.questions else None,
            "model": judge.base.folder if judge.base else None,
            "name": judge.name,
            "endpoint": judge.endpoint,
            "decoding": judge.decoding if judge.base else None,
            "store": ANSWERS,
            "repeated": judge.repeated,
            "seed": PLAN.seed("score_judge"),
            "scores_dir": f"{RESULTS}/scores",
            "judgements_dir": f"{RESULTS}/judgements/{judge.metric}",
            "digest_cache": DIGEST_CACHE,
        }
    )


def judge_identity(wildcards):
    """The identity of a judge's scores. Answers of the same questions are taken from the store in any case."""
    judge = PLAN.judges[wildcards.metric]
    local = ("generation/local_answers",) if judge.base else ()
    kept = result_settings(judge.decoding, schema_node("decoding")) if judge.base else {}
    asked = result_settings(judge.endpoint, schema_node("systems.*")) if judge.endpoint else {}
    questions = judge.questions or {}
    return identity(
        "score_judge",
        f"scoring/metrics/{judge.metric}",
        *local,
        content={"questions": questions["path"]} if questions else {},
        judge=judge.name,
        endpoint=asked,
        decoding=kept,
        repeated=judge.repeated,
        seed=PLAN.seed("score_judge"),
        systems=list(PLAN.systems),
        **({"fields": questions["fields"]} if questions.get("fields") else {}),
    )


def imported_scores(wildcards):
    """The file of a metric of scores_from. Its time says nothing of its content."""
    return ancient(PLAN.imported_metrics[wildcards.metric]["path"])


def imported_options(wildcards):
    """The options of import_scores.py that are no files: the systems, and how the metric is shown."""
    shown = {key: value for key, value in PLAN.imported_metrics[wildcards.metric].items() if key != "path"}
    return options({"systems": tuple(PLAN.systems), "entry": shown})


def imported_identity(wildcards):
    entry = PLAN.imported_metrics[wildcards.metric]
    shown = {key: value for key, value in entry.items() if key != "path"}
    settings = result_settings(shown, schema_node("scores_from.*"))
    return identity("import_scores", content={"scores": entry["path"]}, entry=settings, systems=list(PLAN.systems))
