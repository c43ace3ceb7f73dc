"""docs/parse_html.md keeps up with the job: its table of columns is made from the schema and an example page."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
from unit.test_html_kernel import rows

from jobs.parse_html import JOB
from lib.html.options import ParseHtml

DOCS = Path(__file__).resolve().parents[2] / "docs" / "parse_html.md"
WIDTH = 70  # characters of an example
EXAMPLE = b"""<!doctype html><html lang=en><head><title> Tea,  slowly </title><base href="/docs/">
<meta name=description content="How to wait"><meta name=robots content=noarchive>
<link rel=canonical href="https://ex.org/tea"><link rel=alternate hreflang=de href="/de/tee">
<meta property=og:title content="Tea"><meta property=og:site_name content="Ex">
<meta property="article:published_time" content="2024-05-01T10:00:00Z">
<script type="application/ld+json">{"@type": "Article", "author": {"name": "Ada"}}</script></head>
<body><nav><a href="/">Home</a></nav><article><h1>Tea, slowly</h1>
<p>Water that has just boiled is too hot for green tea: let it stand for three minutes, and the leaves stay sweet.</p>
<p>Black tea wants the boil. See <a href="times.html" rel=help>the table of times</a> before you pour anything.</p>
<img src=pot.png alt="A pot"><table><tr><td>green<td>3</table></article></body></html>"""
FETCH: dict[str, Any] = {
    "url": "https://ex.org/a/b",
    "source_offset": 1024,
    "source_length": 2048,
    "warc_record_id": "<urn:uuid:6f1a7f0e-1f5e-4b0a-9d0c-2f6f5f0a3b11>",
    "fetch_time": datetime(2024, 5, 2, 8, 30, tzinfo=UTC),
    "http_status": 200,
    "http_content_type": "text/html; charset=utf-8",
    "http_headers": [("last-modified", "Wed, 01 May 2024 12:00:00 GMT")],
}


def cell(value: Any) -> str:
    """A value as it stands in the table."""
    if value is None:
        return "null"
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    text = text.replace("\n", "⏎").replace("|", "\\|")
    return f"`{text if len(text) <= WIDTH else text[: WIDTH - 1] + '…'}`"


def line(field: pa.Field, example: Any) -> str:
    """A column's line in the table."""
    kind, meaning = str(field.type).replace("item: ", ""), field.metadata[b"meaning"].decode()
    kind, meaning = (text.replace("<", "&lt;").replace("|", "\\|") for text in (kind, meaning))
    return f"| `{field.name}` | {kind} | {meaning} | {cell(example)} |"


def test_every_column_stands_in_the_docs_with_its_meaning_and_an_example() -> None:
    options = ParseHtml(main_text="both", keywords=("green tea", "times"))
    (row,) = rows(EXAMPLE, options=options, **FETCH)
    begin, end = "| --- | --- | --- | --- |\n", "\n\nThere is no `parse_ms`"
    table = DOCS.read_text(encoding="utf-8").partition(begin)[2].partition(end)[0]
    assert table.splitlines() == [line(field, row[field.name]) for field in JOB.output_schema]
    assert [name for name, value in row.items() if value is None] == ["error_code", "error_detail"]
