"""One command on the laptop, in YARN's client mode and in its cluster mode: the same rows, the same endings."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from cluster.conftest import PAGES, User, ended, until
from cluster.minihadoop import MiniHadoop

from lib import storage

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(900)]


def downloads(hadoop: MiniHadoop) -> int:
    """How often a node has fetched something that all applications share."""
    return sum(hadoop.log(node, 100_000).count("Downloading public resource") for node in ("nm1", "nm2"))


@pytest.fixture(scope="session")
def local_rows(user: User, pages: str, tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, object]]:
    out = tmp_path_factory.mktemp("local") / "out"
    command = [
        sys.executable,
        "-m",
        "jobs",
        "parse_html",
        "--master",
        "local[2]",
        "--input",
        pages,
        "--output",
        str(out),
    ]
    environment = {key: value for key, value in user.env.items() if not key.startswith("PYSPARK")}
    subprocess.run(command, cwd=user.checkout, env=environment, check=True, capture_output=True, timeout=300)
    return user.rows(f"file://{out}")


@pytest.fixture(scope="session")
def first_submit(user: User, pages: str) -> str:
    """The output of a first run in cluster mode, which built and shipped the environment."""
    out = f"{user.hadoop.default_fs}/out/first"
    end = user.run("--input", pages, "--output", out)
    assert end.code == 0, end.stderr
    assert end.summary["ok"] == PAGES
    return out


def test_cluster_mode_gives_the_rows_of_the_laptop(
    user: User, first_submit: str, local_rows: list[dict[str, object]]
) -> None:
    assert user.rows(first_submit) == local_rows


def test_client_mode_gives_the_rows_of_the_laptop(
    user: User, pages: str, first_submit: str, local_rows: list[dict[str, object]]
) -> None:
    out = f"{user.hadoop.default_fs}/out/client"
    end = user.run("--input", pages, "--output", out, mode="client")
    assert (end.code, end.summary["ok"]) == (0, PAGES), end.stderr
    assert "application_" in end.stderr
    assert user.rows(out) == local_rows


def test_a_second_submit_ships_nothing_again(user: User, pages: str, first_submit: str) -> None:
    before = storage.names(user.root), downloads(user.hadoop)
    (archive,) = [name for name in before[0] if name.startswith("environment-")]
    stamp = storage.stat(f"{user.root}/{archive}").stamp
    end = user.run("--input", pages, "--output", f"{user.hadoop.default_fs}/out/second")
    assert end.code == 0, end.stderr
    assert (storage.names(user.root), downloads(user.hadoop)) == before
    assert storage.stat(f"{user.root}/{archive}").stamp == stamp
    assert "building" not in end.stderr


@pytest.mark.parametrize("mode", ["client", "cluster"])
def test_a_colleague_builds_nothing(user: User, pages: str, first_submit: str, mode: str) -> None:
    colleague = replace(user, cache=f"colleague-{mode}")
    before = storage.names(user.root)
    out = f"{user.hadoop.default_fs}/out/colleague-{mode}"
    end = colleague.run("--input", pages, "--output", out, mode=mode)
    assert (end.code, end.summary["ok"]) == (0, PAGES), end.stderr
    assert "building" not in end.stderr
    assert storage.names(user.root) == before


def test_the_archive_is_shared_by_all_users_of_a_node(user: User, first_submit: str) -> None:
    listing = user.hadoop.fs("-ls", user.root)
    assert [line[:10] for line in listing.splitlines() if "environment-" in line] == ["-rw-r--r--"]
    for node in ("nm1", "nm2"):
        fetched = list((user.hadoop.root / node / "local" / "filecache").glob("*/environment-*"))
        assert len(fetched) <= 1


def test_a_finished_run_is_not_done_again(user: User, pages: str, first_submit: str) -> None:
    parts = [storage.stat(f"{first_submit}/{name}") for name in storage.names(first_submit) if name.startswith("part-")]
    end = user.run("--input", pages, "--output", first_submit)
    assert (end.code, end.summary["records"]) == (0, PAGES), end.stderr
    assert parts == [storage.stat(part.uri) for part in parts]


def test_without_an_input_the_sample_is_read(user: User, first_submit: str) -> None:
    end = user.run("--output", f"{user.hadoop.default_fs}/out/sample")
    assert end.code == 0, end.stderr
    assert end.summary["records"] > 0


def test_too_many_failed_records_are_exit_3(user: User, pages: str, first_submit: str) -> None:
    out = f"{user.hadoop.default_fs}/out/failed"
    end = user.run("--input", pages, "--output", out, "--set", "run.max_record_bytes=10")
    assert (end.code, end.summary["failed"] + end.summary["skipped"]) == (3, PAGES), end.stderr


def test_what_the_driver_refuses_is_one_line_and_exit_2(user: User, pages: str, first_submit: str) -> None:
    end = user.run("--input", pages, "--output", first_submit, "--set", "main_text=none")
    assert end.code == 2
    assert end.stderr.splitlines()[-1].startswith(f"error: {first_submit}: holds a run with config.main_text")


def test_an_input_that_is_not_there_is_exit_2(user: User, first_submit: str) -> None:
    out = f"{user.hadoop.default_fs}/out/none"
    end = user.run("--input", f"{user.hadoop.default_fs}/nope/*.html", "--output", out)
    assert end.code == 2
    assert "no file matches" in end.stderr


def test_too_little_room_for_python_is_refused_at_the_door(user: User, pages: str) -> None:
    settings = ["spark.executor.memoryOverhead=384m"]
    end = user.run("--input", pages, "--output", f"{user.hadoop.default_fs}/out/x", settings=settings)
    assert end.code == 2
    assert "spark.executor.memoryOverhead is 384m" in end.stderr
    assert user.hadoop.applications()[0]["finalStatus"] != "UNDEFINED"


def running_workers(hadoop: MiniHadoop) -> list[int]:
    """Pids of the processes that do a split at this moment."""
    found = []
    for pid in hadoop.containers():
        try:
            said = Path(f"/proc/{pid}/cmdline").read_bytes()
        except OSError:
            continue
        if b"pyspark.daemon" in said or b"forkserver" in said:
            found.append(pid)
    return found


def of_class(hadoop: MiniHadoop, name: str) -> list[int]:
    """Pids of the JVMs in containers whose main class this is."""
    found = []
    for pid in hadoop.containers():
        try:
            said = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if said[0].endswith(b"java") and name.encode() in said:
            found.append(pid)
    return found


def one_split_a_page(user: User, pages: str, out: str, *settings: str) -> subprocess.Popen[str]:
    """A run that is in the middle of its splits."""
    process = user.start("--input", pages, "--output", out, "--set", "run.split_bytes=1", settings=settings)
    until(lambda: process.poll() is not None or parts(out) > 5, "some splits are done")
    return process


def parts(out: str) -> int:
    return sum(name.startswith("part-") for name in storage.names(out))


def paths(user: User, out: str) -> list[str]:
    return [row["source_path"].rsplit("/", 1)[-1] for row in user.rows(out, ["source_path"])]


EVERY_PAGE = [f"{number:03}.html" for number in range(PAGES)]


@pytest.mark.parametrize("victim", ["worker", "executor"])
def test_what_dies_in_the_middle_is_done_again(user: User, pages: str, first_submit: str, victim: str) -> None:
    out = f"{user.hadoop.default_fs}/out/kill-{victim}"
    process = one_split_a_page(user, pages, out)
    backend = "org.apache.spark.executor.YarnCoarseGrainedExecutorBackend"
    pids = of_class(user.hadoop, backend) if victim == "executor" else running_workers(user.hadoop)
    os.kill(pids[-1], signal.SIGKILL)
    end = ended(process)
    assert end.code == 0, end.stderr
    assert paths(user, out) == EVERY_PAGE


def test_a_killed_driver_is_resumed_by_the_same_command(user: User, pages: str, first_submit: str) -> None:
    out = f"{user.hadoop.default_fs}/out/kill-driver"
    process = one_split_a_page(user, pages, out)
    (master,) = of_class(user.hadoop, "org.apache.spark.deploy.yarn.ApplicationMaster")
    os.kill(master, signal.SIGKILL)
    end = ended(process)
    assert end.code == 4, end.stderr
    done = parts(out)
    assert 5 < done < PAGES
    again = user.run("--input", pages, "--output", out, "--set", "run.split_bytes=1")
    assert again.code == 0, again.stderr
    assert paths(user, out) == EVERY_PAGE


def test_with_two_attempts_the_second_driver_resumes(user: User, pages: str, first_submit: str) -> None:
    out = f"{user.hadoop.default_fs}/out/two-attempts"
    process = one_split_a_page(user, pages, out, "spark.yarn.maxAppAttempts=2")
    before = {name: storage.stat(f"{out}/{name}").stamp for name in storage.names(out) if name.startswith("part-")}
    (master,) = of_class(user.hadoop, "org.apache.spark.deploy.yarn.ApplicationMaster")
    os.kill(master, signal.SIGKILL)
    end = ended(process)
    assert end.code == 0, end.stderr
    assert paths(user, out) == EVERY_PAGE
    assert {name: storage.stat(f"{out}/{name}").stamp for name in before} == before


def test_a_final_state_is_not_run_again_by_a_second_attempt(user: User, pages: str, first_submit: str) -> None:
    out = f"{user.hadoop.default_fs}/out/final"
    settings = ["spark.yarn.maxAppAttempts=2"]
    end = user.run("--input", pages, "--output", out, "--set", "run.max_record_bytes=10", settings=settings)
    assert end.code == 3, end.stderr


def test_a_namenode_that_restarts_costs_no_row(user: User, pages: str, first_submit: str) -> None:
    out = f"{user.hadoop.default_fs}/out/restart-namenode"
    process = one_split_a_page(user, pages, out)
    user.hadoop.restart("nn")
    end = ended(process)
    assert end.code in (0, 4), end.stderr
    if end.code == 4:
        end = user.run("--input", pages, "--output", out, "--set", "run.split_bytes=1")
    assert end.code == 0, end.stderr
    assert paths(user, out) == EVERY_PAGE


def test_a_killed_application_is_exit_4(user: User, pages: str, first_submit: str) -> None:
    out = f"{user.hadoop.default_fs}/out/kill-application"
    process = one_split_a_page(user, pages, out)
    user.hadoop.kill_application(user.hadoop.applications()[0]["id"])
    end = ended(process)
    assert end.code == 4, end.stderr
    assert "the same command goes on" in end.stderr


def test_ctrl_c_stops_in_good_order(user: User, pages: str, first_submit: str) -> None:
    out = f"{user.hadoop.default_fs}/out/ctrl-c"
    process = one_split_a_page(user, pages, out)
    process.send_signal(signal.SIGINT)
    end = ended(process)
    assert end.code == 4, end.stderr
    assert end.summary["records"] == parts(out)
    assert user.hadoop.applications()[0]["state"] in ("FINISHED", "FAILED")


def test_the_application_goes_on_without_its_client(user: User, pages: str, first_submit: str) -> None:
    out = f"{user.hadoop.default_fs}/out/kill-client"
    process = one_split_a_page(user, pages, out)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    until(lambda: storage.exists(f"{out}/_SUCCESS"), "the application ends")
    assert paths(user, out) == EVERY_PAGE


def test_a_dead_datanode_costs_no_row(user: User, pages: str, first_submit: str) -> None:
    out = f"{user.hadoop.default_fs}/out/kill-datanode"
    process = one_split_a_page(user, pages, out)
    user.hadoop.kill("dn2")
    try:
        end = ended(process)
    finally:
        user.hadoop.launch("dn2")
        user.hadoop.wait_until(lambda: user.hadoop.live_datanodes() == 2, "two DataNodes again")
    assert end.code == 0, end.stderr
    assert paths(user, out) == EVERY_PAGE


def test_an_archive_that_vanished_is_put_back(user: User, pages: str, first_submit: str) -> None:
    (archive,) = [name for name in storage.names(user.root) if name.startswith("environment-")]
    storage.remove(f"{user.root}/{archive}")
    end = user.run("--input", pages, "--output", f"{user.hadoop.default_fs}/out/vanished")
    assert end.code == 0, end.stderr
    assert storage.exists(f"{user.root}/{archive}")
