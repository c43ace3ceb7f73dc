"""PNG pixels are those that an independent decoder finds, whoever inflates them here."""

from __future__ import annotations

import io
import itertools
import zlib

import numpy as np
import png as pypng
import pytest
from unit.test_image_hostile import png, row_of

import lib.image.png as ours
from lib.image.picture import decode

KINDS = [
    *(("gray", depth) for depth in (1, 2, 4, 8, 16)),
    *(("palette", depth) for depth in (1, 2, 4, 8)),
    *((name, depth) for name in ("rgb", "gray_alpha", "rgba") for depth in (8, 16)),
]
SIZES = [(1, 1), (7, 5), (33, 17)]
CASES = [
    (name, depth, interlaced, transparent, size)
    for (name, depth), interlaced, transparent, size in itertools.product(KINDS, (False, True), (False, True), SIZES)
    if not (transparent and "a" in name.removeprefix("gray").removeprefix("palette"))
]


def written(name: str, depth: int, interlaced: bool, transparent: bool, size: tuple[int, int]) -> bytes:
    """A picture of random samples by pypng, every filter type in use where it has one."""
    width, height = size
    random = np.random.default_rng(depth * 100 + width)
    channels = {"gray": 1, "palette": 1, "rgb": 3, "gray_alpha": 2, "rgba": 4}[name]
    top = 1 << depth
    rows = random.integers(0, top, (height, width * channels))
    options: dict[str, object] = {"bitdepth": depth, "interlace": interlaced}
    if name == "palette":
        entries = random.integers(0, 256, (top, 4 if transparent else 3)).tolist()
        options["palette"] = [tuple(entry) for entry in entries]
    else:
        options |= {"greyscale": "gray" in name, "alpha": "a" in name.removeprefix("gray")}
        if transparent:
            first = [int(value) for value in rows[0, :channels]]
            options["transparent"] = first[0] if channels == 1 else tuple(first)
    buffer = io.BytesIO()
    pypng.Writer(width, height, **options).write(buffer, rows.tolist())
    return buffer.getvalue()


def read_by_pypng(content: bytes) -> np.ndarray:
    """RGBA of 8 bits: the high byte of 16."""
    width, height, rows, info = pypng.Reader(bytes=content).asRGBA()
    pixels = np.vstack([np.array(row, np.uint32) for row in rows]).reshape(height, width, 4)
    depth = info["bitdepth"]
    return (pixels >> 8 if depth == 16 else pixels * 255 // ((1 << depth) - 1)).astype(np.uint8)


def read_by_us(content: bytes) -> np.ndarray:
    picture = decode(content, 1 << 20)
    colors, alpha = picture.colors(), picture.alpha()
    rgb = np.broadcast_to(colors, (*colors.shape[:2], 3))
    return np.dstack([rgb, np.full(colors.shape[:2], 255, np.uint8) if alpha is None else alpha])


# Whoever inflates: no decoder at all (pypng uses no filters), or the decoders from here on.
WAYS = {"plain": (0, ours.ENGINES), "all": (1 << 30, ours.ENGINES), "libpng": (1 << 30, ours.ENGINES[1:])}


@pytest.mark.parametrize("way", [*WAYS, "pillow"])
def test_every_kind_of_png_gives_the_pixels_that_pypng_reads(way, monkeypatch) -> None:
    if way == "pillow":
        monkeypatch.setattr(ours, "imagecodecs", None)
    pause, engines = WAYS.get(way, (0, ours.ENGINES[2:]))
    monkeypatch.setattr(ours, "ENGINES", engines)
    monkeypatch.setattr(ours.PLAIN, "pause", pause)
    # Pillow keeps the high byte of 16-bit colour only, so that it cannot compare with a transparent colour.
    cases = [case for case in CASES if way != "pillow" or case[:2] != ("rgb", 16) or not case[3]]
    wrong = [case for case in cases if not np.array_equal(read_by_us(written(*case)), read_by_pypng(written(*case)))]
    assert wrong == []


def refiltered(content: bytes, stride: int, bpp: int) -> bytes:
    """The same pixels, row by row with filter types 0 to 4."""
    idat = content.index(b"IDAT")
    length = int.from_bytes(content[idat - 4 : idat])
    rows = np.frombuffer(zlib.decompress(content[idat + 4 : idat + 4 + length]), np.uint8).reshape(-1, stride + 1)[
        :, 1:
    ]
    made, above = b"", np.zeros(stride, int)
    for at, row in enumerate(rows.astype(int)):
        left = np.concatenate([np.zeros(bpp, int), row[:-bpp]])
        corner = np.concatenate([np.zeros(bpp, int), above[:-bpp]])
        guess = left + above - corner
        choices = np.stack([abs(guess - left), abs(guess - above), abs(guess - corner)])
        paeth = np.choose(choices.argmin(axis=0), [left, above, corner])
        predicted = [np.zeros(stride, int), left, above, (left + above) // 2, paeth][at % 5]
        made += bytes([at % 5]) + ((row - predicted) & 255).astype(np.uint8).tobytes()
        above = row
    data = zlib.compress(made)
    return (
        content[: idat - 4]
        + len(data).to_bytes(4)
        + b"IDAT"
        + data
        + zlib.crc32(b"IDAT" + data).to_bytes(4)
        + ours.IEND
    )


@pytest.mark.parametrize(
    ("name", "depth", "bpp"),
    [
        *(("gray", 8, 1), ("gray", 16, 2), ("gray_alpha", 8, 2), ("gray_alpha", 16, 4), ("rgb", 8, 3)),
        *(("rgb", 16, 6), ("rgba", 8, 4), ("rgba", 16, 8), ("gray", 4, 1), ("palette", 2, 1)),
    ],
)
def test_all_five_filters_are_undone_at_every_pixel_width(name: str, depth: int, bpp: int) -> None:
    plain = written(name, depth, False, False, (33, 17))
    samples = {"gray": 1, "palette": 1, "rgb": 3, "gray_alpha": 2, "rgba": 4}[name]
    content = refiltered(plain, (33 * samples * depth + 7) // 8, bpp)
    assert np.array_equal(read_by_us(content), read_by_us(plain))


def rows_by_trying_and_not(content: bytes, monkeypatch) -> list[dict[str, object]]:
    found = []
    for pause in (0, 1):
        monkeypatch.setattr(ours.PLAIN, "pause", pause)
        found.append(row_of(content))
    return found


def test_what_is_merely_inflated_equals_what_a_decoder_reads_whatever_is_damaged(monkeypatch) -> None:
    content = written("gray_alpha", 8, False, False, (9, 5))
    for at in range(len(content)):
        damaged = content[:at] + bytes([content[at] ^ 0x41]) + content[at + 1 :]
        tried, not_tried = rows_by_trying_and_not(damaged, monkeypatch)
        assert tried == not_tried, at
    tried, not_tried = rows_by_trying_and_not(content, monkeypatch)
    assert tried == not_tried and tried["status"] == "ok"


def test_missing_rows_are_noticed_when_a_file_is_merely_inflated(monkeypatch) -> None:
    rows = rows_by_trying_and_not(png(4, 4, zlib.compress(bytes(17 * 2))), monkeypatch)
    assert [row["error_code"] for row in rows] == ["truncated", "truncated"]


def test_a_file_without_filters_needs_no_decoder(monkeypatch) -> None:
    monkeypatch.setattr(ours, "ENGINES", [])
    monkeypatch.setattr(ours.PLAIN, "pause", 0)
    assert decode(written("rgba", 8, False, False, (7, 5)), 1 << 20).pixels.shape == (5, 7, 4)
