"""Input that is damaged, huge or no image costs a row with its code, never a run."""

from __future__ import annotations

import io
import subprocess
import sys
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms
from unit.test_image_recipe import batch, icon, saved

from lib.image.header import PNG_SIGNATURE
from lib.image.kernel import make_kernel
from lib.image.options import Classes, ConvertImages
from lib.records import ERROR_CODES

KERNEL = make_kernel(ConvertImages())
ICON = saved(icon((48, 48)))


def row_of(content: bytes, config: ConvertImages | None = None) -> dict[str, object]:
    kernel = KERNEL if config is None else make_kernel(config)
    rows: list[dict[str, object]] = kernel(batch(content)).to_pylist()
    return rows[0]


def chunk(kind: bytes, data: bytes) -> bytes:
    return len(data).to_bytes(4) + kind + data + zlib.crc32(kind + data).to_bytes(4)


def png(width: int, height: int, idat: bytes, *others: bytes) -> bytes:
    header = chunk(b"IHDR", width.to_bytes(4) + height.to_bytes(4) + b"\x08\6\0\0\0")
    return PNG_SIGNATURE + header + b"".join(others) + chunk(b"IDAT", idat) + chunk(b"IEND", b"")


def damaged(content: bytes, at: int) -> bytes:
    return content[:at] + bytes([content[at] ^ 0xFF]) + content[at + 1 :]


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "empty_record"),
        (b"GIT binary patch", "not_an_image"),
        (b"<?xml version='1.0'?><svg xmlns='http://www.w3.org/2000/svg'/>", "vector_image"),
        (b"\n<svg width='1'/>", "vector_image"),
        (PNG_SIGNATURE, "truncated"),
        (ICON[:60], "truncated"),
        (ICON[: len(ICON) // 2], "truncated"),
        (damaged(ICON, 17), "too_many_pixels"),
        (damaged(ICON, 30), "bad_checksum"),
        (damaged(ICON, len(ICON) // 2), "bad_checksum"),
        (png(4, 4, zlib.compress(bytes(17 * 2))), "truncated"),
        (png(4, 4, b"not deflate"), "corrupt_image"),
        (png(0, 4, b""), "zero_size"),
        (png(13000, 13000, b""), "too_many_pixels"),
        (b"BM" + bytes(60), "corrupt_image"),
        (saved(Image.effect_noise((64, 64), 90), "JPEG")[:1500], "truncated"),
    ],
)
def test_what_cannot_be_read_says_why(content: bytes, code: str) -> None:
    row = row_of(content)
    assert (row["status"], row["error_code"]) == ("failed", code), row["error_detail"]


def test_text_that_inflates_to_50_mb_is_not_inflated() -> None:
    text = chunk(b"zTXt", b"k\0\0" + zlib.compress(bytes(50 << 20), 1))
    row = row_of(png(4, 4, zlib.compress(bytes([0, *([9, 9, 9, 128] * 4)] * 4)), text))
    assert (row["status"], row["class"]) == ("ok", "alpha_only")


def test_a_bomb_of_13000_squared_takes_no_memory() -> None:
    deflate = zlib.compressobj(1)
    idat = b"".join(deflate.compress(bytes(13000 * 4 + 1)) for _ in range(2000)) + deflate.flush()
    script = (
        "import re, sys; from pathlib import Path; from unit.test_image_hostile import row_of;"
        "code = row_of(sys.stdin.buffer.read())['error_code'];"
        # ru_maxrss would be the parent's.
        "print(code, re.search(r'VmHWM:\\s+(\\d+)', Path('/proc/self/status').read_text())[1])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        input=png(13000, 13000, idat),
        capture_output=True,
        env={"PYTHONPATH": ":".join(sys.path)},
        check=True,
    )
    code, kilobytes = done.stdout.split()
    assert code == b"too_many_pixels"
    assert int(kilobytes) < 400_000


@settings(max_examples=150, deadline=None, derandomize=True)
@given(st.integers(0, len(ICON) - 1), st.integers(0, 255))
def test_one_changed_byte_gives_a_row_of_a_known_code(at: int, value: int) -> None:
    row = row_of(ICON[:at] + bytes([value]) + ICON[at + 1 :])
    assert row["status"] in ("ok", "skipped") or row["error_code"] in ERROR_CODES


OTHERS = {
    form: saved(icon((32, 32)).convert("RGB" if form in ("JPEG", "BMP") else "RGBA"), form)
    for form in ("JPEG", "WEBP", "GIF", "BMP", "TIFF", "ICO")
}


@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.sampled_from(sorted(OTHERS)), st.integers(0, 1 << 20), st.integers(0, 255), st.booleans())
def test_damage_in_any_format_gives_a_row_of_a_known_code(form: str, place: int, value: int, cut: bool) -> None:
    content = OTHERS[form]
    at = place % len(content)
    row = row_of(content[:at] + bytes([value]) + (b"" if cut else content[at + 1 :]))
    assert row["status"] in ("ok", "skipped") or row["error_code"] in ERROR_CODES


@settings(max_examples=150, deadline=None, derandomize=True)
@given(st.integers(0, 300), st.integers(0, 300), st.integers(0, 17), st.integers(0, 7), st.integers(0, 2))
def test_any_header_gives_a_row_of_a_known_code(
    width: int, height: int, depth: int, color: int, interlace: int
) -> None:
    header = width.to_bytes(4) + height.to_bytes(4) + bytes([depth, color, 0, 0, interlace])
    content = PNG_SIGNATURE + chunk(b"IHDR", header) + ICON[33:]
    row = row_of(content)
    assert row["status"] in ("ok", "skipped") or row["error_code"] in ERROR_CODES


def test_an_interlaced_picture_of_one_bit_may_be_damaged_too() -> None:
    header = (9).to_bytes(4) + (9).to_bytes(4) + bytes([1, 0, 0, 0, 1])
    content = PNG_SIGNATURE + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\x09" * 400))
    assert row_of(content)["error_code"] == "corrupt_image"


@pytest.mark.parametrize("form", ["JPEG", "WEBP", "GIF", "BMP", "TIFF", "ICO"])
def test_formats_are_known_by_their_bytes(form: str) -> None:
    row = row_of(saved(Image.new("RGB", (64, 48), (200, 30, 30)), form))
    assert (row["status"], row["format"], row["class"]) == ("ok", form.lower(), "opaque")
    assert row["mode_used"] == "composite"


@pytest.mark.parametrize("form", ["PNG", "WEBP", "TIFF", "ICO", "GIF"])
def test_a_shape_in_alpha_is_one_in_every_format_that_has_alpha(form: str) -> None:
    image = icon((64, 64))
    if form == "GIF":  # one transparent index
        image.putalpha(image.getchannel("A").point(lambda value: 255 * (value > 127)))
    options = {"lossless": True, "exact": True} if form == "WEBP" else {}
    row = row_of(saved(image, form, **options), ConvertImages(size=64, encoding="raw"))
    assert (row["format"], row["class"], row["mode_used"]) == (form.lower(), "alpha_only", "alpha_luma")
    assert row["image"] == (~np.array(image.getchannel("A"))).tobytes()


def test_cmyk_becomes_rgb_and_says_what_it_was() -> None:
    row = row_of(saved(Image.new("CMYK", (20, 20), (0, 255, 255, 0)), "JPEG"))
    assert (row["status"], row["src_color_type"]) == ("ok", "CMYK")


@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP", "TIFF"])
def test_orientation_is_applied(form: str) -> None:
    image = Image.new("L", (16, 32), 0)
    image.paste(255, (0, 0, 8, 16))
    exif = Image.Exif()
    exif[274] = 6  # a quarter turn clockwise: the top left goes to the top right
    row = row_of(saved(image, form, exif=exif), ConvertImages(size=16, encoding="raw", fit="stretch"))
    assert (row["exif_orientation"], row["src_width"], row["src_height"]) == (6, 16, 32)
    dark = np.frombuffer(row["image"], np.uint8).reshape(16, 16) < 128  # type: ignore[call-overload]
    assert [bool(corner) for corner in (dark[2, 2], dark[2, 13], dark[13, 2], dark[13, 13])] == [
        True,
        False,
        True,
        True,
    ]


@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP", "TIFF"])
def test_a_colour_profile_is_noted(form: str) -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    image = Image.new("RGB", (16, 16), (200, 30, 30))
    found = [row_of(saved(image, form, icc_profile=icc))["had_icc"] for icc in (profile, None)]
    assert found == [True, False]


def test_an_animation_gives_its_first_frame() -> None:
    frames = [Image.new("L", (8, 8), value) for value in (10, 200)]
    content = saved(frames[0], "PNG", save_all=True, append_images=frames[1:])
    row = row_of(content, ConvertImages(size=8, encoding="raw"))
    assert (row["animated"], row["image"]) == (True, bytes([10] * 64))


def test_policies_by_class() -> None:
    blank = saved(Image.new("RGBA", (8, 8), (9, 9, 9, 0)))
    assert row_of(blank)["error_code"] == "class_skipped"
    assert row_of(blank)["status"] == "skipped"
    assert row_of(blank, ConvertImages(classes=Classes(empty="reject")))["status"] == "failed"


def test_an_opaque_picture_may_not_be_made_blank_by_its_config() -> None:
    with pytest.raises(ValueError, match="makes every opaque picture blank"):
        ConvertImages(mode="alpha_luma")


def test_auto_background_contrasts_with_the_ink() -> None:
    white_ink = icon((64, 64), (255, 255, 255))
    config = ConvertImages(mode="composite", background="auto", encoding="raw", size=64)
    picture = row_of(saved(white_ink), config)["image"]
    assert isinstance(picture, bytes)
    assert (picture[0], max(picture)) == (0, 255)


def test_letterbox_pads_with_background() -> None:
    row = row_of(saved(icon((64, 32))), ConvertImages(size=64, encoding="raw"))
    picture = row["image"]
    assert isinstance(picture, bytes)
    assert set(picture[: 64 * 16]) == {255} == set(picture[-64 * 16 :])
    assert min(picture) == 0


def test_rows_do_not_depend_on_the_batch() -> None:
    sizes = (48, 64, 48, 48, 64, 48, 48, 32)
    contents = [saved(icon((size, size)).rotate(20 * turn)) for turn, size in enumerate(sizes)]
    together = KERNEL(batch(*contents)).column("pixel_sha256").to_pylist()
    assert len(set(together)) == 8
    assert together == [row_of(content)["pixel_sha256"] for content in contents]


def test_pictures_of_one_plane_and_of_three_share_a_pack() -> None:
    shape = icon((48, 48))
    noise = [Image.merge("RGB", [Image.effect_noise((48, 48), 90)] * 3) for _ in range(3)]
    for picture in noise:
        picture.putpixel((0, 0), (255, 0, 0))
    contents = [saved(picture) for picture in (noise[0], noise[1], shape, shape, noise[2], shape)]
    config = ConvertImages(channels="RGB")
    together = make_kernel(config)(batch(*contents)).column("pixel_sha256").to_pylist()
    assert together == [row_of(content, config)["pixel_sha256"] for content in contents]


def test_what_is_no_pixel_never_reaches_a_decoder() -> None:
    buffer = io.BytesIO(ICON)
    junk = chunk(b"iCCP", b"broken") + chunk(b"tEXt", b"a\0b")
    row = row_of(buffer.getvalue()[:33] + junk + ICON[33:])
    assert (row["status"], row["had_icc"]) == ("ok", True)
