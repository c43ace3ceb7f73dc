"""Where options become a Request: everything that can be wrong is found here, before anything is started or written."""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from lib import config, kerberos, uris
from lib.errors import UsageError, nearest
from lib.job import Job, Task
from lib.request import Request
from lib.secrecy import redacted

# Options of their own, for what is said of every cluster.
SIZES = {
    "executors": "spark.executor.instances",
    "cores": "spark.executor.cores",
    "memory": "spark.executor.memory",
    "queue": "spark.yarn.queue",
}
MASTER = re.compile(r"local(\[(\*|[1-9][0-9]*)(,[0-9]+)?\])?|local-cluster\[.+\]|yarn|spark://.+")


def build_request(job: Job[Any] | Task[Any], options: argparse.Namespace, samples: Path, command: str) -> Request:
    """Raise UsageError for anything wrong. Without --input, `samples/<job>` is read; `command` is to be typed again."""
    spark_conf = _sizes(options) | dict(_spark_setting(text) for text in options.spark_conf)
    kerberos.log_in(spark_conf)
    resolved = config.resolve(job, options.config, options.set)
    _check(options, getattr(job, "sources", ()))
    if options.detach and isinstance(job, Task):
        raise UsageError(f"--detach: {job.name} is one step, with no splits to follow")
    inputs = uris.input_uris(options.input or [_sample(samples / job.name)])
    output = uris.output_uri(options.output or f"out/{job.name}")
    uris.refuse_overlap(inputs, output)
    if options.master == "yarn":
        _refuse_local(inputs if options.input else (), output)
    own = resolved.config
    if isinstance(job, Job) and job.prepare:
        own = job.prepare(own, inputs, resolved.run.paths_prefix)
    if options.master == "yarn":
        _refuse_local_file(job.name, msgspec.to_builtins(own))
    return Request(
        job=f"jobs.{job.name}",
        config=msgspec.to_builtins(own),
        sources=msgspec.to_builtins(resolved.sources),
        run=resolved.run,
        inputs=inputs,
        output=output,
        source=options.source,
        limit=options.limit,
        retry_failed=options.retry_failed,
        overwrite=options.overwrite,
        max_seconds=options.max_seconds,
        master=options.master,
        deploy_mode=options.deploy_mode,
        spark_conf=spark_conf,
        quiet=options.quiet,
        detach=options.detach,
        command=redacted(command),
    )


def _check(options: argparse.Namespace, sources: Sequence[str]) -> None:
    if options.source and options.source not in sources:
        expected = f"expected one of {', '.join(sources)}" if sources else f"{options.command} reads no records"
        raise UsageError(f"--source {options.source}: {expected}{nearest(options.source, sources)}")
    if options.limit is not None and options.limit < 1:
        raise UsageError(f"--limit {options.limit}: expected at least 1")
    if options.max_seconds is not None and not options.max_seconds > 0:
        raise UsageError(f"--max-seconds {options.max_seconds:g}: expected more than 0")
    if options.retry_failed and options.overwrite:
        raise UsageError("--retry-failed keeps what --overwrite deletes; give one of them")
    if not MASTER.fullmatch(options.master):
        raise UsageError(f"--master {options.master}: expected local, local[N], local[*], yarn or spark://HOST:PORT")
    if options.deploy_mode == "cluster" and options.master != "yarn":
        raise UsageError(f"--deploy-mode cluster: needs --master yarn, got {options.master}")
    if options.detach and options.deploy_mode != "cluster":
        raise UsageError("--detach: needs --deploy-mode cluster; elsewhere the driver is this process")
    for name in ("executors", "cores"):
        if (count := getattr(options, name)) is not None and count < 1:
            raise UsageError(f"--{name} {count}: expected at least 1")


def _sizes(options: argparse.Namespace) -> dict[str, str]:
    found = {name: getattr(options, name) for name in SIZES if getattr(options, name) is not None}
    if found and options.master.startswith("local"):
        raise UsageError(f"--{next(iter(found))}: is said of a cluster; of this machine --master local[N]")
    if options.master.startswith("spark:") and (unknown := {"executors", "queue"} & found.keys()):
        raise UsageError(f"--{min(unknown)}: needs --master yarn, got {options.master}")
    return {SIZES[name]: str(value) for name, value in found.items()}


def _spark_setting(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not equals or not key.startswith("spark."):
        raise UsageError(f"--spark-conf {text}: expected spark.KEY=VALUE")
    return key, value


def _sample(folder: Path) -> str:
    if not folder.exists():
        raise UsageError(f"{folder.name} has no bundled sample; say --input URI")
    return str(folder)


def _refuse_local(inputs: Sequence[str], output: str) -> None:
    """The nodes of a cluster do not see this machine's files."""
    for option, uri in [*(("--input", uri) for uri in inputs), ("--output", output)]:
        if uri.startswith("file://"):
            path = uri.removeprefix("file://")
            do = f"hdfs dfs -put {path} /data/, then --input" if option == "--input" else "say --output"
            raise UsageError(f"{option} {path}: lies on this machine, where yarn's do not see it; {do} hdfs:///...")


def _refuse_local_file(job: str, config: dict[str, Any]) -> None:
    """Small files travel inside the config (`inline`); a large one the nodes must find themselves."""
    for name, section in config.items():
        path = str(section.get("path", "")) if isinstance(section, dict) else ""
        if path.startswith("file://") and not section.get("inline"):
            path = path.removeprefix("file://")
            raise UsageError(
                f"{job}.{name}.path {path}: lies on this machine, where yarn's do not see it, and is too large to send "
                f"along; hdfs dfs -put {path} /data/, then --set {name}.path=hdfs:///data/..."
            )
