"""The compatible engine: BeautifulSoup on lxml, for who must have its answers; some thirty times slower."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

import bs4
import lxml.etree
import turbohtml
from bs4.element import NavigableString

from lib.html import turbo
from lib.html.page import Page

NAME = "beautifulsoup"
VERSION = bs4.__version__
# XHTML is read as the HTML it is sent as.
warnings.filterwarnings("ignore", category=bs4.XMLParsedAsHTMLWarning)
# Beyond these turbohtml reads the page instead, and the row's `engine` and flags say so.
MAX_CHARACTERS = 2_000_000
MAX_NODES, MAX_DEPTH, MAX_ATTRIBUTES = 25_000, 256, 256
UNSEEN = {"script", "style", "template", "head", "title", "noscript"}


def read(text: str, max_items: int, with_tables: bool) -> Page:
    """Parse a page and read its fields; see lib/html/turbo.py."""
    document = turbohtml.parse(text, positions=False)
    if too_much(text, document):
        return turbo.read_document(document, max_items, with_tables)
    soup: Any = bs4.BeautifulSoup(text, "lxml")
    limit = max_items + 1
    links = [
        (tag["href"], _text(tag), _attribute(tag, "rel"))
        for tag in soup.find_all(["a", "area"], href=True, limit=limit)
    ]
    images = [(tag["src"], _attribute(tag, "alt")) for tag in soup.find_all("img", src=True, limit=limit)]
    headings = [(int(tag.name[1]), _text(tag)) for tag in soup.find_all(turbo.HEADINGS, limit=limit)]
    tables = [_table(tag) for tag in soup.find_all("table", limit=limit)] if with_tables else None
    base = soup.find("base", href=True)
    return Page(
        title=_text(soup.title) if soup.title else None,
        lang=_attribute(soup.html, "lang") if soup.html else None,
        base=_attribute(base, "href") if base else None,
        text="\n".join(_visible(soup)),
        metas=[pair for tag in soup.find_all("meta", content=True, limit=max_items) for pair in _meta(tag)],
        link_tags=[
            ((_attribute(tag, "rel") or "").lower(), tag["href"], _attribute(tag, "hreflang"))
            for tag in soup.find_all("link", href=True, limit=max_items)
        ],
        links=links[:max_items],
        images=images[:max_items],
        headings=headings[:max_items],
        times=[
            (tag["datetime"], _attribute(tag, "itemprop") or "")
            for tag in soup.find_all("time", datetime=True, limit=max_items)
        ],
        json_ld=[str(tag.string or "") for tag in soup.find_all("script", type="application/ld+json", limit=max_items)],
        tables=tables and tables[:max_items],
        engine=(NAME, VERSION),
        cut=any(len(each) > max_items for each in (links, images, headings, tables or ())),
        measure=lambda *limits: turbo.exceeds(document, *limits),
    )


def too_much(text: str, document: Any) -> str | None:
    """Why BeautifulSoup would take minutes or gigabytes; None where it would not."""
    if len(text) > MAX_CHARACTERS:
        return f"more than {MAX_CHARACTERS} characters"
    shape = turbo.exceeds(document, MAX_NODES, MAX_DEPTH, MAX_ATTRIBUTES)
    if shape:
        return shape
    # libxml2 nests what HTML5 does not: one <h1> in the other, one <table> in the other.
    tree = lxml.etree.HTML(text.encode("utf-8", "replace"), lxml.etree.HTMLParser(encoding="utf-8", huge_tree=True))
    deep = tree is not None and tree.xpath(f"boolean({'/*' * MAX_DEPTH})")
    return f"elements nested {MAX_DEPTH} deep" if deep else None


def _visible(soup: Any) -> Iterator[str]:
    string: Any
    for string in soup.strings:
        around = string.parent.name
        if type(string) is NavigableString and around not in UNSEEN and string.strip():
            yield " ".join(string.split())


def _meta(tag: Any) -> Iterator[tuple[str, str]]:
    for key in turbo.META_KEYS:
        name = _attribute(tag, key)
        if name:
            yield name.strip().lower(), tag["content"]


def _table(tag: Any) -> list[list[str]]:
    return [[_text(cell) for cell in row.find_all(["td", "th"])] for row in tag.find_all("tr")]


def _attribute(tag: Any, name: str) -> str | None:
    """BeautifulSoup splits some attributes at white space."""
    value = tag.get(name)
    return " ".join(value) if isinstance(value, list) else value


def _text(tag: Any) -> str:
    return " ".join(tag.get_text().split())
