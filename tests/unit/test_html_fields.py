"""Charsets, links, dates and metadata: what a page says, and what it means."""

from __future__ import annotations

from typing import Any
from urllib.parse import urljoin

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from unit.test_html_kernel import rows

from lib.html.charset import decode
from lib.html.dates import iso_date
from lib.html.metadata import Metadata, read_metadata
from lib.html.turbo import read
from lib.html.urls import WHITE_SPACE, Resolver

META_1251 = "<meta charset=windows-1251><p>Привет, мир"
RUSSIAN = "<p>Съешь же ещё этих мягких французских булок, да выпей чаю. " * 4


@pytest.mark.parametrize(
    ("content", "header", "charset", "source", "declared", "conflict"),
    [
        (b"\xef\xbb\xbf<p>\xc3\xa9", "text/html; charset=latin1", "utf-8", "bom", "windows-1252", True),
        ("<p>é".encode("utf-16"), None, "utf-16le", "bom", None, False),
        ("<p>é".encode("utf-32"), None, "utf-32le", "bom", None, False),
        ("<p>word".encode("utf-16-be"), None, "utf-16be", "nul_pattern", None, False),
        (b"<p>\xe9", "text/html; charset=ISO-8859-1", "windows-1252", "http", "windows-1252", False),
        (b"<p>\xc3\xa9", "text/html; charset='utf8'", "utf-8", "http", "utf-8", False),
        (b"<p>\xc3\xa9", None, "utf-8", "utf-8", None, False),
        (b"<meta charset=latin1><p>plain", None, "utf-8", "utf-8", "windows-1252", False),
        (b"<meta charset=latin1><p>\xc3\xa9", None, "utf-8", "utf-8", "windows-1252", True),
        (META_1251.encode("cp1251"), None, "windows-1251", "meta", "windows-1251", False),
        (META_1251.encode("cp1251"), "text/html;charset=utf-8", "windows-1251", "meta", "utf-8", True),
        (RUSSIAN.encode("koi8-r"), None, "koi8-u", "detected", None, False),
        (RUSSIAN.encode("cp1251"), "text/html; charset=no-such", "windows-1251", "detected", "no-such", True),
        ("<meta charset=iso-2022-jp><p>日本".encode("iso2022_jp"), None, "iso-2022-jp", "meta", "iso-2022-jp", False),
        (b"<!-- <meta charset=koi8-r> --><p>\xc3\xa9", None, "utf-8", "utf-8", None, False),
    ],
)
def test_charset_layers(
    content: bytes, header: str | None, charset: str, source: str, declared: str | None, conflict: bool
) -> None:
    found = decode(content, header)
    assert (found.charset, found.source, found.declared, found.conflict) == (charset, source, declared, conflict)


def test_one_broken_character_does_not_turn_utf_8_into_something_else() -> None:
    found = decode("Größe, Straße, Übung, äöü".encode()[:-1])
    assert (found.charset, found.source, found.replacement_chars) == ("utf-8", "utf-8", 1)
    assert found.text == "Größe, Straße, Übung, äö\ufffd"


def test_the_host_helps_to_detect() -> None:
    assert decode(b"<p>\xe1\xe9", url="https://example.cz/x").source == "detected"


@pytest.mark.parametrize(
    ("href", "url", "external"),
    [
        ("https://ex.org/a", "https://ex.org/a", False),
        ("https://EX.org/a", "https://EX.org/a", False),
        ("http://other.org", "http://other.org", True),
        ("//other.org/x", "https://other.org/x", True),
        ("/root?q=1#f", "https://ex.org/root?q=1#f", False),
        ("page.html", "https://ex.org/docs/page.html", False),
        ("../../up", "https://ex.org/up", False),
        ("#frag", "https://ex.org/docs/index.html#frag", False),
        ("", "https://ex.org/docs/index.html", False),
        (" x\ny ", "https://ex.org/docs/xy", False),
        ("mailto:a@b.c", "mailto:a@b.c", False),
        ("http://[bad", None, False),
    ],
)
def test_links_become_absolute(href: str, url: str | None, external: bool) -> None:
    assert Resolver("https://ex.org/docs/index.html")(href) == (url, external)


BASES = [
    "https://ex.org/a/b/c.html",
    "http://ex.org",
    "http://ex.org?q",
    "https://ex.org/a/../b/;p?q#f",
    "file:///tmp/x.html",
    "hdfs://h/a/b",
    "",
    "a/b",
    "http://[::1]/x",
    "http://[bad/",
    "mailto:x@y",
    "https://u:p@ex.org:80/a//b/",
]
PIECES = [
    *("a", "b.html", "..", ".", "/", "//", "?", "#", ";", "=", "http:", "HTTPS:", "ex.org", ":", "%20", "mailto:"),
    *("javascript:", "é", " ", "\n", "\x01", "@", "[", "]", "\\", "80", "../", "tel:", "data:,", "|", "$", "~"),
]


