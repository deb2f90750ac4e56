"""Outlines that a file holds → masks in its image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..masks import Mask
from ..masks.outlines import Rings, fill
from ..nuclei import ImageRecord
from .broken import Broken
from .image_sizes import reach_beyond
from .sidecar import Sidecar

FAR = 1e7
"""Coordinates beyond this are no pixels."""


def corners_of(ring: Any) -> NDArray[np.float64] | None:
    """Return the corners (x, y) of a ring; None if it is not one of three or more."""
    try:
        corners = np.array(ring, float)[:, :2]
    except (ValueError, TypeError, IndexError):
        return None
    is_ring = len(corners) > 2 and corners.shape[1] == 2 and (np.abs(corners) < FAR).all()
    return corners if is_ring else None


@dataclass(slots=True)
class Outlines:
    """The outlines of some objects.

    Attributes
    ----------
    labels : list of str
        What messages call each object.
    rings : list of (N, 2) array
        Corners (x, y) in px of all rings, those of an object one after the other.
    owner : list of int
        Number of the object that each ring belongs to, rising.
    """

    labels: list[str] = field(default_factory=list)
    rings: list[NDArray[np.float64]] = field(default_factory=list)
    owner: list[int] = field(default_factory=list)

    def add(self, label: str, rings: Sequence[NDArray[np.float64]]) -> None:
        """Add an object, which has at least one ring."""
        self.rings += rings
        self.owner += [len(self.labels)] * len(rings)
        self.labels.append(label)

    def masks(
        self, path: Path, name: str, sidecar: Sidecar, broken: Broken, image: ImageRecord | None
    ) -> tuple[ImageRecord, list[Mask]]:
        """Fill the outlines.

        Parameters
        ----------
        name : str
            What the file or its name says of the image's name.
        broken : Broken
            Takes objects that hold no pixel, lie outside the image or reach over its edge.
        image : ImageRecord or None
            The image, if the file says its size.

        Returns
        -------
        ImageRecord, list of Mask
            Of each object; without pixels for those that are left out.

        Raises
        ------
        UserError
            If the size of the image is not known, or most of the objects lie outside of it.
        """
        sizes = np.array([len(ring) for ring in self.rings], np.int64)
        points = np.concatenate(self.rings) if self.rings else np.zeros((0, 2))
        # A pixel is taken if its centre lies inside.
        wide, tall = np.ceil(points.max(0, initial=0.5) - 0.5).astype(int).tolist()
        if image is None:
            image = sidecar.record(path, name, (tall, wide), loose=True)
        low, high = self._boxes(points, sizes)
        size = np.array([image.width, image.height])
        middle = (low + high) / 2
        off = np.any((middle < 0) | (middle >= size), axis=1)
        if 2 * off.sum() > len(off):
            raise reach_beyond(path, (tall, wide), image.file_name, image.shape)
        over = np.any((np.ceil(low - 0.5) < 0) | (np.ceil(high - 0.5) > size), axis=1)
        masks = fill(Rings(points, sizes, np.array(self.owner, np.int64)), len(off), image.shape)
        where = f"{image.file_name} of {image.height}×{image.width} px"
        for k, label in enumerate(self.labels):
            if off[k]:
                broken.leave_out(label, f"lies outside {where}: is it the right image?")
                masks[k] = Mask()
            elif not masks[k]:
                broken.leave_out(label, "holds no pixel")
            elif over[k]:
                broken.mend(label, f"reaches over the edge of {where}, and is cut there")
        return image, masks

    def _boxes(
        self, points: NDArray[np.float64], sizes: NDArray[np.int64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the lowest and the highest x and y of each object."""
        if not self.labels:
            return np.zeros((0, 2)), np.zeros((0, 2))
        first = np.searchsorted(self.owner, np.arange(len(self.labels)))
        starts = np.concatenate([[0], np.cumsum(sizes)])[first]
        return np.minimum.reduceat(points, starts), np.maximum.reduceat(points, starts)
