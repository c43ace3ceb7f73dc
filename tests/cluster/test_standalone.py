"""A standalone Spark master is one more place where the same command runs."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow.dataset as ds
import pyspark
import pytest
from cluster.conftest import PROJECT, until

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(300)]
SPARK = Path(pyspark.__file__).parent


@contextmanager
def daemon(log: Path, ready: str, *command: str) -> Iterator[None]:
    """One of Spark's own, from when it says that it is ready to the end of the block."""
    env = {**os.environ, "SPARK_HOME": str(SPARK), "SPARK_LOCAL_IP": "127.0.0.1", "SPARK_DAEMON_MEMORY": "256m"}
    with log.open("w") as out:
        process = subprocess.Popen([SPARK / "bin" / "spark-class", *command], env=env, stdout=out, stderr=out)
    try:
        until(lambda: process.poll() is not None or ready in log.read_text(), ready, 60)
        assert process.poll() is None, log.read_text()
        yield
    finally:
        process.terminate()
        process.wait(30)


@pytest.fixture
def master(tmp_path: Path) -> Iterator[str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        uri = f"spark://127.0.0.1:{free.getsockname()[1]}"
    here = ("--host", "127.0.0.1", "--webui-port", "0")
    place = (*here, "--port", uri.rsplit(":", 1)[1])
    room = (*here, "--cores", "2", "--memory", "1g", "--work-dir", str(tmp_path / "work"))
    with (
        daemon(tmp_path / "master.log", "New state: ALIVE", "org.apache.spark.deploy.master.Master", *place),
        daemon(tmp_path / "worker.log", "registered with master", "org.apache.spark.deploy.worker.Worker", *room, uri),
    ):
        yield uri


def test_the_sample_on_a_standalone_master(master: str, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "jobs", "parse_html", "--output", str(tmp_path / "out"), "--master", master]
    done = subprocess.run(
        [*command, "--memory", "512m"], cwd=PROJECT, capture_output=True, text=True, check=False, timeout=200
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["records"] == ds.dataset(tmp_path / "out").count_rows() > 0
    assert list((tmp_path / "work").glob("app-*/*/stderr"))
