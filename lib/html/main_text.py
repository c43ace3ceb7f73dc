"""The article of a page, without navigation: native extractors, behind guards."""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import version
from typing import NamedTuple

from resiliparse.extract.html2text import extract_plain_text
from resiliparse.parse.html import HTMLTree

from lib.html.blocks import union
from lib.html.options import MainText as Mode
from lib.html.page import Page

FAST = f"resiliparse {version('resiliparse')}"
QUALITY = f"trafilatura {version('trafilatura')}"
# Native extractors take time in the square of some of these. At these limits each stays under two seconds;
# 99.9% of real pages are far below.
MAX_DEPTH = 256
MAX_ATTRIBUTES = 256  # of one element
MAX_CHARACTERS = 8_000_000
MAX_NODES = {"fast": 60_000, "quality": 25_000}


class MainText(NamedTuple):
    """The article, by which engine, the fast engine's beside it, and why there is none."""

    text: str | None = None
    engine: str | None = None
    fast: str | None = None
    problem: str | None = None


# (the page's characters, what was read off it) -> the article.
Extract = Callable[[str, Page], MainText]


def extractor(mode: Mode) -> Extract:
    """The function for a mode; trafilatura is imported only where it is asked for."""
    return {"none": _none, "fast": _fast, "quality": _quality, "both": _both, "union": _union}[mode]


def fast(text: str) -> str:
    """resiliparse's main content."""
    main: str = extract_plain_text(
        HTMLTree.parse(text), main_content=True, alt_texts=False, links=False, list_bullets=False
    )
    return main


def quality(text: str) -> str:
    """trafilatura's, without its slow fallbacks."""
    import trafilatura

    return trafilatura.extract(text, fast=True, include_comments=False) or ""


def why_not(text: str, page: Page, engine: str) -> str | None:
    """Say why a page must not reach a native extractor; None if it may."""
    if len(text) > MAX_CHARACTERS:
        return f"more than {MAX_CHARACTERS} characters"
    shape = page.measure(MAX_NODES[engine], MAX_DEPTH, MAX_ATTRIBUTES)
    return f"{shape}: not given to the {engine} main-text engine" if shape else None


def _none(text: str, page: Page) -> MainText:
    return MainText()


def _fast(text: str, page: Page) -> MainText:
    found, problem = _try("fast", text, page)
    return MainText(found, FAST, problem=problem)


def _quality(text: str, page: Page) -> MainText:
    found, problem = _try("quality", text, page)
    return MainText(found, QUALITY, problem=problem)


def _both(text: str, page: Page) -> MainText:
    quick, problem = _try("fast", text, page)
    found, worse = _try("quality", text, page)
    return MainText(found, QUALITY, quick, problem or worse)


def _union(text: str, page: Page) -> MainText:
    quick, problem = _try("fast", text, page)
    found, worse = _try("quality", text, page)
    if quick is None or found is None:  # one is better than none
        return MainText(quick or found, FAST if found is None else QUALITY, None, problem or worse)
    return MainText(union(page.text, quick, found), f"union of {FAST}, {QUALITY}")


def _try(engine: str, text: str, page: Page) -> tuple[str | None, str | None]:
    """(article, problem)."""
    problem = why_not(text, page, engine)
    if problem:
        return None, problem
    try:
        return (fast if engine == "fast" else quality)(text), None
    except Exception as error:  # whatever a parser of foreign pages raises, the page's other fields stand
        return None, f"the {engine} main-text engine failed: {type(error).__name__}: {error}"
