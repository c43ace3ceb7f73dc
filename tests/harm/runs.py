"""Runs over lines, in this process or as a driver of its own: `python -m harm.runs REQUEST.json`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pyarrow.dataset as ds

from lib.options import ParquetOptions, RunOptions
from lib.request import Request

RUN = RunOptions(
    split_bytes=2000, batch_rows=3, batch_bytes=1 << 20, max_record_bytes=1 << 20, record_timeout_seconds=1.0,
    record_memory_mb=256, max_failed_ratio=1.0, parquet=ParquetOptions(row_group_bytes=1 << 20),
)  # fmt: skip


def write(path: Path, lines: list[bytes]) -> str:
    """A text file; its URI."""
    path.write_bytes(b"".join(line + b"\n" for line in lines))
    return f"file://{path}"


def request(inputs: list[str], output: Path, run: RunOptions = RUN, **more: Any) -> Request:
    """Measure lines on two cores."""
    given = {"config": {}, "sources": {"harm.lines": {}}, "master": "local[2]"} | more
    return Request(job="harm.lines", run=run, inputs=tuple(inputs), output=f"file://{output}", **given)


def rows(output: Path) -> list[dict]:
    """As any reader of Parquet sees them, in input order."""
    found = ds.dataset(output).to_table().to_pylist()
    return sorted(found, key=lambda row: (row["source_path"], row["source_offset"]))


def command(request: Request, folder: Path) -> list[str]:
    """What starts a driver."""
    path = folder / f"request-{os.urandom(4).hex()}.json"
    path.write_bytes(msgspec.json.encode(request))
    return [sys.executable, "-m", "harm.runs", str(path)]


def start(request: Request, folder: Path) -> subprocess.Popen[str]:
    """A driver in a process group of its own."""
    pipe = subprocess.PIPE
    return subprocess.Popen(command(request, folder), start_new_session=True, stdout=pipe, stderr=pipe, text=True)


def finish(process: subprocess.Popen[str]) -> tuple[int, dict]:
    """Exit code and summary."""
    out, err = process.communicate(timeout=200)
    assert out, err
    return process.returncode, json.loads(out)


if __name__ == "__main__":
    from harm import killer
    from lib.spark.run import execute

    killer.arm("driver")

    end = execute(msgspec.json.decode(Path(sys.argv[1]).read_bytes(), type=Request))
    print(json.dumps(end.summary), flush=True)
    sys.exit(end.exit_code)
