"""Web pages to a table: text, links and metadata, with provenance for each doubtful decision."""

from __future__ import annotations

from lib.html.columns import OUTPUT_SCHEMA, RECORD_SCHEMA
from lib.html.kernel import make_kernel
from lib.html.options import ParseHtml
from lib.job import Job

JOB = Job(
    name="parse_html",
    summary="Parse web pages from WARC archives or HTML files into text, links and metadata.",
    config_type=ParseHtml,
    sources=("warc", "files"),
    record_schema=RECORD_SCHEMA,
    output_schema=OUTPUT_SCHEMA,
    make_kernel=make_kernel,
)
