"""Shape and intensity of many nuclei at once, as scikit-image's `regionprops` defines them.

A label image would lose what lies below other nuclei, and `regionprops` takes minutes for what
takes a second here; the tests hold the two together.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from . import codec, rle
from .mask import Mask

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Columns = dict[str, NDArray[np.generic]]

# Which length a pixel of an outline adds, by the sum of its neighbours' weights.
_STEPS = np.zeros(50)
_STEPS[[5, 7, 15, 17, 25, 27]] = 1
_STEPS[[21, 33]] = np.sqrt(2)
_STEPS[[13, 23]] = (1 + np.sqrt(2)) / 2


def measure(masks: Sequence[Mask], image: ArrayLike | None = None) -> Columns:
    """Measure masks.

    Parameters
    ----------
    masks : sequence of Mask
        None of them empty, all inside of the image.
    image : (H, W) or (H, W, C), optional
        For intensities, of each channel.

    Returns
    -------
    dict of str to (N,) array
        Named as by `skimage.measure.regionprops_table`: `bbox-0` … `bbox-3`, `centroid-0`,
        `centroid-1`, `area` (px), `area_convex`, `perimeter`, `equivalent_diameter_area`,
        `axis_major_length`, `axis_minor_length` (px), `eccentricity`, `orientation` (rad),
        `solidity`, `extent`; with an image `intensity_mean`, `intensity_min`, `intensity_max`,
        `intensity_std`, followed by ``-0``, ``-1``, … where it has channels.
    """
    if not masks:
        one = Mask.from_array([[True]])
        return {name: values[:0] for name, values in measure([one], image).items()}
    pixels = None if image is None else np.asarray(image)
    parts = []
    for k in range(0, len(masks), codec.BATCH):
        runs = _Runs(masks[k : k + codec.BATCH])
        parts.append(_shape(runs) | ({} if pixels is None else _intensities(runs, pixels)))
    return {name: np.concatenate([p[name] for p in parts]) for name in parts[0]}


class _Runs:
    """The runs of some masks, one column each, in px of their boxes."""

    def __init__(self, masks: Sequence[Mask]) -> None:
        self.count = len(masks)
        self.boxes = np.array([m.box for m in masks], np.int64).reshape(-1, 4)
        self.tall, self.wide = (self.boxes[:, 2:] - self.boxes[:, :2]).T
        runs = np.frombuffer(b"".join(m.counts for m in masks), "<u4").astype(np.int64)
        sizes = np.array([len(m.counts) // 4 for m in masks], np.int64)
        starts, ends, self.owner, self.x = rle.cut(*rle.object_runs(runs, sizes), self.tall)
        self.y0 = starts - self.x * self.tall[self.owner]
        self.y1 = ends - self.x * self.tall[self.owner]

    def sum(self, values: NDArray[np.generic]) -> Floats:
        """Add up a value of each run for each mask."""
        total: Floats = np.bincount(self.owner, values, minlength=self.count).astype(float)
        return total

    def pixels(self) -> tuple[Ints, Ints, Ints]:
        """Return owner, y and x of every pixel."""
        length = self.y1 - self.y0
        run = np.repeat(np.arange(len(length)), length)
        y = np.arange(len(run)) + (self.y0 - rle.offsets(length))[run]
        return self.owner[run], y, self.x[run]


def _shape(runs: _Runs) -> Columns:
    length = (runs.y1 - runs.y0).astype(float)
    area = runs.sum(length)
    x, y = runs.x, (runs.y0 + runs.y1 - 1) / 2
    centre_y, centre_x = runs.sum(length * y) / area, runs.sum(length * x) / area
    dy, dx = y - centre_y[runs.owner], x - centre_x[runs.owner]
    # The second moment of a run about its own middle is (n³ − n) / 12.
    yy = runs.sum(length * dy**2 + (length**3 - length) / 12) / area
    xx = runs.sum(length * dx**2) / area
    xy = runs.sum(length * dy * dx) / area
    middle, spread = (yy + xx) / 2, np.hypot((yy - xx) / 2, xy)
    large, small = middle + spread, np.maximum(middle - spread, 0)
    with np.errstate(invalid="ignore"):
        eccentricity = np.where(large > 0, np.sqrt(1 - small / np.where(large > 0, large, 1)), 0)
    # The tensor of inertia is ((xx, −xy), (−xy, yy)); round bodies have no direction.
    orientation = np.where(
        np.isclose(yy, xx), np.where(xy > 0, np.pi / 4, -np.pi / 4), np.arctan2(2 * xy, yy - xx) / 2
    )
    convex = _convex_area(runs)
    return {
        **{f"bbox-{k}": runs.boxes[:, k] for k in range(4)},
        "centroid-0": centre_y + runs.boxes[:, 0],
        "centroid-1": centre_x + runs.boxes[:, 1],
        "area": area.astype(np.int64),
        "area_convex": convex,
        "perimeter": _perimeter(runs),
        "equivalent_diameter_area": np.sqrt(4 * area / np.pi),
        "axis_major_length": 4 * np.sqrt(large),
        "axis_minor_length": 4 * np.sqrt(small),
        "eccentricity": eccentricity,
        "orientation": orientation,
        "solidity": area / convex,
        "extent": area / (runs.tall * runs.wide),
    }


def _perimeter(runs: _Runs) -> Floats:
    """Follow the border pixels, a diagonal step counting √2."""
    stride = runs.wide + 2
    base = rle.offsets((runs.tall + 2) * stride)
    canvas = np.zeros(int(((runs.tall + 2) * stride).sum()), np.uint8)
    owner, y, x = runs.pixels()
    step = stride[owner]
    at = base[owner] + (y + 1) * step + x + 1
    canvas[at] = 1
    inner = canvas[at - 1] & canvas[at + 1] & canvas[at - step] & canvas[at + step]
    border = inner == 0
    canvas[at[~border]] = 0
    at, step, owner = at[border], step[border], owner[border]
    sides = canvas[at - 1] + canvas[at + 1] + canvas[at - step] + canvas[at + step]
    tips = canvas[at - step - 1] + canvas[at - step + 1]
    tips += canvas[at + step - 1] + canvas[at + step + 1]
    steps = _STEPS[1 + 2 * sides + 10 * tips]
    return np.bincount(owner, steps, minlength=runs.count).astype(float)


def _convex_area(runs: _Runs) -> Ints:
    """Count the pixels whose centres lie in the convex hull of the middles of pixel edges."""
    width = int(runs.wide.max(initial=0))
    column = runs.owner * width + runs.x
    first = np.flatnonzero(np.diff(column, prepend=-1))
    final = np.append(first[1:], len(column)) - 1
    owner, x = runs.owner[first], runs.x[first]
    low = _chain(owner, x, runs.y0[first])
    high = _chain(owner, x, 1 - runs.y1[final])  # the same, upside down
    at = rle.offsets(runs.wide)[low[0]] + low[1]
    tops = np.zeros(int(runs.wide.sum()), np.int64)
    bottoms = np.zeros_like(tops)
    tops[at] = low[2]
    bottoms[rle.offsets(runs.wide)[high[0]] + high[1]] = -high[2]
    counts = bottoms - tops + 1
    return rle.sums(counts, runs.wide)


def _chain(owner: Ints, x: Ints, y: Ints) -> tuple[Ints, Ints, Ints]:
    """Return owner, column and the first row in each column that lies in the hull.

    `y` is the least row of each of the columns `x`; coordinates are doubled to stay whole.
    """
    wide = 2 * int(x.max(initial=0)) + 4
    keys = np.concatenate([owner * wide + 2 * x + 1 + k for k in (-1, 0, 1)])
    tops = np.concatenate([2 * y, 2 * y - 1, 2 * y])
    order = np.lexsort((tops, keys))
    keys, tops = keys[order], tops[order]
    least = np.flatnonzero(np.diff(keys, prepend=-1))
    keys, tops = keys[least], tops[least]
    owners, xs = np.divmod(keys, wide)
    while True:  # a point on or above the line between two others is no corner of the hull
        inner = np.zeros(len(xs), bool)
        inner[1:-1] = (owners[1:-1] == owners[:-2]) & (owners[1:-1] == owners[2:])
        turn = np.zeros(len(xs), np.int64)
        turn[1:-1] = (xs[1:-1] - xs[:-2]) * (tops[2:] - tops[:-2])
        turn[1:-1] -= (tops[1:-1] - tops[:-2]) * (xs[2:] - xs[:-2])
        keep = ~inner | (turn > 0)
        if keep.all():
            break
        owners, xs, tops = owners[keep], xs[keep], tops[keep]
    same = owners[1:] == owners[:-1]
    x0, x1, y0, y1 = (v[same] for v in (xs[:-1], xs[1:], tops[:-1], tops[1:]))
    of = owners[1:][same]
    # Pixel columns are the odd ones; each lies on one edge, or on two at a corner.
    low, high = (x0 + 1) // 2, (x1 + 1) // 2
    pieces = high - low
    edge = np.repeat(np.arange(len(pieces)), pieces)
    column = low[edge] + np.arange(len(edge)) - rle.offsets(pieces)[edge]
    rise = (2 * column + 1 - x0[edge]) * (y1 - y0)[edge]
    run = 2 * (x1 - x0)[edge]
    row = -((-(rise + y0[edge] * (run // 2))) // run)  # ceil of half the height there
    return of[edge], column, row


def _intensities(runs: _Runs, image: NDArray[np.generic]) -> Columns:
    owner, y, x = runs.pixels()
    y, x = y + runs.boxes[owner, 0], x + runs.boxes[owner, 1]
    first = np.flatnonzero(np.diff(owner, prepend=-1))
    number = np.bincount(owner, minlength=runs.count)
    channels = [("", image)]
    if image.ndim == 3:
        channels = [(f"-{c}", image[..., c]) for c in range(image.shape[2])]
    out: Columns = {}
    for name, channel in channels:
        values = channel[y, x].astype(np.float64)
        mean = np.bincount(owner, values, minlength=runs.count) / number
        out[f"intensity_mean{name}"] = mean
        out[f"intensity_min{name}"] = np.minimum.reduceat(values, first)
        out[f"intensity_max{name}"] = np.maximum.reduceat(values, first)
        squares = np.bincount(owner, (values - mean[owner]) ** 2, minlength=runs.count)
        out[f"intensity_std{name}"] = np.sqrt(squares / number)
    return out
