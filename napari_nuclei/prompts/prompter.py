"""`Prompter`: one image and one detector, ready to be asked about any place of it.

Torch is loaded when one is made.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Sequence
from functools import partial

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..images.large_image import LargeImage
from ..masks.box import Box, touches
from ..models.prompting import Judged, PromptableDetector
from ..prediction.tiles import Tile, cut
from ..progress import Progress
from .feature_cache import FeatureCache, Identity
from .soft_mask import SoftMask
from .source import source_of
from .window import Boxes, SeenNucleus, Window

SIDE = 512
"""Largest side of a tile in px of the network: small, so that a first prompt answers soon."""

LOOK, NEAR = 192, 128
"""Sides of a closer look in px of the network: a nucleus and what is around it, or less of that."""

CELL, CELLS = 48, 36
"""Side of the cells, in px of the network, in which closer looks are shared, and how many of them
are computed ahead at most, so that whoever asks meanwhile is soon answered."""


class Prompter:
    """Answers questions about one image.

    Parameters
    ----------
    image : (H, W) or (H, W, C), or LargeImage
        Gray or RGB, of any numeric type. A large one is read where it is asked about.
    detector : PromptableDetector
        The model that is asked.
    diameter : float
        Of the typical nucleus in px of the image, as the prediction had it.
    cache : FeatureCache, optional
        Where features are kept; may be shared by many images.
    identity : Identity
        Names these very pixels there; a new one where none is known.

    Attributes
    ----------
    key : tuple
        What the features depend on: image, model and scale.
    """

    def __init__(
        self,
        image: ArrayLike | LargeImage,
        detector: PromptableDetector,
        diameter: float,
        cache: FeatureCache | None = None,
        *,
        identity: Identity,
    ) -> None:
        self.detector, self.diameter = detector, diameter
        self.cache = FeatureCache() if cache is None else cache
        self._source = source_of(image, detector.card.diameter / diameter)
        self.shape, self._size = self._source.shape, self._source.size
        self.zoom = (self._size[0] / self.shape[0], self._size[1] / self.shape[1])
        self.tiles = cut(self._size, SIDE, detector.margin, detector.stride)
        card = detector.card
        self.key = (identity, card.name, card.sha256, self.zoom)

    # -- windows ----------------------------------------------------------------------

    def window(self, tile: Tile) -> Window:
        """Return a tile encoded, computing it if need be."""
        y0, x0 = tile.box[:2]
        down, across = self.zoom

        def make() -> Window:
            encoded = self.detector.encode(self._source.tile(tile))
            return Window(encoded, y0 / down, x0 / across, self.zoom)

        return self.cache.get((*self.key, tile.box), make)

    def look(self, y: float, x: float, diameter: float, fits: float | None = None) -> Window:
        """Look closer at a place, so that nuclei of this diameter in px are of the best size.

        Parameters
        ----------
        fits : float, optional
            Side in px of what is asked about there, if that is all that matters: where it is
            small, less is looked at, in half of the time.
        """
        from ..prediction.resampling import LARGEST_ZOOM, SMALLEST_ZOOM, resample

        zoom = self.detector.card.diameter / max(diameter, 1e-3)
        zoom = min(max(zoom, SMALLEST_ZOOM), LARGEST_ZOOM)
        side = LOOK if fits is None or 2 * fits * zoom > NEAR else NEAR
        # Not a px more, or the network would be fed a step of its stride of padding.
        y0, y1 = _around(y, int(side / zoom), self.shape[0])
        x0, x1 = _around(x, int(side / zoom), self.shape[1])

        def make() -> Window:
            seen = resample(self._source.normal((y0, x0, y1, x1)), zoom)
            real = (seen.shape[0] / (y1 - y0), seen.shape[1] / (x1 - x0))
            return Window(self.detector.encode(seen), y0, x0, real)

        return self.cache.get((*self.key, round(zoom, 3), (y0, x0, y1, x1)), make)

    def cell(self, y: float, x: float, diameter: float) -> Window:
        """Look closer at about a place, in cells, so that it can be computed ahead."""
        step = self._cell(diameter)
        return self.look((y // step + 0.5) * step, (x // step + 0.5) * step, diameter)

    def prepare_cells(self, box: Box, diameter: float) -> Generator[Progress, None, None]:
        """Look closer at a part of the image ahead, cell by cell; at nothing where it is large."""
        step = self._cell(diameter)
        y0, x0, y1, x1 = box
        ys, xs = (np.arange(a // step, np.ceil(b / step)) for a, b in ((y0, y1), (x0, x1)))
        places = [((y + 0.5) * step, (x + 0.5) * step) for y in ys for x in xs]
        if len(places) <= CELLS:
            looks = (partial(self.look, float(y), float(x), diameter) for y, x in places)
            yield from self._ahead(list(looks), "Looking closer")

    def _cell(self, diameter: float) -> float:
        return CELL * diameter / self.detector.card.diameter

    def window_of(self, box: Iterable[float]) -> Window:
        """Return the encoded tile that answers for a box in px of the image."""
        return self.window(self.tiles[self.place_of(box)])

    def place_of(self, box: Iterable[float]) -> int:
        """Return the number of the tile that answers for a box in px of the image."""
        y0, x0, y1, x1 = box
        y = min(max((y0 + y1) / 2 * self.zoom[0], 0), self._size[0])
        x = min(max((x0 + x1) / 2 * self.zoom[1], 0), self._size[1])
        inside = [k for k, tile in enumerate(self.tiles) if _holds(tile.core, y, x)]
        # Cores overlap by a few px: the one whose middle is nearest sees most around it.
        return min(inside, key=lambda k: _distance(self.tiles[k].core, y, x))

    def prepare(self, box: Box | None = None) -> Generator[Progress, None, None]:
        """Encode a part of the image ahead, or all of it.

        Ends at half of the cache's bound, so that it does not push out what it has made.

        Parameters
        ----------
        box : Box, optional
            In px of the image, as the view shows it.
        """
        wanted = [t for t in self.tiles if box is None or touches(t.core, self._scaled(box))]
        yield from self._ahead([partial(self.window, tile) for tile in wanted], "Looking ahead")

    def _ahead(
        self, wanted: Sequence[Callable[[], Window]], words: str
    ) -> Generator[Progress, None, None]:
        spent = 0
        for done, make in enumerate(wanted):
            yield Progress(done, len(wanted), words)
            spent += make().nbytes
            if spent > self.cache.bound / 2:
                break

    def _scaled(self, box: Box) -> Box:
        down, across = self.zoom
        y0, x0, y1, x1 = box
        low = int(np.floor(y0 * down)), int(np.floor(x0 * across))
        return *low, int(np.ceil(y1 * down)), int(np.ceil(x1 * across))

    # -- asking -----------------------------------------------------------------------

    def proposals(self, box: Sequence[float], window: Window | None = None) -> Boxes:
        """Return the unrefined boxes that meet a box (y0, x0, y1, x1) in px, likeliest first."""
        seen = self.window_of(box) if window is None else window
        found = seen.outwards(self.detector.proposals(seen.encoded))
        near = np.asarray(box, np.float32)
        return found[((found[:, :2] < near[2:]) & (found[:, 2:] > near[:2])).all(1)]

    def judge(self, boxes: ArrayLike, window: Window | None = None) -> Judged:
        """Score and refine (N, 4) boxes in px; the refined ones are (y0, x0, y1, x1) too."""
        given = _table(boxes)
        parts, order = [], []
        for seen, at in self._by_window(given, window):
            said = self.detector.judge(seen.encoded, seen.inwards(given[at]))
            parts.append(Judged(seen.outwards(said.boxes), said.scores, said.features))
            order.append(at)
        if not parts:
            return Judged(given, np.zeros(0, np.float32), np.zeros((0, 0), np.float32))
        back = np.argsort(np.concatenate(order))
        names = ("boxes", "scores", "features")
        return Judged(*(np.concatenate([getattr(p, name) for p in parts])[back] for name in names))

    def soft_masks(self, boxes: ArrayLike, window: Window | None = None) -> list[SoftMask]:
        """Return the soft mask inside each of (N, 4) boxes in px."""
        given = _table(boxes)
        out: dict[int, SoftMask] = {}
        for seen, at in self._by_window(given, window):
            cells = self.detector.soft_masks(seen.encoded, seen.inwards(given[at]))
            for k, soft in zip(at.tolist(), cells, strict=True):
                y0, x0, y1, x1 = given[k].tolist()
                out[k] = SoftMask.from_cells(soft, (x0, y0, x1, y1), self.shape)
        return [out[k] for k in range(len(given))]

    def draw(
        self, boxes: ArrayLike, scores: Iterable[float], window: Window | None = None
    ) -> list[SeenNucleus]:
        """Draw a nucleus into each of (N, 4) boxes in px; none where no pixel is sure."""
        level = self.detector.card.mask_threshold
        softs = self.soft_masks(boxes, window)
        drawn = (
            SeenNucleus(s.at_level(level), float(v), s) for s, v in zip(softs, scores, strict=True)
        )
        return [seen for seen in drawn if seen.mask]

    def _by_window(
        self, boxes: Boxes, window: Window | None
    ) -> list[tuple[Window, NDArray[np.intp]]]:
        if window is not None:
            return [(window, np.arange(len(boxes)))] if len(boxes) else []
        places = np.array([self.place_of(box) for box in boxes.tolist()], int)
        return [
            (self.window(self.tiles[k]), np.flatnonzero(places == k)) for k in np.unique(places)
        ]


def _table(boxes: ArrayLike) -> Boxes:
    return np.asarray(boxes, np.float32).reshape(-1, 4)


def _around(middle: float, side: int, length: int) -> tuple[int, int]:
    """Return the ends of a stretch of the image around a place, which may lie outside."""
    start = round(min(max(middle, 0), length) - side / 2)
    return max(0, start), min(length, start + side)


def _holds(box: Box, y: float, x: float) -> bool:
    return box[0] <= y < box[2] and box[1] <= x < box[3]


def _distance(box: Box, y: float, x: float) -> float:
    return abs((box[0] + box[2]) / 2 - y) + abs((box[1] + box[3]) / 2 - x)
