"""What the user may name as input, lists among it, made into files."""

from __future__ import annotations

import gzip
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import chain, islice

from lib.errors import UsageError
from lib.storage import Stat, expand, read_bytes, to_uri

AT_ONCE = 16  # lines of a list that are looked up together: a server takes its time for each
AHEAD = 64  # lines that are looked up before they are asked for


def expand_inputs(inputs: Sequence[str], prefix: str = "") -> Iterator[Stat]:
    """The files that inputs (URIs, folders, globs, lists) mean, each once, in the order given; as they are asked for.

    A list is a text file of one input a line: any file given as `@file`, or named `*.paths` or `*.paths.gz` as
    Common Crawl's are. Its relative lines start at `prefix`, or else in the folder of the list.
    Raises UsageError where an input means no file.
    """
    seen: set[str] = set()
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for text in inputs:
            where = f" (a line of {text})"
            lines = ((line, "" if line == text else where) for line in _lines(text, prefix))
            while some := list(islice(lines, AHEAD)):
                for file in chain.from_iterable(pool.map(lambda line: _expand(*line), some)):
                    if file.uri not in seen:
                        seen.add(file.uri)
                        yield file


def _expand(line: str, where: str) -> list[Stat]:
    try:
        found = list(expand(to_uri(line)))
    except OSError as error:
        raise UsageError(f"{line}{where}: {(error.strerror or str(error)).lower()}") from None
    if not found:
        raise UsageError(f"{line}{where}: holds no files")
    return found


def _lines(text: str, prefix: str) -> Iterator[str]:
    """The input itself, or the lines of the list that it is."""
    if not text.startswith("@") and not text.endswith((".paths", ".paths.gz")):
        yield text
        return
    uri = to_uri(text).removeprefix("@")
    try:
        data = read_bytes(uri)
        lines = (gzip.decompress(data) if uri.endswith(".gz") else data).decode().splitlines()
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise UsageError(f"{text}: not a readable list of inputs ({error})") from None
    start = prefix.rstrip("/") if prefix else uri.rpartition("/")[0]
    for line in filter(None, map(str.strip, lines)):
        yield line if "://" in line or line.startswith("/") else f"{start}/{line}"
