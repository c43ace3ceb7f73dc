"""CPU milliseconds a row: our kernel against lime, interleaved. Run: python benchmarks/explain_rows.py [repeats]"""

# ruff: noqa: E402, B023

from __future__ import annotations

import os

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ[name] = "1"

import hashlib
import statistics
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import joblib
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from lime.lime_tabular import LimeTabularExplainer
from sklearn.datasets import make_classification
from sklearn.ensemble import GradientBoostingClassifier, RandomForestClassifier

from lib.lime.explainer import make_kernel
from lib.lime.options import ExplainRows
from lib.lime.prepare import prepare
from lib.model.files import ModelFile

ROWS, LIME_ROWS = 512, 1


def cpu_ms(work, rows):
    began = time.process_time()
    work()
    return (time.process_time() - began) / rows * 1e3


def main(repeats: int) -> None:
    for d in (10, 30, 100):
        x, y = make_classification(2000, d, n_informative=min(8, d), random_state=0)
        for model in (GradientBoostingClassifier(random_state=0), RandomForestClassifier(random_state=0)):
            model.fit(x, y)
            with tempfile.TemporaryDirectory() as folder:
                joblib.dump(model, f"{folder}/m.joblib")
                digest = hashlib.sha256(Path(f"{folder}/m.joblib").read_bytes()).hexdigest()
                table = pa.table({f"x{j}": x[:, j] for j in range(d)})
                pq.write_table(table, f"{folder}/t.parquet")
                batch = pa.record_batch([table.slice(0, ROWS).to_struct_array().combine_chunks()], names=["row"])
                explainer = LimeTabularExplainer(x, training_labels=y, random_state=0)
                for k in (5, 10):
                    kernels = {}
                    for doubts in (False, True):
                        config = ExplainRows(
                            model=ModelFile(path=f"{folder}/m.joblib", sha256=digest), num_features=k,
                            std_error=doubts, stability_z=1.645 * doubts,
                        )  # fmt: skip
                        kernels[doubts] = make_kernel(prepare(config, [f"{folder}/t.parquet"]))
                    times = {"lime": [], False: [], True: []}
                    for i in range(repeats):
                        times["lime"].append(
                            cpu_ms(lambda i=i, k=k: explainer.explain_instance(
                                x[i], model.predict_proba, num_features=k), LIME_ROWS)
                        )  # fmt: skip
                        for doubts, kernel in kernels.items():
                            times[doubts].append(cpu_ms(lambda kernel=kernel: kernel(batch), ROWS))
                    lime, plain, full = (statistics.median(times[key]) for key in ("lime", False, True))
                    floor = _syrk_ms(d + 2)
                    print(f"{type(model).__name__:27s} d={d:3d} k={k:2d}: lime {lime:8.1f} ms, ours {plain:6.3f} "
                          f"({lime / plain:5.0f}x), with doubts {full:6.3f} ({lime / full:5.0f}x), "
                          f"dsyrk floor {floor:.3f}", flush=True)  # fmt: skip


def _syrk_ms(width: int, points: int = 4999) -> float:
    a = np.random.default_rng(0).random((width, points))
    return statistics.median(cpu_ms(lambda: [a @ a.T for _ in range(50)], 50) for _ in range(3))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 5)
