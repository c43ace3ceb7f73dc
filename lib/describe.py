"""The text of `--describe`: what a job writes, and what can be set."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterable, Iterator
from dataclasses import MISSING
from typing import Any

import msgspec
import pyarrow as pa

from lib import config
from lib.job import Job, Task
from lib.records import OUTCOME, PROVENANCE

WIDTH = 116


def describe(job: Job[Any] | Task[Any]) -> str:
    """Columns with type and meaning; config keys with default and comment."""
    lines = [f"{job.name}: {job.summary}"]
    if isinstance(job, Job):
        lines += ["", f"Reads: {', '.join(job.sources)}", "", "Columns"]
        lines += table(_column(field) for schema in (PROVENANCE, OUTCOME, job.output_schema) for field in schema)
    lines += ["", f"Config keys, with their defaults (conf/{job.name}.yaml; --config FILE, --set KEY=VALUE)"]
    lines += table((key.name, _default(key), _meaning(key)) for key in config.keys(job))
    return "\n".join(lines)


def table(rows: Iterable[tuple[str, str, str]]) -> Iterator[str]:
    """Three columns, the last one wrapped."""
    listed = list(rows)
    first, second = (max((len(row[place]) for row in listed), default=0) for place in (0, 1))
    indent = " " * (first + second + 6)
    for one, two, text in listed:
        head = f"  {one:<{first}}  {two:<{second}}  "
        yield textwrap.fill(text, max(WIDTH, len(head) + 40), initial_indent=head, subsequent_indent=indent).rstrip()


def _column(field: pa.Field) -> tuple[str, str, str]:
    return field.name, _type(field.type), (field.metadata or {}).get(b"meaning", b"").decode()


def _type(kind: pa.DataType) -> str:
    """The names of the nested fields stand in the schema of the file; here they would push the meaning off the page."""
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return f"list<{_type(kind.value_type)}>"
    if pa.types.is_struct(kind):
        return f"struct<{', '.join(field.name for field in kind)}>"
    return str(kind)


def _default(key: config.Key) -> str:
    return "(required)" if key.default is MISSING else json.dumps(msgspec.to_builtins(key.default), ensure_ascii=False)


def _meaning(key: config.Key) -> str:
    return f"{key.comment} [{key.expected}]" if key.comment else f"[{key.expected}]"
