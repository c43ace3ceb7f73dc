"""How often each of many keywords occurs in a page: one pass of an automaton, however many they are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable

from lib.html import turbo
from lib.html.charset import decode

Count = Callable[[str], dict[str, int]]


def count_keywords(html: bytes, keywords: Iterable[str], whole_words: bool = True) -> dict[str, int]:
    """Count keywords in the visible text of a page; those that do not occur are left out."""
    return keyword_counter(keywords, whole_words)(turbo.read(decode(html).text, max_items=1, with_tables=False).text)


def keyword_counter(keywords: Iterable[str], whole_words: bool = True) -> Count:
    """Build the automaton once. Case is folded; white space in a keyword matches any; occurrences may overlap."""
    from ahocorasick_rs import AhoCorasick, Implementation  # imported only where keywords are asked for

    meant: dict[str, list[str]] = {}  # "Go" and "GO" are one pattern, and two keywords
    for keyword in dict.fromkeys(keywords):
        meant.setdefault(_fold(keyword), []).append(keyword)
    patterns = list(meant)
    automaton = AhoCorasick(patterns, implementation=Implementation.ContiguousNFA)

    def count(text: str) -> dict[str, int]:
        searched = _fold(text)
        found = automaton.find_matches_as_indexes(searched, overlapping=True)
        counts = Counter(
            pattern for pattern, start, end in found if not whole_words or _stands_alone(searched, start, end)
        )
        return {word: counts[pattern] for pattern in sorted(counts) for word in meant[patterns[pattern]]}

    return count


def _fold(text: str) -> str:
    return " ".join(text.casefold().split())


def _stands_alone(text: str, start: int, end: int) -> bool:
    """No letter or digit touches text[start:end]."""
    return not (start and text[start - 1].isalnum()) and not (end < len(text) and text[end].isalnum())
