"""What a picture is: blank, opaque, a shape that lives in alpha alone, or a coloured one.

The rule: visible is alpha >= 32; alpha_only is a spread of visible colours of at most 8 in each channel.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

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


@dataclass(slots=True)
class Seen:
    """Visible colours (1 or 3, n), their alphas, and how often each stands there (None: once)."""

    colors: Bytes
    alphas: Bytes
    counts: NDArray[np.int64] | None = None


def classify(picture: Picture, alpha: Bytes | None) -> Class:
    """Look at a sample of rows first: most pictures show there what they are."""
    if alpha is None:
        return Class("opaque", 1.0, _mean(_sampled(picture)), [])
    uniform: tuple[int, int, int] | None = None
    if picture.pixels.shape[2] in (2, 4) and picture.pixels.flags.c_contiguous:
        low, high, uniform, coverage = _survey(picture.pixels)
    else:
        low, high = int(alpha.min()), int(alpha.max())
        coverage = np.count_nonzero(alpha >= VISIBLE) / alpha.size
    if high == 0:
        return Class("empty", 0.0, None, [])
    if low == 255:
        return Class("opaque", 1.0, uniform or _mean(_sampled(picture)), [])
    flags = ["binary_alpha"] if _is_binary(alpha) else []
    if coverage > SOLID:
        flags.append("solid_blob")
    if uniform is not None:
        return Class("alpha_only", coverage, uniform, flags)
    seen = _sampled(picture)
    if _spread(seen.colors) > SPREAD or _spread_of_all(picture, alpha) > SPREAD:
        if _premultiplied(seen):
            flags.append("premultiplied_suspect")
        return Class("color_alpha", coverage, _mean(seen), flags)
    return Class("alpha_only", coverage, _mean(seen), flags)


def _survey(samples: Bytes) -> tuple[int, int, tuple[int, int, int] | None, float]:
    """Bounds of alpha, the colour if all pixels have one, and coverage, in a few passes over whole pixels.

    The bounds are exact only as far as 0 and 255, which is what they are asked for.
    """
    kind, bits = ("<u4", 24) if samples.shape[2] == 4 else ("<u2", 8)
    pixels = samples.view(kind)[..., 0]  # alpha is the high byte
    coverage = np.count_nonzero(pixels >= pixels.dtype.type(VISIBLE << bits)) / pixels.size
    any_bit = _folded(np.bitwise_or, pixels)
    color = any_bit & ((1 << bits) - 1)
    # Black icons, most of all, need no second pass.
    all_bits = _folded(np.bitwise_and, pixels) if color or coverage == 1 else 0
    uniform = None
    if color == all_bits & ((1 << bits) - 1):
        uniform = (color & 255, color >> 8 & 255, color >> 16) if bits == 24 else (color, color, color)
    return all_bits >> bits, any_bit >> bits, uniform, coverage


def _folded(operation: np.ufunc, pixels: NDArray[Any]) -> int:
    """All pixels combined bit by bit, eight bytes at a time where they come in eights."""
    size = pixels.dtype.itemsize
    flat = pixels.reshape(-1)
    if flat.nbytes % 8:
        return int(operation.reduce(flat))
    wide = int(operation.reduce(flat.view("<u8")))
    parts = [wide >> shift & ((1 << 8 * size) - 1) for shift in range(0, 64, 8 * size)]
    found = parts[0]
    for part in parts[1:]:
        found = int(operation(found, part))
    return found


def _is_binary(alpha: Bytes) -> bool:
    step = max(1, alpha.size // SAMPLED_PIXELS)
    # 0 and 255 wrap to 1 and 0.
    return bool((alpha[::step] + np.uint8(1)).max() <= 1 and (alpha + np.uint8(1)).max() <= 1)


def _sampled(picture: Picture) -> Seen:
    """Visible colours of rows that hold some SAMPLED_PIXELS; of a palette each that they use, with its count."""
    pixels = picture.pixels
    step = max(1, pixels.shape[0] * pixels.shape[1] // SAMPLED_PIXELS)
    rows = pixels[step // 2 :: step] if step < 2 * len(pixels) else pixels
    flat = np.ascontiguousarray(rows.reshape(-1, rows.shape[2]).T)
    if picture.table is not None:
        counts = np.bincount(flat[0], minlength=256)
        used = np.flatnonzero((counts > 0) & (picture.table[:, 3] >= VISIBLE))
        return Seen(picture.table[used, :3].T, picture.table[used, 3], counts[used])
    if len(flat) in (1, 3):
        return Seen(flat, np.full(flat.shape[1], 255, np.uint8))
    visible = np.flatnonzero(flat[-1] >= VISIBLE)
    return Seen(flat[:-1, visible], flat[-1, visible])


def _spread_of_all(picture: Picture, alpha: Bytes) -> int:
    """The widest channel's, over all visible pixels."""
    if picture.table is not None:
        used = np.bincount(picture.pixels.reshape(-1), minlength=256) > 0
        return _spread(picture.table[used & (picture.table[:, 3] >= VISIBLE), :3].T)
    # What is hidden becomes 255 for the least and 0 for the greatest: cheaper than to pick out what is visible.
    hidden = np.negative((alpha < VISIBLE).view(np.uint8))
    colors = picture.colors()
    channels = (np.ascontiguousarray(colors[..., i]) for i in range(colors.shape[2]))
    return max(int((one & ~hidden).max()) - int((one | hidden).min()) for one in channels)


def _spread(colors: Bytes) -> int:
    return max((int(channel.max()) - int(channel.min()) for channel in colors), default=0) if colors.size else 0


def _mean(seen: Seen) -> tuple[int, int, int] | None:
    if not seen.colors.size:
        return None
    weights = np.ones(seen.colors.shape[1]) if seen.counts is None else seen.counts
    mean = [round(float(channel @ weights) / float(weights.sum())) for channel in seen.colors.astype(np.float64)]
    return (mean[0], mean[0], mean[0]) if len(mean) == 1 else (mean[0], mean[1], mean[2])


def _premultiplied(seen: Seen) -> bool:
    partial = np.flatnonzero(seen.alphas < 255)
    return bool(partial.size and (seen.colors[:, partial] <= seen.alphas[partial]).all())
