"""Whether the files of a run hold what their receipts say."""

from __future__ import annotations

from pathlib import Path

import pytest
from warc_files import member, record, write

from jobs.parse_html import JOB
from lib.child import Work
from lib.guard import do_split
from lib.inspection import verify
from lib.ledger import Ledger
from lib.options import RunOptions
from lib.sources.warc import WarcSource
from lib.storage import stat


@pytest.fixture
def part(tmp_path: Path) -> Path:
    """The only file of a run over one gzip member of four records; two of them are not selected."""
    data = record(0, kind="warcinfo") + record(1, b"<p>a") + record(2, kind="request") + record(3, b"<p>b")
    source, ledger = WarcSource(), Ledger(f"file://{tmp_path}/out")
    (pieces,) = source.plan([stat(write(tmp_path, member(data)))], 1 << 30)
    ledger.claim({"job": "parse_html"}, overwrite=False)
    ledger.add_plan([], [("warc", pieces)], None)
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    (split,) = ledger.splits()
    made = do_split(Work(JOB, JOB.config_type(), source, split, RunOptions()), scratch)
    return made.rename(tmp_path / "out/part-0001-000000.parquet")


def test_records_that_share_a_member_are_verified(part):
    assert verify(f"file://{part.parent}") == []


@pytest.mark.parametrize("kept", [0, 300, -8])
def test_a_file_cut_short_is_named_in_one_line(part, kept):
    part.write_bytes(part.read_bytes()[:kept])
    (wrong,) = verify(f"file://{part.parent}")
    assert wrong.startswith(f"0001-000000: damaged, remove file://{part} to have it done again: ")
    assert "\n" not in wrong
