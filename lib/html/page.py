"""What an engine reads off a page, before anything is made of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple


class Page(NamedTuple):
    """Strings as they stand in the page; texts with their white space collapsed. Lists are in document order."""

    title: str | None
    lang: str | None
    base: str | None
    text: str  # visible, laid out in lines
    metas: list[tuple[str, str]]  # name, property, itemprop or http-equiv in lower case; content
    link_tags: list[tuple[str, str, str | None]]  # <link>: rel in lower case, href, hreflang
    links: list[tuple[str, str, str | None]]  # <a href>, <area href>: href, text, rel
    images: list[tuple[str, str | None]]  # <img>: src, alt
    headings: list[tuple[int, str]]  # 1 to 6, text
    times: list[tuple[str, str]]  # <time>: datetime, itemprop or ""
    json_ld: list[str]  # raw
    tables: list[list[list[str]]] | None  # tables of rows of cells; None if not asked for
    engine: tuple[str, str]  # name and version of who read this
    cut: bool  # a list holds more in the page than max_items
    measure: Callable[[int, int, int], str | None]  # (nodes, depth, attributes): which limit the tree exceeds


# (text, max_items, whether tables are wanted) -> Page. Lists are cut at max_items.
Engine = Callable[[str, int, bool], Page]
