"""One command on the laptop, in YARN's client mode and in its cluster mode: the same rows, the same endings.

Each scenario is a run or several, as a user types them; all go on a real HDFS and YARN, two at a time.
"""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import tarfile
import time
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pyspark
import pytest
from cluster import other_spark
from cluster.conftest import EVERY_PAGE, PAGES, User, ended, until

from harm.terminal import Terminal, at_terminal
from lib import storage
from ship import environment

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(1800)]

MASTER = "org.apache.spark.deploy.yarn.ApplicationMaster"
EXECUTOR = "org.apache.spark.executor.YarnCoarseGrainedExecutorBackend"
A_SPLIT_A_PAGE = ("--set", "run.split_bytes=1")


def in_the_middle(user: User, out: str, *args: str, mode: str = "cluster") -> subprocess.Popen[str]:
    """A run that has done some splits, and has others to do."""
    before = len(user.parts(out))
    process = user.start(out, *A_SPLIT_A_PAGE, *args, mode=mode)
    until(lambda: process.poll() is not None or len(user.parts(out)) > before + 3, "some splits are done")
    return process


def at_a_terminal(user: User, out: str, mode: str = "cluster") -> Terminal:
    """The same, with somebody before it."""
    before = len(user.parts(out))
    terminal = at_terminal(user.command(out, *A_SPLIT_A_PAGE, mode=mode), user.checkout, user.env)
    until(lambda: terminal.process.poll() is not None or len(user.parts(out)) > before + 3, "some splits are done")
    return terminal


def finishes(user: User, out: str, mode: str = "cluster") -> None:
    """The same command again ends well, and each page has one row."""
    end = user.run(out, *A_SPLIT_A_PAGE, mode=mode)
    assert (end.code, end.summary.get("ok")) == (0, PAGES), end.stderr
    assert user.names(out) == EVERY_PAGE


def copies(user: User) -> dict[str, list[Path]]:
    """Of the environment, whole, in each node's cache for everybody."""
    (archive,) = user.archives()
    nodes = (user.hadoop.root / node for node in ("nm1", "nm2"))
    found = {node.name: sorted(node.glob(f"local/filecache/*/{archive}")) for node in nodes}
    return {node: [path for path in paths if not path.parent.name.endswith("_tmp")] for node, paths in found.items()}


# What is shipped.


def laptop_client_and_cluster_give_the_same_rows(user: User) -> None:
    where = ["--input", user.pages, "--output", user.out("laptop"), "--master", "local[2]"]
    laptop = user.ask("parse_html", *where)
    assert laptop.code == 0, laptop.stderr
    client = user.run("client", mode="client")
    assert (client.code, client.summary["ok"]) == (0, PAGES), client.stderr
    assert "application_" in client.stderr
    assert user.names("laptop") == EVERY_PAGE
    assert user.rows("laptop") == user.rows("client") == user.rows("first")


def a_colleague_builds_uploads_and_fetches_nothing(user: User) -> None:
    """Though the cluster's own defaults name another Python."""
    conf = user.checkout / "spark-conf"
    conf.mkdir()
    (conf / "spark-defaults.conf").write_text(
        "spark.pyspark.python /nowhere/python\nspark.yarn.appMasterEnv.PYSPARK_PYTHON /nowhere/python\n"
        "spark.executorEnv.PYTHONPATH /nowhere\n"
    )
    colleague = replace(user, name="grace", cache="colleague", shell=(("SPARK_CONF_DIR", str(conf)),))
    before = user.archives(), storage.stat(f"{user.root}/{user.archives()[0]}").stamp
    fetched = copies(user)
    end = colleague.run("colleague")
    assert (end.code, end.summary["ok"]) == (0, PAGES), end.stderr
    assert "building" not in end.stderr
    assert (user.archives(), storage.stat(f"{user.root}/{user.archives()[0]}").stamp) == before
    assert any(fetched.values())
    assert all(copies(user)[node] == paths for node, paths in fetched.items() if paths)


