"""What parse_html reads and writes, column by column."""

from __future__ import annotations

import pyarrow as pa

from lib.records import column

STRINGS = pa.list_(pa.string())
LINK = pa.struct(
    [
        ("url", pa.string()),
        ("url_raw", pa.string()),
        ("text", pa.string()),
        ("rel", pa.string()),
        ("is_external", pa.bool_()),
    ]
)
IMAGE = pa.struct([("url", pa.string()), ("alt", pa.string())])
HEADING = pa.struct([("level", pa.int8()), ("text", pa.string())])
META = pa.struct([("name", pa.string()), ("content", pa.string())])
HREFLANG = pa.struct([("lang", pa.string()), ("url", pa.string())])

# Of the page as it was fetched; null where the source does not know (plain files).
FETCH = [
    column("url", pa.string(), "the URL that was fetched"),
    column("warc_record_id", pa.string(), "WARC-Record-ID"),
    column("fetch_time", pa.timestamp("us", "UTC"), "when it was fetched (WARC-Date)"),
    column("http_status", pa.int32(), "the server's status code"),
    column("http_content_type", pa.string(), "the server's Content-Type header"),
]
RECORD_SCHEMA = pa.schema(
    [
        column("content", pa.binary(), "the page's bytes"),
        *FETCH,
        column("http_headers", pa.map_(pa.string(), pa.string()), "the server's headers, names in lower case"),
    ]
)

OUTPUT_SCHEMA = pa.schema(
    [
        column("doc_id", pa.string(), "stable id of the record: hash of source_path, source_offset, source_member"),
        *FETCH,
        column("url_final", pa.string(), "where its reader is sent (Location of a 3xx, <meta> refresh), or else url"),
        column("content_sha256", pa.string(), "of the bytes as fetched, hexadecimal"),
        column("content_bytes", pa.int64(), "how many bytes were fetched"),
        column("engine", pa.string(), "the parser"),
        column("engine_version", pa.string(), "its version"),
        column("charset", pa.string(), "how the bytes were decoded: WHATWG name in lower case"),
        column(
            "charset_source", pa.string(), "who said so: bom, nul_pattern, http, utf-8 (it decodes), meta, detected"
        ),
        column("charset_declared", pa.string(), "what the HTTP header, or else <meta>, declares"),
        column("replacement_chars", pa.int32(), "U+FFFD in the decoded page: bytes without meaning in this charset"),
        column("title", pa.string(), "<title>, white space collapsed"),
        column("lang_declared", pa.string(), "<html lang>, or else Content-Language"),
        column("lang_detected", pa.string(), "ISO 639-3 code of the visible text, by a model; null if very short"),
        column(
            "canonical_url",
            pa.string(),
            "<link rel=canonical>, or else the header's (Link, Content-Location), absolute",
        ),
        column("from_headers", STRINGS, "which columns the page leaves open and an HTTP header fills"),
        column("base_url", pa.string(), "what links are relative to: <base href>, or else url or an addressable file"),
        column("description", pa.string(), "<meta name=description>, or else og:, twitter:, dc."),
        column("robots", pa.string(), "<meta name=robots>, or else X-Robots-Tag"),
        column("published", pa.string(), "publication date, ISO 8601"),
        column("published_raw", pa.string(), "the same as it stands in <meta>, JSON-LD or <time>"),
        column("modified", pa.string(), "date of the last change, ISO 8601: the page's, or else Last-Modified"),
        column("modified_raw", pa.string(), "the same as it stands"),
        column("authors", STRINGS, "names in <meta> and JSON-LD, without repetition"),
        column("site_name", pa.string(), "og:site_name or application-name"),
        column("meta", pa.list_(META), "every <meta> with content: name, property, itemprop or http-equiv"),
        column("og", pa.map_(pa.string(), pa.string()), "OpenGraph without og:; the first of each name"),
        column("json_ld", STRINGS, "<script type=application/ld+json>, raw (flag json_ld_invalid)"),
        column("hreflang", pa.list_(HREFLANG), "<link rel=alternate hreflang>, absolute"),
        column("headings", pa.list_(HEADING), "<h1> to <h6>"),
        column("text", pa.string(), "the visible text, laid out in lines"),
        column("main_text", pa.string(), "the article without navigation, by the engine of the next column"),
        column("main_text_engine", pa.string(), "which extractor, and its version"),
        column("main_text_fast", pa.string(), "main_text=both: the fast extractor's answer beside the other's"),
        column("tables", pa.list_(pa.list_(STRINGS)), "<table>: rows of cells"),
        column("links", pa.list_(LINK), "<a> and <area>: absolute url (null if none can be made), as it stands, ..."),
        column("images", pa.list_(IMAGE), "<img>: absolute url, alt"),
        column("word_count", pa.int32(), "words of text, split at white space"),
        column("link_density", pa.float32(), "characters in links / characters of text, 0 to 1"),
        column("simhash", pa.int64(), "64 bits of word triples: near-duplicates differ in few; null without words"),
        column("keyword_counts", pa.map_(pa.string(), pa.int32()), "how often each configured keyword occurs in text"),
    ]
)
