"""How a Task is run: with the manners of a job's run, though its work is not row by row."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import msgspec

from lib import accounts
from lib.job import Task
from lib.ledger import FORMAT, Ledger
from lib.request import End, Request
from lib.scatter import Scatter
from lib.sources.inputs import expand_inputs


def execute_task(task: Task[Any], request: Request, scatter: Scatter) -> End:
    """Do the work once; the same request again finds it done, another one is refused.

    Raises UsageError where config, input or output are wrong.
    """
    began, ledger = time.monotonic(), Ledger(request.output)
    config = msgspec.convert(request.config, task.config_type)
    ledger.claim(_identity(task, config, request.inputs), request.overwrite)
    earlier = ledger.load("_report.json")
    if earlier and ledger.marked_done():
        return End(0, accounts.summary(earlier))
    done = task.run(config, request.inputs, request.output, scatter)
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


def _identity(task: Task[Any], config: Any, inputs: Sequence[str]) -> dict[str, Any]:
    files = {file.uri: file.stamp for file in expand_inputs(inputs)}
    return {"format": FORMAT, "job": task.name, "config": msgspec.to_builtins(asdict(config)), "inputs": files}
