"""Which Spark submits: the cluster's own or the one that pip has brought, and what of it the cluster must have."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

from lib import storage
from lib.errors import UsageError

OLDEST = (3, 5)


@dataclass(frozen=True)
class Spark:
    """An installation: its folder and its version."""

    home: Path
    version: str

    @property
    def submit(self) -> Path:
        """Its launcher."""
        return self.home / "bin" / "spark-submit"

    @property
    def archive_name(self) -> str:
        """File name of its jars on the cluster."""
        return f"spark-{self.version}-jars.zip"

    def defaults(self) -> dict[str, str]:
        """The cluster's own settings: a properties file of ours would hide them."""
        path = Path(os.environ.get("SPARK_CONF_DIR") or self.home / "conf") / "spark-defaults.conf"
        return read_conf(path) if path.exists() else {}


def find() -> Spark:
    """SPARK_HOME, else pip's pyspark. Raises UsageError where there is none, or too old a one."""
    home = Path(os.environ.get("SPARK_HOME") or _of_pip())
    jars = sorted((home / "jars").glob("spark-core_*.jar"))
    named = re.search(r"spark-core_[\d.]+-(\d+\.\d+[^/]*)\.jar", str(jars[0])) if jars else None
    if named is None:
        raise UsageError(f"SPARK_HOME={home}: no Spark there (jars/spark-core_*.jar)")
    version = named[1]
    if tuple(map(int, version.split(".")[:2])) < OLDEST:
        raise UsageError(f"SPARK_HOME={home} is Spark {version}; 3.5 is the oldest that works: unset it to use pip's")
    return Spark(home, version)


def _of_pip() -> str:
    found = importlib.util.find_spec("pyspark")
    if found is None or found.origin is None:
        raise UsageError("no Spark: set SPARK_HOME to the cluster's, or install pyspark")
    return str(Path(found.origin).parent)


def put_jars(spark: Spark, root: str) -> None:
    """Put Spark's jars where every later submit finds them: without, each one uploads 460 MB."""
    target = f"{root}/{spark.archive_name}"
    if storage.exists(target):
        return
    with tempfile.NamedTemporaryFile(suffix=".zip") as file:
        with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
            for jar in sorted((spark.home / "jars").glob("*.jar")):
                archive.write(jar, jar.name)
        file.flush()
        storage.write_file(target, Path(file.name))


def kill(spark: Spark, application: str) -> None:
    """What `yarn application -kill` does, with the classes that Spark has."""
    main = "org.apache.hadoop.yarn.client.cli.ApplicationCLI"
    command = [str(spark.home / "bin" / "spark-class"), main, "application", "-kill", application]
    subprocess.run(
        command, capture_output=True, check=False, timeout=60, env=os.environ | {"SPARK_HOME": str(spark.home)}
    )


def read_conf(path: Path) -> dict[str, str]:
    """A spark-defaults file: a key, white space or `=`, a value; `#` begins a comment line."""
    lines = (line.strip() for line in path.read_text(encoding="utf-8").splitlines())
    pairs = (re.split(r"\s*=\s*|\s+", line, maxsplit=1) for line in lines if line and not line.startswith("#"))
    return {pair[0]: pair[1] if len(pair) == 2 else "" for pair in pairs}


def megabytes(text: str) -> int:
    """A size as Spark writes it: 512m, 2g; without a unit it is in MB."""
    found = re.fullmatch(r"(\d+)([kmgt]?)b?", text.strip().lower())
    if found is None:
        raise UsageError(f"{text!r} is no size: expected something like 512m or 2g")
    return int(int(found[1]) * {"k": 1 / 1024, "": 1, "m": 1, "g": 1024, "t": 1 << 20}[found[2]])
