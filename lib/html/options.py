"""The own keys of conf/parse_html.yaml."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from msgspec import Meta

EngineName = Literal["turbohtml", "beautifulsoup"]
MainText = Literal["none", "fast", "quality", "both", "union"]


@dataclass(frozen=True)
class ParseHtml:
    """What is read off a page, and how much of it at most."""

    engine: EngineName = "turbohtml"
    main_text: MainText = "fast"
    detect_language: bool = True
    tables: bool = True
    simhash: bool = True
    keywords: tuple[str, ...] = ()
    whole_words: bool = True
    max_page_bytes: Annotated[int, Meta(ge=1024)] = 8 << 20
    max_items: Annotated[int, Meta(ge=1)] = 20_000
