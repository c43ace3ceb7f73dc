"""What lib/storage.py does, on HDFS: without a JVM, by the names as they are (`page?id=7` is a file, not a query).

Where the NameNode is, high availability, Kerberos and viewfs come from HADOOP_CONF_DIR.
"""

from __future__ import annotations

import errno
import fnmatch
import functools
import glob
import io
import os
import re
import shutil
import socket
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO, ParamSpec, TypeVar
from xml.etree import ElementTree

import hdfs_native

from lib import kerberos
from lib.errors import UsageError
from lib.storage import HIDDEN, Stat

READ_BYTES = 1 << 20  # the client's own files are not buffered: 23 MB/s for a reader of small pieces, 63 with this
PORT = 8020  # Hadoop's default for a NameNode
HA = "dfs.ha.namenodes."
PARTS = re.compile(r"((?:hdfs|viewfs)://[^/]*)(/.*)?", re.DOTALL)

P = ParamSpec("P")
T = TypeVar("T")


def plain_errors(function: Callable[P, T]) -> Callable[P, T]:
    """OSErrors of one line: the client's texts carry Java's stack traces, and some of its errors are RuntimeErrors."""

    @functools.wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return function(*args, **kwargs)
        except (OSError, RuntimeError) as error:
            raise _plain(error) from None

    return call


def _plain(error: OSError | RuntimeError) -> OSError:
    if str(error).startswith("GSSAPIError("):
        return kerberos.denied(str(error))
    text = re.sub(r'^(Fatal)?RPCError\("', "", re.split(r"\n|\\n", str(error))[0]).replace('", "', ": ")
    if "SecretManager$InvalidToken" in text:
        return kerberos.no_token(text)
    if isinstance(error, FileNotFoundError):
        return FileNotFoundError(errno.ENOENT, "no such file or directory", text)
    if isinstance(error, PermissionError) or "AccessControlException" in text:
        return PermissionError(errno.EACCES, text)
    if isinstance(error, FileExistsError):
        return FileExistsError(errno.EEXIST, text)
    return OSError(errno.EIO, text)


def core_site() -> dict[str, str]:
    """The cluster's core-site.xml; nothing where no HADOOP_CONF_DIR names one. Raises UsageError where it is no XML."""
    return _site("core-site.xml")


def _site(name: str) -> dict[str, str]:
    folder = _conf_dir()
    if folder is None or not (path := folder / name).is_file():
        return {}
    try:
        properties = ElementTree.parse(path).iter("property")
    except ElementTree.ParseError as error:
        raise UsageError(f"{path}: is no XML: {error}") from None
    return {(one.findtext("name") or "").strip(): (one.findtext("value") or "").strip() for one in properties}


def _conf_dir() -> Path | None:
    # Where hdfs-native looks too.
    if folder := os.environ.get("HADOOP_CONF_DIR"):
        return Path(folder)
    home = os.environ.get("HADOOP_HOME")
    return Path(home, "etc", "hadoop") if home else None


def _nameservices() -> set[str]:
    """Names that stand for NameNodes, and are no hosts."""
    site = core_site() | _site("hdfs-site.xml")
    available = {key.removeprefix(HA) for key in site if key.startswith(HA)}
    return available | {name.strip() for name in site.get("dfs.nameservices", "").split(",")}


def _full(authority: str) -> str:
    """The default filesystem for `hdfs://`; a NameNode with Hadoop's default port where it names none."""
    named = _nameservices()
    if authority == "hdfs://":
        authority = core_site().get("fs.defaultFS", authority).rstrip("/") or authority
    host = re.fullmatch(r"hdfs://([^:/]+)", authority)
    return f"{authority}:{PORT}" if host and host[1] not in named else authority


def qualified(uri: str) -> str:
    """`hdfs:///x` for Hadoop's own clients, which do not take it where the default filesystem is a viewfs."""
    default = core_site().get("fs.defaultFS", "").rstrip("/")
    if not uri.startswith("hdfs:///") or not default.startswith("viewfs://"):
        return uri
    return default + uri.removeprefix("hdfs://")


@functools.cache
def _client_of(authority: str, pid: int) -> hdfs_native.Client:
    # By pid: the client's threads do not survive a fork.
    return connect(address_in_token(authority) or authority)


