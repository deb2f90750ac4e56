"""Through the tiles of an image: read, detect, draw, join; each nucleus comes out once.

Loads torch.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from ..images.large_image import LargeImage
from ..masks.box import Box
from ..models.detector import Detector
from ..progress import Progress
from .detecting import Detecting
from .frame import Frame
from .suppress import Joining, ScoredMask
from .tiles import cut, cut_around

TILE = 1536
"""Largest side of what the network sees at once, in px."""

SPAN = 6144
"""Largest side of that in px of the image, where it is shrunk for the network."""

MAX_TILES_AT_ONCE = 16
"""Tiles that are taken at once at most."""

Pixels = NDArray[np.float32]


class Tiling:
    """The tiles of one image on their way through a detector.

    Parameters
    ----------
    picture : LargeImage
        The image.
    detector : Detector
        A loaded model.
    zoom : float
        Factor by which the image is resized for the network.
    levels : (float, float)
        What becomes 0 and 1.
    side : int
        Largest side of a tile in px of the network.
    shift : (int, int)
        See `tiles.cut`.
    area : Box, optional
        In px of the image: nuclei that have their middle elsewhere need not be found.
    """

    def __init__(
        self,
        picture: LargeImage,
        detector: Detector,
        zoom: float,
        levels: tuple[float, float],
        side: int | None = None,
        shift: tuple[int, int] = (0, 0),
        area: Box | None = None,
    ) -> None:
        self.frame = Frame.of(picture, zoom, levels)
        side = side or max(
            2 * (detector.margin + detector.stride), min(TILE, int(SPAN * min(self.frame.zoom)))
        )
        down, across = self.frame.zoom
        scale = np.array([down, across, down, across])
        layout = self.frame.shape, side, detector.margin, detector.stride
        if area is None:
            self.tiles = cut(*layout, shift)
        else:
            low, high = np.floor(area[:2] * scale[:2]), np.ceil(area[2:] * scale[2:])
            near = (int(low[0]), int(low[1]), int(high[0]), int(high[1]))
            self.tiles = cut_around(near, *layout)
        self.detecting = Detecting(self.frame, detector)
        self.cores = [tuple((np.array(tile.core) / scale).tolist()) for tile in self.tiles]
        """Of all tiles, in px of the image."""
        self.reach = detector.margin / float(scale.min()) + 1
        """How far nuclei may reach beyond a core, in px of the image."""
        self.bare = 0

    def steps(self, low: float) -> Iterator[Progress]:
        """Go through the tiles; `new` holds the (Mask, float) that have become sure."""
        joining = Joining(self.cores, self.reach)
        total = len(self.tiles)
        ready: list[ScoredMask] = []
        for numbers, pixels in self._read_ahead():
            yield Progress(numbers[0], total, "Segmenting", ready or None)
            seen = [
                (self.tiles[n], p) for n, p in zip(numbers, pixels, strict=True) if p is not None
            ]
            self.bare += len(numbers) - len(seen)
            found = iter((yield from self.detecting.found(seen, low)))
            ready = []
            for number, p in zip(numbers, pixels, strict=True):
                ready += joining.add(number, next(found) if p is not None else [])
        yield Progress(total, total, "Segmenting", ready or None)

    def _read_ahead(self) -> Iterator[tuple[Sequence[int], list[Pixels | None]]]:
        """Yield runs of tiles that are taken at once; the next run is read meanwhile."""
        with ThreadPoolExecutor(1, "tile") as pool:
            reading: list[Future[Pixels | None]] = []
            start = 0
            while start < len(self.tiles):
                stop = start + self.detecting.together(
                    self.tiles[start : start + MAX_TILES_AT_ONCE]
                )
                later = min(len(self.tiles), 2 * stop - start)
                more = self.tiles[start + len(reading) : later]
                reading += [pool.submit(self.frame.read, tile) for tile in more]
                yield range(start, stop), [r.result() for r in reading[: stop - start]]
                reading, start = reading[stop - start :], stop
