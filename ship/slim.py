"""What an environment can do without on an executor: files that no import reads, and files where one zip will do."""

from __future__ import annotations

import fnmatch
import json
import re
import shutil
import subprocess
import zipfile
from collections.abc import Collection
from pathlib import Path

# Patterns of paths below the prefix; `*` crosses folders.
EXCLUDES = (
    "*/tests/*",
    "*/test/*",
    "*.pyc",
    "*.h",
    "*.hpp",
    "*.pxd",
    "*.pxi",
    "*.pyi",
    "*.pyx",
    "*.c",
    "*.cpp",
    "*.f90",
    "*.cc",
    "*.tp",
    "*.build",
    "*.rst",
    "*.md",
    "*.a",
    "*.cmake",
    "include/*",
    "share/*",  # manuals; the time zones come with tzdata
    "*/lib/python*/config-*",
    "*/ensurepip/*",
    "*/idlelib/*",
    "*/lib2to3/*",
    "*/turtledemo/*",
    "*/pydoc_data/*",
    "*/site-packages/pip/*",
    "*/site-packages/setuptools/*",
    "*/site-packages/*/include/*",
    "*/py.typed",
    "*/conftest.py",
    "*/numpy/distutils/*",  # compiles extensions
    "*/scipy/special/_precompute/*",
    "*/sklearn/datasets/data/*",
    "*/sklearn/datasets/images/*",
)
# Parts of distributions that others bring along: dropped, unless environment.yml names them.
TRIMMED = {
    "babel": ("*/babel/locale-data/*", "*/babel/messages/*"),
    "wcwidth": ("*/wcwidth/_wcwidth_c*",),  # its 50 files are nothing but Python without
}
# These read their data through importlib.resources or pkgutil, which work in a zip, or not at all on an executor.
ZIP_SAFE = ("argcomplete", "dateutil", "distutils", "justext", "pytz", "tqdm", "tzdata", "urllib3")
# Distributions and the modules that each of them installs, for verify.
IMPORTS = "imports.json"
# Imports every distribution named in its arguments, prints what fails, one line each.
PROBE = """
import importlib, json, pathlib, sys
modules = json.loads((pathlib.Path(sys.prefix) / "imports.json").read_text())
for wanted in sys.argv[1:]:
    if wanted not in modules:
        print(f"{wanted}: not installed")
    for module in modules.get(wanted, ()):
        try:
            importlib.import_module(module)
        except Exception as error:
            print(f"{wanted}: import {module}: {type(error).__name__}: {error}")
"""


def rules(named: Collection[str]) -> tuple[str, ...]:
    """Everything that decides what `slim` does."""
    return (*_unwanted(named), *ZIP_SAFE)


def _unwanted(named: Collection[str]) -> tuple[str, ...]:
    return (*EXCLUDES, *(pattern for name, parts in sorted(TRIMMED.items()) if name not in named for pattern in parts))


def slim(prefix: Path, named: Collection[str]) -> None:
    """Take out what no import needs, and put pure Python into two zips: the standard library's and the packages'."""
    site = next(prefix.glob("lib/python*/site-packages"))
    library = site.parent
    python = prefix / "bin" / "python"
    (prefix / IMPORTS).write_text(json.dumps(_modules(site)))
    _delete(prefix, _unwanted(named))
    whole = [*_pure(site), *site.glob("*.dist-info")]
    licenses = [path for path in site.glob("*/licenses") if path.parent not in whole and not any(path.rglob("*.py"))]
    _move_into_zip(python, site / "packages.zip", site, [*whole, *licenses])
    # Python looks for lib/python311.zip by itself, and for os.py to know where it is.
    stdlib = library.with_name(library.name.replace(".", "") + ".zip")
    _move_into_zip(python, stdlib, library, [path for path in _pure(library) if path.name != "os.py"])
    (site / "packages.pth").write_text("packages.zip\n")


def _modules(site: Path) -> dict[str, list[str]]:
    """The importable top-level names of each distribution, from its RECORD."""
    found = {}
    for record in site.glob("*.dist-info/RECORD"):
        lines = (line.split(",")[0] for line in record.read_text(encoding="utf-8").splitlines())
        tops = {path.split("/")[0].split(".")[0] for path in lines if path.endswith((".py", ".so"))}
        distribution = record.parent.name.rsplit("-", 1)[0]
        name = distribution.removesuffix(".dist-info").rsplit("-", 1)[0].lower().replace("_", "-").replace(".", "-")
        found[name] = sorted(top for top in tops if top.isidentifier() and _importable(site, top))
    return found


def _importable(site: Path, top: str) -> bool:
    package = site / top
    return (package / "__init__.py").exists() or (not package.is_dir() and any(site.glob(f"{top}.*")))


def _delete(prefix: Path, patterns: Collection[str]) -> None:
    unwanted = re.compile("|".join(fnmatch.translate(pattern) for pattern in patterns))
    for path in sorted(prefix.rglob("*"), reverse=True):
        if path.is_dir() and not path.is_symlink():
            if not any(path.iterdir()):
                path.rmdir()
        elif unwanted.match(str(path.relative_to(prefix))) and not _is_read(path):
            path.unlink()


def _is_read(path: Path) -> bool:
    """Whether it is a stub that lazy_loader takes a package's names from when it is imported."""
    code = path.with_suffix(".py")
    return path.suffix == ".pyi" and code.is_file() and "attach_stub" in code.read_text(encoding="utf-8")


def _pure(folder: Path) -> list[Path]:
    """Modules and packages that hold nothing but Python, or read their data in a way that works in a zip."""
    return [
        path
        for path in sorted(folder.iterdir())
        if path.suffix == ".py" or (path.name in ZIP_SAFE) or ((path / "__init__.py").exists() and _only_python(path))
    ]


def _only_python(package: Path) -> bool:
    return all(path.suffix == ".py" for path in package.rglob("*") if path.is_file())


def _move_into_zip(python: Path, target: Path, base: Path, paths: list[Path]) -> None:
    # Compiled, as Python cannot cache what it compiles from a zip; the source too, for tracebacks. By that Python:
    # bytecode differs between versions. Unchecked: a zip's times are too coarse to be compared.
    compile_all = [
        "-m",
        "compileall",
        "-q",
        "-b",
        "--invalidation-mode=unchecked-hash",
        f"-s{base}",
        f"-p{target.name}",
    ]
    subprocess.run([python, "-I", "-B", *compile_all, *paths], check=False)
    compiled = [path.with_suffix(".pyc") for path in paths if path.suffix == ".py"]
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive:
        for path in [*paths, *compiled]:
            for file in [path] if path.is_file() else sorted(path.rglob("*")):
                archive.write(file, file.relative_to(base))
    for path in [*paths, *compiled]:
        shutil.rmtree(path) if path.is_dir() else path.unlink()
