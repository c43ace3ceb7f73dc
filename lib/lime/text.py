"""LIME for texts: words are the features, a point is the text without some of them, in lime_text's random stream."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pyarrow as pa
from msgspec import Meta
from scipy import sparse
from sklearn.metrics import pairwise_distances
from threadpoolctl import threadpool_limits

from lib.errors import UsageError
from lib.job import Kernel
from lib.lime.engine import Ask, Explained, Local, explain_block
from lib.lime.linear import Floats, Selection
from lib.lime.options import Count, Positive
from lib.lime.sampled import root_weights
from lib.lime.survey import first_fields
from lib.model.ask import classifies, first_line, refuse_moods
from lib.model.files import ModelFile, by_manifest, load, sealed
from lib.records import ROW, Status, column

BUNDLED = Path(__file__).resolve().parent.parent.parent / "samples" / "models" / "reviews" / "manifest.json"
WEIGHT = pa.struct([("word", pa.string()), ("weight", pa.float64()), ("std_error", pa.float64())])
EXPLANATION = pa.struct(
    [
        ("label", pa.int32()),
        ("class", pa.string()),
        ("local_prediction", pa.float64()),
        ("intercept", pa.float64()),
        ("r2", pa.float64()),
        ("top_k_stable", pa.bool_()),
        ("weights", pa.list_(WEIGHT)),
    ]
)
RECORD_SCHEMA = pa.schema([ROW])
OUTPUT_SCHEMA = pa.schema(
    [
        column("keys", pa.list_(pa.string()), "the values of the columns that `keys` names, as text"),
        column("predicted_class", pa.string(), "the class of the highest probability"),
        column("probabilities", pa.list_(pa.float64()), "of each class, in the model's order"),
        column("words", pa.int32(), "distinct words of the text: the features"),
        column("explanations", pa.list_(EXPLANATION), "a local linear model for each label: weights by falling size"),
        column("model_sha256", pa.string(), "the model file"),
    ]
)


@dataclass(frozen=True)
class ExplainText:
    """Which pipeline, of which column, explained how."""

    model: ModelFile = field(default_factory=ModelFile)
    text: str = "text"
    keys: tuple[str, ...] = ()
    labels: tuple[Annotated[int, Meta(ge=0)], ...] = (1,)
    top_labels: Annotated[int, Meta(ge=0)] = 0
    num_features: Count = 10
    num_samples: Annotated[int, Meta(ge=10)] = 5000
    feature_selection: Selection = "auto"
    kernel_width: Positive = 25.0
    max_words: Count = 1000
    std_error: bool = True
    stability_z: Annotated[float, Meta(ge=0)] = 1.645
    seed: Annotated[int, Meta(ge=0, lt=1 << 32)] = 0


@dataclass(frozen=True)
class Words:
    """A text cut as lime_text cuts it: pieces, and for each distinct word the pieces that are it."""

    pieces: list[str]
    places: dict[str, list[int]]

    @classmethod
    def of(cls, text: str) -> Words:
        """Words are what \\W+ leaves between."""
        pieces = [piece for piece in re.split(r"(\W+)|$", text) if piece]
        places: dict[str, list[int]] = {}
        for i, piece in enumerate(pieces):
            if not re.match(r"(\W+)|$", piece):
                places.setdefault(piece, []).append(i)
        return cls(pieces, places)

    def without(self, keep: Any) -> str:
        """The text with the words that `keep` (one truth a word) does not keep taken out."""
        out = set()
        for kept, places in zip(keep, self.places.values(), strict=True):
            if not kept:
                out.update(places)
        return "".join(piece for i, piece in enumerate(self.pieces) if i not in out)


@lru_cache(maxsize=64)
def masks(words: int, points: int, seed: int, kernel_width: float) -> tuple[Floats, Floats]:
    """(points - 1) x words of 0 and 1, and the roots of their weights: alike for all texts of so many words."""
    random = np.random.RandomState(seed)
    kept = np.ones((points - 1, words))
    for row, size in zip(kept, random.randint(1, words + 1, points - 1), strict=True):
        row[random.choice(words, size, replace=False)] = 0
    count = pairwise_distances(np.tri(words + 1, words, -1), np.ones((1, words)), metric="cosine").ravel() * 100
    return kept, root_weights(count, kernel_width)[kept.sum(axis=1).astype(int)]


def masked(model: Any) -> Callable[[Words, Floats], Floats]:
    """Probabilities of a text without some of its words, for each of many masks.

    Where the pipeline begins with a bag of single words, a masked text's counts are the mask times the words' counts:
    the text is never put together again.
    """
    first: Any = model.steps[0][1] if hasattr(model, "steps") else None
    bag = getattr(first, "analyzer", None) == "word" and getattr(first, "ngram_range", None) == (1, 1)
    analyze = first.build_analyzer() if bag and hasattr(first, "vocabulary_") else None

    def ask(words: Words, kept: Floats) -> Floats:
        counts = _counts(first, analyze, words) if analyze else None
        if counts is None:
            return np.asarray(model.predict_proba([words.without(mask) for mask in kept]))
        bags = sparse.csr_matrix(sparse.csr_matrix(kept) @ counts)
        if first.binary:
            bags.data[:] = 1
        bags.sort_indices()
        bags = bags.astype(first.dtype)
        return np.asarray(model[1:].predict_proba(first._tfidf.transform(bags) if hasattr(first, "_tfidf") else bags))

    return ask


def _counts(first: Any, analyze: Any, words: Words) -> Any:
    """Words x vocabulary; None where the vectoriser does not see the text as the sum of its words."""
    each = [Counter(analyze(word)) for word in words.places]
    together: Counter[str] = Counter()
    for found, places in zip(each, words.places.values(), strict=True):
        for token, n in found.items():
            together[token] += n * len(places)
    if together != Counter(analyze("".join(words.pieces))):
        return None
    known = [
        (i, first.vocabulary_[token], n * len(places))
        for i, (found, places) in enumerate(zip(each, words.places.values(), strict=True))
        for token, n in found.items() if token in first.vocabulary_
    ]  # fmt: skip
    rows, columns, values = zip(*known, strict=True) if known else ((), (), ())
    return sparse.csr_matrix((values, (rows, columns)), (len(each), len(first.vocabulary_)), dtype=float)


def explain(
    words: Words, ask_model: Callable[[Words, Floats], Floats], config: ExplainText
) -> tuple[Floats, Explained]:
    """The model's probabilities of the whole text, and the local models of the labels asked for."""
    d = len(words.places)
    kept, root = masks(d, config.num_samples, config.seed, config.kernel_width)
    said = ask_model(words, np.concatenate([np.ones((1, d)), kept]))
    shift = said[1:].mean(axis=0)
    scaled = np.concatenate([kept.T, np.ones((1, len(kept))), (said[1:] - shift).T]) * root
    local = Local(scaled, np.ones(d), shift)
    ask = Ask(config.num_features, config.num_samples, config.feature_selection, config.kernel_width,
              std_error=config.std_error, stability_z=config.stability_z)  # fmt: skip
    return said[0], explain_block(lambda _: local, said[:1], np.array([labels_of(said[0], config)]), ask, 1)