def a_colleague_in_client_mode_takes_the_archive_from_the_cluster(user: User) -> None:
    end = replace(user, name="grace", cache="client").run("colleague-client", mode="client")
    assert (end.code, end.summary["ok"]) == (0, PAGES), end.stderr
    assert "building" not in end.stderr


def a_node_keeps_one_copy_for_everybody(user: User) -> None:
    listing = user.hadoop.fs("-ls", user.root)
    assert [line[:10] for line in listing.splitlines() if "environment-" in line] == ["-rw-r--r--"]
    assert sorted(map(len, copies(user).values())) in ([0, 1], [1, 1])


def an_existing_conda_environment_is_shipped_instead(user: User) -> None:
    prefix = environment.unpacked(user.checkout / user.cache / "fireball" / "environments" / user.archives()[0])
    root = f"{user.hadoop.default_fs}/shared/prefix"
    mine = (f"--spark-conf=spark.fireball.prefix={prefix}", f"--spark-conf=spark.fireball.root={root}")
    end = user.run("prefix", *mine)
    assert (end.code, end.summary["ok"]) == (0, PAGES), end.stderr
    (archive,) = [name for name in storage.names(root) if name.startswith("environment-")]
    assert archive not in user.archives()


def without_an_input_the_sample_is_read_by_as_many_executors_as_it_takes(user: User) -> None:
    command = user.command("sample", "--spark-conf=spark.dynamicAllocation.enabled=true")
    at = command.index("--input")
    end = ended(user.launch([*command[:at], *command[at + 2 :]]))
    assert end.code == 0, end.stderr
    assert end.summary["records"] > 0


def a_task_reads_its_table_in_the_cluster_and_makes_the_laptops_model(user: User) -> None:
    random = np.random.default_rng(0)
    rows = pa.table({**{f"x{i}": random.normal(size=450_000) for i in range(20)}, "y": random.integers(0, 2, 450_000)})
    pq.write_table(rows, user.checkout / "rows.parquet", row_group_size=100_000)
    storage.write_file(user.out("table/rows.parquet"), user.checkout / "rows.parquet")  # 72 MB: two parts
    set_to = ("--set", "label=y", "--set", "max_rows=2000", "--set", "max_iter=3")
    laptop = user.ask("train_model", "--input", user.out("table"), "--output", user.out("model-laptop"), *set_to)
    command = [user.out("table") if part == user.pages else part for part in user.command("model", *set_to)]
    command = [part for part in command if part != "run.record_memory_mb=512"]
    command[3] = "train_model"
    command.remove("--set")
    cluster = ended(user.launch(command))
    assert (laptop.code, cluster.code) == (0, 0), cluster.stderr
    for name in ("model.joblib", "spec.json", "manifest.json"):
        found = [storage.read_bytes(f"{user.out(out)}/{name}") for out in ("model-laptop", "model")]
        assert found[0] == found[1]


def a_clusters_own_spark_of_another_version_brings_its_own_pyspark(user: User) -> None:
    home = other_spark.spark_home()
    theirs = replace(user, shell=(("SPARK_HOME", str(home)),))
    for mode in ("cluster", "client"):
        command = theirs.command(f"own-spark-{mode}", mode=mode)
        end = ended(
            theirs.launch([part.replace(f"{Path(pyspark.__file__).parent}/jars", f"{home}/jars") for part in command])
        )
        assert (end.code, end.summary["ok"]) == (0, PAGES), end.stderr
        scripts = user.hadoop.container_logs(user.application(f"own-spark-{mode}"), "launch_container.sh")
        assert len(scripts) == 2  # of the application master and an executor
        assert [script for script in scripts if "$PWD/py4j-0.10.9.7-src.zip" not in script.read_text()] == []
        assert user.rows(f"own-spark-{mode}") == user.rows("first")


# How runs end.


