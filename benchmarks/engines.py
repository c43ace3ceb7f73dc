"""Where `engine: beautifulsoup` and `engine: turbohtml` answer differently, column by column, on real pages.

    python -m benchmarks.engines crawl/*.warc.gz [--pages 2000] [--show COLUMN]

Every n-th page of the archives, through the job's kernel with each engine. Prints a Markdown table; with --show, the
first pages whose answers in that column differ.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.html_baselines import read_archive
from benchmarks.parse_html import Pages, as_records
from jobs.parse_html import JOB
from lib.html.options import EngineName, ParseHtml

AT_ONCE = 50  # pages
SHOWN = 10
SAME_BY_NATURE = ("doc_id", "url", "content_sha256", "content_bytes", "engine", "engine_version", "flags")


def main() -> None:
    """Compare and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("archives", type=Path, nargs="+")
    parser.add_argument("--pages", type=int, default=2000)
    parser.add_argument("--show", metavar="COLUMN")
    options = parser.parse_args()
    pages = [(url, body) for path in options.archives for body, url in read_archive(path) if body]
    pages = pages[:: max(1, len(pages) // options.pages)]
    columns = [name for name in JOB.output_schema.names if name not in SAME_BY_NATURE]
    differing = dict.fromkeys(columns, 0)
    compared = guarded = 0
    for turbo, soup in pairs(pages):
        compared, guarded = compared + 1, guarded + ("engine_guarded" in soup["flags"])
        for name in columns:
            if words(turbo[name]) != words(soup[name]):
                differing[name] += 1
                if name == options.show and differing[name] <= SHOWN:
                    print(f"{turbo['url']}\n  turbohtml     {turbo[name]}\n  beautifulsoup {soup[name]}")
    print(f"\n{compared} pages, {guarded} of them kept from BeautifulSoup\n")
    print("| column | pages that differ | |\n| --- | --: | --: |")
    for name, count in differing.items():
        if count:
            print(f"| `{name}` | {count} | {count / compared:.2%} |")


def pairs(pages: Pages) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """The rows of each page by the two engines."""
    engines: tuple[EngineName, ...] = ("turbohtml", "beautifulsoup")
    kernels = [JOB.make_kernel(ParseHtml(engine=engine, main_text="none")) for engine in engines]
    for start in range(0, len(pages), AT_ONCE):
        records = as_records(pages[start : start + AT_ONCE])
        yield from zip(*(kernel(records).to_pylist() for kernel in kernels), strict=True)


def words(value: Any) -> Any:
    """A text without its layout."""
    return value.split() if isinstance(value, str) else value


if __name__ == "__main__":
    main()
