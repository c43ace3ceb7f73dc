"""From what the user names as input to files, each with the kind of source that reads it."""

from __future__ import annotations

import gzip
from collections.abc import Iterator, Sequence

from lib.errors import UsageError
from lib.sources import source_type
from lib.storage import Stat, expand, open_input, to_uri


def expand_inputs(inputs: Sequence[str], prefix: str = "") -> list[Stat]:
    """The files that inputs (URIs, folders, globs, lists) mean, each once, in the order given.

    A list is a text file of one input a line: any file given as `@file`, or named `*.paths` or `*.paths.gz` as
    Common Crawl's are. Its relative lines start at `prefix`, or else in the folder of the list.
    """
    files: dict[str, Stat] = {}
    for text in inputs:
        for line in _lines(text, prefix):
            try:
                files.update((file.uri, file) for file in expand(to_uri(line)))
            except FileNotFoundError as missing:
                where = "" if line == text else f" (in {text})"
                raise UsageError(f"{line}{where}: {missing.strerror or 'no such file'}") from None
    return list(files.values())


def _lines(text: str, prefix: str) -> Iterator[str]:
    """The input itself, or the lines of the list that it is."""
    scheme, mark, path = text.rpartition("://")
    if not path.startswith("@") and not path.endswith((".paths", ".paths.gz")):
        yield text
        return
    uri = to_uri(scheme + mark + path.removeprefix("@"))
    with open_input(uri) as file:
        text = (gzip.decompress(file.read()) if uri.endswith(".gz") else file.read()).decode()
    start = prefix.rstrip("/") if prefix else uri.rpartition("/")[0]
    for line in filter(None, map(str.strip, text.splitlines())):
        yield line if "://" in line or line.startswith("/") else f"{start}/{line}"


def choose(uri: str, kinds: Sequence[str]) -> str | None:
    """The first of these kinds that claims a file of this name."""
    return next((kind for kind in kinds if source_type(kind)().claims(uri)), None)
