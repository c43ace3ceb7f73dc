"""Rows of a table to the reasons of a model's answers: LIME from points that all rows share, with its own doubts."""

from __future__ import annotations

from lib.job import Job
from lib.lime.columns import OUTPUT_SCHEMA, RECORD_SCHEMA
from lib.lime.explainer import make_kernel
from lib.lime.options import ExplainRows
from lib.lime.pages import finish
from lib.lime.prepare import prepare

JOB = Job(
    name="explain_rows",
    summary="Explain a scikit-learn model's answer for each row of a table by LIME, with standard errors.",
    config_type=ExplainRows,
    sources=("table",),
    record_schema=RECORD_SCHEMA,
    output_schema=OUTPUT_SCHEMA,
    make_kernel=make_kernel,
    finish=finish,
    prepare=prepare,
)
