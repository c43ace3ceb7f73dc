"""What the kernel holds from one picture to the next does not grow, and never gets into another picture."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from PIL import Image
from unit.test_image_recipe import saved

from lib.image import resize
from lib.image.kernel import KEPT_SIZES, Converter
from lib.image.options import ConvertImages
from lib.image.picture import Bytes


def record(number: int, size: tuple[int, int] = (20, 20)) -> tuple[Any, ...]:
    """Noise, each number its own."""
    pixels = np.random.default_rng(number).integers(0, 256, (*size, 3)).astype(np.uint8)
    return f"file:///{number}.png", None, 0, [], saved(Image.fromarray(pixels))


def test_of_many_sizes_few_are_kept() -> None:
    converter = Converter(ConvertImages(size=16))
    mixed = [record(number, (10 + number % 40, 20)) for number in range(120)]
    rows = converter.convert(mixed)
    assert len(converter.batches) == KEPT_SIZES == 16
    assert rows == [Converter(ConvertImages(size=16)).convert([one])[0] for one in mixed]


@pytest.mark.parametrize("plane", [1, 2, 3, 5])
def test_where_memory_runs_out_the_next_pictures_are_as_if_nothing_had_been(
    plane: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = ConvertImages(size=16, channels="RGB")
    records = [record(number) for number in range(6)]
    right = [Converter(config).convert([one])[0] for one in records]
    converter, add, added = Converter(config), resize.FastStack.add, 0

    def add_until_memory_runs_out(stack: resize.FastStack, one: Bytes) -> None:
        nonlocal added
        added += 1
        if added == plane:
            raise MemoryError
        add(stack, one)

    with monkeypatch.context() as harm:
        harm.setattr(resize.FastStack, "add", add_until_memory_runs_out)
        with pytest.raises(MemoryError):
            converter.convert(records)
    assert [converter.convert([one])[0] for one in records] == right
