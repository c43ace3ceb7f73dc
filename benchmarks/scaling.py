"""How parse_html uses two cores, and whether a page costs the same in a small and in a large run.

    python -m benchmarks.scaling crawl/pages-00000.warc.gz --pairs 5

Efficiency: pages a second of a whole run on local[2] (plan, tasks, commit, proof, report; the session is there already)
by twice those of one process that does the same splits one after another with the same reader, kernel and writer; in
turn, wall time. Slope: CPU seconds a page of the process tree, with the archive once and with copies of it.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.measure import cpu_seconds
from jobs.parse_html import JOB
from lib.child import Child, Lessons, Page, Work
from lib.options import RunOptions
from lib.request import Request
from lib.rows import Rows
from lib.sources.warc import WarcSource
from lib.spark.run import execute
from lib.spark.session import local_session
from lib.split import Split
from lib.storage import stat

SPLIT_BYTES = 8 << 20


def whole_run(archives: Sequence[Path], output: Path) -> tuple[int, float]:
    """Records and seconds of a run on local[2]."""
    began = time.monotonic()
    run = RunOptions(split_bytes=SPLIT_BYTES)
    uris = tuple(f"file://{path}" for path in archives)
    request = Request("jobs.parse_html", {}, {"warc": {}}, run, uris, f"file://{output}", master="local[2]", quiet=True)
    end = execute(request)
    assert end.exit_code == 0, end
    return end.summary["records"], time.monotonic() - began


def one_process(archive: Path, folder: Path) -> float:
    """Seconds of the same work without Spark and without child processes; forked, so that it starts afresh."""
    began = time.monotonic()
    if (pid := os.fork()) == 0:
        rows = Rows(JOB, JOB.make_kernel(JOB.config_type()))
        for number, pieces in enumerate(WarcSource().plan([stat(f"file://{archive}")], SPLIT_BYTES)):
            place = folder / str(number)
            place.mkdir()
            split = Split(str(number), "warc", pieces)
            work = Work(JOB, JOB.config_type(), WarcSource(), split, RunOptions())
            Child(work, Lessons(), place, Page.create(place / "page"), rows).run()
        os._exit(0)
    assert os.waitpid(pid, 0)[1] == 0
    return time.monotonic() - began


def efficiency(archive: Path, pairs: int) -> list[float]:
    """Of two cores, for each pair; the first is a warm-up and left out."""
    found = []
    for pair in range(pairs + 1):
        with tempfile.TemporaryDirectory() as folder:
            alone = one_process(archive, Path(folder))
        with tempfile.TemporaryDirectory() as folder:
            _, both = whole_run([archive], Path(folder, "out"))
        print(f"pair {pair}: one process {alone:.2f} s, local[2] {both:.2f} s", file=sys.stderr, flush=True)
        found.append(alone / both / 2)
    return found[1:]


def cpu(archive: Path, copies: int) -> tuple[float, int]:
    """CPU seconds and pages of a run over so many copies of the archive."""
    with tempfile.TemporaryDirectory() as folder:
        names = [Path(folder, f"{i}.warc.gz") for i in range(copies)]
        for name in names:
            name.symlink_to(archive)
        before = cpu_seconds()
        records, _ = whole_run(names, Path(folder, "out"))
        time.sleep(0.5)  # for exits to be counted
        return cpu_seconds() - before, records


def main() -> None:
    """Print both."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("archive", type=Path)
    parser.add_argument("--small", type=Path, help="the archive for the slope (default: the same)")
    parser.add_argument("--pairs", type=int, default=5)
    options = parser.parse_args()
    archive = options.archive.resolve()
    local_session("scaling", "local[2]", {})
    ratios = efficiency(archive, options.pairs)
    print(f"efficiency of two cores: median {statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})")
    small = (options.small or archive).resolve()
    cpu(small, 1)  # a warm-up
    (one, n), (five, _), (twenty, _) = (cpu(small, copies) for copies in (1, 5, 20))
    print(f"CPU ms a page, all in: 1x {1000 * one / n:.3f}, 5x {200 * five / n:.3f}, 20x {50 * twenty / n:.3f}")
    early, late = (five - one) / (4 * n), (twenty - five) / (15 * n)
    print(
        f"CPU ms of one page more: 1x to 5x {1000 * early:.3f}, 5x to 20x {1000 * late:.3f}, ratio {late / early:.3f}"
    )


if __name__ == "__main__":
    main()
