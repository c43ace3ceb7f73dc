"""Write explain_text's bundled sample and model again: sentences of product reviews, and whether they praise.

python -m benchmarks.make_text_model vaderSentiment-3.3.2.tar.gz

The archive is the source distribution of that version: 3,708 sentences, each rated by ten people from -4 to 4.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path

import joblib
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import sklearn
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

SAMPLES = Path(__file__).resolve().parent.parent / "samples"
INNER, FILE = "additional_resources/hutto_ICWSM_2014.tar.gz", "hutto_ICWSM_2014/amazonReviewSnippets_GroundTruth.txt"
CLEAR = 0.5  # of the mean rating: sentences nearer to 0 say neither
HELD_OUT = 200


def main() -> int:
    """Fit on all clear sentences but those with the smallest hashes, which become the sample."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("archive", type=Path)
    rated = [row for row in sentences(parser.parse_args().archive) if abs(row[1]) > CLEAR]
    rated.sort(key=lambda row: hashlib.sha256(row[0].encode()).digest())
    held_out, seen = rated[:HELD_OUT], rated[HELD_OUT:]
    model = make_pipeline(TfidfVectorizer(min_df=3, sublinear_tf=True), LogisticRegression(C=10, max_iter=1000))
    model.fit([text for _, _, text in seen], praises(seen))
    right = model.predict([text for _, _, text in held_out]) == praises(held_out)
    praised = np.mean(praises(held_out) == "praise")
    print(f"fitted on {len(seen)}; of {HELD_OUT} held out {np.mean(right):.3f} right, {praised:.3f} praise")
    write_sample(SAMPLES / "explain_text", held_out)
    write_model(SAMPLES / "models" / "reviews", model, len(seen))
    return 0


def sentences(archive: Path) -> Iterator[tuple[str, float, str]]:
    """Name, mean rating and text of each."""
    with tarfile.open(archive) as outer:
        inner = outer.extractfile(f"vaderSentiment-3.3.2/{INNER}")
        assert inner is not None
        with tarfile.open(fileobj=io.BytesIO(inner.read())) as files:
            lines = files.extractfile(FILE)
            assert lines is not None
            for line in io.TextIOWrapper(lines, encoding="utf-8"):
                name, rating, text = line.rstrip("\n").split("\t")
                yield name, float(rating), text


def praises(rows: list[tuple[str, float, str]]) -> np.ndarray:
    """The label of each."""
    return np.where([rating > 0 for _, rating, _ in rows], "praise", "complaint")


def write_sample(folder: Path, rows: list[tuple[str, float, str]]) -> None:
    """As a table."""
    folder.mkdir(parents=True, exist_ok=True)
    names, ratings, texts = zip(*rows, strict=True)
    pq.write_table(pa.table({"id": names, "text": texts, "rating": ratings}), folder / "reviews.parquet")


def write_model(folder: Path, model: object, rows: int) -> None:
    """With the manifest that explain_text goes by."""
    folder.mkdir(parents=True, exist_ok=True)
    joblib.dump(model, folder / "model.joblib", compress=("zlib", 9))
    manifest = {
        "model": {
            "path": "model.joblib", "format": "joblib", "type": type(model).__name__,
            "sha256": hashlib.sha256((folder / "model.joblib").read_bytes()).hexdigest(),
            "classes": ["complaint", "praise"],
        },
        "sample": {"rows": rows},
        "versions": {"scikit-learn": sklearn.__version__, "numpy": np.__version__},
    }  # fmt: skip
    (folder / "manifest.json").write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
