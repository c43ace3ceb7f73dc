"""What StyleGAN2-ADA's dataset_tool.py accepts: its rules, applied to what the export writes.

https://github.com/NVlabs/stylegan2-ada-pytorch/blob/main/dataset_tool.py: a folder or zip is walked for names that
Pillow knows; all pictures must be square, of one power of two, and all L or all RGB.
"""

from __future__ import annotations

import tarfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from unit.test_image_finish import finished

from lib.image.options import ConvertImages
from lib.sources.archives import ArchivesSource
from lib.split import ReadLimits, Split
from lib.storage import stat, to_uri


def accept(source: Path) -> tuple[int, int, int]:
    """Pictures, side and channels; asserts what the tool would end with an error for."""
    Image.init()
    named = [path for path in sorted(source.rglob("*")) if f".{path.name.split('.')[-1].lower()}" in Image.EXTENSION]
    files = [path for path in named if path.is_file()]
    arrays = [np.array(Image.open(path)) for path in files]
    shapes = {(a.shape[1], a.shape[0], a.shape[2] if a.ndim == 3 else 1) for a in arrays}
    ((width, height, channels),) = shapes
    assert width == height == 2 ** int(np.floor(np.log2(width)))
    assert channels in (1, 3)
    return len(files), width, channels


@pytest.mark.parametrize("encoding", ["png", "raw", "webp"])
@pytest.mark.parametrize(("channels", "number"), [("L", 1), ("RGB", 3)])
def test_the_folder_is_taken_as_it_is(tmp_path, encoding, channels, number):
    config = ConvertImages(size=64, export="png", encoding=encoding, channels=channels, upscale=False)
    folder = finished(tmp_path, config)
    assert accept(folder / "png") == (2, 64, number)


def test_a_side_that_is_no_power_of_two_is_refused_at_the_door():
    with pytest.raises(ValueError, match="size must be a power of two with export: png, got 200"):
        ConvertImages(size=200, export="png")


def test_shards_are_webdataset_samples_and_come_in_again(tmp_path):
    """A sample is the entries that share a name up to its first dot, one behind the other."""
    folder = finished(tmp_path, ConvertImages(size=64, export="webdataset")) / "webdataset"
    (shard,) = sorted(folder.iterdir())[:1]
    with tarfile.open(shard) as tar:
        names = [member.name.split(".") for member in tar]
    assert [extension for _, extension in names] == ["png", "json"] * (len(names) // 2)
    assert [a[0] for a in names[::2]] == [b[0] for b in names[1::2]]
    source = ArchivesSource()
    (pieces,) = source.plan([stat(to_uri(str(shard)))], 1 << 20)
    batches = source.read(Split("s", "archives", pieces), ReadLimits(99, 1 << 20, 1 << 20), lambda position: None)
    rows = [(row["status"], row["error_code"]) for batch, _ in batches for row in batch.to_pylist()]
    assert rows == [("ok", None), ("unselected", "excluded")] * (len(names) // 2)
