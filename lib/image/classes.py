"""What a picture is: blank, opaque, a shape that lives in alpha alone, or a coloured one.

The rule: visible is alpha >= 32; alpha_only is a spread of visible colours of at most 8 in each channel.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lib.image.picture import Bytes, Picture

VISIBLE = 32
SPREAD = 8
SOLID = 0.97
SAMPLED_PIXELS = 4096


@dataclass(slots=True)
class Class:
    """`ink` is the mean colour of visible pixels on a grid of rows, None where none is visible there."""

    name: str
    coverage: float
    ink: tuple[int, int, int] | None
    flags: list[str]


def classify(picture: Picture, alpha: Bytes | None) -> Class:
    """Look at a sample of rows first: most pictures show there what they are."""
    if alpha is None:
        return Class("opaque", 1.0, _mean(_sampled(picture)[0]), [])
    uniform: tuple[int, int, int] | None = None
    if picture.pixels.shape[2] == 4 and picture.pixels.flags.c_contiguous:
        low, high, uniform, coverage = _survey(picture.pixels)
    else:
        low, high = int(alpha.min()), int(alpha.max())
        coverage = np.count_nonzero(alpha >= VISIBLE) / alpha.size
    if high == 0:
        return Class("empty", 0.0, None, [])
    if low == 255:
        return Class("opaque", 1.0, uniform or _mean(_sampled(picture)[0]), [])
    flags = ["binary_alpha"] if _is_binary(alpha) else []
    if coverage > SOLID:
        flags.append("solid_blob")
    if uniform is not None:
        return Class("alpha_only", coverage, uniform, flags)
    visible, alphas = _sampled(picture)
    if _spread(visible) > SPREAD or _spread(_all_visible(picture, alpha)) > SPREAD:
        if _premultiplied(visible, alphas):
            flags.append("premultiplied_suspect")
        return Class("color_alpha", coverage, _mean(visible), flags)
    return Class("alpha_only", coverage, _mean(visible), flags)


def _survey(rgba: Bytes) -> tuple[int, int, tuple[int, int, int] | None, float]:
    """Bounds of alpha, the colour if all pixels have one, and coverage, in a few passes over whole pixels.

    The bounds are exact only as far as 0 and 255, which is what they are asked for.
    """
    pixels = rgba.view("<u4")[..., 0]
    # Along the first axis these are one SIMD operation a row.
    any_bit = int(np.bitwise_or.reduce(np.bitwise_or.reduce(pixels, axis=0)))
    all_bits = int(np.bitwise_and.reduce(np.bitwise_and.reduce(pixels, axis=0)))
    color = any_bit & 0xFFFFFF
    uniform = (color & 255, color >> 8 & 255, color >> 16) if color == all_bits & 0xFFFFFF else None
    coverage = np.count_nonzero(pixels >= np.uint32(VISIBLE << 24)) / pixels.size
    return all_bits >> 24, any_bit >> 24, uniform, coverage


def _is_binary(alpha: Bytes) -> bool:
    step = max(1, alpha.size // SAMPLED_PIXELS)
    # 0 and 255 wrap to 1 and 0.
    return bool((alpha[::step] + np.uint8(1)).max() <= 1 and (alpha + np.uint8(1)).max() <= 1)


def _sampled(picture: Picture) -> tuple[Bytes, Bytes]:
    """Visible colours (n, 1 or 3) and their alphas, from rows that hold some SAMPLED_PIXELS."""
    pixels = picture.pixels
    step = max(1, pixels.shape[0] * pixels.shape[1] // SAMPLED_PIXELS)
    rows = pixels[step // 2 :: step] if step < 2 * len(pixels) else pixels
    return _visible(rows, picture.table)


def _visible(rows: Bytes, table: Bytes | None) -> tuple[Bytes, Bytes]:
    flat = rows.reshape(-1, rows.shape[2])
    if table is not None:
        flat = table[flat[:, 0]]
    if flat.shape[1] in (1, 3):
        return flat, np.full(len(flat), 255, np.uint8)
    seen = flat[flat[:, -1] >= VISIBLE]
    return seen[:, :-1], seen[:, -1]


def _all_visible(picture: Picture, alpha: Bytes) -> NDArray[np.uint8]:
    if picture.table is not None:
        used = np.zeros(256, bool)
        used[picture.pixels.reshape(-1)] = True
        entries = picture.table[used]
        return entries[entries[:, 3] >= VISIBLE, :3]
    return picture.colors()[alpha >= VISIBLE]


def _spread(colors: Bytes) -> int:
    if not len(colors):
        return 0
    return int((colors.max(axis=0).astype(int) - colors.min(axis=0)).max())


def _mean(colors: Bytes) -> tuple[int, int, int] | None:
    if not len(colors):
        return None
    mean = [int(value) for value in np.rint(colors.mean(axis=0))]
    return (mean[0], mean[0], mean[0]) if len(mean) == 1 else (mean[0], mean[1], mean[2])


def _premultiplied(colors: Bytes, alphas: Bytes) -> bool:
    partial = alphas < 255
    return bool(partial.any() and (colors[partial].max(axis=1) <= alphas[partial]).all())
