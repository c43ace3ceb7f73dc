"""A run on a real local Spark: every record once, whatever happens to splits and files."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from harm.runs import RUN, finish, request, rows, start, write
from lib import planning
from lib.errors import UsageError
from lib.request import Request
from lib.spark.run import Run, execute

pytestmark = [pytest.mark.spark, pytest.mark.usefixtures("spark")]

LINES = [b"x" * (i % 50) for i in range(400)]


def stamps(output: Path) -> dict[str, int]:
    return {str(p.relative_to(output)): p.stat().st_mtime_ns for p in output.rglob("*") if p.is_file()}


@pytest.fixture
def lines(tmp_path: Path) -> str:
    return write(tmp_path / "lines.txt", LINES)


def test_every_line_once_whatever_the_split_size(tmp_path, lines):
    seen = []
    for split_bytes in (700, 3000, 1 << 30):
        out = tmp_path / str(split_bytes)
        end = execute(request([lines], out, replace(RUN, split_bytes=split_bytes)))
        assert end.exit_code == 0 and end.summary["records"] == end.summary["ok"] == 400
        seen.append(rows(out))
    assert [row["size"] for row in seen[0]] == [i % 50 for i in range(400)]
    assert seen[0] == seen[1] == seen[2]


def test_an_empty_input_gives_an_empty_table_and_a_proof(tmp_path):
    end = execute(request([write(tmp_path / "empty.txt", [])], tmp_path / "out"))
    assert (end.exit_code, end.summary["records"]) == (0, 0)
    assert rows(tmp_path / "out") == [] and (tmp_path / "out/_SUCCESS").exists()


def test_an_output_below_a_file_is_refused(tmp_path, lines):
    with pytest.raises(UsageError, match=r"lines\.txt/out: no folder can be made there: Not a directory$"):
        execute(request([lines], tmp_path / "lines.txt" / "out"))


def test_one_harmful_line_in_every_split(tmp_path):
    harmful = [b"kernel segv" if i % 40 == 7 else b"x" * 50 for i in range(160)]
    end = execute(request([write(tmp_path / "l.txt", harmful)], tmp_path / "out"))
    assert (end.summary["ok"], end.summary["failed"]) == (156, 4)
    found = rows(tmp_path / "out")
    assert [i for i, row in enumerate(found) if row["error_code"] == "crash"] == [7, 47, 87, 127]
    report = json.loads((tmp_path / "out/_report.json").read_text())
    assert report["counts"] == {"failed": {"crash": 4}, "ok": {"": 156}} and len(report["deaths"]) == 8


def test_the_same_command_again_touches_no_file(tmp_path, lines):
    first = execute(request([lines], tmp_path / "out"))
    before = stamps(tmp_path / "out")
    second = execute(request([lines], tmp_path / "out", replace(RUN, split_bytes=99)))
    assert second == first and stamps(tmp_path / "out") == before


def test_a_lost_part_is_done_again_and_no_other(tmp_path, lines):
    execute(request([lines], tmp_path / "out"))
    before = stamps(tmp_path / "out")
    part = sorted((tmp_path / "out").glob("part-*"))[1]
    part.unlink()
    assert execute(request([lines], tmp_path / "out")).exit_code == 0
    after = stamps(tmp_path / "out")
    changed = {name for name in after if after[name] != before.get(name)}
    assert {n for n in changed if n.startswith("part-")} == {part.name}
    assert [row["size"] for row in rows(tmp_path / "out")] == [i % 50 for i in range(400)]


def test_new_files_are_added(tmp_path, lines):
    execute(request([lines], tmp_path / "out"))
    before = stamps(tmp_path / "out")
    more = write(tmp_path / "more.txt", [b"new"])
    end = execute(request([lines, more], tmp_path / "out"))
    assert end.summary["records"] == 401
    after = stamps(tmp_path / "out")
    assert all(after[name] == before[name] for name in before if name.startswith("part-"))
    assert sorted(p.name for p in (tmp_path / "out/_state").glob("plan-*")) == ["plan-0001.json", "plan-0002.json"]


def test_retry_failed_rewrites_only_the_files_with_failures(tmp_path):
    harmful = [b"kernel raise" if i == 7 else b"x" * 50 for i in range(160)]
    uri = write(tmp_path / "l.txt", harmful)
    assert execute(request([uri], tmp_path / "out")).summary["failed"] == 1
    before = stamps(tmp_path / "out")
    end = execute(request([uri], tmp_path / "out", retry_failed=True))
    after = stamps(tmp_path / "out")
    changed = [n for n in after if n.startswith("part-") and after[n] != before[n]]
    assert end.summary["failed"] == 1 and changed == ["part-0001-000000.parquet"]


def test_refusals_name_what_is_wrong(tmp_path, lines):
    out = tmp_path / "out"
    execute(request([lines], out))
    with pytest.raises(UsageError, match=r"holds a run with config\.prefix = '', not 'p'; name another"):
        execute(request([lines], out, config={"prefix": "p"}))
    write(tmp_path / "lines.txt", [*LINES, b"more"])
    with pytest.raises(UsageError, match=r"lines\.txt: changed since it was planned"):
        execute(request([lines], out))
    stranger = tmp_path / "stranger"
    stranger.mkdir()
    (stranger / "letters.doc").write_text("mine")
    for overwrite in (False, True):
        with pytest.raises(UsageError, match=r"stranger: not empty and no run of ours \(holds letters\.doc\)"):
            execute(request([lines], stranger, overwrite=overwrite))
    assert [p.name for p in stranger.iterdir()] == ["letters.doc"]


def test_overwrite_begins_anew(tmp_path, lines):
    execute(request([lines], tmp_path / "out"))
    end = execute(request([lines], tmp_path / "out", config={"prefix": "12"}, overwrite=True))
    assert end.exit_code == 0
    assert [row["size"] for row in rows(tmp_path / "out")] == [2 + i % 50 for i in range(400)]


def test_too_many_failures_end_with_3(tmp_path):
    uri = write(tmp_path / "l.txt", [b"kernel raise", b"a", b"b", b"c"])
    assert execute(request([uri], tmp_path / "a", replace(RUN, max_failed_ratio=0.2))).exit_code == 3
    assert execute(request([uri], tmp_path / "b", replace(RUN, max_failed_ratio=0.3))).exit_code == 0


def test_a_file_that_vanishes_ends_with_4_and_the_rest_is_done(tmp_path, lines):
    gone = write(tmp_path / "gone.txt", [b"a"])
    run = Run(request([gone, lines], tmp_path / "out"))
    run.ledger.claim(run.identity, False)
    planning.extend(run.ledger, run.sources, run.request.inputs, list(run.files), None, split_bytes=2000, cores=2)
    (tmp_path / "gone.txt").unlink()
    end = execute(request([lines], tmp_path / "out"))
    assert end.exit_code == 4 and end.summary["records"] == 400
    report = json.loads((tmp_path / "out/_report.json").read_text())
    (unfinished,) = report["unfinished"]
    assert unfinished["inputs"] == [gone] and "gone.txt" in unfinished["error"]
    assert not (tmp_path / "out/_SUCCESS").exists()


def test_a_split_that_kills_its_worker_again_and_again_is_named_and_the_others_are_done(tmp_path):
    deadly = [b"kernel worker" if i == 7 else b"x" * 50 for i in range(160)]
    end = execute(request([write(tmp_path / "l.txt", deadly)], tmp_path / "out"))
    report = json.loads((tmp_path / "out/_report.json").read_text())
    (open_split,) = report["unfinished"]
    assert end.exit_code == 4 and open_split["split"] == "0001-000000"
    assert "its Spark task failed again and again" in open_split["error"]
    assert report["splits"]["done"] == report["splits"]["planned"] - 1


def test_a_kernel_that_cannot_be_set_up_stops_before_the_first_split(tmp_path, lines, monkeypatch):
    import harm.lines as module

    monkeypatch.setattr(module, "JOB", replace(module.JOB, make_kernel=module.make_broken_kernel))
    with pytest.raises(UsageError, match="measure_lines cannot be set up on the executors: ModuleNotFoundError"):
        execute(request([lines], tmp_path / "out"))
    assert not list((tmp_path / "out").glob("part-*"))


def test_limit_reads_so_many_records_over_files(tmp_path):
    uris = [write(tmp_path / f"{i}.txt", [b"# remark", b"a", b"bb", b"ccc"]) for i in range(3)]
    end = execute(request(uris, tmp_path / "out", limit=7))
    assert (end.exit_code, end.summary["records"]) == (0, 7)
    assert [row["line"] for row in rows(tmp_path / "out")] == [b"a", b"bb", b"ccc"] * 2 + [b"a"]
    again = execute(request(uris, tmp_path / "out", limit=7))
    assert again == end
    assert execute(request(uris, tmp_path / "all", limit=100)).summary["records"] == 9


def test_executors_of_their_own_processes(tmp_path, lines):
    driver = start(request([lines], tmp_path / "out", master="local-cluster[2,1,1024]"), tmp_path)
    code, summary = finish(driver)
    assert (code, summary["records"]) == (0, 400)
    assert [row["size"] for row in rows(tmp_path / "out")] == [i % 50 for i in range(400)]


def test_an_overwrite_with_a_wrong_input_deletes_nothing(tmp_path, lines):
    execute(request([lines], tmp_path / "out"))
    before = stamps(tmp_path / "out")
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match="empty: holds no files"):
        execute(request([f"file://{tmp_path}/empty"], tmp_path / "out", overwrite=True))
    with pytest.raises(UsageError, match=r"none of harm\.lines reads such a file"):
        execute(request([write(tmp_path / "a.doc", [])], tmp_path / "new"))
    assert stamps(tmp_path / "out") == before and not (tmp_path / "new").exists()


@pytest.mark.parametrize("limit", [None, 2])
def test_an_overwrite_with_a_damaged_table_deletes_nothing(tmp_path, limit):
    (tmp_path / "a.csv").write_text("image\nx\n")
    (tmp_path / "b.parquet").write_text("<html>")
    inputs = tuple(f"file://{tmp_path}/{name}" for name in ("a.csv", "b.parquet"))
    wanted = Request(
        "jobs.convert_images", {}, {"table": {}}, RUN, inputs, f"file://{tmp_path}/out",
        master="local[1]", overwrite=True, limit=limit,
    )  # fmt: skip
    run = Run(wanted)
    run.ledger.claim(run.identity, False)
    before = stamps(tmp_path / "out")
    with pytest.raises(UsageError, match=r"b.parquet: not a parquet file"):
        execute(wanted)
    assert before and stamps(tmp_path / "out") == before


def test_a_finished_run_is_judged_by_the_ratio_of_today(tmp_path):
    uri = write(tmp_path / "l.txt", [b"kernel raise", b"a", b"b", b"c"])
    assert execute(request([uri], tmp_path / "out", replace(RUN, max_failed_ratio=0.2))).exit_code == 3
    assert execute(request([uri], tmp_path / "out", replace(RUN, max_failed_ratio=0.3))).exit_code == 0


def test_a_retry_that_is_stopped_is_not_finished(tmp_path):
    uri = write(tmp_path / "l.txt", [b"kernel raise", b"a", b"b", b"c"])
    execute(request([uri], tmp_path / "out"))
    stopped = Run(request([uri], tmp_path / "out", retry_failed=True), stopping="interrupted")
    assert stopped.run().exit_code == 4 and not (tmp_path / "out/_SUCCESS").exists()
    (unfinished,) = json.loads((tmp_path / "out/_report.json").read_text())["unfinished"]
    assert unfinished["inputs"] == [uri]
    assert execute(request([uri], tmp_path / "out", retry_failed=True)).exit_code == 0


def test_a_failed_proof_is_said_in_one_line(tmp_path, lines, monkeypatch, capsys):
    monkeypatch.setattr("lib.spark.run.prove", lambda *_: ["a.txt: 0 to 5 is missing"])
    assert execute(request([lines], tmp_path / "out", quiet=True)).exit_code == 1
    assert capsys.readouterr().err == "error: the proof failed, do not use this output: a.txt: 0 to 5 is missing\n"


@pytest.mark.parametrize(("error", "code"), [(KeyboardInterrupt(), 4), (UsageError("no"), 2)])
def test_how_it_ended_stands_in_the_state_too(tmp_path, lines, monkeypatch, error, code):
    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr("lib.spark.session.get_session", fail)
    with pytest.raises(type(error)):
        execute(request([lines], tmp_path / "out"))
    assert json.loads((tmp_path / "out/_state/run.json").read_text())["exit_code"] == code
