"""Tells people how an application in the cluster is doing, and ends it when told so."""

from __future__ import annotations

import contextlib
import json
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import IO, Any

from lib import storage
from lib.request import Request
from ship import aftermath, sparks

POLL_SECONDS = 2.0
# As Hadoop's client says it, and Spark's.
APPLICATION = re.compile(r"(?:Submitted application|Application report for) (application_\d+_\d+)")


@dataclass
class Watch:
    """From what spark-submit prints, and from the run's own state."""

    request: Request
    spark: sparks.Spark
    process: subprocess.Popen[str]
    application: str = ""
    tracking_url: str = ""
    last_lines: list[str] = field(default_factory=list)
    stopped: bool = False  # somebody has called stop()
    asked: bool = False  # the run itself, to stop in good order
    detached: bool = False
    ended: threading.Event = field(default_factory=threading.Event)

    def follow(self, lines: IO[str]) -> None:
        """Until spark-submit ends."""
        progress = threading.Thread(target=self._progress)
        progress.start()
        try:
            self._read(lines)
        finally:  # a thread still inside the HDFS client when Python ends aborts it, and the exit code is lost
            self.ended.set()
            progress.join()

    def _read(self, lines: IO[str]) -> None:
        for line in lines:
            self.last_lines = [*self.last_lines[-30:], line.rstrip()]
            if not self.application and (found := APPLICATION.search(line)):
                self.application = found[1]
                say(f"application {self.application}; {aftermath.logs(self.application)}")
            if not self.tracking_url and (found := re.search(r"tracking URL: (\S+)", line)):
                self.tracking_url = found[1]
                say(f"tracking URL {self.tracking_url} (from a laptop: scripts/tunnel.sh)")

    def stop(self) -> None:
        """First gently, by the run's own stop flag; then for good."""
        self.stopped = True
        run = self._state()
        if not self.asked and run:
            self.asked = True
            say("no new split is started, those at work are finished; Ctrl-C again ends the application at once")
            storage.write_bytes(f"{self.request.output}/_tmp/{run['run']}/stop", b"")
            return
        if self.application:
            say(f"ending {self.application}")
            sparks.kill(self.spark, self.application)
        self.process.terminate()

    def _progress(self) -> None:
        told = (-1, -1)
        while not self.ended.wait(POLL_SECONDS):
            state = self._state()
            if not state:
                continue
            if self.request.detach and state["state"] == "running" and state.get("set_up"):  # nothing is refused now
                self.detached = True
                self.process.kill()  # a client; the application does not need it
                return
            now = (state["splits"]["done"], state["splits"]["planned"])
            if now != told and not self.request.quiet:
                told = now
                say(f"{now[0]} of {now[1]} splits")

    def _state(self) -> dict[str, Any] | None:
        """What this application's run says of itself, once it is at work."""
        with contextlib.suppress(OSError, ValueError):
            found: dict[str, Any] = json.loads(storage.read_bytes(f"{self.request.output}/_state/run.json"))
            return found if self.application and found.get("application") == self.application else None
        return None


@contextlib.contextmanager
def stopped_by(stop: Callable[[], None]) -> Iterator[None]:
    """Ctrl-C and SIGTERM call `stop`, each time."""
    numbers = (signal.SIGINT, signal.SIGTERM) if threading.current_thread() is threading.main_thread() else ()
    before = {number: signal.signal(number, lambda *_: stop()) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def say(text: str) -> None:
    """A line for people."""
    print(text, file=sys.stderr, flush=True)
