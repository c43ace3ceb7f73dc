"""The own keys of conf/explain_rows.yaml."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from msgspec import Meta

from lib.lime.engine import Metric
from lib.lime.linear import Selection
from lib.lime.neighborhood import Compat
from lib.lime.spec import Discretizer
from lib.lime.survey import Feature
from lib.model.files import ModelFile

Count = Annotated[int, Meta(ge=1)]
Positive = Annotated[float, Meta(gt=0)]
EngineName = Literal["bank", "per_row", "exact", "lime"]


@dataclass(frozen=True)
class ExplainRows:
    """Which model, of which columns, explained how."""

    model: ModelFile = field(default_factory=ModelFile)
    features: tuple[Feature, ...] = ()
    keys: tuple[str, ...] = ()
    training: tuple[str, ...] = ()
    training_rows: Count = 100_000
    training_label: str = ""
    labels: tuple[Annotated[int, Meta(ge=0)], ...] = (1,)
    top_labels: Annotated[int, Meta(ge=0)] = 0
    num_features: Count = 10
    num_samples: Annotated[int, Meta(ge=10)] = 5000
    feature_selection: Selection = "auto"
    kernel_width: Positive | None = None
    distance_metric: Metric = "euclidean"
    discretizer: Discretizer = "quartile"
    sample_around_instance: bool = False
    engine: EngineName = "bank"
    banks: Count = 1
    seed: Annotated[int, Meta(ge=0, lt=1 << 32)] = 0
    compat: Compat = "fixed"
    missing: Literal["error", "bin"] | None = None
    std_error: bool = True
    stability_z: Annotated[float, Meta(ge=0)] = 1.645
    pages: Annotated[int, Meta(ge=0)] = 20
    chosen: tuple[str, ...] = ()
    points: bool = False
    spec: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        around = self.sample_around_instance
        if around and self.discretizer == "none" and self.engine not in ("per_row", "lime"):
            raise ValueError(f"sample_around_instance needs engine per_row or lime, got {self.engine}")
        if self.missing == "bin" and self.discretizer == "none":
            raise ValueError("missing: bin needs a discretizer, got none")
        if self.engine == "exact" and self.discretizer == "none":
            raise ValueError("engine exact needs a discretizer, got none")
        if self.banks > 1 and self.engine != "bank":
            raise ValueError(f"banks needs engine bank, got {self.engine}")
        if self.chosen and not self.keys:
            raise ValueError("chosen names rows by the first of keys, which is empty")
        if self.points and self.engine not in ("bank", "per_row"):
            raise ValueError(f"points needs engine bank or per_row, got {self.engine}")
