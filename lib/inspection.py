"""Looks at the folder of a run from outside: how it is going, and whether it holds what its receipts say."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

from lib.errors import UsageError
from lib.ledger import Ledger, alive
from lib.output import verify_part
from lib.receipt import prove
from lib.sources import source_type


def status(output: str) -> dict[str, Any]:
    """Job, state, splits planned and done, exit code, heartbeat age in seconds; `dead` is a run that ended unsaid.

    Raises UsageError where there is no run.
    """
    ledger = Ledger(output)
    identity = _identity(ledger)
    run = ledger.run_state()
    splits = {split.id for split in ledger.splits()}
    found = {
        "job": identity["job"],
        "output": output,
        "state": "planned",
        "splits": {"planned": len(splits), "done": len(ledger.done() & splits)},
    }
    if run is None:
        return found
    state = "dead" if run["state"] == "running" and not alive(run) else run["state"]
    about = {key: run[key] for key in ("run", "host", "pid", "application", "exit_code")}
    return found | about | {"state": state, "heartbeat_seconds_ago": round(time.time() - run["heartbeat"], 1)}


def verify(output: str) -> list[str]:
    """What is wrong with the files of a run, each by its name; an empty list where every row is accounted for.

    Reads every row's provenance, not only the receipts. Raises UsageError where there is no run.
    """
    ledger = Ledger(output)
    _identity(ledger)
    splits = ledger.splits()
    done = ledger.done()
    wrong = [f"part-{stray}.parquet: no plan speaks of it" for stray in sorted(done - {s.id for s in splits})]
    there = [split for split in splits if split.id in done]
    with ThreadPoolExecutor(4) as pool:
        wrong += filter(None, pool.map(partial(verify_part, ledger), there))
    if wrong:  # receipts that cannot be trusted prove nothing
        return wrong
    units = {split.kind: source_type(split.kind).unit for split in splits}
    return prove(splits, ledger.receipts(split.id for split in there), units)


def _identity(ledger: Ledger) -> dict[str, Any]:
    identity = ledger.identity()
    if identity is None:
        raise UsageError(f"{ledger.output}: holds no run")
    return identity
