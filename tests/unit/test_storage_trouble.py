"""What trouble with storage is to the user, and what is taken for it."""

from __future__ import annotations

import errno
import io
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from harm.lines import JOB
from harm.runs import RUN
from jobs.__main__ import main
from lib import storage
from lib.errors import NotLoggedIn, storage_failure
from lib.spark.run import PYTHON_SAYS
from lib.spark.task import SplitTask

TASK = SplitTask(JOB, None, {}, RUN, "hdfs://nn/out", "run", "hdfs://nn/out/_tmp/run/stop", [], False, 4)
AGAIN = "; once that is mended, the same command goes on from what is committed"
FAILED_TASK = """An error occurred while calling o52.collectToPython.
: org.apache.spark.SparkException: Job aborted due to stage failure: Task 6 in stage 1.0 failed 4 times, most recent
org.apache.spark.api.python.PythonException: Traceback (most recent call last):
  File "task.py", line 70, in _answer
OSError: [Errno 5] the NameNode does not answer
 SQLSTATE: 38000
\tat org.apache.spark.api.python.BasePythonRunner$ReaderIterator.handlePythonException(PythonRunner.scala:1097)
java.lang.Thread: x
"""


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (OSError(errno.ENOSPC, "No space left on device", "/out/x"), "/out/x No space left on device" + AGAIN),
        (ConnectionRefusedError(111, "Connection refused"), "Spark's JVM is gone: Connection refused" + AGAIN),
        (NotLoggedIn("the ticket has expired"), "the ticket has expired" + AGAIN),
        (FileNotFoundError(errno.ENOENT, "No such file", "model"), None),
        (OSError("cannot write mode RGBA as JPEG"), None),
    ],
)
def test_an_error_of_the_system_is_a_line_and_another_is_a_bug(error: OSError, text: str | None) -> None:
    failure = storage_failure(error)
    assert (str(failure) if failure else None) == text


def test_a_library_s_own_error_is_none_of_the_system_s() -> None:
    with pytest.raises(OSError) as found:
        Image.new("RGBA", (1, 1)).save(io.BytesIO(), "JPEG")
    assert storage_failure(found.value) is None


@pytest.mark.parametrize(
    ("output", "message", "full"),
    [
        ("hdfs://nn/out", "org.apache.hadoop.hdfs.protocol.DSQuotaExceededException: The DiskSpace quota", True),
        ("hdfs://nn/out", "[Errno 5] blocks of /data/quotations/a.html are missing", False),
        ("hdfs://nn/out", "[Errno 122] Disk quota exceeded: '/yarn/local/x'", False),
        ("hdfs://nn/out", "OSError: [Errno 28] Error writing bytes to file. Detail: No space left on device", False),
        ("file:///out", "OSError: [Errno 28] Error writing bytes to file. Detail: No space left on device", True),
        ("file:///out", "[Errno 122] Disk quota exceeded: '/out/_tmp/x'", True),
    ],
)
def test_the_output_is_full_where_its_own_storage_says_so(output: str, message: str, full: bool) -> None:
    assert replace(TASK, output=output)._is_full(message) is full


def test_of_a_task_that_failed_the_last_words_of_python_are_the_reason() -> None:
    assert PYTHON_SAYS.findall(FAILED_TASK)[-1] == "OSError: [Errno 5] the NameNode does not answer"


def test_a_file_that_could_not_be_written_leaves_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / "run.json" / "in the way").mkdir(parents=True)
    with pytest.raises(OSError):
        storage.write_bytes(f"file://{tmp_path}/run.json", b"{}")
    assert [path.name for path in tmp_path.iterdir()] == ["run.json"]


def test_an_output_that_cannot_be_asked_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").touch()
    assert main(["status", f"{tmp_path}/file/out"]) == 2
    assert capsys.readouterr().err == f"error: {tmp_path}/file/out/_state/job.json: Not a directory\n"
