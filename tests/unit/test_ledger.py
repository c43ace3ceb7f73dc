"""Whose an output folder is, and what is done there, whatever moment a driver dies at."""

from __future__ import annotations

import time
from contextlib import suppress
from pathlib import Path

import pytest

from lib import storage
from lib.errors import UsageError
from lib.ledger import Ledger, run_name


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    """A finished run of one split."""
    made = Ledger(f"file://{tmp_path}/out")
    made.claim({"job": "old"}, overwrite=False)
    made.add_plan(["file:///a"], [("files", ())], None)
    storage.write_bytes(made.part("0001-000000"), b"rows")
    made.mark_done()
    return made


def test_a_run_with_more_to_do_is_not_marked_as_done(ledger):
    ledger.add_plan(["file:///b"], [("files", ())], None)
    assert not ledger.marked_done()


@pytest.mark.parametrize("operation", range(1, 6))
def test_an_overwrite_that_was_killed_can_be_done_again(ledger, monkeypatch, operation):
    removals = iter(range(1, 100))

    def remove(uri: str) -> None:
        if next(removals) == operation:
            raise KeyboardInterrupt
        real(uri)

    real = storage.remove
    with monkeypatch.context() as patched:
        patched.setattr(storage, "remove", remove)
        with suppress(KeyboardInterrupt):
            ledger.claim({"job": "new"}, overwrite=True)
    ledger.claim({"job": "new"}, overwrite=True)
    assert ledger.identity() == {"job": "new"}
    assert ledger.splits() == [] and ledger.done() == set()


def test_an_overwrite_leaves_alone_what_is_not_of_the_run(ledger, tmp_path):
    (tmp_path / "out/letters.doc").write_text("mine")
    ledger.claim({"job": "new"}, overwrite=True)
    assert [path.name for path in sorted((tmp_path / "out").iterdir())] == ["_state", "letters.doc"]


def test_a_folder_of_letters_is_refused(tmp_path):
    (tmp_path / "letters.doc").write_text("mine")
    with pytest.raises(UsageError, match=r"no run of ours \(holds letters\.doc\)"):
        Ledger(f"file://{tmp_path}").claim({"job": "new"}, overwrite=True)


def test_a_run_that_is_about_to_write_its_lease_is_not_swept(ledger, tmp_path):
    old, new = (f"{run_name(time.time() - age)}-0" for age in (3600, 0))
    for run in (old, new):
        (tmp_path / "out/_tmp" / run).mkdir(parents=True)
    ledger.sweep()
    assert storage.names(f"{ledger.output}/_tmp") == [new]
