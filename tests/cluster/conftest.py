"""One HDFS and YARN for all cluster tests, and a user's checkout whose Python comes from a channel made here."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pyspark
import pytest
from cluster.conda_channel import VERSION, make_channel
from cluster.minihadoop import MiniHadoop, running

from lib import hdfs, storage

PROJECT = Path(__file__).resolve().parents[2]
SUBMIT_SECONDS = 600
# Halves the CPU of a short application.
FAST = "-XX:+UseSerialGC -XX:TieredStopAtLevel=1 -XX:+UnlockDiagnosticVMOptions -XX:-BytecodeVerificationRemote"
PAGES = 90
EVERY_PAGE = [f"{number:03}.html" for number in range(PAGES)]


@pytest.fixture(scope="session")
def hadoop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MiniHadoop]:
    root: Path = tmp_path_factory.mktemp("hadoop")
    with running(MiniHadoop(root)) as cluster:
        yield cluster


@dataclass(frozen=True)
class User:
    """Somebody with a checkout, HADOOP_CONF_DIR and no rights beyond their own folder."""

    checkout: Path
    hadoop: MiniHadoop
    pages: str = ""  # a folder of so many small pages
    name: str = "ada"
    cache: str = "cache"
    shell: tuple[tuple[str, str], ...] = ()  # more of their environment

    @property
    def root(self) -> str:
        """Where archives lie on the cluster."""
        return f"{self.hadoop.default_fs}/shared/fireball"

    def out(self, name: str) -> str:
        """An output folder of its own."""
        return f"{self.hadoop.default_fs}/out/{name}"

    @property
    def env(self) -> dict[str, str]:
        own = {
            "HADOOP_CONF_DIR": str(self.hadoop.conf_dir),
            "HADOOP_USER_NAME": self.name,
            "XDG_CACHE_HOME": str(self.checkout / self.cache),
            "SPARK_LOCAL_IP": "127.0.0.1",
            "SPARK_SUBMIT_OPTS": FAST,
            # What leads others astray, and must not lead us.
            "PYSPARK_DRIVER_PYTHON": "/nowhere/python",
            "PYSPARK_PYTHON": "/nowhere/python",
            "PYTHONPATH": str(self.checkout),
        }
        return {**os.environ, **own, **dict(self.shell)}

    def command(self, out: str, *args: str, mode: str = "cluster", job: str = "parse_html") -> list[str]:
        """A job over the pages on YARN, with one small executor."""
        confs = [
            f"spark.fireball.root={self.root}",
            f"spark.yarn.jars=local:{Path(pyspark.__file__).parent}/jars/*",
            "spark.driver.memory=512m",
            "spark.driver.memoryOverhead=512m",
            "spark.yarn.am.memory=512m",
            f"spark.driver.extraJavaOptions={FAST}",
            f"spark.executor.extraJavaOptions={FAST}",
            "spark.yarn.appMasterEnv.SPARK_LOCAL_IP=127.0.0.1",
            "spark.yarn.report.interval=300ms",
            *(("spark.driver.bindAddress=127.0.0.1", "spark.driver.host=127.0.0.1") if mode == "client" else ()),
        ]
        where = ["--master", "yarn", "--deploy-mode", mode, "--executors=1", "--cores=1", "--memory=512m"]
        where += [f"--spark-conf={conf}" for conf in confs]
        what = ["--input", self.pages, "--output", self.out(out), "--set", "run.record_memory_mb=512"]
        return [sys.executable, "-m", "jobs", job, *what, *where, *args]

    def start(self, out: str, *args: str, mode: str = "cluster", job: str = "parse_html") -> subprocess.Popen[str]:
        return self.launch(self.command(out, *args, mode=mode, job=job))

    def launch(self, command: Sequence[str]) -> subprocess.Popen[str]:
        return subprocess.Popen(
            command,
            cwd=self.checkout,
            env=self.env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def run(self, out: str, *args: str, mode: str = "cluster", job: str = "parse_html") -> Ended:
        return ended(self.start(out, *args, mode=mode, job=job))

    def ask(self, *args: str) -> Ended:
        """Another command than a job on YARN."""
        return ended(self.launch([sys.executable, "-m", "jobs", *args]))

    def say(self, *args: str) -> str:
        """What a command that prints no summary prints."""
        return self.launch([sys.executable, "-m", "jobs", *args]).communicate(timeout=SUBMIT_SECONDS)[0]

    def archives(self) -> list[str]:
        return [name for name in storage.names(self.root) if name.startswith("environment-")]

    def parts(self, out: str) -> list[str]:
        return [f"{self.out(out)}/{name}" for name in storage.names(self.out(out)) if name.startswith("part-")]

    def application(self, out: str) -> str:
        """Of the run in this folder, which has begun."""
        return str(json.loads(storage.read_bytes(f"{self.out(out)}/_state/run.json"))["application"])

    def rows(self, out: str, columns: Sequence[str] | None = None) -> list[dict[str, Any]]:
        """Everything that is committed, by source_path."""
        tables = []
        for part in self.parts(out):
            with storage.open_input(part) as file:
                tables.append(pq.read_table(file, columns=columns))
        return sorted(pa.concat_tables(tables).to_pylist(), key=lambda row: str(row["source_path"]))

    def names(self, out: str) -> list[str]:
        """Of the pages that have a row: EVERY_PAGE where each has one, once."""
        return [str(row["source_path"]).rsplit("/", 1)[-1] for row in self.rows(out, ["source_path"])]


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


def write_pages(folder: str, pages: Sequence[str] = EVERY_PAGE) -> None:
    """Small pages of these names."""
    for number, name in enumerate(pages):
        page = f"<html><title>page {number}</title><p>Text of page {number}. <a href='/x{number}'>x</a></html>"
        storage.write_bytes(f"{folder}/{name}", page.encode())


@pytest.fixture(scope="session")
def channel(tmp_path_factory: pytest.TempPathFactory) -> str:
    return make_channel(tmp_path_factory.mktemp("conda") / "channel")


@pytest.fixture(scope="session")
def checkout(channel: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder: Path = tmp_path_factory.mktemp("home") / "checkout"
    folder.mkdir()
    for name in ("jobs", "lib", "ship", "conf", "samples"):
        shutil.copytree(PROJECT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(PROJECT / "requirements.lock", folder)
    environment = (PROJECT / "environment.yml").read_text()
    python = ".".join(VERSION.split(".")[:2])
    environment = environment.replace("- conda-forge", f"- {channel}").replace("python=3.11", f"python={python}")
    (folder / "environment.yml").write_text(environment)
    shutil.copy(Path(__file__).with_name("harm_pages.py"), folder / "jobs")
    return folder


def settle(hadoop: MiniHadoop, checkout: Path, pages: Sequence[str]) -> User:
    """Folders and pages for a user of this cluster, by whoever this process is."""
    client = hdfs.connect(hadoop.default_fs)
    for folder, owner in (("/user/ada", "ada"), ("/user/grace", "grace"), ("/shared", "ada"), ("/out", "ada")):
        client.mkdirs(folder, create_parent=True)
        client.set_owner(folder, owner)
    for folder in ("/out", "/tmp"):
        client.mkdirs(folder)
        client.set_permission(folder, 0o1777)
    write_pages(f"{hadoop.default_fs}/pages", pages)
    return User(checkout, hadoop, f"{hadoop.default_fs}/pages")


@pytest.fixture(scope="session")
def user(hadoop: MiniHadoop, checkout: Path) -> User:
    os.environ.update(HADOOP_CONF_DIR=str(hadoop.conf_dir), HADOOP_USER_NAME="root")
    return settle(hadoop, checkout, EVERY_PAGE)


@pytest.fixture(scope="session")
def shipped(user: User) -> User:
    """One whose environment is on the cluster, by a first run in cluster mode."""
    end = user.run("first")
    assert end.code == 0, end.stderr
    assert end.summary["ok"] == PAGES
    return user


def seconds_of(scenario: Callable[[User], None], user: User) -> float:
    began = time.monotonic()
    scenario(user)
    return time.monotonic() - began


@pytest.fixture(scope="module")
def scenarios(request: pytest.FixtureRequest, shipped: User) -> Iterator[dict[str, Future[float]]]:
    """Those that are to be tested, two at a time: an application waits half of its life."""
    wanted = [item.callspec.params["scenario"] for item in request.session.items if hasattr(item, "callspec")
              and "scenario" in item.callspec.params and item.module is request.module]  # fmt: skip
    with ThreadPoolExecutor(2) as pool:
        yield {scenario.__name__: pool.submit(seconds_of, scenario, shipped) for scenario in wanted}
        pool.shutdown(cancel_futures=True)
