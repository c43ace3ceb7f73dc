"""At the door of explain_rows: the model's file, its features and what they look like, or one line that says no."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa

from lib import storage
from lib.errors import UsageError
from lib.lime.explainer import build_engine
from lib.lime.options import ExplainRows
from lib.lime.spec import Discretizer, TableSpec
from lib.lime.survey import (
    Feature,
    Question,
    Sample,
    Tables,
    census,
    first_fields,
    guessed,
    is_number,
    look,
    named,
    sample,
)
from lib.model.ask import answers, classifies, first_line, refuse_moods
from lib.model.files import by_manifest, load, sealed
from lib.scatter import here

BUNDLED = Path(__file__).resolve().parent.parent.parent / "samples" / "models" / "breast_cancer" / "manifest.json"


def prepare(config: ExplainRows, inputs: Sequence[str], prefix: str = "") -> ExplainRows:
    """Find and check everything that the config names. Raises UsageError."""
    if not config.model.path:
        config = _by_manifest(config)
    config = replace(config, model=sealed(config.model, "explain_rows"))
    model = load(config.model)
    if not config.spec:
        config = _by_table(config, model, inputs, prefix)
    spec = TableSpec.from_plain(config.spec)
    _check_policy(config, spec)
    _check_input(config, spec, first_fields(inputs, prefix))
    _check_model(config, spec, model)
    return config


def _by_manifest(config: ExplainRows) -> ExplainRows:
    """All that train_model has written down."""
    model, manifest = by_manifest(config.model, BUNDLED, "explain_rows")
    uri = model.manifest
    try:
        spec = TableSpec.from_plain(json.loads(storage.read_bytes(f"{uri.rpartition('/')[0]}/spec.json")))
    except (OSError, ValueError) as error:
        raise UsageError(f"explain_rows.model.manifest {uri}: its spec.json: {error}") from None
    features = tuple(msgspec.convert(manifest["features"], list[Feature]))
    chosen = spec.only(config.discretizer)
    _has_bins(chosen, config.discretizer, uri)
    return replace(config, model=model, features=features, spec=chosen.plain())


def _has_bins(spec: TableSpec, discretizer: Discretizer, uri: str) -> None:
    if discretizer != "none" and any(c.numeric and discretizer not in c.bins for c in spec.columns):
        raise UsageError(f"explain_rows.discretizer {discretizer}: not among those that {uri} was made with")


def _by_table(config: ExplainRows, model: Any, inputs: Sequence[str], prefix: str) -> ExplainRows:
    """Survey the training table, or else the input itself."""
    names = [f.name for f in config.features] or list(getattr(model, "feature_names_in_", ()))
    width = getattr(model, "n_features_in_", None)
    columns = [*names, *([config.training_label] if config.training_label else [])] if names else ()
    # The prefix is said of the input's lists.
    tables = Tables(config.training, columns, here) if config.training else Tables(inputs, columns, here, prefix)
    features = config.features or guessed([f for f in tables.fields if f.name not in config.keys], names)
    if width is not None and width != len(features):
        raise UsageError(
            f"explain_rows.features: the model takes {width}, there are {len(features)}: "
            f"{', '.join(f.name for f in features)}"
        )
    if config.discretizer == "entropy" and not config.training_label:
        raise UsageError("explain_rows.training_label must name a column: discretizer entropy cuts by it")
    question = Question(features, config.training_label, classes=False)
    looked = look(tables, question)
    features = named(features, looked)
    drawn = sample(tables, replace(question, features=features), looked, config.training_rows)
    spec = census(tables, features, looked, drawn, _wanted(config.discretizer), _labels(config, drawn))
    return replace(config, features=features, spec=spec.plain())


def _wanted(discretizer: Discretizer) -> tuple[Discretizer, ...]:
    return () if discretizer == "none" else (discretizer,)


def _labels(config: ExplainRows, drawn: Sample) -> Any:
    return drawn.labels.astype(str) if config.discretizer == "entropy" else None


def _check_policy(config: ExplainRows, spec: TableSpec) -> None:
    gaps = [f"{column.name} {column.missing:,}" for column in spec.columns if column.missing]
    if config.missing is None and gaps:
        raise UsageError(
            f"explain_rows.missing must say what to do with missing values ({', '.join(gaps[:5])}): "
            "error (such rows fail) or bin (a bin of its own)"
        )


def _check_input(config: ExplainRows, spec: TableSpec, fields: Sequence[pa.Field]) -> None:
    """The first file has the columns: what is wrong in later ones only fails their rows."""
    if not fields:
        return
    known = {field.name: field.type for field in fields}
    if missing := [name for name in (*(c.name for c in spec.columns), *config.keys) if name not in known]:
        raise UsageError(f"the input has no column {', '.join(missing)}; it has {', '.join(known)}")
    for column in spec.columns:
        # Nothing is missing values only: numbers too, if later rows have any.
        if column.numeric and not (is_number(known[column.name]) or pa.types.is_null(known[column.name])):
            raise UsageError(f"column {column.name} is {known[column.name]}: the model takes a number")


def _check_model(config: ExplainRows, spec: TableSpec, model: Any) -> None:
    """Ask the model once, twice, and for the labels."""
    fitted = list(getattr(model, "feature_names_in_", ()))
    names = [column.name for column in spec.columns]
    if fitted and fitted != names:
        missing = [name for name in fitted if name not in names]
        what = f"lacks {', '.join(missing)}" if missing else "has another order"
        raise UsageError(f"explain_rows.features {what}: the model takes {', '.join(fitted)}")
    try:
        engine = build_engine(replace(config, num_samples=64, banks=1), model, spec)
        values = engine.hood.draw(64, config.seed).values[1:]
        if config.missing == "bin":
            values[0, [column.missing > 0 for column in spec.columns]] = np.nan
        refuse_moods(answers(model), values)
    except (ValueError, TypeError) as error:
        raise UsageError(f"model {config.model.path}: cannot be asked: {first_line(error)}") from None
    if classifies(model) and not config.top_labels:
        classes = len(model.classes_)
        wrong = [label for label in config.labels if label >= classes]
        if wrong:
            raise UsageError(f"explain_rows.labels must be below {classes}, the model's classes; got {wrong[0]}")
