"""The doctor names what is wrong, and its exit code says whether anything is."""

from __future__ import annotations

from pathlib import Path

import pytest

from ship import doctor


def test_a_wrong_java_and_an_empty_configuration_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "java").write_text("#!/bin/sh\necho 'openjdk version \"11.0.2\"' >&2\n")
    (tmp_path / "bin" / "java").chmod(0o755)
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    monkeypatch.setenv("HADOOP_CONF_DIR", str(tmp_path))
    assert doctor.main([]) == 2
    said = capsys.readouterr().out
    assert f"wrong  java: {tmp_path}/bin/java is Java 11.0.2; Spark 4 needs 17 or later" in said
    assert f"wrong  cluster: HADOOP_CONF_DIR={tmp_path} holds no core-site.xml" in said


def test_without_a_cluster_nothing_is_wrong_with_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("HADOOP_CONF_DIR", raising=False)
    doctor.main([])
    assert "ok     cluster: HADOOP_CONF_DIR is not set: local runs only" in capsys.readouterr().out
