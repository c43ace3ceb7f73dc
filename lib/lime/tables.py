"""Explanations as Arrow columns."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from lib.lime.columns import EXPLANATION, OUTPUT_SCHEMA, WEIGHT
from lib.lime.engine import Explained
from lib.lime.features import Failures
from lib.lime.linear import Ints
from lib.lime.neighborhood import Floats
from lib.lime.words import Words
from lib.records import OUTCOME, Status


def answer(
    words: Words, batch: pa.RecordBatch, values: Floats, good: Ints, outputs: Floats,
    explained: list[tuple[Ints, Explained]], failures: Failures,
) -> pa.RecordBatch:  # fmt: skip
    """One row out for each row in; rows in `failures` hold nulls."""
    n, kept = batch.num_rows, values[good]
    codes = words.hood.encode(kept)
    r2 = np.concatenate([e.r2[: len(labels)] for labels, e in explained]) if explained else np.empty((0, 1))
    place = np.full(n, -1)
    place[good] = np.arange(len(good))
    takes = pa.array([None if p < 0 else int(p) for p in place], pa.int64())

    def spread(column: pa.Array) -> pa.Array:
        return column.take(takes)

    config, classes = words.config, words.classes
    constant = {
        "explained": words.explained, "compat": config.compat, "model_sha256": config.model.sha256,
        "spec_id": words.spec_id, "seed": config.seed,
    }  # fmt: skip
    columns: dict[str, pa.Array] = {
        "keys": _keys(batch["row"], config.keys),
        "prediction": spread(pa.array(outputs[:, 0] if not classes else [None] * len(good), pa.float64())),
        "predicted_class": spread(pa.array([classes[i] for i in outputs.argmax(axis=1)] if classes else
                                           [None] * len(good), pa.string())),
        "probabilities": spread(pa.array(outputs.tolist() if classes else [None] * len(good),
                                         pa.list_(pa.float64()))),
        "explanations": spread(_explanations(words, kept, codes, explained)),
        "warnings": spread(pa.array(words.warnings(kept, codes, r2), pa.list_(pa.string()))),
        **{name: pa.array([value] * n, OUTPUT_SCHEMA.field(name).type) for name, value in constant.items()},
        "status": pa.array([(Status.FAILED if i in failures else Status.OK).value for i in range(n)]),
        "error_code": pa.array([failures[i][0] if i in failures else None for i in range(n)], pa.string()),
        "error_detail": pa.array([failures[i][1] if i in failures else None for i in range(n)], pa.string()),
    }  # fmt: skip
    names = [*OUTPUT_SCHEMA.names, *OUTCOME.names[:3]]
    return pa.record_batch([columns[name] for name in names], names=names)


def _keys(rows: pa.StructArray, names: tuple[str, ...]) -> pa.Array:
    kind = OUTPUT_SCHEMA.field("keys").type
    if not names:
        return pa.nulls(len(rows), kind)
    known = {field.name for field in rows.type}
    found = [rows.field(name).to_pylist() if name in known else [None] * len(rows) for name in names]
    return pa.array([[None if v is None else str(v) for v in row] for row in zip(*found, strict=True)], kind)


def _explanations(words: Words, values: Floats, codes: Floats, blocks: list[tuple[Ints, Explained]]) -> pa.Array:
    """Flat columns with offsets: rows of labels of weights."""
    flat: dict[str, list[Any]] = {field.name: [] for field in WEIGHT}
    each: dict[str, list[Any]] = {field.name: [] for field in EXPLANATION if field.name != "weights"}
    ends, rows = [0], [0]
    start = 0
    for labels, block in blocks:
        for i in range(len(labels)):
            for slot, label in enumerate(labels[i].tolist()):
                _weights(flat, words, values[start + i], codes[start + i], block, i, slot)
                ends.append(len(flat["weight"]))
                each["label"].append(label)
                each["class"].append(words.classes[label] if words.classes else None)
                each["local_prediction"].append(float(block.local_prediction[i, slot]))
                each["intercept"].append(float(block.intercept[i, slot]))
                each["r2"].append(_known(block.r2[i, slot]))
                each["n_samples"].append(block.points)
                each["top_k_stable"].append(block.stable[i, slot])
            rows.append(len(each["label"]))
        start += len(labels)
    weights = pa.StructArray.from_arrays([pa.array(flat[f.name], f.type) for f in WEIGHT], fields=list(WEIGHT))
    lists = pa.ListArray.from_arrays(pa.array(ends, pa.int32()), weights)
    parts = [lists if f.name == "weights" else pa.array(each[f.name], f.type) for f in EXPLANATION]
    return pa.ListArray.from_arrays(
        pa.array(rows, pa.int32()), pa.StructArray.from_arrays(parts, fields=list(EXPLANATION))
    )


def _weights(
    flat: dict[str, list[Any]], words: Words, values: Floats, codes: Floats, block: Explained, i: int, slot: int
) -> None:
    features = block.features[i, slot].tolist()
    weights, errors = block.weights[i, slot].tolist(), block.std_errors[i, slot].tolist()
    for j, weight, error in zip(features, weights, errors, strict=True):
        if j < 0:
            continue
        value = float(values[j])
        flat["feature"].append(words.names[j])
        flat["feature_index"].append(j)
        flat["condition"].append(words.condition(j, value, codes[j]))
        flat["value"].append(words.value(j, value))
        flat["weight"].append(weight)
        flat["std_error"].append(_known(error))


def _known(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
