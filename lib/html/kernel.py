"""The job's function: a batch of records in, a batch of rows out, built column by column."""

from __future__ import annotations

import gc
import hashlib
import importlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import chain
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lib.html.columns import FETCH, HEADING, HREFLANG, IMAGE, LINK, META, OUTPUT_SCHEMA
from lib.html.keywords import keyword_counter
from lib.html.language import detect_language
from lib.html.main_text import extractor
from lib.html.options import ParseHtml
from lib.html.page import Page
from lib.html.parse import Record, Row, parse
from lib.html.words import Words, find_words, simhashes
from lib.job import Kernel
from lib.records import OUTCOME

Rows = Sequence[Row]
# Modules with read: page.Engine, NAME and VERSION; the slow one is imported only where it is asked for.
ENGINES = {"turbohtml": "lib.html.turbo", "beautifulsoup": "lib.html.soup"}


def make_kernel(options: ParseHtml) -> Kernel:
    """Load what the options ask for, once; return the function from batch to batch."""
    engine: Any = importlib.import_module(ENGINES[options.engine])
    extract = extractor(options.main_text)
    language, count = _language(options), _counter(options)

    def kernel(batch: pa.RecordBatch) -> pa.RecordBatch:
        with _uncollected(engine.NAME):
            return _answer(batch, [parse(record, options, engine.read, extract) for record in _records(batch)])

    def _answer(batch: pa.RecordBatch, rows: Rows) -> pa.RecordBatch:
        columns = {
            "doc_id": pa.array(_doc_ids(batch)),
            **{field.name: batch.column(field.name) for field in FETCH},
            "engine": pa.array([row.page.engine[0] if row.page else engine.NAME for row in rows], pa.string()),
            "engine_version": pa.array(
                [row.page.engine[1] if row.page else engine.VERSION for row in rows], pa.string()
            ),
            **_columns(rows, options.simhash),
            "lang_detected": _of([row.page for row in rows], language, pa.string()),
            "keyword_counts": _of([row.page for row in rows], count, OUTPUT_SCHEMA.field("keyword_counts").type),
        }
        outcome = {
            "status": pa.array([row.status for row in rows], pa.string()),
            "error_code": pa.array([row.error_code for row in rows], pa.string()),
            "error_detail": pa.array([row.error_detail for row in rows], pa.string()),
            "flags": _flags(batch.column("flags"), rows),
        }
        return pa.RecordBatch.from_arrays(
            [columns[field.name] for field in OUTPUT_SCHEMA] + [outcome[field.name] for field in OUTCOME],
            schema=pa.schema([*OUTPUT_SCHEMA, *OUTCOME]),
        )

    return kernel


@contextmanager
def _uncollected(engine: str) -> Iterator[None]:
    """Let the collector rest for a batch: it walks over a hundred thousand tuples again and again, and frees nothing.

    Not for BeautifulSoup, whose trees are cycles.
    """
    if engine == "beautifulsoup" or not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def _language(options: ParseHtml) -> Callable[[Page], str | None]:
    return (lambda page: detect_language(page.text)) if options.detect_language else (lambda page: None)


def _counter(options: ParseHtml) -> Callable[[Page], list[tuple[str, int]] | None]:
    if not options.keywords:
        return lambda page: None
    count = keyword_counter(options.keywords, options.whole_words)
    return lambda page: list(count(page.text).items())


def _records(batch: pa.RecordBatch) -> Iterable[Record]:
    names = ("content", "url", "http_content_type", "source_path", "http_status", "http_headers")
    columns = (batch.column(name).to_pylist() for name in names)
    return (
        Record(content or b"", url, content_type, path, status, dict(headers or ()))
        for content, url, content_type, path, status, headers in zip(*columns, strict=True)
    )


def _doc_ids(batch: pa.RecordBatch) -> list[str]:
    names = ("source_path", "source_offset", "source_member")
    keys = zip(*(batch.column(name).to_pylist() for name in names), strict=True)
    return [hashlib.blake2b("\0".join(map(str, key)).encode(), digest_size=16).hexdigest() for key in keys]


