"""Mean and deviation of a picture's values: exact, so that they do not depend on the machine, and cheap."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lib.image.picture import Bytes

# float32 counts exactly up to 2**24, which is more than 258 squares of bytes: a row's sum is exact in any order.
BLOCK = 256


class Moments:
    """Keeps its buffers from one picture to the next."""

    def __init__(self) -> None:
        self.values: NDArray[np.float32] = np.empty((0, BLOCK), np.float32)
        self.ones = np.ones(BLOCK, np.float32)

    def __call__(self, pixels: Bytes) -> tuple[float, float]:
        """Mean and standard deviation over all of a contiguous array."""
        flat = pixels.reshape(-1)
        rows = -(-flat.size // BLOCK)
        if len(self.values) != rows:
            self.values = np.zeros((rows, BLOCK), np.float32)
        values = self.values
        np.copyto(values.reshape(-1)[: flat.size], flat)
        # Row by row: a whole product would start BLAS threads.
        mean = _total(np.vecdot(values, self.ones)) / flat.size
        return mean, max(0.0, _total(np.vecdot(values, values)) / flat.size - mean * mean) ** 0.5


def _total(rows: NDArray[np.float32]) -> float:
    return float(rows.sum(dtype=np.float64))
