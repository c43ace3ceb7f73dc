"""Web archives: each record once, whatever the file went through and wherever it was cut."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

import pytest
import zstandard
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from warc_files import LIMITS, brief, member, noise, read, read_split, record, splits, tiles, whole, write

from lib.errors import InputChanged
from lib.sources import source_type
from lib.sources.warc import WarcSource
from lib.split import ReadLimits

PAGES = [record(i, noise(100 + 700 * i, i)) for i in range(12)]
CLEAN = b"".join(map(member, PAGES))
quick = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def test_record_becomes_a_row(tmp_path: Path) -> None:
    data = member(record(7, b"<p>hi</p>", http="Content-Language: de\r\nServer: x\r\n"))
    (row,) = read([write(tmp_path, data)])
    assert row == {
        "position": 0, "source_path": f"file://{tmp_path}/a.warc.gz", "source_member": None, "source_offset": 0,
        "source_length": len(data), "status": "ok", "error_code": None, "error_detail": None, "flags": [],
        "content": b"<p>hi</p>", "url": "http://example.org/7", "http_status": 200, "http_content_type": "text/html",
        "http_headers": [("content-language", "de")], "fetch_time": datetime(2024, 5, 6, 7, 8, 9, tzinfo=UTC),
        "warc_record_id": "<urn:uuid:7>", "record_type": "response",
    }  # fmt: skip


def test_kind_is_found_by_name() -> None:
    assert source_type("warc") is WarcSource
    claimed = ["a.warc", "A.WARC.GZ", "a.warc.zst", "a.wat.gz", "a.wet"]
    assert [name for name in [*claimed, "a.gz", "a.html"] if WarcSource().claims(f"file:///{name}")] == claimed


def test_records_not_asked_for_say_what_they_were(tmp_path: Path) -> None:
    data = member(record(0, kind="request")) + member(record(1, b"x"))
    rows = read([write(tmp_path, data)])
    assert brief(rows) == [("unselected", "request", None), ("ok", None, "1")]
    assert brief(read([write(tmp_path, data)], source=WarcSource(records=("request",))))[0] == ("ok", None, "0")


@pytest.mark.parametrize("name", ["a.warc", "a.warc.gz"])
def test_empty_file_has_no_rows(tmp_path: Path, name: str) -> None:
    assert read([write(tmp_path, b"", name)]) == []


@quick
@given(size=st.integers(400, len(CLEAN)))
def test_rows_are_the_same_wherever_a_file_is_cut(tmp_path: Path, size: int) -> None:
    uri = write(tmp_path, CLEAN)
    assert read([uri], size) == read([uri])
    assert tiles(read([uri]), len(CLEAN))


THREES = ReadLimits(batch_rows=3, batch_bytes=1 << 20, max_record_bytes=1 << 20)
MIXED = [record(i, noise(60 + 500 * (i % 5), i), kind="request" if i % 3 == 1 else "response") for i in range(14)]
PACKED = {"a.warc": MIXED, "a.warc.gz": list(map(member, MIXED)),
          "a.warc.zst": [zstandard.ZstdCompressor(write_checksum=True).compress(page) for page in MIXED]}  # fmt: skip


@settings(quick, max_examples=120)
@given(name=st.sampled_from(sorted(PACKED)), where=st.lists(st.tuples(st.floats(0, 0.9999), st.integers(1, 255)),
                                                            min_size=1, max_size=3))  # fmt: skip
def test_damaged_bytes_cost_only_the_records_that_they_touch(
    tmp_path: Path, name: str, where: list[tuple[float, int]]
) -> None:
    clean = b"".join(PACKED[name])
    data = bytearray(clean)
    touched = {int(part * len(clean)): change for part, change in where}
    for at, change in touched.items():
        data[at] ^= change
    before = read([write(tmp_path, clean, name)])
    rows = read([write(tmp_path, bytes(data), name)], limits=THREES)
    kept = [row for row in before if not any(0 <= at - row["source_offset"] < row["source_length"] for at in touched)]
    assert [row for row in rows if row in kept] == kept
    assert len(rows) <= len(before) + len(touched)
    assert tiles(rows, len(data))
    for size in (1500, 4000, 9000):
        assert read([f"file://{tmp_path}/{name}"], size, THREES) == rows


@quick
@given(end=st.integers(1, len(CLEAN) - 1), size=st.integers(2000, len(CLEAN)))
def test_truncated_file_keeps_what_is_whole(tmp_path: Path, end: int, size: int) -> None:
    clean = read([write(tmp_path, CLEAN)])
    uri = write(tmp_path, CLEAN[:end])
    rows = read([uri])
    kept = [row for row in clean if row["source_offset"] + row["source_length"] <= end]
    assert rows[: len(kept)] == kept
    assert brief(rows[len(kept) :]) in ([], [("failed", "truncated", None)], [("failed", "corrupt_record", None)])
    assert tiles(rows, end)
    assert read([uri], size) == rows


@quick
@given(data=st.lists(st.sampled_from([*map(member, PAGES[:4]), noise(300), member(b"no record"), member(b""),
                                      whole(PAGES[0] + PAGES[1] + PAGES[2]), member(PAGES[3])[:-9],
                                      member(PAGES[1], name=b"one"), member(PAGES[2], extra=noise(70)),
                                      member(record(9, noise(3000) + member(PAGES[0]) * 3), level=0)]), max_size=12),
       size=st.integers(300, 9000))  # fmt: skip
def test_any_mixture_is_cut_alike(tmp_path: Path, data: list[bytes], size: int) -> None:
    uri = write(tmp_path, b"".join(data))
    rows = read([uri])
    assert tiles(rows, len(b"".join(data)))
    assert read([uri], size) == rows


def test_every_record_is_found_again_by_its_range(tmp_path: Path) -> None:
    rows = read([write(tmp_path, CLEAN)])
    for row in rows:
        start, length = row["source_offset"], row["source_length"]
        (again,) = read([write(tmp_path, CLEAN[start : start + length], "one.warc.gz")])
        assert again["content"] == row["content"]


def test_batches_change_nothing(tmp_path: Path) -> None:
    uri = write(tmp_path, CLEAN)
    assert (
        read([uri], limits=ReadLimits(1, 1, 1 << 20)) == read([uri], limits=ReadLimits(5, 999, 1 << 20)) == read([uri])
    )


@pytest.mark.parametrize("data", [CLEAN, whole(b"".join(PAGES)), member(PAGES[0]) + whole(PAGES[1] + PAGES[2])])
def test_reading_starts_and_stops_at_any_record(tmp_path: Path, data: bytes) -> None:
    (split,) = splits([write(tmp_path, data)], 1 << 40)
    rows = read_split(split)
    for i, row in enumerate(rows):
        assert read_split(split, start=row["position"]) == rows[i:]
        assert read_split(split, stop=row["position"]) == rows[:i]


def test_every_position_is_where_reading_goes_on(tmp_path: Path) -> None:
    (split,) = splits([write(tmp_path, CLEAN, "a.warc.gz"), write(tmp_path, whole(PAGES[0] * 3), "b.warc.gz")], 1 << 40)
    rows = read_split(split)
    assert len(rows) == 15
    batches = list(WarcSource().read(split, ReadLimits(1, 1, 1 << 20), lambda position: None))
    for i, (_, behind) in enumerate(batches, 1):
        assert read_split(split, start=behind) == rows[i:]


def test_records_of_one_member_are_numbered(tmp_path: Path) -> None:
    data = whole(b"".join(PAGES[:3]))
    rows = read([write(tmp_path, data)])
    assert [(r["source_member"], r["source_offset"], r["source_length"]) for r in rows] == [
        ("0", 0, 0), ("1", 0, 0), ("2", 0, len(data)),
    ]  # fmt: skip


def test_damage_in_a_whole_file_gzip_keeps_what_came_before(tmp_path: Path) -> None:
    data = bytearray(whole(b"".join(PAGES)))
    data[len(data) // 2] ^= 255
    data[len(data) // 2 + 1] ^= 255
    rows = read([write(tmp_path, bytes(data))])
    assert len(rows) > 3
    assert brief(rows)[0] == ("ok", None, "0")
    assert tiles(rows, len(data))


def test_stored_archive_inside_a_record_is_content(tmp_path: Path) -> None:
    inner = b"".join(member(PAGES[i], level=0) for i in range(5))
    data = member(PAGES[0]) + member(record(50, noise(900) + inner * 9), level=0) + member(PAGES[1]) * 3
    uri = write(tmp_path, data)
    rows = read([uri])
    assert brief(rows) == [("ok", None, "0"), ("ok", None, "50"), *[("ok", None, "1")] * 3]
    for size in range(500, len(data), 997):
        assert read([uri], size) == rows


def test_stored_archive_larger_than_a_split_is_content(tmp_path: Path) -> None:
    inner = b"".join(member(record(i, noise(3000, i))) for i in range(200))
    data = member(PAGES[0]) + member(record(50, inner)) + member(PAGES[1]) * 3
    uri = write(tmp_path, data)
    rows = read([uri])
    assert [row["url"] for row in rows] == [f"http://example.org/{i}" for i in (0, 50, 1, 1, 1)]
    for size in (30_000, 65_536, 100_001, 300_000):
        assert read([uri], size) == rows


@pytest.mark.parametrize("length", [0, 5, 9_999, 999_999_999, 1 << 70, -7])
@pytest.mark.parametrize("name", ["a.warc", "a.warc.gz", "whole.warc.gz"])
def test_wrong_content_length_is_mended_by_what_follows(tmp_path: Path, name: str, length: int) -> None:
    pages = [PAGES[1], record(0, b"body", length=length), PAGES[2], PAGES[3]]
    ways = {
        "a.warc": b"".join(pages),
        "a.warc.gz": b"".join(map(member, pages)),
        "whole.warc.gz": whole(b"".join(pages)),
    }
    data = ways[name]
    rows = read([write(tmp_path, data, name)])
    assert brief(rows) == [("ok", None, str(i)) for i in (1, 0, 2, 3)]
    assert (rows[1]["content"], rows[1]["flags"]) == (b"body", ["content_length"])
    assert tiles(rows, len(data))


@pytest.mark.parametrize("length", [1_500_000, 2_100_000, 99_999_999_999, 1 << 70])
@pytest.mark.parametrize("body", [b"body", bytes(1_200_000)])
@pytest.mark.parametrize("name", ["a.warc", "whole.warc.gz"])
def test_huge_content_length_does_not_hide_the_rest(tmp_path: Path, name: str, length: int, body: bytes) -> None:
    pages = [PAGES[1], record(0, body, length=length), *[record(i, noise(200_000, i)) for i in range(2, 12)]]
    data = b"".join(pages) if name == "a.warc" else whole(b"".join(pages))
    rows = read([write(tmp_path, data, name)])
    assert brief(rows)[2:] == [("ok", None, str(i)) for i in range(2, 12)]
    assert (rows[1]["content"], rows[1]["error_code"]) == ((b"body", None) if body == b"body" else (None, "oversize"))
    assert name != "a.warc" or [row["source_length"] for row in rows] == [len(page) for page in pages]
    assert tiles(rows, len(data))


def test_a_false_length_costs_no_earlier_record_that_holds_an_archive(tmp_path: Path) -> None:
    archive = record(1, b"\r\n\r\n".join(PAGES) + bytes(1_200_000))
    pages = [PAGES[0], archive, PAGES[2], record(3, b"false", length=9_000_000), PAGES[4]]
    data = whole(b"".join(pages))
    rows = read([write(tmp_path, data)])
    assert brief(rows) == [
        ("ok", None, "0"), ("failed", "oversize", None), ("ok", None, "2"), ("ok", None, "3"), ("ok", None, "4"),
    ]  # fmt: skip
    (split,) = splits([f"file://{tmp_path}/a.warc.gz"], 1 << 40)
    for i, row in enumerate(rows):
        assert read_split(split, start=row["position"]) == rows[i:]


def test_a_false_length_behind_which_a_member_is_damaged_costs_no_record_before_the_damage(tmp_path: Path) -> None:
    pages = [PAGES[1], record(0, b"body", length=2_100_000), *[record(i, noise(200_000, i)) for i in range(2, 12)]]
    data = bytearray(whole(b"".join(pages)))
    data[len(data) // 2] ^= 1
    rows = read([write(tmp_path, bytes(data))])
    good = len(rows) - 1
    assert brief(rows)[:good] == [("ok", None, name) for name in ("1", "0", *map(str, range(2, good)))]
    assert (rows[-1]["error_code"], good > 4) == ("corrupt_record", True)
    assert tiles(rows, len(data))


def test_oversize_record_in_a_plain_file_may_hold_an_archive(tmp_path: Path) -> None:
    data = PAGES[1] + record(0, b"\r\n\r\n".join(PAGES) + bytes(1_200_000)) + PAGES[2]
    rows = read([write(tmp_path, data, "a.warc")])
    assert brief(rows) == [("ok", None, "1"), ("failed", "oversize", None), ("ok", None, "2")]


def test_content_length_that_ends_at_an_empty_line_is_believed(tmp_path: Path) -> None:
    data = member(record(0, b"body", length=40)) + member(PAGES[1])  # the HTTP head's end looks like the record's
    rows = read([write(tmp_path, data)])
    assert brief(rows) == [("ok", None, "0"), ("failed", "corrupt_record", None), ("ok", None, "1")]
    assert tiles(rows, len(data))


@pytest.mark.parametrize("name", ["a.warc", "a.warc.gz"])
def test_garbage_between_records_is_one_failed_row(tmp_path: Path, name: str) -> None:
    first, second = (PAGES[0], PAGES[1]) if name == "a.warc" else (member(PAGES[0]), member(PAGES[1]))
    rows = read([write(tmp_path, first + b"garbage\n" + second, name)])
    assert brief(rows) == [("ok", None, "0"), ("failed", "corrupt_record", None), ("ok", None, "1")]
    assert (rows[1]["source_offset"], rows[1]["source_length"]) == (len(first), 8)


def test_plain_file_is_read_with_exact_ranges(tmp_path: Path) -> None:
    data = b"".join(PAGES)
    rows = read([write(tmp_path, data, "a.warc")], 1000)
    assert [len(page) for page in PAGES] == [row["source_length"] for row in rows]
    assert tiles(rows, len(data))
    (split,) = splits([f"file://{tmp_path}/a.warc"], 1000)
    assert read_split(split, start=rows[4]["position"]) == rows[4:]


@pytest.mark.parametrize("name", ["a.warc", "a.warc.gz"])
def test_oversize_record_is_one_failed_row_and_reading_goes_on(tmp_path: Path, name: str) -> None:
    pages = [PAGES[0], record(1, bytes(3 << 20)), PAGES[2]]
    data = b"".join(pages if name == "a.warc" else map(member, pages))
    rows = read([write(tmp_path, data, name)])
    assert brief(rows) == [("ok", None, "0"), ("failed", "oversize", None), ("ok", None, "2")]
    assert tiles(rows, len(data))


def test_passed_over_record_is_a_failed_row_of_the_same_range(tmp_path: Path) -> None:
    (split,) = splits([write(tmp_path, CLEAN)], 1 << 40)
    rows = read_split(split)
    for i, row in enumerate(rows):
        batch, behind = WarcSource().pass_over(split, LIMITS, row["position"])
        (made,) = batch.to_pylist()
        assert (made["status"], made["error_code"], made["position"]) == ("failed", None, row["position"])
        assert (made["source_offset"], made["source_length"]) == (row["source_offset"], row["source_length"])
        assert behind == (rows[i + 1]["position"] if i + 1 < len(rows) else None)


def test_file_that_is_gone_can_be_passed_over(tmp_path: Path) -> None:
    (split,) = splits([write(tmp_path, CLEAN, "a.warc.gz"), write(tmp_path, CLEAN, "b.warc.gz")], 1 << 40)
    rows = read_split(split)
    (tmp_path / "a.warc.gz").unlink()
    batch, behind = WarcSource().pass_over(split, LIMITS, 0)
    assert batch["source_length"].to_pylist() == [len(CLEAN)]
    assert read_split(split, start=behind) == rows[12:]


def test_changed_file_is_refused(tmp_path: Path) -> None:
    (split,) = splits([write(tmp_path, CLEAN)], 1 << 40)
    os.utime(tmp_path / "a.warc.gz", ns=(1, 1))
    with pytest.raises(InputChanged, match=r"a.warc.gz: changed"):
        read_split(split)


def test_missing_file_is_an_oserror_behind_an_announcement(tmp_path: Path) -> None:
    (split,) = splits([write(tmp_path, CLEAN)], 1 << 40)
    (tmp_path / "a.warc.gz").unlink()
    announced: list[int] = []
    with pytest.raises(FileNotFoundError):
        list(WarcSource().read(split, LIMITS, announced.append))
    assert announced == [0]


def test_zstd_frames_are_cut_anywhere_and_damage_stays_local(tmp_path: Path) -> None:
    frames = [zstandard.ZstdCompressor(write_checksum=True).compress(page) for page in PAGES]
    data = bytearray(b"".join(frames))
    rows = read([write(tmp_path, bytes(data), "a.warc.zst")])
    assert [row["source_length"] for row in rows] == [len(frame) for frame in frames]
    assert read([f"file://{tmp_path}/a.warc.zst"], 3000) == rows
    data[len(frames[0]) + 200] ^= 1
    damaged = read([write(tmp_path, bytes(data), "b.warc.zst")])
    assert brief(damaged)[:3] == [("ok", None, "0"), ("failed", "corrupt_record", None), ("ok", None, "2")]
    assert tiles(damaged, len(data))


def test_zstd_dictionary_lies_in_the_first_frame(tmp_path: Path) -> None:
    dictionary = zstandard.ZstdCompressionDict(PAGES[1] * 3, dict_type=zstandard.DICT_TYPE_RAWCONTENT)
    frames = [zstandard.ZstdCompressor(dict_data=dictionary).compress(page) for page in PAGES[:3]]
    first = b"\x5d\x2a\x4d\x18" + len(dictionary).to_bytes(4, "little") + dictionary.as_bytes()
    rows = read([write(tmp_path, first + b"".join(frames), "a.warc.zst")])
    assert brief(rows) == [("unselected", "empty", None), *[("ok", None, str(i)) for i in range(3)]]
