"""From conf/<job>.yaml, --config and --set to frozen dataclasses, or to one line that says what is wrong where."""

from __future__ import annotations

import difflib
import json
import typing
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import MISSING, dataclass, fields, is_dataclass
from pathlib import Path
from typing import Any

import msgspec
from msgspec import inspect

from lib import core_yaml
from lib.errors import UsageError
from lib.job import Job, Task
from lib.options import RunOptions
from lib.sources import source_type

CONF = Path(__file__).resolve().parent.parent / "conf"


@dataclass(frozen=True)
class Resolved:
    """What a run is to do: the job's own config, how it is run, how each kind of input is read."""

    config: Any
    run: RunOptions
    sources: dict[str, Any]


@dataclass(frozen=True)
class Key:
    """One key of a config, as `--describe` shows it; `default` is dataclasses.MISSING where the user must give it."""

    name: str
    expected: str
    default: Any
    comment: str


def resolve(job: Job[Any] | Task[Any], file: Path | None = None, sets: Sequence[str] = ()) -> Resolved:
    """Lay --config and --set over conf/<job>.yaml; each may hold any part of the keys.

    Raises UsageError for a wrong file, key, type or value.
    """
    shape = _shape(job)
    values: dict[str, Any] = {}
    for where, layer in _layers(job, file, sets):
        _merge(values, _checked(layer, shape, where, job.name))
    sections = _sections(job)
    own = {key: value for key, value in values.items() if key not in sections}
    built = {name: _build(kind, values.get(name, {}), job.name, f"{name}.") for name, kind in sections.items()}
    run = built.pop("run", RunOptions())
    return Resolved(_build(job.config_type, own, job.name, ""), run, built)


def keys(job: Job[Any] | Task[Any]) -> list[Key]:
    """Every key of conf/<job>.yaml, sections last, with the comment that stands there."""
    path = conf_path(job)
    comments = core_yaml.comments(path.read_text(encoding="utf-8")) if path.exists() else {}
    return [
        Key(name, expectation(hint), default, comments.get(name, ""))
        for name, hint, default in _leaves(job.config_type, _sections(job))
    ]


def conf_path(job: Job[Any] | Task[Any]) -> Path:
    """Where the job's keys and defaults stand."""
    return CONF / f"{job.name}.yaml"


def expectation(hint: Any) -> str:
    """Say in words what a value of this type is: `an integer of at least 1`."""
    return _words(inspect.type_info(hint))


def _layers(
    job: Job[Any] | Task[Any], file: Path | None, sets: Sequence[str]
) -> Iterator[tuple[str, Mapping[str, Any]]]:
    if conf_path(job).exists():
        yield f"conf/{job.name}.yaml", _read(conf_path(job), f"conf/{job.name}.yaml")
    if file is not None:
        yield str(file), _read(file, str(file))
    for text in sets:
        yield f"--set {text}", _parse_set(text)


def _read(path: Path, where: str) -> Mapping[str, Any]:
    try:
        values = core_yaml.load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"{where}: {(error.strerror or str(error)).lower()}") from None
    except ValueError as error:
        raise UsageError(f"{where}: {error}") from None
    if not isinstance(values, Mapping | None):
        raise UsageError(f"{where}: expected keys and values, got {_shown(values)}")
    return values or {}


def _parse_set(text: str) -> Mapping[str, Any]:
    key, equals, value = text.partition("=")
    if not equals or not key.strip():
        raise UsageError(f"--set {text}: expected KEY=VALUE")
    try:
        # Nobody sets a key to a comment: `background=#ffffff` is a colour.
        nested = value if value.startswith("#") else core_yaml.load(value)
    except ValueError as error:
        raise UsageError(f"--set {text}: {error}") from None
    for name in reversed(key.strip().split(".")):
        nested = {name: nested}
    return typing.cast("Mapping[str, Any]", nested)


def _sections(job: Job[Any] | Task[Any]) -> dict[str, type]:
    if isinstance(job, Task):
        return {}
    return {"run": RunOptions, **{kind: source_type(kind) for kind in job.sources}}


def _shape(job: Job[Any] | Task[Any]) -> dict[str, Any]:
    """The type of each key at the top level; a dataclass is a section of its own."""
    return {**_hints(job.config_type), **_sections(job)}


def _hints(kind: type) -> dict[str, Any]:
    hints = typing.get_type_hints(kind, include_extras=True)
    return {field.name: hints[field.name] for field in fields(kind)}


