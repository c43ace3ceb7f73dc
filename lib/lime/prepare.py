"""At the door of explain_rows: the model's file, its features and what they look like, or one line that says no."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec

from lib import storage
from lib.errors import UsageError
from lib.lime.explainer import build_engine
from lib.lime.options import ExplainRows
from lib.lime.spec import Discretizer, TableSpec
from lib.lime.survey import Feature, Question, Sample, Tables, census, guessed, look, named, sample
from lib.model.ask import answers, classifies, refuse_moods
from lib.model.files import by_manifest, load, sealed
from lib.scatter import here

BUNDLED = Path(__file__).resolve().parent.parent.parent / "samples" / "models" / "breast_cancer" / "manifest.json"


def prepare(config: ExplainRows, inputs: Sequence[str]) -> ExplainRows:
    """Find and check everything that the config names. Raises UsageError."""
    if not config.model.path:
        config = _by_manifest(config)
    config = replace(config, model=sealed(config.model, "explain_rows"))
    model = load(config.model)
    if not config.spec:
        config = _by_table(config, model, config.training or tuple(inputs))
    _check(config, model)
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


def _by_table(config: ExplainRows, model: Any, inputs: Sequence[str]) -> ExplainRows:
    """Survey the training table, or else the input itself."""
    names = [f.name for f in config.features] or list(getattr(model, "feature_names_in_", ()))
    width = getattr(model, "n_features_in_", None)
    tables = Tables(
        inputs, [*names, *([config.training_label] if config.training_label else [])] if names else (), here
    )
    features = config.features or guessed([f for f in tables.fields if f.name not in config.keys], names)
    if width is not None and width != len(features):
        raise UsageError(
            f"explain_rows.features: the model takes {width}, there are {len(features)}: "
            f"{', '.join(f.name for f in features)}"
        )
    if config.discretizer == "entropy" and not config.training_label:
        raise UsageError("explain_rows.training_label must name a column: discretizer entropy cuts by it")
    question = Question(features, config.training_label)
    looked = look(tables, question)
    features = named(features, looked)
    drawn = sample(tables, replace(question, features=features), looked, config.training_rows)
    spec = census(tables, features, looked, drawn, _wanted(config.discretizer), _labels(config, drawn))
    return replace(config, features=features, spec=spec.plain())


def _wanted(discretizer: Discretizer) -> tuple[Discretizer, ...]:
    return () if discretizer == "none" else (discretizer,)


def _labels(config: ExplainRows, drawn: Sample) -> Any:
    return drawn.labels.astype(str) if config.discretizer == "entropy" else None


def _check(config: ExplainRows, model: Any) -> None:
    """Ask the model once, twice, and for the labels."""
    spec = TableSpec.from_plain(config.spec)
    fitted = list(getattr(model, "feature_names_in_", ()))
    names = [column.name for column in spec.columns]
    if fitted and fitted != names:
        missing = [name for name in fitted if name not in names]
        what = f"lacks {', '.join(missing)}" if missing else "has another order"
        raise UsageError(f"explain_rows.features {what}: the model takes {', '.join(fitted)}")
    engine = build_engine(replace(config, num_samples=64, banks=1), model, spec)
    values = engine.hood.draw(64, config.seed).values[1:]
    try:
        refuse_moods(answers(model), values)
    except ValueError as error:
        raise UsageError(f"model {config.model.path}: cannot be asked: {error}") from None
    if classifies(model) and not config.top_labels:
        classes = len(model.classes_)
        wrong = [label for label in config.labels if label >= classes]
        if wrong:
            raise UsageError(f"explain_rows.labels must be below {classes}, the model's classes; got {wrong[0]}")
