"""One row a file, exactly; small files share a split."""

from __future__ import annotations

import pytest

from lib.errors import InputChanged
from lib.sources.files import FILES_PER_SPLIT, FilesSource
from lib.split import ReadLimits, Split
from lib.storage import stat

LIMITS = ReadLimits(batch_rows=2, batch_bytes=1000, max_record_bytes=100)


def folder_of(tmp_path, contents):
    for i, content in enumerate(contents):
        (tmp_path / f"{i:05d}").write_bytes(content)
    return [f"file://{path}" for path in sorted(tmp_path.iterdir())]


def read(split, limits=LIMITS, **more):
    announced = []
    batches = [batch for batch, _ in FilesSource().read(split, limits, announced.append, **more)]
    return [row for batch in batches for row in batch.to_pylist()], announced


def test_each_file_is_a_row_with_its_bytes(tmp_path):
    uris = folder_of(tmp_path, [b"one", b"", b"three"])
    (pieces,) = FilesSource().plan(list(map(stat, uris)), 1000)
    rows, announced = read(Split("s", "files", pieces))
    assert [(r["source_path"], r["source_offset"], r["source_length"], r["content"], r["status"]) for r in rows] == [
        (uris[0], 0, 3, b"one", "ok"), (uris[1], 0, 0, b"", "ok"), (uris[2], 0, 5, b"three", "ok"),
    ]  # fmt: skip
    assert announced == [0, 1, 2]


def test_splits_are_cut_by_bytes_and_by_count(tmp_path):
    files = list(map(stat, folder_of(tmp_path, [b"x" * 40] * 5)))
    assert [len(group) for group in FilesSource().plan(files, 100)] == [2, 2, 1]
    many = files[:1] * (FILES_PER_SPLIT + 1)
    assert [len(group) for group in FilesSource().plan(many, 1 << 40)] == [FILES_PER_SPLIT, 1]


def test_reading_starts_and_stops_where_it_is_told(tmp_path):
    (pieces,) = FilesSource().plan(list(map(stat, folder_of(tmp_path, [b"0", b"1", b"2", b"3", b"4"]))), 1000)
    rows, _ = read(Split("s", "files", pieces), start=1, stop=4)
    assert [row["content"] for row in rows] == [b"1", b"2", b"3"]
    row, behind = FilesSource().pass_over(Split("s", "files", pieces), LIMITS, 4)
    assert (row["source_path"][0].as_py(), behind) == (pieces[4].uri, None)


def test_a_file_over_the_limit_is_a_failed_row_and_is_not_opened(tmp_path):
    uris = folder_of(tmp_path, [b"x" * 101, b"y"])
    (pieces,) = FilesSource().plan(list(map(stat, uris)), 1000)
    (tmp_path / "00000").unlink()
    rows, _ = read(Split("s", "files", pieces))
    assert [(r["status"], r["error_code"], r["content"]) for r in rows] == [
        ("failed", "oversize", None), ("ok", None, b"y"),
    ]  # fmt: skip


def test_a_file_that_is_not_the_planned_one_is_refused(tmp_path):
    (pieces,) = FilesSource().plan(list(map(stat, folder_of(tmp_path, [b"one"]))), 1000)
    (tmp_path / "00000").write_bytes(b"another")
    with pytest.raises(InputChanged, match="00000: changed since it was planned"):
        read(Split("s", "files", pieces))
