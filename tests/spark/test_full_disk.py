"""A disk that is full stops a run at once; with room again, the same command finishes it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.spark, pytest.mark.timeout(300)]

PAGES = 60
# A small file system of its own, which these processes alone see: no right on the machine is needed.
OWN_MOUNTS = ["unshare", "--user", "--map-root-user", "--mount"]
SCRIPT = """
set -e
mount -t tmpfs -o size=1m small "$1"
run() { "$2" -m jobs parse_html --quiet --input "$3" --output "$1/out" --set run.split_bytes=1 --master 'local[2]'; }
run "$@" 2>full.err >full.out || echo "$?" >full.code
mount -o remount,size=40m "$1"
run "$@" 2>room.err >room.out
"""


def own_mounts() -> bool:
    try:
        return subprocess.run([*OWN_MOUNTS, "true"], capture_output=True, check=False).returncode == 0
    except OSError:
        return False


@pytest.mark.skipif(not own_mounts(), reason="this machine lets nobody mount a file system of his own")
def test_a_full_disk_stops_the_run_and_the_same_command_goes_on(tmp_path: Path):
    pages, small = tmp_path / "pages", tmp_path / "small"
    pages.mkdir()
    small.mkdir()
    for number in range(PAGES):
        (pages / f"{number:02}.html").write_text(f"<title>{number}</title>")
    command = [*OWN_MOUNTS, "sh", "-c", SCRIPT, "sh", str(small), sys.executable, str(pages)]
    subprocess.run(command, check=True, timeout=250, cwd=tmp_path)
    said = (tmp_path / "full.err").read_text()
    assert (tmp_path / "full.code").read_text() == "4\n", said
    assert "No space left on device" in said and "Traceback" not in said and "Exception" not in said, said
    summary = json.loads((tmp_path / "room.out").read_text())
    assert (summary["records"], summary["ok"]) == (PAGES, PAGES)
