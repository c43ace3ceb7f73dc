"""A newcomer's copy of the project, in a folder with a space in its name, with the job of docs/add_a_job.md in it."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BLOCK = re.compile(r"`(\S+)`\n```\w+\n(.*?)```", re.DOTALL)


@pytest.fixture(scope="session")
def page() -> dict[str, str]:
    """The files that docs/add_a_job.md shows: text by name."""
    return dict(BLOCK.findall((ROOT / "docs/add_a_job.md").read_text()))


@pytest.fixture(scope="session")
def project(tmp_path_factory: pytest.TempPathFactory, page: dict[str, str]) -> Path:
    """Everything that runs, and what the page adds."""
    folder = tmp_path_factory.mktemp("a project")
    for part in ("jobs", "lib", "ship", "conf", "scripts"):
        shutil.copytree(ROOT / part, folder / part, ignore=shutil.ignore_patterns("__pycache__"))
    for part in ("requirements.lock", "environment.yml"):
        shutil.copy(ROOT / part, folder)
    for name, text in page.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder
