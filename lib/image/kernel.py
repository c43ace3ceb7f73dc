"""Batches of image files to rows: decode and classify one by one, resize in fours, encode."""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import asdict, dataclass
from hashlib import blake2b, sha256
from typing import Any

import numpy as np
import pyarrow as pa

from lib.image.classes import classify
from lib.image.columns import OUTPUT_SCHEMA
from lib.image.encode import ENCODERS
from lib.image.errors import NoPicture
from lib.image.options import ConvertImages
from lib.image.picture import Bytes, decode
from lib.image.planes import Planes, make_planes
from lib.image.resize import Geometry, fit, make_resize
from lib.job import Kernel
from lib.records import OUTCOME, Status

# Decoded pixels that wait for three others of their size, at most.
PENDING_BYTES = 16 << 20
SCHEMA = pa.schema([*OUTPUT_SCHEMA, *OUTCOME])
Row = dict[str, Any]


@dataclass(slots=True)
class Pending:
    """A decoded picture, to be resized together with others of its size."""

    row: Row
    planes: Planes


def make_kernel(config: ConvertImages) -> Kernel:
    """Set up once a process. The kernel's rows do not depend on which records share a batch."""
    converter = Converter(config)

    def kernel(batch: pa.RecordBatch) -> pa.RecordBatch:
        columns = ("source_path", "source_member", "source_offset", "flags", "content")
        records = zip(*(batch.column(name).to_pylist() for name in columns), strict=True)
        rows = converter.convert(list(records))
        arrays = [pa.array([row.get(field.name) for row in rows], field.type) for field in SCHEMA]
        return pa.RecordBatch.from_arrays(arrays, schema=SCHEMA)

    return kernel


