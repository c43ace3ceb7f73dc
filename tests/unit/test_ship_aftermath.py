"""What is said of an application that died."""

from __future__ import annotations

import pytest

from ship.aftermath import Aftermath

DIED = """Application application_1_2 failed 1 times due to AM Container for appattempt_1 exited with  exitCode: 13
Failing this attempt.Diagnostics: Exception from container-launch.
Container id: container_1
\tat org.apache.spark.Some.method(Some.scala:1)
"""


def test_the_drivers_words_come_first_and_the_line_to_paste_last() -> None:
    driver = "Traceback (most recent call last):\nImportError: libx.so.1: cannot open shared object file"
    assert Aftermath("application_1_2", DIED, driver).lines() == [
        "Traceback (most recent call last):",
        "ImportError: libx.so.1: cannot open shared object file",
        "Application application_1_2 failed 1 times due to AM Container for appattempt_1 exited with  exitCode: 13",
        "Failing this attempt.Diagnostics: Exception from container-launch.",
        "exit code 13: the driver never made a Spark session: usually its Python does not work there",
        "its logs: yarn logs -applicationId application_1_2",
    ]


@pytest.mark.parametrize(
    ("diagnostics", "code"),
    [
        ("exited with  exitCode: -1000\nFailing", "-1000"),
        ("Exit code: 137\n", "137"),
        ("Exit status: -100. Diagnostics: Container released on a *lost* node", "-100"),
        ("", ""),
    ],
)
def test_exit_codes_are_found_as_yarn_and_spark_write_them(diagnostics: str, code: str) -> None:
    assert Aftermath("a", diagnostics, "").exit_code == code


def test_a_driver_that_plans_for_long_has_started() -> None:
    slow = "exitCode: 13\nUncaught exception: java.util.concurrent.TimeoutException: Timed out waiting for SparkContext"
    assert [Aftermath("a", text, "").never_started for text in (DIED, slow, "exitCode: 137")] == [True, False, False]


def test_where_yarn_says_nothing_the_line_to_paste_remains() -> None:
    assert Aftermath("a", "", "").lines() == ["its logs: yarn logs -applicationId a"]
