"""What a split's task says of itself, and the proof that all of them add up to the plan."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

import pyarrow as pa

from lib.records import Status
from lib.split import Piece, Split

RECEIPT_KEY = b"fireball.receipt"
UNSELECTED_KEY = b"fireball.unselected"


@dataclass
class Death:
    """The end of a child process that was not meant to end."""

    position: int | None
    step: str
    code: str
    exit: str
    stderr: str


@dataclass
class Receipt:
    """Counts, ranges, costs and deaths of one split; it lies in the footer of the split's file.

    `covered` holds, by URI, where the records begin, where they end and where the last begins, in the unit of the
    source; `unselected` counts the records that the job does not ask for by what they are; `unreadable` holds, by URI,
    where the first and the last stretch begin that could not be read and are one row each.
    """

    split: str
    counts: dict[str, dict[str, int]] = field(default_factory=dict)  # status -> code ("" for none) -> rows
    unselected: dict[str, int] = field(default_factory=dict)
    failures: list[list[Any]] = field(default_factory=list)  # [uri, offset, length, code], the first hundred
    covered: dict[str, list[int]] = field(default_factory=dict)
    unreadable: dict[str, list[int]] = field(default_factory=dict)
    rows_by_uri: dict[str, int] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)  # read, kernel, write, total
    memory_peak_bytes: int = 0
    deaths: list[Death] = field(default_factory=list)
    versions: dict[str, str] = field(default_factory=dict)
    host: str = ""

    @property
    def rows(self) -> int:
        """Rows in the split's file."""
        return sum(n for codes in self.counts.values() for n in codes.values())

    def dump(self) -> bytes:
        """As JSON."""
        # Not asdict: it copies each file's ranges, 10 us apiece.
        values = vars(self) | {"deaths": [vars(death) for death in self.deaths]}
        return json.dumps(values, separators=(",", ":")).encode()

    @classmethod
    def load(cls, data: bytes) -> Receipt:
        """From JSON."""
        values = json.loads(data)
        return cls(**values | {"deaths": [Death(**d) for d in values["deaths"]]})


class Untiled(ValueError):
    """Ranges that leave a gap or overlap: a record may be lost or doubled."""


FAILURES_LISTED = 100


class Tally:
    """Adds batches up into a receipt, and checks that their ranges follow each other.

    `ranges` holds those of unselected records, by URI, as [offset, length, what it was].
    """

    def __init__(self, split: Split, footer: Mapping[bytes, bytes] | None = None) -> None:
        self.receipt = Receipt.load(footer[RECEIPT_KEY]) if footer else Receipt(split.id)
        self.ranges = load_ranges(footer) if footer else {}

    def footer(self) -> dict[bytes, bytes]:
        """All that was added, for the footer of a file; a Tally can go on from it."""
        return {RECEIPT_KEY: self.receipt.dump(), UNSELECTED_KEY: json.dumps(self.ranges).encode()}

    def follow(self, records: pa.RecordBatch) -> None:
        """Extend the ranges by records as they were read, `unselected` ones among them.

        Raises Untiled where a range does not begin where the one before ended.
        """
        for uri, member, offset, length, status, code in _tuples(records, _RANGE):
            self.follow_one(uri, member, offset, length)
            if status == Status.UNSELECTED:
                self.receipt.unselected[code] = self.receipt.unselected.get(code, 0) + 1
                self.ranges.setdefault(uri, []).append((offset, length, code))

    def follow_one(self, uri: str, member: str | None, offset: int, length: int) -> None:
        """Extend the ranges by one record; several records may share the range of their gzip member."""
        covered = self.receipt.covered.setdefault(uri, [offset, offset, offset])
        shares = member is not None and offset == covered[2] and offset + length == covered[1]
        if offset != covered[1] and not shares:
            raise Untiled(f"{uri}: a record at {offset} follows one that ends at {covered[1]}")
        covered[1:] = [offset + length, offset]

    def count(self, rows: pa.RecordBatch) -> None:
        """Count rows as they are written."""
        for uri, _, offset, length, status, code in _tuples(rows, _RANGE):
            self.count_one(uri, offset, length, status, code)

    def count_one(self, uri: str, offset: int, length: int, status: str, code: str | None) -> None:
        """Count one row."""
        receipt = self.receipt
        codes = receipt.counts.setdefault(status, {})
        codes[code or ""] = codes.get(code or "", 0) + 1
        receipt.rows_by_uri[uri] = receipt.rows_by_uri.get(uri, 0) + 1
        if code == "unreadable":
            receipt.unreadable.setdefault(uri, [offset, offset])[1] = offset
        if status == Status.FAILED and len(receipt.failures) < FAILURES_LISTED:
            receipt.failures.append([uri, offset, length, code])


