"""What the probing task finds before the first split."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest

from lib.child import Work
from lib.options import RunOptions
from lib.spark.task import ProbeTask
from lib.split import Split

pytestmark = pytest.mark.spark


def test_an_old_copy_of_the_code_on_an_executor_is_an_error() -> None:
    work = Work(None, None, None, Split("0001-000000", "files", ()), RunOptions())  # type: ignore[arg-type]
    (answer,) = ProbeTask(work, "file:///out", "run", "code-of-today.zip")(iter([pa.record_batch({"id": [0]})]))
    assert answer["answer"].to_pylist() == [
        f"lib comes from {Path(__file__).parents[2].name}, not from code-of-today.zip"
    ]
