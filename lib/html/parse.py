"""One record becomes one row: the steps from bytes to fields, in the order in which they happen."""

from __future__ import annotations

import hashlib
import re
from typing import NamedTuple

from lib.html import sniff
from lib.html.charset import Decoded, decode
from lib.html.headers import Headers, complete, redirect
from lib.html.main_text import Extract, MainText
from lib.html.metadata import Metadata, read_metadata
from lib.html.options import ParseHtml
from lib.html.page import Engine, Page
from lib.html.urls import Resolver
from lib.records import Status

REFRESH = re.compile(r"\s*[\d.]*\s*[;,]?\s*(?:url\s*=\s*)?(['\"]?)(?P<url>[^'\"\s][^'\"]*)\1", re.IGNORECASE)
MAX_REFRESH = 4096  # characters; the pattern backtracks
# Schemes that urljoin can make absolute URLs of.
ADDRESSABLE = ("http://", "https://", "file://")


class Record(NamedTuple):
    """What is known of a page before it is parsed."""

    content: bytes
    url: str | None
    content_type: str | None
    source_path: str | None
    status: int | None
    headers: Headers


class Row(NamedTuple):
    """The fields of one page; lists of structs as lists of tuples."""

    content_sha256: str | None = None
    content_bytes: int = 0
    decoded: Decoded | None = None
    page: Page | None = None
    metadata: Metadata | None = None
    url_final: str | None = None
    base_url: str | None = None
    canonical_url: str | None = None
    from_headers: list[str] | None = None
    hreflang: list[tuple[str, str | None]] | None = None
    links: list[tuple[str | None, bool, str, str, str | None]] | None = None  # url, is_external, href, text, rel
    images: list[tuple[str | None, str | None]] | None = None
    main: MainText = MainText()
    status: str = Status.OK.value
    error_code: str | None = None
    error_detail: str | None = None
    flags: tuple[str, ...] = ()


def parse(record: Record, options: ParseHtml, engine: Engine, extract: Extract) -> Row:
    """Read everything off one record."""
    digest = hashlib.sha256(record.content).hexdigest()
    sent_to = redirect(record.headers, record.status, record.url)
    blank = Row(digest, len(record.content), url_final=sent_to or record.url)
    content, inflated = sniff.inflate(record.content, options.max_page_bytes)
    other = sniff.why_not_html(content, record.content_type)
    if other:
        return blank._replace(status=Status.SKIPPED.value, error_code="not_html", error_detail=other)
    kept = _cut(content, options.max_page_bytes)
    decoded = decode(kept, record.content_type, record.url)
    page = engine(decoded.text, options.max_items, options.tables)
    row = _resolved(blank, record, page, sent_to)
    main = extract(decoded.text, page)
    flags = _flags(content, inflated, len(kept) < len(content), decoded, page, row, options)
    return _judged(row._replace(decoded=decoded._replace(text=""), main=main, flags=flags), options)


def base_url(record: Record, page: Page) -> str:
    """What the page's links are relative to; "" where nobody knows."""
    home = record.url or ""
    if not home and record.source_path and record.source_path.startswith(ADDRESSABLE):
        home = record.source_path
    if page.base:
        return Resolver(home).url(page.base) or home
    return home


def _resolved(row: Row, record: Record, page: Page, sent_to: str | None) -> Row:
    base = base_url(record, page)
    resolve = Resolver(base, record.url)
    page, metadata, filled = complete(page, read_metadata(page), record.headers, record.url)
    refresh = next((content for name, content in page.metas if name == "refresh"), None)
    target = REFRESH.fullmatch(refresh.strip()) if refresh and len(refresh) <= MAX_REFRESH else None
    return row._replace(
        page=page._replace(measure=_gone),  # a batch of trees need not be in memory at once
        metadata=metadata,
        from_headers=filled,
        base_url=base or None,
        url_final=resolve.url(target["url"]) if target and not sent_to else row.url_final,
        canonical_url=resolve.url(metadata.canonical) if metadata.canonical else None,
        hreflang=[(lang, resolve.url(href)) for lang, href in metadata.hreflang],
        links=[(*resolve(href), href, text, rel) for href, text, rel in page.links],
        images=[(resolve.url(src), alt) for src, alt in page.images],
    )


def _cut(content: bytes, limit: int) -> bytes:
    """The first `limit` bytes, less a UTF-8 sequence that would end in its middle."""
    if len(content) <= limit:
        return content
    end = limit
    while end > limit - 4 and content[end] & 0xC0 == 0x80:
        end -= 1
    return content[:end]


def _flags(
    content: bytes, inflated: bool, cut: bool, decoded: Decoded, page: Page, row: Row, options: ParseHtml
) -> tuple[str, ...]:
    claims = {
        "empty": not content,
        "decompressed": inflated,
        "page_cut": cut,
        "charset_conflict": decoded.conflict,
        "undecodable_bytes": decoded.replacement_chars > 0,
        "items_cut": page.cut,
        "json_ld_invalid": row.metadata is not None and row.metadata.json_ld_invalid,
        "engine_guarded": page.engine[0] != options.engine,
        "bad_urls": any(link[0] is None for link in row.links or ()),
    }
    return tuple(flag for flag, holds in claims.items() if holds)


def _gone(nodes: int, depth: int, attributes: int) -> str | None:
    raise RuntimeError("the page's tree is gone")


def _judged(row: Row, options: ParseHtml) -> Row:
    """Name what is cut or missing: bytes before lists before main text."""
    if "page_cut" in row.flags:
        detail = f"only the first {options.max_page_bytes} bytes were parsed (max_page_bytes)"
        return row._replace(status=Status.PARTIAL.value, error_code="page_cut", error_detail=detail)
    if "items_cut" in row.flags:
        detail = f"a list holds more than {options.max_items} items (max_items)"
        return row._replace(status=Status.PARTIAL.value, error_code="items_cut", error_detail=detail)
    if row.main.problem:
        return row._replace(
            status=Status.PARTIAL.value,
            error_code="main_text_missing",
            error_detail=row.main.problem,
            flags=(*row.flags, "main_text_missing"),
        )
    return row
