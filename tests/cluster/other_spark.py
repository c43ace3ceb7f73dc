"""A Spark as a cluster has its own: another version than pip's here, in a folder that SPARK_HOME names."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from pathlib import Path

from uv import find_uv_bin

VERSION = "3.5.9"  # the oldest minor version that is taken
HOME = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "fireball" / f"spark-{VERSION}"


def spark_home() -> Path:
    """From PyPI the first time (317 MB, two minutes)."""
    if not HOME.exists():
        fetched = HOME.with_name(f"{HOME.name}.{os.getpid()}")
        command = [find_uv_bin(), "pip", "install", "--quiet", f"--python={sys.executable}", "--no-deps"]
        subprocess.run([*command, f"--target={fetched}", f"pyspark=={VERSION}"], check=True, timeout=900)
        with contextlib.suppress(OSError):  # somebody else was faster
            fetched.rename(HOME)
    return HOME / "pyspark"
