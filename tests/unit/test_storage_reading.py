"""Files are found and opened by URI, whatever is in their names."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from lib.errors import UsageError
from lib.storage import expand, list_files, open_input, stat, to_uri


def names(folder: Path, pattern: str) -> list[str]:
    return [file.uri.removeprefix(f"file://{folder}/") for file in expand(f"file://{folder}/{pattern}".rstrip("/"))]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("b.html", "a.html", "sub/c.html", "sub/d.txt", "_SUCCESS", ".hidden", "_tmp/x.html"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(name)
    return tmp_path


def test_folder_gives_its_visible_files_in_name_order(folder: Path) -> None:
    assert names(folder, "") == ["a.html", "b.html", "sub/c.html", "sub/d.txt"]


def test_glob_gives_what_it_matches(folder: Path) -> None:
    assert names(folder, "*.html") == ["a.html", "b.html"]
    assert names(folder, "**/*.html") == ["a.html", "b.html", "sub/c.html"]


def test_double_star_gives_each_file_once(folder: Path) -> None:
    assert names(folder, "**") == ["a.html", "b.html", "sub/c.html", "sub/d.txt"]


def test_nothing_of_that_name_is_file_not_found(folder: Path) -> None:
    for missing in ("nothing.html", "*.pdf"):
        with pytest.raises(FileNotFoundError):
            list(expand(f"file://{folder}/{missing}"))


@pytest.mark.parametrize("name", ["page?id=7", "a b%20c#d.html", "[1].html", "ünï.html"])
def test_names_are_taken_as_they_are(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"text")
    (found,) = expand(f"file://{tmp_path}/{name}")
    with open_input(found.uri) as file:
        assert file.read() == b"text"
    assert found == stat(f"file://{tmp_path}/{name}")
    assert found.size == 4


def test_stamp_changes_with_the_file(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"old")
    before = stat(f"file://{path}").stamp
    os.utime(path, ns=(1, 1))
    assert stat(f"file://{path}").stamp != before


def test_pipe_in_a_folder_is_no_input(folder: Path) -> None:
    os.mkfifo(folder / "pipe")
    assert "pipe" not in names(folder, "")


def test_dangling_link_is_an_error(folder: Path) -> None:
    (folder / "link").symlink_to("nowhere")
    with pytest.raises(FileNotFoundError):
        list(list_files(f"file://{folder}"))


def test_name_that_is_not_utf8_is_refused_in_one_line(tmp_path: Path) -> None:
    (Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff.html"))).write_text("")
    with pytest.raises(UsageError, match=r"\\xff.html': the name is not UTF-8"):
        list(list_files(f"file://{tmp_path}"))


def test_relative_path_becomes_an_absolute_uri(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert to_uri("crawl/*.gz") == f"file://{tmp_path}/crawl/*.gz"
    assert to_uri("hdfs:///crawl") == "hdfs:///crawl"


def test_scheme_that_is_not_there_yet_is_refused() -> None:
    with pytest.raises(UsageError, match="only local files"):
        open_input("gopher://x/y")
