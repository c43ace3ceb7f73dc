"""Pages made to stop a parser: each is done within two seconds and 500 MB, or cut with a flag."""

from __future__ import annotations

import gzip
import resource
import subprocess
import sys
import time
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from unit.test_html_kernel import rows

from lib.html.options import ParseHtml

ROOT = Path(__file__).resolve().parents[2]
HOSTILE: dict[str, Callable[[], bytes]] = {
    "100k nested div": lambda: b"<div>" * 100_000,
    "1M nested div": lambda: b"<div>" * 1_000_000,
    "3k distinct p font": lambda: "".join(f"<p><font c{n}>" for n in range(3000)).encode(),
    # https://github.com/lexbor/lexbor/issues/340
    "reconstructed formatting": lambda: "".join(
        [*(f"<b {n}>" for n in range(2000)), *(f"<i {n}>" for n in range(2000)), "x</b>" * 2000]
    ).encode(),
    "8k headings": lambda: b"<h1>x" * 8_000,
    "misnested b p": lambda: b"<b>" * 3000 + b"<p>" * 3000,
    "misnested a": lambda: b"<a>" * 20_000 + b"x",
    "misnested a b p": lambda: b"<a><b><p>" * 20_000,
    "200k option": lambda: b"<select>" + b"<option>" * 200_000,
    "100k attributes": lambda: ("<p " + " ".join(f"a{n}" for n in range(100_000)) + ">").encode(),
    "100k equal attributes": lambda: b"<p " + b"a=1 " * 100_000 + b">",
    "50 MB attribute": lambda: b'<p title="' + b"x" * 50_000_000 + b'">after',
    "50 MB text": lambda: b"<p>" + b"word " * 10_000_000,
    "100 MB text": lambda: b"<p>" + b"word " * 20_000_000,
    "2M links": lambda: b"<a href=x>l</a>" * 2_000_000,
    "200k sibling div": lambda: b"<div>text</div>" * 200_000,
    "100k images": lambda: b"<img src=i.png alt=a>" * 100_000,
    "nested tables": lambda: b"<table><tr><td>" * 30_000,
    "100k table rows": lambda: b"<table>" + b"<tr><td>cell<td>cell" * 100_000,
    "100k meta": lambda: b"<meta name=a content=b>" * 100_000,
    "nested headings": lambda: b"<h1>x" * 100_000,
    "link around links": lambda: b"<a href=x><svg><a href=y>" * 20_000,
    "entity bomb": lambda: b"<!DOCTYPE x [<!ENTITY a 'aaaaaaaaaa'><!ENTITY b '&a;&a;&a;'>]><p>" + b"&b;" * 500_000,
    "2M character references": lambda: b"&amp;" * 2_000_000,
    "unfinished references": lambda: b"&" * 4_000_000,
    "less-than signs": lambda: b"<" * 4_000_000,
    "unclosed tags": lambda: b"<p " * 1_000_000,
    "unclosed comment": lambda: b"<p>x<!--" + b"-" * 8_000_000,
    "1M comment openings": lambda: b"<!--" * 1_000_000,
    "cdata": lambda: b"<svg>" + b"<![CDATA[" * 500_000,
    "NUL bytes": lambda: b"<p>a\0b" + b"\0" * 8_000_000,
    "invalid UTF-8": lambda: b"<p>" + b"\xff" * 8_000_000,
    "all byte values": lambda: bytes(range(256)) * 20_000,
    "UTF-16 with mark": lambda: ("<p>" + "word " * 1_000_000).encode("utf-16"),
    "UTF-16 without mark": lambda: ("<p>" + "word " * 1_000_000).encode("utf-16-le"),
    "UTF-32": lambda: ("<p>" + "word " * 1_000_000).encode("utf-32"),
    "gzip bomb": lambda: gzip.compress(b"<p>" + b"word " * 40_000_000, 1),
    "zlib page": lambda: zlib.compress(b"<p>word"),
    "cut gzip": lambda: gzip.compress(b"<p>" + bytes(str(list(range(100_000))), "ascii"))[:-5000],
    "nested JSON-LD": lambda: b"<script type=application/ld+json>" + b"[" * 1_000_000 + b"</script>",
    "nested JSON-LD objects": lambda: b"<script type=application/ld+json>" + b'{"a":' * 200_000 + b"</script>",
    "nested templates": lambda: b"<template>" * 100_000,
    "nested svg": lambda: b"<svg><desc>" * 50_000,
    "nested lists": lambda: b"<ul><li>x" * 50_000,
    "blank lines": lambda: b"<p>" + b"<br>" * 500_000,
    "one word": lambda: b"w" * 15_000_000,
    "hrefs of dots": lambda: b"<a href='" + b"../" * 2_000_000 + b"x'>l</a>",
    "hrefs of dots, many": lambda: (b"<a href='" + b"../" * 500 + b"x'>l</a>") * 5_000,
    "long refresh": lambda: b"<meta http-equiv=refresh content='" + b" " * 2_000_000 + b"'>",
    "long date": lambda: b"<meta name=date content='" + b"1" * 2_000_000 + b"'>",
    "long words date": lambda: b"<meta name=date content='" + b"May " * 500_000 + b"'>",
    "long content type": lambda: b"<meta charset='" + b"x" * 2_000_000 + b"'>",
}

