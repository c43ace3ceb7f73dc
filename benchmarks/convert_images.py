"""convert_images against the recipes it grew from, on real icon packs: python -m benchmarks.convert_images [FOLDER].

Packs are fetched into FOLDER (default: a temporary one) by `npm pack` and `apt-get download`. CPU time, one process,
variants interleaved, the minimum of the rounds; Markdown tables. `--spark N` compares runs in Spark on local[2]
instead, over N files of each kind (benchmarks/images_in_spark.py). `--resizers` compares them on the bundled sample.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import random
import struct
import subprocess
import sys
import tempfile
import time
import zlib
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pyarrow as pa
from isal import isal_zlib
from PIL import Image, ImageOps

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import lib.image.kernel
from benchmarks.images_in_spark import CORES, compare_in_spark
from benchmarks.measure import print_table, timed
from lib.image.encode import ENCODERS, to_pixels
from lib.image.header import read_png
from lib.image.kernel import make_kernel
from lib.image.options import Classes, ConvertImages
from lib.image.picture import Picture, decode
from lib.image.resize import PACK, FastStack, fit, stack_maker
from lib.memory import keep_freed_memory

ROOT = Path(__file__).resolve().parent.parent
ICONS, ROUNDS = 100, 7
CONFIG = ConvertImages(mode="alpha_luma", classes=Classes(opaque="skip"))
# name: package, and which of its PNGs by (width, bit depth, color type)
KINDS: dict[str, tuple[str, Callable[[int, int, int], bool]]] = {
    "tabler RGBA 240": ("@tabler/icons-png", lambda width, depth, color: width == 240),
    "material LA 144": ("material-design-icons", lambda width, depth, color: (width, depth, color) == (144, 8, 4)),
    "mint palette 64+": ("mint-y-icons", lambda width, depth, color: width >= 64 and (depth, color) == (8, 3)),
    "mint RGBA 512": ("mint-y-icons", lambda width, depth, color: (width, color) == (512, 6)),
}


def fetch(package: str, folder: Path) -> Path:
    """Download and unpack a pack once."""
    target = folder / package.replace("/", "-").replace("@", "")
    if target.exists():
        return target
    target.mkdir(parents=True)
    if package == "mint-y-icons":
        subprocess.run(["apt-get", "download", package], cwd=target, check=True, stdout=subprocess.DEVNULL)
        subprocess.run(["dpkg-deb", "-x", next(target.glob("*.deb")), target], check=True)
    else:
        subprocess.run(["npm", "pack", "--silent", package], cwd=target, check=True, stdout=subprocess.DEVNULL)
        subprocess.run(["tar", "xzf", next(target.glob("*.tgz")).name], cwd=target, check=True)
    return target


def choose(folder: Path, wanted: Callable[[int, int, int], bool]) -> list[bytes]:
    """ICONS distinct files of one kind, always the same."""
    found: dict[bytes, bytes] = {}
    for path in sorted(folder.rglob("*.png")):
        if path.is_file() and not path.is_symlink():
            head = path.open("rb").read(26)
            if head[:4] == b"\x89PNG" and wanted(struct.unpack(">I", head[16:20])[0], head[24], head[25]):
                content = path.read_bytes()
                found[hashlib.sha256(content).digest()] = content
    return random.Random(1).sample([found[key] for key in sorted(found)], min(ICONS, len(found)))


def save(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def seed_slow(content: bytes) -> bytes:
    pixels = np.array(Image.open(io.BytesIO(content)).convert("RGBA"))
    for channel in range(3):
        pixels[..., channel] = pixels[..., 3]
    return save(ImageOps.invert(Image.fromarray(pixels).resize((256, 256)).convert("RGB")))


def seed_fast_rgba(content: bytes) -> bytes:
    alpha = Image.open(io.BytesIO(content)).convert("RGBA").getchannel("A")
    image = Image.merge("RGBA", (alpha, alpha, alpha, alpha)).resize((256, 256)).convert("RGB")
    return save(ImageOps.invert(image))


def seed_fast_rgb(content: bytes) -> bytes:
    alpha = Image.open(io.BytesIO(content)).convert("RGBA").getchannel("A")
    return save(ImageOps.invert(Image.merge("RGB", (alpha, alpha, alpha)).resize((256, 256))))


def seed_gray(content: bytes) -> bytes:
    alpha = Image.open(io.BytesIO(content)).convert("RGBA").getchannel("A")
    return save(ImageOps.invert(alpha.resize((256, 256))))


def best_pillow(content: bytes) -> bytes:
    alpha = Image.open(io.BytesIO(content)).convert("RGBA").getchannel("A")
    buffer = io.BytesIO()
    ImageOps.invert(alpha.resize((256, 256))).save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()


def kernel_of(contents: list[bytes]) -> Callable[[], pa.RecordBatch]:
    keep_freed_memory()  # as the child does
    kernel = make_kernel(CONFIG)
    n = len(contents)
    batch = pa.RecordBatch.from_pydict(
        {
            "source_path": pa.array([f"file:///{i}" for i in range(n)]),
            "source_member": pa.nulls(n, pa.string()),
            "source_offset": pa.array(range(n), pa.int64()),
            "flags": pa.array([[]] * n, pa.list_(pa.string())),
            "content": pa.array(contents, pa.binary()),
        }
    )
    return lambda: kernel(batch)


def for_each(work: Callable[[Any], object], items: Sequence[Any]) -> Callable[[], None]:
    """Results are dropped at once, as the kernel's are: what is kept costs page faults."""

    def run() -> None:
        for item in items:
            work(item)

    return run