def connect(authority: str, config: dict[str, str] | None = None, cache: str | None = None) -> hdfs_native.Client:
    """A client of its own, who we are logged in as; `config` goes over what HADOOP_CONF_DIR says.

    In `cache` (of Kerberos) it leaves its ticket. Nothing is asked of the NameNode yet. Raises UsageError where the
    configuration cannot be read or does not say where the NameNode is.
    """
    url = _full(authority)
    try:
        return _client(url, config, cache)
    except RuntimeError as error:
        wrong = re.fullmatch(r'InvalidArgument\("(.*)"\)', str(error))
        if not wrong:
            raise
        where = _conf_dir() or "HADOOP_CONF_DIR, which is not set"
        raise UsageError(f"{authority}: {wrong[1]}; see core-site.xml and hdfs-site.xml in {where}") from None


def _client(url: str, config: dict[str, str] | None, cache: str | None) -> hdfs_native.Client:
    try:
        return hdfs_native.Client(url, config, **kerberos.credentials(cache))
    except RuntimeError as error:
        if "fallback" not in str(error):
            raise
        config = (config or {}) | _no_fallback(url.partition("://")[2])
        return hdfs_native.Client(url, config, **kerberos.credentials(cache))


def _no_fallback(table: str) -> dict[str, str]:
    """The client wants a place for what no mount link covers, which few clusters name: one where nothing is."""
    links = f"fs.viewfs.mounttable.{table}.link."
    target = next((value for key, value in core_site().items() if key.startswith(links)), "hdfs://")
    return {f"fs.viewfs.mounttable.{table}.linkFallback": "/".join(target.split("/")[:3]) + "/.no-mount-point"}


def address_in_token(authority: str) -> str:
    """The NameNode by its IP address, where a container's delegation token has it so; else an empty text.

    The client looks for a token of the NameNode as the URI has it, and Hadoop writes addresses into tokens, unless
    there is high availability or `hadoop.security.token.service.use_ip` is false.
    """
    tokens = os.environ.get("HADOOP_TOKEN_FILE_LOCATION")
    named = re.fullmatch(r"hdfs://([^:/]+):(\d+)", _full(authority))
    if not tokens or not named:
        return ""
    address = f"{socket.gethostbyname(named[1])}:{named[2]}"
    return f"hdfs://{address}" if address.encode() in Path(tokens).read_bytes() else ""


@plain_errors
def get_ticket(uri: str, cache: str) -> None:
    """Leave a ticket of the keytab's principal in a cache that others read, unless one there is good for long."""
    _, path, authority = _split(uri)
    connect(authority, cache=cache).get_file_info(path)


def _split(uri: str) -> tuple[hdfs_native.Client, str, str]:
    """The client, the path, and what stands before the path."""
    found = PARTS.fullmatch(uri)
    if found is None:
        raise ValueError(f"{uri}: neither an hdfs:// nor a viewfs:// URI")
    return _client_of(found[1], os.getpid()), found[2] or "/", found[1]


class _Reader(io.RawIOBase):
    """The client's reader, with the errors of a file and a `seek` that says where it went."""

    def __init__(self, inner: hdfs_native.FileReader) -> None:
        self.inner = inner

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return int(self.inner.tell())

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        self.inner.seek(offset, whence)
        return self.tell()

    @plain_errors
    def readinto(self, buffer: Any) -> int:
        found = self.inner.read(len(buffer))
        buffer[: len(found)] = found
        return len(found)


@plain_errors
def open_input(uri: str) -> BinaryIO:
    client, path, _ = _split(uri)
    return io.BufferedReader(_Reader(client.read(path)), READ_BYTES)


@plain_errors
def stat(uri: str) -> Stat:
    client, path, authority = _split(uri)
    return _stat(authority, client.get_file_info(path))


def _stat(authority: str, found: hdfs_native.FileStatus) -> Stat:
    return Stat(authority + found.path, found.length, f"{found.length}-{found.modification_time}")


@plain_errors
def _list(uri: str) -> list[hdfs_native.FileStatus]:
    client, path, _ = _split(uri)
    return sorted(client.list_status(path), key=lambda status: str(status.path))


def _name(status: hdfs_native.FileStatus) -> str:
    return str(status.path).rsplit("/", 1)[-1]


def list_files(uri: str) -> Iterator[Stat]:
    authority = _split(uri)[2]
    for status in _list(uri):
        if _name(status).startswith(HIDDEN):
            continue
        if status.isdir:
            yield from list_files(authority + status.path)
        else:
            yield _stat(authority, status)


def expand(uri: str) -> Iterator[Stat]:
    if is_dir(uri):
        yield from list_files(uri)
    elif exists(uri) or not glob.has_magic(uri):
        yield stat(uri)
    else:
        yield from _matches(uri)


