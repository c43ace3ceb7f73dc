"""The engine: turbohtml, an HTML5 parser whose time stays linear on hostile pages."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from itertools import islice
from typing import Any

import turbohtml

from lib.html.page import Page

NAME = "turbohtml"
VERSION: str = turbohtml.__version__
META_KEYS = ("name", "property", "itemprop", "http-equiv")
HEADINGS = ("h1", "h2", "h3", "h4", "h5", "h6")


def read(text: str, max_items: int) -> Page:
    """Parse a page and read its fields."""
    return read_document(turbohtml.parse(text, positions=False), max_items)


def read_document(document: Any, max_items: int) -> Page:
    """Read the fields of a parsed page."""
    limit = max_items + 1
    links = list(islice(_links(document), limit))
    images = [(src, image.attr("alt")) for image in _first(document, "img", limit) if (src := image.attr("src"))]
    headings = [(int(each.tag[1]), _squeeze(each.text)) for each in _first(document, HEADINGS, limit)]
    tables = document.tables()
    lists = (links, images, headings, tables)
    title = document.find("title")
    base = next((href for each in document.iter_elements("base") if (href := each.attr("href"))), None)
    return Page(
        title=_squeeze(title.text) if title is not None else None,
        lang=document.root.attr("lang") if document.root is not None else None,
        base=base,
        text=document.to_text(),
        metas=[pair for meta in _first(document, "meta", max_items) for pair in _meta(meta)],
        link_tags=[
            ((link.attr("rel") or "").lower(), href, link.attr("hreflang"))
            for link in _first(document, "link", max_items)
            if (href := link.attr("href"))
        ],
        links=links[:max_items],
        images=images[:max_items],
        headings=headings[:max_items],
        times=[
            (moment, time.attr("itemprop") or "")
            for time in _first(document, "time", max_items)
            if (moment := time.attr("datetime"))
        ],
        json_ld=[
            script.text
            for script in _first(document, "script", max_items)
            if (script.attr("type") or "").strip().lower() == "application/ld+json"
        ],
        tables=tables[:max_items],
        cut=any(len(each) > max_items for each in lists),
        measure=lambda nodes, depth, attributes: exceeds(document, nodes, depth, attributes),
    )


def exceeds(document: Any, nodes: int, depth: int, attributes: int) -> str | None:
    """Which limit a tree exceeds, for a person. Counted in C, in linear time: nodes before what is done per node."""
    if _xpath("count(//*)")(document) > nodes:
        return f"more than {nodes} elements"
    if _xpath(f"boolean({'/*' * depth})")(document):
        return f"elements nested {depth} deep"
    if _xpath(f"boolean(//*[@*[{attributes}]])")(document):
        return f"an element with {attributes} attributes"
    return None


@lru_cache
def _xpath(expression: str) -> Any:
    return turbohtml.XPath(expression)


def _first(document: Any, tags: str | tuple[str, ...], limit: int) -> Iterator[Any]:
    return islice(document.iter_elements(tags), limit)


def _links(document: Any) -> Iterator[tuple[str, str, str | None]]:
    for element in document.iter_elements(("a", "area")):
        href = element.attr("href")
        if href is not None:
            yield href, _squeeze(element.text), element.attr("rel")


def _meta(meta: Any) -> Iterator[tuple[str, str]]:
    content = meta.attr("content")
    if content is not None:
        for key in META_KEYS:
            name = meta.attr(key)
            if name:
                yield name.strip().lower(), content


def _squeeze(text: str) -> str:
    return " ".join(text.split())
