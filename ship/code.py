"""The code of a run: a zip of `jobs` and `lib` as they are in the working tree, the same bytes for the same files."""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Iterator
from pathlib import Path

PACKAGES = ("jobs", "lib")
LEFT_OUT = ("__pycache__", ".pyc")
EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest that a zip can say


def make_zip(project: Path, folder: Path) -> Path:
    """Write `code-<hash>.zip` into `folder`."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in _files(project):
            entry = zipfile.ZipInfo(path.relative_to(project).as_posix(), EPOCH)
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, path.read_bytes(), zipfile.ZIP_DEFLATED)
    data = packed.getvalue()
    target = folder / f"code-{hashlib.sha256(data).hexdigest()[:16]}.zip"
    target.write_bytes(data)
    return target


def _files(project: Path) -> Iterator[Path]:
    for package in PACKAGES:
        for path in sorted((project / package).rglob("*")):
            if path.is_file() and not str(path).endswith(LEFT_OUT[1]) and LEFT_OUT[0] not in path.parts:
                yield path
