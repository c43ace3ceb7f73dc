"""A table to a boosted model that explain_rows can take: fitted, measured, and described by a manifest."""

from __future__ import annotations

from lib.job import Task
from lib.model.options import TrainModel
from lib.model.train import run

TASK = Task(
    name="train_model",
    summary="Fit a gradient boosting model to a table, and describe it for explain_rows.",
    config_type=TrainModel,
    run=run,
)
