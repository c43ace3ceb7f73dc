"""Text, numbers and tables as HTML; everything that comes from a run is escaped here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from lib.report.style import STYLE


@dataclass(frozen=True)
class Html:
    """Text that is HTML already."""

    text: str


@dataclass(frozen=True)
class Number:
    """A figure as it is printed: set to the right."""

    text: str


def cell(value: Any) -> str:
    """A table cell."""
    if isinstance(value, Html):
        return value.text if value.text.startswith("<td") else f"<td>{value.text}</td>"
    if isinstance(value, Number):
        return f'<td class="num">{escape(value.text)}</td>'
    return f"<td>{escape(str(value))}</td>"


def table(heads: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """A table; a head is set as the figures below it are."""
    of_figures = [isinstance(value, Number) for value in rows[0]] if rows else [False] * len(heads)
    top = "".join(
        f'<th class="num">{escape(head)}</th>' if figures else f"<th>{escape(head)}</th>"
        for head, figures in zip(heads, of_figures, strict=True)
    )
    body = "".join(f"<tr>{''.join(map(cell, row))}</tr>\n" for row in rows)
    return f'<div class="wide"><table><tr>{top}</tr>\n{body}</table></div>\n'


def section(title: str, body: str) -> str:
    """A part of the page; nothing where there is nothing to say."""
    return f"<h2>{escape(title)}</h2>\n{body}" if body else ""


def bar(part: float, whole: float, kind: str = "") -> Html:
    """A cell with a bar."""
    width = 100 * part / whole if whole else 0
    return Html(f'<td class="bar"><i class="{escape(kind)}" style="width:{width:.1f}%"></i></td>')


def code(value: Any) -> Html:
    """Something to copy or to search for."""
    return Html(f"<code>{escape(str(value))}</code>")


def block(text: str) -> str:
    """Lines of a terminal."""
    return f"<pre>{escape(text)}</pre>\n"


def count(value: float) -> Number:
    """12,345."""
    return Number(f"{value:,.0f}")


def percent(part: float, whole: float) -> Number:
    """A share; never 0% or 100% unless it is."""
    if not whole:
        return Number("–")
    share = 100 * part / whole
    if 0 < share < 0.1:
        return Number("< 0.1%")
    return Number("> 99.9%" if 99.9 < share < 100 else f"{share:.1f}%")


def duration(seconds: float) -> Number:
    """Seconds as a person says them."""
    if seconds < 120:
        return Number(f"{seconds:.1f} s")
    minutes, left = divmod(round(seconds), 60)
    return Number(f"{minutes} min {left:02d} s" if minutes < 120 else f"{minutes // 60} h {minutes % 60:02d} min")


def page(title: str, body: str) -> str:
    """A whole document that loads nothing."""
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{escape(title)}</title><style>{STYLE}</style></head>\n<body>\n{body}</body></html>\n"
    )
