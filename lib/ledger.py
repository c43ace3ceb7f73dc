"""What a run's folder says of itself: whose it is, what was planned, what is done, who works on it.

The file name is the identity of a split, the rename its commit, the listing of the folder the ledger.
"""

from __future__ import annotations

import json
import os
import platform
import threading
import time
import uuid
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import count, takewhile
from typing import Any

import msgspec

from lib import storage
from lib.errors import UsageError
from lib.part import read_receipt
from lib.receipt import Receipt
from lib.split import Piece, Split

FORMAT = 2  # of plans and parts: an output of another is not gone on with
STALE_SECONDS = 60  # a heartbeat older than this is a dead run's
HEARTBEAT_SECONDS = 5


@dataclass(frozen=True)
class Plan:
    """The splits of one planning, and the arguments it was made from."""

    inputs: tuple[str, ...]
    splits: tuple[Split, ...]


@dataclass(frozen=True)
class Ledger:
    """The state of the run in the folder `output`, a URI."""

    output: str

    def part(self, split_id: str) -> str:
        """The URI of a split's file."""
        return f"{self.output}/part-{split_id}.parquet"

    def claim(self, identity: dict[str, Any], overwrite: bool) -> None:
        """Make the folder this run's, or find that it is already.

        Raises UsageError where it holds another run, or something that is no run of ours.
        """
        known = self.identity()
        if known is None:
            strangers = [name for name in storage.names(self.output) if name not in ("_tmp", "_state")]
            if strangers:
                raise UsageError(
                    f"{self.output}: not empty and no run of ours (holds {strangers[0]}); name another folder"
                )
        elif overwrite:
            self._clear()
        if known is None or overwrite:
            storage.create(self._state("job.json"), _json(identity))
            known = self.identity() or identity
        if known != json.loads(_json(identity)):
            raise UsageError(f"{self.output}: {_difference(known, identity)}; name another folder, or --overwrite")

    def identity(self) -> dict[str, Any] | None:
        """What the folder's run is, None where there is none."""
        return self._load("job.json")

    def plans(self) -> list[Plan]:
        """All plans, in order."""
        there = takewhile(storage.exists, map(self._plan, count(1)))
        return [msgspec.json.decode(storage.read_bytes(uri), type=Plan) for uri in there]

    def add_plan(
        self, inputs: Sequence[str], groups: Iterable[tuple[str, tuple[Piece, ...]]], limit: int | None
    ) -> bool:
        """Add splits, each a kind and its pieces; whether it was this caller's plan that counts."""
        number = len(self.plans()) + 1
        self.unmark_done()
        splits = tuple(Split(f"{number:04d}-{i:06d}", kind, pieces, limit) for i, (kind, pieces) in enumerate(groups))
        return storage.create(self._plan(number), msgspec.json.encode(Plan(tuple(inputs), splits)))

    def splits(self) -> list[Split]:
        """All splits of all plans."""
        return [split for plan in self.plans() for split in plan.splits]

    def done(self) -> set[str]:
        """The ids of the splits whose file is there."""
        names = storage.names(self.output)
        return {n.removeprefix("part-").removesuffix(".parquet") for n in names if n.startswith("part-")}

    def receipts(self, split_ids: Iterable[str]) -> dict[str, Receipt]:
        """The receipts in the footers of finished files."""

        def read(split_id: str) -> Receipt:
            with storage.open_input(self.part(split_id)) as file:
                return read_receipt(file)

        ids = list(split_ids)
        with ThreadPoolExecutor(8) as pool:
            return dict(zip(ids, pool.map(read, ids), strict=True))

    def run_state(self) -> dict[str, Any] | None:
        """What the last run says of itself: its lease, its progress, how it ended."""
        return self._load("run.json")

    def write_run_state(self, state: dict[str, Any]) -> None:
        """Say how the run is going."""
        storage.write_bytes(self._state("run.json"), _json(state))

    def write(self, name: str, data: bytes) -> None:
        """Put a small file beside the parts."""
        storage.write_bytes(f"{self.output}/{name}", data)

    def load(self, name: str) -> dict[str, Any] | None:
        """A small JSON file beside the parts; None where it is not there."""
        with suppress(FileNotFoundError):
            found: dict[str, Any] = json.loads(storage.read_bytes(f"{self.output}/{name}"))
            return found
        return None

    def mark_done(self) -> None:
        """Say, last of all, that the run is done and proven."""
        self.write("_SUCCESS", b"")

    def marked_done(self) -> bool:
        """Whether that was said."""
        return storage.exists(f"{self.output}/_SUCCESS")

    def unmark_done(self) -> None:
        """Take it back, before there is more to do."""
        storage.remove(f"{self.output}/_SUCCESS")

    def sweep(self) -> None:
        """Remove what dead runs were writing."""
        before = run_name(time.time() - STALE_SECONDS)
        for run in storage.names(f"{self.output}/_tmp"):
            lease = self.load(f"_tmp/{run}/lease.json")
            if not alive(lease) and (lease or run < before):  # one that has just begun is about to write its lease
                storage.remove(f"{self.output}/_tmp/{run}")

    def _clear(self) -> None:
        """Remove the run, whose it was last of all: killed on the way, the same command must know the folder again."""
        for name in storage.names(self.output):
            if name.startswith(("part-", "_")) and name != "_state":
                storage.remove(f"{self.output}/{name}")
        for name in storage.names(f"{self.output}/_state"):
            if name != "job.json":
                storage.remove(self._state(name))
        storage.remove(self._state("job.json"))

    def _state(self, name: str) -> str:
        return f"{self.output}/_state/{name}"

    def _plan(self, number: int) -> str:
        return self._state(f"plan-{number:04d}.json")

    def _load(self, name: str) -> dict[str, Any] | None:
        return self.load(f"_state/{name}")


