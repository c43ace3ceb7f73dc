"""An output that takes nothing more ends a run soon, in one line; once it does again, the same command finishes it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.spark, pytest.mark.timeout(300)]

PAGES = 30
# A small file system of its own, which these processes alone see: no right on the machine is needed.
OWN_MOUNTS = ["unshare", "--user", "--map-root-user", "--mount"]
SCRIPT = """
set -e
run() { "$2" -m jobs parse_html --quiet --input "$3" --output "$1/out" --set run.split_bytes=1 --master 'local[1]'; }
committed() { ls "$1"/out/part-* 2>/dev/null | wc -l; }
case $4 in
full)
    mount -t tmpfs -o size=500k small "$1"
    run "$@" 2>lost.err >lost.out || echo "$?" >lost.code
    mount -o remount,size=40m "$1" ;;
read-only)
    mount -t tmpfs small "$1"
    (run "$@" 2>lost.err >lost.out || echo "$?" >lost.code) &
    while [ "$(committed "$1")" -lt 5 ]; do sleep 0.1; done
    until mount -o remount,ro "$1" 2>/dev/null; do :; done  # not while a file is open for writing
    wait
    mount -o remount,rw "$1" ;;
esac
committed "$1" >lost.committed
run "$@" 2>again.err >again.out
"""


def own_mounts() -> bool:
    try:
        return subprocess.run([*OWN_MOUNTS, "true"], capture_output=True, check=False).returncode == 0
    except OSError:
        return False


@pytest.mark.skipif(not own_mounts(), reason="this machine lets nobody mount a file system of his own")
@pytest.mark.parametrize(
    ("how", "words"), [("full", "No space left on device"), ("read-only", "Read-only file system")]
)
def test_the_run_ends_soon_and_the_same_command_goes_on(how: str, words: str, tmp_path: Path):
    pages, small = tmp_path / "pages", tmp_path / "small"
    pages.mkdir()
    small.mkdir()
    for number in range(PAGES):
        (pages / f"{number:02}.html").write_text(f"<title>{number}</title>")
    command = [*OWN_MOUNTS, "sh", "-c", SCRIPT, "sh", str(small), sys.executable, str(pages), how]
    subprocess.run(command, check=True, timeout=280, cwd=tmp_path)
    said = (tmp_path / "lost.err").read_text()
    assert (tmp_path / "lost.code").read_text() == "4\n", said
    assert words in said.splitlines()[-1] and 'Traceback (most recent call last):\n  File "<frozen' not in said, said
    assert 5 <= int((tmp_path / "lost.committed").read_text()) < PAGES
    assert said.count("failed (storage)") <= 4, said
    summary = json.loads((tmp_path / "again.out").read_text())
    assert (summary["records"], summary["ok"]) == (PAGES, PAGES)
