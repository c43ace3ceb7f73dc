"""Rows of tables, each exactly once, wherever the splits are cut."""

from pathlib import Path

import pyarrow as pa
import pyarrow.csv as csv
import pyarrow.orc as orc
import pyarrow.parquet as pq
import pytest

from lib.errors import UsageError
from lib.sources import table
from lib.sources.table import TableSource
from lib.split import ReadLimits, Split
from lib.storage import stat, to_uri

TABLE = pa.table({"id": list(range(10)), "name": [f"n{i}" for i in range(10)]})
LIMITS = ReadLimits(batch_rows=3, batch_bytes=1 << 20, max_record_bytes=1 << 20)


def write(folder: Path, kind: str) -> str:
    path = folder / f"rows.{kind}"
    if kind == "parquet":
        pq.write_table(TABLE, path, row_group_size=4)
    elif kind == "orc":
        orc.write_table(TABLE, path)
    elif kind == "csv":
        csv.write_csv(TABLE, path)
    elif kind == "arrow":
        with pa.ipc.new_file(path, TABLE.schema) as writer:
            writer.write_table(TABLE, max_chunksize=4)
    else:
        path.write_text("".join(f'{{"id": {i}, "name": "n{i}"}}\n' for i in range(10)))
    return to_uri(str(path))


def splits(source: TableSource, uri: str, split_bytes: int = 1) -> list[Split]:
    return [Split(str(i), "table", pieces) for i, pieces in enumerate(source.plan([stat(uri)], split_bytes))]


def ids(source: TableSource, split: Split, **place: int) -> list[int]:
    found = source.read(split, LIMITS, lambda position: None, **place)
    return [row["id"] for batch, _ in found for row in batch["row"].to_pylist()]


@pytest.mark.parametrize("kind", ["parquet", "orc", "arrow", "csv", "jsonl"])
def test_each_row_comes_once_in_order(tmp_path: Path, kind: str) -> None:
    source = TableSource()

    found = [i for split in splits(source, write(tmp_path, kind)) for i in ids(source, split)]

    assert found == [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]


@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_rows_are_counted_once_when_they_are_planned(
    tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (split,) = splits(TableSource(), write(tmp_path, kind))
    opened: list[str] = []
    way = getattr(table, f"_{kind}")
    monkeypatch.setattr(table, f"_{kind}", lambda file: opened.append(kind) or way(file))

    assert ids(TableSource(), split) == list(range(10))
    assert opened == [kind]


def test_parquet_is_split_by_row_groups(tmp_path: Path) -> None:
    pieces = [split.pieces[0] for split in splits(TableSource(), write(tmp_path, "parquet"))]

    assert [(p.start, p.end, p.size) for p in pieces] == [(0, 4, 10), (4, 8, 10), (8, 10, 10)]


def test_small_files_share_a_split(tmp_path: Path) -> None:
    files = [stat(write(tmp_path, kind)) for kind in ("parquet", "csv")]

    groups = list(TableSource().plan(files, 1 << 20))

    assert [[(p.start, p.end) for p in group] for group in groups] == [[(0, 10), (0, 10)]]


def test_reading_goes_on_where_it_stopped(tmp_path: Path) -> None:
    source = TableSource()
    split = splits(source, write(tmp_path, "parquet"), 1 << 20)[0]

    behind = [after for _, after in source.read(split, LIMITS, lambda position: None)]

    assert behind == [3, 4, 7, 8, 10]
    assert ids(source, split, start=4, stop=6) == [4, 5]


def test_a_row_is_passed_over(tmp_path: Path) -> None:
    source = TableSource()
    split = splits(source, write(tmp_path, "csv"))[0]

    row, behind = source.pass_over(split, LIMITS, 9)

    assert (row["source_offset"].to_pylist(), row["status"].to_pylist(), behind) == ([9], ["failed"], None)


def test_only_the_columns_asked_for_are_read(tmp_path: Path) -> None:
    source = TableSource(columns=("name",))
    split = splits(source, write(tmp_path, "parquet"))[0]

    batch, _ = next(iter(source.read(split, LIMITS, lambda position: None)))

    assert batch["row"].to_pylist()[0] == {"name": "n0"}


def test_a_damaged_row_group_is_as_many_failed_rows(tmp_path: Path) -> None:
    uri = write(tmp_path, "parquet")
    path = tmp_path / "rows.parquet"
    group = pq.read_metadata(path).row_group(1).column(1)
    data = bytearray(path.read_bytes())
    begin = group.dictionary_page_offset or group.data_page_offset
    data[begin : begin + group.total_compressed_size] = b"\xff" * group.total_compressed_size
    path.write_bytes(data)
    source = TableSource()

    batches = [b for s in splits(source, uri, 1 << 20) for b, _ in source.read(s, LIMITS, lambda position: None)]

    assert [(b["source_offset"][i].as_py(), b["status"][i].as_py()) for b in batches for i in range(len(b))] == [
        *((i, "ok") for i in range(4)), *((i, "failed") for i in range(4, 8)), (8, "ok"), (9, "ok"),
    ]  # fmt: skip


@pytest.mark.parametrize("kind", ["parquet", "orc", "arrow", "csv", "jsonl"])
def test_the_columns_are_known_before_any_row(tmp_path: Path, kind: str) -> None:
    fields = TableSource().fields(write(tmp_path, kind))

    assert [(field.name, str(field.type)) for field in fields] == [("id", "int64"), ("name", "string")]


def test_a_csv_file_s_columns_are_read_off_its_beginning(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("a,b\n" + "1,2\n" * (32 << 18) + "a line of,too,many\n")

    assert [field.name for field in TableSource().fields(to_uri(str(path)))] == ["a", "b"]


def test_a_file_that_is_no_table_is_refused_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "page.parquet"
    path.write_text("<html>")

    with pytest.raises(UsageError, match=r"page.parquet: not a parquet file"):
        list(TableSource().plan([stat(to_uri(str(path)))], 1))


@pytest.mark.parametrize("kind", ["parquet", "orc", "arrow"])
def test_a_file_without_a_row_is_planned_once(tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"none.{kind}"
    if kind == "parquet":
        pq.ParquetWriter(path, TABLE.schema).close()
    elif kind == "orc":
        orc.write_table(TABLE.slice(0, 0), path)
    else:
        pa.ipc.new_file(path, TABLE.schema).close()
    (split,) = splits(TableSource(), to_uri(str(path)))

    assert [(p.start, p.end, p.size) for p in split.pieces] == [(0, 0, 0)]
    assert ids(TableSource(), split) == []


def test_a_file_that_is_gone_is_announced_before_it_is_touched(tmp_path: Path) -> None:
    (split,) = splits(TableSource(), write(tmp_path, "csv"))
    (tmp_path / "rows.csv").unlink()
    announced: list[int] = []

    with pytest.raises(FileNotFoundError):
        next(TableSource().read(split, LIMITS, announced.append))
    assert announced == [0]