def a_finished_run_is_not_done_again(user: User) -> None:
    before = [storage.stat(part) for part in user.parts("first")]
    end = user.run("first")
    assert (end.code, end.summary["records"]) == (0, PAGES), end.stderr
    assert [storage.stat(part) for part in user.parts("first")] == before


def too_many_failed_records_are_exit_3_and_no_second_attempt_runs_them_again(user: User) -> None:
    two = "--spark-conf=spark.yarn.maxAppAttempts=2"
    end = user.run("failed", "--set", "run.max_record_bytes=10", two, "--spark-conf=spark.io.encryption.enabled=true")
    assert (end.code, end.summary["failed"] + end.summary["skipped"]) == (3, PAGES), end.stderr


def what_the_driver_refuses_is_one_line_and_exit_2(user: User) -> None:
    end = user.run("first", "--set", "main_text=none")
    assert end.code == 2
    assert end.stderr.splitlines()[-1].startswith(f"error: {user.out('first')}: holds a run with config.main_text")


def an_input_that_is_not_there_is_exit_2_in_client_mode_too(user: User) -> None:
    end = user.run("none", "--input", f"{user.hadoop.default_fs}/nope/*.html", mode="client")
    assert end.code == 2
    assert end.stderr.count("no file matches") == 1


def too_little_room_for_python_is_refused_at_the_door(user: User) -> None:
    end = user.run("x", "--spark-conf=spark.executor.memoryOverhead=384m")
    assert end.code == 2
    assert end.stderr.startswith("error: spark.executor.memoryOverhead is 384m, but 1 cores x (400 MB + ")


def a_home_that_cannot_be_written_is_refused_before_anything_is_done(user: User) -> None:
    for home in ((), (f"--spark-conf=spark.fireball.home={user.hadoop.default_fs}/user/grace/x",)):
        end = replace(user, name="linus").run("homeless", *home)  # who has no folder below /user
        folder = home[0].rpartition("=")[2] if home else "hdfs:///user/linus/.fireball"
        assert end.code == 2
        (line,) = end.stderr.splitlines()
        assert line.startswith(f"error: spark.fireball.home {folder} must be a folder that you can write: ")
        assert "Permission denied: user=linus" in line
    assert not storage.exists(user.out("homeless"))


def settings_that_spark_does_not_take_are_exit_2(user: User) -> None:
    end = user.run("x", "--memory", "12parsecs")
    assert end.code == 2
    assert end.stderr.splitlines()[-1].startswith("error: spark-submit: ")


def another_python_is_refused_at_the_door(user: User) -> None:
    end = user.run("x", "--spark-conf=spark.pyspark.python=/usr/bin/python2")
    assert end.code == 2
    assert "spark.pyspark.python: the Python there is the shipped one" in end.stderr


def a_bug_of_a_job_is_its_traceback_and_the_line_for_its_logs(user: User) -> None:
    end = user.run("bug", "--set", "harm=finish", job="harm_pages")
    assert end.code == 1
    lines = end.stderr.splitlines()
    assert lines[-2:] == [
        "RuntimeError: this job is broken",
        f"its logs: yarn logs -applicationId {user.application('bug')}",
    ]
    assert "Traceback (most recent call last):" in lines


def another_environment(user: User, name: str, files: dict[str, bytes]) -> str:
    """The setting for a place where the archive of this name holds other files."""
    packed = user.checkout / f"{name}.tar.gz"
    with tarfile.open(packed, "w:gz") as tar:
        for path, data in files.items():
            entry = tarfile.TarInfo(path)
            entry.size, entry.mode = len(data), 0o755
            tar.addfile(entry, io.BytesIO(data))
    root = f"{user.hadoop.default_fs}/shared/{name}"
    storage.write_file(f"{root}/{user.archives()[0]}", packed)
    return f"--spark-conf=spark.fireball.root={root}"


