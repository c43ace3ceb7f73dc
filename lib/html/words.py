"""Word counts and simhashes of a whole column of texts at once: numpy passes over its bytes, no object per word."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

Uint64s = npt.NDArray[np.uint64]
Ints = npt.NDArray[np.int64]

SHINGLE = 3  # words
SPACE = 32  # bytes up to this one are white space (or control characters)
PAD = 8
# Odd constants of splitmix64 (Steele, Lea, Flood 2014) and of the golden ratio.
MIX_1, MIX_2, MIX_3 = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
LOWER = np.uint64(0x2020202020202020)  # folds the case of ASCII letters
# MASKS[n] keeps the first n bytes of eight (little-endian).
MASKS = np.array([(1 << (8 * n)) - 1 for n in range(9)], dtype=np.uint64)
BITS = np.unpackbits(np.arange(256, dtype=np.uint8)[:, None], axis=1, bitorder="little").astype(np.int64)


class Words(NamedTuple):
    """Where words begin and end in `data`, and which of them belong to each text: bounds[i] to bounds[i + 1]."""

    data: npt.NDArray[np.uint8]  # with PAD bytes of white space before and after
    starts: Ints
    ends: Ints
    bounds: Ints


def find_words(texts: pa.StringArray) -> Words:
    """Split every text at ASCII white space; a null is a text without words."""
    offsets, body = _buffers(texts)
    data = np.full(len(body) + 2 * PAD, SPACE, dtype=np.uint8)
    data[PAD:-PAD] = body
    inside = data > SPACE
    # Words do not reach over the end of a text.
    edges = np.flatnonzero(inside[1:] != inside[:-1]) + 1
    cuts = offsets[1:-1] + PAD
    cuts = cuts[inside[cuts] & inside[cuts - 1]]
    starts, ends = edges[0::2], edges[1::2]
    if len(cuts):
        cuts = np.unique(cuts)
        starts, ends = np.sort(np.concatenate([starts, cuts])), np.sort(np.concatenate([ends, cuts]))
    return Words(data, starts, ends, np.searchsorted(starts, offsets + PAD))


def simhashes(words: Words) -> tuple[Ints, npt.NDArray[np.bool_]]:
    """One signed 64-bit simhash (Charikar 2002) a text, of its word triples; and which texts have no words."""
    hashes = _hash_words(words)
    texts = len(words.bounds) - 1
    out = np.zeros(texts, dtype=np.int64)
    for text in range(texts):
        own = hashes[words.bounds[text] : words.bounds[text + 1]]
        if len(own):
            out[text] = _simhash(_shingles(own))
    return out, np.diff(words.bounds) == 0


def _buffers(texts: pa.StringArray) -> tuple[Ints, npt.NDArray[np.uint8]]:
    _, offset_buffer, data_buffer = texts.buffers()
    offsets = np.frombuffer(offset_buffer, dtype=np.int32)[texts.offset : texts.offset + len(texts) + 1]
    if data_buffer is None or offsets[-1] == offsets[0]:
        return np.zeros(len(texts) + 1, dtype=np.int64), np.zeros(0, dtype=np.uint8)
    body = np.frombuffer(data_buffer, dtype=np.uint8)[offsets[0] : offsets[-1]]
    return (offsets - offsets[0]).astype(np.int64), body


def _hash_words(words: Words) -> Uint64s:
    """A hash of each word's length, first eight and last eight bytes: enough to tell words apart."""
    # A view of the eight bytes at every position.
    eights = np.ndarray(len(words.data) - 7, dtype="<u8", buffer=words.data, strides=(1,))
    length = words.ends - words.starts
    mask = MASKS[np.minimum(length, 8)]
    first = (eights[words.starts] | LOWER) & mask
    last = eights[words.ends - 8] | LOWER
    return _mix(first * MIX_1 + np.where(length > 8, last, np.uint64(0)) * MIX_2 + length.astype(np.uint64))


def _shingles(hashes: Uint64s) -> Uint64s:
    if len(hashes) < SHINGLE:
        return hashes
    return _mix(hashes[:-2] + hashes[1:-1] * MIX_2 + hashes[2:] * MIX_3)


def _simhash(hashes: Uint64s) -> np.int64:
    """Bit i is set if most of the hashes have it set: counted by the histogram of each of their bytes."""
    histogram = np.stack([np.bincount(column, minlength=256) for column in hashes.view(np.uint8).reshape(-1, 8).T])
    ones = histogram @ BITS
    packed = np.packbits((2 * ones > len(hashes)).ravel(), bitorder="little")
    return np.int64(packed.view("<i8")[0])


def _mix(values: Uint64s) -> Uint64s:
    """The finalizer of splitmix64: each bit of the input turns half of the output's."""
    values = (values ^ (values >> np.uint64(30))) * MIX_2
    values = (values ^ (values >> np.uint64(27))) * MIX_3
    return values ^ (values >> np.uint64(31))
