"""The keys of conf/train_model.yaml."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from msgspec import Meta

from lib.lime.survey import Feature

Count = Annotated[int, Meta(ge=1)]
Share = Annotated[float, Meta(gt=0, lt=1)]


@dataclass(frozen=True)
class TrainModel:
    """Which columns, how many rows, what kind of boosting."""

    label: str = "diagnosis"
    task: Literal["auto", "classification", "regression"] = "auto"
    features: tuple[Feature, ...] = ()
    exclude: tuple[str, ...] = ("id",)
    key: str = ""
    max_rows: Count = 1_000_000
    class_floor: Annotated[int, Meta(ge=0)] = 1000
    model: Literal["hist_gradient_boosting", "gradient_boosting"] = "hist_gradient_boosting"
    max_iter: Count = 100
    learning_rate: Annotated[float, Meta(gt=0)] = 0.1
    max_depth: Count | None = None
    subsample: Annotated[float, Meta(gt=0, le=1)] = 1.0
    validation_fraction: Share = 0.2
    n_iter_no_change: Count | None = None
    tol: Annotated[float, Meta(ge=0)] = 1e-4
    leaf_rows: Annotated[int, Meta(ge=0)] = 0
    seed: Annotated[int, Meta(ge=0, lt=1 << 32)] = 0

    def __post_init__(self) -> None:
        if self.subsample < 1 and self.model != "gradient_boosting":
            raise ValueError(f"subsample needs model gradient_boosting, got {self.model}")
        if self.leaf_rows and self.model != "gradient_boosting":
            raise ValueError(f"leaf_rows needs model gradient_boosting, got {self.model}")
