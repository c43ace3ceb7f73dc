"""Mean and deviation of a picture's values: exact, so that they do not depend on the machine, and cheap."""

from __future__ import annotations

import numpy as np

from lib.image.picture import Bytes

# float32 counts exactly up to 2**24, which is more than 258 squares of bytes: a row's sum is exact in any order.
BLOCK = 256


class Moments:
    """Keeps its buffers from one picture to the next."""

    def __init__(self) -> None:
        self.ones = np.ones(BLOCK, np.float32)
        self._reserve(0)

    def __call__(self, pixels: Bytes) -> tuple[float, float]:
        """Mean and standard deviation over all of a contiguous array."""
        if pixels.size != self.used.size:
            self._reserve(pixels.size)
        np.copyto(self.used, pixels.reshape(-1))
        # Row by row: a whole product would start BLAS threads.
        np.vecdot(self.values, self.ones, out=self.totals[0])
        np.vecdot(self.values, self.values, out=self.totals[1])
        total, squares = np.add.reduce(self.totals, axis=1, dtype=np.float64).tolist()
        mean = total / pixels.size
        return mean, max(0.0, squares / pixels.size - mean * mean) ** 0.5

    def _reserve(self, size: int) -> None:
        rows = -(-size // BLOCK)
        self.values = np.zeros((rows, BLOCK), np.float32)
        self.used = self.values.reshape(-1)[:size]
        self.totals = np.empty((2, rows), np.float32)
