"""How a Task is run: with the manners of a job's run, though its work is not row by row."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

import msgspec

from lib import accounts, storage
from lib.job import Task
from lib.ledger import FORMAT, Ledger
from lib.request import End, Request
from lib.scatter import Scatter
from lib.sources.inputs import expand_inputs
from lib.storage import Stat


def execute_task(task: Task[Any], request: Request, scatter: Scatter) -> End:
    """Do the work once; the same request again finds it done, another one is refused.

    Raises UsageError where config, input or output are wrong.
    """
    began, ledger = time.monotonic(), Ledger(request.output)
    config = msgspec.convert(request.config, task.config_type)
    identity = _identity(task, config, expand_inputs(request.inputs, request.run.paths_prefix))
    if request.overwrite and ledger.identity() is not None:
        _clear(request.output)
    ledger.claim(identity, request.overwrite)
    earlier = ledger.load("_report.json")
    if earlier and ledger.marked_done():
        return End(0, accounts.summary(earlier))
    ledger.sweep()
    done = task.run(config, request.inputs, request.output, scatter, request.run.paths_prefix)
    report = {
        "job": task.name,
        "state": "done",
        "exit_code": 0,
        "output": request.output,
        "records": 0,
        "ok": done.get("records", 0),
        "partial": 0,
        "skipped": 0,
        "failed": 0,
        "report": f"{request.output}/_report.json",
        **done,
        "config": msgspec.to_builtins(asdict(config)),
        "seconds": round(time.monotonic() - began, 3),
    }
    ledger.write("_report.json", accounts.to_json(report))
    ledger.mark_done()
    return End(0, accounts.summary(report))


def _identity(task: Task[Any], config: Any, files: Iterable[Stat]) -> dict[str, Any]:
    stamps = {file.uri: file.stamp for file in files}
    return {"format": FORMAT, "job": task.name, "config": msgspec.to_builtins(asdict(config)), "inputs": stamps}


def _clear(output: str) -> None:
    """A task names its files as it likes: all go but whose the folder is, which the ledger takes away last of all."""
    for name in storage.names(output):
        if name != "_state":
            storage.remove(f"{output}/{name}")
