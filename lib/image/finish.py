"""After the last commit: duplicates, statistics, contact sheets and the export, from the committed rows alone."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from lib.image.export import EXPORTS
from lib.image.options import ConvertImages
from lib.image.sheets import Sheets
from lib.output import Output
from lib.records import PROVENANCE

Key = tuple[str, str, int]
KEY = ("source_path", "source_member", "source_offset")
DUPLICATES = pa.schema(
    [
        ("pixel_sha256", pa.string()),
        ("first_image_id", pa.string()),
        ("image_id", pa.string()),
        *((name, PROVENANCE.field(name).type) for name in KEY),
        ("same_source", pa.bool_()),
    ]
)
BINS = 20


def finish(output: Output, config: ConvertImages) -> None:
    """Write _extra/duplicates, statistics, sheets and, if asked for, the export.

    Images pass through a batch at a time; of each distinct picture only its hash and key are held (some 300 bytes).
    """
    firsts = find_firsts(output)
    write_duplicates(output, firsts)
    write_statistics(output, len(firsts))
    write_sheets(output, config)
    if config.export != "none":
        keep = {image_id for _, image_id, _ in firsts.values()} if config.export_duplicates == "drop" else None
        with output.extra(config.export) as folder:
            EXPORTS[config.export](_pictures(output, keep), folder, config.encoding)


def find_firsts(output: Output) -> dict[str, tuple[Key, str, str]]:
    """By pixel_sha256 the least key (path, member, offset), its image_id and source_sha256."""
    firsts: dict[str, tuple[Key, str, str]] = {}
    for row in _rows(output, ["pixel_sha256", "image_id", "source_sha256", *KEY]):
        pixels = row["pixel_sha256"]
        if pixels is None:
            continue
        found = (_key(row), row["image_id"], row["source_sha256"])
        if pixels not in firsts or found < firsts[pixels]:
            firsts[pixels] = found
    return firsts


def write_duplicates(output: Output, firsts: dict[str, tuple[Key, str, str]]) -> None:
    """All pictures but the first of equal pixels, by key order, whatever the splits were."""
    found = []
    for row in _rows(output, ["pixel_sha256", "image_id", "source_sha256", *KEY]):
        first = firsts.get(row["pixel_sha256"])
        if first is not None and first[1] != row["image_id"]:
            row["first_image_id"] = first[1]
            row["same_source"] = row.pop("source_sha256") == first[2]
            found.append(row)
    found.sort(key=lambda row: (row["pixel_sha256"], _key(row)))
    with output.extra("duplicates") as folder:
        pq.write_table(pa.Table.from_pylist(found, DUPLICATES), folder / "duplicates.parquet", compression="zstd")


def write_statistics(output: Output, distinct: int) -> None:
    """Counts by status, code, class, mode and split; histograms of mean, std and coverage; the commonest inks."""
    counted = ("status", "error_code", "class", "mode_used", "split", "format", "ink_rgb")
    measured = {"mean": 256.0, "std": 128.0, "coverage": 1.0}
    counts: dict[str, Counter[str]] = {name: Counter() for name in counted}
    histograms = {name: [0] * BINS for name in measured}
    for row in _rows(output, [*counted, *measured]):
        for name in counted:
            counts[name][row[name]] += 1
        for name, top in measured.items():
            if row[name] is not None:
                histograms[name][min(BINS - 1, int(row[name] / top * BINS))] += 1
    report = {
        "distinct_pictures": distinct,
        **{
            name: dict(sorted((key, n) for key, n in found.items() if key is not None))
            for name, found in counts.items()
        },
        "histograms": {name: {"from": 0, "to": measured[name], "counts": found} for name, found in histograms.items()},
    }
    inks = sorted(report["ink_rgb"].items(), key=lambda item: (-item[1], item[0]))  # type: ignore[attr-defined]
    report["ink_rgb"] = dict(inks[:BINS])
    with output.extra("statistics") as folder:
        (folder / "statistics.json").write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")


def write_sheets(output: Output, config: ConvertImages) -> None:
    """One picture a class, and one of those that have no output."""
    sheets = Sheets()
    for row in _rows(output, ["image_id", "output_bytes", "class", "error_code", "source_path", "source_member"]):
        sheets.add(row)
    shown = pa.array(sorted(sheets.image_ids()), pa.string())
    for batch in output.scan(["image_id", "image", "width", "height", "channels"]):
        for row in batch.filter(pc.is_in(batch["image_id"], shown)).to_pylist():
            sheets.draw(row, config.encoding)
    with output.extra("sheets") as folder:
        sheets.write(folder)


def _pictures(output: Output, keep: set[str] | None) -> Iterator[dict[str, Any]]:
    columns = ["image_id", "image", "width", "height", "channels", "class", "split", "source_path", "source_member"]
    for row in _rows(output, columns):
        if row["image"] is not None and (keep is None or row["image_id"] in keep):
            yield row


def _rows(output: Output, columns: list[str]) -> Iterator[dict[str, Any]]:
    for batch in output.scan(columns):
        yield from batch.to_pylist()


def _key(row: dict[str, Any]) -> Key:
    return row["source_path"] or "", row["source_member"] or "", row["source_offset"] or 0
