"""What one writes without this project: a page to the common columns by BeautifulSoup or selectolax, as a Spark UDF."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

import pyarrow as pa
from fastwarc import ArchiveIterator, WarcRecordType

from lib.html.columns import OUTPUT_SCHEMA

# What every side writes; the job's kernel makes its other columns too, which only counts against it.
COMMON = (
    "url",
    "title",
    "lang_declared",
    "description",
    "canonical_url",
    "meta",
    "headings",
    "text",
    "links",
    "images",
)
BATCH = 256  # rows, as the job has it
HEADINGS = ("h1", "h2", "h3", "h4", "h5", "h6")

Read = Callable[[bytes, str], dict[str, Any]]


def rows_of_archives(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """For mapInArrow: paths of WARC files to rows by BeautifulSoup."""
    for batch in batches:
        for path in batch["path"].to_pylist():
            pages: list[tuple[bytes, str]] = []
            for page in read_archive(Path(path)):
                pages.append(page)
                if len(pages) == BATCH:
                    yield from row_batches(pages, read_beautifulsoup)
                    pages = []
            yield from row_batches(pages, read_beautifulsoup)


def read_archive(path: Path) -> Iterator[tuple[bytes, str]]:
    """Body and URL of each response."""
    with path.open("rb") as file:
        for record in ArchiveIterator(file, record_types=WarcRecordType.response, parse_http=True, auto_decode="all"):
            yield record.reader.read(), record.headers["WARC-Target-URI"]


def row_batches(pages: list[tuple[bytes, str]], read: Read) -> list[pa.RecordBatch]:
    """A dict a page, from_pylist."""
    return pa.Table.from_pylist([read(*page) for page in pages], schema=schema(COMMON)).to_batches()


def schema(columns: tuple[str, ...]) -> pa.Schema:
    """The job's types for these columns, without what --describe says of them."""
    return pa.schema([OUTPUT_SCHEMA.field(name).remove_metadata() for name in columns])


def read_beautifulsoup(content: bytes, url: str) -> dict[str, Any]:
    """By beautifulsoup4 on lxml, its fastest builder. Decoded first: its own charset guessing would take longer."""
    import bs4

    warnings.filterwarnings("ignore", category=bs4.XMLParsedAsHTMLWarning)
    soup: Any = bs4.BeautifulSoup(content.decode("utf-8", "replace"), "lxml")
    metas = [(tag.get("name") or tag.get("property"), tag.get("content")) for tag in soup.find_all("meta")]
    canonical = soup.find("link", rel="canonical", href=True)
    row = {
        "url": url,
        "title": squeeze(soup.title.get_text()) if soup.title else None,
        "lang_declared": soup.html.get("lang") if soup.html else None,
        "description": next((content for name, content in metas if name == "description"), None),
        "canonical_url": urljoin(url, canonical["href"]) if canonical else None,
        "meta": [{"name": name, "content": content} for name, content in metas if name],
        "headings": [{"level": int(h.name[1]), "text": squeeze(h.get_text())} for h in soup.find_all(HEADINGS)],
        "images": [{"url": absolute(url, tag["src"]), "alt": tag.get("alt")} for tag in soup.find_all("img", src=True)],
        "links": [
            link(url, tag["href"], tag.get_text(), " ".join(tag.get("rel") or []) or None)
            for tag in soup.find_all("a", href=True)
        ],
    }
    for tag in soup(["script", "style", "template"]):
        tag.decompose()
    return row | {"text": soup.get_text("\n", strip=True)}


def read_selectolax(content: bytes, url: str) -> dict[str, Any]:
    """By selectolax's lexbor parser, on the bytes: no decoding, no charset."""
    from selectolax.lexbor import LexborHTMLParser

    tree = LexborHTMLParser(content)
    attributes = [node.attributes for node in tree.css("meta")]
    metas = [(each.get("name") or each.get("property"), each.get("content")) for each in attributes]
    canonical = tree.css_first("link[rel=canonical]")
    title, html = tree.css_first("title"), tree.css_first("html")
    row = {
        "url": url,
        "title": squeeze(title.text()) if title else None,
        "lang_declared": html.attributes.get("lang") if html else None,
        "description": next((content for name, content in metas if name == "description"), None),
        "canonical_url": urljoin(url, canonical.attributes.get("href") or "") if canonical else None,
        "meta": [{"name": name, "content": content} for name, content in metas if name],
        "headings": [{"level": int(h.tag[1]), "text": squeeze(h.text())} for h in tree.css(",".join(HEADINGS))],
        "images": [
            {"url": absolute(url, src), "alt": image.attributes.get("alt")}
            for image in tree.css("img")
            if (src := image.attributes.get("src"))
        ],
        "links": [
            link(url, href, node.text(), node.attributes.get("rel"))
            for node in tree.css("a")
            if (href := node.attributes.get("href")) is not None
        ],
    }
    tree.strip_tags(["script", "style", "template"])
    return row | {"text": tree.body.text(separator="\n") if tree.body else ""}


def read_trafilatura(content: bytes, url: str) -> dict[str, Any]:
    """trafilatura alone, without its slow fallbacks: nothing but the main text."""
    import trafilatura

    return {"main_text": trafilatura.extract(content.decode("utf-8", "replace"), fast=True, include_comments=False)}


def link(base: str, href: str, text: str, rel: str | None) -> dict[str, Any]:
    """One link as one writes it with urljoin."""
    url = absolute(base, href)
    external = url is not None and urlsplit(url).netloc not in ("", urlsplit(base).netloc)
    return {"url": url, "url_raw": href, "text": squeeze(text), "rel": rel, "is_external": external}


def absolute(base: str, href: str) -> str | None:
    """urljoin, which raises on some hrefs; urlsplit then would too."""
    try:
        url = urljoin(base, href)
        urlsplit(url)
    except ValueError:
        return None
    return url


def squeeze(text: str) -> str:
    """White space collapsed."""
    return " ".join(text.split())
