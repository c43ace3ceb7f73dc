"""docs/add_a_job.md, done word for word in a copy of the project."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pyarrow.dataset as ds
import pytest


def run(project, *args):
    environment = {**os.environ, "PYTHONPATH": str(project)}
    return subprocess.run(
        [sys.executable, *args], cwd=project, env=environment, capture_output=True, text=True, timeout=200
    )


def test_the_job_and_its_test_are_less_than_60_lines(page):
    assert sum(page[name].count("\n") for name in ("jobs/count_words.py", "tests/unit/test_count_words.py")) < 60


def test_its_test_passes(project):
    ended = run(project, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/unit/test_count_words.py")
    assert "1 passed" in ended.stdout


def test_the_command_line_knows_it(project):
    assert "Count the words of text files." in run(project, "-m", "jobs", "--list").stdout
    described = run(project, "-m", "jobs", "count_words", "--describe").stdout
    assert "how many words the file holds" in described
    assert "a shorter word does not count [an integer of at least 1]" in described


@pytest.mark.spark
def test_it_runs(project):
    (project / "texts").mkdir()
    for name, text in {"a.txt": "one two three", "b.txt": "a bb", "c.txt": ""}.items():
        (project / "texts" / name).write_text(text)

    ended = run(
        project, "-m", "jobs", "count_words", "--input", "texts", "--set", "least_letters=2", "--master", "local[2]",
        "--set", "run.split_bytes=10",
    )  # fmt: skip

    assert ended.returncode == 0, ended.stderr
    line = json.loads(ended.stdout)
    assert (line["job"], line["records"], line["ok"], line["failed"]) == ("count_words", 3, 3, 0)
    rows = ds.dataset(project / "out/count_words").to_table(columns=["source_path", "words"]).to_pylist()
    assert sorted((row["source_path"][-5:], row["words"]) for row in rows) == [("a.txt", 3), ("b.txt", 1), ("c.txt", 0)]