class Converter:
    """What is set up once: the resizer, the encoder and the hash of the config."""

    def __init__(self, config: ConvertImages) -> None:
        self.config = config
        self.resize = make_resize(config)
        self.encode = ENCODERS[config.encoding]
        self.config_hash = blake2b(json.dumps(asdict(config), sort_keys=True).encode(), digest_size=4).hexdigest()
        self.geometries: dict[tuple[int, int], Geometry] = {}

    def convert(self, records: list[tuple[Any, ...]]) -> list[Row]:
        """One row for each (path, member, offset, flags, content)."""
        rows: list[Row] = []
        waiting: dict[Geometry, list[Pending]] = defaultdict(list)
        held = 0
        for path, member, offset, flags, content in records:
            row: Row = {"image_id": _image_id(path, member, offset), "config_hash": self.config_hash}
            row["flags"] = list(flags or ())
            rows.append(row)
            try:
                geometry, planes = self._read(row, content)
            except NoPicture as problem:
                row.setdefault("status", Status.FAILED)
                row["error_code"], row["error_detail"] = problem.code, problem.detail
                continue
            waiting[geometry].append(Pending(row, planes))
            held += sum(plane.base.nbytes if plane.base is not None else plane.nbytes for plane in planes.planes)
            if held > PENDING_BYTES:
                self._finish(waiting)
                held = 0
        self._finish(waiting)
        return rows

    def _read(self, row: Row, content: bytes | None) -> tuple[Geometry, Planes]:
        config = self.config
        if content is None:
            raise NoPicture("missing_value", "content is null")
        row["source_bytes"] = len(content)
        row["source_sha256"] = sha256(content).hexdigest()
        picture = decode(content, config.max_pixels)
        row["format"] = picture.format
        row["src_width"], row["src_height"] = picture.width, picture.height
        row["src_color_type"], row["src_bit_depth"] = picture.color_type, picture.bit_depth
        row["had_icc"], row["animated"] = picture.had_icc, picture.animated
        row["exif_orientation"] = picture.orientation
        alpha = picture.alpha()
        found = classify(picture, alpha)
        row["class"], row["coverage"] = found.name, found.coverage
        row["ink_rgb"] = found.ink and "#" + bytes(found.ink).hex()
        row["premultiplied_suspect"] = "premultiplied_suspect" in found.flags
        row["flags"] += found.flags
        self._apply_policies(row, found.name, picture.width, picture.height)
        size = picture.pixels.shape[1], picture.pixels.shape[0]
        geometry = self.geometries.get(size)
        if geometry is None:
            geometry = self.geometries[size] = fit(*size, config)
        planes = make_planes(picture, alpha, found, config)
        row["mode_used"] = planes.mode
        return geometry, planes

    def _apply_policies(self, row: Row, kind: str, width: int, height: int) -> None:
        policy = getattr(self.config.classes, kind)
        if policy == "reject":
            raise NoPicture("class_rejected", f"classes.{kind}: reject")
        row["status"] = Status.SKIPPED
        if policy == "skip":
            raise NoPicture("class_skipped", f"classes.{kind}: skip")
        if min(width, height) < self.config.min_side:
            raise NoPicture("too_small", f"{width}x{height} is under min_side={self.config.min_side}")
        if max(width, height) > self.config.max_aspect * min(width, height):
            raise NoPicture("aspect_ratio", f"{width}x{height} is over max_aspect={self.config.max_aspect}")
        row["status"] = Status.OK

    def _finish(self, waiting: dict[Geometry, list[Pending]]) -> None:
        for geometry, pending in waiting.items():
            resized = iter(self.resize([plane for one in pending for plane in one.planes.planes], geometry))
            for one in pending:
                planes = [next(resized) for _ in one.planes.planes]
                self._write(one.row, self._assemble(planes, one.planes, geometry))
        waiting.clear()

    def _assemble(self, planes: list[Bytes], of: Planes, geometry: Geometry) -> Bytes:
        """(height, width, channels) on its canvas, inverted where alpha became ink."""
        channels = 3 if self.config.channels == "RGB" else 1
        (width, height), (left, top) = geometry.inner, geometry.offset
        canvas = np.empty((geometry.outer[1], geometry.outer[0], channels), np.uint8)
        for channel in range(channels):
            i = min(channel, len(planes) - 1)
            if geometry.inner != geometry.outer:
                canvas[..., channel] = 255 - of.pad[i] if of.invert else of.pad[i]
            target = canvas[top : top + height, left : left + width, channel]
            np.bitwise_not(planes[i], out=target) if of.invert else np.copyto(target, planes[i])
        return canvas

    def _write(self, row: Row, pixels: Bytes) -> None:
        digest = sha256(pixels.data)
        row["height"], row["width"], row["channels"] = pixels.shape
        row["mean"], row["std"] = mean_and_std(pixels)
        row["pixel_sha256"] = digest.hexdigest()
        row["split"] = self._split(digest.digest())
        row["image"] = image = self.encode(pixels)
        row["output_bytes"] = len(image)

    def _split(self, digest: bytes) -> str:
        shares = self.config.split
        at = int.from_bytes(digest[:7]) / (1 << 56)
        return "test" if at < shares.test else "validation" if at < shares.test + shares.validation else "train"


def mean_and_std(pixels: Bytes) -> tuple[float, float]:
    """Exact: sums of 256 squares of bytes stay below 2**24, where float32 still counts."""
    values = pixels.reshape(-1)
    whole = len(values) // 256 * 256
    blocks = values[:whole].reshape(-1, 256).astype(np.float32)
    ones = np.ones(256, np.float32)
    total = float((blocks @ ones).sum(dtype=np.float64))
    squares = float((np.square(blocks) @ ones).sum(dtype=np.float64))
    if whole < len(values):
        rest = values[whole:].astype(np.float64)
        total, squares = total + float(rest.sum()), squares + float((rest * rest).sum())
    mean = total / len(values)
    return mean, max(0.0, squares / len(values) - mean * mean) ** 0.5


def _image_id(path: str | None, member: str | None, offset: int | None) -> str:
    return blake2b(f"{path}\0{member}\0{offset}".encode(), digest_size=8).hexdigest()
