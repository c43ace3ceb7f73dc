"""One run on one page, for whoever is woken by it: what happened, what to type, where to look."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from html import escape
from typing import Any

from lib.records import ERROR_CODES
from lib.report.markup import Html, bar, block, code, count, duration, page, percent, section, table

Report = Mapping[str, Any]
STATUSES = ("ok", "partial", "skipped", "failed")
EXIT_CODES = {
    0: "done",
    1: "a bug of ours",
    2: "wrong usage, config, input or environment",
    3: "done, but more failed records than run.max_failed_ratio",
    4: "incomplete: the same command resumes",
}


def render(report: Report) -> str:
    """The page of a run, from what stands in its `_report.json`; a report that lacks parts gives a shorter page."""
    parts = (_verdict, _facts, _unfinished, _proof, _counts, _deaths, _failures, _stages, _splits, _inputs, _about)
    title = f"{report['job']}: {report.get('state', 'unknown')}"
    return page(title, "".join(part(report) for part in parts))


def _verdict(report: Report) -> str:
    exit_code = report.get("exit_code")
    kind = {0: "", 3: "open", 4: "open"}.get(exit_code, "bad") if exit_code is not None else "open"
    meaning = EXIT_CODES.get(exit_code, "") if exit_code is not None else ""
    command = report.get("next") or ""
    todo = f"<p>To go on, type:</p>{block(command)}" if command else "<p>Nothing left to type.</p>"
    return (
        f"<h1>{escape(str(report['job']))}</h1>\n<p class=quiet>{escape(str(report.get('output', '')))}</p>\n"
        f'<div class="verdict {kind}"><b>{escape(str(report.get("state", "unknown")))}</b> · exit code '
        f"{escape(str(exit_code))}: {escape(meaning)}{todo}</div>\n"
    )


def _facts(report: Report) -> str:
    seconds = report.get("seconds") or 0
    splits = report.get("splits", {})
    facts = {
        "records": count(report.get("records", 0)).text,
        "failed": count(report.get("failed", 0)).text,
        "records/s": count_per_second(report.get("records_now", 0), seconds),
        "splits done": f"{splits.get('done', 0):,} of {splits.get('planned', 0):,}",
        "took": duration(seconds).text,
        "started": started(report),
        "peak memory of a task": f"{report.get('memory_peak_mb', 0):,} MB",
    }
    boxes = "".join(f"<div><b>{escape(value)}</b><span>{escape(name)}</span></div>" for name, value in facts.items())
    return f'<div class="facts">{boxes}</div>\n'


def count_per_second(records: int, seconds: float) -> str:
    """Three figures are enough; none where no time passed."""
    if not seconds:
        return "–"
    rate = records / seconds
    return f"{rate:,.0f}" if rate >= 100 else f"{rate:.1f}"


def started(report: Report) -> str:
    """When, in UTC, from seconds since 1970."""
    at = report.get("started")
    return f"{datetime.fromtimestamp(at, UTC):%d %b %H:%M:%S} UTC" if isinstance(at, int | float) else str(at or "–")


def _unfinished(report: Report) -> str:
    rows = [
        [code(split["split"]), "\n".join(split["inputs"]), split.get("error") or "not started"]
        for split in report.get("unfinished", ())
    ]
    return section("Unfinished splits", table(("split", "inputs", "why"), rows) if rows else "")


def _proof(report: Report) -> str:
    proof = report.get("proof")
    if not proof or proof["proven"] or report.get("unfinished"):
        return ""
    return section("The proof failed: do not use this output", block("\n".join(proof["wrong"])))


def _counts(report: Report) -> str:
    counts, whole = report.get("counts", {}), report.get("records", 0)
    rows = [
        [status, code(name) if name else "", count(n), percent(n, whole), bar(n, whole, status),
         ERROR_CODES.get(name, "")]
        for status in STATUSES
        for name, n in sorted(counts.get(status, {}).items(), key=lambda pair: -pair[1])
    ]  # fmt: skip
    shown = table(("status", "code", "records", "share", "", "meaning"), rows) if rows else "<p>No records yet.</p>"
    left = ", ".join(f"{name} {n:,}" for name, n in report.get("unselected", {}).items())
    note = f"<p class=quiet>Read but not selected, so without a row: {escape(left)}</p>\n" if left else ""
    return section("Records by status", shown + note)


def _deaths(report: Report) -> str:
    rows = [
        [code(death["split"]), death["position"], death["step"], code(death["code"]), death["exit"],
         Html(block(death["stderr"])) if death["stderr"] else "–"]
        for death in report.get("deaths", ())
    ]  # fmt: skip
    heads = ("split", "position", "step", "code", "exit", "last lines of stderr")
    return section("Processes that died", table(heads, rows) if rows else "")


def _failures(report: Report) -> str:
    rows = [
        [uri, count(offset), count(length), code(name or "–")]
        for uri, offset, length, name in report.get("failures", ())
    ]
    note = "<p class=quiet>The first ones; the output has a row for each, with error_detail.</p>\n"
    return section(
        "Failed records and lost ranges", table(("file", "from", "length", "code"), rows) + note if rows else ""
    )


def _stages(report: Report) -> str:
    stages = {name: seconds for name, seconds in report.get("stages", {}).items() if name != "total"}
    whole = max(sum(stages.values()), report.get("stages", {}).get("total", 0.0))
    rest = whole - sum(stages.values())
    shown = stages | ({"start, wait, commit": rest} if rest > 0.01 * whole else {})
    rows = [[name, duration(seconds), percent(seconds, whole), bar(seconds, whole)] for name, seconds in shown.items()]
    return section(
        "Where the time went, all tasks added up", table(("stage", "time", "share", ""), rows) if rows else ""
    )


def _splits(report: Report) -> str:
    slowest = report.get("slowest", ())
    rows = [
        [code(split["split"]), duration(split["seconds"]), count(split["records"]), count(split["size"]),
         split.get("host") or "–", bar(split["seconds"], slowest[0]["seconds"])]
        for split in slowest
    ]  # fmt: skip
    heads = ("split", "time", "records", "size", "host", "")
    return section("Slowest splits", table(heads, rows) if rows else "")


def _inputs(report: Report) -> str:
    rows = [
        [file["uri"], file.get("kind", ""), count(file["records"]), count(file["size"]),
         percent(file["covered"], file["size"]) if file["size"] else count(0)]
        for file in sorted(report.get("inputs", ()), key=lambda f: (f["covered"] >= f["size"], f["uri"]))
    ]  # fmt: skip
    heads = ("file", "kind", "records", "size", "covered")
    return section(f"Inputs ({len(rows):,})", table(heads, rows) if rows else "")


def _about(report: Report) -> str:
    versions = "  ".join(f"{name} {version}" for name, version in report.get("versions", {}).items())
    config = json.dumps(report.get("config", {}), indent=2, ensure_ascii=False)
    return section("Config", block(config)) + (section("Versions", block(versions)) if versions else "")