def python_that_does_not_work_on_the_nodes_is_one_line_and_exit_2(user: User) -> None:
    """It was built on a newer system, as the nodes see it."""
    script = b"#!/bin/sh\necho \"$0: libc.so.6: version 'GLIBC_2.99' not found\" >&2\nexit 1\n"
    broken = another_environment(user, "broken", {"bin/python": script})
    wrong = "./environment/bin/python: libc.so.6: version 'GLIBC_2.99' not found"
    for mode, where in (("cluster", "the driver does not start in the cluster"), ("client", "Python does not start")):
        end = user.run(f"broken-{mode}", broken, mode=mode)
        assert end.code == 2, end.stderr
        last = end.stderr.splitlines()[-1]
        assert last.startswith(f"error: {where}")
        assert last.endswith(wrong)


def a_library_that_does_not_load_on_the_nodes_is_one_line_and_exit_2(user: User) -> None:
    python = environment.unpacked(user.checkout / user.cache / "fireball" / "environments" / user.archives()[0])
    here = 'PYTHONPATH="$(dirname "$0")/../broken:$PYTHONPATH"'
    files = {
        "bin/python": f'#!/bin/sh\n{here} exec {python}/bin/python "$@"\n'.encode(),
        "broken/resiliparse/__init__.py": b"",
        "broken/resiliparse/extract/__init__.py": b"",
        "broken/resiliparse/extract/html2text.so": b"\x7fELF, and then the disk was full",
    }
    broken = another_environment(user, "no-library", files)
    for mode, job in (("cluster", "jobs.parse_html"), ("client", "parse_html")):
        end = user.run(f"no-library-{mode}", broken, mode=mode)
        assert end.code == 2, end.stderr
        last = end.stderr.splitlines()[-1]
        assert last.startswith(f"error: {job} cannot be imported on ")
        assert "ImportError: " in last
        assert "/broken/resiliparse/extract/html2text.so: " in last
        assert user.parts(f"no-library-{mode}") == []


# What dies or is stopped in the middle.


def a_killed_worker_costs_no_row(user: User) -> None:
    process = in_the_middle(user, "worker")
    worker = user.hadoop.containers(user.application("worker"), "pyspark.daemon")[-1]
    assert "/environment-" in str(Path(f"/proc/{worker}/exe").readlink())
    os.kill(worker, signal.SIGKILL)
    end = ended(process)
    assert end.code == 0, end.stderr
    assert user.names("worker") == EVERY_PAGE


def a_killed_executor_costs_no_row(user: User) -> None:
    process = in_the_middle(user, "executor")
    (executor,) = user.hadoop.containers(user.application("executor"), EXECUTOR)
    os.kill(executor, signal.SIGKILL)
    end = ended(process)
    assert end.code == 0, end.stderr
    assert user.names("executor") == EVERY_PAGE
    assert " ada " in user.hadoop.fs("-ls", user.parts("executor")[0])


def a_secret_of_the_clusters_defaults_is_on_no_command_line_and_in_no_log(user: User) -> None:
    conf = user.checkout / "secret-conf"
    conf.mkdir()
    (conf / "spark-defaults.conf").write_text("spark.hadoop.fs.s3a.secret.key hunter2\n")
    process = in_the_middle(replace(user, shell=(("SPARK_CONF_DIR", str(conf)),)), "secret")
    lines = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):  # it has ended
            lines.append(file.read_bytes())
    end = ended(process)
    assert end.code == 0, end.stderr
    texts = [file.read_bytes() for file in user.hadoop.container_logs(user.application("secret"))]
    assert len(texts) > 3
    assert [text for text in (*lines, *texts, end.stderr.encode()) if b"hunter2" in text] == []


def a_container_over_its_memory_is_killed_by_yarn_and_costs_no_row(user: User) -> None:
    once = user.checkout / "once"
    once.mkdir()
    end = user.run("memory", "--set", "harm=memory", "--set", f"once={once}", job="harm_pages")
    assert end.code == 0, end.stderr
    assert not once.exists()
    name = user.application("memory").removeprefix("application")
    logs = [line for node in ("nm1", "nm2") for line in user.hadoop.log(node, 100_000).splitlines()]
    assert [line for line in logs if f"container{name}" in line and "beyond the 'PHYSICAL' memory limit" in line]
    assert user.names("memory") == EVERY_PAGE


