"""PNG pixels, exact and fast: libraries only inflate and unfilter, what the samples mean is decided here.

A PNG's filters know bytes, not colours: they look `bpp` bytes back. So a picture of any colour type is handed to the
decoder as one of equal bpp that it is fast at (gray+alpha of 8 bits as gray of 16, four 2-bit indices as a gray byte),
with nothing but its IDAT chunks: no text, profile or frame of an animation ever reaches it.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from zlib import decompressobj
from zlib import error as ZlibError

import numpy as np
from isal.isal_zlib import crc32
from numpy.typing import NDArray
from PIL import Image

from lib.image.errors import NoPicture
from lib.image.header import PNG_SIGNATURE, SAMPLES, Png

try:
    import kornia_rs
except ImportError:
    kornia_rs = None  # type: ignore[assignment]
try:
    import imagecodecs
except ImportError:
    imagecodecs = None  # type: ignore[assignment]

Bytes = NDArray[np.uint8]
Engine = Callable[[bytes, int, int, int], Bytes]

IEND = b"\0\0\0\0IEND\xaeB`\x82"
# bytes per pixel -> what it is passed off as: bit depth, color type; kornia's and Pillow's names for that.
DISGUISES = {1: (8, 0), 2: (16, 0), 3: (8, 2), 4: (8, 6), 6: (16, 2), 8: (16, 6)}
KORNIA_MODES = {1: "mono", 2: "mono", 3: "rgb", 4: "rgba", 6: "rgb", 8: "rgba"}


def samples(png: Png) -> Bytes:
    """Unfiltered samples, (height, width, samples) of uint8 or uint16; bit depths below 8 one sample a byte.

    Raises NoPicture.
    """
    if png.bit_depth < 8:
        return _low_bits(png)
    bpp = SAMPLES[png.color_type] * png.bit_depth // 8
    rows = _unfiltered(png, png.width, bpp).reshape(png.height, png.width, bpp)
    if png.bit_depth == 16:
        return rows.view(">u2")
    return rows


def _low_bits(png: Png) -> Bytes:
    depth = png.bit_depth
    if png.interlaced:  # The passes are of other widths than packed bytes would be.
        _check_data(png, (png.width * depth + 7) // 8)
        try:
            gray = np.array(_pillow_image(_file(png, png.width, depth, 0)).convert("L"))
        except Exception as error:  # OSError, SyntaxError, struct.error ...
            raise NoPicture("corrupt_image", f"no decoder reads its pixels: {error}") from None
        return (gray // (255 // ((1 << depth) - 1)))[..., None]
    packed = _unfiltered(png, (png.width * depth + 7) // 8, 1)
    shifts = np.arange(8 - depth, -1, -depth, dtype=np.uint8)
    spread = (packed[..., None] >> shifts) & ((1 << depth) - 1)
    return np.ascontiguousarray(spread.reshape(png.height, -1)[:, : png.width, None])


def _unfiltered(png: Png, width: int, bpp: int) -> Bytes:
    """(height, width * bpp) bytes, by the first engine that can."""
    if not png.interlaced and (plain := PLAIN.rows(png, width * bpp)) is not None:
        return plain
    depth, color_type = DISGUISES[bpp]
    file = _file(png, width, depth, color_type)
    for engine in ENGINES:
        if engine is _by_pillow:
            _check_data(png, width * bpp)
        try:
            return engine(file, width, png.height, bpp)
        except Exception:  # each library has errors of its own; the last one speaks for all
            continue
    raise NoPicture("corrupt_image", "no decoder reads its pixels")


class Plain:
    """Rows of files that use no filter, as most icons of some packs do: inflated, and that is all.

    A pack is written by one tool: where filters were found, the next files are not tried. It never changes a pixel.
    """

    def __init__(self) -> None:
        self.misses = self.pause = 0

    def rows(self, png: Png, stride: int) -> Bytes | None:
        """(height, stride), a byte between two of them; None where it was not tried or a filter is used."""
        if self.pause:
            self.pause -= 1
            return None
        rows = _inflated(png, stride) if imagecodecs is not None else None
        if rows is None or rows[:, 0].any():
            self.misses = min(self.misses + 1, 6)
            self.pause = (1 << self.misses) - 1
            return None
        self.misses = 0
        return rows[:, 1:]


PLAIN = Plain()


def _inflated(png: Png, stride: int) -> Bytes | None:
    """Each row behind its filter; None where anything is wrong, which is for a decoder to say."""
    if any(crc32(memoryview(chunk)[4:-4]) != int.from_bytes(chunk[-4:]) for chunk in png.idat):
        return None
    packed = png.idat[0][8:-4] if len(png.idat) == 1 else b"".join(chunk[8:-4] for chunk in png.idat)
    size = png.height * (stride + 1)
    try:
        inflated = imagecodecs.zlibng_decode(packed, out=size)
    except (imagecodecs.ZlibngError, ValueError):
        return None
    return np.frombuffer(inflated, np.uint8).reshape(png.height, stride + 1) if len(inflated) == size else None


def _file(png: Png, width: int, bit_depth: int, color_type: int) -> bytes:
    header = b"IHDR%b%b%b" % (
        width.to_bytes(4),
        png.height.to_bytes(4),
        bytes((bit_depth, color_type, 0, 0, png.interlaced)),
    )
    return b"".join((PNG_SIGNATURE, b"\0\0\0\r", header, crc32(header).to_bytes(4), *png.idat, IEND))


def _by_kornia(file: bytes, width: int, height: int, bpp: int) -> Bytes:
    if bpp in (1, 3, 4):
        pixels = kornia_rs.io.decode_image_png_u8(file, (height, width), KORNIA_MODES[bpp])
    else:
        pixels = kornia_rs.io.decode_image_png_u16(file, (height, width), KORNIA_MODES[bpp]).astype(">u2")
    rows: Bytes = pixels.view(np.uint8).reshape(height, width * bpp)
    return rows


def _by_libpng(file: bytes, width: int, height: int, bpp: int) -> Bytes:
    pixels = np.asarray(imagecodecs.png_decode(file))
    if bpp in (2, 6, 8):
        pixels = pixels.astype(">u2")
    return pixels.view(np.uint8).reshape(height, width * bpp)


def _by_pillow(file: bytes, width: int, height: int, bpp: int) -> Bytes:
    if bpp == 2:
        return np.array(_pillow_image(file)).astype(">u2").view(np.uint8).reshape(height, width * bpp)
    pixels = np.array(_pillow_image(file))
    if bpp > 4:  # Pillow keeps the high byte of 16-bit colour.
        pixels = (pixels.astype(np.uint16) << 8).astype(">u2").view(np.uint8)
    return pixels.reshape(height, width * bpp)


def _pillow_image(file: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(file), formats=("PNG",))
    image.load()
    return image


ENGINES: list[Engine] = [
    *([_by_kornia] if kornia_rs is not None else []),
    *([_by_libpng] if imagecodecs is not None else []),
    _by_pillow,
]


def _check_data(png: Png, stride: int) -> None:
    """Refuse wrong checksums and missing rows, which Pillow lets pass. Raises NoPicture."""
    for chunk in png.idat:
        if crc32(memoryview(chunk)[4:-4]) != int.from_bytes(chunk[-4:]):
            raise NoPicture("bad_checksum", "CRC of IDAT")
    inflater, got, expected = decompressobj(), 0, (stride + 1) * png.height
    try:
        for chunk in png.idat:
            data = chunk[8:-4]
            while data and got < expected:
                got += len(inflater.decompress(data, 1 << 20))
                data = inflater.unconsumed_tail
    except ZlibError as error:
        raise NoPicture("corrupt_image", f"pixels do not inflate: {error}") from None
    if got < expected:
        raise NoPicture("truncated", f"pixels end after {got} of {expected} bytes")
