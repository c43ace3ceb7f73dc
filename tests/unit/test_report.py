"""The page of a run: what a person must find on it, and what must never get into it."""

import json
from argparse import Namespace

import pytest

from lib.errors import UsageError
from lib.report import compare, render, report

STOPPED = {
    "job": "parse_html",
    "output": "file:///data/out/pages",
    "state": "incomplete",
    "exit_code": 4,
    "started": 1_700_000_000.0,
    "seconds": 3_700.0,
    "next": "scripts/run.sh parse_html --input 'crawl/*.warc.gz' --output out/pages",
    "records": 10_000,
    "records_now": 10_000,
    "ok": 9_000,
    "partial": 0,
    "skipped": 998,
    "failed": 2,
    "counts": {"ok": {"": 9_000}, "skipped": {"not_html": 998}, "failed": {"crash": 1, "corrupt_record": 1}},
    "unselected": {"request": 10_000, "warcinfo": 3},
    "splits": {"planned": 12, "done": 11},
    "proof": {"proven": False, "wrong": ["1 splits are not there yet, the first is 0001-000007"]},
    "unfinished": [
        {"split": "0001-000007", "inputs": ["file:///crawl/b.warc.gz"], "error": "Input/output error"},
        {"split": "0001-000008", "inputs": ["file:///crawl/c.warc.gz"], "error": None},
    ],
    "stages": {"read": 100.0, "kernel": 800.0, "write": 60.0, "total": 1_000.0},
    "slowest": [{"split": "0001-000002", "seconds": 180.4, "records": 900, "size": 67_108_864, "host": "node-3"}],
    "deaths": [
        {"split": "0001-000002", "position": 4711, "step": "kernel", "code": "crash", "exit": "signal 11 (SIGSEGV)",
         "stderr": "Fatal Python error: Segmentation fault"}
    ],
    "failures": [["file:///crawl/a.warc.gz", 1_234_567, 890, "corrupt_record"]],
    "inputs": [
        {"uri": "file:///crawl/a.warc.gz", "kind": "warc", "size": 1_000, "records": 10_000, "covered": 1_000},
        {"uri": "file:///crawl/b.warc.gz", "kind": "warc", "size": 1_000, "records": 0, "covered": 250},
    ],
    "memory_peak_mb": 412,
    "versions": {"python": "3.11.9", "pyarrow": "25.0.0"},
    "config": {"main_text": "fast", "limits": {"links": 5_000}},
}  # fmt: skip


def test_the_command_that_goes_on_stands_before_everything_else():
    page = render(STOPPED)
    command = page.index("scripts/run.sh parse_html --input &#x27;crawl/*.warc.gz&#x27; --output out/pages")
    assert page.index("exit code 4: incomplete") < command < page.index("<h2>")


@pytest.mark.parametrize(
    "text",
    [
        "<b>incomplete</b>",
        "<b>61 min 40 s</b>",
        "<b>14 Nov 22:13:20 UTC</b>",
        "<b>11 of 12</b>",
        "Input/output error",
        "not started",
        "signal 11 (SIGSEGV)",
        "Fatal Python error: Segmentation fault",
        "1,234,567",
        "request 10,000, warcinfo 3",
        "node-3",
        "25.0%",
        "pyarrow 25.0.0",
        "&quot;main_text&quot;: &quot;fast&quot;",
        "the record killed the process that handled it (signal or exit)",
    ],
)
def test_page_says(text):
    assert text in render(STOPPED)


def test_a_rare_status_is_never_rounded_to_nothing():
    assert "&lt; 0.1%" in render(STOPPED)


def test_files_not_wholly_read_come_first():
    page = render(STOPPED)
    inputs = page[page.index("Inputs (2)") :]
    assert inputs.index("b.warc.gz") < inputs.index("a.warc.gz")


def test_rates_count_only_when_there_was_time():
    assert "<b>2.7</b><span>records/s" in render(STOPPED)
    assert "<b>–</b><span>records/s" in render(STOPPED | {"seconds": 0})


def test_nothing_of_a_run_is_taken_for_markup():
    hostile = "<script>alert(1)</script>"
    page = render(
        STOPPED
        | {"job": hostile, "output": hostile, "next": hostile, "config": {hostile: hostile}, "state": hostile}
        | {"versions": {hostile: hostile}, "unselected": {hostile: 1}, "counts": {"ok": {hostile: 1}}}
        | {"failures": [[hostile, 1, 2, hostile]], "unfinished": [{"split": hostile, "inputs": [hostile], "error": ""}]}
        | {"deaths": [dict.fromkeys(("split", "position", "step", "code", "exit", "stderr"), hostile)]}
    )
    assert "<script" not in page


def test_page_loads_nothing():
    page = render(STOPPED)
    assert not any(mark in page for mark in ("src=", "href=", "url(", "@import", "<script"))


def test_a_failed_proof_warns_against_the_output():
    page = render(STOPPED | {"state": "unproven", "unfinished": [], "proof": {"proven": False, "wrong": ["a: gap"]}})
    assert "The proof failed: do not use this output" in page


def test_a_report_with_little_in_it_is_still_a_page():
    assert "No records yet." in render({"job": "parse_html"})


def test_runs_stand_side_by_side_with_the_keys_that_differ():
    other = STOPPED | {"output": "file:///data/out/again", "config": {"main_text": "none", "limits": {"links": 5_000}}}
    page = compare([STOPPED, other])
    assert "<td>main_text</td><td>&quot;fast&quot;</td><td>&quot;none&quot;</td>" in page
    assert "limits.links" not in page
    assert page.index("out/pages") < page.index("out/again")


def test_command_prints_the_page(tmp_path, capsys):
    (tmp_path / "_report.json").write_text(json.dumps(STOPPED))
    assert report(Namespace(output=[str(tmp_path)])) == 0
    assert capsys.readouterr().out == render(STOPPED)


def test_folder_without_a_report_is_one_line(tmp_path):
    with pytest.raises(UsageError, match=r"holds no _report\.json"):
        report(Namespace(output=[str(tmp_path)]))
