"""What `status` and `verify` print of a run's folder."""

from __future__ import annotations

import argparse

from lib import inspection, uris

DONE, WRONG, INCOMPLETE = 0, 1, 4


def status(options: argparse.Namespace) -> int:
    """Print how the run in `options.output` is going. Raises UsageError where there is none."""
    found = inspection.status(uris.output_uri(options.output))
    print(f"{found['job']} in {found['output']}: {_going(found)}")
    return DONE


def verify(options: argparse.Namespace) -> int:
    """Print every difference between rows, receipts and plan, a line each."""
    output = uris.output_uri(options.output)
    splits = inspection.status(output)["splits"]
    wrong = inspection.verify(output)
    print("\n".join(wrong) or f"{output}: {splits['done']} splits, every record accounted for")
    if not wrong:
        return DONE
    return INCOMPLETE if splits["done"] < splits["planned"] else WRONG


def _going(found: dict[str, object]) -> str:
    splits = found["splits"]
    assert isinstance(splits, dict)
    said = f"{found['state']}, {splits['done']} of {splits['planned']} splits done"
    if found["state"] == "running":
        return f"{said}, by pid {found['pid']} on {found['host']}"
    if found["state"] == "dead":
        return f"{said}; its process is gone, the same command goes on from there"
    return said
