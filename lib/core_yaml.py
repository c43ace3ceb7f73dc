"""YAML 1.2's core values for configs: `no` is a word here, 1e3 a number, and a key given twice an error."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import yaml


class _Loader(yaml.SafeLoader):
    """YAML 1.1, PyYAML's dialect, reads `no` (Norwegian) as false, 1:30 as 90, 010 as 8 and 1e3 as text."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[Any] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.value in seen:
                raise yaml.MarkedYAMLError(problem=f"{key.value} stands here twice", problem_mark=key.start_mark)
            seen.add(str(key.value))
        return super().construct_mapping(node, deep)


for _tag, _pattern, _first in (
    ("null", r"null|~|", ["n", "~", ""]),
    ("bool", r"true|false", ["t", "f"]),
    ("int", r"[-+]?(0|[1-9][0-9_]*)", list("-+0123456789")),
    ("float", r"[-+]?((\.[0-9]+|[0-9]+\.[0-9]*)([eE][-+]?[0-9]+)?|[0-9]+[eE][-+]?[0-9]+)", list("-+.0123456789")),
):
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(f"^(?:{_pattern})$"), _first)


def load(text: str) -> Any:
    """Parse one document. Raises ValueError with one line: where, and what is wrong."""
    try:
        return yaml.load(text, _Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
        raise ValueError(f"not YAML: {place}{error.problem or error.context}") from None
    except yaml.YAMLError as error:
        raise ValueError(f"not YAML: {' '.join(str(error).split())}") from None


def comments(text: str) -> dict[str, str]:
    """The comment of each dotted key: the lines straight above it at its indent, then what follows its value."""
    root = yaml.compose(text, _Loader)
    lines = text.splitlines()
    found = {}
    for name, key, value in _keys(root, ""):
        above: list[str] = []
        for line in reversed(lines[: key.start_mark.line]):
            if not line.startswith(" " * key.start_mark.column + "#"):
                break
            above.insert(0, line.strip(" #"))
        if value.end_mark.line == key.start_mark.line:
            above.append(lines[value.end_mark.line][value.end_mark.column :].strip(" #"))
        found[name] = " ".join(filter(None, above))
    return found


def _keys(node: yaml.Node | None, prefix: str) -> Iterator[tuple[str, yaml.Node, yaml.Node]]:
    if not isinstance(node, yaml.MappingNode):
        return
    for key, value in node.value:
        yield f"{prefix}{key.value}", key, value
        yield from _keys(value, f"{prefix}{key.value}.")