MODES = {
    "fast": ParseHtml(main_text="fast"),
    "union": ParseHtml(main_text="union"),
    "beautifulsoup": ParseHtml(engine="beautifulsoup", main_text="none"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_page_is_a_row_within_two_seconds(name: str) -> None:
    page = HOSTILE[name]()
    before = time.process_time()
    row = rows(page, url="https://ex.org/")[0]
    assert time.process_time() - before < 2
    assert row["status"] in {"ok", "partial"}
    assert (row["status"] == "partial") == (row["error_code"] is not None)


@pytest.mark.parametrize("name", ["8k headings", "3k distinct p font", "reconstructed formatting", "100k attributes"])
def test_turbohtml_reads_what_would_keep_beautifulsoup_for_minutes(name: str) -> None:
    page = b"<title>hostile</title>" + HOSTILE[name]()
    before = time.process_time()
    row = rows(page, options=ParseHtml(engine="beautifulsoup", main_text="none"))[0]
    assert time.process_time() - before < 2
    assert (row["title"], row["engine"], row["flags"]) == ("hostile", "turbohtml", ["engine_guarded"])


def test_a_page_over_the_limit_is_cut_and_says_so() -> None:
    row = rows(b"<p>" + "é".encode() * 1000, options=ParseHtml(max_page_bytes=1024))[0]
    assert (row["status"], row["error_code"], row["flags"]) == ("partial", "page_cut", ["page_cut"])
    assert row["text"] == "é" * 510


def test_lists_over_the_limit_are_cut_and_say_so() -> None:
    row = rows(b"<a href=x>l</a>" * 4, options=ParseHtml(max_items=3))[0]
    assert (row["error_code"], len(row["links"])) == ("items_cut", 3)


def test_a_deep_page_keeps_its_fields_and_goes_without_main_text() -> None:
    row = rows(b"<title>t</title>" + b"<div>" * 300 + b"x")[0]
    assert (row["title"], row["text"], row["main_text"]) == ("t", "x", None)
    assert (row["status"], row["error_code"]) == ("partial", "main_text_missing")
    assert row["error_detail"] == "elements nested 256 deep: not given to the fast main-text engine"


def test_gzip_that_nobody_declared_is_inflated() -> None:
    row = rows(gzip.compress(gzip.compress(b"<title>twice</title>")))[0]
    assert (row["title"], row["flags"]) == ("twice", ["decompressed"])


def test_damaged_gzip_gives_what_comes_before_the_damage() -> None:
    packed = gzip.compress(b"<title>before</title>" + bytes(range(256)) * 400)
    assert rows(packed[:-100])[0]["title"] == "before"


@pytest.mark.figures
@pytest.mark.parametrize("mode", list(MODES))
@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_page_takes_less_than_500_mb(name: str, mode: str) -> None:
    code = (
        "import sys; sys.path[:0] = ['.', 'tests/unit']; import test_html_hostile as t; "
        f"print(*t.measure({name!r}, {mode!r}))"
    )
    out = subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True, timeout=60)
    seconds, growth = (float(part) for part in out.stdout.split())
    assert seconds < 2
    assert growth < 500e6


def measure(name: str, mode: str) -> tuple[float, float]:
    """CPU seconds of one page, and by how many bytes this process's peak has grown."""
    rows(b"<p>warm", options=MODES[mode])
    page = HOSTILE[name]()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    before = time.process_time()
    rows(page, options=MODES[mode])
    seconds = time.process_time() - before
    return seconds, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - peak) * 1024
