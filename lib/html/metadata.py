"""What <meta>, <link>, <time> and JSON-LD say of a document, whichever engine read them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

import msgspec

from lib.html.dates import iso_date
from lib.html.page import Page

DESCRIPTION = ("description", "og:description", "twitter:description", "dc.description")
SITE_NAME = ("og:site_name", "application-name")
PUBLISHED = (
    "article:published_time",
    "datepublished",
    "date",
    "dc.date.issued",
    "dcterms.issued",
    "dc.date",
    "dcterms.created",
    "pubdate",
    "publish-date",
    "citation_publication_date",
    "citation_date",
)
MODIFIED = ("article:modified_time", "datemodified", "og:updated_time", "last-modified", "dcterms.modified")
AUTHORS = ("author", "article:author", "dc.creator", "citation_author", "parsely-author")
GRAPH_DEPTH = 8  # of JSON-LD read for dates and authors


class Metadata(NamedTuple):
    """Null where a page does not say."""

    description: str | None
    robots: str | None
    site_name: str | None
    published: str | None
    published_raw: str | None
    modified: str | None
    modified_raw: str | None
    authors: list[str]
    canonical: str | None  # as it stands
    hreflang: list[tuple[str, str]]  # language, href as it stands
    og: list[tuple[str, str]]
    json_ld_invalid: bool


def read_metadata(page: Page) -> Metadata:
    """Read a page's metadata. Of several sources that say the same, the first of each list above wins."""
    named: dict[str, str] = {}
    for name, content in page.metas:
        if content.strip():
            named.setdefault(name, content.strip())
    graph, invalid = _decode_all(page.json_ld)
    published, published_raw = _date(_candidates(named, PUBLISHED, graph, "datePublished", page.times, _is_published))
    modified, modified_raw = _date(_candidates(named, MODIFIED, graph, "dateModified", page.times, _is_modified))
    return Metadata(
        description=_first(named, DESCRIPTION),
        robots=named.get("robots"),
        site_name=_first(named, SITE_NAME),
        published=published,
        published_raw=published_raw,
        modified=modified,
        modified_raw=modified_raw,
        authors=_authors(page, graph),
        canonical=next((href for rel, href, _ in page.link_tags if "canonical" in rel.split()), None),
        hreflang=[(lang, href) for rel, href, lang in page.link_tags if lang and "alternate" in rel.split()],
        og=_opengraph(page.metas),
        json_ld_invalid=invalid,
    )


def _opengraph(metas: list[tuple[str, str]]) -> list[tuple[str, str]]:
    first: dict[str, str] = {}
    for name, content in metas:
        if name.startswith("og:"):
            first.setdefault(name[3:], content)
    return list(first.items())


def _first(named: dict[str, str], names: Iterable[str]) -> str | None:
    return next((named[name] for name in names if name in named), None)


def _candidates(
    named: dict[str, str],
    names: Iterable[str],
    graph: list[dict[str, Any]],
    key: str,
    times: list[tuple[str, str]],
    wanted: Callable[[str], bool],
) -> Iterator[str]:
    yield from (named[name] for name in names if name in named)
    yield from (node[key] for node in graph if isinstance(node.get(key), str))
    yield from (moment for moment, role in times if wanted(role))


def _is_published(role: str) -> bool:
    return role.lower() in {"", "datepublished", "pubdate"}


def _is_modified(role: str) -> bool:
    return role.lower() == "datemodified"


def _date(raws: Iterator[str]) -> tuple[str | None, str | None]:
    """The first that can be read, or else the first as it stands."""
    unread = None
    for raw in raws:
        iso = iso_date(raw)
        if iso:
            return iso, raw
        unread = unread or raw
    return None, unread


def _authors(page: Page, graph: list[dict[str, Any]]) -> list[str]:
    names = [content for name, content in page.metas if name in AUTHORS]
    names += [name for node in graph for name in _names(node.get("author"))]
    clean = (" ".join(name.split()) for name in names)
    return list(dict.fromkeys(name for name in clean if name and "://" not in name))


def _names(author: Any) -> Iterator[str]:
    if isinstance(author, str):
        yield author
    elif isinstance(author, dict) and isinstance(author.get("name"), str):
        yield author["name"]
    elif isinstance(author, list):
        for each in author:
            if not isinstance(each, list):
                yield from _names(each)


def _decode_all(raws: list[str]) -> tuple[list[dict[str, Any]], bool]:
    """All objects of the blocks that are JSON, and whether one is not."""
    nodes: list[dict[str, Any]] = []
    invalid = False
    for raw in raws:
        try:
            nodes.extend(_objects(msgspec.json.decode(raw), GRAPH_DEPTH))
        except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
            invalid = True
    return nodes, invalid


def _objects(value: Any, depth: int) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        yield value
        value = list(value.values())
    if isinstance(value, list) and depth:
        for each in value:
            yield from _objects(each, depth - 1)
