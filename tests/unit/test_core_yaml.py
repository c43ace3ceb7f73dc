"""YAML as configs mean it."""

from __future__ import annotations

import pytest

from lib import core_yaml


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("[no, en, yes, on]", ["no", "en", "yes", "on"]),
        ("1e3", 1000.0),
        ("64_000", 64000),
        ("-5", -5),
        ("1:30", "1:30"),
        ("2024-01-01", "2024-01-01"),
        ("~", None),
        ("", None),
        ("true", True),
        (".5", 0.5),
    ],
)
def test_plain_words_stay_words_and_numbers_numbers(text, value):
    assert core_yaml.load(text) == value


def test_a_tag_makes_no_python_object():
    with pytest.raises(ValueError, match="not YAML: line 1, column 1: could not determine a constructor"):
        core_yaml.load("!!python/object/apply:os.system [ls]")


def test_the_comment_of_a_key_stands_above_or_beside_it():
    text = """\
# About the whole file.

# What to take;
# and why.
main: fast  # fast, quality
bare: 1
run:  # how
  # A task's work.
  split: 5  # bytes
  colour: "#fff"  # a colour
"""
    assert core_yaml.comments(text) == {
        "main": "What to take; and why. fast, quality",
        "bare": "",
        "run": "",
        "run.split": "A task's work. bytes",
        "run.colour": "a colour",
    }
