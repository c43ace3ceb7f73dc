"""What happens to the whole cluster in the middle of a run: one at a time, the run alone."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest
from cluster.conftest import EVERY_PAGE, PAGES, User, ended, until
from cluster.minihadoop import MiniHadoop
from cluster.test_yarn import EXECUTOR, MASTER, finishes, in_the_middle

from lib import storage

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(1800)]


def test_safe_mode_and_then_a_namenode_that_restarts_cost_no_row(shipped: User) -> None:
    process = in_the_middle(shipped, "namenode")
    shipped.hadoop.dfsadmin("-safemode", "enter")
    try:
        end = ended(process)
        refused = shipped.run("safe-mode", f"--spark-conf=spark.fireball.root={shipped.root}-2")
    finally:
        shipped.hadoop.dfsadmin("-safemode", "leave")
    assert end.code == 4, end.stderr
    assert refused.code == 2
    assert "is in safe mode" in refused.stderr.splitlines()[-1]
    process = in_the_middle(shipped, "namenode")
    shipped.hadoop.restart("nn")
    end = ended(process)
    assert end.code in (0, 4), end.stderr
    if end.code == 4:
        finishes(shipped, "namenode")
    assert shipped.names("namenode") == EVERY_PAGE


def test_a_dead_datanode_costs_no_row(shipped: User) -> None:
    # Each write finds out anew that it is dead, in seconds: not quite as many splits.
    process = in_the_middle(shipped, "datanode", "--set", "run.split_bytes=300")
    shipped.hadoop.kill("dn2")
    try:
        end = ended(process)
    finally:
        shipped.hadoop.launch("dn2")
        shipped.hadoop.wait_until(lambda: shipped.hadoop.live_datanodes() == 2, "two DataNodes again")
    assert end.code == 0, end.stderr
    assert shipped.names("datanode") == EVERY_PAGE


def test_a_dead_node_costs_no_row(shipped: User) -> None:
    """Its executors are lost with it; where it also had the driver, the same command goes on."""
    hadoop = shipped.hadoop
    process = in_the_middle(shipped, "node", "--executors=2")
    application = shipped.application("node")
    executors = until(lambda: len(hadoop.containers(application, EXECUTOR)) == 2, "both executors are there")
    assert executors
    (victim,) = [node for node in ("nm1", "nm2") if not hadoop.containers(application, MASTER, node)]
    lost = hadoop.containers(application, node=victim)
    hadoop.kill(victim)
    for pid in lost:  # the machine is gone, not only its NodeManager
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    try:
        end = ended(process)
    finally:
        hadoop.launch(victim)
        hadoop.wait_until(lambda: hadoop.live_nodes() == 2, "both nodes again")
    assert end.code == 0, end.stderr
    assert shipped.names("node") == EVERY_PAGE


def test_a_driver_that_yarn_takes_for_dead_does_no_harm(shipped: User) -> None:
    """Its NodeManager is killed and it goes on, until it hears that it has a successor."""
    hadoop = shipped.hadoop
    process = in_the_middle(shipped, "orphan", "--spark-conf=spark.yarn.maxAppAttempts=2")
    application = shipped.application("orphan")
    (node,) = [name for name in ("nm1", "nm2") if hadoop.containers(application, MASTER, name)]
    hadoop.kill(node)
    done = len(shipped.parts("orphan"))
    try:
        until(lambda: len(shipped.parts("orphan")) > done, "the orphan commits", 60)
        until(lambda: hadoop.containers(application, MASTER, other(node)), "a second driver is there", 120)
        end = ended(process)
    finally:
        hadoop.launch(node)
        hadoop.wait_until(lambda: hadoop.live_nodes() == 2, "both nodes again")
    assert end.code == 0, end.stderr
    assert shipped.names("orphan") == EVERY_PAGE


def other(node: str) -> str:
    return "nm2" if node == "nm1" else "nm1"


@contextmanager
def frozen_nodes(hadoop: MiniHadoop) -> Iterator[None]:
    """What is submitted meanwhile stays accepted, and not begun."""
    nodes = [hadoop.daemons[node] for node in ("nm1", "nm2")]
    for node in nodes:
        node.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        for node in nodes:
            node.send_signal(signal.SIGCONT)


def test_an_archive_deleted_under_a_submit_is_said_and_put_back(shipped: User) -> None:
    root = f"{shipped.hadoop.default_fs}/shared/elsewhere"
    mine = f"--spark-conf=spark.fireball.root={root}"
    before = {app["id"] for app in shipped.hadoop.applications()}
    with frozen_nodes(shipped.hadoop):
        process = shipped.start("vanished", mine)
        until(lambda: {app["id"] for app in shipped.hadoop.applications()} - before, "it is submitted", 60)
        (archive,) = [name for name in storage.names(root) if name.startswith("environment-")]
        storage.remove(f"{root}/{archive}")
    end = ended(process)
    assert end.code == 4, end.stderr
    assert f"File does not exist: {root}/{archive}" in end.stderr
    assert "exit code -1000: a file that it needs could not be fetched" in end.stderr
    again = shipped.run("vanished", mine)
    assert (again.code, again.summary["ok"]) == (0, PAGES), again.stderr
    assert storage.exists(f"{root}/{archive}")
