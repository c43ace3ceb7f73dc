"""Several runs side by side: which was faster, which lost more."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from lib.report.markup import Number, count, duration, page, percent, section, table
from lib.report.run import STATUSES, Report, started

FIGURES: tuple[tuple[str, Callable[[Report], Any]], ...] = (
    ("state", lambda r: r.get("state", "unknown")),
    ("exit code", lambda r: Number(str(r.get("exit_code", "–")))),
    ("started", started),
    ("took", lambda r: duration(r.get("seconds") or 0)),
    ("splits done", lambda r: count(r.get("splits", {}).get("done", 0))),
    ("splits planned", lambda r: count(r.get("splits", {}).get("planned", 0))),
    ("records", lambda r: count(r.get("records", 0))),
    ("peak memory, MB", lambda r: count(r.get("memory_peak_mb", 0))),
)


def compare(reports: Sequence[Report]) -> str:
    """A page with a column for each run, in the order given."""
    heads = ("", *(str(report.get("output") or report["job"]) for report in reports))
    rows = [[name, *(figure(report) for report in reports)] for name, figure in FIGURES]
    codes = sorted({(s, c) for r in reports for s in STATUSES for c in r.get("counts", {}).get(s, {})}, key=_by_status)
    counts = [[f"{s} {c}".strip(), *(_share(report, s, c) for report in reports)] for s, c in codes]
    stages = dict.fromkeys(name for report in reports for name in report.get("stages", {}))
    times = [[name, *(duration(r.get("stages", {}).get(name, 0.0)) for r in reports)] for name in stages]
    body = (
        f"<h1>{len(reports)} runs</h1>\n"
        + table(heads, rows)
        + section("Records by status and code", table(heads, counts) if counts else "")
        + section("Time by stage, all tasks added up", table(heads, times) if times else "")
        + section("Config keys that differ", _differences(heads, reports))
    )
    return page("runs side by side", body)


def _by_status(pair: tuple[str, str]) -> tuple[int, str]:
    return STATUSES.index(pair[0]), pair[1]


def _share(report: Report, status: str, name: str) -> Number:
    n = report.get("counts", {}).get(status, {}).get(name, 0)
    return Number(f"{n:,} ({percent(n, report.get('records', 0)).text})")


def _differences(heads: Sequence[str], reports: Sequence[Report]) -> str:
    flat = [_flatten(report.get("config", {})) for report in reports]
    keys = sorted({key for config in flat for key in config})
    rows = [[key, *(config.get(key, "–") for config in flat)] for key in keys if len({c.get(key) for c in flat}) > 1]
    return table(heads, rows) if rows else ""


def _flatten(config: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    flat: dict[str, str] = {}
    for key, value in config.items():
        if isinstance(value, Mapping):
            flat |= _flatten(value, f"{prefix}{key}.")
        else:
            flat[prefix + key] = json.dumps(value, ensure_ascii=False)
    return flat
