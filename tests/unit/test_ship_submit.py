"""What a submit is made of: settings, memory, and nothing of the user's shell or secrets where it does not belong."""

from __future__ import annotations

import os
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import pytest

from lib import hdfs, storage
from lib.errors import UsageError
from lib.options import RunOptions
from lib.request import Request
from lib.secrecy import redacted
from ship import sparks, submit

CONF = {"spark.executor.cores": "2"}


def request(deploy_mode: str = "cluster", run: RunOptions | None = None, **conf: str) -> Request:
    return Request(
        *("jobs.parse_html", {}, {}, run or RunOptions(record_memory_mb=1000)),
        inputs=("hdfs:///in",),
        output="hdfs:///out",
        master="yarn",
        deploy_mode=deploy_mode,
        spark_conf={key.replace("_", "."): value for key, value in conf.items()},
    )


@pytest.fixture(autouse=True)
def spark_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "jars").mkdir()
    (tmp_path / "jars" / "spark-core_2.13-4.3.0.jar").touch()
    monkeypatch.setenv("SPARK_HOME", str(tmp_path))
    monkeypatch.setenv("HADOOP_CONF_DIR", str(tmp_path))
    monkeypatch.setenv("HADOOP_USER_NAME", "ada")
    monkeypatch.delenv("SPARK_CONF_DIR", raising=False)
    return tmp_path


def settings(found: Request) -> dict[str, str]:
    return submit.settings_of(submit.prepare(found), "code.zip", "request.json", "/here/bin/python")


def test_in_the_cluster_driver_and_executors_run_the_shipped_python() -> None:
    found = settings(request())
    assert found["spark.pyspark.python"] == "./environment/bin/python"
    assert found["spark.pyspark.driver.python"] == "./environment/bin/python"
    assert found["spark.yarn.dist.archives"].startswith("hdfs:///user/ada/.fireball/environment-")
    assert found["spark.yarn.dist.archives"].endswith(".tar.gz#environment")
    assert found["spark.yarn.dist.files"] == "request.json"


def test_user_stands_for_who_submits_wherever_it_is_said() -> None:
    found = submit.prepare(request(spark_fireball_home="hdfs:///tmp/{user}", spark_fireball_root="hdfs:///x/{user}/y/"))
    assert (found.home, found.root) == ("hdfs:///tmp/ada", "hdfs:///x/ada/y")


def test_spark_does_not_get_the_keytab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("FIREBALL_KEYTAB", "FIREBALL_PRINCIPAL"):
        monkeypatch.setenv(name, "")
    (tmp_path / "ada.keytab").touch()
    keytab = {"spark_kerberos_keytab": f"{tmp_path}/ada.keytab", "spark_kerberos_principal": "ada@EXAMPLE.COM"}
    assert [key for key in settings(request(**keytab)) if "kerberos" in key] == []
    assert submit.steps(request(**keytab)).startswith(f"kinit -kt {tmp_path}/ada.keytab ada@EXAMPLE.COM\n")


def test_a_driver_on_this_machine_runs_the_local_copy() -> None:
    found = settings(request("client"))
    assert found["spark.pyspark.driver.python"] == "/here/bin/python"
    assert found["spark.pyspark.python"] == "./environment/bin/python"


def test_what_the_user_says_wins_over_ours_and_ours_over_the_clusters(spark_home: Path) -> None:
    (spark_home / "conf").mkdir()
    (spark_home / "conf" / "spark-defaults.conf").write_text("spark.yarn.queue=night\nspark.executor.cores 9\n")
    found = settings(request(spark_executor_instances="7"))
    assert found["spark.yarn.queue"] == "night"
    assert found["spark.executor.cores"] == "2"
    assert found["spark.executor.instances"] == "7"


def test_sparks_staging_needs_no_home_on_hdfs() -> None:
    assert settings(request())["spark.yarn.stagingDir"] == "hdfs:///user/ada/.fireball"
    assert settings(request(spark_fireball_home="hdfs:///x"))["spark.yarn.stagingDir"] == "hdfs:///x"
    assert settings(request(spark_yarn_stagingDir="hdfs:///y"))["spark.yarn.stagingDir"] == "hdfs:///y"


def test_of_a_home_only_old_ends_of_runs_are_removed(monkeypatch: pytest.MonkeyPatch) -> None:
    end = "0123456789abcdef" * 2 + ".json"
    names = {"thesis-2025": True, "notes.json": False, f"a{end}": False, "f" * 32 + ".json": True, end: False}
    listed = [SimpleNamespace(path=f"/x/ends/{n}", isdir=d, modification_time=0) for n, d in names.items()]
    removed: list[str] = []

    def remove(uri: str) -> None:
        removed.append(uri)
        raise PermissionError("not yours")

    monkeypatch.setattr(hdfs, "_list", lambda _: listed)
    monkeypatch.setattr(hdfs, "remove", remove)
    for name in ("write_bytes", "remove"):
        monkeypatch.setattr(storage, name, lambda *_: None)
    submit._require_home(submit.prepare(request(spark_fireball_home="hdfs:///x")))
    assert removed == [f"hdfs:///x/ends/{end}"]


