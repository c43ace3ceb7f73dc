"""The columns of explain_rows."""

from __future__ import annotations

import pyarrow as pa

from lib.records import ROW, column

RECORD_SCHEMA = pa.schema([ROW])

WEIGHT = pa.struct(
    [
        ("feature", pa.string()),
        ("feature_index", pa.int32()),
        ("condition", pa.string()),
        ("value", pa.string()),
        ("weight", pa.float64()),
        ("std_error", pa.float64()),
    ]
)
EXPLANATION = pa.struct(
    [
        ("label", pa.int32()),
        ("class", pa.string()),
        ("local_prediction", pa.float64()),
        ("intercept", pa.float64()),
        ("r2", pa.float64()),
        ("n_samples", pa.int64()),
        ("top_k_stable", pa.bool_()),
        ("weights", pa.list_(WEIGHT)),
    ]
)
OUTPUT_SCHEMA = pa.schema(
    [
        column("keys", pa.list_(pa.string()), "the values of the columns that `keys` names, as text"),
        column("prediction", pa.float64(), "what a regression model says; null for classes"),
        column("predicted_class", pa.string(), "the class of the highest probability; null for a regression"),
        column("probabilities", pa.list_(pa.float64()), "of each class, in the model's order"),
        column("explanations", pa.list_(EXPLANATION), "a local linear model for each label: weights by falling size"),
        column(
            "warnings",
            pa.list_(pa.string()),
            "low_fit; and by feature unseen_category, outside_training, degenerate_bin, missing",
        ),
        column("explained", pa.string(), "what the weights add up in: probability, value or log_odds"),
        column("compat", pa.string(), "fixed, or lime: with the library's own error in bins of one value"),
        column("model_sha256", pa.string(), "the model file"),
        column("spec_id", pa.string(), "what the points were drawn from"),
        column("seed", pa.int64(), "what they were drawn with"),
    ]
)
