"""What benchmarks measure with: CPU seconds of processes, the dead among them, and of functions; Markdown tables."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from typing import Any
from unittest.mock import patch

import psutil


def cpu_seconds() -> float:
    """User and system seconds of this process, of all below it, and of their children that have ended."""
    return sum(cpu_by_process().values())


def cpu_by_process() -> Counter[str]:
    """The same by what they are: this process and what it has waited for, JVMs, the rest below."""
    this, spent = psutil.Process(), Counter[str]()
    for process in [this, *this.children(recursive=True)]:
        with suppress(psutil.Error):
            name = "driver" if process == this else "JVM" if process.name() == "java" else "workers and children"
            times = process.cpu_times()
            spent[name] += times.user + times.system
            spent["workers and children" if name == "JVM" else name] += times.children_user + times.children_system
    return spent


@contextmanager
def timed(functions: Mapping[str, tuple[Any, str]]) -> Iterator[Counter[str]]:
    """CPU nanoseconds of this thread in each function, given as its owner (object or dict) and its name there."""
    spent: Counter[str] = Counter()

    def wrapped(label: str, work: Callable[..., Any]) -> Callable[..., Any]:
        def run(*arguments: Any, **named: Any) -> Any:
            start = time.thread_time_ns()
            try:
                return work(*arguments, **named)
            finally:
                spent[label] += time.thread_time_ns() - start

        return run

    with ExitStack() as patches:
        for label, (owner, name) in functions.items():
            if isinstance(owner, dict):
                patches.enter_context(patch.dict(owner, {name: wrapped(label, owner[name])}))
            else:
                patches.enter_context(patch.object(owner, name, wrapped(label, getattr(owner, name))))
        yield spent


def print_table(title: str, columns: Mapping[str, Mapping[str, str]]) -> None:
    """Markdown, a column a kind of input."""
    print(f"| {title} | {' | '.join(columns)} |")
    print("|---" * (len(columns) + 1) + "|")
    for row in next(iter(columns.values())):
        print(f"| {row} | {' | '.join(column[row] for column in columns.values())} |")
