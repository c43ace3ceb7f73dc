"""A secured HDFS and YARN, two NameNodes behind one name: by keytab, by ticket, for somebody else, or by nothing.

Delegation tokens live for 20 seconds there unless the ResourceManager renews them: every run lives longer than that.
"""

from __future__ import annotations

import base64
import json
import re
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
from cluster.conftest import EVERY_PAGE, User, ended, settle
from cluster.minihadoop import running
from cluster.secured import REALM, SERVICE, SecuredHadoop, kerberos

from lib import storage

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(1800)]

PAGES = EVERY_PAGE  # a run with a split for each lives long enough to be left
SHORT_SECONDS = 20
NO_TICKET = "HDFS wants Kerberos: No Kerberos credentials available"


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecuredHadoop]:
    with kerberos(tmp_path_factory.mktemp("kdc")) as kdc, pytest.MonkeyPatch.context() as here:
        here.setenv("KRB5_CONFIG", str(kdc.krb5_conf))
        here.delenv("HADOOP_USER_NAME", raising=False)
        cluster = SecuredHadoop(tmp_path_factory.mktemp("secured"), kdc=kdc)
        with running(cluster):
            here.setenv("HADOOP_CONF_DIR", str(cluster.conf_dir))
            here.setenv("KRB5CCNAME", cluster.kinit(SERVICE))
            for person in ("ada", "gate"):
                cluster.kinit(person)
            yield cluster


@pytest.fixture(scope="module")
def shipped(secured: SecuredHadoop, checkout: Path) -> User:
    """Ada, without a ticket, whose environment is there by a first run in cluster mode with her keytab."""
    shell = {"KRB5CCNAME": "FILE:/nowhere", "HADOOP_USER_NAME": "", "JAVA_TOOL_OPTIONS": secured.kdc.java}
    ada = replace(settle(secured, checkout, PAGES), shell=tuple(shell.items()))
    end = ada.run("keytab", *keytab(ada))
    assert (end.code, end.summary["ok"]) == (0, len(PAGES)), end.stderr
    return ada


def cluster_of(user: User) -> SecuredHadoop:
    assert isinstance(user.hadoop, SecuredHadoop)
    return user.hadoop


def keytab(user: User) -> tuple[str, str]:
    path = cluster_of(user).kdc.keytab
    return f"--spark-conf=spark.kerberos.keytab={path}", f"--spark-conf=spark.kerberos.principal=ada@{REALM}"


def with_ticket(user: User, person: str, **shell: str) -> User:
    ticket = f"FILE:{user.hadoop.root}/{person}.ticket"
    return replace(user, shell=(*user.shell, ("KRB5CCNAME", ticket), *shell.items()))


def owners(user: User, out: str) -> set[str]:
    listed = user.hadoop.fs("-ls", "-R", user.out(out)).splitlines()
    return {line.split()[2] for line in listed if len(line.split()) > 7}


def passwords(tokens: bytes) -> set[bytes]:
    """Of the HDFS tokens in a container's file: what stands before their kind, as it would look in a text."""
    found = set()
    for secret in re.findall(rb"(.{20})\x15HDFS_DELEGATION_TOKEN", tokens, re.DOTALL):
        shifted = (base64.b64encode(bytes(by) + secret)[4:-4] for by in range(3))
        found |= {secret, secret.hex().encode(), *shifted}
    return found


def a_keytab_is_enough_on_the_laptop_in_client_and_in_cluster_mode(user: User) -> None:
    laptop = user.ask("parse_html", "--input", user.pages, "--output", user.out("laptop"), *keytab(user))
    client = user.run("client", *keytab(user), mode="client")
    assert (laptop.code, client.code) == (0, 0), laptop.stderr + client.stderr
    assert user.names("keytab") == PAGES
    assert user.rows("laptop") == user.rows("client") == user.rows("keytab")
    assert owners(user, "laptop") | owners(user, "client") | owners(user, "keytab") == {"ada"}


