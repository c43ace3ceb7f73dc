"""From the inputs that a user named to splits, each file read by the kind of source that knows it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice

from lib.errors import UsageError
from lib.ledger import Ledger
from lib.options import RunOptions
from lib.sources import Source
from lib.sources.inputs import expand_inputs
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


def check(sources: Mapping[str, Source], inputs: Sequence[str], kind: str | None, run: RunOptions) -> None:
    """Raise UsageError where an input means no file, or one that no source reads."""
    for file in expand_inputs(inputs, run.paths_prefix):
        choose(file.uri, sources, kind)


def extend(
    ledger: Ledger, sources: Mapping[str, Source], inputs: Sequence[str], kind: str | None, run: RunOptions, cores: int
) -> list[Split]:
    """All splits of the run, with a new plan for the files that no earlier one holds.

    Raises UsageError where a planned file has changed since.
    """
    files = {file.uri: file for file in expand_inputs(inputs, run.paths_prefix)}
    while new := _unplanned(files, ledger.splits()):
        size = _split_bytes(sum(file.size for file in new), run.split_bytes, cores)
        ledger.add_plan(inputs, _cut(new, sources, kind, size), None)
    return ledger.splits()


def extend_by_one(
    ledger: Ledger,
    sources: Mapping[str, Source],
    inputs: Sequence[str],
    kind: str | None,
    run: RunOptions,
    records: int,
) -> bool:
    """Plan one more split, of the next file or files and of so many records; whether there was one to plan."""
    files = {file.uri: file for file in expand_inputs(inputs, run.paths_prefix)}
    groups = _cut(_unplanned(files, ledger.splits()), sources, kind, WHOLE_FILE_BYTES)
    return ledger.add_plan(inputs, group, records) if (group := list(islice(groups, 1))) else False


def _unplanned(files: Mapping[str, Stat], splits: Sequence[Split]) -> list[Stat]:
    planned = {piece.uri: piece.stamp for split in splits for piece in split.pieces}
    changed = [uri for uri, stamp in planned.items() if uri in files and files[uri].stamp != stamp]
    if changed:
        raise UsageError(f"{changed[0]}: changed since it was planned; name another output folder, or --overwrite")
    return [file for uri, file in files.items() if uri not in planned]


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
