"""The Python of the executors: solved once, packed small, named by what it was made of, shared by everybody.

A NodeManager pays for an archive by the file, not by the byte (5 ms each without native Hadoop): what no import needs
stays out, and what Python can import from a zip goes into two of them.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import hashlib
import os
import platform
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import yaml

from lib import hdfs, storage
from lib.errors import UsageError
from ship import slim

PROJECT = Path(__file__).resolve().parent.parent
COMMANDS = {
    "build": "solve, install and pack environment.yml, unless it is in the cache",
    "show": "say what is in it, and which archives are kept here",
    "verify": "unpack it into a clean folder and import every dependency",
    "prune": "delete every other archive and the solver's downloads",
}
PLATFORM: Literal["linux-64"] = "linux-64"
# In every name: what is packed in another way is another archive.
FORMAT = "2"
# Plotting and image libraries that `lime` asks for and its tables do not use: 850 files. A line in environment.yml
# that names one of them brings it back.
UNUSED = ("matplotlib", "scikit-image")


@dataclass(frozen=True)
class Recipe:
    """All that decides what is in an archive."""

    channels: tuple[str, ...]
    conda: tuple[str, ...]
    pip: tuple[str, ...]
    lock: str  # text of requirements.lock

    @property
    def left_out(self) -> tuple[str, ...]:
        """Distributions that are not installed though another one asks for them."""
        return tuple(name for name in UNUSED if name not in self.named)

    @property
    def named(self) -> frozenset[str]:
        """Distributions that environment.yml names itself."""
        return frozenset(_distribution(line) for line in self.pip)

    @property
    def name(self) -> str:
        """File name of the archive: a hash of everything that it is made from."""
        parts = (FORMAT, PLATFORM, *slim.rules(self.named), *self.left_out)
        text = "\0".join((*parts, *self.channels, *self.conda, *self.pip, self.lock))
        return f"environment-{hashlib.sha256(text.encode()).hexdigest()[:16]}.tar.gz"


def read_recipe(yml: Path, lock: Path) -> Recipe:
    """Read environment.yml and requirements.lock. Raises UsageError."""
    try:
        found = yaml.safe_load(yml.read_text(encoding="utf-8"))
        locked = lock.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise UsageError(f"{error.filename}: not found") from None
    except yaml.YAMLError as error:
        raise UsageError(f"{yml}: no valid YAML ({' '.join(str(error).split())})") from None
    if not isinstance(found, dict) or not isinstance(found.get("dependencies"), list):
        raise UsageError(f"{yml}: dependencies must be a list, with python=X.Y in it")
    lines = found["dependencies"]
    conda = tuple(line for line in lines if isinstance(line, str) and line != "pip")  # uv installs, not pip
    pip = tuple(line for entry in lines if isinstance(entry, dict) for line in entry.get("pip", ()))
    if not any(_distribution(line) == "python" for line in conda):
        raise UsageError(f"{yml}: dependencies must name the interpreter, such as python=3.11")
    return Recipe(tuple(found.get("channels") or ("conda-forge",)), conda, pip, locked)


def build(recipe: Recipe, cache: Path, prefix: Path | None = None) -> Path:
    """The archive of this recipe, made now unless the cache has it.

    With `prefix`, an existing conda environment is copied instead of solved. Two builds at once are harmless: each
    works in a folder of its own, and the first one to finish gives the archive. Raises UsageError.
    """
    name = archive_name(recipe, prefix)
    archive = cache / name
    if archive.exists():
        return archive
    if prefix is None:
        _require_linux()
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f"{name}.", dir=cache) as folder:
        made = Path(folder) / "prefix"
        if prefix is None:
            asyncio.run(_install_conda(recipe, made, cache / "packages"))
            _install_pip(recipe, made)
        else:
            shutil.copytree(prefix, made, symlinks=True)
        _refuse_old_code(made)
        if not (made / slim.IMPORTS).exists():  # an unpacked archive of ours is slim
            slim.slim(made, recipe.named)
        packed = Path(folder) / "environment.tar.gz"
        _pack(made, packed)
        with contextlib.suppress(FileExistsError):  # somebody else's, of the same inputs
            os.link(packed, archive)
    return archive


def archive_name(recipe: Recipe, prefix: Path | None) -> str:
    """Of an existing environment, the conda and pip records are the inputs."""
    if prefix is None:
        return recipe.name
    meta = prefix / "conda-meta"
    if not meta.is_dir():
        raise UsageError(f"{prefix}: not a conda environment (it has no conda-meta folder)")
    records = sorted(path.name for path in meta.glob("*.json"))
    records += sorted(path.parent.name for path in prefix.glob("lib/python*/site-packages/*.dist-info/METADATA"))
    text = "\0".join((FORMAT, *slim.rules(recipe.named), *records))
    return f"environment-{hashlib.sha256(text.encode()).hexdigest()[:16]}.tar.gz"


def unpacked(archive: Path) -> Path:
    """The archive's folder beside it: the same Python for a driver on this machine."""
    target = folder_of(archive)
    if not target.exists():
        with tempfile.TemporaryDirectory(prefix=f"{target.name}.", dir=archive.parent) as folder:
            _extract(archive, Path(folder) / "environment")
            with contextlib.suppress(OSError):  # somebody else's
                (Path(folder) / "environment").rename(target)
    return target


