"""One function, many values, on this machine's cores."""

import os

import pytest

from lib.errors import UsageError
from lib.scatter import here


def where(value: int) -> tuple[int, int]:
    return value, os.getpid()


def refuse(value: int) -> None:
    raise UsageError(f"not {value}")


def test_answers_come_in_order_from_other_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: {0, 1})
    found = list(here(where, [3, 1, 2]))

    assert [value for value, _ in found] == [3, 1, 2]
    assert os.getpid() not in {process for _, process in found}


def test_one_value_needs_no_process() -> None:
    assert list(here(where, [3])) == [(3, os.getpid())]


def test_a_refusal_reaches_who_asked() -> None:
    with pytest.raises(UsageError, match="not 1"):
        list(here(refuse, [1, 2]))
