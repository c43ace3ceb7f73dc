"""One run, resolved and validated: all that a driver needs, wherever it runs, as one JSON document."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from lib.options import RunOptions


@dataclass(frozen=True)
class Request:
    """URIs are absolute, with their scheme; `config` and `sources` are plain values, checked against their types."""

    job: str  # where the Job lies: "jobs.parse_html"
    config: dict[str, Any]
    sources: dict[str, dict[str, Any]]  # options by kind
    run: RunOptions
    inputs: tuple[str, ...]
    output: str
    source: str | None = None  # a kind, where the user named one
    limit: int | None = None
    retry_failed: bool = False
    overwrite: bool = False
    max_seconds: float | None = None
    master: str = "local[*]"
    deploy_mode: str = "client"
    spark_conf: dict[str, str] = field(default_factory=dict)
    quiet: bool = False
    detach: bool = False  # leave an application in the cluster once it is at work
    command: str = ""  # what the user typed, to type again


@dataclass(frozen=True)
class End:
    """How a run ended: the exit code, and the one line on stdout; not `final` where Spark left a driver half-way."""

    exit_code: int
    summary: dict[str, Any]
    final: bool = True
