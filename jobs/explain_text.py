"""Texts to the words that a classifier goes by: LIME over the words of each text."""

from __future__ import annotations

from lib.job import Job
from lib.lime.text import OUTPUT_SCHEMA, RECORD_SCHEMA, ExplainText, make_kernel, prepare

JOB = Job(
    name="explain_text",
    summary="Explain a scikit-learn text pipeline's answer for each text of a table, word by word.",
    config_type=ExplainText,
    sources=("table",),
    record_schema=RECORD_SCHEMA,
    output_schema=OUTPUT_SCHEMA,
    make_kernel=make_kernel,
    prepare=prepare,
)
