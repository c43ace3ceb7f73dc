"""The executors' Python, really solved, installed, packed and unpacked; only the channel is ours."""

from __future__ import annotations

import json
import shutil
import subprocess
import tarfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from cluster.conda_channel import VERSION

from lib.errors import UsageError
from ship import environment
from ship.environment import Recipe

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(1800)]
PYTHON = f"python={VERSION.rsplit('.', 1)[0]}"
LOCK = (environment.PROJECT / "requirements.lock").read_text()
# A little of everything: compiled, pure, data beside it, data in the zip, a distribution that others bring along.
SMALL = ("msgspec>=0.19", "python-dateutil", "pytz", "justext", "lime==0.2.0.1")


@pytest.fixture(scope="module")
def recipe(channel: str) -> Recipe:
    return Recipe((channel,), (PYTHON,), SMALL, LOCK)


@pytest.fixture(scope="module")
def archive(recipe: Recipe, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return environment.build(recipe, tmp_path_factory.mktemp("cache"))


def run(archive: Path, program: str) -> dict[str, object]:
    python = environment.unpacked(archive) / "bin" / "python"
    done = subprocess.run([python, "-I", "-c", program], capture_output=True, text=True, check=True, timeout=120)
    found: dict[str, object] = json.loads(done.stdout)
    return found


def test_every_dependency_can_be_imported_from_a_fresh_copy(archive: Path, recipe: Recipe) -> None:
    assert environment.verify(archive, recipe) == []


def test_what_is_missing_is_named(archive: Path, recipe: Recipe) -> None:
    assert environment.verify(archive, replace(recipe, pip=("msgspec", "duckdb"))) == ["duckdb: not installed"]


def test_the_interpreter_is_its_own_wherever_it_lies(archive: Path) -> None:
    said = run(archive, "import sys, ssl, json; print(json.dumps({'prefix': sys.prefix, 'os': ssl.__file__}))")
    place = str(environment.unpacked(archive))
    assert said["prefix"] == place
    assert str(said["os"]).startswith(f"{place}/lib/python")


def test_data_is_found_inside_the_zip(archive: Path) -> None:
    said = run(archive, "import json, pytz, justext; print(json.dumps([str(pytz.timezone('Europe/Paris')), "
                        "len(justext.get_stoplist('German')) > 100, pytz.__file__]))")  # fmt: skip
    assert said[:2] == ["Europe/Paris", True]  # type: ignore[index]
    assert "packages.zip/pytz" in said[2]  # type: ignore[index]


def test_what_no_executor_needs_is_not_in_it(archive: Path) -> None:
    with tarfile.open(archive) as tar:
        names = tar.getnames()
    unwanted = ("/matplotlib/", "/skimage/", "/site-packages/pip/", "/botocore/", "/pyspark/", "/tests/", "__pycache__")
    assert [name for name in names if any(part in f"/{name}" for part in unwanted)] == []


def test_an_archive_can_be_read_by_all(archive: Path) -> None:
    assert archive.stat().st_mode & 0o777 == 0o644


def test_two_builds_at_once_give_one_archive(recipe: Recipe, tmp_path: Path) -> None:
    small = replace(recipe, pip=("msgspec>=0.19",))
    with ThreadPoolExecutor(2) as pool:
        one, two = pool.map(lambda _: environment.build(small, tmp_path), range(2))
    assert one == two == environment.archives(tmp_path)[0]
    assert [path.name for path in tmp_path.glob("environment-*")] == [small.name]
    assert environment.verify(one, small) == []


def test_an_existing_conda_environment_can_be_packed_instead(recipe: Recipe, archive: Path, tmp_path: Path) -> None:
    packed = environment.build(recipe, tmp_path, environment.unpacked(archive))
    assert packed.name != recipe.name
    assert environment.verify(packed, recipe) == []


def test_a_version_that_does_not_exist_is_one_line(recipe: Recipe, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"pip section cannot be installed: .*msgspec") as error:
        environment.build(replace(recipe, pip=("msgspec==0.0.0",)), tmp_path)
    assert "\n" not in str(error.value)
    with pytest.raises(UsageError, match=r"cannot solve from file://.*python 2\.7"):
        environment.build(replace(recipe, conda=("python=2.7",)), tmp_path)


def test_an_old_copy_of_our_code_is_refused(recipe: Recipe, archive: Path, tmp_path: Path) -> None:
    prefix = tmp_path / "prefix"
    shutil.copytree(environment.unpacked(archive), prefix, symlinks=True)
    site = next(prefix.glob("lib/python*/site-packages"))
    (site / "lib").mkdir()
    (site / "lib" / "__init__.py").touch()
    with pytest.raises(UsageError, match=r"holds a package called lib \(lib/python3\.\d+/site-packages/lib\)"):
        environment.build(recipe, tmp_path / "cache", prefix)