@settings(max_examples=3000, deadline=None)
@given(base=st.sampled_from(BASES), pieces=st.lists(st.sampled_from(PIECES), max_size=7))
def test_links_are_exactly_what_urljoin_makes_of_them(base: str, pieces: list[str]) -> None:
    href = "".join(pieces)
    try:
        expected = urljoin(base, href.strip(WHITE_SPACE))
    except ValueError:
        expected = None
    assert Resolver(base).url(href) == expected


@pytest.mark.parametrize(
    ("raw", "iso"),
    [
        ("2024-05-01", "2024-05-01"),
        (" 2024-05-01T10:00:00Z ", "2024-05-01T10:00:00+00:00"),
        ("2024-05-01 10:00:00.123 +0200", "2024-05-01T10:00:00+02:00"),
        ("20240501", "2024-05-01"),
        ("2024-05-01T10:00", "2024-05-01T10:00:00"),
        ("Wed, 01 May 2024 10:00:00 GMT", "2024-05-01T10:00:00+00:00"),
        ("May 1, 2024", "2024-05-01"),
        ("1 May 2024", "2024-05-01"),
        ("2024/5/1", "2024-05-01"),
        ("1.5.2024", "2024-05-01"),
        ("2024-05", "2024-05"),
        ("2024", "2024"),
        ("5/1/2024", None),
        ("2024-13-01", None),
        ("yesterday", None),
        ("", None),
    ],
)
def test_dates_become_iso_8601(raw: str, iso: str | None) -> None:
    assert iso_date(raw) == iso


def metadata(html: str) -> Metadata:
    return read_metadata(read(html, 100, with_tables=False))


def test_the_better_source_of_a_description_wins() -> None:
    found = metadata('<meta property="og:description" content="b"><meta name=Description content="a">')
    assert found.description == "a"


def test_a_date_nobody_can_read_is_kept_raw() -> None:
    found = metadata("<meta name=date content='5/1/2024'>")
    assert (found.published, found.published_raw) == (None, "5/1/2024")


def test_json_ld_gives_dates_and_authors() -> None:
    found = metadata(
        '<script type="application/ld+json">{"@graph": [{"datePublished": "2024-05-01", "dateModified": "2024-06-01",'
        '"author": [{"name": "Ada  L."}, "Bob", {"name": "Ada L."}]}]}</script>'
    )
    assert (found.published, found.modified, found.authors) == ("2024-05-01", "2024-06-01", ["Ada L.", "Bob"])
    assert not found.json_ld_invalid


def test_broken_json_ld_is_kept_raw_and_flagged() -> None:
    row = rows(b"<script type=application/ld+json>{broken</script>")[0]
    assert (row["json_ld"], row["flags"]) == (["{broken"], ["json_ld_invalid"])


def test_the_first_of_each_opengraph_name_is_kept_in_order() -> None:
    found = metadata("<meta property=og:a content=1><meta property=og:b content=2><meta property=og:a content=3>")
    assert found.og == [("a", "1"), ("b", "2")]


def fields(html: str, **fetch: Any) -> dict[str, Any]:
    return rows(html.encode(), url="https://ex.org/a/b.html", **fetch)[0]


def test_hreflang_and_canonical_are_absolute_against_base() -> None:
    row = fields("<base href=/x/><link rel='alternate' hreflang=de href=de.html><link rel=canonical href=c.html>")
    assert row["hreflang"] == [{"lang": "de", "url": "https://ex.org/x/de.html"}]
    assert (row["canonical_url"], row["base_url"]) == ("https://ex.org/x/c.html", "https://ex.org/x/")


def test_a_page_that_refreshes_elsewhere_says_where() -> None:
    assert fields("<meta http-equiv=refresh content='0; URL=next.html'>")["url_final"] == "https://ex.org/a/next.html"
    assert fields("<p>")["url_final"] == "https://ex.org/a/b.html"


def test_a_link_without_a_possible_url_keeps_its_href_and_is_flagged() -> None:
    row = fields("<a href='http://[x'>l</a>")
    assert (row["links"][0]["url"], row["links"][0]["url_raw"], row["flags"]) == (None, "http://[x", ["bad_urls"])


def test_links_of_svg_without_href_are_no_links() -> None:
    assert fields("<svg><a xlink:href=x>s</a></svg><a name=n>t</a>")["links"] == []


def test_plain_files_resolve_links_against_their_own_place() -> None:
    row = rows(b"<a href=b.html>l</a>")[0]
    assert (row["url"], row["base_url"]) == (None, "file:///w/a.warc.gz")
    assert row["links"][0]["url"] == "file:///w/b.html"
