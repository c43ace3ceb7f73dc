"""Inputs: files, folders, globs, and lists of them."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from lib.errors import UsageError
from lib.sources.inputs import expand_inputs


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("crawl/a.warc.gz", "crawl/b.warc.gz", "c.html"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(name)
    return tmp_path


def names(folder: Path, *inputs: str, prefix: str = "") -> list[str]:
    return [file.uri.removeprefix(f"file://{folder}/") for file in expand_inputs(inputs, prefix)]


def test_a_file_named_twice_is_read_once(folder: Path) -> None:
    assert names(folder, f"{folder}/c.html", f"file://{folder}/c.html", f"{folder}/*.html") == ["c.html"]


def test_list_of_common_crawl_starts_at_its_own_folder(folder: Path) -> None:
    (folder / "warc.paths.gz").write_bytes(gzip.compress(b"crawl/b.warc.gz\ncrawl/a.warc.gz\n"))
    assert names(folder, f"file://{folder}/warc.paths.gz") == ["crawl/b.warc.gz", "crawl/a.warc.gz"]


def test_prefix_moves_the_relative_lines_of_a_list(folder: Path) -> None:
    (folder / "x.paths").write_text(f"a.warc.gz\n\n{folder}/c.html\n")
    assert names(folder, f"{folder}/x.paths", prefix=f"file://{folder}/crawl/") == ["crawl/a.warc.gz", "c.html"]


def test_at_sign_makes_any_file_a_list_of_files_and_globs(folder: Path) -> None:
    (folder / "list.txt").write_text("crawl/*\nc.html\n")
    assert names(folder, f"@{folder}/list.txt") == ["crawl/a.warc.gz", "crawl/b.warc.gz", "c.html"]


def test_missing_line_of_a_list_is_named(folder: Path) -> None:
    (folder / "x.paths").write_text("gone.html\n")
    with pytest.raises(UsageError, match=r"gone.html \(a line of .*x.paths\): no such file"):
        names(folder, f"{folder}/x.paths")


def test_empty_folder_is_refused(folder: Path) -> None:
    (folder / "empty").mkdir()
    with pytest.raises(UsageError, match="empty: holds no files"):
        names(folder, f"{folder}/empty")
