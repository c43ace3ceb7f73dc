"""The driver on the submitting machine ends with who submitted, and does not begin without."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import psutil

from ship.submit import ENTRY

SUBMIT = """
import os, subprocess, sys, time
env = {**os.environ, "FIREBALL_SUBMITTER": str(os.getpid())}
print(subprocess.Popen([sys.executable, *sys.argv[1:]], env=env, stderr=subprocess.DEVNULL).pid, flush=True)
time.sleep(60)
"""


def test_a_driver_is_killed_with_who_submitted_it(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "request.json")  # where it waits
    command = [sys.executable, "-c", SUBMIT, str(ENTRY), str(tmp_path / "request.json"), f"file://{tmp_path}/end"]
    submitter = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert submitter.stdout is not None
    driver = psutil.Process(int(submitter.stdout.readline()))
    with (tmp_path / "request.json").open("w"):  # it has come to read: its first lines are behind it
        submitter.kill()
        submitter.wait()
        gone, _ = psutil.wait_procs([driver], 5)
    assert gone == [driver] or driver.status() == psutil.STATUS_ZOMBIE


def test_a_driver_whose_submitter_is_gone_already_does_nothing(tmp_path: Path) -> None:
    env = {**os.environ, "FIREBALL_SUBMITTER": "1"}
    command = [sys.executable, str(ENTRY), "/nowhere/request.json", f"file://{tmp_path}/end"]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False, timeout=20)
    assert (done.returncode, done.stderr) == (1, "who submitted this has ended\n")
    assert list(tmp_path.iterdir()) == []
