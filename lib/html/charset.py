"""Which characters the bytes of a page mean, and who said so.

The layers, first answer wins: byte order mark, NUL pattern of UTF-16/32, HTTP header, UTF-8 that decodes,
<meta>, chardetng. A layer that claims UTF-8 for bytes that are not is passed over.
"""

from __future__ import annotations

import codecs
import re
from functools import lru_cache
from typing import NamedTuple

import turbohtml
import turbohtml.detect
from chardetng_py import EncodingDetector


class Decoded(NamedTuple):
    """Text and its charset: WHATWG names in lower case."""

    text: str
    charset: str
    source: str  # bom, nul_pattern, http, utf-8, meta, detected
    declared: str | None  # as the HTTP header or else <meta> says; None where neither does
    replacement_chars: int  # U+FFFD in the text: bytes that mean nothing in this charset
    conflict: bool  # declared is not what the bytes are


# UTF-32 before UTF-16: its little-endian mark begins with UTF-16's.
BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32le"),
    (codecs.BOM_UTF32_BE, "utf-32be"),
    (codecs.BOM_UTF16_LE, "utf-16le"),
    (codecs.BOM_UTF16_BE, "utf-16be"),
)
PRESCAN_BYTES = 1024  # of the WHATWG encoding sniffing algorithm
DETECT_BYTES = 1 << 20  # chardetng reads 10 MB/s where every byte is odd
TOP_LEVEL_DOMAIN = re.compile(r"//[^/?#]*\.([a-z0-9-]+)(?::\d+)?(?:[/?#]|$)")
HTTP_CHARSET = re.compile(r"charset\s*=\s*[\"']?\s*([^\s\"';,]+)", re.IGNORECASE)


def decode(content: bytes, http_content_type: str | None = None, url: str | None = None) -> Decoded:
    """Decode a page; never fails."""
    http = http_charset(http_content_type)
    http_name = charset_name(http) if http else None
    meta_name = _prescan(content)
    declared = http_name or http or meta_name
    text, charset, source = _layers(content, http_name, meta_name, url)
    replaced = text.count("\ufffd")
    conflict = declared is not None and declared != charset and not (text.isascii() and source == "utf-8")
    return Decoded(text, charset, source, declared, replaced, conflict)


def http_charset(content_type: str | None) -> str | None:
    """The charset parameter of a Content-Type header, in lower case."""
    match = HTTP_CHARSET.search(content_type) if content_type else None
    return match[1].lower() if match else None


@lru_cache(maxsize=4096)
def charset_name(label: str) -> str | None:
    """The WHATWG name, in lower case, behind a label (latin1: windows-1252); None for an unknown one."""
    try:
        name = turbohtml.parse(b"", encoding=label).encoding
    except (LookupError, ValueError):
        return None
    return name.lower() if name else None


def _layers(content: bytes, http: str | None, meta: str | None, url: str | None) -> tuple[str, str, str]:
    """(text, charset, source)."""
    for mark, charset in BYTE_ORDER_MARKS:
        if content.startswith(mark):
            return _decode(content[len(mark) :], charset), charset, "bom"
    wide = _nul_pattern(content[:PRESCAN_BYTES])
    if wide:
        return _decode(content, wide), wide, "nul_pattern"
    if http and http != "utf-8":
        return _decode(content, http), http, "http"
    text = content.decode("utf-8", "replace")
    if _is_utf8(text):
        if meta == "iso-2022-jp" and http is None and "\x1b" in text:  # seven bits: valid UTF-8 too
            return _decode(content, meta), meta, "meta"
        return text, "utf-8", "http" if http else "utf-8"
    if meta and meta != "utf-8":
        return _decode(content, meta), meta, "meta"
    detected = _detect(content, url)
    return _decode(content, detected), detected, "detected"


def _is_utf8(text: str) -> bool:
    """Whether text, decoded with replacements, was UTF-8: at most one broken sequence for four that decode.

    One character cut in the middle must not turn a page into windows-1252.
    """
    broken = text.count("\ufffd")
    if not broken:
        return True
    non_ascii = len(text) - len(text.encode("ascii", "ignore"))
    return non_ascii - broken >= 4 * broken


def _nul_pattern(head: bytes) -> str | None:
    """UTF-16 or UTF-32 without a mark: where NULs stand in mostly Latin markup."""
    if head.count(0) < len(head) / 4 or len(head) < 8:
        return None
    quarters = [head[start::4].count(0) * 4 / len(head) > 0.5 for start in range(4)]
    patterns = {
        (False, True, True, True): "utf-32le",
        (True, True, True, False): "utf-32be",
        (False, True, False, True): "utf-16le",
        (True, False, True, False): "utf-16be",
    }
    return patterns.get(tuple(quarters))  # type: ignore[arg-type]


def _prescan(content: bytes) -> str | None:
    """What <meta> declares in the first 1,024 bytes."""
    head = content[:PRESCAN_BYTES]
    if b"charset" not in head and b"charset" not in head.lower():
        return None
    document = turbohtml.parse(head, positions=False)
    sure = document.encoding if document.encoding_confidence == "certain" else None
    return sure.lower() if sure else None


def _detect(content: bytes, url: str | None) -> str:
    domain = TOP_LEVEL_DOMAIN.search(url) if url else None
    detector = EncodingDetector()
    detector.feed(content[:DETECT_BYTES], last=True)
    guess: str = detector.guess(tld=domain[1].encode() if domain else None, allow_utf8=False)
    return guess.lower()


def _decode(content: bytes, charset: str) -> str:
    """Decode as browsers do; UTF-32, which they do not know, as Python does."""
    if charset in {"utf-8", "utf-32le", "utf-32be"}:
        return content.decode(charset.replace("32le", "32-le").replace("32be", "32-be"), "replace")
    return content.decode(f"whatwg-{charset}")
