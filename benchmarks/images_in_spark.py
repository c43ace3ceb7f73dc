"""What an icon costs in the job beside its kernel: `python -m benchmarks.convert_images --spark`.

Whole runs of the job on local[2] at two sizes, whose difference is what one icon more costs; the same files with
Pillow in mapInArrow; and one split in this process, stage by stage.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa

from benchmarks.measure import cpu_by_process, print_table, timed
from jobs.convert_images import JOB
from lib import storage
from lib.child import Child, Lessons, Page, Work
from lib.image.kernel import Converter
from lib.image.options import ConvertImages
from lib.options import RunOptions
from lib.part import PartWriter
from lib.receipt import Tally
from lib.request import Request
from lib.rows import Rows
from lib.sources.files import FilesSource
from lib.split import Split

Side = Callable[[Path, Path], None]
CORES = 2
LARGE = 3  # times as many icons, for what one icon more costs
SPLIT_ICONS = 1500
STAGES: dict[str, tuple[Any, str]] = {
    "all": (Child, "run"),
    "files read, made a batch": (Child, "_next_batch"),
    "kernel": (Converter, "convert"),
    "records to Python and back to Arrow": (Rows, "_ask"),
    "rows made whole, checked": (Rows, "_answer"),
    "ranges followed": (Tally, "follow"),
    "rows counted": (Tally, "count"),
    "Parquet": (PartWriter, "flush"),
}


def compare_in_spark(
    kinds: Mapping[str, list[bytes]],
    config: ConvertImages,
    recipes: Mapping[str, Callable[[bytes], bytes]],
    kernel_time: Callable[[list[bytes]], float],
    icons: int,
    rounds: int,
) -> None:
    """Whole runs over so many files of each kind, interleaved; `kernel_time` is in microseconds an icon."""
    job: Side = partial(run_job, config=config)
    sides = {"the job": job, **{name: partial(run_recipe, recipe) for name, recipe in recipes.items()}}
    columns: dict[str, dict[str, str]] = {}
    for kind, contents in kinds.items():
        print(f"{kind} ...", file=sys.stderr, flush=True)
        with tempfile.TemporaryDirectory() as place:
            some, many = (fill(Path(place) / f"in-{n}", contents, n) for n in (icons, LARGE * icons))
            outputs = (Path(place) / f"out-{number}" for number in count())
            if not columns:  # the JVM and its compiler, the workers
                spend(job, some, next(outputs))
            found: dict[str, list[Counter[str]]] = {}
            for _ in range(rounds):
                found.setdefault("more", []).append(spend(job, many, next(outputs)))
                for name, side in sides.items():
                    found.setdefault(name, []).append(spend(side, some, next(outputs)))
            kernel = kernel_time(contents)
            columns[kind] = whole_runs(found, kernel, icons) | in_one_split(some, config)
    print_table(f"microseconds of CPU an icon; runs of {icons} and of {LARGE * icons}", columns)


def whole_runs(found: Mapping[str, list[Counter[str]]], kernel: float, icons: int) -> dict[str, str]:
    """The least of the rounds, for each process by itself."""
    least = {
        name: {part: min(run[part] for run in runs) / icons * 1e6 for part in runs[0]} for name, runs in found.items()
    }
    more, job = least.pop("more"), least["the job"]
    one_more = {part: (more[part] - job[part]) / (LARGE - 1) for part in job}
    wall = one_more.pop("wall")
    all_of_it = sum(one_more.values())
    totals = {name: sum(parts.values()) - parts["wall"] for name, parts in least.items()}
    return {
        f"the kernel, one on each of {CORES} cores": f"{kernel:.0f}",
        "**the job, one icon more**": f"**{all_of_it:.0f}**",
        **{f"of which: {part}": f"{spent:.0f}" for part, spent in one_more.items()},
        "the kernel's share of one icon more": f"{kernel / all_of_it:.2f}",
        f"one icon more, of kernel x {CORES} cores by wall": f"{kernel / CORES / wall:.2f}",
        f"run of {LARGE * icons}, of kernel x {CORES} cores by wall": f"{kernel / CORES * LARGE / more['wall']:.2f}",
        **{f"run of {icons}: {name}": f"{spent:.0f}" for name, spent in totals.items()},
        **{
            f"the job against {name}": f"{spent / totals['the job']:.1f}x"
            for name, spent in totals.items()
            if name != "the job"
        },
    }


def in_one_split(folder: Path, config: ConvertImages) -> dict[str, str]:
    """One split in this process, the better of two, each stage without those inside it."""
    files = list(storage.expand(f"file://{folder}"))[:SPLIT_ICONS]
    (pieces,) = FilesSource().plan(files, 1 << 40)
    work = Work(JOB, config, FilesSource(), Split("0", "files", pieces), RunOptions())
    runs = []
    for _ in range(2):
        with tempfile.TemporaryDirectory() as place, timed(STAGES) as spent:
            page = Page.create(Path(place) / "page")
            Child(work, Lessons(), Path(place), page, Rows(JOB, JOB.make_kernel(config))).run()
        spent["records to Python and back to Arrow"] -= spent["kernel"]
        spent["the rest"] = 2 * spent["all"] - spent.total()
        runs.append(spent)
    best = min(runs, key=lambda spent: spent["all"])
    return {f"one split: {name}": f"{best[name] / len(files) / 1000:.1f}" for name in [*STAGES, "the rest"]}


def fill(folder: Path, contents: list[bytes], icons: int) -> Path:
    """A folder of so many files, the contents again and again."""
    folder.mkdir(parents=True)
    for i in range(icons):
        (folder / f"{i:06d}.png").write_bytes(contents[i % len(contents)])
    return folder


def spend(side: Side, folder: Path, output: Path) -> Counter[str]:
    """CPU seconds by process, and wall seconds."""
    began, before = time.monotonic(), cpu_by_process()
    side(folder, output)
    wall = time.monotonic() - began
    time.sleep(0.3)  # for exits to be counted
    spent = cpu_by_process()
    spent.subtract(before)
    spent["wall"] = wall
    return spent


def run_job(folder: Path, output: Path, config: ConvertImages) -> None:
    """As a user starts it; what finish makes (duplicates, statistics, sheets) is part of it."""
    from lib.spark.run import execute

    sources: dict[str, dict[str, object]] = {"archives": {}, "files": {}, "table": {}}
    run = RunOptions(max_failed_ratio=0.0)
    end = execute(
        Request(
            "jobs.convert_images", msgspec.to_builtins(config), sources, run, (f"file://{folder}",), f"file://{output}",
            master=f"local[{CORES}]", quiet=True,
        )
    )  # fmt: skip
    assert end.exit_code == 0, end


def run_recipe(recipe: Callable[[bytes], bytes], folder: Path, output: Path) -> None:
    """The recipe over the same files, in mapInArrow, written by Spark."""
    from lib.spark.session import local_session

    spark = local_session("convert_images", f"local[{CORES}]", {})
    paths = [(str(path),) for path in sorted(folder.iterdir())]
    frame = spark.createDataFrame(spark.sparkContext.parallelize(paths, 6), "path string")

    def convert(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            names = batch["path"].to_pylist()
            images = [recipe(Path(name).read_bytes()) for name in names]
            yield pa.record_batch([pa.array(names), pa.array(images, pa.binary())], names=["path", "image"])

    frame.mapInArrow(convert, "path string, image binary").write.parquet(f"file://{output}")
