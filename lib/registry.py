"""The folder of job modules is their list: names and summaries are found without importing what they compute with."""

from __future__ import annotations

import ast
import importlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lib.job import Job, Task


def names(folder: Path) -> list[str]:
    """Every module of the folder but the package's own."""
    return sorted(path.stem for path in folder.glob("*.py") if not path.stem.startswith("_"))


def summary(folder: Path, name: str) -> str:
    """The literal summary of the module's JOB or TASK, read from its text."""
    tree = ast.parse((folder / f"{name}.py").read_text(encoding="utf-8"))
    for node in tree.body:
        if isinstance(node, ast.Assign | ast.AnnAssign) and isinstance(node.value, ast.Call):
            target = node.targets[0] if isinstance(node, ast.Assign) else node.target
            if isinstance(target, ast.Name) and target.id in ("JOB", "TASK"):
                return _summary_of(node.value)
    return ""


def load(package: str, name: str) -> Job[Any] | Task[Any]:
    """The JOB or TASK of a module of this package."""
    module = importlib.import_module(f"{package}.{name}")
    found: Job[Any] | Task[Any] = module.JOB if hasattr(module, "JOB") else module.TASK
    return found


def _summary_of(call: ast.Call) -> str:
    given = [keyword.value for keyword in call.keywords if keyword.arg == "summary"] or call.args[1:2]
    return str(given[0].value) if given and isinstance(given[0], ast.Constant) else ""
