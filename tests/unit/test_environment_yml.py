"""The executors have what setup.cfg asks for."""

from __future__ import annotations

from configparser import ConfigParser
from itertools import pairwise
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[2]


def required():
    parser = ConfigParser()
    parser.read(ROOT / "setup.cfg")
    lines = parser["options"]["install_requires"].splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def test_the_environment_of_the_executors_has_the_pins_of_setup_cfg():
    python, pip, packages = yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"]

    assert (python, pip) == ("python=3.11", "pip")
    assert packages == {"pip": required()}


def test_every_dependency_has_its_reason_above():
    lines = (ROOT / "setup.cfg").read_text().splitlines()
    unreasoned = [
        line for above, line in pairwise(lines)
        if line.strip() in required() and not above.strip().startswith("#")
    ]  # fmt: skip
    assert unreasoned == []
