"""What an operator learns of a run from outside."""

from __future__ import annotations

import pyarrow.parquet as pq
import pytest

from harm.runs import request, write
from lib.errors import UsageError
from lib.inspection import status, verify
from lib.spark.run import execute

pytestmark = [pytest.mark.spark, pytest.mark.usefixtures("spark")]


@pytest.fixture
def done(tmp_path):
    lines = [b"# remark" if i % 5 == 0 else b"x" * (i % 50) for i in range(400)]
    wanted = request([write(tmp_path / "lines.txt", lines)], tmp_path / "out")
    assert execute(wanted).summary["records"] == 320
    return wanted.output


def test_a_finished_run(done):
    found = status(done)
    assert (found["job"], found["state"], found["exit_code"]) == ("measure_lines", "done", 0)
    assert found["splits"]["planned"] == found["splits"]["done"] > 1


def test_a_sound_run_is_verified(done):
    assert verify(done) == []


def test_a_file_with_a_row_too_few_is_found(done, tmp_path):
    part = sorted((tmp_path / "out").glob("part-*"))[1]
    file = pq.ParquetFile(part)
    receipt = file.metadata.metadata[b"fireball.receipt"]
    ranges = file.metadata.metadata[b"fireball.unselected"]
    table = file.read().slice(1)
    with pq.ParquetWriter(part, table.schema) as writer:
        writer.write_table(table)
        writer.add_key_value_metadata({b"fireball.receipt": receipt, b"fireball.unselected": ranges})
    (wrong,) = verify(done)
    assert wrong.startswith("0001-000001: ")


def test_a_missing_file_is_found(done, tmp_path):
    sorted((tmp_path / "out").glob("part-*"))[0].unlink()
    assert verify(done) == ["1 splits are not there yet, the first is 0001-000000"]


def test_a_folder_without_a_run_is_refused(tmp_path):
    with pytest.raises(UsageError, match="holds no run"):
        status(f"file://{tmp_path}")