def a_ticket_is_enough_under_a_viewfs_and_a_detached_run_can_be_attached_to(user: User) -> None:
    mounted = cluster_of(user).viewfs_conf_dir
    ada = replace(with_ticket(user, "ada", HADOOP_CONF_DIR=str(mounted)), pages="viewfs://cluster/web")
    assert f"HDFS answers ({mounted}, Kerberos as ada)" in ada.say("doctor")
    out = "viewfs://cluster/out/ticket"
    settings = ("--set", "run.split_bytes=1", "--set", "run.max_record_bytes=10")
    left = ada.run("ticket", "--output", out, "--detach", *settings)
    assert left.code == 0, left.stderr
    assert f"parse_html in {out}: " in ada.say("status", out)
    end = ada.ask("attach", out)
    assert end.code == 3, end.stderr
    assert end.summary["skipped"] + end.summary["failed"] == len(PAGES)
    assert json.loads(storage.read_bytes(f"{ada.out('ticket')}/_report.json"))["exit_code"] == 3


def without_a_ticket_every_command_says_so_at_once(user: User) -> None:
    laptop = ("parse_html", "--input", user.pages, "--output", user.out("none"))
    command = user.command("none")[3:]
    for words in (laptop, command, ("status", user.out("keytab")), ("attach", user.out("keytab")), ("doctor",)):
        began = time.monotonic()
        end = user.launch([*user.command("none")[:3], *words])
        said = "".join(end.communicate(timeout=60))
        assert end.returncode == 2, said
        assert NO_TICKET in said.splitlines()[-1]
        assert "Traceback" not in said
        assert time.monotonic() - began < SHORT_SECONDS


def a_keytab_that_cannot_be_used_is_one_line(user: User) -> None:
    path, ada = keytab(user)
    for wrong, says in (
        (("--spark-conf=spark.kerberos.keytab=/nowhere/x", ada), "spark.kerberos.keytab /nowhere/x: cannot be read"),
        ((path,), "spark.kerberos.keytab and spark.kerberos.principal: give both of them or neither"),
        ((path, f"{ada}.ORG"), "HDFS wants Kerberos: "),
    ):
        end = user.run("none", *wrong)
        assert end.code == 2
        assert says in end.stderr.splitlines()[-1]


def what_a_proxy_user_writes_is_theirs(user: User) -> None:
    end = with_ticket(user, "gate", HADOOP_PROXY_USER="grace").run("proxy")
    assert (end.code, end.summary["ok"]) == (0, len(PAGES)), end.stderr
    assert owners(user, "proxy") == {"grace"}


def a_run_over_a_second_filesystem_shows_no_token_on_a_command_line_or_in_a_log(user: User) -> None:
    """A NameNode by another name is a second one to ask: a token holds its address, where inputs hold its name."""
    other = f"hdfs://localhost:{user.hadoop.ports['nn.rpc']}"
    wanted = f"--spark-conf=spark.kerberos.access.hadoopFileSystems={other}"
    split = ("--set", "run.split_bytes=1")
    process = replace(user, pages=f"{other}/pages").start("named", wanted, *keytab(user), *split)
    secrets: set[bytes] = set()
    lines = []
    while process.poll() is None:
        for file in user.hadoop.root.glob("nm*/local/usercache/*/appcache/*/*/container_tokens"):
            with suppress(OSError):  # it has ended
                secrets |= passwords(file.read_bytes())
        for file in Path("/proc").glob("[0-9]*/cmdline"):
            with suppress(OSError):
                lines.append(file.read_bytes())
        time.sleep(0.5)
    end = ended(process)
    assert (end.code, end.summary.get("ok")) == (0, len(PAGES)), end.stderr
    texts = [file.read_bytes() for file in user.hadoop.container_logs(user.application("named"))]
    assert len(texts) > 3
    assert len(secrets) > 3
    told = b"\n".join((*lines, *texts, end.stderr.encode()))
    assert [secret for secret in secrets if secret in told] == []


SCENARIOS = (
    a_keytab_is_enough_on_the_laptop_in_client_and_in_cluster_mode,
    a_ticket_is_enough_under_a_viewfs_and_a_detached_run_can_be_attached_to,
    what_a_proxy_user_writes_is_theirs,
    a_run_over_a_second_filesystem_shows_no_token_on_a_command_line_or_in_a_log,
    without_a_ticket_every_command_says_so_at_once,
    a_keytab_that_cannot_be_used_is_one_line,
)


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.__name__)
def test_secured(scenario: Callable[[User], None], scenarios: dict[str, Future[float]]) -> None:
    print(f"{scenarios[scenario.__name__].result():.0f} s")
