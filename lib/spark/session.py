"""The Spark session: its settings come from conf/spark/*.conf, each with its reason there."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping
from pathlib import Path

from py4j.protocol import Py4JJavaError
from pyspark.sql import SparkSession

from lib.request import Request

CONF = Path(__file__).parents[2] / "conf/spark"
ATTEMPTS = 4  # of a task that fails: local masters allow one unless told so


def get_session(name: str, request: Request) -> SparkSession:
    """The session for a request: our own, or on YARN the one that spark-submit has prepared."""
    if request.master != "yarn":
        return local_session(name, request.master, request.spark_conf)
    builder = SparkSession.builder.appName(name)
    try:
        session = builder.getOrCreate()
    except Py4JJavaError as error:
        # Spark gives its web page YARN's filter while it still adds pages to it: rarely one disturbs the other.
        if "ConcurrentModificationException" not in str(error):
            raise
        session = builder.getOrCreate()
    context = session.sparkContext
    context.setLogLevel("ERROR")
    print(f"application {context.applicationId}, web page {context.uiWebUrl}", file=sys.stderr, flush=True)
    return session


def local_session(name: str, master: str, conf: Mapping[str, str]) -> SparkSession:
    """A session with a JVM of its own, on this machine's cores or a standalone master's; this Python on all workers."""
    # The executors' Python is this one, whatever the shell of the user says.
    os.environ["PYSPARK_PYTHON"] = os.environ["PYSPARK_DRIVER_PYTHON"] = sys.executable
    os.environ.setdefault("SPARK_LOCAL_IP", "127.0.0.1")
    root = str(Path(__file__).parents[2])
    os.environ["PYTHONPATH"] = os.pathsep.join(dict.fromkeys([root, *filter(None, sys.path)]))
    builder = SparkSession.builder.appName(name).master(with_attempts(master))
    settings = read_conf(CONF / "local.conf")
    settings["spark.driver.extraJavaOptions"] += f" -Dlog4j2.configurationFile={(CONF / 'log4j2.properties').as_uri()}"
    settings["spark.executorEnv.PYTHONPATH"] = os.environ["PYTHONPATH"]  # where executors are processes of their own
    for key, value in (settings | dict(conf)).items():
        builder = builder.config(key, value)
    session = builder.getOrCreate()
    session.sparkContext.setLogLevel("ERROR")
    return session


def with_attempts(master: str) -> str:
    """`local[2]` as `local[2,4]`: a failed task is tried again."""
    return re.sub(r"^local\[([^,\]]+)\]$", rf"local[\1,{ATTEMPTS}]", "local[1]" if master == "local" else master)


def attempts(spark: SparkSession) -> int:
    """How often the session tries a task."""
    master = str(spark.sparkContext.master)
    if master.startswith("local["):  # and not local-cluster, whose executors are processes
        found = re.fullmatch(r"local\[[^,]+,(\d+)\]", master)
        return int(found[1]) if found else 1
    return int(spark.conf.get("spark.task.maxFailures", str(ATTEMPTS)) or ATTEMPTS)


def cores(master: str) -> int:
    """How many tasks a local master runs at once; 0 where that is the cluster's to say."""
    found = re.match(r"^local\[([0-9]+|\*)", master)
    if not found:
        return 1 if master == "local" else 0
    return len(os.sched_getaffinity(0)) if found[1] == "*" else int(found[1])


def read_conf(path: Path) -> dict[str, str]:
    """A spark-defaults file: a key, white space, a value; `#` begins a comment line."""
    lines = (line.strip() for line in path.read_text().splitlines())
    return dict(line.split(None, 1) for line in lines if line and not line.startswith("#"))
