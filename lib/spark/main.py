"""The driver's entry on a cluster: one resolved request in, one exit code out, how it ended beside it.

spark-submit runs it by its path: it must import nothing of ours before the zip with the code is on sys.path.
"""

from __future__ import annotations

import ctypes
import importlib
import json
import os
import platform
import signal
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lib.request import End, Request


def main(request_file: str, end_uri: str) -> int:
    """Do the request; leave exit code, summary and error at `end_uri` for who submitted it."""
    import lib
    from lib import storage
    from lib.errors import StorageFailed, UsageError

    # A second attempt of the application: what the first one ended with counts, YARN knows only failed and not failed.
    # Not so of a driver that YARN took for dead, and that lost its session on the way.
    if storage.exists(end_uri) and (before := json.loads(storage.read_bytes(end_uri)))["final"]:
        return int(before["exit_code"])
    error, final = "", True
    try:
        if ".zip/" not in str(lib.__file__):
            raise UsageError(
                f"lib comes from {lib.__file__}, not from the zip of this submit: an old copy is in the way"
            )
        execute = imported(json.loads(Path(request_file).read_bytes())["job"])

        import msgspec

        from lib.request import Request

        end = execute(msgspec.json.decode(Path(request_file).read_bytes(), type=Request))
        code, summary, final = end.exit_code, end.summary, end.final
    except UsageError as wrong:
        code, summary, error = 2, {}, f"error: {wrong}"
    except StorageFailed as failed:
        code, summary, error = 4, {}, f"error: {failed}"
    except Exception:
        code, summary, error = 1, {}, traceback.format_exc().rstrip()
    if error and json.loads(Path(request_file).read_bytes())["deploy_mode"] == "cluster":
        print(error, file=sys.stderr)  # into the container's log; elsewhere who submitted says it
    told = {"exit_code": code, "summary": summary, "error": error, "final": final}
    storage.write_bytes(end_uri, json.dumps(told).encode())
    return code


def imported(job: str) -> Callable[[Request], End]:
    """What does a request, once all that it imports is there: the environment may not suit this node."""
    from lib.errors import UsageError

    try:
        from lib.spark.run import execute

        importlib.import_module(job)
    except ImportError as wrong:
        glibc = " ".join(platform.libc_ver())
        raise UsageError(
            f"{job} cannot be imported on {platform.node()} ({glibc}): {type(wrong).__name__}: {wrong}"
        ) from None
    return execute


def end_with(submitter: int) -> None:
    """Be killed when the process that started this one ends, in whatever way; end here where it has ended already."""
    pr_set_pdeathsig = 1
    ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGKILL)
    if os.getppid() != submitter:
        sys.exit("who submitted this has ended")


if __name__ == "__main__":
    if "FIREBALL_SUBMITTER" in os.environ:  # the driver is on the submitting machine
        end_with(int(os.environ["FIREBALL_SUBMITTER"]))
    # spark-submit puts the folder of this file first on sys.path, where `session` and `run` are no top-level modules.
    sys.path[:] = [path for path in sys.path if Path(path or ".").resolve() != Path(__file__).resolve().parent]
    sys.exit(main(*sys.argv[1:]))
