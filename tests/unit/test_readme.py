"""The README promises nothing that is not there."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from jobs.__main__ import OUTPUT_COMMANDS, SHIP_COMMANDS, build_parser
from lib import registry

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
COMMANDS = [line.split("#")[0].strip() for line in README.splitlines() if line.startswith("    scripts/run.sh ")]


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_is_understood(command):
    options = build_parser().parse_args(shlex.split(command)[1:])
    assert options.command in {*registry.names(ROOT / "jobs"), *OUTPUT_COMMANDS, *SHIP_COMMANDS}


def test_each_link_leads_somewhere():
    links = re.findall(r"\]\(([^)#]+)\)", README)
    assert len(links) > 5
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_each_job_is_named():
    assert [name for name in registry.names(ROOT / "jobs") if f"`{name}`" not in README] == []


def test_nothing_is_left_to_fill_in():
    assert re.findall(r"@[A-Z]+@", README) == []
