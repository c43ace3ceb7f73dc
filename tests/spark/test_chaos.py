"""Drivers, workers and children die at any moment; the same command again, and every record is there once."""

from __future__ import annotations

import os
import random
import signal
import time
from dataclasses import replace
from pathlib import Path

import duckdb
import psutil
import pyarrow.dataset as ds
import pytest

from harm.runs import RUN, command, finish, request, rows, start, write
from harm.terminal import Terminal, at_terminal
from lib.request import Request
from lib.spark.run import execute

pytestmark = [pytest.mark.spark, pytest.mark.chaos, pytest.mark.timeout(1500)]

LINES = [b"x" * (i % 50) for i in range(400)]
SIZES = [i % 50 for i in range(400)]
SMALL = replace(RUN, split_bytes=600)


@pytest.fixture
def slow(tmp_path: Path) -> Request:
    return request([write(tmp_path / "lines.txt", LINES)], tmp_path / "out", SMALL, config={"seconds": 0.01})


def parts(out: Path) -> list[str]:
    return sorted(path.name for path in out.glob("part-*"))


def visible(out: Path) -> set[str]:
    """What readers that skip hidden names see."""
    return {path.name for path in out.iterdir() if not path.name.startswith(("_", "."))} if out.exists() else set()


def kill_tree(process: psutil.Popen, everything: bool) -> None:
    """SIGKILL to the driver, and to all below it where `everything`; wait till all are gone."""
    below = psutil.Process(process.pid).children(recursive=True)
    for victim in [psutil.Process(process.pid), *(below if everything else [])]:
        victim.kill()
    process.wait()
    _, left = psutil.wait_procs(below, 30)
    assert [p for p in left if p.status() != psutil.STATUS_ZOMBIE] == []


def proven(out: Path) -> None:
    """Every record once, for every reader, and nothing else in sight."""
    assert [row["size"] for row in rows(out)] == SIZES
    found = duckdb.sql(f"select count(*), count(distinct source_offset) from '{out}/*.parquet'").fetchall()
    assert found == [(400, 400)]
    assert visible(out) == set(parts(out))
    assert (out / "_SUCCESS").exists()


def test_kill_everything_at_random_moments(slow, tmp_path):
    out, chance = tmp_path / "out", random.Random(7)
    for turn in range(6):
        process, had, deadline = start(slow, tmp_path), len(parts(out)), time.time() + 90
        while len(parts(out)) <= had and time.time() < deadline and process.poll() is None:
            time.sleep(0.01)
        time.sleep(chance.uniform(0, 0.4))
        if process.poll() is None:
            kill_tree(process, everything=turn % 2 == 0)
        table = ds.dataset(out).to_table(["source_offset"])  # readable at every moment, without a double
        assert len(set(table["source_offset"].to_pylist())) == table.num_rows
        assert visible(out) == set(parts(out))
    code, summary = finish(start(slow, tmp_path))
    assert (code, summary["records"]) == (0, 400)
    proven(out)


@pytest.mark.usefixtures("spark")
@pytest.mark.parametrize("role", ["driver", "worker", "child"])
def test_kill_at_every_file_operation_in_turn(role, tmp_path, monkeypatch):
    uri = write(tmp_path / "lines.txt", LINES)
    survived = 0
    for survived in range(1, 100):
        out = tmp_path / f"out{survived}"
        wanted = request([uri], out, replace(RUN, split_bytes=1 << 20))
        (tmp_path / "flag").mkdir()
        for name, value in {
            "KILL_BELOW": str(out),
            "KILL_FLAG": str(tmp_path / "flag"),
            "KILL": f"{role}:{survived}",
        }.items():
            monkeypatch.setenv(name, value)
        start(wanted, tmp_path).wait(120)
        if (tmp_path / "flag").exists():
            break  # it ended before its n-th operation: there is none
        monkeypatch.delenv("KILL")
        end = execute(wanted)
        assert (end.exit_code, end.summary["records"], end.summary["failed"]) == (0, 400, 0)
        proven(out)
    assert survived > {"driver": 12, "worker": 3, "child": 1}[role]


