"""Plain pictures as SVG text: bars with error bars, and curves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

POSITIVE, NEGATIVE, INK, FAINT = "#2f6fb0", "#c4532d", "#222", "#ccc"
ROW, LEFT, WIDTH, TEXT = 22, 300, 420, 90


def bars(title: str, rows: Sequence[tuple[str, float, float | None]]) -> str:
    """A bar for each (name, value, standard error); whiskers reach 1.96 standard errors."""
    reach = [abs(v) + 1.96 * (e or 0) for _, v, e in rows]
    low = min([0.0, *(v - 1.96 * (e or 0) for _, v, e in rows)])
    high = max([0.0, *(v + 1.96 * (e or 0) for _, v, e in rows)])
    unit = WIDTH / ((high - low) or 1.0)
    zero = LEFT - low * unit
    height = 40 + ROW * len(rows) + 10
    parts = [_text(10, 20, title, bold=True), _line(zero, 32, zero, height - 6, FAINT)]
    for i, (name, value, error) in enumerate(rows):
        top, middle = 36 + ROW * i, 36 + ROW * i + ROW / 2 - 2
        x, length = min(zero, zero + value * unit), abs(value) * unit
        colour = POSITIVE if value >= 0 else NEGATIVE
        parts.append(_text(LEFT - 12, middle + 4, _cut(name), anchor="end"))
        parts.append(f'<rect x="{x:.1f}" y="{top}" width="{length:.1f}" height="{ROW - 6}" fill="{colour}"/>')
        if error:
            a, b = zero + (value - 1.96 * error) * unit, zero + (value + 1.96 * error) * unit
            parts += [_line(a, middle, b, middle, INK), *(_line(x, middle - 4, x, middle + 4, INK) for x in (a, b))]
        parts.append(_text(LEFT + WIDTH + 12, middle + 4, f"{value:+.3g}"))
    return _svg(LEFT + WIDTH + TEXT, height, parts) if reach else _svg(LEFT, 40, parts[:1])


def curves(title: str, lines: Mapping[str, Sequence[float]]) -> str:
    """One line for each series, over the stage's number from 1."""
    width, height, left, top = 640, 300, 70, 40
    values = [v for line in lines.values() for v in line]
    low, high = min(values), max(values)
    spread, stages = (high - low) or 1.0, max(map(len, lines.values()))

    def place(i: int, value: float) -> str:
        return f"{left + width * i / max(1, stages - 1):.1f},{top + height * (high - value) / spread:.1f}"

    parts = [_text(10, 20, title, bold=True), _line(left, top + height, left + width, top + height, FAINT)]
    if low < 0 < high:
        zero = top + height * high / spread
        parts += [_line(left, zero, left + width, zero, FAINT), _text(left - 8, zero + 4, "0", anchor="end")]
    for share in (0.0, 0.5, 1.0):
        parts.append(_text(left - 8, top + height * share + 4, f"{high - spread * share:.3g}", anchor="end"))
    parts += [_text(left, top + height + 18, "1"), _text(left + width, top + height + 18, str(stages), anchor="end")]
    for (name, line), colour in zip(lines.items(), (POSITIVE, NEGATIVE, INK), strict=False):
        points = " ".join(place(i, value) for i, value in enumerate(line))
        parts.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2"/>')
        end = top + height * (high - line[-1]) / spread
        parts.append(_text(left + width + 8, end + 4, name, colour=colour))
    return _svg(left + width + 110, top + height + 30, parts)


def _svg(width: float, height: float, parts: Sequence[str]) -> str:
    inside = "\n".join(parts)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height:.0f}" '
        f'font-family="sans-serif" font-size="12">\n<rect width="100%" height="100%" fill="#fff"/>\n{inside}\n</svg>\n'
    )


def _text(x: float, y: float, text: str, anchor: str = "start", bold: bool = False, colour: str = INK) -> str:
    weight = ' font-weight="bold"' if bold else ""
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{colour}"{weight}>{escape(text)}</text>'


def _line(x1: float, y1: float, x2: float, y2: float, colour: str) -> str:
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{colour}"/>'


def _cut(text: str) -> str:
    return text if len(text) <= 44 else text[:43] + "…"
