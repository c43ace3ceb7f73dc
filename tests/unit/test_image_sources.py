"""Pictures come from files, entries of archives and columns of tables alike."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from unit.test_image_recipe import icon, saved

from jobs.convert_images import JOB
from lib.child import Work
from lib.guard import do_split
from lib.image.options import ConvertImages
from lib.options import RunOptions
from lib.sources import Source
from lib.sources.archives import ArchivesSource
from lib.sources.table import TableSource
from lib.split import Split
from lib.storage import stat, to_uri

ICON = saved(icon((48, 48)))


def converted(path: Path, source: Source) -> list[dict]:
    (pieces,) = source.plan([stat(to_uri(str(path)))], 1 << 30)
    scratch = path.parent / "scratch"
    scratch.mkdir()
    work = Work(JOB, ConvertImages(), source, Split("s", source.kind, pieces), RunOptions())
    return pq.read_table(do_split(work, scratch)).to_pylist()


def test_entries_of_a_zip_are_converted(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("a.png", ICON)
        archive.writestr("b.png", b"<svg xmlns='http://www.w3.org/2000/svg'/>")
        archive.writestr("c.png", ICON[:60])
        archive.writestr("about.txt", "not a picture, not a record")
    rows = converted(tmp_path / "a.zip", ArchivesSource())
    assert [(r["source_member"], r["status"], r["error_code"], r["width"]) for r in rows] == [
        ("a.png", "ok", None, 256), ("b.png", "failed", "vector_image", None), ("c.png", "failed", "truncated", None),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("values", "kind"),
    [([ICON, None], pa.binary()), ([{"bytes": ICON}, {"bytes": None}], None)],
    ids=["binary", "struct"],
)
def test_a_column_of_a_table_is_converted(tmp_path, values, kind):
    pq.write_table(pa.table({"image": pa.array(values, kind)}), tmp_path / "t.parquet")
    rows = converted(tmp_path / "t.parquet", TableSource())
    assert [(r["source_offset"], r["status"], r["error_code"], r["width"]) for r in rows] == [
        (0, "ok", None, 256), (1, "failed", "missing_value", None),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("table", "code"), [({"other": [ICON]}, "missing_column"), ({"image": ["a.png"]}, "wrong_type")]
)
def test_a_table_without_pictures_says_what_is_wrong(tmp_path, table, code):
    pq.write_table(pa.table(table), tmp_path / "t.parquet")
    assert [r["error_code"] for r in converted(tmp_path / "t.parquet", TableSource())] == [code]
