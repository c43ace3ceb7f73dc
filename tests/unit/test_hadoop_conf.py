"""Where HDFS is, as HADOOP_CONF_DIR says it, and one line where it says nothing of use."""

from __future__ import annotations

from pathlib import Path

import pytest

from lib import hdfs, storage
from lib.errors import UsageError
from ship import doctor

ONCE = {"dfs.client.failover.max.attempts": "1"}


@pytest.fixture(autouse=True)
def conf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HADOOP_CONF_DIR", str(tmp_path))
    monkeypatch.delenv("HADOOP_TOKEN_FILE_LOCATION", raising=False)
    monkeypatch.delenv("HADOOP_HOME", raising=False)
    return tmp_path


def write(file: Path, **settings: str) -> None:
    properties = (f"<property><name>{name}</name><value>{value}</value></property>" for name, value in settings.items())
    file.write_text(f"<configuration>{''.join(properties)}</configuration>")


def asked(authority: str) -> str:
    """What comes of asking a NameNode that does not run."""
    with pytest.raises(OSError, match=r"\(os error 111\)") as error:
        hdfs.plain_errors(hdfs.connect(authority, ONCE).get_file_info)("/")
    return str(error.value.strerror)


def test_a_name_node_without_a_port_is_asked_at_hadoops_own(conf: Path) -> None:
    assert asked("hdfs://127.0.0.1") == "Connection refused (os error 111)"
    write(conf / "core-site.xml", **{"fs.defaultFS": "hdfs://127.0.0.1/"})
    assert asked("hdfs://") == "Connection refused (os error 111)"


def test_a_nameservice_is_no_host(conf: Path) -> None:
    write(conf / "core-site.xml", **{"fs.defaultFS": "hdfs://prod"})
    nodes = {"dfs.ha.namenodes.prod": "a", "dfs.namenode.rpc-address.prod.a": "127.0.0.1:1"}
    write(conf / "hdfs-site.xml", **nodes)
    assert asked("hdfs://") == asked("hdfs://prod") == "Connection refused (os error 111)"


def test_without_a_folder_of_its_own_the_configuration_is_hadoops(conf: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (conf / "etc" / "hadoop").mkdir(parents=True)
    nodes = {"dfs.ha.namenodes.prod": "a", "dfs.namenode.rpc-address.prod.a": "127.0.0.1:1"}
    write(conf / "etc" / "hadoop" / "hdfs-site.xml", **nodes)
    monkeypatch.delenv("HADOOP_CONF_DIR")
    monkeypatch.setenv("HADOOP_HOME", str(conf))
    assert asked("hdfs://prod") == "Connection refused (os error 111)"


def test_without_a_configuration_the_current_folder_is_none(conf: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(conf / "core-site.xml", **{"hadoop.security.authentication": "kerberos"})
    monkeypatch.chdir(conf)
    monkeypatch.delenv("HADOOP_CONF_DIR")
    assert hdfs.core_site() == {}


def test_a_default_filesystem_that_is_not_said_is_one_line(conf: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(conf / "core-site.xml")
    says = f"hdfs://: No fs.defaultFS setting found; see core-site.xml and hdfs-site.xml in {conf}"
    with pytest.raises(UsageError) as error:
        next(storage.expand("hdfs:///pages/*.html"))
    assert str(error.value) == says
    assert doctor.main([]) == 2
    assert f"wrong  cluster: {says}\n" in capsys.readouterr().out


def test_a_file_that_is_no_xml_is_one_line_that_names_it(conf: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (conf / "core-site.xml").write_text("<configuration>")
    says = f"{conf}/core-site.xml: is no XML: no element found: line 1, column 15"
    with pytest.raises(UsageError) as error:
        storage.stat("hdfs://127.0.0.1:1/page")
    assert str(error.value) == says
    assert doctor.main([]) == 2
    assert f"wrong  cluster: {says}\n" in capsys.readouterr().out
