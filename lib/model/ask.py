"""Asking a fitted model, and finding out whether it answers twice alike."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lib.errors import UsageError

Floats = NDArray[np.float64]


def classifies(model: Any) -> bool:
    """Whether the model has classes and probabilities. Raises UsageError for one that has neither these nor values."""
    if hasattr(model, "predict_proba"):
        return True
    if hasattr(model, "classes_"):
        raise UsageError(f"model: {type(model).__name__} gives no probabilities (predict_proba)")
    if not hasattr(model, "predict"):
        raise UsageError(f"model: {type(model).__name__} is no fitted model: it has no predict")
    return False


def answers(model: Any) -> Callable[[Floats], Floats]:
    """m x d values to m x o outputs: probabilities of the classes, or one value."""
    ask = model.predict_proba if classifies(model) else model.predict

    def outputs(values: Floats) -> Floats:
        with warnings.catch_warnings():
            # Columns come in the model's own order; it need not see their names.
            warnings.filterwarnings("ignore", message="X does not have valid feature names")
            return np.asarray(ask(values), float).reshape(len(values), -1)

    return outputs


def refuse_moods(ask: Callable[[Any], Floats], values: Any) -> None:
    """Raise UsageError if the same values get another answer the second time."""
    if not np.array_equal(ask(values), ask(values), equal_nan=True):
        raise UsageError("model: answers the same rows differently the second time; an explanation would be noise")


def first_line(error: Exception) -> str:
    """scikit-learn's errors end in paragraphs of advice."""
    return str(error).splitlines()[0] if str(error) else type(error).__name__
