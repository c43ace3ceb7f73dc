"""A decoded picture: 8-bit samples, its alpha, its colours, and what its file said."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from lib.image.errors import NoPicture
from lib.image.header import COLOR_TYPES, Png, check_size, read_png, sniff
from lib.image.png import samples

Bytes = NDArray[np.uint8]
ORIENTATION = 274
# By EXIF orientation: transpose first, then flip rows, then flip columns.
TURNS = {
    2: (False, False, True),
    3: (False, True, True),
    4: (False, True, False),
    5: (True, False, False),
    6: (True, False, True),
    7: (True, True, True),
    8: (True, True, False),
}


@dataclass(slots=True)
class Picture:
    """`pixels` is (height, width, n): gray, gray+alpha, RGB, RGBA; with `table`, (256, 4), it is indices."""

    pixels: Bytes
    table: Bytes | None
    format: str
    width: int
    height: int
    color_type: str
    bit_depth: int
    had_icc: bool = False
    orientation: int | None = None
    animated: bool = False
    upright: bool = False  # the orientation has been applied

    def alpha(self) -> Bytes | None:
        """(height, width) without gaps, None where there is none."""
        if self.table is not None:
            return look_up(self.pixels, self.table[:, 3]) if self.table[:, 3].min() < 255 else None
        samples = self.pixels.shape[2]
        if samples not in (2, 4):
            return None
        # A cast to bytes keeps the lowest one of a number, from any address, and is SIMD; a strided copy is not.
        rows = self.pixels.reshape(len(self.pixels), -1)
        alpha = np.empty(self.pixels.shape[:2], np.uint8)
        alpha[:, :-1] = rows[:, samples - 1 : -1].view(f"<u{samples}")
        alpha[:, -1] = rows[:, -1]
        return alpha

    def colors(self) -> Bytes:
        """(height, width, 1 or 3), not premultiplied."""
        if self.table is not None:
            colors: Bytes = self.table[:, :3][self.pixels[..., 0]]
            return colors
        return self.pixels[..., : 1 if self.pixels.shape[2] < 3 else 3]


def look_up(indices: Bytes, values: Bytes) -> Bytes:
    """`values[indices]` of one plane; bytes.translate takes a third of numpy's time."""
    flat = indices.tobytes().translate(values.tobytes())
    return np.frombuffer(flat, np.uint8).reshape(indices.shape[:2])


def decode(content: bytes, max_pixels: int) -> Picture:
    """Read a picture of any format, upright. Raises NoPicture."""
    form = sniff(content)
    picture = _decode_png(content, max_pixels) if form == "png" else _decode_other(content, form, max_pixels)
    if picture.orientation in TURNS and not picture.upright:
        picture.pixels = _turned(picture.pixels, *TURNS[picture.orientation])
    return picture


def _decode_png(content: bytes, max_pixels: int) -> Picture:
    png = read_png(content, max_pixels)
    pixels, table = _meaning(samples(png), png)
    return Picture(
        pixels,
        table,
        "png",
        png.width,
        png.height,
        COLOR_TYPES[png.color_type],
        png.bit_depth,
        png.had_icc,
        _orientation(png.exif) if png.exif else None,
        png.animated,
    )


def _meaning(found: NDArray[Any], png: Png) -> tuple[Bytes, Bytes | None]:
    """Scale samples to 8 bits and apply transparency, which compares samples at their full depth."""
    if png.color_type == 3:
        return found, palette_table(png)
    alpha = _transparent_color(found, png) if png.transparency and png.color_type in (0, 2) else None
    if png.bit_depth == 16:
        pixels = (found >> 8).astype(np.uint8)
    elif png.bit_depth < 8:
        pixels = found * np.uint8(255 // ((1 << png.bit_depth) - 1))
    else:
        pixels = found
    return (pixels if alpha is None else np.concatenate([pixels, alpha[..., None]], axis=2)), None


def _transparent_color(found: NDArray[Any], png: Png) -> Bytes:
    size = found.shape[2]
    if len(png.transparency) < 2 * size:
        raise NoPicture("corrupt_image", f"tRNS has {len(png.transparency)} bytes, expected {2 * size}")
    mask = (1 << png.bit_depth) - 1
    color = np.frombuffer(png.transparency[: 2 * size], ">u2") & mask
    return np.where((found == color).all(axis=2), 0, 255).astype(np.uint8)


def palette_table(png: Png) -> Bytes:
    """(256, 4): colours and alphas by index; opaque black beyond the palette's end, as libpng has it."""
    table = np.zeros((256, 4), np.uint8)
    table[:, 3] = 255
    colors = np.frombuffer(png.palette[: min(len(png.palette) // 3, 256) * 3], np.uint8).reshape(-1, 3)
    table[: len(colors), :3] = colors
    alphas = np.frombuffer(png.transparency[:256], np.uint8)
    table[: len(alphas), 3] = alphas
    return table


def _orientation(exif: bytes) -> int | None:
    found = Image.Exif()
    try:
        found.load(exif)
        return int(found[ORIENTATION]) if ORIENTATION in found else None
    except Exception:
        return None


def _turned(pixels: Bytes, transpose: bool, rows: bool, columns: bool) -> Bytes:
    turned = pixels.transpose(1, 0, 2) if transpose else pixels
    turned = turned[::-1] if rows else turned
    return np.ascontiguousarray(turned[:, ::-1] if columns else turned)


def _decode_other(content: bytes, form: str, max_pixels: int) -> Picture:
    """Any format but PNG, by Pillow, held to the format that the first bytes say."""
    with _told_apart(form):
        image = Image.open(io.BytesIO(content), formats=(form.upper(),))
        check_size(image.width, image.height, max_pixels)
        color_type, width, height = image.mode, image.width, image.height
        orientation = image.getexif().get(ORIENTATION)
        pixels = _eight_bits(image)
        upright = ORIENTATION not in image.getexif()  # Pillow turns a TIFF when it loads it
        animated = getattr(image, "n_frames", 1) > 1
    if upright and orientation in TURNS and TURNS[orientation][0]:
        width, height = height, width
    return Picture(
        pixels,
        None,
        form,
        width,
        height,
        color_type,
        16 if color_type.startswith("I;16") else 1 if color_type == "1" else 8,
        "icc_profile" in image.info,
        orientation if isinstance(orientation, int) else None,
        animated,
        upright,
    )


@contextmanager
def _told_apart(form: str) -> Iterator[None]:
    """Pillow's errors as NoPicture; its own bomb warning comes at another limit."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except NoPicture:
        raise
    except Image.DecompressionBombError as error:
        raise NoPicture("too_many_pixels", str(error)) from None
    except UnidentifiedImageError:
        raise NoPicture("corrupt_image", f"begins like {form}, and is not") from None
    except Exception as error:
        code = "truncated" if "truncated" in str(error).lower() else "corrupt_image"
        raise NoPicture(code, f"{form}: {error}") from None


def _eight_bits(image: Image.Image) -> Bytes:
    """First frame as gray, gray+alpha, RGB or RGBA."""
    if image.mode.startswith("I;16"):
        return (np.array(image) >> 8).astype(np.uint8)[..., None]
    if image.mode in ("L", "LA", "RGB", "RGBA"):
        mode = image.mode
    elif image.mode == "1":
        mode = "L"
    elif image.mode == "P" and "transparency" not in image.info:
        mode = "RGB"
    else:
        mode = "RGBA" if image.has_transparency_data else "RGB"
    pixels = np.array(image.convert(mode))
    return pixels[..., None] if pixels.ndim == 2 else pixels
