"""A conda channel in a folder, with the running interpreter as its only package: real solving without a network."""

from __future__ import annotations

import asyncio
import hashlib
import io
import json
import shutil
import sys
import tarfile
import zipfile
from pathlib import Path

import zstandard
from rattler.index import index_fs

VERSION = ".".join(map(str, sys.version_info[:3]))
SHORT = f"python{sys.version_info[0]}.{sys.version_info[1]}"
LEFT_OUT = ("__pycache__", "test", "tests", "idlelib", "turtledemo", "tkinter", "lib2to3", "ensurepip", "site-packages")


def make_channel(folder: Path) -> str:
    """The URI of a new channel that holds `python`, this one."""
    for platform in ("linux-64", "noarch"):
        (folder / platform).mkdir(parents=True)
    staged = folder.with_name(f"{folder.name}.staged")
    _stage_python(staged)
    _write_package(folder / "linux-64" / f"python-{VERSION}-0.conda", staged)
    shutil.rmtree(staged)
    asyncio.run(index_fs(folder))
    return folder.as_uri()


def _stage_python(target: Path) -> None:
    base = Path(sys.base_prefix).resolve()
    shutil.copytree(
        base / "lib" / SHORT,
        target / "lib" / SHORT,
        symlinks=True,
        ignore=shutil.ignore_patterns(*LEFT_OUT, "config-*", "_test*", "_tkinter*"),
    )
    (target / "lib" / SHORT / "site-packages").mkdir()
    (target / "lib" / SHORT / "site-packages" / "README.txt").write_text("site-packages\n")
    (target / "bin").mkdir()
    shutil.copy2(base / "bin" / SHORT, target / "bin" / SHORT)
    for link in ("python", "python3"):
        (target / "bin" / link).symlink_to(SHORT)
    for library in base.glob("lib/libpython*.so.1*"):
        shutil.copy2(library, target / "lib")
    _look_for_libraries_beside(target / "bin" / SHORT, base / "lib")


def _look_for_libraries_beside(program: Path, built_for: Path) -> None:
    # The same length: the run path is a string in the middle of a binary.
    old = str(built_for).encode()
    program.write_bytes(program.read_bytes().replace(old + b"\0", b"$ORIGIN/../lib".ljust(len(old), b"\0") + b"\0"))


def _write_package(target: Path, folder: Path) -> None:
    """Write NAME-VERSION-BUILD.conda: a zip of metadata and two tar.zst, contents and index."""
    paths = [_path_entry(path, folder) for path in sorted(folder.rglob("*")) if path.is_file() or path.is_symlink()]
    name = {"name": "python", "version": VERSION, "build": "0", "build_number": 0, "depends": [], "license": "PSF-2.0"}
    index = name | {"subdir": "linux-64", "arch": "x86_64", "platform": "linux", "timestamp": 1577836800000}
    info = {
        "info/index.json": json.dumps(index),
        "info/paths.json": json.dumps({"paths": paths, "paths_version": 1}),
        "info/about.json": "{}",
        "info/files": "\n".join(str(entry["_path"]) for entry in paths),
    }
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as package:
        package.writestr("metadata.json", '{"conda_pkg_format_version": 2}')
        package.writestr(f"pkg-{target.stem}.tar.zst", _tar_of_files(folder, [str(entry["_path"]) for entry in paths]))
        package.writestr(f"info-{target.stem}.tar.zst", _tar_of_texts(info))


def _path_entry(path: Path, folder: Path) -> dict[str, object]:
    data = path.read_bytes()
    return {
        "_path": str(path.relative_to(folder)),
        "path_type": "softlink" if path.is_symlink() else "hardlink",
        "sha256": hashlib.sha256(data).hexdigest(),
        "size_in_bytes": len(data),
    }


def _tar_of_files(folder: Path, names: list[str]) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for name in names:
            tar.add(folder / name, name)
    return zstandard.compress(packed.getvalue(), 3)


def _tar_of_texts(texts: dict[str, str]) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for name, text in texts.items():
            member = tarfile.TarInfo(name)
            member.size = len(text.encode())
            tar.addfile(member, io.BytesIO(text.encode()))
    return zstandard.compress(packed.getvalue(), 3)
