"""What a page becomes, through the job's own kernel."""

from __future__ import annotations

import gc
from typing import Any

import pyarrow as pa
import pytest

from jobs.parse_html import JOB
from lib.html.options import EngineName, ParseHtml
from lib.records import OUTCOME, PROVENANCE

PAGE = b"""<!doctype html><html lang=en><head><title> A  page </title><base href="/docs/">
<meta name=description content="What it is"><link rel=canonical href="https://ex.org/page">
<meta property=og:title content="An OG title"><meta property="article:published_time" content="2024-05-01T10:00:00Z">
<script type="application/ld+json">{"author": {"name": "Ada"}}</script></head>
<body><h1>Hello</h1><p>One two <a href="a.html" rel=next>three</a> <a href="https://other.org/x">four</a>.
<img src=i.png alt=Pic><table><tr><td>1<td>2</table></body></html>"""


def batch(*contents: bytes | None, **fetch: Any) -> pa.RecordBatch:
    """Records as a source hands them over; `fetch` holds for all of them."""
    number = len(contents)
    columns: dict[str, Any] = {
        "content": contents,
        "source_path": ["file:///w/a.warc.gz"] * number,
        "source_offset": list(range(number)),
        "flags": [[]] * number,
    } | {name: [value] * number for name, value in fetch.items()}
    schema = pa.schema([*PROVENANCE, OUTCOME.field("flags"), *JOB.record_schema])
    arrays = [pa.array(columns.get(field.name, [None] * number), field.type) for field in schema]
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def rows(*contents: bytes | None, options: ParseHtml | None = None, **fetch: Any) -> list[dict[str, Any]]:
    """Run the kernel; rows as dicts."""
    found = JOB.make_kernel(options or ParseHtml())(batch(*contents, **fetch))
    assert found.schema.equals(pa.schema([*JOB.output_schema, *OUTCOME]))
    listed: list[dict[str, Any]] = found.to_pylist()
    return listed


def test_a_page_becomes_a_row_of_fields() -> None:
    row = rows(PAGE, url="https://ex.org/a/b")[0]
    assert (row["status"], row["error_code"], row["flags"]) == ("ok", None, [])
    assert (row["title"], row["lang_declared"], row["description"]) == ("A page", "en", "What it is")
    assert (row["canonical_url"], row["base_url"]) == ("https://ex.org/page", "https://ex.org/docs/")
    assert row["og"] == [("title", "An OG title")]
    assert (row["published"], row["authors"]) == ("2024-05-01T10:00:00+00:00", ["Ada"])
    assert row["links"] == [
        {
            "url": "https://ex.org/docs/a.html",
            "url_raw": "a.html",
            "text": "three",
            "rel": "next",
            "is_external": False,
        },
        {
            "url": "https://other.org/x",
            "url_raw": "https://other.org/x",
            "text": "four",
            "rel": None,
            "is_external": True,
        },
    ]
    assert row["images"] == [{"url": "https://ex.org/docs/i.png", "alt": "Pic"}]
    assert row["headings"] == [{"level": 1, "text": "Hello"}]
    assert row["tables"] == [[["1", "2"]]]
    assert row["text"] == "Hello\n\nOne two three four.\n\n1  2"
    assert row["word_count"] == 7


HEADERS = [
    ("content-language", "de"),
    ("link", '</next>; rel=next, </canonical>; rel="canonical"'),
    ("x-robots-tag", "noindex"),
    ("last-modified", "Wed, 01 May 2024 10:00:00 GMT"),
]


def test_headers_fill_what_a_page_leaves_open_and_the_row_says_so() -> None:
    row = rows(b"<base href=/docs/><p>x", url="https://ex.org/a", http_headers=HEADERS)[0]
    assert (row["lang_declared"], row["robots"]) == ("de", "noindex")
    assert row["canonical_url"] == "https://ex.org/canonical"
    assert (row["modified"], row["modified_raw"]) == ("2024-05-01T10:00:00+00:00", "Wed, 01 May 2024 10:00:00 GMT")
    assert row["from_headers"] == ["lang_declared", "canonical_url", "robots", "modified"]


