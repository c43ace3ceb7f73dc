"""Batches of image files to rows: decode and classify one by one, resize in fours, encode."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from hashlib import blake2b, sha256
from operator import itemgetter
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from lib.image.classes import classify
from lib.image.columns import OUTPUT_SCHEMA
from lib.image.encode import ENCODERS
from lib.image.errors import NoPicture
from lib.image.moments import mean_and_deviation
from lib.image.options import ConvertImages
from lib.image.picture import Bytes, decode
from lib.image.planes import Planes, make_planes
from lib.image.resize import PACK, Geometry, Stack, fit, stack_maker
from lib.job import Kernel
from lib.records import OUTCOME, Status

# A stack holds four planes: 1 MB for 512x512. Larger pictures do not wait for others of their size.
KEPT_PIXELS = 512 * 512
KEPT_SIZES = 16
SCHEMA = pa.schema([*OUTPUT_SCHEMA, *OUTCOME])
Row = dict[str, Any]
EMPTY: Row = dict.fromkeys(SCHEMA.names)
VALUES = itemgetter(*SCHEMA.names)


@dataclass(slots=True)
class Together:
    """Pictures of one size that are resized together."""

    geometry: Geometry
    stack: Stack
    planes: int = 0
    members: list[tuple[Row, Planes]] = field(default_factory=list)


def make_kernel(config: ConvertImages) -> Kernel:
    """Set up once a process. The kernel's rows do not depend on which records share a batch."""
    converter = Converter(config)

    def kernel(batch: pa.RecordBatch) -> pa.RecordBatch:
        columns = ("source_path", "source_member", "source_offset", "flags")
        records = (batch.column(name).to_pylist() for name in columns)
        rows = converter.convert(list(zip(*records, contents(batch, config.image_column), strict=True)))
        values = zip(*map(VALUES, rows), strict=True) if rows else [()] * len(SCHEMA)
        arrays = [pa.array(column, kind) for column, kind in zip(values, SCHEMA.types, strict=True)]
        return pa.RecordBatch.from_arrays(arrays, schema=SCHEMA)

    return kernel


def contents(batch: pa.RecordBatch, column: str) -> list[bytes | NoPicture | None]:
    """Each record's file: a file's or an entry's content, or what a table's row holds; NoPicture where it has none."""
    if "row" not in batch.schema.names or batch["row"].null_count == batch.num_rows:
        files: list[bytes | NoPicture | None] = batch["content"].to_pylist()
        return files
    rows = batch["row"]
    if column not in rows.type.names:
        problem = NoPicture("missing_column", f"the table has no column {column} (image_column)")
        return [problem] * batch.num_rows
    values = rows.field(column)
    if pa.types.is_struct(values.type) and "bytes" in values.type.names:
        values = values.field("bytes")  # as Hugging Face's datasets keep images
    if not (pa.types.is_binary(values.type) or pa.types.is_large_binary(values.type)):
        return [NoPicture("wrong_type", f"{column} is {values.type}, expected binary")] * batch.num_rows
    found: list[bytes | NoPicture | None] = values.to_pylist()
    return found


class Converter:
    """What is set up once: the resizer's stacks, the encoder, the canvas, the hash of the config."""

    def __init__(self, config: ConvertImages) -> None:
        self.config = config
        self.make_stack = stack_maker(config)
        self.encode = ENCODERS[config.encoding]
        self.config_hash = blake2b(json.dumps(asdict(config), sort_keys=True).encode(), digest_size=4).hexdigest()
        self.batches: dict[tuple[int, int], Together] = {}
        self.canvas = np.empty((config.size, config.size, 3 if config.channels == "RGB" else 1), np.uint8)

    def convert(self, records: list[tuple[Any, ...]]) -> list[Row]:
        """One row for each (path, member, offset, flags, content); nothing of them stays here, also after an error."""
        try:
            rows = [self._row(*record) for record in records]
            for together in self.batches.values():
                self._finish(together)
        except BaseException:
            self.batches.clear()  # planes left behind would be taken for those of the next picture
            raise
        return rows

    def _row(
        self, path: str, member: str | None, offset: int, flags: list[str] | None, content: bytes | NoPicture | None
    ) -> Row:
        row = EMPTY | {"image_id": _image_id(path, member, offset), "config_hash": self.config_hash}
        row["flags"] = list(flags or ())
        try:
            self._read(row, content)
        except NoPicture as problem:
            row["status"] = row["status"] or Status.FAILED
            row["error_code"], row["error_detail"] = problem.code, problem.detail
        return row

    def _read(self, row: Row, content: bytes | NoPicture | None) -> None:
        config = self.config
        if isinstance(content, NoPicture):
            raise content
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
        planes = make_planes(picture, alpha, found, config)
        row["mode_used"] = planes.mode
        self._collect(row, planes, (picture.pixels.shape[1], picture.pixels.shape[0]))

    def _collect(self, row: Row, planes: Planes, size: tuple[int, int]) -> None:
        together = self.batches.get(size)
        if together is None:
            geometry = fit(*size, self.config)
            together = Together(geometry, self.make_stack(geometry))
            if size[0] * size[1] <= KEPT_PIXELS:
                if len(self.batches) == KEPT_SIZES:
                    self._finish(self.batches.pop(next(iter(self.batches))))
                self.batches[size] = together
        if together.planes + len(planes.planes) > PACK:
            self._finish(together)
        for plane in planes.planes:
            together.stack.add(plane)
        together.planes += len(planes.planes)
        together.members.append((row, planes))
        if together.planes == PACK or size not in self.batches:
            self._finish(together)

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

    def _finish(self, together: Together) -> None:
        if not together.members:
            return
        resized = iter(together.stack.resized())
        for row, planes in together.members:
            self._write(row, self._assemble([next(resized) for _ in planes.planes], planes, together.geometry))
        together.members.clear()
        together.planes = 0

    def _assemble(self, planes: list[NDArray[Any]], of: Planes, geometry: Geometry) -> Bytes:
        """(height, width, channels) on the canvas, inverted where alpha became ink."""
        (width, height), (left, top) = geometry.inner, geometry.offset
        canvas = self.canvas
        for channel in range(canvas.shape[2]):
            i = min(channel, len(planes) - 1)
            if geometry.inner != geometry.outer:
                canvas[..., channel] = of.pad[i]
            canvas[top : top + height, left : left + width, channel] = planes[i]
        return np.bitwise_not(canvas, out=canvas) if of.invert else canvas

    def _write(self, row: Row, pixels: Bytes) -> None:
        digest = sha256(pixels.data).digest()
        row["height"], row["width"], row["channels"] = pixels.shape
        row["mean"], row["std"] = mean_and_deviation(pixels)
        row["pixel_sha256"] = digest.hex()
        row["split"] = self._split(digest)
        row["image"] = image = self.encode(pixels)
        row["output_bytes"] = len(image)

    def _split(self, digest: bytes) -> str:
        shares = self.config.split
        at = int.from_bytes(digest[:7]) / (1 << 56)
        return "test" if at < shares.test else "validation" if at < shares.test + shares.validation else "train"


def _image_id(path: str | None, member: str | None, offset: int | None) -> str:
    return blake2b(f"{path}\0{member}\0{offset}".encode(), digest_size=8).hexdigest()
