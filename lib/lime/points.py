"""The points behind an explanation, for who wants to see them or to fit another local model to them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from sklearn.metrics import pairwise_distances

from lib import storage
from lib.ledger import Ledger
from lib.lime.explainer import build_engine
from lib.lime.features import matrix
from lib.lime.linear import Floats
from lib.lime.neighborhood import Neighborhood, Points
from lib.lime.options import ExplainRows
from lib.lime.sampled import Bank, PerRow, root_weights
from lib.lime.spec import TableSpec
from lib.model.ask import answers
from lib.model.files import load
from lib.output import Output
from lib.sources.table import TableSource
from lib.split import Piece, ReadLimits, Split

LIMITS = ReadLimits(batch_rows=1024, batch_bytes=64 << 20, max_record_bytes=1 << 62)


def write_points(folder: Path, output: Output, config: ExplainRows, rows: Sequence[Mapping[str, Any]]) -> None:
    """A Parquet file for each row: `x` what the model was asked, `mask` what the local model saw, `weight`, `answer`.

    The first point is the row itself. The rows are read from the input again.
    """
    model, spec = load(config.model), TableSpec.from_plain(config.spec)
    setup, ask_model = build_engine(config, model, spec), answers(model)
    assert isinstance(setup.engine, Bank | PerRow)
    identity = Ledger(output.uri).identity() or {}
    source = msgspec.convert(identity["sources"]["table"], TableSource)
    for number, row in enumerate(rows):
        values, _ = matrix(_read(source, row["source_path"], row["source_offset"]), spec.columns, missing_ok=True)
        x, mask = points_of(setup.hood, setup.engine.points(values[0]), values[0])
        distances = pairwise_distances(mask, mask[:1], metric=config.distance_metric).ravel()
        weight = root_weights(distances, setup.engine.ask.width(setup.hood.width)) ** 2
        columns = {"x": list(x), "mask": list(mask), "weight": weight, "answer": list(ask_model(x))}
        names = {key: row[key] for key in ("source_path", "source_offset", "keys")}
        table = pa.table(columns).replace_schema_metadata(
            {"row": json.dumps(names), "features": json.dumps([column.name for column in spec.columns])}
        )
        pq.write_table(table, folder / f"row-{number:04}.parquet", compression="zstd")


def points_of(hood: Neighborhood, points: Points, row: Floats) -> tuple[Floats, Floats]:
    """n x d values and n x d encoded ones: 1 where a point shares the row's bin or category, else a scaled value."""
    x, codes = points.values.copy(), points.codes.copy()
    x[0], codes[0] = row, hood.encode(row[None])[0]
    same = (codes == codes[0]) | (np.isnan(codes) & np.isnan(codes[0]))
    return x, np.where(hood.continuous, (x - hood.mean) / hood.scale, same)


def _read(source: TableSource, uri: str, number: int) -> pa.StructArray:
    """One row, as if it were the file's last."""
    piece = Piece(uri, number, number + 1, number + 1, storage.stat(uri).stamp)
    batch, _ = next(iter(source.read(Split("", "table", (piece,)), LIMITS, lambda _: None)))
    return batch["row"]
