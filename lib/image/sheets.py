"""Contact sheets: what came out of each class, and what did not come out and why, to be looked at by a person."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from PIL import Image, ImageDraw

from lib.image.encode import to_image

Row = dict[str, Any]
CELL, GAP, COLUMNS, SHOWN = 96, 8, 10, 100
ORDER = [(name, "ascending") for name in ("image_id", "source_path", "source_member", "source_offset")]
MARGIN_COLOR, TEXT_COLOR = (232, 232, 232), (40, 40, 40)


class Sheets:
    """Keeps SHOWN rows of each sheet: those of least image_id, a hash, so that they are a sample free of splits."""

    def __init__(self) -> None:
        self.kept: dict[str, pa.Table] = {}
        self.tiles: dict[str, Image.Image] = {}

    def add(self, rows: pa.RecordBatch) -> None:
        """Take in those of the rows that will be shown; they need no image yet."""
        names = pc.if_else(pc.is_valid(rows["output_bytes"]), rows["class"], "rejected")
        for name in pc.unique(names).to_pylist():
            found = [self.kept[name]] if name in self.kept else []
            found.append(pa.table(rows.filter(pc.equal(names, name))))
            self.kept[name] = pa.concat_tables(found).sort_by(ORDER)[:SHOWN]

    def image_ids(self) -> pa.Array:
        """Of the pictures that will be shown."""
        shown = [kept["image_id"].filter(pc.is_valid(kept["output_bytes"])) for kept in self.kept.values()]
        return pa.array([image_id for ids in shown for image_id in ids.to_pylist()], pa.string())

    def draw(self, row: Row, encoding: str) -> None:
        """Take in the picture of a row that will be shown."""
        self.tiles[row["image_id"]] = to_image(row, encoding).convert("RGB").resize((CELL, CELL))

    def write(self, folder: Path) -> None:
        """One PNG a class, and `rejected.png`."""
        for name, kept in self.kept.items():
            tiles = [self.tiles.get(row["image_id"]) or _excuse(row) for row in kept.to_pylist()]
            draw_sheet(tiles).save(folder / f"{name}.png")


def draw_sheet(tiles: list[Image.Image]) -> Image.Image:
    """Tiles in rows of COLUMNS."""
    across, down = min(COLUMNS, len(tiles)), -(-len(tiles) // COLUMNS)
    sheet = Image.new("RGB", (across * (CELL + GAP) + GAP, down * (CELL + GAP) + GAP), MARGIN_COLOR)
    for i, tile in enumerate(tiles):
        sheet.paste(tile, (GAP + i % COLUMNS * (CELL + GAP), GAP + i // COLUMNS * (CELL + GAP)))
    return sheet


def _excuse(row: Row) -> Image.Image:
    tile = Image.new("RGB", (CELL, CELL), "white")
    name = (row["source_member"] or row["source_path"] or "").rpartition("/")[2]
    text = "\n".join([*(row["error_code"] or "").split("_"), "", name[:15], name[15:30]])
    ImageDraw.Draw(tile).multiline_text((4, 4), text, fill=TEXT_COLOR)
    return tile
