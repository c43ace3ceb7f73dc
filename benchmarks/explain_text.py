"""CPU milliseconds a text on one core, without Spark: explain_text against lime_text, and what the draws cost.

python -m benchmarks.explain_text [--texts N] [--by-lime N]
"""

# ruff: noqa: E402

from __future__ import annotations

import os

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):  # a task has one core, on both sides
    os.environ[name] = "1"

import argparse
import time
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from lime.lime_text import LimeTextExplainer

from lib.lime.text import ExplainText, make_kernel, prepare
from lib.model.files import load

SAMPLE = Path(__file__).resolve().parent.parent / "samples" / "explain_text" / "reviews.parquet"


def milliseconds(work: Callable[[], object]) -> float:
    """CPU of this process."""
    before = time.process_time()
    work()
    return (time.process_time() - before) * 1000


def main() -> None:
    """Print three lines."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--texts", type=int, default=100, help="of the bundled ones")
    parser.add_argument("--by-lime", type=int, default=20, help="of these")
    given = parser.parse_args()
    config = prepare(ExplainText(), [str(SAMPLE)])
    rows = pq.read_table(SAMPLE).slice(0, given.texts).combine_chunks().to_batches()[0].to_struct_array()
    kernel, batch = make_kernel(config), pa.record_batch([rows], names=["row"])
    first, again = (milliseconds(lambda: kernel(batch)) for _ in range(2))
    model, texts = load(config.model), rows.field(config.text).to_pylist()[: given.by_lime]
    explainer = LimeTextExplainer(random_state=0)
    by_lime = milliseconds(lambda: [explainer.explain_instance(text, model.predict_proba) for text in texts])
    print(f"explain_text: {again / len(rows):.1f} ms a text")
    print(f"lime_text: {by_lime / len(texts):.1f} ms a text")
    print(f"the draws, once a process: {(first - again) / 1000:.1f} s for the first {len(rows)} texts")


if __name__ == "__main__":
    main()
