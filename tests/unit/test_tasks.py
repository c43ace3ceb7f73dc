"""A task has the manners of a job's run."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
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


def write(config: Config, inputs, output: str, scatter, prefix: str) -> dict:
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
    def fail(config, inputs, output, scatter, prefix):
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        execute_task(Task("write_model", "Writes.", Config, fail), request(tmp_path), here)
    assert execute_task(TASK, request(tmp_path), here).exit_code == 0


def test_what_is_overwritten_leaves_no_file_behind(tmp_path):
    execute_task(TASK, request(tmp_path), here)
    (tmp_path / "out/leaves").write_text("of the earlier model")

    execute_task(TASK, replace(request(tmp_path, text="b"), overwrite=True), here)

    assert (tmp_path / "out/model").read_text() == "b"
    assert not (tmp_path / "out/leaves").exists()


def test_a_stranger_s_folder_is_not_overwritten(tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out/thesis").write_text("mine")

    with pytest.raises(UsageError, match="not empty and no run of ours"):
        execute_task(TASK, replace(request(tmp_path), overwrite=True), here)
    assert (tmp_path / "out/thesis").read_text() == "mine"


def test_what_a_dead_run_was_writing_is_swept(tmp_path):
    answers = tmp_path / "out/_tmp/20260101T000000-0badcafe"
    answers.mkdir(parents=True)
    (answers / "0").write_bytes(b"an answer")

    execute_task(TASK, request(tmp_path), here)

    assert list((tmp_path / "out/_tmp").iterdir()) == []


def test_the_lines_of_a_list_start_at_the_prefix(tmp_path):
    def tell(config, inputs, output, scatter, prefix):
        return {"prefix": prefix}

    (tmp_path / "lists").mkdir()
    (tmp_path / "lists/all.paths").write_text("input\n")
    asked = replace(
        request(tmp_path), inputs=(f"file://{tmp_path}/lists/all.paths",),
        run=RunOptions(paths_prefix=f"file://{tmp_path}"),
    )  # fmt: skip

    execute_task(Task("write_model", "Writes.", Config, tell), asked, here)

    report = json.loads((tmp_path / "out/_report.json").read_text())
    assert report["prefix"] == f"file://{tmp_path}"