def _matches(pattern: str) -> Iterator[Stat]:
    _, path, authority = _split(pattern)
    found = [uri for uri in _glob(authority, path.strip("/").split("/")) if not _hidden(uri)]
    if not found:
        raise FileNotFoundError(errno.ENOENT, "no file matches", pattern)
    files = (file for uri in found for file in expand(uri))
    yield from {file.uri: file for file in files}.values()  # `**` finds a folder, and then what is in it


def _hidden(uri: str) -> bool:
    return uri.rsplit("/", 1)[-1].startswith(HIDDEN)


def _glob(folder: str, parts: list[str]) -> Iterator[str]:
    """Names below a folder that match, part by part, as the glob module has it."""
    if not parts:
        yield folder
        return
    first, rest = parts[0], parts[1:]
    if first != "**" and not glob.has_magic(first):
        if exists(f"{folder}/{first}"):
            yield from _glob(f"{folder}/{first}", rest)
        return
    if first == "**":
        yield from _glob(folder, rest)
    for status in _list(f"{folder}/"):
        name = _name(status)
        if name.startswith(".") and not first.startswith("."):
            continue
        if first == "**":
            yield from _glob(f"{folder}/{name}", parts) if status.isdir else ()
        elif fnmatch.fnmatchcase(name, first) and (status.isdir or not rest):
            yield from _glob(f"{folder}/{name}", rest)


def is_dir(uri: str) -> bool:
    """Whether there is a folder of this name."""
    client, path, _ = _split(uri)
    with suppress(FileNotFoundError):
        return bool(plain_errors(client.get_file_info)(path).isdir)
    return False


def exists(uri: str) -> bool:
    with suppress(FileNotFoundError):
        stat(uri)
        return True
    return False


def names(uri: str) -> list[str]:
    with suppress(FileNotFoundError):
        return [_name(status) for status in _list(uri)]
    return []


def write_bytes(uri: str, data: bytes) -> None:
    temporary = _beside(uri)
    _write(temporary, io.BytesIO(data))
    rename(temporary, uri, overwrite=True)


def create(uri: str, data: bytes) -> bool:
    # The NameNode's rename is the one operation that is exclusive and leaves no half-written file.
    temporary = _beside(uri)
    _write(temporary, io.BytesIO(data))
    try:
        rename(temporary, uri, overwrite=False)
    except FileExistsError:
        remove(temporary)
        return False
    return True


def publish(file: Path, uri: str, unfinished: str | None = None) -> None:
    temporary = f"{unfinished}/{uuid.uuid4().hex}" if unfinished else _beside(uri)
    with file.open("rb") as source:
        _write(temporary, source)
    rename(temporary, uri, overwrite=True)


def write_file(uri: str, file: Path) -> None:
    publish(file, uri)


@plain_errors
def remove(uri: str) -> None:
    client, path, _ = _split(uri)
    client.delete(path, True)


def scratch(output: str, run: str) -> Path:
    # YARN's own folders for the application, which it removes with it.
    folders = os.environ.get("LOCAL_DIRS", "").split(",")
    return Path(folders[0] or tempfile.gettempdir()) / f"fireball-{run}"


def fetch(uri: str, folder: Path) -> Path:
    target = folder / "fetched"
    with open_input(uri) as source, target.open("wb") as copy:
        shutil.copyfileobj(source, copy, READ_BYTES)
    return target


def remove_old(folder: str, name: re.Pattern[str], seconds: float) -> None:
    """Remove the files of a folder that are called so and have not changed for so long.

    A folder that is not there or cannot be listed, and files that are not ours to remove, are no error.
    """
    oldest = (time.time() - seconds) * 1000
    with suppress(OSError):
        for status in _list(folder):
            if name.fullmatch(_name(status)) and not status.isdir and status.modification_time < oldest:
                with suppress(OSError):
                    remove(f"{folder}/{_name(status)}")


@plain_errors
def set_permission(uri: str, mode: int) -> None:
    """Change the permissions of a file or a folder."""
    client, path, _ = _split(uri)
    client.set_permission(path, mode)


def _beside(uri: str) -> str:
    folder, _, name = uri.rpartition("/")
    return f"{folder}/_{name}.{uuid.uuid4().hex}"


@plain_errors
def _write(uri: str, source: BinaryIO) -> None:
    client, path, _ = _split(uri)
    with client.create(path, hdfs_native.WriteOptions(create_parent=True, overwrite=True)) as target:
        shutil.copyfileobj(source, target, READ_BYTES)


@plain_errors
def rename(source: str, target: str, overwrite: bool) -> None:
    """Move a file in one step. Raises FileExistsError, unless `overwrite`."""
    client, path, _ = _split(source)
    client.rename(path, _split(target)[1], overwrite)
