"""Sums of bytes and of their squares: exact, so that nothing made of them depends on the machine."""

from __future__ import annotations

import numkong

from lib.image.picture import Bytes

# numkong 7.8's AVX2 kernel counts squares in 32 bits, which overflow from some 528,000 bytes of 255 on.
BLOCK = 1 << 18


def moments(values: Bytes) -> tuple[int, int]:
    """The sum of a contiguous array, and that of its squares."""
    flat = values.reshape(-1)
    total = squares = 0
    for at in range(0, flat.size, BLOCK):
        more, more_squares = numkong.moments(flat[at : at + BLOCK])
        total, squares = total + int(more), squares + int(more_squares)
    return total, squares


def mean_and_deviation(pixels: Bytes) -> tuple[float, float]:
    """Of all values of a contiguous array."""
    total, squares = moments(pixels)
    return total / pixels.size, (pixels.size * squares - total * total) ** 0.5 / pixels.size
