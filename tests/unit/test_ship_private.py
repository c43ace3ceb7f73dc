"""The folder that holds a submit's secrets does not outlive the submit."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from ship.private import private_folder

SUBMIT = """
import signal, sys
from ship.private import private_folder
signal.signal(signal.SIGHUP, getattr(signal, sys.argv[1]))
with private_folder() as folder:
    (folder / "spark.conf").write_text("secret")
    print(folder, flush=True)
    sys.stdin.read()
"""


def started(place: Path, hangup: str = "SIG_DFL") -> tuple[subprocess.Popen[str], Path]:
    """A process with its folder below `place`, until its stdin is closed."""
    command = [sys.executable, "-c", SUBMIT, hangup]
    env = {**os.environ, "TMPDIR": str(place)}
    process = subprocess.Popen(command, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    return process, Path(process.stdout.readline().strip())


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGTERM])
def test_a_closed_terminal_or_sigterm_takes_the_folder_along(tmp_path: Path, number: signal.Signals) -> None:
    process, folder = started(tmp_path)
    assert (folder.parent, folder.stat().st_mode & 0o777) == (tmp_path, 0o700)
    process.send_signal(number)
    process.communicate(timeout=20)
    assert process.returncode == -number
    assert list(tmp_path.iterdir()) == []


def test_under_nohup_the_folder_stays_as_long_as_its_process(tmp_path: Path) -> None:
    process, folder = started(tmp_path, "SIG_IGN")
    process.send_signal(signal.SIGHUP)
    process.communicate(timeout=20)
    assert (process.returncode, folder.exists()) == (0, False)


def test_what_a_killed_process_left_goes_with_the_next_start_and_the_folders_of_the_living_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dead, left = started(tmp_path)
    alive, kept = started(tmp_path)
    others = [tmp_path / "fireball-mine", tmp_path / "fireball-submit-just-made"]
    for other in others:
        other.mkdir()
    others.append(tmp_path / "fireball-submit-no-folder")  # to open it would wait for a writer
    os.mkfifo(others[-1])
    dead.kill()
    dead.communicate(timeout=20)
    assert (left / "spark.conf").exists()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with private_folder() as ours:
        assert sorted(tmp_path.iterdir()) == sorted([kept, ours, *others])
    alive.communicate(timeout=20)
    assert alive.returncode == 0