def _columns(rows: Rows, with_simhash: bool) -> dict[str, pa.Array]:
    pages = [row.page for row in rows]
    texts = _of(pages, lambda page: page.text, pa.string())
    links = _structs([row.links for row in rows], ("url", "is_external", "url_raw", "text", "rel"), LINK)
    return {
        **_plain(rows),
        **_metadata(rows),
        **_words(texts, links, with_simhash),
        "text": texts,
        "links": links,
        "hreflang": _structs([row.hreflang for row in rows], ("lang", "url"), HREFLANG),
        "images": _structs([row.images for row in rows], ("url", "alt"), IMAGE),
        "meta": _structs([page and page.metas for page in pages], ("name", "content"), META),
        "headings": _structs([page and page.headings for page in pages], ("level", "text"), HEADING),
    }


def _plain(rows: Rows) -> dict[str, pa.Array]:
    values: dict[str, list[Any]] = {
        "content_sha256": [row.content_sha256 for row in rows],
        "content_bytes": [row.content_bytes for row in rows],
        "url_final": [row.url_final for row in rows],
        "base_url": [row.base_url for row in rows],
        "canonical_url": [row.canonical_url for row in rows],
        "from_headers": [row.from_headers for row in rows],
        "charset": [row.decoded and row.decoded.charset for row in rows],
        "charset_source": [row.decoded and row.decoded.source for row in rows],
        "charset_declared": [row.decoded and row.decoded.declared for row in rows],
        "replacement_chars": [row.decoded and row.decoded.replacement_chars for row in rows],
        "title": [row.page and row.page.title for row in rows],
        "lang_declared": [row.page and row.page.lang for row in rows],
        "json_ld": [row.page and row.page.json_ld for row in rows],
        "tables": [row.page and row.page.tables for row in rows],
        "main_text": [row.main.text for row in rows],
        "main_text_engine": [row.main.engine for row in rows],
        "main_text_fast": [row.main.fast for row in rows],
    }
    return {name: pa.array(column, OUTPUT_SCHEMA.field(name).type) for name, column in values.items()}


def _metadata(rows: Rows) -> dict[str, pa.Array]:
    names = ("description", "robots", "published", "published_raw", "modified", "modified_raw", "authors", "site_name")
    said = [row.metadata for row in rows]
    return {
        name: pa.array([each and getattr(each, name) for each in said], OUTPUT_SCHEMA.field(name).type)
        for name in (*names, "og")
    }


def _words(texts: pa.Array, links: pa.Array, with_simhash: bool) -> dict[str, pa.Array]:
    words = find_words(texts)
    none = np.asarray(texts.is_null())
    return {
        "word_count": pa.array(np.diff(words.bounds).astype(np.int32), mask=none),
        "simhash": _simhashes(words) if with_simhash else pa.nulls(len(texts), pa.int64()),
        "link_density": pa.array(_link_density(texts, links), mask=none),
    }


def _simhashes(words: Words) -> pa.Array:
    hashes, wordless = simhashes(words)
    return pa.array(hashes, mask=wordless)


def _link_density(texts: pa.Array, links: pa.Array) -> Any:
    """Characters of link texts over characters of text; a link to another page in an image has none."""
    linked = np.concatenate([[0], np.cumsum(pc.utf8_length(links.values.field("text")).to_numpy())])
    offsets = links.offsets.to_numpy()
    total = pc.utf8_length(texts).fill_null(0).to_numpy()
    share = (linked[offsets[1:]] - linked[offsets[:-1]]) / np.maximum(total, 1)
    return np.minimum(share, 1).astype(np.float32)


def _of(values: Sequence[Any], get: Callable[[Any], Any], kind: pa.DataType) -> pa.Array:
    return pa.array([None if value is None else get(value) for value in values], kind)


def _structs(lists: Sequence[list[tuple[Any, ...]] | None], names: Sequence[str], kind: pa.StructType) -> pa.Array:
    """Lists of tuples, in the order of `names`, as a list<struct> column; a None is a null."""
    lengths = [len(each) if each else 0 for each in lists]
    flat = list(zip(*chain.from_iterable(each or () for each in lists), strict=True)) or [()] * len(names)
    children = dict(zip(names, flat, strict=True))
    struct = pa.StructArray.from_arrays(
        [pa.array(children[field.name], field.type) for field in kind], fields=list(kind)
    )
    offsets = pa.array(np.concatenate([[0], np.cumsum(lengths)]), pa.int32())
    return pa.ListArray.from_arrays(offsets, struct, mask=pa.array([each is None for each in lists], pa.bool_()))


def _flags(noticed: pa.Array, rows: Rows) -> pa.Array:
    before = noticed.to_pylist()
    return pa.array([[*(old or ()), *row.flags] for old, row in zip(before, rows, strict=True)], noticed.type)
