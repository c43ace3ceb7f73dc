"""A task has the manners of a job's run."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from lib.errors import UsageError
from lib.job import Task
from lib.options import RunOptions
from lib.request import Request
from lib.scatter import here
from lib.tasks import execute_task


@dataclass(frozen=True)
class Config:
    """What to write."""

    text: str = "a"


def write(config: Config, inputs, output: str, scatter) -> dict:
    Path(output.removeprefix("file://"), "model").write_text(config.text)
    return {"records": len(inputs)}


TASK = Task("write_model", "Writes.", Config, write)


def request(tmp_path, **config) -> Request:
    source = tmp_path / "input"
    if not source.exists():
        source.touch()
    return Request("jobs.write_model", config, {}, RunOptions(), (f"file://{source}",), f"file://{tmp_path}/out")


def test_a_task_is_done_once(tmp_path):
    first = execute_task(TASK, request(tmp_path), here)
    assert (first.exit_code, first.summary["records"], first.summary["ok"]) == (0, 1, 1)
    (tmp_path / "out/model").write_text("kept")
    assert execute_task(TASK, request(tmp_path), here) == first
    assert (tmp_path / "out/model").read_text() == "kept"


def test_another_config_needs_another_folder(tmp_path):
    execute_task(TASK, request(tmp_path), here)
    with pytest.raises(UsageError, match=r"holds a run with config\.text = 'a', not 'b'"):
        execute_task(TASK, request(tmp_path, text="b"), here)


def test_a_task_that_failed_is_done_again(tmp_path):
    def fail(config, inputs, output, scatter):
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        execute_task(Task("write_model", "Writes.", Config, fail), request(tmp_path), here)
    assert execute_task(TASK, request(tmp_path), here).exit_code == 0
