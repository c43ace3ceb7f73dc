"""From a config to a kernel: the engine is set up once a process, then rows become explanations."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from threadpoolctl import threadpool_limits

from lib.job import Kernel
from lib.lime.columns import OUTPUT_SCHEMA
from lib.lime.engine import Ask, Engine, Explained
from lib.lime.features import matrix
from lib.lime.linear import Floats, Ints
from lib.lime.neighborhood import Neighborhood
from lib.lime.options import ExplainRows
from lib.lime.sampled import Bank, PerRow
from lib.lime.spec import TableSpec
from lib.lime.tables import answer
from lib.lime.words import Words
from lib.model.ask import answers, classifies
from lib.model.files import load


@dataclass(frozen=True)
class Setup:
    """An engine, where its points come from, and what its weights are weights of."""

    engine: Engine
    hood: Neighborhood
    explained: str


def build_engine(config: ExplainRows, model: Any, spec: TableSpec) -> Setup:
    """Raises UsageError where the engine cannot explain this model."""
    hood = Neighborhood(spec, config.discretizer, config.compat, config.missing == "bin")
    ask = Ask(
        config.num_features, config.num_samples, config.feature_selection, config.kernel_width,
        config.distance_metric, config.seed, config.std_error, config.stability_z,
    )  # fmt: skip
    kind = "probability" if classifies(model) else "value"
    if config.engine == "bank":
        return Setup(Bank(hood, answers(model), ask, config.banks), hood, kind)
    if config.engine == "per_row":
        return Setup(PerRow(hood, answers(model), ask, config.sample_around_instance), hood, kind)
    if config.engine == "lime":
        from lib.lime.library import Library

        return Setup(Library(hood, spec, model, ask, config.sample_around_instance), hood, kind)
    from lib.lime.exact import exact_engine

    exact = exact_engine(hood, model, ask)
    return Setup(exact, hood, exact.explained)


def make_kernel(config: ExplainRows) -> Kernel:
    """Rows to explanations."""
    # One thread: a task has one core, and BLAS sums in another order with several.
    threadpool_limits(1)
    model = load(config.model)
    spec = TableSpec.from_plain(config.spec)
    setup = build_engine(config, model, spec)
    ask_model = answers(model)
    words = Words(config, spec, setup.hood, [str(c) for c in getattr(model, "classes_", ())], setup.explained)

    def kernel(batch: pa.RecordBatch) -> pa.RecordBatch:
        if not batch.num_rows:
            return pa.RecordBatch.from_pylist([], schema=OUTPUT_SCHEMA)
        values, failures = matrix(batch["row"], spec.columns, config.missing == "bin")
        good = np.array([i for i in range(len(values)) if i not in failures], np.int64)
        outputs, explained = _blocks(setup.engine, ask_model, values[good], config)
        return answer(words, batch, values, good, outputs, explained, failures)

    return kernel


def _blocks(
    engine: Engine, ask_model: Any, values: Floats, config: ExplainRows
) -> tuple[Floats, list[tuple[Ints, Explained]]]:
    """Explain in blocks of one length, the last filled up with its first row: a row never sees its batch's size."""
    outputs, explained = [], []
    for start in range(0, len(values), engine.block_rows):
        real = values[start : start + engine.block_rows]
        block = np.concatenate([real, np.repeat(real[:1], engine.block_rows - len(real), axis=0)])
        said = ask_model(block)
        labels = _labels(said, config)
        outputs.append(said[: len(real)])
        explained.append((labels[: len(real)], engine.explain(block, said, labels, len(real))))
    return np.concatenate(outputs) if outputs else np.empty((0, 1)), explained


def _labels(outputs: Floats, config: ExplainRows) -> Ints:
    """B x L: the labels asked for, or the likeliest ones first."""
    if outputs.shape[1] == 1:
        return np.zeros((len(outputs), 1), np.int64)
    if config.top_labels:
        return np.argsort(outputs, axis=1)[:, ::-1][:, : config.top_labels]
    return np.tile(np.array(config.labels, np.int64), (len(outputs), 1))
