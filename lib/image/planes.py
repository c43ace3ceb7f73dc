"""From a picture to the planes that are resized: its alpha, its luminance or its three colours over a background."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lib.image.classes import Class
from lib.image.options import ConvertImages
from lib.image.picture import Bytes, Picture

# ITU-R BT.601, in 1/65536, as Pillow's convert("L").
LUMA = np.array([19595, 38470, 7471], np.uint32)


@dataclass(slots=True)
class Planes:
    """One plane or three, before resizing; `pad` is the value of each outside the picture."""

    mode: str
    planes: list[Bytes]
    pad: list[int]
    invert: bool


def choose_mode(kind: str, config: ConvertImages) -> str:
    """How a picture of this class is converted."""
    if getattr(config.classes, kind) == "composite":
        return "composite"
    if config.mode == "auto":
        return "alpha_luma" if kind in ("alpha_only", "empty") else "composite"
    return config.mode


def make_planes(picture: Picture, alpha: Bytes | None, found: Class, config: ConvertImages) -> Planes:
    """Blend at the source's size: what is resized has no alpha left, so no hidden colour bleeds out."""
    mode = choose_mode(found.name, config)
    if mode == "alpha_luma":
        plane = np.full(picture.pixels.shape[:2], 255, np.uint8) if alpha is None else alpha
        return Planes(mode, [plane], [0], config.invert)
    background = _background(config.background, found)
    colors = _over(picture.colors(), alpha, background)
    if mode == "gray" or config.channels == "L":
        return Planes(mode, [_luma(colors)], [int(_luma(background[None, None])[0, 0])], False)
    last = colors.shape[2] - 1
    channels = 1 if last == 0 and background.min() == background.max() else 3
    pad = [int(value) for value in background[:channels]]
    return Planes(mode, [colors[..., min(i, last)] for i in range(channels)], pad, False)


def _background(name: str, found: Class) -> Bytes:
    """`auto`: white under dark ink, black under bright."""
    if name != "auto":
        return np.frombuffer(bytes.fromhex(name[1:]), np.uint8)
    ink = np.array([found.ink or (0, 0, 0)], np.uint8)
    return np.full(3, 0 if _luma(ink[None])[0, 0] > 127 else 255, np.uint8)


def _over(colors: Bytes, alpha: Bytes | None, background: Bytes) -> Bytes:
    if alpha is None:
        return colors
    if colors.shape[2] == 1 and len(set(background.tolist())) == 1:
        background = background[:1]
    weight = alpha[..., None].astype(np.uint16)
    mixed = colors * weight + background * (255 - weight)
    # x / 255 rounded, without a division.
    mixed += 128
    blended: Bytes = ((mixed + (mixed >> 8)) >> 8).astype(np.uint8)
    return blended


def _luma(colors: Bytes) -> Bytes:
    if colors.shape[2] == 1:
        return colors[..., 0]
    mixed: Bytes = ((colors @ LUMA + 0x8000) >> 16).astype(np.uint8)
    return mixed
