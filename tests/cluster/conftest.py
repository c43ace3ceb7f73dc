"""One HDFS and YARN for all cluster tests; each test has folders of its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from cluster.minihadoop import MiniHadoop, running


@pytest.fixture(scope="session")
def hadoop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MiniHadoop]:
    root: Path = tmp_path_factory.mktemp("hadoop")
    with running(root) as cluster:
        yield cluster
