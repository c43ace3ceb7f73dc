"""Pictures whose shape may live in alpha alone to training-ready ones, each accounted for."""

from __future__ import annotations

from lib.image.columns import OUTPUT_SCHEMA, RECORD_SCHEMA
from lib.image.finish import finish
from lib.image.kernel import make_kernel
from lib.image.options import ConvertImages
from lib.job import Job

JOB = Job(
    name="convert_images",
    summary="Convert icons and other pictures, shapes in alpha included, to pictures ready to train on.",
    config_type=ConvertImages,
    sources=("archives", "files", "table"),
    record_schema=RECORD_SCHEMA,
    output_schema=OUTPUT_SCHEMA,
    make_kernel=make_kernel,
    finish=finish,
)
