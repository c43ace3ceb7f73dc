"""A user's own job, copied into a checkout's `jobs/`: it goes wrong where its config says."""

from __future__ import annotations

import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pyarrow as pa

from lib.job import Job, Kernel
from lib.output import Output

HOLD = "import time; held = b'x' * (400 << 20); time.sleep(60)"  # zeros would not be resident


@dataclass(frozen=True)
class HarmPages:
    """`once` is a folder that the first one to do harm removes."""

    harm: Literal["none", "finish", "memory"] = "none"
    once: str = ""


def _take_memory(once: str) -> None:
    """Four processes of 400 MB: each below the limit of a child, together above that of the container."""
    try:
        Path(once).rmdir()
    except OSError:
        return
    for _ in range(4):
        subprocess.Popen([sys.executable, "-c", HOLD])
    time.sleep(30)


def make_kernel(config: HarmPages) -> Kernel:
    """Bytes of each page."""

    def kernel(batch: pa.RecordBatch) -> pa.RecordBatch:
        if config.harm == "memory":
            _take_memory(config.once)
        return pa.record_batch(
            [pa.array([len(page) for page in batch["content"].to_pylist()], pa.int64())], names=["size"]
        )

    return kernel


def _finish(output: Output, config: HarmPages) -> None:
    if config.harm == "finish":
        raise RuntimeError("this job is broken")


JOB = Job(
    name="harm_pages",
    summary="Measure pages, and go wrong.",
    config_type=HarmPages,
    sources=("files",),
    record_schema=pa.schema([("content", pa.binary())]),
    output_schema=pa.schema([("size", pa.int64())]),
    make_kernel=make_kernel,
    finish=_finish,
)