def test_what_a_page_says_wins_over_its_headers() -> None:
    page = (
        b"<html lang=en><link rel=canonical href=/own><meta name=robots content=all>"
        b"<meta name=last-modified content=2020-01-01>"
    )
    row = rows(page, url="https://ex.org/a", http_headers=HEADERS)[0]
    assert (row["lang_declared"], row["robots"], row["modified"]) == ("en", "all", "2020-01-01")
    assert (row["canonical_url"], row["from_headers"]) == ("https://ex.org/own", [])


def test_content_location_is_canonical_where_nothing_else_is() -> None:
    row = rows(b"<p>x", url="https://ex.org/a/", http_headers=[("content-location", "index.en.html")])[0]
    assert row["canonical_url"] == "https://ex.org/a/index.en.html"


def test_several_content_languages_say_nothing() -> None:
    assert rows(b"<p>x", http_headers=[("content-language", "de, en")])[0]["lang_declared"] is None


def test_a_location_counts_where_the_answer_is_a_redirect() -> None:
    page, moved = b"<meta http-equiv=refresh content='0; url=/refresh'>", [("location", "/moved")]
    (found,) = rows(page, url="https://ex.org/a", http_status=302, http_headers=moved)
    (other,) = rows(page, url="https://ex.org/a", http_status=200, http_headers=moved)
    assert (found["url_final"], other["url_final"]) == ("https://ex.org/moved", "https://ex.org/refresh")


def test_the_collector_is_at_work_again_after_a_batch() -> None:
    rows(b"<p>x")
    assert gc.isenabled()


def test_an_empty_record_is_an_empty_row() -> None:
    row = rows(b"")[0]
    assert (row["status"], row["flags"], row["text"], row["links"]) == ("ok", ["empty"], "", [])


def test_an_image_is_skipped_by_its_bytes_and_by_its_type() -> None:
    by_bytes = rows(b"\x89PNG\r\n\x1a\n....")[0]
    by_type = rows(b"<p>x", http_content_type="image/png")[0]
    assert (by_bytes["status"], by_bytes["error_code"]) == ("skipped", "not_html")
    assert (by_type["status"], by_type["error_detail"]) == ("skipped", "the content type is image/png")
    assert by_type["links"] is None


def test_rows_keep_their_order_and_their_ids_differ() -> None:
    found = rows(b"<title>1</title>", b"GIF89a", b"<title>3</title>")
    assert [row["title"] for row in found] == ["1", None, "3"]
    assert len({row["doc_id"] for row in found}) == 3


def test_an_empty_batch_is_an_empty_batch() -> None:
    assert rows() == []


def test_flags_of_the_source_are_kept() -> None:
    records = batch(b"")
    flagged = records.set_column(records.schema.get_field_index("flags"), "flags", pa.array([["truncated"]]))
    assert JOB.make_kernel(ParseHtml())(flagged).column("flags").to_pylist() == [["truncated", "empty"]]


def test_both_engines_read_the_same_fields_off_a_plain_page() -> None:
    (turbo,), (soup,) = rows(PAGE), rows(PAGE, options=ParseHtml(engine="beautifulsoup"))
    assert soup.pop("engine") == "beautifulsoup"
    differ = {name for name in soup if soup[name] != turbo[name]}
    assert differ == {"engine_version", "text", "word_count", "simhash", "link_density"} & differ
    assert soup["text"] == "Hello\nOne two\nthree\nfour\n.\n1\n2"


@pytest.mark.parametrize("engine", ["turbohtml", "beautifulsoup"])
def test_columns_that_are_not_asked_for_are_null(engine: EngineName) -> None:
    options = ParseHtml(engine=engine, main_text="none", detect_language=False, tables=False, simhash=False)
    (row,), (whole,) = rows(PAGE, options=options), rows(PAGE, options=ParseHtml(engine=engine))
    unasked = ("main_text", "main_text_engine", "lang_detected", "tables", "simhash")
    assert row == whole | dict.fromkeys(unasked)
    assert whole["tables"] is not None
    assert whole["simhash"] is not None
