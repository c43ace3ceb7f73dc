"""What a run says of itself, as one page for a person."""

from __future__ import annotations

import json
from argparse import Namespace
from typing import Any

from lib.errors import UsageError
from lib.report.comparison import compare
from lib.report.run import render
from lib.storage import read_bytes, to_uri

__all__ = ["compare", "render", "report"]


def report(options: Namespace) -> int:
    """Print the page of one run, or of several side by side: `report OUT... > page.html`."""
    found = [_load(output) for output in options.output]
    print(render(found[0]) if len(found) == 1 else compare(found), end="")
    return 0


def _load(output: str) -> dict[str, Any]:
    try:
        loaded: dict[str, Any] = json.loads(read_bytes(f"{to_uri(output)}/_report.json"))
    except FileNotFoundError:
        raise UsageError(f"{output}: holds no _report.json; a run writes it when it ends") from None
    return loaded
