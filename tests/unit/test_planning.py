"""From what a user names to splits: lists of archives among it."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest
from warc_files import member, noise, read_split, record

from lib import planning
from lib.errors import UsageError
from lib.ledger import Ledger
from lib.sources.files import FilesSource
from lib.sources.inputs import AHEAD, expand_inputs
from lib.sources.warc import WarcSource
from lib.split import Split

SOURCES = {"warc": WarcSource(), "files": FilesSource()}


@pytest.fixture
def listed(tmp_path: Path) -> str:
    """A list as Common Crawl's, of two archives in another folder."""
    archives = tmp_path / "mirror" / "crawl-data" / "segment"
    archives.mkdir(parents=True)
    for name in ("a", "b"):
        (archives / f"{name}.warc.gz").write_bytes(member(record(0, name.encode())) + member(record(1, noise(99))))
    (tmp_path / "warc.paths.gz").write_bytes(
        gzip.compress(b"crawl-data/segment/b.warc.gz\ncrawl-data/segment/a.warc.gz\n")
    )
    return f"file://{tmp_path}/warc.paths.gz"


def plan(folder: Path, listed: str, prefix: str) -> list[Split]:
    """All splits of a run over the list."""
    ledger, files = Ledger(f"file://{folder}/out"), list(expand_inputs([listed], prefix))
    return planning.extend(ledger, SOURCES, [listed], files, None, 1 << 26, cores=1)


def test_list_of_archives_is_read_below_the_prefix(listed: str, tmp_path: Path) -> None:
    splits = plan(tmp_path, listed, f"{tmp_path}/mirror/")
    rows = [row for split in splits for row in read_split(split)]
    assert [row["content"] for row in rows] == [b"b", noise(99), b"a", noise(99)]
    assert rows[0]["source_path"] == f"file://{tmp_path}/mirror/crawl-data/segment/b.warc.gz"


def test_limit_plans_the_first_archive_of_a_list_alone(listed: str, tmp_path: Path) -> None:
    ledger, files = Ledger(f"file://{tmp_path}/out"), expand_inputs([listed], f"file://{tmp_path}/mirror")
    assert planning.extend_by_one(ledger, SOURCES, [listed], files, None, 5)
    (split,) = ledger.splits()
    assert (split.limit, split.pieces[0].uri.rpartition("/")[2]) == (5, "b.warc.gz")


def test_a_long_list_is_looked_up_only_as_far_as_it_is_asked_for(listed: str, tmp_path: Path) -> None:
    good = [f"mirror/crawl-data/segment/{name}.warc.gz" for name in ("a", "b")]
    (tmp_path / "long.paths").write_text("\n".join([*good, *["nowhere"] * (2 * AHEAD)]))
    files = expand_inputs([f"file://{tmp_path}/long.paths"])
    with pytest.raises(UsageError, match="/nowhere"):
        list(files)
    (tmp_path / "long.paths").write_text("\n".join([*good * AHEAD, "nowhere"]))
    files = expand_inputs([f"file://{tmp_path}/long.paths"])
    assert planning.extend_by_one(Ledger(f"file://{tmp_path}/out"), SOURCES, [], files, None, 2)


def test_without_the_prefix_the_missing_line_is_named(listed: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"segment/b.warc.gz \(a line of .*/warc.paths.gz\): no such file"):
        plan(tmp_path, listed, "")


def test_prefix_that_cannot_be_read_is_one_line(listed: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"^gopher://data.commoncrawl.org/crawl-data/segment/b.warc.gz: only local"):
        plan(tmp_path, listed, "gopher://data.commoncrawl.org")
