"""Planes to their final size: four at a time, whoever they belong to.

Resizing four planes as one RGBA picture takes as long as resizing one gray plane (the horizontal pass of a gray plane
finds no use for SIMD) and gives the same bytes for each.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from PIL import Image

from lib.image.options import ConvertImages
from lib.image.picture import Bytes

try:
    import cykooz_resizer as cykooz  # type: ignore[import-untyped]
except ImportError:
    cykooz = None

Box = tuple[float, float, float, float]
Resize = Callable[[list[Bytes], "Geometry"], list[Bytes]]
PACK = 4


@dataclass(frozen=True, slots=True)
class Geometry:
    """Take `box` (left, top, width, height) of a plane of `source` and make it `inner`, at `offset` of `outer`."""

    source: tuple[int, int]
    box: Box | None
    inner: tuple[int, int]
    offset: tuple[int, int]
    outer: tuple[int, int]


def fit(width: int, height: int, config: ConvertImages) -> Geometry:
    """Where a picture of this size goes in the square that is wanted."""
    side = config.size
    source, box = (width, height), None
    inner_width = inner_height = side
    if config.fit == "crop" and width != height:
        short = min(width, height)
        box = ((width - short) / 2, (height - short) / 2, float(short), float(short))
        width = height = short
    if config.fit == "letterbox":
        scale = side / max(width, height)
        inner_width, inner_height = max(1, round(width * scale)), max(1, round(height * scale))
    if not config.upscale:
        inner_width, inner_height = min(inner_width, width), min(inner_height, height)
    offset = ((side - inner_width) // 2, (side - inner_height) // 2)
    return Geometry(source, box, (inner_width, inner_height), offset, (side, side))


def make_resize(config: ConvertImages) -> Resize:
    """The resizer that the config names. Raises RuntimeError where it is not installed."""
    return _pillow_resize(config.filter) if config.resizer == "pillow" else _fast_resize(config.filter)


def _pillow_resize(name: str) -> Resize:
    method = Image.Resampling[name.upper()]

    def resize(planes: list[Bytes], geometry: Geometry) -> list[Bytes]:
        box = geometry.box and (*geometry.box[:2], geometry.box[0] + geometry.box[2], geometry.box[1] + geometry.box[3])
        images = (Image.fromarray(np.ascontiguousarray(plane)) for plane in planes)
        return [np.asarray(image.resize(geometry.inner, method, box)) for image in images]

    return resize


def _fast_resize(name: str) -> Resize:
    kinds = {"bicubic": "catmull_rom", "lanczos": "lanczos3", "box": "box", "bilinear": "bilinear"}
    if cykooz is None:
        raise RuntimeError("resizer: fast needs the package cykooz.resizer; say resizer: pillow")
    resizer = cykooz.Resizer()

    def options(box: Box | None) -> cykooz.ResizeOptions:
        made = cykooz.ResizeOptions(
            cykooz.ResizeAlg.nearest()
            if name == "nearest"
            else cykooz.ResizeAlg.convolution(cykooz.FilterType[kinds[name]])
        )
        made.use_alpha = False
        if box is not None:
            made.crop_box = cykooz.CropBox(*box)
        return made

    whole = options(None)
    four = cykooz.PixelType.U8x4

    def resize(planes: list[Bytes], geometry: Geometry) -> list[Bytes]:
        height, width = planes[0].shape
        if (width, height) == geometry.inner and geometry.box is None:
            return planes
        chosen = whole if geometry.box is None else options(geometry.box)
        done: list[Bytes] = []
        target = cykooz.ImageData(*geometry.inner, four)
        for at in range(0, len(planes), PACK):
            group = planes[at : at + PACK]
            resizer.resize(cykooz.ImageData(width, height, four, pack(group).tobytes()), target, chosen)
            pixels = np.frombuffer(target.rust_image.buffer(), np.uint8)
            pixels = pixels.reshape(geometry.inner[1], geometry.inner[0], PACK)
            done.extend(pixels[..., i] for i in range(len(group)))
        return done

    return resize


def pack(planes: list[Bytes]) -> Bytes:
    """(height, width, 4) of up to four planes."""
    packed = np.zeros((*planes[0].shape, PACK), np.uint8)
    for i, plane in enumerate(planes):
        packed[..., i] = plane
    return packed