def _checked(values: Mapping[str, Any], shape: Mapping[str, Any], where: str, job: str) -> dict[str, Any]:
    """Convert the values of one file or --set, section by section, so that an error can name where it stands."""

    def section(values: Mapping[str, Any], shape: Mapping[str, Any], prefix: str) -> dict[str, Any]:
        return {key: leaf(f"{prefix}{key}", key, value, shape) for key, value in values.items()}

    def leaf(name: str, key: str, value: Any, types: Mapping[str, Any]) -> Any:
        if key not in types:
            raise UsageError(f"{where}: {job} has no key {name}{_nearest(name, shape)}")
        if is_dataclass(types[key]) and isinstance(value, Mapping | None):
            return section(value or {}, _hints(types[key]), f"{name}.")
        try:
            return msgspec.convert(value, types[key])
        except msgspec.ValidationError:
            raise UsageError(f"{where}: {name} must be {expectation(types[key])}, got {_shown(value)}") from None

    return section(values, shape, "")


def _nearest(name: str, shape: Mapping[str, Any]) -> str:
    known = list(_names(shape))
    same_leaf = [key for key in known if key.rpartition(".")[2] == name.rpartition(".")[2]]
    close = same_leaf or difflib.get_close_matches(name, known, n=1)
    return f"; did you mean {close[0]}?" if close else f"; it has {', '.join(shape)}"


def _names(shape: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    for key, hint in shape.items():
        yield prefix + key
        if is_dataclass(hint):
            yield from _names(_hints(typing.cast("type", hint)), f"{prefix}{key}.")


def _merge(below: dict[str, Any], above: Mapping[str, Any]) -> None:
    """Lay `above` over `below`, key by key."""
    for key, value in above.items():
        if isinstance(value, dict) and isinstance(below.get(key), dict):
            _merge(below[key], value)
        else:
            below[key] = value


def _build(kind: type, values: Mapping[str, Any], job: str, prefix: str) -> Any:
    hints = _hints(kind)
    nested = {
        key: _build(hints[key], value, job, f"{prefix}{key}.") if is_dataclass(hints[key]) else value
        for key, value in values.items()
    }
    for field in fields(kind):
        if field.name not in nested and field.default is MISSING and field.default_factory is MISSING:
            expected = expectation(hints[field.name])
            raise UsageError(f"{job} needs {prefix}{field.name}: {expected}; say --set {prefix}{field.name}=...")
    try:
        return kind(**nested)
    except ValueError as error:  # __post_init__: what two keys must be together
        raise UsageError(f"{job}: {error}") from None


def _leaves(kind: type, sections: Mapping[str, type], prefix: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Dotted name, type and default of each key of a dataclass and then of the sections beside it."""
    hints = _hints(kind)
    for field in fields(kind):
        hint = hints[field.name]
        if is_dataclass(hint):
            yield from _leaves(typing.cast("type", hint), {}, f"{prefix}{field.name}.")
        else:
            made = field.default if field.default_factory is MISSING else field.default_factory()
            yield prefix + field.name, hint, made
    for name, section in sections.items():
        yield from _leaves(section, {}, f"{prefix}{name}.")


def _shown(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)


def _words(kind: inspect.Type) -> str:
    match kind:
        case inspect.Metadata(type=inner):
            return _words(inner)
        case inspect.IntType():
            return "an integer" + _bounds(kind)
        case inspect.FloatType():
            return "a number" + _bounds(kind)
        case inspect.StrType(pattern=str(pattern)):
            return f"text that matches {pattern}"
        case inspect.StrType(min_length=int()):
            return "text, not empty"
        case inspect.StrType():
            return "text"
        case inspect.BoolType():
            return "true or false"
        case inspect.NoneType():
            return "null"
        case inspect.LiteralType(values=values):
            return ("one of " if len(values) > 1 else "") + ", ".join(map(str, values))
        case inspect.UnionType(types=types):
            return " or ".join(_words(one) for one in sorted(types, key=lambda one: isinstance(one, inspect.NoneType)))
        case inspect.TupleType(item_types=items):
            return f"a list of {len(items)}: {', '.join(map(_words, items))}"
        case inspect.ListType() | inspect.VarTupleType() | inspect.SetType() | inspect.FrozenSetType():
            return f"a list, each {_words(kind.item_type)}"
        case _:
            return "keys and values"


def _bounds(kind: inspect.IntType | inspect.FloatType) -> str:
    words = {"ge": "of at least", "gt": "above", "le": "at most", "lt": "below"}
    limits = [f"{word} {limit}" for name, word in words.items() if (limit := getattr(kind, name)) is not None]
    return " " + " and ".join(limits) if limits else ""
