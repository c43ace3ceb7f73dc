"""What a server's headers say of a page where the page itself says nothing."""

from __future__ import annotations

import re
from collections.abc import Mapping

from lib.html.dates import iso_date
from lib.html.metadata import Metadata
from lib.html.page import Page
from lib.html.urls import Resolver

MAX_LINK = 8192  # characters of a Link header that are read
_LINK = re.compile(r"<([^<>]*)>([^<>]*)")
_CANONICAL = re.compile(r";\s*rel\s*=\s*(?:\"[^\"]*\bcanonical\b[^\"]*\"|canonical\b)", re.IGNORECASE)

Headers = Mapping[str, str]  # names in lower case


def redirect(headers: Headers, status: int | None, url: str | None) -> str | None:
    """Where a 3xx answer sends its reader, absolute."""
    location = headers.get("location")
    if not location or status is None or not 300 <= status < 400:
        return None
    return Resolver(url or "").url(location)


def complete(page: Page, metadata: Metadata, headers: Headers, url: str | None) -> tuple[Page, Metadata, list[str]]:
    """Fill what the page leaves open; the names of the columns that were filled."""
    unsaid = {
        "lang_declared": (page.lang, _language(headers)),
        "canonical_url": (metadata.canonical, _canonical(headers, url)),
        "robots": (metadata.robots, headers.get("x-robots-tag")),
        "modified": (metadata.modified_raw, headers.get("last-modified")),
    }
    filled = {name: header for name, (said, header) in unsaid.items() if header and not said}
    if "modified" in filled:
        metadata = metadata._replace(modified=iso_date(filled["modified"]), modified_raw=filled["modified"])
    metadata = metadata._replace(
        canonical=filled.get("canonical_url", metadata.canonical), robots=filled.get("robots", metadata.robots)
    )
    return page._replace(lang=filled.get("lang_declared", page.lang)), metadata, list(filled)


def _language(headers: Headers) -> str | None:
    """Several languages say nothing of the page's (the HTML standard has it so)."""
    language = headers.get("content-language", "").strip()
    return language if language and "," not in language else None


def _canonical(headers: Headers, url: str | None) -> str | None:
    """Link rel=canonical (RFC 6596), or else Content-Location; relative to the URL that was fetched."""
    links = _LINK.findall(headers.get("link", "")[:MAX_LINK])
    target = next((target for target, rest in links if _CANONICAL.search(rest)), headers.get("content-location"))
    return Resolver(url or "").url(target) if target else None