def whatever_ends_it_in_cluster_mode_the_same_command_goes_on(user: User) -> None:
    def kill_driver(application: str, process: subprocess.Popen[str]) -> None:
        (master,) = user.hadoop.containers(application, MASTER)
        os.kill(master, signal.SIGKILL)

    harms: dict[str, Callable[[str, subprocess.Popen[str]], None]] = {
        "exit code 137: killed": kill_driver,
        "was killed by user": lambda application, process: user.hadoop.kill_application(application),
        "no new split is started": lambda application, process: process.send_signal(signal.SIGINT),
        "those at work are finished": lambda application, process: process.send_signal(signal.SIGTERM),
    }
    for says, harm in harms.items():
        process = in_the_middle(user, "cluster-ends")
        application = user.application("cluster-ends")
        harm(application, process)
        end = ended(process)
        assert end.code == 4, end.stderr
        assert says in end.stderr
        assert f"yarn logs -applicationId {application}" in end.stderr
        assert end.summary.get("records", len(user.parts("cluster-ends"))) == len(user.parts("cluster-ends"))
        until(lambda gone=application: not user.hadoop.containers(gone), "nothing is left of it", 30)
    assert len(user.parts("cluster-ends")) < PAGES
    finishes(user, "cluster-ends")


def ctrl_c_again_kills_the_application(user: User) -> None:
    terminal = at_a_terminal(user, "twice")
    run = json.loads(storage.read_bytes(f"{user.out('twice')}/_state/run.json"))
    terminal.ctrl_c()
    until(lambda: storage.exists(f"{user.out('twice')}/_tmp/{run['run']}/stop"), "it was heard", 60)
    terminal.ctrl_c()
    end = ended(terminal.process)
    assert end.code == 4, end.stderr
    assert f"ending {run['application']}" in end.stderr
    assert user.hadoop.application(run["application"])["state"] in ("KILLED", "FINISHED", "FAILED")


def whatever_ends_it_in_client_mode_the_same_command_goes_on(user: User) -> None:
    def ctrl_c_twice(terminal: Terminal) -> None:
        terminal.ctrl_c()
        time.sleep(1)
        terminal.ctrl_c()

    ways: dict[Callable[[Terminal], None], int] = {
        Terminal.ctrl_c: 4,
        lambda terminal: terminal.process.terminate(): 4,
        ctrl_c_twice: 4,
        Terminal.close: -signal.SIGHUP,  # nobody is left to be told
    }
    for way, code in ways.items():
        terminal = at_a_terminal(user, "client-ends", mode="client")
        application = user.application("client-ends")
        way(terminal)
        end = ended(terminal.process)
        assert end.code == code, end.stderr
        until(lambda gone=application: not user.hadoop.containers(gone), "nothing is left of it", 30)
        if way is Terminal.ctrl_c:
            assert end.summary["records"] == len(user.parts("client-ends")) < PAGES
    finishes(user, "client-ends", mode="client")


def with_two_attempts_a_second_driver_resumes(user: User) -> None:
    process = in_the_middle(user, "attempts", "--spark-conf=spark.yarn.maxAppAttempts=2")
    before = {part: storage.stat(part).stamp for part in user.parts("attempts")}
    (master,) = user.hadoop.containers(user.application("attempts"), MASTER)
    os.kill(master, signal.SIGKILL)
    end = ended(process)
    assert end.code == 0, end.stderr
    assert user.names("attempts") == EVERY_PAGE
    assert {part: storage.stat(part).stamp for part in before} == before


