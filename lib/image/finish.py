"""After the last commit: duplicates, statistics, contact sheets and the export, from the committed rows alone."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Set
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from lib.image.export import EXPORTS
from lib.image.options import ConvertImages
from lib.image.sheets import Sheets
from lib.output import Output

KEY = ("source_path", "source_member", "source_offset")
# Long lists of hashes: the offsets of a plain string column end at 2 GB.
ALIKE = pa.schema(
    [
        *((name, pa.large_string()) for name in ("pixel_sha256", "image_id", "source_sha256", *KEY[:2])),
        (KEY[2], pa.int64()),
    ]
)
DUPLICATES = ("pixel_sha256", "first_image_id", "image_id", *KEY, "same_source")
BINS = 20
Prefixes = NDArray[np.uint64]


def finish(output: Output, config: ConvertImages) -> None:
    """Write _extra/duplicates, statistics, sheets and, if asked for, the export.

    Images pass through a batch at a time; held are eight bytes of each picture, and the keys of those that repeat.
    """
    count, repeated = repeated_prefixes(output)
    alike, firsts = sort_pictures(output, repeated)
    again = np.flatnonzero(firsts != np.arange(len(alike)))
    found, first = alike.take(again), alike.take(firsts[again])
    write_duplicates(output, found, first)
    write_statistics(output, count - len(found))
    write_sheets(output, config)
    if config.export != "none":
        drop = set(found["image_id"].to_pylist()) if config.export_duplicates == "drop" else set()
        with output.extra(config.export) as folder:
            EXPORTS[config.export](_pictures(output, drop), folder, config.encoding)


def repeated_prefixes(output: Output) -> tuple[int, Prefixes]:
    """How many pictures there are, and the first eight bytes of pixel_sha256 that more than one of them has."""
    found = [_prefixes(batch["pixel_sha256"].drop_null()) for batch in output.scan(["pixel_sha256"])]
    prefixes = np.concatenate([np.empty(0, np.uint64), *found])
    prefixes.sort()
    return len(prefixes), np.unique(prefixes[1:][prefixes[1:] == prefixes[:-1]])


def _prefixes(hashes: pa.Array) -> Prefixes:
    return np.frombuffer(bytes.fromhex("".join(hashes.to_pylist())), np.uint64)[::4].copy()


def sort_pictures(output: Output, repeated: Prefixes) -> tuple[pa.Table, NDArray[np.int64]]:
    """Pictures whose hash begins so, by pixels, path, member and offset; for each, where the first of its pixels is."""
    batches = (batch.filter(pc.is_valid(batch["pixel_sha256"])) for batch in output.scan(ALIKE.names))
    some = (batch.filter(pa.array(np.isin(_prefixes(batch["pixel_sha256"]), repeated))) for batch in batches)
    tables = [pa.table(batch).cast(ALIKE) for batch in some if batch.num_rows]
    order = [(name, "ascending") for name in ("pixel_sha256", *KEY)]
    alike = pa.concat_tables([ALIKE.empty_table(), *tables]).sort_by(order)
    pixels = alike["pixel_sha256"]
    begins = np.ones(len(alike), np.bool_)
    begins[1:] = pc.not_equal(pixels[1:], pixels[:-1])
    return alike, np.maximum.accumulate(np.where(begins, np.arange(len(alike)), 0))


def write_duplicates(output: Output, found: pa.Table, first: pa.Table) -> None:
    """All pictures but the first of equal pixels, by key order, whatever the splits were."""
    same = pc.equal(found["source_sha256"], first["source_sha256"])
    table = found.append_column("first_image_id", first["image_id"]).append_column("same_source", same)
    with output.extra("duplicates") as folder:
        pq.write_table(table.select(DUPLICATES), folder / "duplicates.parquet", compression="zstd")


def write_statistics(output: Output, distinct: int) -> None:
    """Counts by status, code, class, mode and split; histograms of mean, std and coverage; the commonest inks."""
    counted = ("status", "error_code", "class", "mode_used", "split", "format", "ink_rgb")
    measured = {"mean": 256.0, "std": 128.0, "coverage": 1.0}
    counts: dict[str, Counter[str]] = {name: Counter() for name in counted}
    histograms = {name: np.zeros(BINS, int) for name in measured}
    for batch in output.scan([*counted, *measured]):
        for name in counted:
            for found in pc.value_counts(batch[name]).to_pylist():
                counts[name][found["values"]] += found["counts"]
        for name, top in measured.items():
            values = batch[name].drop_null().to_numpy()
            histograms[name] += np.bincount(np.minimum(BINS - 1, (values / top * BINS).astype(int)), minlength=BINS)
    report = {
        "distinct_pictures": distinct,
        **{
            name: dict(sorted((key, n) for key, n in found.items() if key is not None))
            for name, found in counts.items()
        },
        "histograms": {
            name: {"from": 0, "to": measured[name], "counts": found.tolist()} for name, found in histograms.items()
        },
    }
    inks = sorted(report["ink_rgb"].items(), key=lambda item: (-item[1], item[0]))  # type: ignore[attr-defined]
    report["ink_rgb"] = dict(inks[:BINS])
    with output.extra("statistics") as folder:
        (folder / "statistics.json").write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")


def write_sheets(output: Output, config: ConvertImages) -> None:
    """One picture a class, and one of those that have no output."""
    sheets = Sheets()
    for batch in output.scan(["image_id", "output_bytes", "class", "error_code", *KEY]):
        sheets.add(batch)
    shown = sheets.image_ids()
    for batch in output.scan(["image_id", "image", "width", "height", "channels"]):
        for row in batch.filter(pc.is_in(batch["image_id"], shown)).to_pylist():
            sheets.draw(row, config.encoding)
    with output.extra("sheets") as folder:
        sheets.write(folder)


def _pictures(output: Output, drop: Set[str]) -> Iterator[dict[str, Any]]:
    columns = ["image_id", "image", "width", "height", "channels", "class", "split", "source_path", "source_member"]
    for batch in output.scan(columns):
        for row in batch.to_pylist():
            if row["image"] is not None and row["image_id"] not in drop:
                yield row
