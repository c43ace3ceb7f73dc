"""What --config and --set make of a job's keys, and what they say when they cannot."""

from __future__ import annotations

from dataclasses import MISSING, dataclass, field
from pathlib import Path
from typing import Annotated, Literal

import pyarrow as pa
import pytest
from msgspec import Meta

from lib import config
from lib.errors import UsageError
from lib.job import Job
from lib.options import RunOptions


@dataclass(frozen=True)
class Limits:
    depth: Annotated[int, Meta(ge=1, le=9)] = 3
    names: tuple[str, ...] = ()


@dataclass(frozen=True)
class Wordy:
    main_text: Literal["fast", "quality"] = "fast"
    ratio: Annotated[float, Meta(gt=0)] = 0.5
    background: str | None = None
    lower: bool = True
    limits: Limits = field(default_factory=Limits)
    extra: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.main_text == "quality" and not self.lower:
            raise ValueError("main_text=quality needs lower=true")


@dataclass(frozen=True)
class Needy:
    model: str
    seed: int = 0


WORDY = Job("count_words", "Count.", Wordy, (), pa.schema([]), pa.schema([]), lambda config: lambda batch: batch)
NEEDY = Job("needy", "Need.", Needy, (), pa.schema([]), pa.schema([]), lambda config: lambda batch: batch)


def refusal(*sets: str, file: Path | None = None, job: Job = WORDY) -> str:
    with pytest.raises(UsageError) as error:
        config.resolve(job, file, sets)
    assert "\n" not in str(error.value)
    return str(error.value)


def written(folder: Path, text: str) -> Path:
    path = folder / "my.yaml"
    path.write_text(text)
    return path


def test_nothing_given_means_the_defaults():
    assert config.resolve(WORDY) == config.Resolved(Wordy(), RunOptions(), {})


def test_set_wins_over_the_file_and_the_file_over_the_default(tmp_path):
    file = written(tmp_path, "ratio: 0.25\nlimits: {depth: 5, names: [a]}\nrun:\n  batch_rows: 7\n")

    resolved = config.resolve(WORDY, file, ["limits.depth=6", "run.parquet.level=3", "limits.depth=7"])

    assert resolved.config == Wordy(ratio=0.25, limits=Limits(7, ("a",)))
    assert (resolved.run.batch_rows, resolved.run.parquet.level) == (7, 3)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ratio=1e-3", 0.001),
        ("ratio=2", 2.0),
        ("background=no", "no"),
        ("background=#ffffff", "#ffffff"),
        ("background=2024-01-01", "2024-01-01"),
        ("background=", None),
        ("background='a=b'", "a=b"),
        ("lower=false", False),
        ("extra={a: 1}", {"a": 1}),
    ],
)
def test_a_set_value_is_yaml(text, expected):
    key = text.partition("=")[0]
    assert getattr(config.resolve(WORDY, sets=[text]).config, key) == expected


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("main_txet=fast", "--set main_txet=fast: count_words has no key main_txet; did you mean main_text?"),
        ("split_bytes=5", "--set split_bytes=5: count_words has no key split_bytes; did you mean run.split_bytes?"),
        (
            "run.bach_rows=5",
            "--set run.bach_rows=5: count_words has no key run.bach_rows; did you mean run.batch_rows?",
        ),
        (
            "zzz=5",
            "--set zzz=5: count_words has no key zzz; it has main_text, ratio, background, lower, limits, extra, run",
        ),
        ("main_text=slow", '--set main_text=slow: main_text must be one of fast, quality, got "slow"'),
        ("limits.depth=0", "--set limits.depth=0: limits.depth must be an integer of at least 1 and at most 9, got 0"),
        (
            "limits.depth=1.5",
            "--set limits.depth=1.5: limits.depth must be an integer of at least 1 and at most 9, got 1.5",
        ),
        (
            "limits.depth=true",
            "--set limits.depth=true: limits.depth must be an integer of at least 1 and at most 9, got true",
        ),
        (
            "limits.depth=010",
            '--set limits.depth=010: limits.depth must be an integer of at least 1 and at most 9, got "010"',
        ),
        ("limits.names=a", '--set limits.names=a: limits.names must be a list, each text, got "a"'),
        ("limits=3", "--set limits=3: limits must be keys and values, got 3"),
        ("ratio.x=3", '--set ratio.x=3: ratio must be a number above 0, got {"x": 3}'),
        ("ratio=.nan", '--set ratio=.nan: ratio must be a number above 0, got ".nan"'),
        ("background=5", "--set background=5: background must be text or null, got 5"),
        ("lower=yes", '--set lower=yes: lower must be true or false, got "yes"'),
        ("main_text", "--set main_text: expected KEY=VALUE"),
        ("=1", "--set =1: expected KEY=VALUE"),
    ],
)
def test_a_wrong_set_is_one_line_that_says_what_was_expected(text, line):
    assert refusal(text) == line


def test_a_set_value_that_is_no_yaml_is_named():
    assert refusal("limits.names=[a").startswith("--set limits.names=[a: not YAML: line 1, column ")


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("run:\n  split_bytes: -5\n", "run.split_bytes must be an integer of at least 1, got -5"),
        ("ratio: 1\nratio: 2\n", "not YAML: line 2, column 1: ratio stands here twice"),
        ("- a\n", 'expected keys and values, got ["a"]'),
        ("5: a\n", "count_words has no key 5; it has main_text, ratio, background, lower, limits, extra, run"),
        ("[a]: 1\n", "not YAML: line 1, column 1: found unhashable key"),
        ("a: b: c\n", "not YAML: line 1, column 5: mapping values are not allowed here"),
    ],
)
def test_a_wrong_file_is_named(tmp_path, text, line):
    file = written(tmp_path, text)
    assert refusal(file=file) == f"{file}: {line}"


def test_a_file_that_cannot_be_read_is_named(tmp_path):
    assert refusal(file=tmp_path / "x.yaml") == f"{tmp_path}/x.yaml: no such file or directory"
    assert refusal(file=tmp_path) == f"{tmp_path}: is a directory"


def test_an_empty_file_changes_nothing(tmp_path):
    assert config.resolve(WORDY, written(tmp_path, "# nothing\n")).config == Wordy()


def test_two_keys_that_do_not_go_together_are_refused():
    assert refusal("main_text=quality", "lower=false") == "count_words: main_text=quality needs lower=true"


def test_a_key_without_a_default_is_asked_for():
    assert refusal(job=NEEDY) == "needy needs model: text; say --set model=..."
    assert config.resolve(NEEDY, sets=["model=m.skops"]).config == Needy("m.skops")


def test_keys_are_listed_with_what_they_expect_and_their_default():
    listed = {key.name: key for key in config.keys(NEEDY)}

    assert listed["model"] == config.Key("model", "text", MISSING, "")
    assert listed["run.parquet.level"].default == 1
    assert listed["run.unreadable"].expected == "one of fail, record"