def a_run_goes_on_without_its_client_and_can_be_followed(user: User) -> None:
    terminal = at_a_terminal(user, "no-client")
    terminal.close()
    assert ended(terminal.process).code == -signal.SIGHUP
    status = user.say("status", user.out("no-client"))
    assert ": running, " in status
    end = user.ask("attach", user.out("no-client"))
    assert (end.code, end.summary["ok"]) == (0, PAGES), end.stderr
    assert user.names("no-client") == EVERY_PAGE


def a_detached_run_ends_for_who_attaches_as_it_would_have(user: User) -> None:
    left = user.run("detached", *A_SPLIT_A_PAGE, "--detach", "--set", "run.max_record_bytes=10")
    assert (left.code, sorted(left.summary)) == (0, ["application", "job", "output"]), left.stderr
    end = user.ask("attach", user.out("detached"))
    assert end.code == 3, end.stderr
    report = json.loads(storage.read_bytes(f"{user.out('detached')}/_report.json"))
    assert end.summary == {key: report[key] for key in end.summary}
    assert end.summary["skipped"] + end.summary["failed"] == PAGES


def a_full_quota_is_exit_4_and_the_same_command_goes_on(user: User) -> None:
    process = in_the_middle(user, "quota")
    user.hadoop.dfsadmin("-setSpaceQuota", "1m", user.out("quota"))
    end = ended(process)
    assert end.code == 4, end.stderr
    logs = user.hadoop.container_logs(user.application("quota"), "stdout")
    said = "".join(log.read_text() for log in logs)
    assert 1 <= said.count("failed (storage): ") <= 6, said  # those at work; no other is started
    assert "quota" in end.stderr.lower()
    user.hadoop.dfsadmin("-clrSpaceQuota", user.out("quota"))
    finishes(user, "quota")


SCENARIOS = (
    whatever_ends_it_in_cluster_mode_the_same_command_goes_on,  # the longest first
    whatever_ends_it_in_client_mode_the_same_command_goes_on,
    ctrl_c_again_kills_the_application,
    a_colleague_builds_uploads_and_fetches_nothing,
    laptop_client_and_cluster_give_the_same_rows,
    a_colleague_in_client_mode_takes_the_archive_from_the_cluster,
    a_node_keeps_one_copy_for_everybody,
    an_existing_conda_environment_is_shipped_instead,
    without_an_input_the_sample_is_read_by_as_many_executors_as_it_takes,
    a_clusters_own_spark_of_another_version_brings_its_own_pyspark,
    a_task_reads_its_table_in_the_cluster_and_makes_the_laptops_model,
    a_finished_run_is_not_done_again,
    too_many_failed_records_are_exit_3_and_no_second_attempt_runs_them_again,
    what_the_driver_refuses_is_one_line_and_exit_2,
    an_input_that_is_not_there_is_exit_2_in_client_mode_too,
    too_little_room_for_python_is_refused_at_the_door,
    a_home_that_cannot_be_written_is_refused_before_anything_is_done,
    settings_that_spark_does_not_take_are_exit_2,
    another_python_is_refused_at_the_door,
    a_bug_of_a_job_is_its_traceback_and_the_line_for_its_logs,
    python_that_does_not_work_on_the_nodes_is_one_line_and_exit_2,
    a_library_that_does_not_load_on_the_nodes_is_one_line_and_exit_2,
    a_killed_worker_costs_no_row,
    a_killed_executor_costs_no_row,
    a_secret_of_the_clusters_defaults_is_on_no_command_line_and_in_no_log,
    a_container_over_its_memory_is_killed_by_yarn_and_costs_no_row,
    with_two_attempts_a_second_driver_resumes,
    a_run_goes_on_without_its_client_and_can_be_followed,
    a_detached_run_ends_for_who_attaches_as_it_would_have,
    a_full_quota_is_exit_4_and_the_same_command_goes_on,
)


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.__name__)
def test_on_yarn(scenario: Callable[[User], None], scenarios: dict[str, Future[float]]) -> None:
    print(f"{scenarios[scenario.__name__].result():.0f} s")
