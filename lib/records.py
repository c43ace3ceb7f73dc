"""The words in which every job says what became of a record."""

from __future__ import annotations

from enum import StrEnum

import pyarrow as pa


class Status(StrEnum):
    """What became of a record."""

    OK = "ok"
    PARTIAL = "partial"  # a usable row, with something cut or missing that error_code names
    SKIPPED = "skipped"  # left out on purpose, by a policy of the job's config
    FAILED = "failed"
    UNSELECTED = "unselected"  # never in the output: a record the job does not ask for, counted in the receipt


# The closed list of error codes: what stands here can be counted, the detail beside it is for a person.
ERROR_CODES = {
    "crash": "the record killed the process that handled it (signal or exit)",
    "hang": "the record took longer than run.record_timeout_seconds",
    "memory": "the record needed more than run.record_memory_mb",
    "exception": "an error that the job did not foresee: a bug of ours, please report it",
    "corrupt_record": "the bytes are not a record of this format; the row covers the lost range",
    "encrypted": "the entry of the archive is encrypted",
    "truncated": "the input ends inside the record",
    "oversize": "the record is larger than run.max_record_bytes",
    "not_html": "the content type or the first bytes say that this is no page (parse_html)",
    "page_cut": "only the first max_page_bytes of the page were parsed",
    "items_cut": "a list of the page holds more than max_items",
    "main_text_missing": "a guard kept the page from the main-text engine, or the engine failed",
    "empty_record": "the record has no bytes",
    "not_an_image": "the first bytes are of no image format that is read (convert_images)",
    "vector_image": "SVG: not made of pixels (convert_images)",
    "zero_size": "the image says that it has no width or no height",
    "too_many_pixels": "the header says more than max_pixels; nothing was decoded",
    "bad_checksum": "a CRC of the PNG does not fit its bytes",
    "corrupt_image": "begins like an image, and no decoder reads it",
    "class_skipped": "classes.*: skip (convert_images)",
    "class_rejected": "classes.*: reject (convert_images)",
    "too_small": "a side is shorter than min_side",
    "aspect_ratio": "longer against its width than max_aspect",
    "unreadable": "the input could not be opened or read (run.unreadable: record)",
    "missing_column": "the table has no column that the config names",
    "missing_value": "a value that the job needs is null or NaN",
    "wrong_type": "a value is not of the type that the job needs",
}


def column(name: str, kind: pa.DataType, meaning: str) -> pa.Field:
    """A nullable output column that carries what `--describe` says of it."""
    return pa.field(name, kind, metadata={"meaning": meaning})


# Where a record came from: in every row, of every job.
PROVENANCE = pa.schema(
    [
        column("source_path", pa.string(), "URI of the file that held the record"),
        column("source_member", pa.string(), "entry of a zip or tar; number of a record that shares its gzip member"),
        column("source_offset", pa.int64(), "where the record starts: byte, row or entry number, as its source counts"),
        column("source_length", pa.int64(), "how far it reaches, in the unit of source_offset"),
    ]
)

# What became of it: in every row, of every job.
OUTCOME = pa.schema(
    [
        column("status", pa.string(), "ok, partial, skipped or failed"),
        column("error_code", pa.string(), "a code of the closed list; null when ok"),
        column("error_detail", pa.string(), "the same for a person"),
        column("flags", pa.list_(pa.string()), "what was noticed on the way: cut, repaired, decompressed ..."),
    ]
)

# A source's own place mark: opaque, strictly rising within a split; never in the output.
POSITION = pa.field("position", pa.int64())

# A table's row as one struct; its fields are the input's, so that a schema cannot say them: struct<> stands for any.
ROW = pa.field("row", pa.struct([]))
