"""Contact sheets: what came out of each class, and what did not come out and why, to be looked at by a person."""

from __future__ import annotations

import heapq
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw

from lib.image.encode import to_image

Row = dict[str, Any]
CELL, GAP, COLUMNS, SHOWN = 96, 8, 10, 100
MARGIN_COLOR, TEXT_COLOR = (232, 232, 232), (40, 40, 40)


class Sheets:
    """Keeps SHOWN rows of each sheet: those of least image_id, a hash, so that they are a sample free of splits."""

    def __init__(self) -> None:
        self.kept: dict[str, list[tuple[int, Row]]] = {}
        self.tiles: dict[str, Image.Image] = {}

    def add(self, row: Row) -> None:
        """Take a row in, or not; it needs no image yet."""
        heap = self.kept.setdefault(row["class"] if row["output_bytes"] is not None else "rejected", [])
        rank = -int(row["image_id"] or "0", 16)
        if len(heap) < SHOWN:
            heapq.heappush(heap, (rank, row))
        elif rank > heap[0][0]:
            heapq.heapreplace(heap, (rank, row))

    def image_ids(self) -> set[str]:
        """Of the pictures that will be shown."""
        return {row["image_id"] for heap in self.kept.values() for _, row in heap if row["output_bytes"] is not None}

    def draw(self, row: Row, encoding: str) -> None:
        """Take in the picture of a row that will be shown."""
        self.tiles[row["image_id"]] = to_image(row, encoding).convert("RGB").resize((CELL, CELL))

    def write(self, folder: Path) -> None:
        """One PNG a class, and `rejected.png`."""
        for name, heap in self.kept.items():
            rows = [row for _, row in sorted(heap, key=lambda item: -item[0])]
            draw_sheet([self.tiles.get(row["image_id"]) or _excuse(row) for row in rows]).save(folder / f"{name}.png")


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
