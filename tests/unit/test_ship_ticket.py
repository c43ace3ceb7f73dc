"""A ticket from a keytab is there as long as a submit is, and never longer than that."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lib import hdfs
from lib.errors import UsageError
from ship import ticket


@pytest.fixture(autouse=True)
def keytab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    once = "<property><name>dfs.client.failover.max.attempts</name><value>1</value></property>"
    (tmp_path / "hdfs-site.xml").write_text(f"<configuration>{once}</configuration>")
    monkeypatch.setenv("HADOOP_CONF_DIR", str(tmp_path))
    monkeypatch.setenv("FIREBALL_KEYTAB", "/nowhere/ada.keytab")
    monkeypatch.setenv("FIREBALL_PRINCIPAL", "ada")
    monkeypatch.setenv("KRB5CCNAME", "FILE:/mine")


def test_a_ticket_that_cannot_be_had_is_the_environments_fault(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as error, ticket.for_java(tmp_path, "hdfs://127.0.0.1:1/x"):
        pass
    assert str(error.value) == "hdfs://127.0.0.1:1/x: no ticket from the keytab: Connection refused (os error 111)"
    assert os.environ["KRB5CCNAME"] == "FILE:/mine"


def test_a_submit_ends_at_once_though_the_name_node_does_not_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hdfs, "get_ticket", lambda *_: None)  # the first time all was well
    monkeypatch.setattr(ticket, "FRESH_SECONDS", 0.01)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        with ticket.for_java(tmp_path, f"hdfs://127.0.0.1:{silent.getsockname()[1]}/x"):
            assert os.environ["KRB5CCNAME"] == f"FILE:{tmp_path}/ticket"
            asking = silent.accept()[0]
            began = time.monotonic()
        assert time.monotonic() - began < 5
        asking.settimeout(5)
        while asking.recv(1000):  # until it has gone
            pass
        asking.close()
    assert os.environ["KRB5CCNAME"] == "FILE:/mine"


def test_nobody_keeps_a_ticket_fresh_for_the_dead() -> None:
    command = [sys.executable, "-m", "ship.ticket", "hdfs://127.0.0.1:1/x", "FILE:/nowhere/ticket", "60"]
    subprocess.run(command, cwd=ticket.PROJECT, input=b"", check=True, timeout=20)
