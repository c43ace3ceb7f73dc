"""How fast parse_html's kernel is beside other loops that make the same columns of the same pages.

    python benchmarks/parse_html.py --pages FOLDER [--count 1000] [--rounds 3] [--only NAME]...

CPU seconds of one process, loops interleaved batch by batch; every side writes the same named columns to Parquet.
"""

from __future__ import annotations

import argparse
import io
import random
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

import pyarrow as pa
import pyarrow.parquet as pq

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from lib.html.columns import OUTPUT_SCHEMA, RECORD_SCHEMA
from lib.html.kernel import make_kernel
from lib.html.options import ParseHtml
from lib.records import OUTCOME, PROVENANCE

BATCH = 64
URL = "https://example.org/docs/index.html"
# What every loop makes; the kernel makes the other columns too, which only counts against it.
COMMON = ("title", "lang_declared", "description", "canonical_url", "meta", "headings", "text", "links", "images")
Loop = Callable[[pa.RecordBatch], pa.Table]


def main() -> None:
    """Measure, print one line a loop."""
    args = build_parser().parse_args()
    loops = {name: make() for name, make in LOOPS.items() if not args.only or name in args.only}
    batches = list(read_batches(args.pages, args.count))
    pages = sum(batch.num_rows for batch in batches)
    for loop in loops.values():
        loop(batches[0])
    rounds = [one_round(loops, batches) for _ in range(args.rounds)]
    size = sum(len(content) for batch in batches for content in batch.column("content").to_pylist())
    print(f"{pages} pages, mean {size / pages / 1000:.1f} KB, {args.rounds} rounds")
    for name in loops:
        rates = [pages / spent[name] for spent in rounds]
        print(f"{name:24s} {statistics.median(rates):8.0f} pages/s  ({min(rates):.0f} to {max(rates):.0f})")


def build_parser() -> argparse.ArgumentParser:
    """The options of this script."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pages", type=Path, required=True, help="a folder of .html files")
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", action="append", choices=LOOPS, help="leave the other loops out")
    return parser


def one_round(loops: dict[str, Loop], batches: list[pa.RecordBatch]) -> dict[str, float]:
    """CPU seconds by loop, all loops on one batch before the next."""
    spent = dict.fromkeys(loops, 0.0)
    for batch in batches:
        for name, loop in loops.items():
            before = time.process_time()
            pq.write_table(loop(batch), io.BytesIO(), compression="zstd", compression_level=1)
            spent[name] += time.process_time() - before
    return spent


def read_batches(folder: Path, count: int) -> Iterator[pa.RecordBatch]:
    """Pages in a fixed random order, as a source hands them over."""
    paths = sorted(path for path in folder.rglob("*.html") if path.is_file())
    random.Random(1).shuffle(paths)
    contents = [path.read_bytes() for path in paths[:count]]
    schema = pa.schema([*PROVENANCE, OUTCOME.field("flags"), *RECORD_SCHEMA])
    for start in range(0, len(contents), BATCH):
        chunk = contents[start : start + BATCH]
        columns: dict[str, Any] = {"content": chunk, "url": [URL] * len(chunk), "source_offset": range(len(chunk))}
        arrays = [pa.array(columns.get(field.name, [None] * len(chunk)), field.type) for field in schema]
        yield pa.RecordBatch.from_arrays(arrays, schema=schema)


def kernel_loop(options: ParseHtml, columns: tuple[str, ...] | None = None) -> Loop:
    """The job's kernel, all columns or some."""
    kernel = make_kernel(options)

    def loop(batch: pa.RecordBatch) -> pa.Table:
        rows = pa.Table.from_batches([kernel(batch)])
        return rows.select(columns) if columns else rows

    return loop


