"""What a person reads when a run has ended: how many, where they lie, how to read them, what to type next."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lib.request import End, Request
from lib.uris import local_path


def closing(end: End, request: Request, sample: bool) -> str:
    """A few lines for stderr."""
    told = end.summary
    output = local_path(request.output) or request.output
    lines = [f"{told['records']:,} records in {told['seconds']:.1f} s: {_counts(told)}", f"table:   {output}"]
    if "://" not in output:
        lines.append(f"read it: duckdb.sql(\"FROM '{output}/*.parquet'\"), or pyarrow.dataset.dataset('{output}')")
    lines.append(f"report:  {local_path(told['report']) or told['report']}")
    if end.exit_code == 3:
        lines.append(f"more failed than run.max_failed_ratio ({request.run.max_failed_ratio:g}) allows: exit code 3")
    if end.exit_code == 4:
        lines.append(f"not complete; to go on: {request.command}")
    elif sample:
        name = told["job"]
        lines.append(f"that was the sample; your own: scripts/run.sh {name} --input 'FOLDER/*' --output out/mine")
    return "\n".join(lines)


def _counts(told: Mapping[str, Any]) -> str:
    return ", ".join(f"{told[name]:,} {name}" for name in ("ok", "partial", "skipped", "failed"))
