"""Words explain texts as lime_text says, whichever way the model is asked."""

import hashlib
from pathlib import Path

import joblib
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from lime.lime_text import LimeTextExplainer
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from lib.errors import UsageError
from lib.lime.text import ExplainText, Words, explain, labels_of, make_kernel, masked, prepare
from lib.model.files import ModelFile

GOOD, BAD = "good fine great happy The sun", "bad awful the dull sad rain"
TEXTS = [f"{a} {b} day, with {c}!" for a in GOOD.split() for b in ("a", "long") for c in GOOD.split()]
TEXTS += [f"{a} {b} day; without {c}" for a in BAD.split() for b in ("a", "long") for c in BAD.split()]
LABELS = [1] * (len(TEXTS) // 2) + [0] * (len(TEXTS) // 2)
TEXT = "The good sun, the bad rain: a great day"


@pytest.mark.parametrize(
    "vectoriser", [TfidfVectorizer(), CountVectorizer(binary=True), TfidfVectorizer(ngram_range=(1, 2))]
)
@pytest.mark.parametrize("k", [3, 8])
def test_weights_are_those_of_lime_text(vectoriser, k: int) -> None:
    model = make_pipeline(vectoriser, LogisticRegression()).fit(TEXTS, LABELS)
    words = Words.of(TEXT)

    _, mine = explain(words, masked(model), ExplainText(num_features=k, num_samples=300, seed=5))
    told = LimeTextExplainer(random_state=5).explain_instance(
        TEXT, model.predict_proba, num_features=k, num_samples=300
    )

    names = list(words.places)
    found = {names[j]: w for j, w in zip(mine.features[0, 0], mine.weights[0, 0], strict=True)}
    known = dict(told.as_list())
    assert set(found) == set(known)
    np.testing.assert_allclose([found[w] for w in known], list(known.values()), rtol=1e-9, atol=1e-12)
    assert abs(mine.r2[0, 0] - told.score) < 1e-9


def test_the_bundled_model_explains_the_bundled_reviews() -> None:
    folder = Path(__file__).parents[2] / "samples" / "explain_text"
    texts = pq.read_table(f"{folder}/reviews.parquet")[:3].to_struct_array().combine_chunks()

    config = prepare(ExplainText(keys=("id",), num_samples=500), [str(folder)])
    row = make_kernel(config)(pa.record_batch([texts], names=["row"])).to_pylist()[0]

    assert (row["keys"], row["predicted_class"], row["status"]) == (["33_7"], "complaint", "ok")
    assert row["explanations"][0]["weights"][0]["word"] == "difference"
    assert row["explanations"][0]["weights"][0]["weight"] > 0.1


def test_a_column_that_is_not_there_is_named_at_the_door() -> None:
    folder = str(Path(__file__).parents[2] / "samples" / "explain_text")

    with pytest.raises(UsageError, match="the input has no column review; it has id, text, rating"):
        prepare(ExplainText(text="review"), [folder])


def test_the_door_looks_up_the_first_table_only() -> None:
    folder = str(Path(__file__).parents[2] / "samples" / "explain_text")

    with pytest.raises(UsageError, match="the input has no column review"):
        prepare(ExplainText(text="review"), [folder, "file:///nowhere/at/all"])


def test_the_lines_of_a_list_start_at_the_prefix(tmp_path: Path) -> None:
    (tmp_path / "rows.paths").write_text("reviews.parquet\n")
    mirror = f"file://{Path(__file__).parents[2]}/samples/explain_text"

    with pytest.raises(UsageError, match="the input has no column review; it has id, text, rating"):
        prepare(ExplainText(text="review"), [f"{tmp_path}/rows.paths"], mirror)


def test_a_model_of_tables_cannot_be_asked_about_texts(tmp_path: Path) -> None:
    joblib.dump(LogisticRegression().fit([[0.0], [1.0]], [0, 1]), tmp_path / "m.joblib")
    digest = hashlib.sha256((tmp_path / "m.joblib").read_bytes()).hexdigest()

    with pytest.raises(UsageError, match="cannot be asked about texts: "):
        prepare(ExplainText(ModelFile(path=f"{tmp_path}/m.joblib", sha256=digest)), [])


def test_a_word_is_taken_out_wherever_it_stands() -> None:
    words = Words.of("to be, or not to be")

    assert words.without([False, True, True, True]) == " be, or not  be"


def test_top_labels_are_the_likeliest_classes_of_the_text() -> None:
    model = make_pipeline(CountVectorizer(), LogisticRegression()).fit(TEXTS, LABELS)

    said, found = explain(Words.of("awful rain"), masked(model), ExplainText(top_labels=2, num_samples=50))

    assert labels_of(said, ExplainText(top_labels=2)) == [0, 1]
    weights = found.weights[0][np.arange(2)[:, None], np.argsort(found.features[0], axis=1)]
    np.testing.assert_allclose(weights[0], -weights[1])
    assert weights[0].min() > 0
