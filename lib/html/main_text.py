"""The article of a page, without navigation, by native extractors behind guards."""

from __future__ import annotations

from importlib.metadata import version

from resiliparse.extract.html2text import extract_plain_text
from resiliparse.parse.html import HTMLTree

FAST = f"resiliparse {version('resiliparse')}"


def fast(text: str) -> str:
    """resiliparse's main content: 600 pages/s, F1 .79 to .92."""
    main: str = extract_plain_text(
        HTMLTree.parse(text), main_content=True, alt_texts=False, links=False, list_bullets=False
    )
    return main
