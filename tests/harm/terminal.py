"""A terminal to start a command at: its Ctrl-C goes to the whole foreground process group, not to one process."""

from __future__ import annotations

import fcntl
import os
import pty
import signal
import subprocess
import termios
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Terminal:
    """A command at work in one, and who sits before it."""

    process: subprocess.Popen[str]
    keyboard: int

    def ctrl_c(self) -> None:
        os.write(self.keyboard, b"\x03")

    def close(self) -> None:
        os.close(self.keyboard)


def at_terminal(command: Sequence[str], cwd: Path | None = None, env: Mapping[str, str] | None = None) -> Terminal:
    """Start a command at a terminal of its own; what it prints goes to pipes."""
    keyboard, screen = pty.openpty()
    process = subprocess.Popen(
        command,
        cwd=cwd,
        env=env,
        stdin=screen,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=_sit_down,
    )
    os.close(screen)
    return Terminal(process, keyboard)


def _sit_down() -> None:
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)  # the tests may run under nohup
