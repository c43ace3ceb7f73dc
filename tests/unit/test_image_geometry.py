"""Where a picture goes in its square: fit, filter, upscaling, and the sizes that are passed over."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from PIL import Image
from unit.test_image_hostile import row_of
from unit.test_image_recipe import icon, saved

from lib.image.options import ConvertImages

FILTERS = ("nearest", "box", "bilinear", "bicubic", "lanczos")


def made(pixels: list[list[int]] | np.ndarray, **config: Any) -> list[list[int]]:
    """A gray picture's pixels after conversion, by the raw rows."""
    source = Image.fromarray(np.array(pixels, np.uint8))
    row = row_of(saved(source), ConvertImages(encoding="raw", **{"filter": "nearest", **config}))
    assert (row["status"], row["channels"]) == ("ok", 1)
    found: list[list[int]] = np.frombuffer(row["image"], np.uint8).reshape(row["height"], row["width"]).tolist()  # type: ignore[call-overload]
    return found


def test_letterbox_keeps_all_of_it_in_the_middle_of_the_background() -> None:
    assert made([[0, 9]], size=4) == [[255] * 4, [0, 0, 9, 9], [0, 0, 9, 9], [255] * 4]
    assert made([[0], [9]], size=4, background="#000000") == [[0, 0, 0, 0], [0, 0, 0, 0], [0, 9, 9, 0], [0, 9, 9, 0]]


def test_the_bars_beside_a_gray_picture_are_of_the_colour_that_was_asked_for() -> None:
    config = ConvertImages(encoding="raw", channels="RGB", size=2, background="#12fe80")
    row = row_of(saved(Image.fromarray(np.array([[7], [9]], np.uint8))), config)
    assert row["image"] == bytes((7, 7, 7, 0x12, 0xFE, 0x80, 9, 9, 9, 0x12, 0xFE, 0x80))


def test_crop_takes_the_square_in_the_middle() -> None:
    assert made([[1, 2, 3, 4], [5, 6, 7, 8]], size=2, fit="crop") == [[2, 3], [6, 7]]
    assert made([[1, 2], [3, 4], [5, 6], [7, 8]], size=2, fit="crop") == [[3, 4], [5, 6]]


def test_stretch_fills_the_square() -> None:
    assert made([[0, 9]], size=4, fit="stretch") == [[0, 0, 9, 9]] * 4


def test_small_pictures_stay_as_they_are_where_told_so() -> None:
    assert made([[1, 2], [3, 4]], size=4, upscale=False) == [
        [255] * 4, [255, 1, 2, 255], [255, 3, 4, 255], [255] * 4,
    ]  # fmt: skip
    assert made([[1, 1, 2, 2], [1, 1, 2, 2]], size=2, upscale=False, fit="stretch") == [[1, 2], [1, 2]]


@pytest.mark.parametrize("resizer", ["fast", "pillow"])
@pytest.mark.parametrize("name", FILTERS)
@pytest.mark.parametrize("size", [40, 100])
def test_a_filter_is_nearest_to_pillows_of_that_name(name: str, resizer: str, size: int) -> None:
    plane = icon((64, 64)).getchannel("A")
    found = np.array(made(np.asarray(plane), size=size, filter=name, resizer=resizer), np.int16)
    apart = {
        other: np.abs(found - np.asarray(plane.resize((size, size), Image.Resampling[other.upper()]))).mean()
        for other in FILTERS
    }
    assert apart[name] == min(apart.values())  # enlarged, nearest and box are the same
    assert apart[name] <= (0 if resizer == "pillow" else 1.5)


@pytest.mark.parametrize(
    ("size", "config", "code", "detail"),
    [
        ((5, 4), {"min_side": 5}, "too_small", "5x4 is under min_side=5"),
        ((9, 3), {"max_aspect": 2.5}, "aspect_ratio", "9x3 is over max_aspect=2.5"),
    ],
)
def test_sizes_that_are_not_wanted_are_skipped(
    size: tuple[int, int], config: dict[str, Any], code: str, detail: str
) -> None:
    row = row_of(saved(Image.new("L", size, 7)), ConvertImages(**config))
    assert (row["status"], row["error_code"], row["error_detail"], row["image"]) == ("skipped", code, detail, None)
    assert row_of(saved(Image.new("L", (6, 5), 7)), ConvertImages(**config))["status"] == "ok"