def test_the_clusters_own_python_leads_nobody_astray(spark_home: Path) -> None:
    (spark_home / "conf").mkdir()
    (spark_home / "conf" / "spark-defaults.conf").write_text(
        "spark.pyspark.python /opt/python\nspark.executorEnv.PYTHONPATH /opt/lib\nspark.executorEnv.LANG C.UTF-8\n"
    )
    found = settings(request())
    assert [value for value in found.values() if value.startswith("/opt")] == []
    assert found["spark.executorEnv.LANG"] == "C.UTF-8"


@pytest.mark.parametrize("key", ["spark.pyspark.driver.python", "spark.yarn.appMasterEnv.PYSPARK_PYTHON"])
def test_another_python_is_refused(key: str) -> None:
    with pytest.raises(UsageError, match=f"--spark-conf {key}: the Python there is the shipped one"):
        submit.prepare(replace(request(), spark_conf={key: "/usr/bin/python2"}))


def test_tasks_write_as_who_submits(monkeypatch: pytest.MonkeyPatch) -> None:
    assert settings(request())["spark.executorEnv.HADOOP_USER_NAME"] == "ada"
    monkeypatch.setenv("HADOOP_PROXY_USER", "grace")
    assert settings(request())["spark.yarn.appMasterEnv.HADOOP_USER_NAME"] == "grace"


def test_what_users_ship_of_their_own_comes_along() -> None:
    found = settings(request(spark_submit_pyFiles="hdfs:///mine.zip"))
    assert found["spark.submit.pyFiles"] == "code.zip,hdfs:///mine.zip"


def test_room_for_python_follows_cores_and_the_limit_of_a_record() -> None:
    assert settings(request())["spark.executor.memoryOverhead"] == "2800m"  # 2 x (400 + 1000)


def test_too_little_room_for_python_is_refused() -> None:
    with pytest.raises(UsageError, match=r"memoryOverhead is 2g, but 2 cores x \(400 MB \+ .* take 2800 MB"):
        submit.prepare(request(spark_executor_memoryOverhead="2g"))


def test_without_the_clusters_configuration_nothing_is_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("YARN_CONF_DIR", os.environ["HADOOP_CONF_DIR"])  # of which only Spark knows
    monkeypatch.delenv("HADOOP_CONF_DIR")
    with pytest.raises(UsageError, match="needs HADOOP_CONF_DIR"):
        submit.prepare(request())


def test_sparks_own_jars_are_not_uploaded_where_the_cluster_has_them() -> None:
    assert settings(request())["spark.yarn.archive"] == "hdfs:///user/ada/.fireball/spark-4.3.0-jars.zip"
    assert "spark.yarn.archive" not in settings(request(spark_yarn_jars="local:/opt/spark/jars/*"))


def test_a_dry_run_shows_steps_and_no_secret() -> None:
    shown = submit.steps(request(spark_hadoop_fs_s3a_secret_key="hunter2", spark_ssl_keyPassword="hunter2"))
    assert "hunter2" not in shown
    assert "--conf=spark.hadoop.fs.s3a.secret.key=***" in shown
    assert "hdfs dfs -put" in shown


def test_a_report_does_not_repeat_secrets_of_the_command_line() -> None:
    typed = "run.sh parse_html --spark-conf spark.hadoop.fs.s3a.secret.key=hunter2 --set run.batch_rows=3"
    wanted = "run.sh parse_html --spark-conf spark.hadoop.fs.s3a.secret.key=*** --set run.batch_rows=3"
    assert redacted(typed) == wanted


def test_the_shells_pythons_reach_neither_driver_nor_executors(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PYSPARK_DRIVER_PYTHON", "PYSPARK_PYTHON", "PYTHONPATH", "PYTHONHOME", "PYSPARK_SUBMIT_ARGS"):
        monkeypatch.setenv(name, "astray")
    assert "astray" not in submit._environment(submit.prepare(request())).values()


@pytest.mark.parametrize(("text", "mb"), [("512", 512), ("512m", 512), ("2g", 2048), ("2GB", 2048), ("1048576k", 1024)])
def test_sizes_are_read_as_spark_reads_them(text: str, mb: int) -> None:
    assert sparks.megabytes(text) == mb


def test_a_spark_that_is_too_old_is_refused(spark_home: Path) -> None:
    (spark_home / "jars" / "spark-core_2.13-4.3.0.jar").rename(spark_home / "jars" / "spark-core_2.12-3.3.2.jar")
    with pytest.raises(UsageError, match=r"is Spark 3\.3\.2; 3\.5 is the oldest"):
        sparks.find()


def test_a_folder_that_is_no_spark_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SPARK_HOME", str(tmp_path / "nowhere"))
    with pytest.raises(UsageError, match="no Spark there"):
        sparks.find()


def test_every_setting_of_ours_has_its_reason() -> None:
    for name in ("local.conf", "yarn.conf"):
        lines = (submit.PROJECT / "conf" / "spark" / name).read_text().splitlines()
        for above, line in pairwise(lines):
            if line.startswith("spark."):
                assert above.startswith(("#", "spark.")), line
