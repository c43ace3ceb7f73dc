"""One row an entry, exactly, wherever an archive is cut and whatever it holds."""

from __future__ import annotations

import gzip
import io
import os
import random
import struct
import tarfile
import tracemalloc
import zipfile
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harm.lines import JOB, HarmConfig, measure_contents
from lib import planning
from lib.child import Work
from lib.errors import InputChanged
from lib.guard import do_split
from lib.ledger import Ledger
from lib.options import RunOptions
from lib.part import read_receipt
from lib.receipt import Tally, prove
from lib.sources.archives import ENTRIES_PER_SPLIT, ArchivesSource
from lib.sources.files import FilesSource
from lib.sources.inputs import expand_inputs
from lib.split import ReadLimits, Split
from lib.storage import stat, to_uri

LIMITS = ReadLimits(batch_rows=2, batch_bytes=1000, max_record_bytes=400)
CONTENTS = {f"icons/{i}.png": bytes([i]) * (40 + i) for i in range(9)}
KINDS = ("zip", "tar", "tar.gz")


def pack(path: Path, contents: dict[str, bytes]) -> Path:
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, content in contents.items():
                archive.writestr(name, content)
        return path
    with tarfile.open(path, "w:gz" if path.name.endswith("gz") else "w") as archive:
        for name, content in contents.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return path


def cut(*paths: Path, split_bytes: int = 1 << 30, source: ArchivesSource = ArchivesSource()) -> list[Split]:
    groups = source.plan([stat(to_uri(str(path))) for path in paths], split_bytes)
    return [Split(str(number), "archives", pieces) for number, pieces in enumerate(groups)]


def read(split: Split, limits: ReadLimits = LIMITS, source: ArchivesSource = ArchivesSource(), **more):
    found = source.read(split, limits, lambda position: None, **more)
    return [row for batch, _ in found for row in batch.to_pylist()]


def outcomes(path: Path, limits: ReadLimits = LIMITS) -> list[tuple]:
    """Member, status and code of all rows; proves on the way that they are all that was planned."""
    splits = cut(path)
    prove_all(splits, limits)
    return [(r["source_member"], r["status"], r["error_code"]) for split in splits for r in read(split, limits)]


def prove_all(splits: list[Split], limits: ReadLimits = LIMITS) -> None:
    receipts = {}
    for split in splits:
        tally = Tally(split)
        for batch, _ in ArchivesSource().read(split, limits, lambda position: None):
            tally.follow(batch)
            tally.count(batch)
        receipts[split.id] = tally.receipt
    assert prove(splits, receipts, {"archives": "entries"}) == []


@pytest.mark.parametrize("kind", KINDS)
def test_each_entry_is_a_row_with_name_number_and_content(tmp_path, kind):
    (split,) = cut(pack(tmp_path / f"a.{kind}", {"one.png": b"one", "two.png": b"", "x/three.png": b"three"}))
    rows = [
        (r["source_member"], r["source_offset"], r["source_length"], r["status"], r["content"]) for r in read(split)
    ]
    assert rows == [
        ("one.png", 0, 1, "ok", b"one"),
        ("two.png", 1, 1, "ok", b""),
        ("x/three.png", 2, 1, "ok", b"three"),
    ]


@pytest.mark.parametrize(("kind", "pieces"), [("zip", 9), ("tar", 9), ("tar.gz", 1)])
def test_splits_of_an_archive_hold_each_entry_once(tmp_path, kind, pieces):
    splits = cut(pack(tmp_path / f"a.{kind}", CONTENTS), split_bytes=1)
    assert len(splits) == pieces
    prove_all(splits)
    assert {r["source_member"]: r["content"] for split in splits for r in read(split)} == CONTENTS


def test_small_archives_share_a_split(tmp_path):
    splits = cut(*(pack(tmp_path / f"{i}.{kind}", CONTENTS) for i, kind in enumerate(KINDS)))
    assert [[(p.start, p.end, p.size) for p in split.pieces] for split in splits] == [[(0, 9, 9)] * 3]
    assert [r["content"] for r in read(splits[0])] == [*CONTENTS.values()] * 3
    prove_all(splits)


def test_many_tiny_entries_are_more_than_one_split(tmp_path):
    splits = cut(pack(tmp_path / "a.zip", {str(i): b"" for i in range(ENTRIES_PER_SPLIT + 1)}))
    assert [(s.pieces[0].start, s.pieces[0].end) for s in splits] == [(0, 20000), (20000, 20001)]


