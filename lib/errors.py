"""What is the user's to mend, told apart from what is a bug of ours."""

from __future__ import annotations


class UsageError(Exception):
    """A wrong option, config, input or environment: its text is the one line that the user reads, the exit code 2."""


class InputChanged(Exception):
    """A file is not the one that was planned (size or modification time): its rows would mix old and new."""
