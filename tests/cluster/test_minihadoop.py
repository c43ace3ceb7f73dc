"""The cluster that the other tests stand on."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from cluster.minihadoop import MiniHadoop, running

pytestmark = pytest.mark.cluster


def test_hdfs_keeps_a_file_on_two_datanodes(hadoop: MiniHadoop, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("hello")
    hadoop.fs("-put", str(tmp_path / "a.txt"), "/a.txt")
    assert hadoop.fs("-cat", "/a.txt") == "hello"
    assert hadoop.fs("-stat", "%r", "/a.txt") == "2\n"


def test_a_killed_datanode_comes_back(hadoop: MiniHadoop) -> None:
    hadoop.restart("dn2")
    hadoop.wait_until(lambda: hadoop.live_datanodes() == 2, "two DataNodes again")


def test_no_daemon_is_left(tmp_path: Path) -> None:
    with running(MiniHadoop(tmp_path)) as cluster:
        pids = [daemon.pid for daemon in cluster.daemons.values()]
        assert len(pids) == 6
    assert not any(os.path.exists(f"/proc/{pid}") for pid in pids)  # noqa: PTH110
