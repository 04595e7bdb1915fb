"""The environments that rules name: what both of their files pin."""

import re
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parent.parent


@pytest.mark.parametrize("name", ["cogvlm", "vllm"])
def test_both_files_of_an_environment_pin_the_same_versions(name):
    lines = (ROOT / f"envs/{name}.txt").read_text().splitlines()
    pins = [line for line in lines if line and not line.startswith("#")]
    assert pins
    conda = yaml.safe_load((ROOT / f"envs/{name}.yaml").read_text())
    assert conda["dependencies"][-1] == {"pip": pins}
    assert all(re.fullmatch(r"[a-z0-9-]+==[0-9][0-9a-z.]*", pin) for pin in pins)