def folder_of(archive: Path) -> Path:
    """Where `unpacked` puts it."""
    return archive.with_name(archive.name.removesuffix(".tar.gz"))


def put(archive: Path, uri: str) -> None:
    """Copy to the cluster, readable by all: only then does YARN keep one copy on a node for everybody.

    What is there stays: YARN fails applications whose archive changes under them. Two at once are harmless.
    """
    folder, name = uri.rsplit("/", 1)
    temporary = f"{folder}/_{name}.{os.getpid()}.{time.time_ns()}"
    try:
        storage.write_file(temporary, archive)
        hdfs.set_permission(temporary, 0o644)
        hdfs.set_permission(folder, 0o755)
        with contextlib.suppress(FileExistsError):
            hdfs.rename(temporary, uri, overwrite=False)
    finally:
        storage.remove(temporary)


def verify(archive: Path, recipe: Recipe) -> list[str]:
    """What does not work in a fresh copy of the archive, each in one line; nothing is inherited from this process."""
    with tempfile.TemporaryDirectory() as folder:
        _extract(archive, Path(folder) / "environment")
        done = subprocess.run(
            [f"{folder}/environment/bin/python", "-I", "-c", slim.PROBE, *sorted(recipe.named)],
            env={"PATH": "/usr/bin:/bin"},
            cwd=folder,
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )
    if done.returncode and not done.stdout:
        return [f"its interpreter fails: {_last_line(done.stderr)}"]
    return done.stdout.splitlines()


def archives(cache: Path) -> list[Path]:
    """What the cache holds, newest first."""
    return sorted(cache.glob("environment-*.tar.gz"), key=lambda path: path.stat().st_mtime, reverse=True)


def prune(cache: Path, keep: str) -> Iterator[Path]:
    """Delete every archive and unpacked copy but the one named `keep`, and the solver's downloads."""
    kept = {keep, keep.removesuffix(".tar.gz")}
    for path in sorted(cache.glob("*")):
        if path.name in kept or _in_use(path):
            continue
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
        yield path


