"""What a picture is: blank, opaque, a shape that lives in alpha alone, or a coloured one.

The rule: visible is alpha >= 32; alpha_only is a spread of visible colours of at most 8 in each channel.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from operator import and_, or_
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lib.image.moments import moments
from lib.image.picture import Bytes, Picture

Color = tuple[int, int, int]
Packed = NDArray[np.unsignedinteger[Any]]

VISIBLE = 32
SPREAD = 8
SOLID = 0.97
SAMPLED_PIXELS = 1024
NOTHING = np.empty((0, 0), np.uint8)
MANY_BYTES = 1 << 18  # above this a look at a sample is cheaper than one at all


@dataclass(slots=True)
class Class:
    """`ink` is the mean colour of visible pixels on a grid, None where none is visible there."""

    name: str
    coverage: float
    ink: Color | None
    flags: list[str]


def classify(picture: Picture, alpha: Bytes | None) -> Class:
    """See the rule above."""
    if alpha is None:
        return Class("opaque", 1.0, _mean_of_all(picture), [])
    total, squares = moments(alpha)
    if total == 0:
        return Class("empty", 0.0, None, [])
    if total == 255 * alpha.size:
        return Class("opaque", 1.0, _color_of_all(picture) or _mean_of_all(picture), [])
    visible = alpha >= VISIBLE
    coverage = np.count_nonzero(visible) / alpha.size
    # No value between 0 and 255 has a square of 255 times itself, and none has a larger one.
    flags = ["binary_alpha"] if squares == 255 * total else []
    if coverage > SOLID:
        flags.append("solid_blob")
    name, ink, seen = _look(picture, visible)
    if name == "color_alpha" and _premultiplied(seen):
        flags.append("premultiplied_suspect")
    return Class(name, coverage, ink or _mean(seen[:-1]), flags)


def _look(picture: Picture, visible: NDArray[np.bool_]) -> tuple[str, Color | None, Bytes]:
    """The class by its colours, the one that all pixels have, if so, and what a grid of pixels shows."""
    small = picture.table is None and picture.pixels.nbytes <= MANY_BYTES
    if small and (ink := _color_of_all(picture)) is not None:
        return "alpha_only", ink, NOTHING
    seen = _visible(_sampled(picture))
    if _spread(seen[:-1]) > SPREAD:  # as most pictures with colours show at once
        return "color_alpha", None, seen
    if not small and (ink := _color_of_all(picture)) is not None:
        return "alpha_only", ink, NOTHING
    return "alpha_only" if _spread_of_all(picture, visible) <= SPREAD else "color_alpha", None, seen


def _grid(pixels: NDArray[Any]) -> NDArray[Any]:
    """Some SAMPLED_PIXELS of them."""
    step = max(1, int((pixels.shape[0] * pixels.shape[1] / SAMPLED_PIXELS) ** 0.5))
    return pixels[step // 2 :: step, step // 2 :: step]


def _sampled(picture: Picture) -> Packed:
    """A grid of the pixels, of a palette their colours, as one number each."""
    if picture.table is not None:
        return picture.table.view("<u4").take(_grid(picture.pixels)).reshape(-1)
    return _grid(picture.pixels.view(f"<u{picture.pixels.shape[2]}")[..., 0]).reshape(-1)


def _used(picture: Picture) -> Bytes:
    """All pixels; of a palette each colour that is used."""
    if picture.table is None:
        return picture.pixels
    used = np.zeros(256, np.bool_)
    used[picture.pixels] = True
    return picture.table[used]


def _packed(samples: Bytes) -> Packed:
    """Gray+alpha or RGBA pixels as one number each, alpha its highest byte."""
    return np.ascontiguousarray(samples).view(f"<u{samples.shape[-1]}").reshape(-1)


def _planes(samples: Bytes) -> Bytes:
    """(samples, pixels)."""
    return np.ascontiguousarray(samples.reshape(-1, samples.shape[-1]).T)


def _visible(packed: Packed) -> Bytes:
    """Planes of the pixels that can be seen, alpha the last."""
    size = packed.itemsize
    seen = packed[packed >= packed.dtype.type(VISIBLE << 8 * (size - 1))]
    return _planes(seen.view(np.uint8).reshape(-1, size))


def _color_of_all(picture: Picture) -> Color | None:
    """The colour that all pixels have, hidden ones too; None where there are several."""
    packed = _packed(_used(picture))
    channels = packed.itemsize - 1
    mask = (1 << 8 * channels) - 1
    color = _folded(np.bitwise_or, or_, packed) & mask
    # Black icons, most of all, need no second pass.
    if color and color != _folded(np.bitwise_and, and_, packed) & mask:
        return None
    return _rgb(color.to_bytes(channels, "little"))


def _folded(over: np.ufunc, fold: Callable[[int, int], int], packed: Packed) -> int:
    """All pixels combined bit by bit, eight bytes at a time where they come in eights."""
    if packed.nbytes % 8:
        return int(over.reduce(packed))
    combined, bits = int(over.reduce(packed.view("<u8"))), 64
    while bits > 8 * packed.itemsize:
        bits //= 2
        combined = fold(combined >> bits, combined & ((1 << bits) - 1))
    return combined


def _spread(colors: Bytes) -> int:
    """The widest channel's, of (channels, pixels)."""
    return int((colors.max(axis=1) - colors.min(axis=1)).max()) if colors.size else 0


def _spread_of_all(picture: Picture, visible: NDArray[np.bool_]) -> int:
    """The same over all visible pixels."""
    if picture.table is not None:
        return _spread(_visible(_packed(_used(picture)))[:-1])
    # What is hidden becomes 255 for the least and 0 for the greatest: cheaper than to pick out what is visible.
    hidden = visible.view(np.uint8) - np.uint8(1)
    colors = picture.colors()
    channels = (np.ascontiguousarray(colors[..., i]) for i in range(colors.shape[2]))
    return max(int((one & ~hidden).max()) - int((one | hidden).min()) for one in channels)


def _mean_of_all(picture: Picture) -> Color | None:
    """Of an opaque picture, whose alpha is no colour."""
    grid = _grid(picture.pixels)
    planes = _planes(grid if picture.table is None else picture.table[grid[..., 0]])
    return _mean(planes if len(planes) in (1, 3) else planes[:-1])


def _mean(colors: Bytes) -> Color | None:
    count = colors.shape[1]
    return _rgb([round(total / count) for total in colors.sum(axis=1, dtype=np.uint32).tolist()]) if count else None


def _rgb(channels: Sequence[int]) -> Color:
    """Of gray or colour."""
    return channels[0], channels[-1] if len(channels) == 1 else channels[1], channels[-1]


def _premultiplied(visible: Bytes) -> bool:
    colors, alpha = visible[:-1], visible[-1]
    return bool(alpha.size and alpha.min() < 255 and (colors <= alpha).all())
