"""The engine: turbohtml, an HTML5 parser whose time stays linear on hostile pages."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import turbohtml

from lib.html.page import Page

NAME = "turbohtml"
VERSION: str = turbohtml.__version__
META_KEYS = ("name", "property", "itemprop", "http-equiv")
HEADINGS = ("h1", "h2", "h3", "h4", "h5", "h6")
# Elements by what is read off them.
KINDS = {tag: tag for tag in ("a", "img", "base", "meta", "link", "time", "script")} | {"area": "a"}
KINDS |= dict.fromkeys(HEADINGS, "h")
WANTED = tuple(KINDS)


def read(text: str, max_items: int, with_tables: bool) -> Page:
    """Parse a page and read its fields."""
    return read_document(turbohtml.parse(text, positions=False), max_items, with_tables)


def read_document(document: Any, max_items: int, with_tables: bool) -> Page:
    """Read the fields of a parsed page."""
    found = _gather(document, max_items + 1)
    title = document.find("title")
    tables = document.tables() if with_tables else None
    return Page(
        title=_squeeze(title.text) if title is not None else None,
        lang=document.root.attr("lang") if document.root is not None else None,
        base=next((href for each in found["base"] if (href := each.attr("href"))), None),
        text=document.to_text(),
        metas=[pair for meta in found["meta"][:max_items] for pair in _meta(meta)],
        link_tags=[
            ((link.attr("rel") or "").lower(), href, link.attr("hreflang"))
            for link in found["link"][:max_items]
            if (href := link.attr("href"))
        ],
        links=[
            (href, _squeeze(link.text), link.attr("rel"))
            for link in found["a"][:max_items]
            if (href := link.attr("href")) is not None
        ],
        images=[(src, image.attr("alt")) for image in found["img"][:max_items] if (src := image.attr("src"))],
        headings=[(int(each.tag[1]), _squeeze(each.text)) for each in found["h"][:max_items]],
        times=[
            (moment, time.attr("itemprop") or "")
            for time in found["time"][:max_items]
            if (moment := time.attr("datetime"))
        ],
        json_ld=[
            script.text
            for script in found["script"][:max_items]
            if (script.attr("type") or "").strip().lower() == "application/ld+json"
        ],
        tables=tables and tables[:max_items],
        engine=(NAME, VERSION),
        cut=any(len(each) > max_items for each in (*found.values(), tables or ())),
        measure=lambda nodes, depth, attributes: exceeds(document, nodes, depth, attributes),
    )


def _gather(document: Any, limit: int) -> dict[str, list[Any]]:
    """The first elements of each kind, in one walk over the tree: a walk takes a fifth of the parse's time."""
    found: dict[str, list[Any]] = {kind: [] for kind in KINDS.values()}
    for element in document.iter_elements(WANTED):
        kind = found[KINDS[element.tag]]
        if len(kind) < limit:
            kind.append(element)
    return found


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


def _meta(meta: Any) -> Iterator[tuple[str, str]]:
    content = meta.attr("content")
    if content is not None:
        for key in META_KEYS:
            name = meta.attr(key)
            if name:
                yield name.strip().lower(), content


def _squeeze(text: str) -> str:
    return " ".join(text.split())
