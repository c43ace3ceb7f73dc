"""What keeps a run from working here or on the cluster, each in one line, before anybody waits for it."""

from __future__ import annotations

import argparse
import contextlib
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from lib import hdfs, kerberos
from lib.errors import NotLoggedIn, UsageError
from ship import environment, sparks

OLDEST_JAVA = 17
# The client's own patience with a NameNode is three minutes.
IMPATIENT = {"dfs.client.failover.max.attempts": "3", "dfs.client.failover.sleep.max.millis": "1000"}


def main(args: Sequence[str]) -> int:
    """`scripts/run.sh doctor`: 0 where nothing is wrong, 2 where something is."""
    argparse.ArgumentParser(prog="scripts/run.sh doctor", description=__doc__).parse_args(args)
    wrong = 0
    for name, check in CHECKS.items():
        try:
            print(f"ok     {name}: {check()}")
        except (UsageError, OSError, subprocess.SubprocessError) as error:
            wrong += 1
            print(f"wrong  {name}: {error}")
    return 2 if wrong else 0


def _platform() -> str:
    found = f"{sys.platform} {platform.machine()}, Python {platform.python_version()}, {' '.join(platform.libc_ver())}"
    if (sys.platform, platform.machine()) != ("linux", "x86_64"):
        raise UsageError(f"{found}: the cluster's environment is built on Linux x86-64 only")
    return found


def _java() -> str:
    java = str(Path(os.environ["JAVA_HOME"]) / "bin" / "java") if os.environ.get("JAVA_HOME") else shutil.which("java")
    if java is None:
        raise UsageError("not found; install Java 17, or set JAVA_HOME")
    said = subprocess.run([java, "-version"], capture_output=True, text=True, check=True, timeout=30).stderr
    version = said.split('"')[1] if '"' in said else said.strip()
    if int(version.split(".")[0]) < OLDEST_JAVA:
        raise UsageError(f"{java} is Java {version}; Spark 4 needs {OLDEST_JAVA} or later")
    return f"{version} ({java})"


def _spark() -> str:
    found = sparks.find()
    return f"{found.version} ({found.home})"


def _archive() -> str:
    recipe = environment.read_recipe(environment.PROJECT / "environment.yml", environment.PROJECT / "requirements.lock")
    there = (environment.default_cache() / recipe.name).exists()
    return f"{recipe.name} {'is in the cache' if there else 'is not built yet (scripts/run.sh env build)'}"


def _hadoop() -> str:
    folder = os.environ.get("HADOOP_CONF_DIR")
    if not folder:
        return "HADOOP_CONF_DIR is not set: local runs only"
    if not (Path(folder) / "core-site.xml").exists():
        raise UsageError(f"HADOOP_CONF_DIR={folder} holds no core-site.xml")
    site = hdfs.core_site()
    kerberos.check(site)
    try:
        with contextlib.suppress(FileNotFoundError):  # the root of a viewfs, which is made of mount points alone
            hdfs.plain_errors(hdfs.connect("hdfs://", IMPATIENT).get_file_info)("/")
    except NotLoggedIn:
        raise
    except OSError as error:
        raise UsageError(f"HDFS does not answer: {error.strerror}") from None
    return f"HDFS answers ({folder}{f', Kerberos as {kerberos.user()}' if kerberos.is_required(site) else ''})"


CHECKS: dict[str, Callable[[], str]] = {
    "platform": _platform,
    "java": _java,
    "spark": _spark,
    "environment": _archive,
    "cluster": _hadoop,
}
