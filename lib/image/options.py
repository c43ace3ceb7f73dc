"""The keys of conf/convert_images.yaml: what is made of a picture, never how the run is done."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Literal

from msgspec import Meta

Policy = Literal["convert", "composite", "skip", "reject"]
Share = Annotated[float, Meta(ge=0, le=1)]
Side = Annotated[int, Meta(ge=1, le=4096)]


@dataclass(frozen=True)
class Classes:
    """What becomes of a picture of each class."""

    empty: Policy = "skip"
    opaque: Policy = "convert"
    alpha_only: Policy = "convert"
    color_alpha: Policy = "convert"


@dataclass(frozen=True)
class Shares:
    """How much of the distinct pictures is set apart; the rest is for training."""

    validation: Share = 0.1
    test: Share = 0.1


@dataclass(frozen=True)
class ConvertImages:
    """All of these enter the identity of a run."""

    image_column: str = "image"
    mode: Literal["auto", "alpha_luma", "composite", "gray"] = "auto"
    classes: Classes = field(default_factory=Classes)
    invert: bool = True
    background: Annotated[str, Meta(pattern="^(auto|#[0-9a-fA-F]{6})$")] = "#ffffff"
    size: Side = 256
    fit: Literal["letterbox", "stretch", "crop"] = "letterbox"
    filter: Literal["nearest", "box", "bilinear", "bicubic", "lanczos"] = "bicubic"
    resizer: Literal["fast", "pillow"] = "fast"
    upscale: bool = True
    min_side: Annotated[int, Meta(ge=1)] = 1
    max_aspect: Annotated[float, Meta(ge=1)] = 16.0
    max_pixels: Annotated[int, Meta(ge=1, le=1 << 28)] = 16_000_000
    channels: Literal["L", "RGB"] = "L"
    encoding: Literal["png", "raw", "webp"] = "png"
    split: Shares = field(default_factory=Shares)
    export: Literal["none", "png", "webdataset"] = "none"
    export_duplicates: Literal["drop", "keep"] = "drop"

    def __post_init__(self) -> None:
        if self.split.validation + self.split.test > 1:
            raise ValueError("split.validation and split.test must be at most 1 together")
        if self.export == "png" and self.size & (self.size - 1):
            raise ValueError(
                f"size must be a power of two with export: png, got {self.size} (StyleGAN2 takes no other)"
            )
        if self.mode == "alpha_luma" and self.classes.opaque == "convert":
            raise ValueError(
                "classes.opaque: convert with mode: alpha_luma makes every opaque picture blank; "
                "expected composite, skip or reject"
            )
