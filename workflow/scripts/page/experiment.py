"""A finished experiment as the page finds it: its plan, and where the settings of that come from."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from core.command import InputError
from core.records import read_json
from plan.configuration import order_keys
from plan.duplicate_keys import duplicate_keys
from plan.experiment import Plan, make_plan
from plan.faults import find_faults
from plan.frozen import newest_record
from plan.presets import resolve_defaults
from plan.schema import fill_defaults, load_schema

NEEDED = ("data/train.parquet", "data/test.parquet")  # in results/<experiment>
DEMOS = ("demo", "demo-vlm", "demo-gemma")  # experiments that a target of make runs


@dataclass(frozen=True)
class Experiment:
    """The plan of an experiment, and a sentence that says where its settings come from."""

    plan: Plan
    origin: str

    @property
    def title(self) -> str:
        """What the report is called."""
        return self.plan.config["report"].get("title") or self.plan.config["experiment"]


def open_experiment(name: str, configfile: Path | None = None) -> Experiment:
    """An experiment by its name, with the settings of its last run; or that of a configuration file as it is now.

    Raises InputError that names the command to run first where the experiment has no results.
    """
    if configfile:
        config = read_configuration(configfile)
        origin = f"Settings: {configfile} as it is now."
    else:
        record = newest_record(Path("results") / name / "logs" / "runs")
        if record is None:
            raise InputError(f"results/{name}/logs/runs has no run: {how_to_run(name)}")
        config = fill_defaults(read_json(record)["configuration"], load_schema())
        when = time.strftime("%d %B %Y, %H:%M", time.localtime(record.stat().st_mtime)).lstrip("0")
        origin = f"Settings: those of the last run, planned on {when}."
    plan = make_plan(config)
    missing = [file for file in NEEDED if not (Path(plan.results) / file).is_file()]
    if missing:
        raise InputError(f"{plan.results} has no {missing[0]}: {how_to_run(config['experiment'], configfile)}")
    return Experiment(plan, origin)


def how_to_run(name: str, configfile: Path | None = None) -> str:
    """The command that makes the results of an experiment."""
    if name in DEMOS and not configfile:
        return f"run the experiment first: make {name}"
    file = configfile or f"<configuration of {name}>"
    return f"run the experiment first: snakemake all --profile profiles/local --configfile {file}"


def read_configuration(path: Path) -> dict[str, Any]:
    """A configuration file with its defaults, as a run would plan it. Raises InputError that lists its faults."""
    if not path.is_file():
        raise InputError(f"{path} does not exist")
    try:
        config = yaml.safe_load(path.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        raise InputError(f"{path} is not YAML: {re.sub(chr(10) + ' *', ' ', str(error))}") from error
    schema = load_schema()
    config = {} if config is None else config
    faults = duplicate_keys(path) + find_faults(config, schema)
    if faults:
        raise InputError(f"{path} has {len(faults)} fault(s):\n  " + "\n  ".join(faults))
    resolve_defaults(config)
    return order_keys(fill_defaults(config, schema))