def _tuples(batch: pa.RecordBatch, names: Sequence[str]) -> Iterator[tuple[Any, ...]]:
    return zip(*(batch[name].to_pylist() for name in names), strict=True)


_RANGE = ("source_path", "source_member", "source_offset", "source_length", "status", "error_code")


Ranges = dict[str, list[tuple[int, int, str]]]


def load_ranges(footer: Mapping[bytes, bytes]) -> Ranges:
    """The ranges of unselected records in the footer of a file."""
    loaded: dict[str, list[list[Any]]] = json.loads(footer[UNSELECTED_KEY])
    return {uri: [(offset, length, what) for offset, length, what in ranges] for uri, ranges in loaded.items()}


def prove(splits: Sequence[Split], receipts: Mapping[str, Receipt], unit: Mapping[str, str]) -> list[str]:
    """What is wrong: splits without a receipt, files whose ranges do not tile, files counted twice.

    `unit` gives each source kind's unit. An empty list means: every byte, row, entry or file exactly once. A split with
    a limit is read in part on purpose: only that it is there counts.
    """
    missing = [s.id for s in splits if s.id not in receipts]
    if missing:
        return [f"{len(missing)} splits are not there yet, the first is {missing[0]}"]
    pieces = [(piece, split) for split in splits if split.limit is None for piece in split.pieces]
    pieces.sort(key=lambda pair: (pair[0].uri, pair[0].start))
    wrong = []
    for uri, of_file in groupby(pieces, key=lambda pair: pair[0].uri):
        wrong += _prove_file(uri, list(of_file), receipts, unit)
    return wrong


def _prove_file(
    uri: str, pieces: list[tuple[Piece, Split]], receipts: Mapping[str, Receipt], unit: Mapping[str, str]
) -> list[str]:
    at, read = 0, True  # where records end so far, and whether the last stretch could be read: if not, nobody knows
    for piece, split in pieces:
        covered = receipts[split.id].covered.get(uri)
        if covered is None:
            continue  # a long record from before reaches over this piece
        begin, end, last = covered
        unreadable = receipts[split.id].unreadable.get(uri, [])
        doubled = begin < at and (begin < piece.start or begin not in unreadable)
        if doubled or (begin > at and read):
            return [f"{uri}: {at} to {begin} is missing or doubled, at split {split.id}"]
        at, read = end, last not in unreadable
    size = pieces[0][0].size
    if at != size and read:
        return [f"{uri}: covered up to {at} of {size}"]
    rows = sum(receipts[s.id].rows_by_uri.get(uri, 0) for _, s in pieces)
    if unit[pieces[0][1].kind] == "files" and rows != 1:
        return [f"{uri}: {rows} rows for one file"]
    return []


def add_counts(receipts: Iterable[Receipt]) -> dict[str, dict[str, int]]:
    """Rows by status and code over all receipts."""
    total: dict[str, Counter[str]] = {}
    for receipt in receipts:
        for status, codes in receipt.counts.items():
            total.setdefault(status, Counter()).update(codes)
    return {status: dict(codes) for status, codes in sorted(total.items())}
