"""Through the tiles of an image: read, detect, draw, join; each nucleus comes out once.

Here: the loop over tiles, skipping bare ones, and going on when memory runs out. Not here:
where tiles lie (`tiles.py`), what joins their nuclei (`suppress.py`). Loads torch.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..images.images import normalize
from ..images.large_image import LargeImage
from ..models.detector import Detections, Detector
from ..models.memory import free, on_cpu, ran_out
from ..progress import Progress
from .pasting import paste
from .resampling import Taps, resized, sizes, three, without_repeats
from .suppress import Joining, Scored
from .tiles import GROWN, Tile, cut, quarters

TILE = 1536
"""Largest side of what the network sees at once, in px."""

SPAN = 6144
"""Largest side of that in px of the image, where it is shrunk for the network."""

BARE = 0.03
"""A tile in which squares of `PATCH` px differ by less, on a scale where the image's
percentiles are 0 and 1, holds no nucleus."""

PATCH = 4


@dataclass(frozen=True, slots=True)
class Frame:
    """How an image is laid out for the network.

    Attributes
    ----------
    picture : LargeImage
        The image.
    levels : (float, float)
        What becomes 0 and 1.
    shape : (int, int)
        Height and width of the image resized for the network.
    level : int
        Level of the picture that is read.
    """

    picture: LargeImage
    levels: tuple[float, float]
    shape: tuple[int, int]
    level: int

    @classmethod
    def of(cls, picture: LargeImage, zoom: float, levels: tuple[float, float]) -> Frame:
        """Lay out an image that is resized by a factor."""
        shape = sizes(picture.shape, zoom)
        return cls(picture, levels, shape, picture.level_for(shape[0] / picture.shape[0]))

    @property
    def zoom(self) -> tuple[float, float]:
        """Px of the network per px of the image, down and across."""
        height, width = self.picture.shape
        return self.shape[0] / height, self.shape[1] / width

    def read(self, tile: Tile) -> NDArray[np.float32] | None:
        """Read, normalise and resize what the network sees; None where it is bare."""
        old = self.picture.levels[self.level].shape[:2]
        y0, x0, y1, x1 = tile.box
        rows = Taps.of(y0, y1, self.shape[0], old[0])
        cols = Taps.of(x0, x1, self.shape[1], old[1])
        raw = self.picture.read((rows.first, cols.first, rows.last, cols.last), self.level)
        pixels = without_repeats(normalize(raw, levels=self.levels))
        if self.shape != tuple(old):
            pixels = resized(pixels, rows, cols)
        return None if bare(pixels) else three(pixels)


def bare(pixels: NDArray[np.float32]) -> bool:
    """Whether a normalised (H, W, C) tile is too even to hold a nucleus.

    Looks at means of small squares, in which noise is small. Of the 6,385 nuclei in the
    validation images of dsb2018 and vrdl three lie in a surrounding so even, specks of 21 to
    26 px; a tile must be so as a whole.
    """
    height, width = (max(n // PATCH, 1) * PATCH if n >= PATCH else n for n in pixels.shape[:2])
    some = pixels[:height, :width]
    step = PATCH if min(height, width) >= PATCH else 1
    means = some.reshape(height // step, step, width // step, step, -1).mean((1, 3))
    return bool((means.max((0, 1)) - means.min((0, 1))).max() < BARE)


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
    """

    def __init__(
        self,
        picture: LargeImage,
        detector: Detector,
        zoom: float,
        levels: tuple[float, float],
        side: int | None = None,
        shift: tuple[int, int] = (0, 0),
    ) -> None:
        self.frame = Frame.of(picture, zoom, levels)
        self.detector = detector
        side = side or max(
            2 * (detector.margin + detector.stride), min(TILE, int(SPAN * min(self.frame.zoom)))
        )
        self.tiles = cut(self.frame.shape, side, detector.margin, detector.stride, shift)
        down, across = self.frame.zoom
        self._scale = np.array([down, across, down, across])
        self.bare = 0

    def steps(self, low: float) -> Iterator[Progress]:
        """Go through the tiles; `new` holds the (Mask, float) that have become sure."""
        cores = [tuple((np.array(tile.core) / self._scale).tolist()) for tile in self.tiles]
        reach = self.detector.margin / float(self._scale.min()) + 1
        joining = Joining(cores, reach)
        total = len(self.tiles)
        ready: list[Scored] | None = None
        with ThreadPoolExecutor(1, "tile") as pool:
            ahead = deque([pool.submit(self.frame.read, self.tiles[0])])
            for number, tile in enumerate(self.tiles):
                yield Progress(number, total, "Segmenting", ready)
                if number + 1 < total:
                    ahead.append(pool.submit(self.frame.read, self.tiles[number + 1]))
                pixels = ahead.popleft().result()
                found: list[Scored] = []
                if pixels is None:
                    self.bare += 1
                else:
                    for part in self._detected(tile, pixels, low):
                        if isinstance(part, Progress):
                            yield Progress(number, total, part.message)
                        else:
                            found += part
                ready = joining.add(number, found)
        yield Progress(total, total, "Segmenting", ready)

    def _detected(
        self, tile: Tile, pixels: NDArray[np.float32], low: float
    ) -> Generator[Progress | list[Scored], None, None]:
        """Find a tile's nuclei, in smaller tiles where the memory is too small for it."""
        parts = [tile]
        while parts:
            part = parts.pop()
            y, x = part.box[0] - tile.box[0], part.box[1] - tile.box[1]
            height, width = part.box[2] - part.box[0], part.box[3] - part.box[1]
            try:
                seen = pixels[y : y + height, x : x + width]
                found = self.detector.detect(seen, part.local_core, low)
            except (RuntimeError, MemoryError) as error:
                if not ran_out(error):
                    raise
                smaller = self._quarters(part, tile)
                error.__traceback__ = None  # it holds the tensors
                yield Progress(0, 0, self._mend(smaller))
                parts += smaller or [part]
                continue
            yield self._drawn(found, part)

    def _quarters(self, part: Tile, tile: Tile) -> list[Tile]:
        """Cut in four what was too much, in the pixels that are at hand."""
        y0, x0, y1, x1 = tile.box
        margin, stride = self.detector.margin, self.detector.stride
        smaller = quarters(part, self.frame.shape, margin, stride)
        inside = [
            Tile((max(a, y0), max(b, x0), min(c, y1), min(d, x1)), one.core)
            for one in smaller
            for a, b, c, d in [one.box]
        ]
        whole = (part.box[2] - part.box[0]) * (part.box[3] - part.box[1])
        less = all((t.box[2] - t.box[0]) * (t.box[3] - t.box[1]) < 0.8 * whole for t in inside)
        return inside if less else []

    def _mend(self, smaller: list[Tile]) -> str:
        """Make room for another try; return what to tell the user."""
        free()
        if smaller:
            return "Out of memory: going on in smaller tiles"
        self.detector = on_cpu(self.detector)
        return "Out of memory: going on on the CPU"

    def _drawn(self, found: Detections, tile: Tile) -> list[Scored]:
        y, x = tile.box[:2]
        boxes = found.boxes + np.array([x, y, x, y], np.float32)
        moved = Detections(boxes, found.scores, found.masks)
        threshold = self.detector.card.mask_threshold
        return paste(moved, self.frame.zoom, self.frame.picture.shape, threshold)


__all__ = ["BARE", "GROWN", "TILE", "Frame", "Tiling", "bare"]