def test_two_drivers_at_once(slow, tmp_path):
    both = [start(slow, tmp_path) for _ in range(2)]
    ends = [finish(process) for process in both]
    assert [code for code, _ in ends] == [0, 0]
    assert [summary["records"] for _, summary in ends] == [400, 400]
    proven(tmp_path / "out")


def interrupt(process: psutil.Popen, out: Path, number: int = signal.SIGINT) -> None:
    while not parts(out) and process.poll() is None:
        time.sleep(0.01)
    os.kill(process.pid, number)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_one_ctrl_c_ends_cleanly_and_the_same_command_goes_on(slow, tmp_path, number):
    process = start(slow, tmp_path)
    interrupt(process, tmp_path / "out", number)
    code, summary = finish(process)
    assert code == 4 and 0 < summary["records"] < 400
    assert not list((tmp_path / "out/_tmp").iterdir())
    assert finish(start(slow, tmp_path))[0] == 0
    proven(tmp_path / "out")


def test_two_ctrl_c_end_at_once(slow, tmp_path):
    process = start(replace(slow, config={"seconds": 0.5}), tmp_path)
    deadline = time.time() + 60
    while not list((tmp_path / "out").glob("_tmp/*/0001-*")) and time.time() < deadline:
        time.sleep(0.01)
    below = psutil.Process(process.pid).children(recursive=True)
    os.kill(process.pid, signal.SIGINT)
    time.sleep(0.5)
    began = time.time()
    os.kill(process.pid, signal.SIGINT)
    code, _ = finish(process)
    assert code == 4 and time.time() - began < 10
    _, left = psutil.wait_procs(below, 10)
    assert [p for p in left if p.status() != psutil.STATUS_ZOMBIE] == []


def at_work(slow: Request, tmp_path: Path) -> tuple[Terminal, list[psutil.Process]]:
    """A run at a terminal with some parts done by now, and all the processes below it."""
    had = len(parts(tmp_path / "out"))
    terminal = at_terminal(command(slow, tmp_path))
    while len(parts(tmp_path / "out")) <= had and terminal.process.poll() is None:
        time.sleep(0.01)
    return terminal, psutil.Process(terminal.process.pid).children(recursive=True)


def gone(below: list[psutil.Process]) -> bool:
    _, left = psutil.wait_procs(below, 10)
    return all(process.status() == psutil.STATUS_ZOMBIE for process in left)


def test_ctrl_c_at_a_terminal_reaches_all_and_is_heard_by_the_driver_alone(slow, tmp_path):
    terminal, below = at_work(slow, tmp_path)
    terminal.ctrl_c()
    code, summary = finish(terminal.process)
    assert (code, summary["records"]) == (4, len(rows(tmp_path / "out")))
    assert gone(below)
    terminal, below = at_work(slow, tmp_path)
    terminal.ctrl_c()
    time.sleep(0.2)
    terminal.ctrl_c()
    _, said = terminal.process.communicate(timeout=200)
    assert terminal.process.returncode == 4, said
    assert "Traceback" not in said and " ERROR " not in said
    assert gone(below)
    assert finish(start(slow, tmp_path))[0] == 0
    proven(tmp_path / "out")


def test_a_closed_terminal_ends_the_run_and_leaves_nothing_behind(slow, tmp_path):
    terminal, below = at_work(slow, tmp_path)
    terminal.close()
    terminal.process.communicate(timeout=60)
    assert terminal.process.returncode == -signal.SIGHUP
    assert gone(below)
    assert finish(start(slow, tmp_path))[0] == 0
    proven(tmp_path / "out")


def test_a_jvm_that_dies_leaves_the_run_to_be_resumed(slow, tmp_path):
    process = start(slow, tmp_path)
    while not parts(tmp_path / "out") and process.poll() is None:
        time.sleep(0.01)
    (jvm,) = (p for p in psutil.Process(process.pid).children(recursive=True) if p.name() == "java")
    jvm.kill()
    assert finish(process)[0] == 4
    assert finish(start(slow, tmp_path))[0] == 0
    proven(tmp_path / "out")
