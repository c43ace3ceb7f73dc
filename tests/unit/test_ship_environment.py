"""The recipe of the executors' Python: its name is its inputs', and what is wrong with it is one line."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from lib.errors import UsageError
from ship import environment, slim
from ship.environment import Recipe, read_recipe

RECIPE = Recipe(("conda-forge",), ("python=3.11",), ("numpy>=2", "lime==0.2"), "numpy==2.4.6\n")


def recipe_of(folder: Path, yml: str) -> Recipe:
    (folder / "environment.yml").write_text(yml)
    (folder / "requirements.lock").write_text("numpy==2.4.6\n")
    return read_recipe(folder / "environment.yml", folder / "requirements.lock")


def test_pip_itself_stays_out(tmp_path: Path) -> None:
    found = recipe_of(tmp_path, "channels: [c]\ndependencies: [python=3.11, pip, {pip: [numpy]}]\n")
    assert (found.channels, found.conda, found.pip) == (("c",), ("python=3.11",), ("numpy",))


@pytest.mark.parametrize(
    ("yml", "says"),
    [
        ("dependencies: [pip]", "must name the interpreter"),
        ("dependencies: 3", "dependencies must be a list"),
        ("a: [", "no valid YAML"),
    ],
)
def test_a_wrong_file_is_one_line(tmp_path: Path, yml: str, says: str) -> None:
    with pytest.raises(UsageError, match=says) as error:
        recipe_of(tmp_path, yml)
    assert "\n" not in str(error.value)


def test_the_name_changes_with_every_input() -> None:
    others = [
        replace(RECIPE, channels=("other",)),
        replace(RECIPE, conda=("python=3.12",)),
        replace(RECIPE, pip=("numpy>=2",)),
        replace(RECIPE, lock="numpy==2.4.7\n"),
    ]
    assert len({RECIPE.name, *(other.name for other in others)}) == 5
    assert RECIPE.name == replace(RECIPE).name


def test_plotting_libraries_come_only_when_they_are_named() -> None:
    assert RECIPE.left_out == ("matplotlib", "scikit-image")
    assert replace(RECIPE, pip=("Matplotlib>=3",)).left_out == ("scikit-image",)


def test_an_unreachable_channel_is_one_line(tmp_path: Path) -> None:
    missing = replace(RECIPE, channels=("file:///nowhere/channel",))
    with pytest.raises(UsageError, match="cannot solve from file:///nowhere/channel") as error:
        environment.build(missing, tmp_path)
    assert "\n" not in str(error.value)
    assert not list(tmp_path.glob("environment-*"))


def test_a_folder_that_is_no_conda_environment_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="not a conda environment"):
        environment.build(RECIPE, tmp_path / "cache", tmp_path)


def test_what_is_in_the_cache_is_not_built_again(tmp_path: Path) -> None:
    (tmp_path / RECIPE.name).write_bytes(b"there")
    assert environment.build(RECIPE, tmp_path).read_bytes() == b"there"


def test_prune_keeps_the_current_archive_and_builds_in_progress(tmp_path: Path) -> None:
    for name in (RECIPE.name, "environment-old.tar.gz"):
        (tmp_path / name).write_bytes(b"")
    for name in (RECIPE.name.removesuffix(".tar.gz"), "environment-new.tar.gz.abc", "environment-dead.tar.gz.abc"):
        (tmp_path / name).mkdir()
    os.utime(tmp_path / "environment-dead.tar.gz.abc", (1, 1))
    deleted = [path.name for path in environment.prune(tmp_path, RECIPE.name)]
    assert deleted == ["environment-dead.tar.gz.abc", "environment-old.tar.gz"]


def test_only_packages_that_can_be_imported_from_a_zip_go_into_one(tmp_path: Path) -> None:
    for name in ("pure/__init__.py", "pure/deep/a.py", "data/__init__.py", "data/table.csv", "single.py", "script.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("")
    assert [path.name for path in slim._pure(tmp_path)] == ["pure", "single.py"]


def test_stubs_stay_only_where_an_import_reads_them(tmp_path: Path) -> None:
    for name, code in (("lazy", "__getattr__ = lazy_loader.attach_stub(__name__, __file__)"), ("typed", "")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text(code)
        (tmp_path / name / "__init__.pyi").write_text("")
        (tmp_path / name / "other.pyi").write_text("")
    slim._delete(tmp_path, slim.EXCLUDES)
    found = sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*.py*"))
    assert found == ["lazy/__init__.py", "lazy/__init__.pyi", "typed/__init__.py"]


def test_on_another_platform_one_is_told_where_to_build(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.platform", "darwin")
    monkeypatch.setattr("platform.machine", lambda: "arm64")
    with pytest.raises(
        UsageError, match=r"on Linux x86-64, not on darwin arm64: run `scripts/run.sh env build` on an edge"
    ):
        environment.build(RECIPE, tmp_path)
