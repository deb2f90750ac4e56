"""`Detector`: what any architecture must do to be used by the rest of the project.

No torch here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeGuard

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from .card import Card


@dataclass(frozen=True, slots=True)
class Detections:
    """What a network found in one tile, best first.

    Attributes
    ----------
    boxes : (N, 4) float32
        (x0, y0, x1, y1) in px of the tile.
    scores : (N,) float32
        0…1, falling.
    masks : (N, M, M) uint8
        Soft masks inside the boxes, 255 = certain.
    """

    boxes: NDArray[np.float32]
    scores: NDArray[np.float32]
    masks: NDArray[np.uint8]

    def __len__(self) -> int:
        return len(self.scores)


class Detector(Protocol):
    """A trained network that finds nuclei in a tile.

    Attributes
    ----------
    card : Card
        What is known of it.
    stride : int
        Tile origins are multiples of this, so that results do not depend on them.
    margin : int
        Context in px that a detection needs around it, the largest nucleus included.
    """

    card: Card
    stride: int
    margin: int

    def detect(
        self,
        tile: NDArray[np.float32],
        core: tuple[int, int, int, int] | None = None,
        low: float = 0.05,
    ) -> Detections:
        """Find nuclei.

        Parameters
        ----------
        tile : (H, W, 3) float32
            Percentile-normalised to about 0…1, at the network's scale; any size.
        core : (y0, x0, y1, x1), optional
            Only detections whose centre lies here are wanted.
        low : float
            Detections below this score are dropped.
        """
        ...


@dataclass(frozen=True, slots=True)
class SizeVotes:
    """What a network says of the size of the nuclei in a tile, cell by cell.

    Attributes
    ----------
    diameters : (N,) float32
        In px of the tile.
    numbers : (N,) float32
        How many nuclei there are of that diameter, about.
    """

    diameters: NDArray[np.float32]
    numbers: NDArray[np.float32]


class SizingDetector(Detector, Protocol):
    """A detector that tells the size of nuclei without looking for each of them."""

    def sizes(self, tile: NDArray[np.float32]) -> SizeVotes | None:
        """Say how large the nuclei are; None where the weights have not learned that.

        Parameters
        ----------
        tile : (H, W, 3) float32
            As for `Detector.detect`.
        """
        ...


class BatchedDetector(Detector, Protocol):
    """A detector that takes several tiles at once where that pays.

    Attributes
    ----------
    batch : int or None
        Tiles at once at most; None as the memory allows.
    """

    batch: int | None

    def batch_for(self, size: tuple[int, int]) -> int:
        """Return how many tiles of this size, in px of the padded input, to take at once."""
        ...

    def detect_many(
        self,
        tiles: Sequence[NDArray[np.float32]],
        cores: Sequence[tuple[int, int, int, int] | None],
        low: float = 0.05,
    ) -> list[Detections]:
        """Find nuclei in tiles that are padded to the same size; see `Detector.detect`."""
        ...


def is_batched(detector: Detector) -> TypeGuard[BatchedDetector]:
    """Whether a detector takes several tiles at once."""
    return hasattr(detector, "detect_many")


def tells_sizes(detector: Detector) -> TypeGuard[SizingDetector]:
    """Whether a detector may know the size of nuclei."""
    return hasattr(detector, "sizes")
