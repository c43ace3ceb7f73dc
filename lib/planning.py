"""From the inputs that a user named to splits, each file read by the kind of source that knows it."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice

from lib.errors import UsageError
from lib.ledger import Ledger
from lib.sources import Source
from lib.split import Piece, Split
from lib.storage import Stat

SPLITS_PER_CORE = 3  # at least, so that the last ones leave no core idle for long
WHOLE_FILE_BYTES = 1 << 62
LEAST_SPLIT_BYTES = 1 << 20  # a child process must have something to do


def choose(uri: str, sources: Mapping[str, Source], kind: str | None) -> str:
    """The kind of source for a file: the one the user named, or the first that claims the name."""
    if kind is not None:
        return kind
    found = next((name for name, source in sources.items() if source.claims(uri)), None)
    if found is None:
        raise UsageError(f"{uri}: none of {', '.join(sources)} reads such a file; name one with --source")
    return found


def check(sources: Mapping[str, Source], files: Iterable[Stat], kind: str | None, thorough: bool) -> None:
    """Raise UsageError where an input means no file, or one that no source reads; `thorough`: one that is damaged."""
    for file in files:
        chosen = sources[choose(file.uri, sources, kind)]
        if thorough:
            deque(chosen.plan([file], WHOLE_FILE_BYTES), maxlen=0)


def extend(
    ledger: Ledger,
    sources: Mapping[str, Source],
    inputs: Sequence[str],
    files: Sequence[Stat],
    kind: str | None,
    split_bytes: int,
    cores: int,
) -> list[Split]:
    """All splits of the run, with a new plan for those of the inputs' files that no earlier one holds.

    Raises UsageError where a planned file has changed since.
    """
    while new := list(_unplanned(files, ledger.splits())):
        size = _split_bytes(sum(file.size for file in new), split_bytes, cores)
        ledger.add_plan(inputs, _cut(new, sources, kind, size), None)
    return ledger.splits()


def extend_by_one(
    ledger: Ledger,
    sources: Mapping[str, Source],
    inputs: Sequence[str],
    files: Iterable[Stat],
    kind: str | None,
    records: int,
) -> bool:
    """Plan one more split, of the next file or files and of so many records; whether there was one to plan.

    No more files than records are asked for.
    """
    new = list(islice(_unplanned(files, ledger.splits()), records))
    group = list(islice(_cut(new, sources, kind, WHOLE_FILE_BYTES), 1))
    return ledger.add_plan(inputs, group, records) if group else False


def _unplanned(files: Iterable[Stat], splits: Sequence[Split]) -> Iterator[Stat]:
    planned = {piece.uri: piece.stamp for split in splits for piece in split.pieces}
    for file in files:
        if file.uri not in planned:
            yield file
        elif planned[file.uri] != file.stamp:
            raise UsageError(f"{file.uri}: changed since it was planned; name another output folder, or --overwrite")


def _split_bytes(total: int, most: int, cores: int) -> int:
    wanted = total // max(cores * SPLITS_PER_CORE, 1)
    return max(min(most, wanted), min(most, LEAST_SPLIT_BYTES))


def _cut(
    files: Sequence[Stat], sources: Mapping[str, Source], kind: str | None, split_bytes: int
) -> Iterator[tuple[str, tuple[Piece, ...]]]:
    by_kind: dict[str, list[Stat]] = {}
    for file in files:
        by_kind.setdefault(choose(file.uri, sources, kind), []).append(file)
    for name, own in by_kind.items():
        for pieces in sources[name].plan(own, split_bytes):
            yield name, pieces
