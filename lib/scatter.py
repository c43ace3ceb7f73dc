"""One function, many values: called on this machine's cores here, on executors by lib/spark/scatter.py."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import Protocol, TypeVar

A = TypeVar("A")
B = TypeVar("B")


class Scatter(Protocol):
    """Calls a function with each of many values and gives the answers in their order; all three are pickled."""

    def __call__(self, function: Callable[[A], B], values: Sequence[A]) -> Iterator[B]:
        """Raises what the function raises."""
        ...


def here(function: Callable[[A], B], values: Sequence[A]) -> Iterator[B]:
    """A Scatter for what is done before there is any cluster."""
    cores = min(len(os.sched_getaffinity(0)), len(values))
    if cores < 2:
        yield from map(function, values)
        return
    with ProcessPoolExecutor(cores, get_context("forkserver")) as pool:
        yield from pool.map(function, values)
