"""Pictures of explanations: chosen rows with bars and error bars, and what matters over the whole table."""

from __future__ import annotations

from collections import defaultdict
from html import escape
from typing import Any

import numpy as np

from lib.lime.options import ExplainRows
from lib.lime.points import write_points
from lib.model.charts import bars
from lib.output import Output
from lib.records import Status

COLUMNS = ("source_path", "source_offset", "keys", "predicted_class", "prediction", "explanations", "warnings",
           "status", "explained")  # fmt: skip


def finish(output: Output, config: ExplainRows) -> None:
    """Write OUT/_extra/explanations/: index.html and global.svg; and OUT/_extra/points/ where it is asked for."""
    drawn: list[dict[str, Any]] = []
    sizes: dict[str, list[float]] = defaultdict(list)
    rows = 0
    for batch in output.scan(COLUMNS):
        for row in batch.to_pylist():
            if row["status"] not in (Status.OK.value, Status.PARTIAL.value):
                continue
            rows += 1
            for weight in row["explanations"][0]["weights"]:
                sizes[weight["feature"]].append(abs(weight["weight"]))
            if row["keys"][0] in config.chosen if config.chosen else len(drawn) < config.pages:
                drawn.append(row)
    picture, pages = _overall(sizes, rows), "\n".join(map(_page, drawn))
    with output.extra("explanations") as folder:
        (folder / "global.svg").write_text(picture, encoding="utf-8")
        (folder / "index.html").write_text(_HTML.format(overall=picture, pages=pages), encoding="utf-8")
    if config.points:
        with output.extra("points") as folder:
            write_points(folder, output, config, drawn)


def _page(row: dict[str, Any]) -> str:
    place = f"{row['source_path'].rpartition('/')[2]} row {row['source_offset']}"
    name = ", ".join(k for k in row["keys"] or () if k) or place
    said = row["predicted_class"] if row["predicted_class"] is not None else f"{row['prediction']:.4g}"
    parts = [f"<h2>{escape(name)}: {escape(said)}</h2>"]
    for one in row["explanations"]:
        fit = "exact" if one["r2"] is None else f"R² {one['r2']:.2f}"
        stable = {True: "the choice of features is stable", False: "another sample might choose other features"}
        doubt = stable.get(one["top_k_stable"], "")
        what = f"{row['explained']} of {one['class']}" if one["class"] is not None else row["explained"]
        weights = [(w["condition"], w["weight"], w["std_error"]) for w in one["weights"]]
        parts.append(f"<p>{escape(what)} · {fit} · {doubt}</p>{bars('weights, with 95% intervals', weights)}")
    if row["warnings"]:
        parts.append(f"<p class=w>{escape(' · '.join(row['warnings']))}</p>")
    return "<section>" + "".join(parts) + "</section>"


def _overall(sizes: dict[str, list[float]], rows: int) -> str:
    """Mean |weight| of each feature over all rows, 0 where it was not chosen; whiskers are the spread between rows."""
    ranked = []
    for name, found in sizes.items():
        every = np.zeros(rows)
        every[: len(found)] = found
        # bars() draws 1.96 of what it is given: here one standard deviation is meant.
        ranked.append((name, float(every.mean()), float(every.std()) / 1.96))
    ranked.sort(key=lambda item: -item[1])
    return bars(f"mean |weight| over {rows:,} rows; whiskers: one standard deviation between rows", ranked[:20])


_HTML = """<!doctype html><meta charset=utf-8><title>Explanations</title>
<style>body{{font:14px sans-serif;max-width:860px;margin:2em auto}}
section{{border-top:1px solid #ddd}}.w{{color:#a33}}</style>
<h1>Explanations</h1>
<p>Weights of a local linear model. Where R² is low, it says little about the model.</p>
{overall}
{pages}
"""