@dataclass
class Lease:
    """Says while a run lives that it does: a courtesy to others, and how its temporary files are known as living."""

    ledger: Ledger
    application: str = ""
    told: bool = True  # in the ledger's state too, as the run that is at work
    run: str = field(default_factory=lambda: f"{run_name(time.time())}-{uuid.uuid4().hex[:8]}")

    def __post_init__(self) -> None:
        self.state: dict[str, Any] = {
            "run": self.run, "host": platform.node(), "pid": os.getpid(), "application": self.application,
            "started": time.time(), "heartbeat": time.time(), "state": "running", "exit_code": None,
            "splits": {"planned": 0, "done": 0},
        }  # fmt: skip
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._beat, daemon=True)

    @property
    def stop_flag(self) -> str:
        """The URI of a file that, once there, keeps tasks from starting a new split."""
        return f"{self.ledger.output}/_tmp/{self.run}/stop"

    def take(self) -> dict[str, Any] | None:
        """Begin; the state of another run that seems to live, if there is one."""
        other = self.ledger.run_state()
        self._write()
        self._thread.start()
        return other if other and other["state"] == "running" and alive(other) else None

    def say(self, **facts: Any) -> None:
        """Add to the run's state at once: who wants to stop it, or leave it alone, must know."""
        self.state.update(facts)
        self._write()

    def stop(self) -> None:
        """Keep tasks from starting a new split."""
        storage.write_bytes(self.stop_flag, b"")

    def release(self, state: str, exit_code: int) -> None:
        """Say how it ended."""
        self._ended.set()
        self._thread.join()
        self.state |= {"state": state, "exit_code": exit_code, "heartbeat": time.time()}
        self._tell()
        storage.remove(f"{self.ledger.output}/_tmp/{self.run}")

    def _beat(self) -> None:
        while not self._ended.wait(HEARTBEAT_SECONDS):
            with suppress(OSError):
                self._write()

    def _write(self) -> None:
        self.state["heartbeat"] = time.time()
        self._tell()
        self.ledger.write(f"_tmp/{self.run}/lease.json", _json(self.state))

    def _tell(self) -> None:
        if self.told:
            self.ledger.write_run_state(self.state)


def run_name(began: float) -> str:
    """How the name of a run begins that began at this moment: names sort by age."""
    return time.strftime("%Y%m%dT%H%M%S", time.gmtime(began))


def alive(lease: dict[str, Any] | None) -> bool:
    """Whether the run of a lease seems to live: a fresh heartbeat, and its process where that is on this host."""
    if lease is None or time.time() - lease["heartbeat"] > STALE_SECONDS:
        return False
    return lease["host"] != platform.node() or _pid_lives(lease["pid"])


def _pid_lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def _json(value: Any) -> bytes:
    return json.dumps(value, indent=1, sort_keys=True).encode()


def _difference(known: dict[str, Any], wanted: dict[str, Any]) -> str:
    """The first thing in which two identities differ, for a person."""
    old, new = _flat(known), _flat(json.loads(_json(wanted)))
    key = next(key for key in sorted(old | new) if old.get(key) != new.get(key))
    return f"holds a run with {key} = {old.get(key)!r}, not {new.get(key)!r}"


def _flat(value: Any, prefix: str = "") -> dict[str, Any]:
    if not isinstance(value, dict):
        return {prefix.rstrip("."): value}
    return {k: v for name, inner in value.items() for k, v in _flat(inner, f"{prefix}{name}.").items()}
