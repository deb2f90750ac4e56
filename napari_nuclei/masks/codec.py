"""Many masks of one image ↔ COCO's compressed run lengths, far faster than one by one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from . import rle
from .mask import Mask

BATCH = 4096
"""Masks that are coded at once, which bounds the memory it takes."""


def encode(masks: Sequence[Mask], shape: tuple[int, int]) -> list[str]:
    """Return the compressed COCO RLE of the whole image for each mask.

    Parameters
    ----------
    masks : sequence of Mask
        All of the same image.
    shape : (int, int)
        Height and width of the image.

    Raises
    ------
    ValueError
        If a mask does not lie inside the image.
    """
    out: list[str] = []
    for k in range(0, len(masks), BATCH):
        some = masks[k : k + BATCH]
        boxes = np.array([m.box for m in some], np.int64)
        outside = (boxes[:, :2] < 0).any(1) | (boxes[:, 2:] > shape).any(1)
        if outside.any():
            some[int(outside.argmax())].image_runs(shape)  # raises, and says which
        runs = np.frombuffer(b"".join(m.counts for m in some), "<u4").astype(np.int64)
        sizes = np.array([len(m.counts) // 4 for m in some], np.int64)
        out += rle.compress(*rle.to_image(boxes, runs, sizes, shape))
    return out


def decode(counts: Sequence[str | bytes], shape: tuple[int, int]) -> list[Mask]:
    """Make masks of many compressed COCO RLEs of the same image.

    Raises
    ------
    ValueError
        If one of them is broken or does not fill the image exactly.
    """
    texts = [c.encode("ascii", "replace") if isinstance(c, str) else c for c in counts]
    return [m for k in range(0, len(texts), BATCH) for m in _decode(texts[k : k + BATCH], shape)]


def _decode(texts: list[bytes], shape: tuple[int, int]) -> Iterator[Mask]:
    return from_runs(*rle.decompress(texts), shape)


def from_runs(
    runs: NDArray[np.int64], sizes: NDArray[np.int64], shape: tuple[int, int]
) -> Iterator[Mask]:
    """Make masks of the run lengths of a whole image, (N,), of which each has `sizes`, (M,)."""
    corners, runs, sizes = rle.to_crops(runs, sizes, shape)
    counts = runs.astype("<u4").tobytes()
    ends = (4 * np.cumsum(sizes)).tolist()
    for (y, x, height, width), start, end in zip(corners.tolist(), [0, *ends], ends, strict=False):
        yield Mask(y, x, height, width, counts[start:end]) if end > start else Mask()


def runs_of(masks: Sequence[Mask], shape: tuple[int, int]) -> tuple[rle.Ints, rle.Ints, rle.Ints]:
    """Return start, end (outside) and number of the mask of all runs in an image of this shape."""
    boxes = np.array([m.box for m in masks], np.int64).reshape(-1, 4)
    runs = np.frombuffer(b"".join(m.counts for m in masks), "<u4").astype(np.int64)
    sizes = np.array([len(m.counts) // 4 for m in masks], np.int64)
    return rle.object_runs(*rle.to_image(boxes, runs, sizes, shape))
