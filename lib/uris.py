"""What a user calls an input or output, made absolute at the door, or refused in one line."""

from __future__ import annotations

import fnmatch
import glob
import os
import re
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath

from lib.errors import UsageError

_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*(?=://)")


def local_path(uri: str) -> str | None:
    """The path of a `file://` URI or of a plain path, None for anything remote."""
    scheme = _SCHEME.match(uri)
    if scheme is None:
        return uri.removeprefix("file:")
    return uri.removeprefix("file://") if scheme[0] == "file" else None


def input_uris(given: Sequence[str]) -> tuple[str, ...]:
    """Absolute URIs of files, folders and globs, in the order given; `@FILE` stands for the lines of FILE.

    Percent signs, spaces and question marks are taken as they are: nothing is encoded or decoded. Globs stay globs,
    so that a hundred thousand files need not stand in the request. Raises UsageError for a local path that is not
    there, a glob that matches nothing, a list that is empty. Relative lines of a list start in its folder.
    """
    return tuple(uri for one in given for uri in _listed(one))


def output_uri(given: str) -> str:
    """The absolute URI of the output folder, without a slash at its end."""
    path = local_path(given)
    if path is None:
        return given.rstrip("/")
    absolute = _absolute(path)
    if Path(absolute).exists() and not Path(absolute).is_dir():
        raise UsageError(f"--output {given}: is a file; expected a folder, or a name for a new one")
    return f"file://{absolute}"


def refuse_overlap(inputs: Iterable[str], output: str) -> None:
    """Raise UsageError where the output is, or lies below, one of its own inputs: the next run would read it."""
    parts = _real(output)
    for uri in inputs:
        if any(_matches(PurePosixPath(*parts[:count]), _real(uri)) for count in range(1, len(parts) + 1)):
            raise UsageError(f"--output {output}: lies inside its own input {uri}; choose a folder beside it")


def _listed(given: str) -> Iterable[str]:
    if given.startswith("@") and local_path(given[1:]) is None:
        return [given]  # a list on the cluster is read by the driver
    if not given.startswith("@"):
        return [_input(given, f"--input {given}")]
    try:
        lines = Path(given[1:]).read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError) as error:
        raise UsageError(f"--input {given}: cannot read this list of paths: {_reason(error)}") from None
    named = [(number, line.strip()) for number, line in enumerate(lines, 1) if line.strip()]
    if not named:
        raise UsageError(f"--input {given}: the list names no path; expected one a line")
    folder = Path(_absolute(given[1:])).parent
    return [_input(_below(folder, line), f"--input {given}: line {number}: {line}") for number, line in named]


def _below(folder: Path, line: str) -> str:
    return line if local_path(line) is None else str(folder / Path(local_path(line) or "").expanduser())


def _input(given: str, where: str) -> str:
    path = local_path(given)
    if path is None:
        return given
    if not path:
        raise UsageError(f"{where}: expected a file, a folder or a glob")
    absolute = _absolute(path)
    if Path(absolute).exists():
        if not os.access(absolute, os.R_OK):
            raise UsageError(f"{where}: permission denied")
        return f"file://{absolute}"
    if not glob.has_magic(absolute):
        raise UsageError(f"{where}: no such file or folder ({absolute})")
    if next(glob.iglob(absolute, recursive=True), None) is None:  # noqa: PTH207 (Path.glob takes no absolute pattern)
        raise UsageError(f"{where}: matches nothing ({absolute})")
    return f"file://{absolute}"


def _absolute(path: str) -> str:
    return os.path.abspath(os.path.expanduser(path))  # noqa: PTH100, PTH111 (pathlib keeps `..`)


def _reason(error: OSError | ValueError) -> str:
    return (error.strerror or str(error)).lower() if isinstance(error, OSError) else "not UTF-8 text"


def _real(uri: str) -> tuple[str, ...]:
    """The parts of a URI; of a local one, those of the place that its symbolic links lead to."""
    path = local_path(uri)
    return PurePosixPath(os.path.realpath(path) if path is not None else uri).parts


def _matches(path: PurePosixPath, pattern: tuple[str, ...]) -> bool:
    if "**" in pattern:
        head = pattern[: pattern.index("**")]
        return len(path.parts) >= len(head) and all(map(fnmatch.fnmatchcase, path.parts, head))
    # A file that is really called `a[1]` is that file, and no pattern.
    return path.parts == pattern or (
        len(path.parts) == len(pattern) and all(map(fnmatch.fnmatchcase, path.parts, pattern))
    )
