"""The one door to filesystems: whatever a URI's scheme, the same few calls.

A URI is scheme, `://` and the path as it is, nothing quoted: a local `page?id=7` stays what it is.
"""

from __future__ import annotations

import errno
import functools
import glob
import io
import os
import shutil
import uuid
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, ParamSpec, TypeVar, cast

from lib.errors import UsageError

P = ParamSpec("P")
T = TypeVar("T")

HIDDEN = ("_", ".")  # names that begin so are not data, as Spark and pyarrow have it


@dataclass(frozen=True)
class Stat:
    """A file, its size in bytes, and a stamp that changes when the file does."""

    uri: str
    size: int
    stamp: str


def by_scheme(local: Callable[P, T]) -> Callable[P, T]:
    """Hand `hdfs://` and `viewfs://` to the function of the same name in lib/hdfs.py, https:// to that in lib/web.py.

    The URI is the first argument that is a text. What lib/web.py does not have, as it only reads, is refused.
    """

    @functools.wraps(local)
    def call(*args: P.args, **kwargs: P.kwargs) -> T:
        uri = next(argument for argument in args if isinstance(argument, str))
        if uri.startswith(("hdfs://", "viewfs://")):
            from lib import hdfs

            return cast("Callable[P, T]", getattr(hdfs, local.__name__))(*args, **kwargs)
        if uri.startswith(("https://", "http://")):
            from lib import web

            return cast("Callable[P, T]", getattr(web, local.__name__, local))(*args, **kwargs)
        return local(*args, **kwargs)

    return call


def to_uri(text: str) -> str:
    """What a person typed, a path or a URI, as an absolute URI; the mark of a list, `@`, stays in front."""
    if text.startswith("@"):
        return "@" + to_uri(text[1:])
    return text if "://" in text else _local_uri(str(Path(text).expanduser().absolute()))


def _local_uri(path: str) -> str:
    """The URI of an absolute path, which has to be UTF-8 to stand in a table."""
    try:
        path.encode()
    except UnicodeEncodeError:
        raise UsageError(f"{os.fsencode(path)!r}: the name is not UTF-8; rename the file") from None
    return "file://" + path


def local_path(uri: str) -> Path:
    """Where a `file://` URI lies on this machine."""
    scheme, mark, path = uri.partition("://")
    if not mark or scheme != "file":
        raise UsageError(f"{uri}: only local files (file://) can be used, not {scheme}://")
    return Path(path)


@by_scheme
def open_input(uri: str) -> BinaryIO:
    """Open for reading; seekable, buffered."""
    return local_path(uri).open("rb")


@by_scheme
def stat(uri: str) -> Stat:
    """Size and stamp of a file. Raises FileNotFoundError, PermissionError and the other OSErrors."""
    return _stat(uri, local_path(uri).stat())


def _stat(uri: str, found: os.stat_result) -> Stat:
    return Stat(uri, found.st_size, f"{found.st_size}-{found.st_mtime_ns}")


@by_scheme
def list_files(uri: str) -> Iterator[Stat]:
    """All files below a folder, in name order; hidden ones and what hidden folders hold are left out."""
    with os.scandir(local_path(uri)) as entries:
        visible = sorted((entry for entry in entries if not entry.name.startswith(HIDDEN)), key=lambda e: e.name)
    for entry in visible:
        if entry.is_dir():
            yield from list_files(_local_uri(entry.path))
        elif entry.is_file() or entry.is_symlink():  # a dangling link is an error, a pipe is no input
            yield _stat(_local_uri(entry.path), entry.stat())


@by_scheme
def expand(uri: str) -> Iterator[Stat]:
    """The files that a URI means: itself, all below a folder, or what its `*`, `?`, `[...]` and `**` match.

    Raises FileNotFoundError where there is nothing of that name.
    """
    path = local_path(uri)
    if path.is_dir():
        yield from list_files(uri)
    elif path.exists() or not glob.has_magic(str(path)):
        yield stat(uri)
    else:
        yield from _matches(str(path))


def _matches(pattern: str) -> Iterator[Stat]:
    # Not Path.glob: it does not take an absolute pattern.
    found = sorted(glob.glob(pattern, recursive=True))  # noqa: PTH207
    fixed = next(at for at, part in enumerate(Path(pattern).parts) if glob.has_magic(part))
    visible = [path for path in found if not any(part.startswith(HIDDEN) for part in Path(path).parts[fixed:])]
    if not visible:
        raise FileNotFoundError(errno.ENOENT, "no file matches", pattern)
    files = (file for path in visible for file in expand(_local_uri(path)))
    yield from {file.uri: file for file in files}.values()  # `**` finds a folder, and then what is in it


def read_bytes(uri: str) -> bytes:
    """The whole of a small file."""
    with open_input(uri) as file:
        return file.read()


def read_at(uri: str, stamp: str) -> bytes | None:
    """The whole of a small file, None where its stamp is another; a local one is opened and looked up in one go."""
    if uri.startswith("file://"):
        with io.FileIO(uri.removeprefix("file://")) as file:
            return file.readall() if _stat(uri, os.fstat(file.fileno())).stamp == stamp else None
    return read_bytes(uri) if stat(uri).stamp == stamp else None


@by_scheme
def exists(uri: str) -> bool:
    """Whether there is a file or a folder of this name."""
    return local_path(uri).exists()


@by_scheme
def names(uri: str) -> list[str]:
    """What a folder holds, hidden names too, sorted; nothing where there is no folder."""
    with suppress(FileNotFoundError):
        return sorted(path.name for path in local_path(uri).iterdir())
    return []


@by_scheme
def write_bytes(uri: str, data: bytes) -> None:
    """Write a small file in one step: a reader sees the old or the new one, whole."""
    path = local_path(uri)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = _beside(path)
    try:
        temporary.write_bytes(data)
        publish(temporary, uri)
    finally:
        temporary.unlink(missing_ok=True)


@by_scheme
def create(uri: str, data: bytes) -> bool:
    """Write a small file in one step, unless there is one of this name; whether it was written."""
    path = local_path(uri)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = _beside(path)
    try:
        temporary.write_bytes(data)
        _sync(temporary)
        os.link(temporary, path)
    except FileExistsError:
        return False
    finally:
        temporary.unlink(missing_ok=True)
    _sync(path.parent)
    return True


@by_scheme
def publish(file: Path, uri: str, unfinished: str | None = None) -> None:
    """Move a finished local file to its name in one step, in place of what may be there.

    Where a copy has to be made first, it is made in the folder `unfinished`.
    """
    target = local_path(uri)
    _sync(file)
    file.replace(target)
    _sync(target.parent)


@by_scheme
def write_file(uri: str, file: Path) -> None:
    """Copy a local file to its name, in one step."""
    target = local_path(uri)
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = _beside(target)
    shutil.copyfile(file, temporary)
    publish(temporary, uri)


@by_scheme
def remove(uri: str) -> None:
    """Remove a file, or a folder and all in it; nothing where there is none."""
    path = local_path(uri)
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


@by_scheme
def scratch(output: str, run: str) -> Path:
    """A local folder to write a run's files in, from where `publish` is one step."""
    return local_path(f"{output}/_tmp/{run}")


@by_scheme
def fetch(uri: str, folder: Path) -> Path:
    """A file's local copy, in `folder` where it is not local already."""
    return local_path(uri)


def _beside(path: Path) -> Path:
    return path.with_name(f"_{path.name}.{uuid.uuid4().hex}")


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
