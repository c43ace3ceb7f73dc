"""What a picture is, by its alpha and the colours that can be seen."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image
from unit.test_image_recipe import icon, saved

from lib.image.classes import classify
from lib.image.picture import decode


def class_of(pixels: np.ndarray | Image.Image) -> tuple[str, float, tuple[int, int, int] | None, list[str]]:
    image = Image.fromarray(pixels) if isinstance(pixels, np.ndarray) else pixels
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    picture = decode(buffer.getvalue(), 1 << 20)
    found = classify(picture, picture.alpha())
    return found.name, found.coverage, found.ink, found.flags


def rgba(*pixels: tuple[int, int, int, int]) -> np.ndarray:
    return np.array([pixels], np.uint8)


@pytest.mark.parametrize(
    ("pixels", "expected"),
    [
        (rgba((9, 9, 9, 0), (7, 7, 7, 0)), ("empty", 0.0, None, [])),
        (rgba((9, 9, 9, 255), (9, 9, 9, 255), (9, 9, 9, 255)), ("opaque", 1.0, (9, 9, 9), [])),
        (rgba((0, 0, 0, 255), (0, 0, 0, 0)), ("alpha_only", 0.5, (0, 0, 0), ["binary_alpha"])),
        (rgba((255, 255, 255, 200), (255, 255, 255, 0)), ("alpha_only", 0.5, (255, 255, 255), [])),
        # A bright colour that cannot be seen, and one eight levels off.
        (
            rgba((10, 10, 10, 255), (255, 0, 0, 31), (18, 10, 10, 255), (0, 0, 0, 0)),
            ("alpha_only", 0.5, (14, 10, 10), []),
        ),
        (
            rgba((10, 10, 10, 255), (19, 10, 10, 255), (0, 0, 0, 0)),
            ("color_alpha", 2 / 3, (14, 10, 10), ["binary_alpha"]),
        ),
        (
            rgba((100, 0, 0, 100), (0, 200, 0, 200)),
            ("color_alpha", 1.0, (50, 100, 0), ["solid_blob", "premultiplied_suspect"]),
        ),
    ],
)
def test_the_class_goes_by_visible_colours(pixels: np.ndarray, expected: tuple[object, ...]) -> None:
    assert class_of(pixels) == expected


def test_gray_with_alpha_and_palettes_have_classes_too() -> None:
    gray = np.array([[[200, 0], [200, 255], [200, 128], [200, 255]]], np.uint8)
    assert class_of(gray)[:3] == ("alpha_only", 0.75, (200, 200, 200))
    palette = Image.new("P", (4, 1))
    palette.putpalette([255, 0, 0, 0, 255, 0])
    palette.putdata([0, 1, 0, 1])
    assert class_of(palette)[0] == "opaque"
    palette.info["transparency"] = bytes([255, 0])
    assert class_of(palette)[:3] == ("alpha_only", 0.5, (255, 0, 0))


def test_alpha_is_no_colour_of_an_opaque_picture() -> None:
    colors = rgba((0, 10, 20, 255), (0, 10, 40, 255))
    assert class_of(colors) == ("opaque", 1.0, (0, 10, 30), [])
    assert class_of(colors[..., :3].copy()) == ("opaque", 1.0, (0, 10, 30), [])
    assert class_of(Image.fromarray(colors[..., :3].copy()).quantize(4)) == ("opaque", 1.0, (0, 10, 30), [])
    assert class_of(colors[..., 2:].copy()) == ("opaque", 1.0, (30, 30, 30), [])
    assert class_of(colors[..., 2].copy()) == ("opaque", 1.0, (30, 30, 30), [])


def test_alpha_is_binary_if_all_rows_are() -> None:
    sharp, smooth = [(0, 0, 0, 255), (0, 0, 0, 0)], [(0, 0, 0, 255), (0, 0, 0, 100)]
    assert class_of(np.array([sharp, sharp], np.uint8))[3] == ["binary_alpha"]
    assert class_of(np.array([smooth, sharp], np.uint8))[3] == []
    assert class_of(np.array([sharp, smooth], np.uint8))[3] == []


def test_one_coloured_pixel_beside_the_sampled_ones_counts() -> None:
    image = icon((240, 240))
    image.putpixel((120, 3), (255, 0, 0, 255))
    assert class_of(icon((240, 240)))[0] == "alpha_only"
    assert class_of(image)[0] == "color_alpha"
    assert saved(image) != saved(icon((240, 240)))
