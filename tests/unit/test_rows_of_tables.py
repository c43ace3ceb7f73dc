"""A table's row keeps the fields that its file has."""

import pyarrow as pa

from lib.records import ROW
from lib.rows import conform


def test_the_fields_of_a_row_are_the_inputs() -> None:
    found = pa.record_batch({"position": pa.array([7]), "row": pa.array([{"age": 41}])})

    row = conform(found, pa.schema([ROW]))["row"]

    assert row.to_pylist() == [{"age": 41}]


def test_a_row_that_could_not_be_read_is_null() -> None:
    found = pa.record_batch({"position": pa.array([7])})

    row = conform(found, pa.schema([ROW]))["row"]

    assert row.to_pylist() == [None]
