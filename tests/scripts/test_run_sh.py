"""scripts/run.sh from wherever, with whatever is or is not on the machine."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TOOLS = (
    "bash sed dirname readlink cat sha256sum cut mkdir rm touch flock grep tail head sort awk id sleep env printf tr"
)


def run(*command: str | Path, cwd: Path, **environment: str):
    return subprocess.run(
        list(map(str, command)), cwd=cwd, env={**os.environ, **environment}, capture_output=True, text=True, timeout=200
    )


def functions(script: str, cwd: Path, **environment: str):
    """Run a script over the functions that run.sh is made of."""
    return run("bash", "-c", f'source "{ROOT}/scripts/environment.sh"\n{script}', cwd=cwd, **environment)


def bare_path(folder: Path) -> str:
    """A path with the shell's tools on it, and neither Python nor Java."""
    folder.mkdir()
    for tool in TOOLS.split():
        found = subprocess.run(["which", tool], capture_output=True, text=True).stdout.strip()
        if found:
            (folder / tool).symlink_to(found)
    return str(folder)


def a_java(folder: Path, version: str) -> Path:
    (folder / "bin").mkdir(parents=True)
    (folder / "bin" / "java").write_text("#!/bin/sh\n")
    (folder / "bin" / "java").chmod(0o755)
    (folder / "release").write_text(f'IMPLEMENTOR="x"\nJAVA_VERSION="{version}"\n')
    return folder


@pytest.mark.spark
def test_it_works_through_a_link_from_a_folder_with_other_jobs_in_it(project, tmp_path):
    (tmp_path / "jobs").mkdir()
    (tmp_path / "jobs" / "__init__.py").write_text("raise SystemExit('the wrong jobs')")
    link = tmp_path / "my link.sh"
    link.symlink_to(project / "scripts/run.sh")

    ended = run(link, "--list", cwd=tmp_path, SPARK_HOME="/nowhere", PYSPARK_PYTHON="/nowhere", PYTHONPATH="/nowhere")

    assert "count_words " in ended.stdout, ended.stderr


@pytest.mark.spark
def test_once_installed_a_start_costs_less_than_a_second(project, tmp_path):
    assert run(project / "scripts/run.sh", "--list", cwd=tmp_path).returncode == 0
    before = resource.getrusage(resource.RUSAGE_CHILDREN)

    run(project / "scripts/run.sh", "--list", cwd=tmp_path)

    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 1


def test_no_python_is_one_line(tmp_path):
    ended = run(ROOT / "scripts/run.sh", "--list", cwd=tmp_path, PATH=bare_path(tmp_path / "bin"))

    assert ended.returncode == 2
    assert ended.stderr.startswith("error: needs Python 3.11, 3.12 or 3.13 with venv")
    assert ended.stderr.count("\n") == 1


def test_no_java_is_one_line(tmp_path):
    ended = functions(
        "use_java", tmp_path, PATH=bare_path(tmp_path / "bin"), JAVA_HOME="", FIREBALL_JVMS=str(tmp_path / "none")
    )

    assert ended.returncode == 2
    assert ended.stderr == (
        "error: needs Java >= 17: apt-get install openjdk-17-jre-headless (as root), or set JAVA_HOME to one\n"
    )


def test_java_home_wins_if_it_is_new_enough_and_else_the_oldest_that_is(tmp_path):
    old, new = a_java(tmp_path / "old one", "11.0.2"), a_java(tmp_path / "new one", "17.0.15")
    a_java(tmp_path / "jvms/java-8", "1.8.0_402")
    a_java(tmp_path / "jvms/java-25", "25.0.1")
    installed = a_java(tmp_path / "jvms/java-21", "21")
    given = {"PATH": bare_path(tmp_path / "bin"), "FIREBALL_JVMS": str(tmp_path / "jvms")}

    assert functions("find_java", tmp_path, JAVA_HOME=str(new), **given).stdout == f"{new}\n"
    assert functions("find_java", tmp_path, JAVA_HOME=str(old), **given).stdout == f"{installed}\n"


MAKE = """
install_packages() { mkdir -p "$3" && echo made >>"$LOG" && %s; }
make_environment "$PWD" python3 "$PWD/cache/env-1"
"""


def test_two_at_once_install_once(tmp_path):
    both = [
        subprocess.Popen(
            ["bash", "-c", f'source "{ROOT}/scripts/environment.sh"\n' + MAKE % "sleep 0.5"],
            cwd=tmp_path, env={**os.environ, "LOG": str(tmp_path / "log")},
        )
        for _ in range(2)
    ]  # fmt: skip

    assert [one.wait(60) for one in both] == [0, 0]
    assert (tmp_path / "log").read_text() == "made\n"


def test_a_killed_installation_is_made_afresh(tmp_path):
    log = str(tmp_path / "log")
    killed = subprocess.Popen(
        ["bash", "-c", f'source "{ROOT}/scripts/environment.sh"\n' + MAKE % 'touch "$3/half" && sleep 60'],
        cwd=tmp_path, env={**os.environ, "LOG": log}, start_new_session=True, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    while not (tmp_path / "cache/env-1/half").exists():
        time.sleep(0.02)
    os.killpg(killed.pid, signal.SIGKILL)
    killed.wait()

    ended = functions(MAKE % "true", tmp_path, LOG=log)

    assert ended.returncode == 0
    assert (tmp_path / "log").read_text() == "made\nmade\n"
    assert sorted(path.name for path in (tmp_path / "cache/env-1").iterdir()) == [".complete"]


def test_a_failed_installation_is_one_line_and_not_taken_for_done(tmp_path):
    ended = functions(MAKE % "{ echo no network; false; }", tmp_path, LOG=str(tmp_path / "log"))

    assert ended.returncode == 2
    assert "error: the installation failed: no network (all of it: " in ended.stderr
    assert not (tmp_path / "cache/env-1/.complete").exists()


@pytest.mark.parametrize(
    ("args", "needs"),
    [
        ("", False),
        ("--list", False),
        ("status out", False),
        ("parse_html --describe", False),
        ("parse_html --input x --dry-run", False),
        ("parse_html", True),
        ("parse_html --input x", True),
    ],
)
def test_java_is_looked_for_only_where_spark_starts(tmp_path, args, needs):
    text = (ROOT / "scripts/run.sh").read_text()
    function = text[text.index("needs_java() {") : text.index("\n}\n") + 3]
    assert functions(f"{function}\nneeds_java {args}", tmp_path).returncode == (0 if needs else 1)


@pytest.mark.spark
def test_stdout_is_one_line_of_json(project, tmp_path):
    (tmp_path / "a text.txt").write_text("one two")
    temporary = tmp_path / "temporary"
    temporary.mkdir()

    command = (project / "scripts/run.sh", "count_words", "--input", "a text.txt", "--master", "local[1]")
    ended = run(*command, cwd=tmp_path, TMPDIR=str(temporary))

    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.count("\n") == 1
    assert '"job": "count_words"' in ended.stdout
    assert list((tmp_path / "out/count_words").glob("part-*.parquet"))
    assert "1 records in " in ended.stderr and "read it: duckdb.sql(" in ended.stderr
    assert list(temporary.iterdir()) == []

    verified = run(project / "scripts/run.sh", "verify", "out/count_words", cwd=tmp_path)
    assert verified.returncode == 0
    assert verified.stdout.endswith("out/count_words: 1 splits, every record accounted for\n")
    told = run(project / "scripts/run.sh", "status", "out/count_words", cwd=tmp_path)
    assert told.stdout.endswith("out/count_words: done, 1 of 1 splits done\n")
