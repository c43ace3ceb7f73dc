"""Which settings are secrets, and a command line without their values."""

from __future__ import annotations

import re

SECRET = re.compile(r"secret|passw|token|access\.?key|api\.?key|authorization|cookie|credential", re.IGNORECASE)


def redacted(command: str) -> str:
    """A command line without the values of its secret settings."""
    return re.sub(
        r"([\w.-]+)=('[^']*'|\S+)", lambda found: f"{found[1]}=***" if SECRET.search(found[1]) else found[0], command
    )