@pytest.mark.parametrize("kind", KINDS)
def test_reading_starts_and_stops_where_it_is_told(tmp_path, kind):
    (split,) = cut(pack(tmp_path / f"a.{kind}", CONTENTS), pack(tmp_path / f"b.{kind}", CONTENTS))
    second = 1 << 40
    assert [r["source_offset"] for r in read(split, start=7, stop=second + 2)] == [7, 8, 0, 1]
    behind = [position for _, position in ArchivesSource().read(split, LIMITS, lambda position: None, start=7)]
    assert behind == [9, second + 2, second + 4, second + 6, second + 8, second + 9]
    assert read(split, start=second + 9) == []


def test_announces_each_entry_before_it_is_touched(tmp_path):
    (split,) = cut(pack(tmp_path / "a.zip", CONTENTS))
    announced: list[int] = []
    for _, behind in ArchivesSource().read(split, LIMITS, announced.append):
        assert behind - 1 in announced
    assert announced == [0, 1, 2, 3, 4, 5, 6, 7, 8]


def test_an_entry_is_passed_over_and_the_next_one_follows(tmp_path):
    (split,) = cut(pack(tmp_path / "a.zip", CONTENTS), pack(tmp_path / "b.zip", CONTENTS))
    row, behind = ArchivesSource().pass_over(split, LIMITS, 3)
    assert (row["source_offset"].to_pylist(), row["status"].to_pylist(), behind) == ([3], ["failed"], 4)
    assert ArchivesSource().pass_over(split, LIMITS, 8)[1] == 1 << 40
    assert ArchivesSource().pass_over(split, LIMITS, (1 << 40) + 8)[1] is None


@pytest.mark.parametrize("kind", KINDS)
def test_an_entry_over_the_limit_is_a_failed_row(tmp_path, kind):
    path = pack(tmp_path / f"a.{kind}", {"big": bytes(401), "small": b"s"})
    assert outcomes(path) == [("big", "failed", "oversize"), ("small", "ok", None)]


def test_folders_links_and_sidecars_are_no_records(tmp_path):
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        for name, kind in [("d", tarfile.DIRTYPE), ("l", tarfile.SYMTYPE), ("p", tarfile.FIFOTYPE)]:
            entry = tarfile.TarInfo(name)
            entry.type = kind
            archive.addfile(entry)
        archive.addfile(tarfile.TarInfo("0.json"))
        archive.addfile(tarfile.TarInfo("old/"))  # how tars from before directories had a type say it
    assert outcomes(tmp_path / "a.tar") == [
        ("d/", "unselected", "directory"), ("l", "unselected", "link"), ("p", "unselected", "special"),
        ("0.json", "unselected", "excluded"), ("old/", "unselected", "directory"),
    ]  # fmt: skip
    assert read(cut(tmp_path / "a.tar")[0], source=ArchivesSource(exclude=()))[3]["status"] == "ok"


def test_folders_and_links_of_a_zip_are_no_records(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.mkdir("d")
        link = zipfile.ZipInfo("l")
        link.external_attr = 0o120777 << 16
        archive.writestr(link, "d")
    assert outcomes(tmp_path / "a.zip") == [("d/", "unselected", "directory"), ("l", "unselected", "link")]


@pytest.mark.parametrize("form", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT, tarfile.USTAR_FORMAT])
def test_long_names_of_a_tar_are_whole(tmp_path, form):
    name = "/".join(["folder" * 5] * 7) + "/ünï.png"
    with tarfile.open(tmp_path / "a.tar", "w", format=form) as archive:
        archive.addfile(tarfile.TarInfo(name))
        archive.addfile(tarfile.TarInfo("next"))
    assert [member for member, *_ in outcomes(tmp_path / "a.tar")] == [name, "next"]


def test_a_zip_behind_other_bytes_is_read(tmp_path):
    path = pack(tmp_path / "a.zip", CONTENTS)
    path.write_bytes(b"#!/bin/sh\n" + path.read_bytes())
    assert [r["content"] for r in read(cut(path)[0])] == [*CONTENTS.values()]


def test_sizes_and_offsets_of_64_bits_are_read(tmp_path, monkeypatch):
    monkeypatch.setattr(zipfile, "ZIP64_LIMIT", 10)
    path = pack(tmp_path / "a.zip", CONTENTS)
    assert path.read_bytes().count(b"\xff" * 4) >= 9
    assert [r["content"] for r in read(cut(path)[0])] == [*CONTENTS.values()]


def test_an_entry_that_says_more_than_the_file_holds_is_truncated(tmp_path):
    path = pack(tmp_path / "a.zip", {"a": b"1"})
    data = bytearray(path.read_bytes())
    struct.pack_into("<L", data, data.rindex(b"PK\1\2") + 20, 300)
    path.write_bytes(data)
    assert outcomes(path) == [("a", "failed", "truncated")]


def test_a_batch_ends_when_it_holds_enough_bytes(tmp_path):
    (split,) = cut(pack(tmp_path / "a.zip", CONTENTS))
    found = ArchivesSource().read(split, ReadLimits(99, 100, 400), lambda position: None)
    assert [batch.num_rows for batch, _ in found] == [3, 3, 3]


