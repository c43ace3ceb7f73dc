"""The report of a run: the receipts added up, proven against the plan, and said for a person and for a program."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from lib.receipt import Receipt, add_counts
from lib.records import Status
from lib.split import Split

LISTED = 50  # splits, deaths, failures that a report names one by one


def report(
    identity: Mapping[str, Any], splits: Sequence[Split], receipts: Mapping[str, Receipt], wrong: Sequence[str]
) -> dict[str, Any]:
    """What the receipts say together; `wrong` is what the proof found."""
    counts = add_counts(receipts.values())
    total = {status.value: sum(counts.get(status, {}).values()) for status in _REPORTED}
    return {
        "job": identity["job"],
        "records": sum(total.values()),
        **total,
        "counts": counts,
        "unselected": dict(sum((Counter(r.unselected) for r in receipts.values()), Counter())),
        "splits": {"planned": len(splits), "done": len(receipts)},
        "proof": {"proven": not wrong, "wrong": list(wrong[:LISTED])},
        "stages": _stages(receipts),
        "slowest": _slowest(splits, receipts),
        "deaths": _deaths(receipts),
        "failures": [f for r in receipts.values() for f in r.failures][:LISTED],
        "inputs": _inputs(splits, receipts),
        "memory_peak_mb": max((r.memory_peak_bytes for r in receipts.values()), default=0) >> 20,
        "versions": next((r.versions for r in receipts.values()), {}),
        "config": identity["config"],
    }


_REPORTED = (Status.OK, Status.PARTIAL, Status.SKIPPED, Status.FAILED)


def summary(report: Mapping[str, Any]) -> dict[str, Any]:
    """The one line on stdout."""
    return {key: report[key] for key in SUMMARY_KEYS}


SUMMARY_KEYS = ("job", "output", "records", "ok", "partial", "skipped", "failed", "seconds", "report")


def to_json(report: Mapping[str, Any]) -> bytes:
    """As it lies in _report.json."""
    return json.dumps(report, indent=1).encode()


def _stages(receipts: Mapping[str, Receipt]) -> dict[str, float]:
    total: Counter[str] = Counter()
    for receipt in receipts.values():
        total.update(receipt.seconds)
    return {name: round(seconds, 3) for name, seconds in total.items()}


def _slowest(splits: Sequence[Split], receipts: Mapping[str, Receipt]) -> list[dict[str, Any]]:
    sizes = {s.id: sum(p.end - p.start for p in s.pieces) for s in splits}
    slow = sorted(receipts.values(), key=lambda r: -r.seconds.get("total", 0.0))[:10]
    return [
        {"split": r.split, "seconds": round(r.seconds.get("total", 0.0), 3), "records": r.rows, "size": sizes[r.split],
         "host": r.host}
        for r in slow
    ]  # fmt: skip


def _deaths(receipts: Mapping[str, Receipt]) -> list[dict[str, Any]]:
    found = [{"split": r.split, **vars(death)} for r in receipts.values() for death in r.deaths]
    return found[:LISTED]


def _inputs(splits: Sequence[Split], receipts: Mapping[str, Receipt]) -> list[dict[str, Any]]:
    files: dict[str, dict[str, Any]] = {}
    for split in splits:
        receipt = receipts.get(split.id)
        for piece in split.pieces:
            file = files.setdefault(
                piece.uri, {"uri": piece.uri, "kind": split.kind, "size": piece.size, "records": 0, "covered": 0}
            )
            if receipt and piece.uri in receipt.covered:
                start, end, _ = receipt.covered[piece.uri]
                file["covered"] += end - start
                file["records"] += receipt.rows_by_uri.get(piece.uri, 0)
    return sorted(files.values(), key=lambda f: str(f["uri"]))[:1000]
