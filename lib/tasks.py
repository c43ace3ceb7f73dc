"""Runs a Task, work that is not row by row, in this process."""

from __future__ import annotations

import time
from typing import Any

import msgspec

from lib import storage
from lib.errors import UsageError
from lib.job import Task
from lib.request import End, Request


def execute_task(task: Task[Any], request: Request) -> End:
    """Raises UsageError where the output holds something; --overwrite replaces files of the same names, no others."""
    if storage.names(request.output) and not request.overwrite:
        raise UsageError(f"--output {request.output}: holds something already; say another, or --overwrite")
    began = time.monotonic()
    config = msgspec.convert(request.config, task.config_type)
    told = task.run(config, request.inputs, request.output)
    seconds = round(time.monotonic() - began, 3)
    return End(0, {"job": task.name, "output": request.output, **told, "seconds": seconds})
