"""What is made of the committed rows: duplicates, statistics, sheets, exports, wherever the splits were cut."""

from __future__ import annotations

import json
import tarfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image
from unit.test_image_recipe import batch, icon, saved

from lib.image.finish import finish
from lib.image.kernel import make_kernel
from lib.image.options import ConvertImages
from lib.image.sheets import Sheets
from lib.output import Output

# Black and white ink of one shape: different files, one picture. Number 4 is no picture.
CONTENTS = [
    saved(icon((48, 48))),
    saved(icon((48, 48), (255, 255, 255))),
    saved(icon((48, 48))),
    saved(icon((64, 64))),
    b"no image",
]


@dataclass(frozen=True)
class Rows(Output):
    """Committed rows in memory, extras in a folder."""

    batches: list[pa.RecordBatch] = field(default_factory=list)

    def scan(self, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        for rows in self.batches:
            yield rows.select(list(columns))

    @contextmanager
    def extra(self, name: str) -> Iterator[Path]:
        folder = Path(self.uri) / name
        folder.mkdir(parents=True)
        yield folder


def finished(folder: Path, config: ConvertImages, order: Sequence[int] = range(5)) -> Path:
    source = batch(*CONTENTS)
    kernel = make_kernel(config)
    batches = []
    for i in order:
        one = source.slice(i, 1)
        made = kernel(one)
        names = ["source_path", "source_member", "source_offset", *made.schema.names]
        batches.append(pa.RecordBatch.from_arrays([*one.columns[:3], *made.columns], names=names))
    finish(Rows(str(folder), batches), config)
    return folder


def test_pictures_equal_after_conversion_point_at_the_first_by_key(tmp_path: Path) -> None:
    rows = pq.read_table(finished(tmp_path, ConvertImages()) / "duplicates" / "duplicates.parquet").to_pylist()
    assert [(row["source_path"], row["same_source"]) for row in rows] == [
        ("file:///icons/1.png", False),
        ("file:///icons/2.png", True),
    ]
    assert len({row["first_image_id"] for row in rows}) == 1


def test_the_order_of_rows_changes_nothing(tmp_path: Path) -> None:
    one = finished(tmp_path / "a", ConvertImages())
    other = finished(tmp_path / "b", ConvertImages(), (4, 2, 3, 1, 0))
    for name in ("duplicates/duplicates.parquet", "statistics/statistics.json", "sheets/alpha_only.png"):
        assert (one / name).read_bytes() == (other / name).read_bytes(), name


def test_statistics_add_up(tmp_path: Path) -> None:
    found = json.loads((finished(tmp_path, ConvertImages()) / "statistics" / "statistics.json").read_text())
    assert found["status"] == {"failed": 1, "ok": 4}
    assert found["error_code"] == {"not_an_image": 1}
    assert found["distinct_pictures"] == 2
    assert sum(found["histograms"]["mean"]["counts"]) == 4


@pytest.mark.parametrize("encoding", ["png", "raw", "webp"])
def test_the_png_export_is_square_of_one_size_and_without_duplicates(tmp_path: Path, encoding: str) -> None:
    folder = finished(tmp_path, ConvertImages(export="png", encoding=encoding)) / "png"
    images = [Image.open(path) for path in sorted(folder.rglob("*.png"))]
    assert [(image.size, image.mode, image.format) for image in images] == [((256, 256), "L", "PNG")] * 2


def test_the_webdataset_export_keeps_duplicates_in_one_split(tmp_path: Path) -> None:
    config = ConvertImages(export="webdataset", export_duplicates="keep")
    shards = sorted((finished(tmp_path, config) / "webdataset").glob("*.tar"))
    members = []
    for shard in shards:
        with tarfile.open(shard) as tar:
            members.append(tar.getnames())
    assert sum(map(len, members)) == 8
    assert max(map(len, members)) >= 6


def test_sheets_show_each_class_and_the_rejected(tmp_path: Path) -> None:
    folder = finished(tmp_path, ConvertImages()) / "sheets"
    assert sorted(path.name for path in folder.iterdir()) == ["alpha_only.png", "rejected.png"]
    assert np.array(Image.open(folder / "alpha_only.png")).min() == 0


def test_a_run_without_a_single_picture_has_its_sheet_too(tmp_path: Path) -> None:
    folder = finished(tmp_path, ConvertImages(), order=[4]) / "sheets"
    assert [path.name for path in folder.iterdir()] == ["rejected.png"]


def rows_of(image_ids: Sequence[str | None], outputs: int | None = 1) -> pa.RecordBatch:
    """Rows as sheets take them."""
    n = len(image_ids)
    return pa.record_batch(
        {
            "image_id": pa.array(image_ids, pa.string()),
            "class": pa.array(["opaque" if outputs else None] * n, pa.string()),
            "output_bytes": pa.array([outputs] * n, pa.int64()),
            "error_code": pa.array([None if outputs else "encrypted"] * n, pa.string()),
            "source_path": pa.array(["file:///a.zip"] * n),
            "source_member": pa.array([f"{i}.png" for i in range(n)]),
            "source_offset": pa.array(range(n), pa.int64()),
        }
    )


def test_a_sheet_shows_those_of_least_image_id_whatever_came_first(monkeypatch) -> None:
    monkeypatch.setattr("lib.image.sheets.SHOWN", 2)
    rows = rows_of([f"{number:016x}" for number in (7, 3, 9, 1)])
    for order in ((0, 1, 2, 3), (3, 2, 1, 0)):
        sheets = Sheets()
        for at in order:
            sheets.add(rows.slice(at, 1))
        assert sheets.image_ids().to_pylist() == [f"{1:016x}", f"{3:016x}"]


def test_records_that_never_reached_the_kernel_have_their_place_on_the_sheet(tmp_path: Path) -> None:
    sheets = Sheets()
    sheets.add(rows_of([None, None], outputs=None))
    sheets.write(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["rejected.png"]
    assert sheets.kept["rejected"]["source_member"].to_pylist() == ["0.png", "1.png"]