def labels_of(probabilities: Floats, config: ExplainText) -> list[int]:
    """The labels asked for, or the likeliest ones first."""
    if config.top_labels:
        likeliest: list[int] = np.argsort(probabilities)[::-1][: config.top_labels].tolist()
        return likeliest
    return list(config.labels)


def prepare(config: ExplainText, inputs: Sequence[str], prefix: str = "") -> ExplainText:
    """Check the model at the door. Raises UsageError."""
    named = config.model if config.model.path else by_manifest(config.model, BUNDLED, "explain_text")[0]
    model_file = sealed(named, "explain_text")
    model = load(model_file)
    if not classifies(model):
        raise UsageError("explain_text: the model gives no probabilities (predict_proba)")
    wrong = [label for label in config.labels if not config.top_labels and label >= len(model.classes_)]
    if wrong:
        raise UsageError(f"explain_text.labels must be below {len(model.classes_)}; got {wrong[0]}")
    try:
        refuse_moods(model.predict_proba, ["one text", "and another"])
    except (ValueError, TypeError, AttributeError) as error:
        raise UsageError(f"model {named.path}: cannot be asked about texts: {first_line(error)}") from None
    fields = [field.name for field in first_fields(inputs, prefix)]
    if missing := [name for name in (config.text, *config.keys) if fields and name not in fields]:
        raise UsageError(f"the input has no column {', '.join(missing)}; it has {', '.join(fields)}")
    return replace(config, model=model_file)


def make_kernel(config: ExplainText) -> Kernel:
    """Texts to explanations."""
    threadpool_limits(1)
    model = load(config.model)
    ask_model, classes = masked(model), [str(c) for c in model.classes_]

    def row(values: dict[str, Any] | None) -> dict[str, Any]:
        keys = [str((values or {}).get(key)) for key in config.keys] or None
        out = {"keys": keys, "model_sha256": config.model.sha256, "status": Status.OK.value}
        text = (values or {}).get(config.text)
        if not isinstance(text, str):
            return out | _failed("missing_value" if text is None else "wrong_type", f"{config.text}: expected text")
        words = Words.of(text)
        if not 0 < len(words.places) <= config.max_words:
            return out | _failed("missing_value" if not words.places else "oversize", f"{len(words.places)} words")
        said, found = explain(words, ask_model, config)
        names = list(words.places)
        return out | {
            "predicted_class": classes[int(said.argmax())], "probabilities": said.tolist(), "words": len(names),
            "explanations": [
                _told(found, slot, label, classes, names) for slot, label in enumerate(labels_of(said, config))
            ],
        }  # fmt: skip

    schema = pa.schema([*OUTPUT_SCHEMA, *(pa.field(n, pa.string()) for n in ("status", "error_code", "error_detail"))])

    def kernel(batch: pa.RecordBatch) -> pa.RecordBatch:
        return pa.RecordBatch.from_pylist([row(values) for values in batch["row"].to_pylist()], schema=schema)

    return kernel


def _failed(code: str, detail: str) -> dict[str, str]:
    return {"status": Status.FAILED.value, "error_code": code, "error_detail": detail}


def _told(found: Explained, slot: int, label: int, classes: list[str], names: list[str]) -> dict[str, Any]:
    triples = zip(found.features[0, slot], found.weights[0, slot], found.std_errors[0, slot], strict=True)
    return {
        "label": label, "class": classes[label], "local_prediction": float(found.local_prediction[0, slot]),
        "intercept": float(found.intercept[0, slot]), "r2": float(found.r2[0, slot]),
        "top_k_stable": found.stable[0, slot],
        "weights": [
            {"word": names[j], "weight": float(w), "std_error": None if np.isnan(e) else float(e)}
            for j, w, e in triples if j >= 0
        ],
    }  # fmt: skip
