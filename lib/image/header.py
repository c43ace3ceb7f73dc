"""What a file says of itself in its first bytes, read before anything is decoded."""

from __future__ import annotations

from dataclasses import dataclass
from zlib import crc32

from lib.image.errors import NoPicture

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
COLOR_TYPES = {0: "gray", 2: "rgb", 3: "palette", 4: "gray_alpha", 6: "rgba"}
BIT_DEPTHS = {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}
SAMPLES = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}


@dataclass(slots=True)
class Png:
    """The parts of a PNG that bear on its pixels; `idat` are whole chunks, checksums included."""

    width: int
    height: int
    bit_depth: int
    color_type: int
    interlaced: bool
    idat: list[bytes]
    palette: bytes = b""
    transparency: bytes = b""
    exif: bytes = b""
    had_icc: bool = False
    animated: bool = False


def sniff(content: bytes) -> str:
    """Name the format by its first bytes, whatever the file is called. Raises NoPicture."""
    if not content:
        raise NoPicture("empty_record", "no bytes")
    for name, magic in MAGIC:
        if content.startswith(magic):
            return name
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        return "webp"
    start = content[:1024].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if start.startswith((b"<svg", b"<?xml", b"<!doctype svg", b"<!--")) and b"<svg" in content[:65536].lower():
        raise NoPicture("vector_image", "SVG is not made of pixels; render it first")
    raise NoPicture("not_an_image", f"first bytes {content[:8].hex(' ')} are of no known format")


MAGIC = (
    ("png", PNG_SIGNATURE),
    ("jpeg", b"\xff\xd8\xff"),
    ("gif", b"GIF8"),
    ("bmp", b"BM"),
    ("tiff", b"II*\0"),
    ("tiff", b"MM\0*"),
    ("ico", b"\0\0\1\0"),
)


def check_size(width: int, height: int, max_pixels: int) -> None:
    """Gate on what the header says, before a decoder reserves memory for it."""
    if width < 1 or height < 1:
        raise NoPicture("zero_size", f"{width}x{height} pixels")
    if width * height > max_pixels:
        raise NoPicture("too_many_pixels", f"{width}x{height} is over max_pixels={max_pixels}")


def read_png(content: bytes, max_pixels: int) -> Png:
    """Walk the chunks; compressed text and profiles are never inflated. Raises NoPicture."""
    png = _read_ihdr(content, max_pixels)
    at, end = 33, len(content)
    while at + 12 <= end:
        length = int.from_bytes(content[at : at + 4])
        kind = content[at + 4 : at + 8]
        after = at + 12 + length
        if after > end:
            raise NoPicture("truncated", f"the file ends inside a {kind.decode('latin-1')} chunk")
        if kind == b"IDAT":
            png.idat.append(content[at:after])
        elif kind == b"IEND":
            break
        else:
            _note(png, kind, content, at, after)
        at = after
    else:
        # Pixels may still be whole; the decoder says so if they are not.
        if not png.idat:
            raise NoPicture("truncated", "the file ends before its pixels")
    if not png.idat:
        raise NoPicture("corrupt_image", "no IDAT chunk")
    if png.color_type == 3 and not png.palette:
        raise NoPicture("corrupt_image", "a palette image without palette")
    return png


def _read_ihdr(content: bytes, max_pixels: int) -> Png:
    if len(content) < 33:
        raise NoPicture("truncated", "the file ends inside its header")
    if content[8:16] != b"\0\0\0\rIHDR":
        raise NoPicture("corrupt_image", "IHDR is not the first chunk")
    width, height = int.from_bytes(content[16:20]), int.from_bytes(content[20:24])
    check_size(width, height, max_pixels)
    bit_depth, color_type, compression, filtering, interlace = content[24:29]
    if bit_depth not in BIT_DEPTHS.get(color_type, ()) or compression or filtering or interlace > 1:
        raise NoPicture("corrupt_image", f"IHDR says color type {color_type} of {bit_depth} bits")
    if crc32(content[12:29]) != int.from_bytes(content[29:33]):
        raise NoPicture("bad_checksum", "CRC of IHDR")
    return Png(width, height, bit_depth, color_type, interlace == 1, [])


def _note(png: Png, kind: bytes, content: bytes, at: int, after: int) -> None:
    if kind == b"PLTE" or kind == b"tRNS":
        if crc32(content[at + 4 : after - 4]) != int.from_bytes(content[after - 4 : after]):
            raise NoPicture("bad_checksum", f"CRC of {kind.decode()}")
        if kind == b"PLTE":
            png.palette = content[at + 8 : after - 4]
        else:
            png.transparency = content[at + 8 : after - 4]
    elif kind == b"eXIf":
        png.exif = content[at + 8 : after - 4]
    elif kind == b"iCCP":
        png.had_icc = True
    elif kind == b"acTL":
        png.animated = True