def row_loop(read: Callable[[str], dict[str, Any]], columns: tuple[str, ...] = COMMON) -> Loop:
    """The loop one writes: a dict a page, from_pylist."""
    schema = pa.schema([OUTPUT_SCHEMA.field(name) for name in columns])

    def loop(batch: pa.RecordBatch) -> pa.Table:
        pages = (content.decode("utf-8", "replace") for content in batch.column("content").to_pylist())
        return pa.Table.from_pylist([read(page) for page in pages], schema=schema)

    return loop


def read_selectolax(page: str) -> dict[str, Any]:
    """The common columns by selectolax's fast parser."""
    from selectolax.lexbor import LexborHTMLParser

    tree = LexborHTMLParser(page)
    metas = [(node.attributes.get("name") or node.attributes.get("property"), node) for node in tree.css("meta")]
    meta = [{"name": name, "content": node.attributes.get("content")} for name, node in metas if name]
    canonical = tree.css_first("link[rel=canonical]")
    title, html = tree.css_first("title"), tree.css_first("html")
    row = {
        "title": " ".join(title.text().split()) if title else None,
        "lang_declared": html.attributes.get("lang") if html else None,
        "description": next((each["content"] for each in meta if each["name"] == "description"), None),
        "canonical_url": urljoin(URL, canonical.attributes.get("href") or "") if canonical else None,
        "meta": meta,
        "headings": [
            {"level": int(h.tag[1]), "text": " ".join(h.text().split())} for h in tree.css("h1,h2,h3,h4,h5,h6")
        ],
        "images": [
            {"url": urljoin(URL, src), "alt": image.attributes.get("alt")}
            for image in tree.css("img")
            if (src := image.attributes.get("src"))
        ],
        "links": [
            link(href, node.text(), node.attributes.get("rel"))
            for node in tree.css("a")
            if (href := node.attributes.get("href")) is not None
        ],
    }
    tree.strip_tags(["script", "style", "template"])
    return row | {"text": tree.body.text(separator="\n") if tree.body else ""}


def read_beautifulsoup(page: str) -> dict[str, Any]:
    """The common columns by beautifulsoup4 on lxml."""
    from lib.html import soup
    from lib.html.metadata import read_metadata

    found = soup.read(page, 20_000)
    metadata = read_metadata(found)
    return {
        "title": found.title,
        "lang_declared": found.lang,
        "description": metadata.description,
        "canonical_url": urljoin(URL, metadata.canonical) if metadata.canonical else None,
        "meta": [{"name": name, "content": content} for name, content in found.metas],
        "headings": [{"level": level, "text": text} for level, text in found.headings],
        "images": [{"url": urljoin(URL, src), "alt": alt} for src, alt in found.images],
        "links": [link(*each) for each in found.links],
        "text": found.text,
    }


def read_trafilatura(page: str) -> dict[str, Any]:
    """trafilatura alone: nothing but the main text."""
    import trafilatura

    return {"main_text": trafilatura.extract(page, fast=True, include_comments=False)}


def link(href: str, text: str, rel: str | None) -> dict[str, Any]:
    """One link as one writes it with urljoin."""
    try:
        url = urljoin(URL, href)
        external = urlsplit(url).netloc not in ("", "example.org")
    except ValueError:
        url, external = None, False
    return {"url": url, "url_raw": href, "text": " ".join(text.split()), "rel": rel, "is_external": external}


LOOPS: dict[str, Callable[[], Loop]] = {
    "fields, common columns": lambda: kernel_loop(ParseHtml(main_text="none", detect_language=False), COMMON),
    "fields, all columns": lambda: kernel_loop(ParseHtml(main_text="none")),
    "main_text=fast": lambda: kernel_loop(ParseHtml(main_text="fast")),
    "main_text=quality": lambda: kernel_loop(ParseHtml(main_text="quality")),
    "main_text=union": lambda: kernel_loop(ParseHtml(main_text="union")),
    "selectolax": lambda: row_loop(read_selectolax),
    "beautifulsoup": lambda: row_loop(read_beautifulsoup),
    "trafilatura alone": lambda: row_loop(read_trafilatura, ("main_text",)),
}

if __name__ == "__main__":
    main()
