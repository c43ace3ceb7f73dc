"""What `status`, `attach` and `verify` print of a run's folder."""

from __future__ import annotations

import argparse
import json
import sys
import time
from typing import Any

from lib import accounts, inspection, uris
from lib.errors import NotLoggedIn
from lib.ledger import Ledger

DONE, WRONG, INCOMPLETE = 0, 1, 4
POLL_SECONDS = 2.0
TRIES = 60


def status(options: argparse.Namespace) -> int:
    """Print how the run in `options.output` is going. Raises UsageError where there is none."""
    found = inspection.status(uris.output_uri(options.output))
    print(f"{found['job']} in {found['output']}: {_going(found)}")
    return DONE


def attach(options: argparse.Namespace) -> int:
    """Follow a run to its end; print what the command that began it would print, and end as it would.

    Ctrl-C ends the following, not the run. Raises UsageError where there is no run.
    """
    output, told = uris.output_uri(options.output), ""
    while (found := _patiently(output))["state"] == "running":
        if (now := _going(found)) != told:
            told = now
            print(now, file=sys.stderr, flush=True)
        time.sleep(POLL_SECONDS)
    print(f"{found['job']} in {output}: {_going(found)}", file=sys.stderr)
    code = found.get("exit_code")
    report = Ledger(output).load("_report.json") or {}
    # A run that never came to its report, or whose report is an earlier one's, has nothing to say.
    known = report and report["exit_code"] == code
    print(json.dumps(accounts.summary(report) if known else {}, ensure_ascii=False))
    return INCOMPLETE if code is None else int(code)


def _patiently(output: str) -> dict[str, Any]:
    """The run's status, from storage that may be away for a minute or two."""
    for _ in range(TRIES):
        try:
            return inspection.status(output)
        except NotLoggedIn:
            raise
        except OSError:
            time.sleep(POLL_SECONDS)
    return inspection.status(output)


def verify(options: argparse.Namespace) -> int:
    """Print every difference between rows, receipts and plan, a line each."""
    output = uris.output_uri(options.output)
    splits = inspection.status(output)["splits"]
    wrong = inspection.verify(output)
    print("\n".join(wrong) or f"{output}: {splits['done']} splits, every record accounted for")
    if not wrong:
        return DONE
    return INCOMPLETE if splits["done"] < splits["planned"] else WRONG


def _going(found: dict[str, object]) -> str:
    splits = found["splits"]
    assert isinstance(splits, dict)
    said = f"{found['state']}, {splits['done']} of {splits['planned']} splits done"
    if found["state"] == "running":
        return f"{said}, by pid {found['pid']} on {found['host']}"
    if found["state"] == "dead":
        return f"{said}; its process is gone, the same command goes on from there"
    return said
