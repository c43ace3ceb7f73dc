"""CPU milliseconds a row in Spark: this job against lime in a plain Python UDF; memory at 300 features.

python -m benchmarks.explain_rows [--repeats N] [--scale X] [--only MODEL]

Prints a Markdown table; "with doubts" are standard errors and stability, "dsyrk" one Gram matrix by BLAS.

Both sides run on local[1] of one session, interleaved; CPU seconds are those of the whole process tree, JVM included.
Each is run with few rows and with many, and the difference is divided by the rows between: starting a task, loading the
model and asking it about the shared points (once a process) are not in the figures, but for the column `start`.
"""

# ruff: noqa: E402

from __future__ import annotations

import os

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):  # a task has one core, on both sides
    os.environ[name] = "1"

import argparse
import hashlib
import json
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import joblib
import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from sklearn.datasets import make_classification
from sklearn.ensemble import GradientBoostingClassifier, RandomForestClassifier

from benchmarks.measure import cpu_seconds
from lib.lime.options import ExplainRows
from lib.lime.prepare import prepare
from lib.model.files import ModelFile
from lib.options import RunOptions
from lib.request import Request
from lib.spark.run import execute
from lib.spark.session import local_session

MASTER, POINTS, FEW = "local[1]", 5000, 256
MODELS = {"GradientBoosting": GradientBoostingClassifier, "RandomForest": RandomForestClassifier}
CHOSEN = (5, 10)
# Some seconds of work on each side: rows for this job by d (half of them with doubts), for lime by d and num_features.
OURS = {10: 8192, 30: 8192, 100: 1536}
LIME = {(10, 5): 40, (10, 10): 100, (30, 5): 20, (30, 10): 100, (100, 5): 5, (100, 10): 40}


@dataclass(frozen=True)
class Case:
    """A fitted model with its training table, in `folder`."""

    folder: Path
    d: int
    sha256: str

    @classmethod
    def make(cls, folder: Path, d: int, kind: Any) -> Case:
        """2,000 rows, at most 8 informative columns."""
        x, y = make_classification(2000, d, n_informative=min(8, d), random_state=0)
        joblib.dump(kind(random_state=0).fit(x, y), folder / "model.joblib")
        np.savez(folder / "training.npz", x=x, y=y)
        case = cls(folder, d, hashlib.sha256((folder / "model.joblib").read_bytes()).hexdigest())
        case.rows(len(x))
        return case

    def rows(self, count: int) -> str:
        """The path of a table of so many rows: the training table, as often as it takes."""
        path = self.folder / f"rows-{count}.parquet"
        if not path.exists():
            x = np.resize(np.load(self.folder / "training.npz")["x"], (count, self.d))
            pq.write_table(pa.table({f"x{j}": x[:, j] for j in range(self.d)}), path)
        return str(path)

    def config(self, num_features: int, doubts: bool) -> ExplainRows:
        """What the door would make of it; the points are drawn like the training table, whatever is explained."""
        asked = ExplainRows(
            model=ModelFile(path=str(self.folder / "model.joblib"), sha256=self.sha256), num_features=num_features,
            num_samples=POINTS, std_error=doubts, training=(self.rows(2000),),
        )  # fmt: skip
        return prepare(asked if doubts else replace(asked, stability_z=0.0), [])


def by_the_job(case: Case, config: ExplainRows, count: int) -> dict[str, Any]:
    """A run through the door's other side, as a user's; returns its report."""
    with tempfile.TemporaryDirectory() as folder:
        request = Request(
            "jobs.explain_rows", msgspec.to_builtins(asdict(config)), {"table": {}}, RunOptions(),
            (f"file://{case.rows(count)}",), f"file://{folder}/out", master=MASTER, quiet=True,
        )  # fmt: skip
        end = execute(request)
        assert (end.exit_code, end.summary["ok"]) == (0, count), end
        found: dict[str, Any] = json.loads(Path(folder, "out/_report.json").read_bytes())
        return found


def by_lime(case: Case, num_features: int, count: int) -> None:
    """What one writes without this job: the library in mapInArrow, weights to Parquet."""
    spark = local_session("explain_rows", MASTER, {})
    rows = spark.read.parquet(f"file://{case.rows(count)}").coalesce(1)
    told = rows.mapInArrow(lime_udf(str(case.folder), num_features), "features array<int>, weights array<double>")
    with tempfile.TemporaryDirectory() as folder:
        told.write.parquet(f"file://{folder}/out")
        assert pq.read_table(f"{folder}/out").num_rows == count


