"""What tests share: a local Spark session, and requests for runs of harmless and harmful lines."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

ROOT = Path(__file__).parents[1]
# Workers and their children import what the tests import.
os.environ["PYTHONPATH"] = os.pathsep.join([str(ROOT), str(ROOT / "tests"), *filter(None, sys.path)])


@pytest.fixture(scope="session")
def spark() -> Iterator[SparkSession]:
    """Two cores, and four attempts for each task."""
    from lib.spark.session import local_session

    session = local_session("tests", "local[2]", {})
    yield session
    session.stop()
