"""convert_images against the recipes it grew from, on real icon packs: python benchmarks/convert_images.py [FOLDER].

Packs are fetched into FOLDER (default: a temporary one) by `npm pack` and `apt-get download`. CPU time, one process,
variants interleaved, the minimum of the rounds. `--spark N` compares runs in Spark on local[2] instead, over N files
of each kind: the job through its door, and Pillow in mapInArrow. `--resizers` compares them on the bundled sample.
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
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import imagecodecs
import numpy as np
import pyarrow as pa
from isal import isal_zlib
from PIL import Image, ImageOps

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.measure import cpu_seconds
from lib.image.classes import classify
from lib.image.encode import encode_png
from lib.image.header import read_png
from lib.image.kernel import make_kernel
from lib.image.options import Classes, ConvertImages
from lib.image.picture import decode
from lib.image.resize import PACK, FastStack, fit, stack_maker
from lib.memory import keep_freed_memory
from lib.options import RunOptions
from lib.request import Request

ROOT = Path(__file__).resolve().parent.parent
ICONS, ROUNDS = 100, 7
FLOOR = ("inflate alone", "resize alone", "deflate alone", "sha256 (both)")  # unfiltering is not counted
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


def kernel_of(contents: list[bytes]) -> Callable[[], object]:
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


def stages(contents: list[bytes]) -> dict[str, Callable[[], object]]:
    """What the kernel does, one stage at a time, over all contents; and the floor's parts."""
    pictures = [decode(content, 1 << 24) for content in contents]
    alphas = [picture.alpha() for picture in pictures]
    planes = [
        np.full(p.pixels.shape[:2], 255, np.uint8) if a is None else a for p, a in zip(pictures, alphas, strict=True)
    ]
    packed = []
    for content in contents:
        png = read_png(content, 1 << 24)
        data = b"".join(chunk[8:-4] for chunk in png.idat)
        packed.append((data, len(zlib.decompress(data))))
    make = stack_maker(CONFIG)
    stacks = {plane.shape: make(fit(plane.shape[1], plane.shape[0], CONFIG)) for plane in planes}

    def resize() -> list[np.ndarray]:
        done = []
        for at in range(0, len(planes), 4):
            group = planes[at : at + 4]
            for shape in {plane.shape for plane in group}:
                for plane in group:
                    if plane.shape == shape:
                        stacks[shape].add(plane)
                done += [np.bitwise_not(plane) for plane in stacks[shape].resized()]
        return done

    groups = Counter(plane.shape for plane in planes)

    def resize_alone() -> None:
        for shape, count in groups.items():
            stack = stacks[shape]
            if isinstance(stack, FastStack):  # else the size is right already
                for _ in range(-(-count // PACK)):
                    stack.resizer.resize_pil(stack.source_image, stack.target_image, stack.options)

    outputs = [np.ascontiguousarray(output)[..., None] for output in resize()]
    return {
        "resize alone": resize_alone,
        "inflate alone": lambda: [imagecodecs.zlibng_decode(data, out=size) for data, size in packed],
        "decode (inflate, unfilter)": lambda: [decode(content, 1 << 24) for content in contents],
        "classify": lambda: [classify(picture, alpha) for picture, alpha in zip(pictures, alphas, strict=True)],
        "resize and invert": resize,
        "deflate alone": lambda: [isal_zlib.compress(output, 1) for output in outputs],
        "encode PNG": lambda: [encode_png(output) for output in outputs],
        "sha256 (both)": lambda: [hashlib.sha256(data) for data in (*contents, *(o.data for o in outputs))],
    }


def measure(variants: dict[str, Callable[[], object]], icons: int) -> dict[str, float]:
    """Microseconds of CPU an icon."""
    best = dict.fromkeys(variants, float("inf"))
    for _ in range(ROUNDS):
        for name, run in variants.items():
            start = time.process_time()
            run()
            best[name] = min(best[name], (time.process_time() - start) / icons * 1e6)
    return best


def blanks(contents: list[bytes]) -> dict[str, int]:
    """How many outputs hold one value only."""

    def count(convert: Callable[[Image.Image], Image.Image]) -> int:
        images = (Image.open(io.BytesIO(content)).convert("RGBA") for content in contents)
        return sum(len(set(convert(image).convert("L").getextrema())) == 1 for image in images)

    def over(image: Image.Image, value: int) -> Image.Image:
        return Image.alpha_composite(Image.new("RGBA", image.size, (value, value, value, 255)), image)

    rows = kernel_of(contents)().to_pylist()  # type: ignore[attr-defined]
    return {
        "drop alpha": count(lambda image: image.convert("RGB")),
        "over black": count(lambda image: over(image, 0)),
        "over white": count(lambda image: over(image, 255)),
        "this kernel": sum(row["status"] == "ok" and row["std"] == 0 for row in rows),
    }


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


def run_job(folder: Path, output: Path) -> None:
    """As a user starts it; what finish makes (duplicates, statistics, sheets) is part of it."""
    from lib.spark.run import execute

    config = {"mode": "alpha_luma", "classes": {"opaque": "skip"}}
    sources: dict[str, dict[str, object]] = {"archives": {}, "files": {}, "table": {}}
    run = RunOptions(max_failed_ratio=0.0)
    end = execute(
        Request(
            "jobs.convert_images", config, sources, run, (f"file://{folder}",), f"file://{output}",
            master="local[2]", quiet=True,
        )
    )  # fmt: skip
    assert end.exit_code == 0, end


def run_udf(recipe: Callable[[bytes], bytes], folder: Path, output: Path) -> None:
    """The recipe over the same files, in mapInArrow, written by Spark."""
    from lib.spark.session import local_session

    spark = local_session("convert_images", "local[2]", {})
    paths = [(str(path),) for path in sorted(folder.iterdir())]
    frame = spark.createDataFrame(spark.sparkContext.parallelize(paths, 6), "path string")

    def convert(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            names = batch["path"].to_pylist()
            images = [recipe(Path(name).read_bytes()) for name in names]
            yield pa.record_batch([pa.array(names), pa.array(images, pa.binary())], names=["path", "image"])

    frame.mapInArrow(convert, "path string, image binary").write.parquet(f"file://{output}")


def compare_in_spark(packs: Path, count: int, rounds: int) -> None:
    """CPU microseconds an icon of whole runs, interleaved, and of the kernel alone."""
    sides: dict[str, Callable[[Path, Path], None]] = {
        "the job": run_job,
        "fast RGB recipe in mapInArrow": partial(run_udf, seed_fast_rgb),
        "best plain Pillow in mapInArrow": partial(run_udf, best_pillow),
    }
    for kind, (package, wanted) in KINDS.items():
        contents = choose(fetch(package, packs), wanted)
        with tempfile.TemporaryDirectory() as place:
            folder = Path(place) / "icons"
            folder.mkdir()
            for number in range(count):
                (folder / f"{number:06d}.png").write_bytes(contents[number % len(contents)])
            best = dict.fromkeys(sides, float("inf"))
            for again in range(rounds + 1):  # the first warms up
                for number, (name, work) in enumerate(sides.items()):
                    before = cpu_seconds()
                    work(folder, Path(place) / f"out-{again}-{number}")
                    time.sleep(0.3)  # for exits to be counted
                    if again:
                        best[name] = min(best[name], (cpu_seconds() - before) / count * 1e6)
        alone = measure({"kernel": kernel_of(contents)}, len(contents))["kernel"]
        print(f"\n{kind}: {count} files in Spark on local[2], CPU microseconds an icon, least of {rounds} rounds")
        for name, value in best.items():
            print(f"  {name:34}{value:9.1f}   {value / best['the job']:.2f} times the job")
        print(f"  {'the kernel alone':34}{alone:9.1f}   {alone / best['the job']:.2f} of the job", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path)
    parser.add_argument("--spark", type=int, metavar="N")
    parser.add_argument("--rounds", type=int, default=2, help="with --spark")
    parser.add_argument("--resizers", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.folder or Path(temporary)
        if options.resizers:
            compare_resizers()
        elif options.spark:
            compare_in_spark(folder, options.spark, options.rounds)
        else:
            compare_stages(folder)


def compare_stages(folder: Path) -> None:
    """The kernel, its stages and the recipes."""
    ratios: dict[str, list[float]] = {"fast RGBA": [], "fast RGB": []}
    for kind, (package, wanted) in KINDS.items():
        contents = choose(fetch(package, folder), wanted)
        n = len(contents)
        recipes = {f.__name__: f for f in (seed_slow, seed_fast_rgba, seed_fast_rgb, seed_gray, best_pillow)}
        found = measure(
            {
                **{
                    name: (lambda f=f, all_of=contents: [f(content) for content in all_of])
                    for name, f in recipes.items()
                },
                "kernel": kernel_of(contents),
                **stages(contents),
            },
            n,
        )
        for name, recipe in (("fast RGBA", "seed_fast_rgba"), ("fast RGB", "seed_fast_rgb")):
            ratios[name].append(found[recipe] / found["kernel"])
        print(f"\n{kind}: {n} icons, {sum(map(len, contents)) // n} bytes each; microseconds an icon")
        for name, value in found.items():
            print(f"  {name:28}{value:9.1f}")
        print(f"  kernel against the fast recipe: {', '.join(f'{name} {r[-1]:.1f}x' for name, r in ratios.items())}")
        floor = sum(found[part] for part in FLOOR)
        print(f"  floor ({', '.join(FLOOR)}): {floor:.0f}; the kernel is {found['kernel'] / floor:.2f} times that")
        print(f"  blank outputs of {n}: {blanks(contents)}", flush=True)
    for name, values in ratios.items():
        print(f"geometric mean against the {name} recipe: {float(np.exp(np.mean(np.log(values)))):.2f}x")


if __name__ == "__main__":
    main()
