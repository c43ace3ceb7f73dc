"""Two extractors' answers joined on the lines of the visible text: in document order, nothing twice."""

from __future__ import annotations

import re

# A word, or one character of a script that is written without spaces.
_TOKEN = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]|[^\W_]+")
SHINGLE = 3
# The few numbers of the rule: chosen among thirty variants by benchmarks/main_text.py.
KEPT = 0.5  # an extractor keeps a line if it holds more than this share of its word triples
NEAR = 2  # lines between one that the quality extractor keeps and one that only the fast one does
FAILED = 0.3  # the quality extractor has failed if it keeps less than this share of the fast one's words


def tokens(text: str) -> list[str]:
    """The words of a text, folded."""
    return _TOKEN.findall(text.lower())


def union(visible: str, fast: str, quality: str) -> str:
    """Lines the quality extractor keeps, and those near them that the fast one keeps; the fast one's if it failed."""
    lines = [line for line in visible.splitlines() if line.strip()]
    words = [tokens(line) for line in lines]
    by_fast, by_quality = _kept(words, fast), _kept(words, quality)
    if _count(words, by_quality) < FAILED * _count(words, by_fast):
        kept = by_fast
    else:
        kept = by_quality | (by_fast & _around(by_quality))
    return "\n".join(line for number, line in enumerate(lines) if number in kept)


def _kept(words: list[list[str]], extracted: str) -> set[int]:
    """Which lines an extractor's text holds: long ones by their word triples, short ones as they are."""
    found = tokens(extracted)
    triples = set(zip(found, found[1:], found[2:], strict=False))
    short = {tuple(tokens(line)) for line in extracted.splitlines()}
    return {number for number, line in enumerate(words) if line and _holds(line, triples, short)}


def _holds(line: list[str], triples: set[tuple[str, str, str]], short: set[tuple[str, ...]]) -> bool:
    if len(line) < SHINGLE:
        return tuple(line) in short
    own = list(zip(line, line[1:], line[2:], strict=False))
    return sum(triple in triples for triple in own) > KEPT * len(own)


def _count(words: list[list[str]], kept: set[int]) -> int:
    return sum(len(words[number]) for number in kept)


def _around(kept: set[int]) -> set[int]:
    return {number + step for number in kept for step in range(-NEAR, NEAR + 1)}
