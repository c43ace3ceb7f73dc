"""What servers did to a body on its way is undone; what they only claim is left, with a flag."""

from __future__ import annotations

import gzip
import zlib
from pathlib import Path
from typing import Any

import brotli
import pytest
import zstandard
from warc_files import LIMITS, member, noise, read, record, tiles, write

from lib.sources.warc_record import parse_http
from lib.split import ReadLimits

PAGE = "<p>ein längerer Text, der sich oft wiederholt</p>".encode() * 500
SMALL = ReadLimits(batch_rows=64, batch_bytes=1 << 20, max_record_bytes=100_000)


def bare_deflate(data: bytes) -> bytes:
    engine = zlib.compressobj(9, zlib.DEFLATED, -15)
    return engine.compress(data) + engine.flush()


def chunked(data: bytes, size: int = 1000) -> bytes:
    parts = [data[at : at + size] for at in range(0, len(data), size)]
    return b"".join(b"%x;name=value\r\n%b\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"


def row_of(folder: Path, body: bytes, http: str, limits: ReadLimits = SMALL) -> dict[str, Any]:
    data = member(record(0, body, http=http)) + member(record(1, b"next"))
    row, behind = read([write(folder, data)], limits=limits)
    assert behind["content"] == b"next"
    assert tiles([row, behind], len(data))
    return row


CODINGS = {
    "gzip": gzip.compress(PAGE),
    "x-gzip": gzip.compress(PAGE),
    "deflate": zlib.compress(PAGE),
    "DEFLATE": bare_deflate(PAGE),
    "br": brotli.compress(PAGE),
    "zstd": zstandard.ZstdCompressor().compress(PAGE),
    "deflate, gzip": gzip.compress(zlib.compress(PAGE)),
    "identity": PAGE,
    "utf-8": PAGE,
}


@pytest.mark.parametrize("coding", CODINGS)
@pytest.mark.parametrize("transfer", ["", "Transfer-Encoding: chunked\r\n"])
def test_codings_are_undone(tmp_path: Path, coding: str, transfer: str) -> None:
    body = chunked(CODINGS[coding]) if transfer else CODINGS[coding]
    row = row_of(tmp_path, body, f"{transfer}Content-Encoding: {coding}\r\n")
    assert (row["status"], row["content"]) == ("ok", PAGE)
    assert set(row["flags"]) == (set() if coding in ("identity", "utf-8") else {"decompressed"})


def test_transfer_codings_are_undone_from_the_last(tmp_path: Path) -> None:
    row = row_of(tmp_path, chunked(gzip.compress(PAGE)), "Transfer-Encoding: gzip, chunked\r\n")
    assert (row["content"], row["flags"]) == (PAGE, ["decompressed"])


def test_chunked_alone_says_nothing(tmp_path: Path) -> None:
    row = row_of(tmp_path, chunked(PAGE, 7), "Transfer-Encoding: chunked\r\n")
    assert (row["content"], row["flags"]) == (PAGE, [])


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "zstd"])
@pytest.mark.parametrize("body", [b"<html>not compressed</html>", b"\0", b"x" * 70_000])
def test_false_claim_keeps_the_bytes_and_says_so(tmp_path: Path, coding: str, body: bytes) -> None:
    row = row_of(tmp_path, body, f"Content-Encoding: {coding}\r\n")
    assert (row["status"], row["content"], row["flags"]) == ("ok", body, [f"not_{coding}"])


def test_false_chunks_keep_the_bytes_but_the_rest_is_undone(tmp_path: Path) -> None:
    row = row_of(tmp_path, gzip.compress(PAGE), "Transfer-Encoding: chunked\r\nContent-Encoding: gzip\r\n")
    assert (row["content"], row["flags"]) == (PAGE, ["not_chunked", "decompressed"])


@pytest.mark.parametrize("coding", ["gzip", "deflate", "DEFLATE", "br", "zstd"])
def test_cut_body_is_given_as_far_as_it_goes(tmp_path: Path, coding: str) -> None:
    noisy = noise(150_000).hex().encode()
    make = {"gzip": gzip.compress, "deflate": zlib.compress, "DEFLATE": bare_deflate, "br": brotli.compress,
            "zstd": zstandard.ZstdCompressor(level=1).compress}  # fmt: skip
    row = row_of(tmp_path, make[coding](noisy)[:-4000], f"Content-Encoding: {coding}\r\n", LIMITS)
    assert row["flags"] == [f"cut_{coding.lower()}"]
    assert noisy.startswith(row["content"])
    assert len(row["content"]) > 100_000


def test_cut_chunks_are_given_as_far_as_they_go(tmp_path: Path) -> None:
    row = row_of(tmp_path, chunked(PAGE)[:-700], "Transfer-Encoding: chunked\r\n")
    assert row["flags"] == ["cut_chunked"]
    assert PAGE.startswith(row["content"])
    assert len(row["content"]) > len(PAGE) - 2000


def test_damaged_body_is_given_up_to_the_damage(tmp_path: Path) -> None:
    packed = bytearray(gzip.compress(PAGE))
    packed[-6] ^= 1  # in the checksum
    row = row_of(tmp_path, bytes(packed), "Content-Encoding: gzip\r\n")
    assert (row["content"], row["flags"]) == (PAGE, ["cut_gzip"])


BOMB = bytes(50_000_000)


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "zstd"])
def test_bomb_is_oversize_and_never_held(tmp_path: Path, coding: str) -> None:
    bomb = {"gzip": lambda: gzip.compress(BOMB, 1), "deflate": lambda: zlib.compress(BOMB, 1),
            "br": lambda: brotli.compress(BOMB, quality=1),
            "zstd": lambda: zstandard.ZstdCompressor(level=1).compress(BOMB)}[coding]()  # fmt: skip
    limits = ReadLimits(64, 1 << 20, max(len(bomb) + 1000, 1 << 20))
    row = row_of(tmp_path, bomb, f"Content-Encoding: {coding}\r\n", limits)
    assert (row["status"], row["error_code"], row["content"]) == ("failed", "oversize", None)
    assert row["error_detail"] == f"the decoded body is longer than run.max_record_bytes, {limits.max_record_bytes}"


def test_many_codings_are_left_alone() -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Encoding: " + b"gzip," * 1000 + b"\r\n\r\n"
    message = parse_http(head + b"body", 1000)
    assert (message.body, message.flags) == (b"body", ["many_codings"])


def test_body_just_within_the_limit_is_held() -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n"
    assert parse_http(head + gzip.compress(bytes(1000)), 1000).body == bytes(1000)
    assert parse_http(head + gzip.compress(bytes(1001)), 1000).body is None


@pytest.mark.parametrize(
    ("block", "status", "body", "flags"),
    [
        (b"HTTP/1.1 404 Not Found\n\nlines end alike", 404, b"lines end alike", []),
        (b"HTTP/1.1 200\r\n\r\n", 200, b"", []),
        (b"HTTP/1.1 twohundred\r\n\r\nx", None, b"x", []),
        (b"<html>", None, b"<html>", ["no_http_head"]),
        (b"", None, b"", ["no_http_head"]),
        (b"HTTP/1.1 200 OK\r\nnever: ends", 200, b"", []),
    ],
)
def test_http_heads_as_the_world_writes_them(block: bytes, status: int | None, body: bytes, flags: list[str]) -> None:
    message = parse_http(block, 1000)
    assert (message.status, message.body, message.flags) == (status, body, flags)
