"""Pictures as files: a folder for StyleGAN2's dataset tool, or tar shards for webdataset."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from lib.image.encode import encode_png, to_pixels

Rows = Iterator[dict[str, Any]]
SHARD_PICTURES = 10_000


def export_png(rows: Rows, folder: Path, encoding: str) -> None:
    """<split>/<two hex digits>/<image_id>.png: square, of one size, as `dataset_tool.py --source` walks it."""
    for row in rows:
        path = folder / row["split"] / row["image_id"][:2] / f"{row['image_id']}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(png_bytes(row, encoding))


def export_webdataset(rows: Rows, folder: Path, encoding: str) -> None:
    """<split>-000000.tar ...: of each picture <image_id>.png and a <image_id>.json of where it came from."""
    shards: dict[str, tarfile.TarFile] = {}
    written: dict[str, int] = {}
    try:
        for row in rows:
            split = row["split"]
            number, place = divmod(written.get(split, 0), SHARD_PICTURES)
            if place == 0:
                if split in shards:
                    shards[split].close()
                shards[split] = tarfile.open(folder / f"{split}-{number:06d}.tar", "w")  # noqa: SIM115 - closed below
            written[split] = written.get(split, 0) + 1
            about = {name: row[name] for name in ("class", "source_path", "source_member")}
            _add(shards[split], f"{row['image_id']}.png", png_bytes(row, encoding))
            _add(shards[split], f"{row['image_id']}.json", json.dumps(about).encode())
    finally:
        for shard in shards.values():
            shard.close()


def png_bytes(row: dict[str, Any], encoding: str) -> bytes:
    """The row's picture as PNG, whatever it is stored as."""
    return row["image"] if encoding == "png" else encode_png(to_pixels(row, encoding))


def _add(shard: tarfile.TarFile, name: str, content: bytes) -> None:
    entry = tarfile.TarInfo(name)  # no time, no owner: the same rows give the same bytes
    entry.size = len(content)
    shard.addfile(entry, io.BytesIO(content))


EXPORTS: dict[str, Callable[[Rows, Path, str], None]] = {"png": export_png, "webdataset": export_webdataset}
