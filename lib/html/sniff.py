"""What the bytes are before anyone calls them a page: compressed, or not a page at all."""

from __future__ import annotations

import zlib

HTML_TYPES = {"text/html", "application/xhtml+xml"}
# Types under which servers send pages, for want of knowing better.
VAGUE_TYPES = {"", "application/octet-stream", "unknown/unknown", "text/plain", "*/*"}
SIGNATURES = (
    (b"%PDF-", "PDF"),
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"\xff\xd8\xff", "JPEG"),
    (b"GIF8", "GIF"),
    (b"RIFF", "RIFF"),
    (b"PK\x03\x04", "zip"),
    (b"\x00\x00\x01\x00", "icon"),
    (b"wOFF", "font"),
    (b"wOF2", "font"),
    (b"OggS", "Ogg"),
    (b"ID3", "MP3"),
    (b"\x7fELF", "ELF"),
    (b"7z\xbc\xaf\x27\x1c", "7z"),
    (b"BZh", "bzip2"),
    (b"\xfd7zXZ\x00", "xz"),
    (b"\x28\xb5\x2f\xfd", "zstd"),
)
GZIP = (b"\x1f\x8b\x08",)
ZLIB = (b"\x78\x01", b"\x78\x9c", b"\x78\xda")
PIECE_BYTES = 64 << 10
MAX_LAYERS = 2  # a page gzipped twice has been seen; more is a bomb


def inflate(content: bytes, limit: int) -> tuple[bytes, bool]:
    """Inflate bytes that are still gzip or zlib, to at most limit + 1 bytes; and whether they were."""
    inflated = content
    for _ in range(MAX_LAYERS):
        if not inflated.startswith(GZIP + ZLIB):
            break
        inflated = _inflate_once(inflated, limit) or inflated
    return inflated, inflated is not content


def _inflate_once(content: bytes, limit: int) -> bytes:
    """What comes out before the damage, the end or the limit."""
    inflater = zlib.decompressobj(zlib.MAX_WBITS | 32)
    out = bytearray()
    for start in range(0, len(content), PIECE_BYTES):
        try:
            out += inflater.decompress(content[start : start + PIECE_BYTES], limit + 1 - len(out))
        except zlib.error:
            break
        if len(out) > limit or inflater.eof:
            break
    return bytes(out)


def why_not_html(content: bytes, content_type: str | None) -> str | None:
    """Say what the record is if not a page, for a person; None for a page."""
    kind = (content_type or "").partition(";")[0].strip().lower()
    if kind not in HTML_TYPES and kind not in VAGUE_TYPES:
        return f"the content type is {kind}"
    name = next((name for signature, name in SIGNATURES if content.startswith(signature)), None)
    return f"the bytes are a {name} file" if name else None
