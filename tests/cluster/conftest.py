"""One HDFS and YARN for all cluster tests, and a user's checkout whose Python comes from a channel made here."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pyspark
import pytest
from cluster.conda_channel import VERSION, make_channel
from cluster.minihadoop import MiniHadoop, running

from lib import storage

PROJECT = Path(__file__).resolve().parents[2]
SUBMIT_SECONDS = 300
FAST = "-XX:+UseSerialGC -XX:TieredStopAtLevel=1"  # halves the CPU of a short application
PAGES = 120


@pytest.fixture(scope="session")
def hadoop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MiniHadoop]:
    root: Path = tmp_path_factory.mktemp("hadoop")
    with running(root) as cluster:
        yield cluster


@dataclass(frozen=True)
class User:
    """Somebody with a checkout, HADOOP_CONF_DIR and no rights beyond their own folder."""

    checkout: Path
    hadoop: MiniHadoop
    cache: str = "cache"

    @property
    def root(self) -> str:
        """Where archives lie on the cluster."""
        return f"{self.hadoop.default_fs}/shared/fireball"

    @property
    def env(self) -> dict[str, str]:
        own = {
            "HADOOP_CONF_DIR": str(self.hadoop.conf_dir),
            "HADOOP_USER_NAME": "root",
            "XDG_CACHE_HOME": str(self.checkout / self.cache),
            "SPARK_LOCAL_IP": "127.0.0.1",
            "SPARK_SUBMIT_OPTS": FAST,
            # What leads others astray, and must not lead us.
            "PYSPARK_DRIVER_PYTHON": "/nowhere/python",
            "PYSPARK_PYTHON": "/nowhere/python",
            "PYTHONPATH": str(self.checkout),
        }
        return {**os.environ, **own}

    def command(self, *args: str, mode: str = "cluster", settings: Sequence[str] = ()) -> list[str]:
        """parse_html on YARN, with two small executors."""
        confs = [
            f"spark.fireball.root={self.root}",
            f"spark.yarn.jars=local:{Path(pyspark.__file__).parent}/jars/*",
            "spark.executor.cores=1",
            "spark.executor.memory=512m",
            "spark.driver.memory=512m",
            "spark.driver.memoryOverhead=512m",
            "spark.yarn.am.memory=512m",
            f"spark.driver.extraJavaOptions={FAST}",
            f"spark.executor.extraJavaOptions={FAST}",
            "spark.yarn.appMasterEnv.SPARK_LOCAL_IP=127.0.0.1",
            "spark.yarn.report.interval=300ms",
            *(("spark.driver.bindAddress=127.0.0.1", "spark.driver.host=127.0.0.1") if mode == "client" else ()),
            *settings,
        ]
        where = ["--master", "yarn", "--deploy-mode", mode, *(f"--spark-conf={conf}" for conf in confs)]
        small = ["--set", "run.record_memory_mb=512"]
        return [sys.executable, "-m", "jobs", "parse_html", *where, *small, *args]

    def start(self, *args: str, mode: str = "cluster", settings: Sequence[str] = ()) -> subprocess.Popen[str]:
        return subprocess.Popen(
            self.command(*args, mode=mode, settings=settings),
            cwd=self.checkout,
            env=self.env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def run(self, *args: str, mode: str = "cluster", settings: Sequence[str] = ()) -> Ended:
        return ended(self.start(*args, mode=mode, settings=settings))

    def rows(self, output: str, columns: Sequence[str] | None = None) -> list[dict[str, Any]]:
        """Everything that is committed, by source_path."""
        parts = [name for name in storage.names(output) if name.startswith("part-")]
        tables = []
        for part in parts:
            with storage.open_input(f"{output}/{part}") as file:
                tables.append(pq.read_table(file, columns=columns))
        return sorted(pa.concat_tables(tables).to_pylist(), key=lambda row: str(row["source_path"]))


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    code: int
    summary: dict[str, Any]
    stderr: str


def ended(process: subprocess.Popen[str]) -> Ended:
    try:
        out, err = process.communicate(timeout=SUBMIT_SECONDS)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
    return Ended(process.returncode, json.loads(out) if out.strip() else {}, err)


def until(holds: Any, what: str, seconds: float = SUBMIT_SECONDS) -> Any:
    """The first true answer."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := holds():
            return found
        time.sleep(0.2)
    raise TimeoutError(what)


@pytest.fixture(scope="session")
def channel(tmp_path_factory: pytest.TempPathFactory) -> str:
    return make_channel(tmp_path_factory.mktemp("conda") / "channel")


@pytest.fixture(scope="session")
def user(hadoop: MiniHadoop, channel: str, tmp_path_factory: pytest.TempPathFactory) -> User:
    os.environ.update(HADOOP_CONF_DIR=str(hadoop.conf_dir), HADOOP_USER_NAME="root")
    checkout = tmp_path_factory.mktemp("home") / "checkout"
    checkout.mkdir()
    for name in ("jobs", "lib", "ship", "conf", "samples"):
        shutil.copytree(PROJECT / name, checkout / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(PROJECT / "requirements.lock", checkout)
    environment = (PROJECT / "environment.yml").read_text()
    python = ".".join(VERSION.split(".")[:2])
    environment = environment.replace("- conda-forge", f"- {channel}").replace("python=3.11", f"python={python}")
    (checkout / "environment.yml").write_text(environment)
    return User(checkout, hadoop)


@pytest.fixture(scope="session")
def pages(hadoop: MiniHadoop, user: User) -> str:
    """A folder of so many pages that a run of one split each takes a while."""
    folder = f"{hadoop.default_fs}/pages"
    for number in range(PAGES):
        page = f"<html><title>page {number}</title><p>Text of page {number}. <a href='/x{number}'>x</a></html>"
        storage.write_bytes(f"{folder}/{number:03}.html", page.encode())
    return folder
