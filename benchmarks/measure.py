"""What benchmarks measure with: CPU seconds of a whole process tree, the dead among it too."""

from __future__ import annotations

from contextlib import suppress

import psutil


def cpu_seconds() -> float:
    """User and system seconds of this process, of all below it, and of their children that have ended."""
    this = psutil.Process()
    total = 0.0
    for process in [this, *this.children(recursive=True)]:
        with suppress(psutil.Error):
            spent = process.cpu_times()
            total += spent.user + spent.system + spent.children_user + spent.children_system
    return total
