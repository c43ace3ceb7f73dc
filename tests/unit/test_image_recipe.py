"""The recipe that the job grew from: alpha to RGB, resized to 256, inverted."""

from __future__ import annotations

import io

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image, ImageDraw, ImageOps

from lib.image.kernel import make_kernel
from lib.image.options import Classes, ConvertImages


def batch(*contents: bytes | None) -> pa.RecordBatch:
    n = len(contents)
    return pa.RecordBatch.from_pydict(
        {
            "source_path": pa.array([f"file:///icons/{i}.png" for i in range(n)]),
            "source_member": pa.nulls(n, pa.string()),
            "source_offset": pa.array([0] * n, pa.int64()),
            "flags": pa.array([[]] * n, pa.list_(pa.string())),
            "content": pa.array(contents, pa.binary()),
        }
    )


def saved(image: Image.Image, form: str = "PNG", **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()


def icon(size: tuple[int, int], color: tuple[int, int, int] = (0, 0, 0)) -> Image.Image:
    """An antialiased ring, its shape in alpha alone."""
    alpha = Image.new("L", (size[0] * 4, size[1] * 4))
    ImageDraw.Draw(alpha).ellipse((40, 40, size[0] * 4 - 60, size[1] * 4 - 50), outline=255, width=50)
    image = Image.new("RGBA", size, color)
    image.putalpha(alpha.resize(size))
    return image


@pytest.mark.parametrize("size", [(240, 240), (64, 64), (512, 512)])
def test_rgb_with_the_pillow_resizer_equals_the_recipe_in_plain_pillow(size: tuple[int, int]) -> None:
    alpha = icon(size).getchannel("A")
    expected = ImageOps.invert(Image.merge("RGB", (alpha, alpha, alpha)).resize((256, 256)))
    config = ConvertImages(mode="alpha_luma", classes=Classes(opaque="skip"), channels="RGB", resizer="pillow")
    row = make_kernel(config)(batch(saved(icon(size)))).to_pylist()[0]
    assert (row["status"], row["class"], row["channels"]) == ("ok", "alpha_only", 3)
    assert np.array_equal(np.array(Image.open(io.BytesIO(row["image"]))), np.array(expected))


def test_a_record_that_is_no_image_says_so_beside_a_good_one() -> None:
    rows = make_kernel(ConvertImages())(batch(b"plain text", saved(icon((48, 48))), b"")).to_pylist()
    assert [(row["status"], row["error_code"]) for row in rows] == [
        ("failed", "not_an_image"),
        ("ok", None),
        ("failed", "empty_record"),
    ]
