"""A record that kills, hangs or grows costs its own row and nothing else; the real child processes do the dying."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from harm.lines import CODES, HARMS, JOB, HarmConfig, LinesSource, make_kernel, measure_table_rows
from lib.child import Child, Lessons, Page, Work
from lib.guard import SplitFailed, do_split, try_set_up
from lib.job import Kernel
from lib.options import ParquetOptions, RunOptions
from lib.part import read_footer, read_receipt
from lib.receipt import load_ranges, prove
from lib.records import ROW
from lib.rows import Rows
from lib.sources.table import TableSource
from lib.split import Split
from lib.storage import stat

RUN = RunOptions(
    record_timeout_seconds=1.0, record_memory_mb=256, batch_rows=4, batch_bytes=1 << 20, max_record_bytes=1 << 20,
    parquet=ParquetOptions(row_group_bytes=1 << 20),
)  # fmt: skip


def work_on(folder: Path, lines: list[bytes], run: RunOptions = RUN) -> Work:
    path = folder / "lines.txt"
    path.write_bytes(b"".join(line + b"\n" for line in lines))
    source = LinesSource()
    (pieces,) = source.plan([stat(f"file://{path}")], 1 << 30)
    return Work(JOB, HarmConfig(), source, Split("0001-000000", "harm.lines", pieces), run)


def crash(config: HarmConfig) -> Kernel:
    HARMS[b"segv"]()
    return make_kernel(config)


def rows(work: Work, folder: Path) -> list[dict]:
    scratch = folder / "scratch"
    scratch.mkdir(exist_ok=True)
    return pq.read_table(do_split(work, scratch)).to_pylist()


def outcome(found: list[dict]) -> list[tuple]:
    return [(row["status"], row["error_code"], row["size"]) for row in found]


def test_healthy_lines_need_one_child(tmp_path):
    found = rows(work_on(tmp_path, [b"a", b"bb", b"# a remark", b"ccc"]), tmp_path)
    assert outcome(found) == [("ok", None, 1), ("ok", None, 2), ("ok", None, 3)]
    receipt = read_receipt(tmp_path / "scratch/part.parquet")
    assert receipt.deaths == [] and receipt.counts == {"ok": {"": 3}}
    (uri,) = receipt.covered
    assert receipt.covered[uri][:2] == [0, 20] and receipt.unselected == {"comment": 1}
    assert load_ranges(read_footer(tmp_path / "scratch/part.parquet")) == {uri: [(5, 11, "comment")]}


def test_after_one_record_the_kernel_gets_the_rest_of_the_batch(tmp_path):
    kernel, sizes = JOB.make_kernel(HarmConfig()), []

    def counted(records: pa.RecordBatch) -> pa.RecordBatch:
        sizes.append(records.num_rows)
        return kernel(records)

    work = work_on(tmp_path, [b"a"] * 8)
    Child(work, Lessons(), tmp_path, Page.create(tmp_path / "page"), Rows(JOB, counted)).run()

    assert sizes == [1, 3, 4]


@pytest.mark.parametrize("side", ["kernel", "read"])
@pytest.mark.parametrize("name", sorted(CODES))
def test_harm_becomes_its_row(tmp_path, side, name):
    if side == "read" and name in (b"few", b"many"):
        pytest.skip("a reader does not answer with rows")
    lines = [b"a", b"bb", side.encode() + b" " + name, b"c", b"d", b"eeeee", b"f"]
    found = rows(work_on(tmp_path, lines), tmp_path)
    assert outcome(found) == [
        ("ok", None, 1), ("ok", None, 2), ("failed", CODES[name], None), ("ok", None, 1), ("ok", None, 1),
        ("ok", None, 5), ("ok", None, 1),
    ]  # fmt: skip
    assert found[2]["source_offset"] == 5 and found[2]["error_detail"]


def test_columns_known_to_the_reader_stay_in_the_row_of_a_crash(tmp_path):
    found = rows(work_on(tmp_path, [b"a", b"kernel segv"]), tmp_path)
    assert found[1]["line"] == b"kernel segv"


def test_a_whole_batch_of_killers(tmp_path):
    lines = [b"a"] * 4 + [b"kernel segv", b"kernel exit0", b"read abort", b"kernel raise"] + [b"b"] * 3
    found = rows(work_on(tmp_path, lines), tmp_path)
    assert [row["error_code"] for row in found] == [None] * 4 + ["crash", "crash", "crash", "exception"] + [None] * 3


def test_deaths_stand_in_the_receipt_with_exit_and_stderr(tmp_path):
    rows(work_on(tmp_path, [b"a", b"kernel segv"]), tmp_path)
    deaths = read_receipt(tmp_path / "scratch/part.parquet").deaths
    assert [(d.position, d.step, d.code, d.exit) for d in deaths] == [
        (2, "kernel", "crash", "killed by SIGSEGV"), (2, "kernel", "crash", "killed by SIGSEGV"),
    ]  # fmt: skip
    assert "Segmentation fault" in deaths[1].stderr and "lines.py" in deaths[1].stderr


def test_a_hang_says_where(tmp_path):
    found = rows(work_on(tmp_path, [b"kernel regex"]), tmp_path)
    assert "no end in 1 s" in found[0]["error_detail"] and "lines.py" in found[0]["error_detail"]


def test_slow_but_healthy_batch_is_no_hang(tmp_path):
    work = replace(work_on(tmp_path, [b"a"] * 8), config=HarmConfig(seconds=0.4))
    assert outcome(rows(work, tmp_path)) == [("ok", None, 1)] * 8
    assert read_receipt(tmp_path / "scratch/part.parquet").deaths == []


def test_after_a_death_no_row_is_done_more_than_twice_over(tmp_path):
    lines = [b"a" * 1000] * 40 + [b"kernel segv"] + [b"b" * 1000] * 40
    run = replace(RUN, parquet=ParquetOptions(row_group_bytes=8000))
    found = rows(work_on(tmp_path, lines, run), tmp_path)
    assert [row["size"] for row in found] == [1000] * 40 + [None] + [1000] * 40
    assert len(list((tmp_path / "scratch").glob("segment-*"))) > 5


def test_failed_rows_are_done_again_and_the_others_copied(tmp_path):
    work = work_on(tmp_path, [b"a", b"kernel raise", b"c", b"read segv", b"kernel few", b"d"])
    scratch = tmp_path / "first"
    scratch.mkdir()
    first = do_split(work, scratch)
    healed = HarmConfig(prefix="12345", healed=True)
    again = replace(work, previous=str(first), source=LinesSource(healed=True), config=healed)
    # The changed prefix shows which rows were made anew: those that had failed.
    assert [row["size"] for row in rows(again, tmp_path)] == [1, 17, 1, 14, 15, 1]


def test_rows_are_kept_where_a_retry_finds_the_input_gone(tmp_path):
    work = work_on(tmp_path, [b"a", b"kernel raise"], replace(RUN, unreadable="record"))
    (tmp_path / "first").mkdir()
    first = do_split(work, tmp_path / "first")
    (tmp_path / "lines.txt").unlink()
    with pytest.raises(SplitFailed, match="the rows made before are kept") as error:
        rows(replace(work, previous=str(first)), tmp_path)
    assert error.value.kind == "unreadable"


def test_an_input_that_is_gone_fails_the_split_for_good(tmp_path):
    work = work_on(tmp_path, [b"a"])
    (tmp_path / "lines.txt").unlink()
    with pytest.raises(SplitFailed, match="lines") as error:
        rows(work, tmp_path)
    assert error.value.kind == "unreadable"


def test_an_input_that_is_gone_can_be_a_row(tmp_path):
    work = work_on(tmp_path, [b"a"], replace(RUN, unreadable="record"))
    (tmp_path / "lines.txt").unlink()
    (row,) = rows(work, tmp_path)
    assert (row["status"], row["error_code"], row["source_offset"], row["source_length"]) == (
        "failed", "unreadable", 0, 2,
    )  # fmt: skip


@pytest.mark.parametrize("gone", [0, 1])
def test_a_table_that_is_gone_costs_only_its_own_rows(tmp_path, gone):
    paths = [tmp_path / "0.csv", tmp_path / "1.csv"]
    for path in paths:
        path.write_text("line\na\nb\n")
    source = TableSource()
    (pieces,) = source.plan([stat(f"file://{path}") for path in paths], 1 << 20)
    job = replace(JOB, sources=("table",), record_schema=pa.schema([ROW]), make_kernel=measure_table_rows)
    paths[gone].unlink()
    found = rows(
        Work(job, HarmConfig(), source, Split("0001-000000", "table", pieces), replace(RUN, unreadable="record")),
        tmp_path,
    )
    assert [(row["source_path"][-5:], row["source_offset"], row["error_code"]) for row in found] == [
        (f"{number}.csv", row, "unreadable" if number == gone else None) for number in (0, 1) for row in (0, 1)
    ]


def test_a_file_that_is_gone_for_a_while_leaves_the_other_splits_proven(tmp_path):
    whole = work_on(tmp_path, [b"x" * 50] * 10, replace(RUN, unreadable="record"))
    path = tmp_path / "lines.txt"
    groups = whole.source.plan([stat(f"file://{path}")], 120)
    splits = [Split(str(number), "harm.lines", pieces) for number, pieces in enumerate(groups)]
    receipts = {}
    for split in splits:
        if split.id == "2":
            path.rename(tmp_path / "elsewhere")
        (folder := tmp_path / split.id).mkdir()
        receipts[split.id] = read_receipt(do_split(replace(whole, split=split), folder))
        if split.id == "2":
            (tmp_path / "elsewhere").rename(path)
    assert [receipt.counts for receipt in receipts.values()] == [
        {"ok": {"": 3}}, {"ok": {"": 2}}, {"failed": {"unreadable": 1}}, {"ok": {"": 2}}, {},
    ]  # fmt: skip
    assert prove(splits, receipts, {"harm.lines": "bytes"}) == []
    receipts["2"].unreadable = {}
    assert prove(splits, receipts, {"harm.lines": "bytes"}) == [
        f"file://{path}: 255 to 240 is missing or doubled, at split 2"
    ]


def test_a_kernel_that_cannot_be_made_is_no_record_s_fault(tmp_path):
    work = work_on(tmp_path, [b"a"])
    broken = replace(work, job=replace(JOB, make_kernel=print))
    with pytest.raises(SplitFailed, match="NoneType") as error:
        rows(broken, tmp_path)
    assert error.value.kind == "setup"


def test_a_set_up_that_crashes_is_told_in_one_line(tmp_path):
    crashing = replace(work_on(tmp_path, []), job=replace(JOB, make_kernel=crash))
    assert try_set_up(crashing, tmp_path) == "killed by SIGSEGV: Fatal Python error: Segmentation fault"


def make_no_kernel(config: HarmConfig) -> None:
    """A set-up that never ends."""
    time.sleep(600)


def test_a_set_up_that_never_ends_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr("lib.guard.SET_UP_SECONDS", 1.0)
    work = replace(work_on(tmp_path, [b"a"]), job=replace(JOB, make_kernel=make_no_kernel))
    with pytest.raises(SplitFailed, match=r"died in set-up \(no end in 1 s\)"):
        rows(work, tmp_path)
