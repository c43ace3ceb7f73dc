"""The zip of our code: the same bytes for the same files, and nothing else in it."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path

from ship.code import make_zip


def project(folder: Path) -> Path:
    for name, text in {
        "jobs/a.py": "A = 1",
        "lib/deep/b.py": "B = 2",
        "lib/page.html": "<p>",
        "conf/a.yaml": "",
    }.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    (folder / "lib/__pycache__").mkdir()
    (folder / "lib/__pycache__/b.pyc").write_bytes(b"")
    return folder


def test_the_zip_holds_jobs_and_lib_without_caches(tmp_path: Path) -> None:
    made = make_zip(project(tmp_path / "p"), tmp_path)
    assert zipfile.ZipFile(made).namelist() == ["jobs/a.py", "lib/deep/b.py", "lib/page.html"]


def test_the_same_files_are_the_same_bytes_whenever_they_were_written(tmp_path: Path) -> None:
    one, two = project(tmp_path / "p"), project(tmp_path / "q")
    os.utime(two / "jobs/a.py", (1, 1))
    for folder in ("1", "2"):
        (tmp_path / folder).mkdir()
    first, second = make_zip(one, tmp_path / "1"), make_zip(two, tmp_path / "2")
    assert first.name == second.name
    assert first.read_bytes() == second.read_bytes()


def test_another_line_is_another_name(tmp_path: Path) -> None:
    folder = project(tmp_path / "p")
    before = make_zip(folder, tmp_path).name
    (folder / "jobs/a.py").write_text("A = 2")
    assert make_zip(folder, tmp_path).name != before