def floor_of(contents: list[bytes]) -> dict[str, Callable[[], None]]:
    """What nobody can do without, but for undoing filters."""
    packed = [b"".join(chunk[8:-4] for chunk in read_png(content, 1 << 24).idat) for content in contents]
    sized = [(data, len(zlib.decompress(data))) for data in packed]
    outputs = [to_pixels(row, "png") for row in kernel_of(contents)().to_pylist() if row["image"] is not None]
    return {
        "inflate": for_each(lambda item: imagecodecs.zlibng_decode(item[0], out=item[1]), sized),
        "resize one channel": resizing_of(contents),
        "deflate": for_each(lambda pixels: isal_zlib.compress(pixels, 1), outputs),
        "SHA-256 of file and pixels": for_each(hashlib.sha256, [*contents, *outputs]),
    }


def resizing_of(contents: list[bytes]) -> Callable[[], None]:
    """PACK planes at a time, of the sizes that the contents have; the right size needs none."""
    make = stack_maker(CONFIG)
    calls = []
    for size, count in Counter(Image.open(io.BytesIO(content)).size for content in contents).items():
        if isinstance(stack := make(fit(*size, CONFIG)), FastStack):
            calls += [(stack, Image.new("CMYK", size))] * -(-count // PACK)
    return for_each(lambda call: call[0].resizer.resize_pil(call[1], call[0].target_image, call[0].options), calls)


STAGES: dict[str, tuple[Any, str]] = {
    "decode": (lib.image.kernel, "decode"),
    "take alpha": (Picture, "alpha"),
    "classify": (lib.image.kernel, "classify"),
    "stack": (FastStack, "add"),
    "resize": (FastStack, "resized"),
    "mean and deviation": (lib.image.kernel, "mean_and_deviation"),
    "SHA-256": (lib.image.kernel, "sha256"),
    "encode": (ENCODERS, "png"),
}


def stages(contents: list[bytes]) -> dict[str, float]:
    """Microseconds an icon of each stage inside the kernel, where caches are as cold as they are there."""
    best = dict.fromkeys(STAGES, float("inf"))
    with timed(STAGES) as spent:
        run = kernel_of(contents)
        for _ in range(ROUNDS):
            spent.clear()
            run()
            best = {name: min(best[name], spent[name] / len(contents) / 1000) for name in STAGES}
    return best


def measure(variants: dict[str, Callable[[], object]], icons: int) -> dict[str, float]:
    """Microseconds of CPU an icon."""
    best = dict.fromkeys(variants, float("inf"))
    for _ in range(ROUNDS):
        for name, run in variants.items():
            start = time.process_time()
            run()
            best[name] = min(best[name], (time.process_time() - start) / icons * 1e6)
    return best


def blanks(contents: list[bytes]) -> list[int]:
    """Outputs that hold one value only: alpha dropped, over black, over white, this kernel."""

    def count(convert: Callable[[Image.Image], Image.Image]) -> int:
        images = (Image.open(io.BytesIO(content)).convert("RGBA") for content in contents)
        return sum(len(set(convert(image).convert("L").getextrema())) == 1 for image in images)

    def over(image: Image.Image, value: int) -> Image.Image:
        return Image.alpha_composite(Image.new("RGBA", image.size, (value, value, value, 255)), image)

    rows = kernel_of(contents)().to_pylist()
    return [
        count(lambda image: image.convert("RGB")),
        count(lambda image: over(image, 0)),
        count(lambda image: over(image, 255)),
        sum(row["status"] == "ok" and row["std"] == 0 for row in rows),
    ]


RECIPES: dict[str, Callable[[bytes], bytes]] = {
    "recipe: numpy assignment, RGBA resize": seed_slow,
    "recipe: getchannel, RGBA resize (fast RGBA)": seed_fast_rgba,
    "the same, RGB resize (fast RGB)": seed_fast_rgb,
    "recipe: one gray channel": seed_gray,
    "plain Pillow at its best": best_pillow,
}
FAST = {"fast RGBA": "recipe: getchannel, RGBA resize (fast RGBA)", "fast RGB": "the same, RGB resize (fast RGB)"}


def compare_kernels(folder: Path) -> None:
    """The kernel, its stages, the recipes and the floor."""
    columns: dict[str, dict[str, str]] = {}
    ratios: dict[str, list[float]] = {name: [] for name in FAST}
    for kind, (package, wanted) in KINDS.items():
        contents = choose(fetch(package, folder), wanted)
        recipes = {name: for_each(recipe, contents) for name, recipe in RECIPES.items()}
        floor = floor_of(contents)
        found = measure({**recipes, "kernel": kernel_of(contents), **floor}, len(contents))
        kernel, least = found["kernel"], sum(found[part] for part in floor)
        inside = stages(contents)
        for name, recipe in FAST.items():
            ratios[name].append(found[recipe] / kernel)
        columns[kind] = {
            **{name: f"{found[name]:.0f}" for name in RECIPES},
            "**this kernel**": f"**{kernel:.0f}**",
            **{f"of which: {name}": f"{value:.0f}" for name, value in inside.items()},
            **{f"floor: {name}": f"{found[name]:.0f}" for name in floor},
            **{f"against {name}": f"{values[-1]:.1f}x" for name, values in ratios.items()},
            "against the floor": f"{kernel / least:.2f} of {least:.0f}",
            "classify, of the kernel": f"{inside['classify'] / kernel:.0%}",
            "blank of 100: alpha dropped, over black, over white, here": ", ".join(map(str, blanks(contents))),
        }
    print_table("microseconds of CPU an icon", columns)
    for name, values in ratios.items():
        print(f"\nGeometric mean against {name}: {float(np.exp(np.mean(np.log(values)))):.2f}x")


def compare_resizers() -> None:
    """How far `resizer: fast` is from Pillow, and how long both take, over the alphas of the sample."""
    files = sorted((ROOT / "samples/convert_images").rglob("*.png"))
    found = [decode(path.read_bytes(), 1 << 24).alpha() for path in files]
    alphas = [alpha for alpha in found if alpha is not None]

    def resized(config: ConvertImages) -> list[np.ndarray]:
        make = stack_maker(config)
        done = []
        for size in sorted({alpha.shape for alpha in alphas}):
            stack = make(fit(size[1], size[0], config))
            same = [alpha for alpha in alphas if alpha.shape == size]
            for at in range(0, len(same), PACK):
                for alpha in same[at : at + PACK]:
                    stack.add(alpha)
                done += [plane.flatten() for plane in stack.resized()]
        return done

    fast, exact = partial(resized, ConvertImages()), partial(resized, ConvertImages(resizer="pillow"))
    apart = np.abs(np.concatenate(fast()).astype(int) - np.concatenate(exact()))
    spent = measure({"fast": fast, "pillow": exact}, len(alphas))
    print(f"{len(alphas)} icons: at most {apart.max()} levels apart, {np.mean(apart > 2):.2%} of pixels over 2 levels,")
    print(f"{np.mean(apart > 0):.2%} at all; fast {spent['fast']:.0f} us, pillow {spent['pillow']:.0f} us an icon")


def kernel_on_each_core(contents: list[bytes]) -> float:
    """Microseconds of CPU an icon while each other core does the same: cores share caches, and perhaps more."""
    run = kernel_of(contents)
    others = [get_context("fork").Process(target=for_ever, args=(run,)) for _ in range(CORES - 1)]
    for other in others:
        other.start()
    try:
        return measure({"kernel": run}, len(contents))["kernel"]
    finally:
        for other in others:
            other.kill()
            other.join()


def for_ever(work: Callable[[], object]) -> None:
    while True:
        work()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path)
    parser.add_argument("--spark", type=int, metavar="ICONS", nargs="?", const=2500)
    parser.add_argument("--rounds", type=int, default=2, help="with --spark")
    parser.add_argument("--resizers", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.folder or Path(temporary)
        if options.resizers:
            compare_resizers()
        elif options.spark:
            kinds = {kind: choose(fetch(package, folder), wanted) for kind, (package, wanted) in KINDS.items()}
            recipes = {"fast RGBA recipe in mapInArrow": seed_fast_rgba, "best Pillow in mapInArrow": best_pillow}
            compare_in_spark(kinds, CONFIG, recipes, kernel_on_each_core, options.spark, options.rounds)
        else:
            compare_kernels(folder)


if __name__ == "__main__":
    main()