def lime_udf(folder: str, num_features: int) -> Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    """One explainer a task, one call a row."""

    def explain(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        from lime.lime_tabular import LimeTabularExplainer

        model, training = joblib.load(f"{folder}/model.joblib"), np.load(f"{folder}/training.npz")
        explainer = LimeTabularExplainer(training["x"], training_labels=training["y"], random_state=0)
        for batch in batches:
            told = [
                explainer.explain_instance(row, model.predict_proba, num_features=num_features, num_samples=POINTS)
                .local_exp[1]
                for row in np.column_stack([column.to_numpy() for column in batch.columns])
            ]  # fmt: skip
            yield pa.record_batch(
                [
                    pa.array([[int(j) for j, _ in one] for one in told], pa.list_(pa.int32())),
                    pa.array([[float(w) for _, w in one] for one in told], pa.list_(pa.float64())),
                ],
                names=["features", "weights"],
            )

    return explain


def spent(work: Callable[[], object]) -> float:
    """CPU seconds of the process tree."""
    before = cpu_seconds()
    work()
    time.sleep(0.3)  # for exits to be counted
    return cpu_seconds() - before


def measure(case: Case, repeats: int, scale: float) -> dict[int, dict[str, list[float]]]:
    """By number of chosen features: CPU milliseconds a row of each side and repeat, and those of a start."""
    many = max(4 * FEW, int(OURS[case.d] * scale))
    half = many // 2
    lime = {k: 1 + max(1, int(LIME[case.d, k] * scale)) for k in CHOSEN}
    plain = {k: case.config(k, doubts=False) for k in CHOSEN}
    runs: dict[str, Callable[[], object]] = {
        "few": lambda: by_the_job(case, plain[CHOSEN[0]], FEW),
        "lime few": lambda: by_lime(case, CHOSEN[0], 1),
    }
    for k in CHOSEN:
        runs[f"plain {k}"] = partial(by_the_job, case, plain[k], many)
        runs[f"full {k}"] = partial(by_the_job, case, case.config(k, doubts=True), half)
        runs[f"lime {k}"] = partial(by_lime, case, k, lime[k])
    found: dict[int, dict[str, list[float]]] = {k: {s: [] for s in ("start", "plain", "full", "lime")} for k in CHOSEN}
    chance = random.Random(1)
    for count in {FEW, half, many, 1, *lime.values()}:
        case.rows(count)
    for _ in range(repeats):
        once = {name: 1000 * spent(runs[name]) for name in chance.sample(list(runs), len(runs))}
        for k, sides in found.items():
            sides["plain"].append((once[f"plain {k}"] - once["few"]) / (many - FEW))
            sides["full"].append((once[f"full {k}"] - once["few"]) / (half - FEW))
            sides["lime"].append((once[f"lime {k}"] - once["lime few"]) / (lime[k] - 1))
            sides["start"].append(once["few"] - FEW * sides["plain"][-1])
    return found


def floor(d: int) -> float:
    """CPU milliseconds of one weighted Gram matrix of d features, one and two outputs, by BLAS (numpy calls dsyrk)."""
    a = np.random.default_rng(0).random((d + 3, POINTS - 1))
    times = []
    for _ in range(5):
        before = time.process_time()
        for _ in range(20):
            a @ a.T
        times.append((time.process_time() - before) / 20 * 1000)
    return statistics.median(times)


def main() -> None:
    """Print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=1, help="some 6 minutes each")
    parser.add_argument("--scale", type=float, default=1.0, help="of the numbers of rows")
    parser.add_argument("--only", choices=MODELS, help="one model instead of both")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        warm = Case.make(place(folder, "warm"), 10, MODELS["GradientBoosting"])
        by_the_job(warm, warm.config(5, doubts=True), FEW)
        by_lime(warm, 5, 1)
        print(
            "| model | features | chosen | lime ms | ours ms | ratio | with doubts ms | ratio | start ms | dsyrk ms |",
            flush=True,
        )
        print("|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|", flush=True)
        for name in [given.only] if given.only else MODELS:
            for d in OURS:
                case = Case.make(place(folder, f"{name}{d}"), d, MODELS[name])
                for k, found in measure(case, given.repeats, given.scale).items():
                    say(name, d, k, found)
        wide = Case.make(place(folder, "wide"), 300, MODELS["GradientBoosting"])
        peak = by_the_job(wide, wide.config(10, doubts=True), 256)["memory_peak_mb"]
    print(f"\nworker memory at 300 features, with doubts: {peak} MB (memory_peak_mb of the report)")


def place(folder: str, name: str) -> Path:
    """A new folder."""
    path = Path(folder, name)
    path.mkdir()
    return path


def say(name: str, d: int, k: int, found: dict[str, list[float]]) -> None:
    """One line: medians, and of ratios their range by repeat."""
    middle = {side: statistics.median(values) for side, values in found.items()}

    def ratio(side: str) -> str:
        by_round = [one / other for one, other in zip(found["lime"], found[side], strict=True)]
        spread = f" ({min(by_round):.0f}-{max(by_round):.0f})" if len(by_round) > 1 else ""
        return f"{statistics.median(by_round):.0f}x{spread}"

    print(
        f"| {name} | {d} | {k} | {middle['lime']:.1f} | {middle['plain']:.3f} | {ratio('plain')} "
        f"| {middle['full']:.3f} | {ratio('full')} | {middle['start']:.0f} | {floor(d):.3f} |", flush=True,
    )  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