def test_a_zip_of_more_entries_than_16_bits_can_count_is_read(tmp_path):
    path = pack(tmp_path / "a.zip", {str(i): b"" for i in range(65540)})
    assert cut(path)[-1].pieces[0].size == 65540


def test_archives_one_behind_the_other_are_both_read(tmp_path):
    first, second = pack(tmp_path / "a.tar", {"a": b"1"}), pack(tmp_path / "b.tar", {"b": b"2"})
    (tmp_path / "c.tar").write_bytes(first.read_bytes() + second.read_bytes())
    (tmp_path / "c.tar.gz").write_bytes(gzip.compress(first.read_bytes()) + gzip.compress(second.read_bytes()))
    for name in ("c.tar", "c.tar.gz"):
        assert outcomes(tmp_path / name) == [("a", "ok", None), ("b", "ok", None)]


def test_a_damaged_header_costs_one_entry(tmp_path):
    path = pack(tmp_path / "a.tar", {"a": b"1", "b": b"2", "c": b"3"})
    data = bytearray(path.read_bytes())
    data[1024:1030] = b"harmed"
    path.write_bytes(data)
    assert outcomes(path) == [("a", "ok", None), (None, "failed", "corrupt_record"), ("c", "ok", None)]


@pytest.mark.parametrize(
    ("length", "last"),
    [(1024 + 200, (None, "failed", "truncated")), (1536 + 5, ("b", "failed", "truncated"))],
    ids=["in a header", "in a content"],
)
def test_a_cut_tar_keeps_what_is_whole(tmp_path, length, last):
    path = pack(tmp_path / "a.tar", {"a": b"1", "b": b"2" * 100})
    path.write_bytes(path.read_bytes()[:length])
    assert outcomes(path) == [("a", "ok", None), last]


def test_a_damaged_gzip_says_what_is_lost(tmp_path):
    noise = random.Random(0).randbytes(3000)
    path = pack(tmp_path / "a.tar.gz", {"a": b"1", "b": noise, "c": b"3"})
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    assert outcomes(path, ReadLimits(9, 1 << 20, 1 << 20))[1:] == [("b", "failed", "truncated")]


def test_damage_in_a_zip_stays_in_its_entry(tmp_path):
    path = pack(tmp_path / "a.zip", {"a": b"1" * 50, "b": b"2" * 50, "c": b"3" * 50, "d": b"4" * 50})
    with zipfile.ZipFile(path) as archive:
        first, second, *_ = (entry.header_offset for entry in archive.infolist())
    data = bytearray(path.read_bytes())
    data[first + 31] ^= 255  # its content
    data[second] = 0  # its local header
    at = data.rindex(b"PK\1\2")
    struct.pack_into("<H", data, at + 8, 1)  # encrypted
    path.write_bytes(data)
    assert outcomes(path) == [
        ("a", "failed", "corrupt_record"), ("b", "failed", "corrupt_record"), ("c", "ok", None),
        ("d", "failed", "encrypted"),
    ]  # fmt: skip


def test_an_entry_that_inflates_to_more_than_it_says_is_not_inflated(tmp_path):
    path = pack(tmp_path / "a.zip", {"bomb": bytes(1 << 24)})
    data = bytearray(path.read_bytes())
    struct.pack_into("<L", data, data.rindex(b"PK\1\2") + 24, 100)
    path.write_bytes(data)
    tracemalloc.start()
    (row,) = read(cut(path)[0], ReadLimits(1, 1 << 20, 1 << 20))
    assert tracemalloc.get_traced_memory()[1] < 4 << 20
    tracemalloc.stop()
    assert (row["error_code"], row["error_detail"]) == (
        "corrupt_record", "size or CRC is not what the zip's directory says",
    )  # fmt: skip


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_whatever_a_zip_was_packed_with_is_unpacked_and_damage_found(tmp_path, method):
    contents = {"a": b"a picture" * 40, "b": b"", "c": random.Random(0).randbytes(100)}
    with zipfile.ZipFile(tmp_path / "a.zip", "w", method) as archive:
        for name, content in contents.items():
            archive.writestr(name, content)
        place = archive.getinfo("c").header_offset + 31 + 20
    assert {r["source_member"]: r["content"] for r in read(cut(tmp_path / "a.zip")[0])} == contents
    data = bytearray((tmp_path / "a.zip").read_bytes())
    data[place] ^= 255
    (tmp_path / "a.zip").write_bytes(data)
    assert outcomes(tmp_path / "a.zip")[2] == ("c", "failed", "corrupt_record")


