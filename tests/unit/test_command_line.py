"""What is typed becomes a Request, or one line and exit code 2."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path

import pyarrow as pa
import pytest

from jobs.__main__ import _tell, add_run_options, main
from lib.closing import closing
from lib.door import build_request
from lib.errors import UsageError
from lib.job import Job, Task
from lib.ledger import Ledger
from lib.options import RunOptions
from lib.request import End, Request
from lib.split import Piece

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Lengths:
    least: int = 1


JOB = Job("measure_lines", "Measure.", Lengths, (), pa.schema([]), pa.schema([]), lambda config: lambda batch: batch)


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "crawl").mkdir()
    (tmp_path / "crawl" / "a b.warc.gz").write_bytes(b"")
    (tmp_path / "crawl" / "page?id=7.html").write_bytes(b"")
    return tmp_path


def request(*args: str, job: Job | Task = JOB) -> Request:
    parser = argparse.ArgumentParser()
    add_run_options(parser)
    options = parser.parse_args(args)
    options.command = job.name
    return build_request(job, options, Path("samples"), "scripts/run.sh measure_lines")


def refusal(*args: str) -> str:
    with pytest.raises(UsageError) as error:
        request(*args)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_everything_said_stands_in_the_request(here):
    made = request(
        *("--input", "crawl", "--input", "hdfs://nn/data/", "--output", "out/x/", "--set", "least=3"),
        *("--set", "run.batch_rows=5", "--limit", "9", "--spark-conf", "spark.ui.enabled=true", "--max-seconds", "2.5"),
        *("--master", "local[2]", "--quiet", "--overwrite"),
    )

    assert made == Request(
        job="jobs.measure_lines",
        config={"least": 3},
        sources={},
        run=RunOptions(batch_rows=5),
        inputs=(f"file://{here}/crawl", "hdfs://nn/data/"),
        output=f"file://{here}/out/x",
        limit=9,
        overwrite=True,
        max_seconds=2.5,
        master="local[2]",
        spark_conf={"spark.ui.enabled": "true"},
        quiet=True,
        command="scripts/run.sh measure_lines",
    )


def test_the_output_is_out_and_the_jobs_name_unless_said(here):
    assert request("--input", "crawl").output == f"file://{here}/out/measure_lines"


def test_the_sample_is_read_unless_an_input_is_said(here):
    assert refusal() == "measure_lines has no bundled sample; say --input URI"
    (here / "samples" / "measure_lines").mkdir(parents=True)
    assert request().inputs == (f"file://{here}/samples/measure_lines",)


@pytest.mark.parametrize(
    ("typed", "uri"),
    [
        ("crawl/*.warc.gz", "crawl/*.warc.gz"),
        ("crawl/page?id=7.html", "crawl/page?id=7.html"),
        ("./crawl/../crawl/a b.warc.gz", "crawl/a b.warc.gz"),
        ("crawl/", "crawl"),
    ],
)
def test_a_local_input_becomes_an_absolute_uri_and_nothing_is_encoded(here, typed, uri):
    assert request("--input", typed).inputs == (f"file://{here}/{uri}",)


def test_a_list_is_read_from_where_it_lies(here):
    (here / "crawl" / "list").write_text("a b.warc.gz\n\nhdfs://nn/x\n")
    assert request("--input", "@crawl/list").inputs == (f"file://{here}/crawl/a b.warc.gz", "hdfs://nn/x")


@pytest.mark.parametrize(
    ("typed", "line"),
    [
        ("crawl/x.gz", "--input crawl/x.gz: no such file or folder ({here}/crawl/x.gz)"),
        ("crawl/*.zip", "--input crawl/*.zip: matches nothing ({here}/crawl/*.zip)"),
        ("", "--input : expected a file, a folder or a glob"),
        ("@none", "--input @none: cannot read this list of paths: no such file or directory"),
        ("@empty", "--input @empty: the list names no path; expected one a line"),
        ("@wrong", "--input @wrong: line 2: gone.html: no such file or folder ({here}/gone.html)"),
    ],
)
def test_an_input_that_is_not_there_is_named(here, typed, line):
    (here / "empty").write_text("\n")
    (here / "wrong").write_text("crawl\ngone.html\n")
    assert refusal("--input", typed) == line.replace("{here}", str(here))


@pytest.mark.parametrize(
    ("source", "output"),
    [("crawl", "crawl"), ("crawl", "crawl/out"), (".", "out"), ("cr*", "crawl/out"), ("**/*.html", "out"),
     ("crawl", "link/out")],
)  # fmt: skip
def test_an_output_inside_its_own_input_is_refused(here, source, output):
    (here / "link").symlink_to("crawl")
    assert "lies inside its own input" in refusal("--input", source, "--output", output)


def test_an_output_beside_its_input_is_taken(here):
    assert request("--input", "crawl/*.warc.gz", "--output", "crawl/out").output == f"file://{here}/crawl/out"
    assert request("--input", "crawl", "--output", "crawl2").output == f"file://{here}/crawl2"


@pytest.mark.parametrize(
    ("args", "line"),
    [
        (["--output", "file"], "--output file: is a file; expected a folder, or a name for a new one"),
        (["--source", "warc"], "--source warc: measure_lines reads no records"),
        (["--limit", "0"], "--limit 0: expected at least 1"),
        (["--max-seconds", "0"], "--max-seconds 0: expected more than 0"),
        (["--retry-failed", "--overwrite"], "--retry-failed keeps what --overwrite deletes; give one of them"),
        (["--master", "lokal"], "--master lokal: expected local, local[N], local[*], yarn or spark://HOST:PORT"),
        (["--deploy-mode", "cluster"], "--deploy-mode cluster: needs --master yarn, got local[*]"),
        (["--detach"], "--detach: needs --deploy-mode cluster; elsewhere the driver is this process"),
        (["--cores", "2"], "--cores: is said of a cluster; of this machine --master local[N]"),
        (["--master", "yarn", "--executors", "0"], "--executors 0: expected at least 1"),
        (["--master", "spark://a:7077", "--queue", "q"], "--queue: needs --master yarn, got spark://a:7077"),
        (["--spark-conf", "a=b"], "--spark-conf a=b: expected spark.KEY=VALUE"),
        (["--set", "leats=3"], "--set leats=3: measure_lines has no key leats; did you mean least?"),
        (
            ["--master", "yarn"],
            "--input {here}/crawl: lies on this machine, where yarn's do not see it; "
            "hdfs dfs -put {here}/crawl /data/, then --input hdfs:///...",
        ),
    ],
)
def test_a_wrong_option_is_one_line(here, args, line):
    (here / "file").write_text("")
    assert refusal("--input", "crawl", *args) == line.replace("{here}", str(here))


def test_a_task_cannot_be_left_to_be_followed(here):
    task = Task("draw", "Draw.", Lengths, lambda *_: {})
    with pytest.raises(UsageError, match=r"^--detach: draw is one step, with no splits to follow$"):
        request("--master", "yarn", "--deploy-mode", "cluster", "--detach", job=task)


def test_a_local_output_on_yarn_is_refused(here):
    assert refusal("--input", "hdfs:///x", "--master", "yarn") == (
        f"--output {here}/out/measure_lines: lies on this machine, where yarn's do not see it; say --output hdfs:///..."
    )


def test_prepare_completes_the_config_with_the_inputs_at_hand(here):
    job = Job(
        *("measure_lines", "Measure.", Lengths, (), pa.schema([]), pa.schema([]), lambda config: lambda batch: batch),
        prepare=lambda config, inputs, prefix: Lengths(config.least + len(inputs) + len(prefix)),
    )
    given = ("--input", "crawl", "--input", "crawl", "--set", "run.paths_prefix=mirror")
    assert request(*given, job=job).config == {"least": 3 + len("mirror")}


def test_how_much_of_a_cluster_has_options_of_its_own(here):
    made = request(
        *("--input", "hdfs:///in", "--output", "hdfs:///out", "--master", "yarn", "--executors", "7", "--cores", "3"),
        *("--memory", "2g", "--queue", "night", "--spark-conf", "spark.executor.cores=4"),
    )
    assert made.spark_conf == {
        "spark.executor.instances": "7",
        "spark.executor.cores": "4",
        "spark.executor.memory": "2g",
        "spark.yarn.queue": "night",
    }


@dataclass(frozen=True)
class Model:
    path: str = ""
    inline: str = ""


@dataclass(frozen=True)
class WithModel:
    model: Model = Model()


def test_a_local_file_of_a_config_goes_along_or_is_refused_by_its_key():
    job = replace(JOB, config_type=WithModel)
    on_yarn = ("--input", "hdfs:///in", "--output", "hdfs:///out", "--master", "yarn", "--set", "model.path=file:///m")
    assert request(*on_yarn, "--set", "model.inline=abc", job=job).config["model"]["path"] == "file:///m"
    with pytest.raises(UsageError, match=r"measure_lines\.model\.path /m: lies on this machine, .* --set model\.path="):
        request(*on_yarn, job=job)


def test_an_unknown_job_is_named_with_the_nearest(capsys):
    assert main(["parse_htm"]) == 2
    assert capsys.readouterr().err == (
        "error: no job or command parse_htm; did you mean parse_html?; scripts/run.sh --list shows the jobs\n"
    )


def test_an_unknown_option_is_one_line(capsys):
    assert main(["parse_html", "--inptu", "x"]) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert "unrecognized arguments: --inptu x" in err


def test_nothing_typed_shows_the_help(capsys):
    assert main([]) == 2
    assert "JOB | status" in capsys.readouterr().err


def test_the_list_names_each_job_with_its_summary(capsys):
    assert main(["--list"]) == 0
    assert "parse_html Parse web pages" in " ".join(capsys.readouterr().out.split())


def test_describe_says_what_a_column_means_and_what_a_key_does(capsys):
    assert main(["parse_html", "--describe"]) == 0
    out = capsys.readouterr().out
    assert "  source_path " in out and "URI of the file that held the record" in out
    assert "  run.split_bytes " in out and "67108864" in out and "[an integer of at least 1]" in out


def test_a_dry_run_prints_the_request_and_writes_nothing(here, capsys):
    assert main(["parse_html", "--input", "crawl", "--set", "main_text=none", "--dry-run"]) == 0
    out = capsys.readouterr().out
    assert f"output: file://{here}/out/parse_html\n" in out
    assert "  main_text: none\n" in out
    assert "command: scripts/run.sh parse_html --input crawl" in out
    assert not (here / "out").exists()


def test_a_bug_is_a_traceback_and_a_line_that_asks_for_a_report(capsys, monkeypatch):
    monkeypatch.setattr("lib.config.resolve", lambda *_: 1 / 0)
    assert main(["parse_html", "--input", "crawl"]) == 1
    err = capsys.readouterr().err
    assert "ZeroDivisionError" in err
    assert err.endswith("error: this is a bug of ours; please report it with the lines above\n")


def test_listing_imports_neither_arrow_nor_spark():
    code = "import sys; from jobs.__main__ import main; main(['--list']); sys.exit('pyarrow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True).returncode == 0


def test_a_folder_without_a_run_has_no_status(here, capsys):
    assert main(["status", "crawl"]) == 2
    assert capsys.readouterr().err == f"error: file://{here}/crawl: holds no run\n"


def test_a_run_that_has_not_begun_has_a_status_and_is_not_verified_whole(here, capsys):
    ledger = Ledger(f"file://{here}/out")
    ledger.claim({"job": "measure_lines"}, overwrite=False)
    ledger.add_plan([], [("files", (Piece("file:///x", 0, 1, 1, ""),))], None)

    assert main(["status", "out"]) == 0
    assert main(["verify", "out"]) == 4
    assert capsys.readouterr().out == (
        f"measure_lines in file://{here}/out: planned, 0 of 1 splits done\n"
        "1 splits are not there yet, the first is 0001-000000\n"
    )


def left_behind(here, **state) -> None:
    ledger = Ledger(f"file://{here}/out")
    ledger.claim({"job": "measure_lines"}, overwrite=False)
    lease = {"run": "r", "host": "elsewhere", "pid": 1, "application": "application_1_2", "exit_code": None}
    ledger.write_run_state(lease | {"splits": {"planned": 0, "done": 0}, "heartbeat": time.time()} | state)


def test_who_attaches_gets_the_summary_and_the_exit_code(here, capsys):
    left_behind(here, state="done", exit_code=3)
    told = {"job": "measure_lines", "output": "o", "records": 2, "ok": 1, "partial": 0, "skipped": 0, "failed": 1}
    told |= {"seconds": 1.5, "report": "r"}
    Ledger(f"file://{here}/out").write("_report.json", json.dumps(told | {"exit_code": 3, "state": "done"}).encode())

    assert main(["attach", "out"]) == 3
    assert json.loads(capsys.readouterr().out) == told


def test_who_attaches_to_a_dead_run_learns_that_it_is_incomplete(here, capsys):
    left_behind(here, state="running", heartbeat=time.time() - 1000)

    assert main(["attach", "out"]) == 4
    out, err = capsys.readouterr()
    assert out == "{}\n"
    assert "its process is gone, the same command goes on from there" in err


def test_the_end_is_told_to_a_person():
    made = request("--input", "crawl", "--output", "/x/out")
    counts = {"records": 1200, "ok": 1100, "partial": 0, "skipped": 0, "failed": 100}
    summary = {"job": "measure_lines", **counts, "seconds": 2.0, "report": "file:///x/r"}

    assert closing(End(3, summary), made, sample=False).splitlines() == [
        "1,200 records in 2.0 s: 1,100 ok, 0 partial, 0 skipped, 100 failed",
        "table:   /x/out",
        "read it: duckdb.sql(\"FROM '/x/out/*.parquet'\"), or pyarrow.dataset.dataset('/x/out')",
        "report:  /x/r",
        "more failed than run.max_failed_ratio (0.05) allows: exit code 3",
    ]
    assert closing(End(4, summary), made, sample=True).splitlines()[-1] == (
        "not complete; to go on: scripts/run.sh measure_lines"
    )
    assert closing(End(0, summary), made, sample=True).splitlines()[-1] == (
        "that was the sample; your own: scripts/run.sh measure_lines --input 'FOLDER/*' --output out/mine"
    )


def test_the_exit_code_counts_where_nobody_reads_the_answer():
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as answer:
        _tell(answer, End(4, {"job": "measure_lines"}))
