"""Resizing an image part by part, so that every part is as if the whole had been resized.

Loads torch.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

SMALLEST_ZOOM, LARGEST_ZOOM = 0.1, 4.0


def sizes(shape: tuple[int, int], zoom: float) -> tuple[int, int]:
    """Return the height and width of an image resized by a factor, kept within limits."""
    zoom = min(max(zoom, SMALLEST_ZOOM), LARGEST_ZOOM)
    return max(1, round(shape[0] * zoom)), max(1, round(shape[1] * zoom))


@dataclass(frozen=True, slots=True)
class Taps:
    """Which pixels of a line, and how much of each, make some pixels of the resized line.

    Attributes
    ----------
    first, last : int
        The pixels that are needed: first up to, not including, last.
    cells, weights : (N, K) Tensor
        Counted from `first`; each row of weights has the sum 1.
    """

    first: int
    last: int
    cells: Tensor
    weights: Tensor

    @classmethod
    def of(cls, start: int, stop: int, length: int, old: int) -> Taps:
        """Return those for pixels start … stop of a line of `old` px resized to `length`.

        Bilinear, and where the line shrinks over as many pixels as become one.
        """
        scale = old / length
        support = max(scale, 1.0)
        middle = (np.arange(start, stop) + 0.5) * scale
        lowest = np.floor(middle - support + 0.5).astype(np.int64)
        cells = lowest[:, None] + np.arange(int(np.ceil(2 * support)) + 1)
        weights = np.maximum(0, 1 - np.abs(cells + 0.5 - middle[:, None]) / support)
        weights[(cells < 0) | (cells >= old)] = 0
        weights /= weights.sum(1, keepdims=True)
        cells = cells.clip(0, old - 1)
        first, last = int(cells.min()), int(cells.max()) + 1
        return cls(
            first, last, torch.from_numpy(cells - first), torch.from_numpy(weights.astype("f4"))
        )


def resized(pixels: NDArray[np.float32], rows: Taps, cols: Taps) -> NDArray[np.float32]:
    """Resize a part of an image.

    Parameters
    ----------
    pixels : (h, w, C) float32
        The part that `rows` and `cols` need: first … last of each.
    rows, cols : Taps
        Which pixels are wanted.
    """
    channels = pixels.shape[2]
    table = torch.from_numpy(np.require(pixels, requirements=["C", "W"])).flatten(1)
    # Down first, then across: each a weighted sum of a few whole rows.
    down = _summed(table, rows).view(len(rows.cells), -1, channels).transpose(0, 1)
    across = _summed(down.reshape(down.shape[0], -1), cols)
    out: NDArray[np.float32] = (
        across.view(len(cols.cells), -1, channels).transpose(0, 1).contiguous().numpy()
    )
    return out


def _summed(table: Tensor, taps: Taps) -> Tensor:
    return F.embedding_bag(taps.cells, table, per_sample_weights=taps.weights, mode="sum")


def resample(pixels: NDArray[np.float32], zoom: float) -> NDArray[np.float32]:
    """Resize a normalised (H, W, 3) image by a factor, smoothed where it shrinks."""
    shape = (pixels.shape[0], pixels.shape[1])
    size = sizes(shape, zoom)
    if size == shape:
        return pixels
    own = without_repeats(pixels)
    rows, cols = (Taps.of(0, new, new, old) for new, old in zip(size, shape, strict=True))
    return three(resized(own, rows, cols))


def without_repeats(pixels: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return (H, W, 1) of an image whose three channels are the same, else the image."""
    first = pixels[..., :1]
    same = bool((first == pixels[..., 1:]).all())
    return np.ascontiguousarray(first) if same else pixels


def three(pixels: NDArray[np.float32]) -> NDArray[np.float32]:
    """Repeat a single channel."""
    if pixels.shape[2] == 3:
        return pixels
    return np.ascontiguousarray(np.broadcast_to(pixels, (*pixels.shape[:2], 3)))
