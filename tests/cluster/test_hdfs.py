"""Storage on a real HDFS: the same calls as on local files, with the same outcome."""

from __future__ import annotations

import re
import time
from pathlib import Path

import hdfs_native
import pytest
from cluster.minihadoop import MiniHadoop

from lib import hdfs, storage

pytestmark = pytest.mark.cluster

STRANGE = "a b/é?x=1&y#z;%20/page?id=7#top;v=1.html"


@pytest.fixture
def root(hadoop: MiniHadoop, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("HADOOP_USER_NAME", "root")
    monkeypatch.setenv("HADOOP_CONF_DIR", str(hadoop.conf_dir))
    return f"{hadoop.default_fs}/{request.node.name}"


def test_names_are_taken_as_they_are(root: str) -> None:
    storage.write_bytes(f"{root}/{STRANGE}", b"hello")
    assert storage.read_bytes(f"{root}/{STRANGE}") == b"hello"
    assert [file.uri for file in storage.expand(root)] == [f"{root}/{STRANGE}"]
    assert storage.stat(f"{root}/{STRANGE}").size == 5


def test_patterns_match_as_they_do_on_local_files(root: str, tmp_path: Path) -> None:
    for base in (root, f"file://{tmp_path}"):
        for name in ("a/1.gz", "a/2.gz", "a/_hidden.gz", "a/b/3.gz", "a/b/4.txt", "c/5.gz"):
            storage.write_bytes(f"{base}/{name}", b"x")
    for pattern in ("a/*.gz", "*/*.gz", "**/*.gz", "a/b/[34].*", "a", "?/5.gz", "*", "**", "a/**/3.gz"):
        local = [
            file.uri.removeprefix(f"file://{tmp_path}/") for file in storage.expand(f"file://{tmp_path}/{pattern}")
        ]
        there = [file.uri.removeprefix(f"{root}/") for file in storage.expand(f"{root}/{pattern}")]
        assert sorted(there) == sorted(local), pattern


def test_what_matches_nothing_is_not_found(root: str) -> None:
    with pytest.raises(FileNotFoundError, match="no file matches"):
        list(storage.expand(f"{root}/*.gz"))
    with pytest.raises(FileNotFoundError):
        list(storage.expand(f"{root}/a.gz"))


def test_the_default_filesystem_comes_from_the_configuration(root: str, hadoop: MiniHadoop) -> None:
    storage.write_bytes(f"{root}/x", b"1")
    assert storage.read_bytes(f"{root.replace(hadoop.default_fs, 'hdfs://')}/x") == b"1"


def test_a_second_create_changes_nothing(root: str) -> None:
    assert storage.create(f"{root}/plan.json", b"first")
    assert not storage.create(f"{root}/plan.json", b"second")
    assert storage.read_bytes(f"{root}/plan.json") == b"first"
    assert storage.names(root) == ["plan.json"]


def test_a_file_is_replaced_in_one_step(root: str, tmp_path: Path) -> None:
    (tmp_path / "part").write_bytes(b"new")
    storage.write_bytes(f"{root}/part", b"old")
    storage.publish(tmp_path / "part", f"{root}/part", f"{root}/_tmp/run")
    assert storage.read_bytes(f"{root}/part") == b"new"
    assert storage.names(f"{root}/_tmp/run") == []


def test_seeks_are_exact(root: str) -> None:
    storage.write_bytes(f"{root}/x", bytes(range(256)) * 10_000)
    with storage.open_input(f"{root}/x") as file:
        file.seek(2_000_001)
        assert file.read(3) == bytes([129, 130, 131])
        assert file.seek(-1, 2) == 2_559_999
        assert file.read() == b"\xff"


def test_errors_are_one_line(root: str) -> None:
    with pytest.raises(FileNotFoundError) as missing:
        storage.read_bytes(f"{root}/nope")
    storage.write_bytes(f"{root}/folder/x", b"1")
    with pytest.raises(OSError) as folder:
        storage.write_bytes(f"{root}/folder", b"1")
    assert "\n" not in str(missing.value) + str(folder.value)
    assert "at org.apache" not in str(missing.value) + str(folder.value)


def test_removing_what_is_not_there_is_no_error(root: str) -> None:
    storage.write_bytes(f"{root}/folder/x", b"1")
    storage.remove(f"{root}/folder")
    storage.remove(f"{root}/folder")
    assert storage.names(root) == []
    assert storage.names(f"{root}/folder") == []


def test_of_what_has_the_name_the_old_is_removed_and_all_else_stays(root: str, hadoop: MiniHadoop) -> None:
    for name in ("1.json", "2.json", "3.json/x", "mine"):
        storage.write_bytes(f"{root}/{name}", b"1")
    yesterday = int(time.time() - 86400) * 1000
    for name in ("1.json", "3.json", "mine"):
        path = f"{root}/{name}".removeprefix(hadoop.default_fs)
        hdfs_native.Client(hadoop.default_fs).set_times(path, yesterday, yesterday)
    hdfs.remove_old(root, re.compile(r"[0-9]\.json"), 3600)
    hdfs.remove_old(f"{root}/nope", re.compile(".*"), 3600)
    assert storage.names(root) == ["2.json", "3.json", "mine"]
