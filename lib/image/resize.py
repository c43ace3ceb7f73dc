"""Planes to their final size: four at a time, whoever they belong to.

Resizing four planes as one picture of four channels takes as long as resizing one gray plane, whose horizontal pass
finds no use for SIMD, and gives each the same bytes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from lib.image.options import ConvertImages
from lib.image.picture import Bytes

try:
    import cykooz_resizer as cykooz  # type: ignore[import-untyped]
except ImportError:
    cykooz = None

Box = tuple[float, float, float, float]
PACK = 4


@dataclass(frozen=True, slots=True)
class Geometry:
    """Take `box` (left, top, right, bottom) of a plane of `source` and make it `inner`, at `offset` of `outer`."""

    source: tuple[int, int]
    box: Box | None
    inner: tuple[int, int]
    offset: tuple[int, int]
    outer: tuple[int, int]


class Stack(Protocol):
    """Planes of one geometry, on their way to be resized together."""

    def add(self, plane: Bytes) -> None:
        """Take one more, which must not be changed afterwards."""
        ...

    def resized(self) -> list[NDArray[Any]]:
        """What was added, resized, in order; the stack is empty again.

        The lowest bytes count, and only until more is resized.
        """
        ...


def fit(width: int, height: int, config: ConvertImages) -> Geometry:
    """Where a picture of this size goes in the square that is wanted."""
    source, box, side = (width, height), None, config.size
    if config.fit == "crop" and width != height:
        short = min(width, height)
        left, top = (width - short) / 2, (height - short) / 2
        box = (left, top, left + short, top + short)
        width = height = short
    inner_width = inner_height = side
    if config.fit == "letterbox":
        scale = side / max(width, height)
        inner_width, inner_height = max(1, round(width * scale)), max(1, round(height * scale))
    if not config.upscale:
        inner_width, inner_height = min(inner_width, width), min(inner_height, height)
    offset = ((side - inner_width) // 2, (side - inner_height) // 2)
    return Geometry(source, box, (inner_width, inner_height), offset, (side, side))


def stack_maker(config: ConvertImages) -> Callable[[Geometry], Stack]:
    """The resizer that the config names. Raises RuntimeError where it is not installed."""
    method = Image.Resampling[config.filter.upper()]
    if config.resizer == "pillow":
        return lambda geometry: PillowStack(geometry, method)
    if cykooz is None:
        raise RuntimeError("resizer: fast needs the package cykooz.resizer; say resizer: pillow")
    resizer, algorithm = cykooz.Resizer(), _algorithm(config.filter)

    def make(geometry: Geometry) -> Stack:
        if geometry.inner == geometry.source:
            return PillowStack(geometry, method)
        return FastStack(geometry, resizer, algorithm)

    return make


def _algorithm(name: str) -> cykooz.ResizeAlg:
    if name == "nearest":
        return cykooz.ResizeAlg.nearest()
    other_names = {"bicubic": "catmull_rom", "lanczos": "lanczos3"}  # Pillow's bicubic is a = -0.5: Catmull-Rom
    return cykooz.ResizeAlg.convolution(cykooz.FilterType[other_names.get(name, name)])


class PillowStack:
    """Planes resized by Pillow, one by one."""

    def __init__(self, geometry: Geometry, method: Image.Resampling) -> None:
        self.geometry, self.method = geometry, method
        self.planes: list[Bytes] = []

    def add(self, plane: Bytes) -> None:
        resized = Image.fromarray(np.ascontiguousarray(plane)).resize(
            self.geometry.inner, self.method, self.geometry.box
        )
        self.planes.append(np.asarray(resized))

    def resized(self) -> list[NDArray[Any]]:
        planes, self.planes = self.planes, []
        return list(planes)


class FastStack:
    """Up to PACK planes as the channels of one picture, CMYK to Pillow: four channels, none of them alpha."""

    def __init__(self, geometry: Geometry, resizer: cykooz.Resizer, algorithm: cykooz.ResizeAlg) -> None:
        self.size, self.resizer = geometry.source, resizer
        width, height = geometry.inner
        target = np.zeros(height * width * PACK + PACK - 1, np.uint8)
        self.target_image = Image.frombuffer("CMYK", geometry.inner, target, "raw", "CMYK", 0, 1)
        # Each channel as the lowest byte of numbers: casts of those are SIMD, from any address; strided copies are not.
        self.channels = [np.ndarray((height, width), "<u4", target, channel) for channel in range(PACK)]
        self.options = cykooz.ResizeOptions(algorithm)
        if geometry.box is not None:
            left, top, right, bottom = geometry.box
            self.options.crop_box = cykooz.CropBox(left, top, right - left, bottom - top)
        self.bands: list[Image.Image] = []

    def add(self, plane: Bytes) -> None:
        self.bands.append(Image.frombuffer("L", self.size, np.ascontiguousarray(plane), "raw", "L", 0, 1))

    def resized(self) -> list[NDArray[Any]]:
        count, bands = len(self.bands), self.bands
        self.bands = []
        source = Image.merge("CMYK", bands + bands[-1:] * (PACK - count))
        self.resizer.resize_pil(source, self.target_image, self.options)
        return list(self.channels[:count])
