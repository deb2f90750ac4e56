"""`SoftMask`: how sure a detector is of each pixel of one nucleus.

No torch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..masks import Mask
from ..prediction.pasting import weights


@dataclass(frozen=True, slots=True)
class SoftMask:
    """Soft values of the pixels in a box, 0 outside of it.

    Attributes
    ----------
    y, x : int
        Position of the upper left pixel in the image.
    values : (h, w) float32
        0…1.
    """

    y: int
    x: int
    values: NDArray[np.float32]

    @classmethod
    def from_cells(
        cls, cells: NDArray[np.uint8], box: Sequence[float], shape: tuple[int, int]
    ) -> SoftMask:
        """Spread a detector's cells over the pixels of a box.

        Parameters
        ----------
        cells : (M, M) uint8
            255 = certain.
        box : (x0, y0, x1, y1)
            In px of the image; may reach beyond it.
        shape : (int, int)
            Height and width of the image.
        """
        x, across = weights(box[0], box[2], shape[1], cells.shape[1])
        y, down = weights(box[1], box[3], shape[0], cells.shape[0])
        return cls(y, x, (down @ (cells / np.float32(255)) @ across.T).astype(np.float32))

    def at_level(self, level: float) -> Mask:
        """Return the pixels whose value is at least `level`."""
        return Mask.from_array(self.values >= level, self.y, self.x)

    def at(self, y: float, x: float) -> float:
        """Return the value of the pixel that holds a point; 0 outside."""
        row, col = int(np.floor(y)) - self.y, int(np.floor(x)) - self.x
        height, width = self.values.shape
        return float(self.values[row, col]) if 0 <= row < height and 0 <= col < width else 0.0

    def level_of(self, mask: Mask) -> tuple[float, float]:
        """Find the level whose outline is most like a mask's.

        Returns
        -------
        level, iou : float
            And how like it is.
        """
        levels = np.linspace(0.05, 0.95, 19)
        inside = np.zeros(self.values.shape, bool)
        mask.paint(inside, True, self.y, self.x)
        above = self.values.ravel()[:, None] >= levels
        both = (above & inside.ravel()[:, None]).sum(0)
        iou = both / np.maximum(above.sum(0) + mask.area - both, 1)
        best = int(iou.argmax())
        return float(levels[best]), float(iou[best])

    def nearest_area(self, area: float, mask: Mask, reach: Mask, outwards: bool) -> Mask:
        """Return the surest pixels of `reach`, as many as `area` says.

        Outwards, all of `mask` is among them.
        """
        pixels = reach.to_array()
        inside, values = np.zeros(pixels.shape, bool), np.zeros(pixels.shape, np.float32)
        mask.paint(inside, True, reach.y, reach.x)
        top, left = self.y - reach.y, self.x - reach.x
        height, width = self.values.shape
        rows = slice(max(0, top), max(0, min(pixels.shape[0], top + height)))
        cols = slice(max(0, left), max(0, min(pixels.shape[1], left + width)))
        values[rows, cols] = self.values[
            max(0, -top) : max(0, -top) + max(0, rows.stop - rows.start),
            max(0, -left) : max(0, -left) + max(0, cols.stop - cols.start),
        ]
        surest = np.where(pixels, values + (inside if outwards else 0), -1).ravel()
        keep = min(max(0, round(area)), int(pixels.sum()))
        out = np.zeros(surest.size, bool)
        # Stable, so that going out and in again takes and gives the same pixels.
        out[np.argsort(-surest, kind="stable")[:keep]] = True
        return Mask.from_array(out.reshape(pixels.shape), reach.y, reach.x)

    @property
    def entropy(self) -> float:
        """Mean entropy in bits of the pixels, by the area at level 0.5: doubt of the outline."""
        p = np.clip(self.values, 1e-3, 1 - 1e-3)
        bits = -(p * np.log2(p) + (1 - p) * np.log2(1 - p)).sum()
        return float(bits / max(1, (p >= 0.5).sum()))


def mean_of(softs: Sequence[SoftMask]) -> SoftMask:
    """Return the mean of at least one soft mask."""
    y0, x0 = min(s.y for s in softs), min(s.x for s in softs)
    y1 = max(s.y + s.values.shape[0] for s in softs)
    x1 = max(s.x + s.values.shape[1] for s in softs)
    out = np.zeros((y1 - y0, x1 - x0), np.float32)
    for s in softs:
        height, width = s.values.shape
        out[s.y - y0 : s.y - y0 + height, s.x - x0 : s.x - x0 + width] += s.values / len(softs)
    return SoftMask(y0, x0, out)
