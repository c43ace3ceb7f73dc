"""Pixels to bytes: PNG by one fast deflate without filters, WebP, or the raw rows."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import numpy as np
from isal.isal_zlib import compress, crc32
from PIL import Image

from lib.image.picture import Bytes

Encode = Callable[[Bytes], bytes]
SIGNATURE = b"\x89PNG\r\n\x1a\n"
IEND = b"\0\0\0\0IEND\xaeB`\x82"


def encode_png(pixels: Bytes) -> bytes:
    """(height, width, 1 or 3). Icons are flat: filters would make them larger and slower."""
    height, width, channels = pixels.shape
    header = b"IHDR%b%b%b" % (
        width.to_bytes(4),
        height.to_bytes(4),
        b"\x08\0\0\0\0" if channels == 1 else b"\x08\2\0\0\0",
    )
    rows = np.zeros((height, width * channels + 1), np.uint8)
    rows[:, 1:] = pixels.reshape(height, width * channels)
    data = compress(rows, 1)
    checksum = crc32(data, crc32(b"IDAT"))
    return b"".join(
        (
            SIGNATURE,
            b"\0\0\0\r",
            header,
            crc32(header).to_bytes(4),
            len(data).to_bytes(4),
            b"IDAT",
            data,
            checksum.to_bytes(4),
            IEND,
        )
    )


def encode_raw(pixels: Bytes) -> bytes:
    """Rows from the top, channels last."""
    return pixels.tobytes()


def encode_webp(pixels: Bytes) -> bytes:
    """Lossless: a training set should not learn a codec."""
    buffer = io.BytesIO()
    plane = pixels[..., 0] if pixels.shape[2] == 1 else pixels
    Image.fromarray(plane).save(buffer, "WEBP", lossless=True, quality=0, method=0)
    return buffer.getvalue()


ENCODERS: dict[str, Encode] = {"png": encode_png, "raw": encode_raw, "webp": encode_webp}


def to_pixels(row: dict[str, Any], encoding: str) -> Bytes:
    """The pixels of a row of the output, (height, width, channels)."""
    shape = row["height"], row["width"], row["channels"]
    if encoding == "raw":
        return np.frombuffer(row["image"], np.uint8).reshape(shape)
    image = Image.open(io.BytesIO(row["image"]), formats=(encoding.upper(),))
    return np.array(image.convert("RGB" if row["channels"] == 3 else "L")).reshape(shape)


def to_image(row: dict[str, Any], encoding: str) -> Image.Image:
    """The same for Pillow."""
    pixels = to_pixels(row, encoding)
    return Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels)