def test_an_unknown_packing_says_which_are_known(tmp_path):
    path = pack(tmp_path / "a.zip", {"a": b"1"})
    data = bytearray(path.read_bytes())
    struct.pack_into("<H", data, data.rindex(b"PK\1\2") + 10, 9)  # Deflate64
    path.write_bytes(data)
    (row,) = read(cut(path)[0])
    assert row["error_detail"] == "compressed by method 9; stored, deflate, bzip2 and LZMA are read"


@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_a_split_begins_at_its_own_entries(tmp_path, kind):
    """Headers before it are not read: the archive's beginning may be lost."""
    names = {f"{'long' * 40}/{i}.png": bytes([i]) * 300 for i in range(6)}
    path = pack(tmp_path / f"a.{kind}", names)
    splits = cut(path, split_bytes=1)
    assert [split.pieces[0].begin > 0 for split in splits] == [False, True, True, True, True, True]
    data = bytearray(path.read_bytes())
    begin = splits[4].pieces[0].begin
    if kind == "tar":
        data[:begin] = bytes([7]) * begin
    else:
        data[data.index(b"PK\1\2") : begin] = bytes(begin - data.index(b"PK\1\2"))
    stat = path.stat()
    path.write_bytes(data)
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    (row,) = read(splits[4])
    assert (row["source_member"], row["source_offset"], row["content"]) == (f"{'long' * 40}/4.png", 4, b"\4" * 300)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("content", [b"no archive at all" * 99, b"x"])
def test_what_is_no_archive_is_one_failed_row(tmp_path, kind, content):
    (tmp_path / f"a.{kind}").write_bytes(content)
    ((member, status, _),) = outcomes(tmp_path / f"a.{kind}")
    assert (member, status) == (None, "failed")


@pytest.mark.parametrize("kind", KINDS)
def test_an_empty_archive_has_no_rows_and_is_planned(tmp_path, kind):
    (split,) = cut(pack(tmp_path / f"a.{kind}", {}))
    assert [(p.start, p.end, p.size) for p in split.pieces] == [(0, 0, 0)] and read(split) == []
    prove_all([split])


def test_an_archive_that_is_not_the_planned_one_is_refused(tmp_path):
    path = pack(tmp_path / "a.zip", CONTENTS)
    (split,) = cut(path)
    pack(path, {"other": b"1"})
    with pytest.raises(InputChanged, match="changed since it was planned"):
        read(split)


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(KINDS), st.integers(0, 1 << 30), st.integers(0, 255), st.booleans())
def test_any_damage_leaves_rows_that_add_up(tmp_path_factory, kind, place, value, cut_there):
    path = pack(tmp_path_factory.mktemp("damage") / f"a.{kind}", CONTENTS)
    data = bytearray(path.read_bytes())
    place %= len(data)
    data[place] = value
    path.write_bytes(data[: place + 1] if cut_there else data)
    splits = cut(path, split_bytes=200)
    prove_all(splits)
    for row in (row for split in splits for row in read(split)):
        assert row["status"] != "ok" or kind != "zip" or row["content"] in CONTENTS.values()


def test_a_name_decides_which_files_are_archives(tmp_path):
    sources = {"archives": ArchivesSource(), "files": FilesSource()}
    names = ["a.zip", "a.TAR", "a.tar.gz", "a.tgz", "a.png", "a.gz"]
    assert [planning.choose(name, sources, None) for name in names] == ["archives"] * 4 + ["files"] * 2
    pack(tmp_path / "a.zip", CONTENTS)
    (tmp_path / "b.png").write_bytes(b"b")
    ledger = Ledger(f"file://{tmp_path}/out")
    listed = [f"file://{tmp_path}/*.*"]
    splits = planning.extend(ledger, sources, listed, list(expand_inputs(listed)), None, 1 << 26, cores=1)
    assert [split.kind for split in splits] == ["archives", "files"]


def test_an_entry_that_kills_costs_its_own_row(tmp_path):
    contents = {"a": b"1", "b": b"22", "c": b"kernel segv", "d": b"333"}
    job = replace(JOB, record_schema=pa.schema([("content", pa.binary())]), make_kernel=measure_contents)
    (split,) = cut(pack(tmp_path / "a.zip", contents))
    (tmp_path / "scratch").mkdir()
    work = Work(job, HarmConfig(), ArchivesSource(), split, RunOptions(record_timeout_seconds=5.0))
    rows = pq.read_table(do_split(work, tmp_path / "scratch")).to_pylist()
    assert [(r["source_member"], r["status"], r["error_code"], r["size"]) for r in rows] == [
        ("a", "ok", None, 1), ("b", "ok", None, 2), ("c", "failed", "crash", None), ("d", "ok", None, 3),
    ]  # fmt: skip
    receipt = read_receipt(tmp_path / "scratch/part.parquet")
    assert prove([split], {split.id: receipt}, {"archives": "entries"}) == []