def default_cache() -> Path:
    """Where archives are kept on this machine."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "fireball" / "environments"


async def _install_conda(recipe: Recipe, prefix: Path, cache: Path) -> None:
    import rattler

    try:
        specs = [rattler.MatchSpec(spec) for spec in recipe.conda]
        records = await rattler.solve(
            [rattler.Channel(channel) for channel in recipe.channels],
            specs,
            platforms=[PLATFORM, "noarch"],
            virtual_packages=rattler.VirtualPackage.detect(),
        )
        await rattler.install(
            records,
            target_prefix=prefix,
            cache_dir=cache,
            show_progress=False,
            requested_specs=[spec._match_spec for spec in specs],  # 0.28 does not unwrap them itself
        )
    except Exception as error:  # rattler's exceptions share no base class
        channels = ", ".join(recipe.channels)
        raise UsageError(f"environment.yml: cannot solve from {channels}: {_one_line(str(error))}") from error


def _install_pip(recipe: Recipe, prefix: Path) -> None:
    if not recipe.pip:
        return
    from uv import find_uv_bin

    texts = {"pip.txt": recipe.pip, "lock.txt": (recipe.lock,), "left_out.txt": recipe.left_out}
    for name, lines in texts.items():
        (prefix / name).write_text("\n".join(lines) + "\n", encoding="utf-8")
    # Not compiled: pyc files double the number of files.
    command = [find_uv_bin(), "pip", "install", "--quiet", "--no-config", f"--python={prefix}/bin/python"]
    files = [f"--requirements={prefix}/pip.txt", f"--constraints={prefix}/lock.txt"]
    files += [f"--excludes={prefix}/left_out.txt"] if recipe.left_out else []
    hidden = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV")
    env = {key: value for key, value in os.environ.items() if key not in hidden}
    done = subprocess.run([*command, *files], env=env, capture_output=True, text=True, check=False)
    for name in texts:
        (prefix / name).unlink()
    if done.returncode:
        raise UsageError(f"environment.yml: the pip section cannot be installed: {_one_line(done.stderr)}")


def _refuse_old_code(prefix: Path) -> None:
    """The code comes with each submit; a copy from another day must not be found beside it."""
    for package in ("jobs", "lib"):
        if found := next(prefix.glob(f"lib/python*/site-packages/{package}/__init__.py"), None):
            place = found.parent.relative_to(prefix)
            raise UsageError(f"the environment holds a package called {package} ({place}): ours comes with each submit")


def _pack(prefix: Path, target: Path) -> None:
    import conda_pack

    try:
        conda_pack.pack(
            prefix=str(prefix),
            output=str(target),
            compress_level=4,  # -9 takes four times as long for 4 % less
            n_threads=os.cpu_count() or 1,
            ignore_missing_files=True,  # what slim took out
        )
    except conda_pack.CondaPackException as error:
        raise UsageError(f"{prefix}: cannot be packed: {_one_line(str(error))}") from None
    target.chmod(0o644)  # conda-pack leaves 0600, which YARN would localise once for each application


def _extract(archive: Path, target: Path) -> None:
    with tarfile.open(archive) as tar:
        tar.extractall(target, filter="tar")


def _require_linux() -> None:
    if (sys.platform, platform.machine()) != ("linux", "x86_64"):
        raise UsageError(
            f"the executors' environment is built on Linux x86-64, not on {sys.platform} {platform.machine()}: "
            "run `scripts/run.sh env build` on an edge node or in docker/, the archive is shared from there"
        )


def _in_use(path: Path) -> bool:
    # A build in progress names its folder ARCHIVE.<random>; after a day it is a dead one's.
    return path.is_dir() and ".tar.gz." in path.name and time.time() - path.stat().st_mtime < 86400


def _distribution(requirement: str) -> str:
    name = requirement.split(";")[0].strip()
    for mark in "[=<>!~ @":
        name = name.split(mark)[0]
    return name.lower().replace("_", "-").replace(".", "-")


def _one_line(text: str) -> str:
    return " ".join(text.split())[:600]


def _last_line(text: str) -> str:
    return (text.strip().splitlines() or ["no output"])[-1]


def main(args: Sequence[str]) -> int:
    """`scripts/run.sh env ...`."""
    parser = argparse.ArgumentParser(prog="scripts/run.sh env", description="The executors' Python.")
    commands = parser.add_subparsers(dest="command", required=True)
    for name, text in COMMANDS.items():
        command = commands.add_parser(name, help=text, description=text)
        command.add_argument("--file", type=Path, default=PROJECT / "environment.yml", help="environment.yml")
        command.add_argument("--cache", type=Path, default=default_cache(), help="where archives are kept")
        if name in ("build", "verify"):
            command.add_argument("--prefix", type=Path, help="pack this conda environment instead of solving one")
    options = parser.parse_args(args)
    recipe = read_recipe(options.file, PROJECT / "requirements.lock")
    if options.command == "build":
        print(build(recipe, options.cache, options.prefix))
    elif options.command == "verify":
        problems = verify(build(recipe, options.cache, options.prefix), recipe)
        print("\n".join(problems) or f"{recipe.name}: every dependency can be imported")
        return 2 if problems else 0
    elif options.command == "show":
        _show(recipe, options.cache)
    else:
        for path in prune(options.cache, recipe.name):
            print(f"deleted {path}")
    return 0


def _show(recipe: Recipe, cache: Path) -> None:
    here = cache / recipe.name
    print(f"{recipe.name}  {'in ' + str(cache) if here.exists() else 'not built yet'}")
    print(f"channels  {', '.join(recipe.channels)}\nconda     {', '.join(recipe.conda)}")
    print(f"pip       {', '.join(recipe.pip)}\nleft out  {', '.join(recipe.left_out)}")
    for path in archives(cache):
        print(f"{path.stat().st_size >> 20:6} MB  {path}")
