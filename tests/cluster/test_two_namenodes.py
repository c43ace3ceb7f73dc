"""High availability and viewfs as HADOOP_CONF_DIR says, on the laptop and on YARN, and a failover in the middle."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace

import pytest
from cluster.conftest import EVERY_PAGE, PAGES, User, ended, settle, until
from cluster.minihadoop import running
from cluster.two_namenodes import TwoNameNodes

from lib import storage

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(1800)]
A_SPLIT_A_PAGE = ("--set", "run.split_bytes=1")


@pytest.fixture(scope="module")
def prod(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TwoNameNodes]:
    with running(TwoNameNodes(tmp_path_factory.mktemp("prod"))) as cluster, pytest.MonkeyPatch.context() as here:
        here.setenv("HADOOP_CONF_DIR", str(cluster.conf_dir))
        here.setenv("HADOOP_USER_NAME", "root")
        yield cluster


@pytest.fixture(scope="module")
def ada(prod: TwoNameNodes, shipped: User) -> User:
    """Whose environment was built for another cluster."""
    return settle(prod, shipped.checkout, EVERY_PAGE)


def fail_over(prod: TwoNameNodes, user: User, process: subprocess.Popen[str], out: str) -> None:
    """In the middle of a run."""
    until(lambda: process.poll() is not None or len(user.parts(out)) > 3, "some splits are done")
    assert process.poll() is None
    prod.fail_over()


def test_a_failover_costs_no_row(prod: TwoNameNodes, ada: User) -> None:
    where = ("--input", "hdfs:///pages", "--output", "hdfs:///out/laptop", "--master", "local[2]", *A_SPLIT_A_PAGE)
    process = ada.launch([sys.executable, "-m", "jobs", "parse_html", *where])
    fail_over(prod, ada, process, "laptop")
    end = ended(process)
    assert end.code in (0, 4), end.stderr
    if end.code == 4:
        end = ada.ask("parse_html", *where)
    assert (end.code, end.summary["ok"]) == (0, PAGES), end.stderr
    assert ada.names("laptop") == EVERY_PAGE


def test_mount_points_are_inputs_and_outputs(prod: TwoNameNodes, ada: User) -> None:
    user = replace(ada, shell=(("HADOOP_CONF_DIR", str(prod.viewfs_conf_dir)),))
    assert f"ok     cluster: HDFS answers ({prod.viewfs_conf_dir})" in user.say("doctor")
    pages = ("--input", "viewfs://cluster/web/*.html")
    first = user.ask("parse_html", *pages, "--output", "viewfs://cluster/out/mounted")
    again = user.ask("parse_html", *pages, "--output", "hdfs:///out/mounted")
    assert (first.code, first.summary["ok"]) == (0, PAGES), first.stderr
    assert (again.code, again.summary["ok"]) == (0, PAGES), again.stderr
    assert "nothing to do" in again.stderr
    assert user.names("mounted") == EVERY_PAGE
    nowhere = user.ask("parse_html", "--input", "viewfs://cluster/pages", "--output", "viewfs://cluster/out/nowhere")
    assert nowhere.code == 2
    assert "no such file or directory" in nowhere.stderr.splitlines()[-1]


def test_yarn_works_on_mount_points_through_a_failover(prod: TwoNameNodes, ada: User) -> None:
    user = replace(ada, pages="viewfs://cluster/web", shell=(("HADOOP_CONF_DIR", str(prod.viewfs_conf_dir)),))
    command = [part for part in user.command("yarn", *A_SPLIT_A_PAGE) if "spark.fireball.root" not in part]
    process = user.launch(command)
    fail_over(prod, user, process, "yarn")
    end = ended(process)
    assert end.code in (0, 4), end.stderr
    if end.code == 4:
        end = ended(user.launch(command))
    assert (end.code, end.summary["ok"]) == (0, PAGES), end.stderr
    assert user.names("yarn") == EVERY_PAGE
    assert [name for name in storage.names("hdfs://prod/user/ada/.fireball") if name.startswith("environment-")]
