"""What convert_images reads and writes, and what each column means."""

from __future__ import annotations

import pyarrow as pa

from lib.records import ROW, column

RECORD_SCHEMA = pa.schema([column("content", pa.binary(), "the bytes of an image file"), ROW])

OUTPUT_SCHEMA = pa.schema(
    [
        column("image_id", pa.string(), "16 hex digits of where the picture came from: path, member, offset"),
        column("image", pa.binary(), "the picture, as `encoding` says; raw is rows of bytes, channels last"),
        column("width", pa.int32(), "of the output, pixels"),
        column("height", pa.int32(), "of the output, pixels"),
        column("channels", pa.int8(), "of the output: 1 or 3"),
        column("class", pa.string(), "empty, opaque, alpha_only or color_alpha"),
        column("mode_used", pa.string(), "alpha_luma, composite or gray"),
        column("split", pa.string(), "train, validation or test, by pixel_sha256: the same pixels are never in two"),
        column("source_sha256", pa.string(), "of the input's bytes"),
        column("pixel_sha256", pa.string(), "of the output's pixels as raw rows, before they are encoded"),
        column("format", pa.string(), "by the first bytes: png, jpeg, webp, gif, bmp, tiff, ico"),
        column("src_width", pa.int32(), "pixels, before orientation is applied"),
        column("src_height", pa.int32(), "pixels, before orientation is applied"),
        column("src_color_type", pa.string(), "gray, gray_alpha, rgb, rgba, palette (PNG); else Pillow's mode"),
        column("src_bit_depth", pa.int8(), "bits a channel or an index"),
        column("source_bytes", pa.int64(), "of the input"),
        column("output_bytes", pa.int64(), "of `image`"),
        column("ink_rgb", pa.string(), "mean colour where alpha is at least 32, on a grid of pixels: #rrggbb"),
        column("coverage", pa.float64(), "share of the source's pixels with alpha of at least 32"),
        column("mean", pa.float64(), "of the output's values, 0 to 255"),
        column("std", pa.float64(), "of the output's values"),
        column("had_icc", pa.bool_(), "a colour profile was there; it is not applied"),
        column("exif_orientation", pa.int8(), "1 to 8, applied; null where none was said"),
        column("animated", pa.bool_(), "of several frames, of which the first was taken"),
        column("premultiplied_suspect", pa.bool_(), "no colour exceeds its alpha: perhaps premultiplied"),
        column("config_hash", pa.string(), "8 hex digits of this job's keys"),
    ]
)
