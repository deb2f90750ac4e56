"""Synthetic microscope images with exact ground truth."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from ..masks import Mask
from .rendering import PAD, Fluorescence, Histology, Nature

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Look:
    """What sets one kind of sample apart.

    Attributes
    ----------
    modality : str
        As in the COCO file.
    diameter, spread : float
        Median diameter of an ordinary nucleus in px, and the sigma of its logarithm.
    cover : float
        Part of the image that nuclei are to cover.
    clump : float
        Part of the nuclei that are put next to another one.
    gap : float
        How far a nucleus keeps others away, in radii; 1 lets them touch.
    overlap : float
        Largest part of a nucleus that may lie under others.
    """

    modality: str
    diameter: float
    spread: float
    cover: float
    clump: float
    gap: float
    overlap: float


LOOKS = {
    "fluorescence": Look("fluorescence", 30, 0.20, 0.11, 0.25, 1.12, 0.0),
    "fluorescence-crowded": Look("fluorescence", 22, 0.22, 0.42, 0.75, 1.0, 0.10),
    "histology": Look("histology", 25, 0.16, 0.16, 0.2, 1.15, 0.0),
    "histology-crowded": Look("histology", 22, 0.18, 0.36, 0.7, 1.0, 0.08),
}
"""The kinds that `make_sample` knows."""


def make_sample(
    kind: str, seed: int = 0, size: int | tuple[int, int] = 384, nuclei: int | None = None
) -> tuple[NDArray[np.uint8], list[Mask]]:
    """Draw an image of nuclei and tell where each one is.

    Parameters
    ----------
    kind : str
        One of `LOOKS`.
    seed : int
        The same arguments give the same pixels.
    size : int or (int, int)
        Height and width in px; one number for a square.
    nuclei : int, optional
        How many to place; by default as many as cover the usual part of the image.

    Returns
    -------
    image : ndarray, (H, W) or (H, W, 3) uint8
        Gray for fluorescence, RGB for histology.
    masks : list of Mask
        Each nucleus whole, where it is inside the image: neighbours may share some pixels.

    Raises
    ------
    ValueError
        If the kind is unknown, or if so many nuclei do not fit.

    Notes
    -----
    Draws never depend on the last digits of a computed number, and all computing is in
    double precision, so that other processors give the same pixels too.
    """
    if kind not in LOOKS:
        raise ValueError(f"unknown kind {kind!r}: choose from {', '.join(LOOKS)}")
    shape = (size, size) if isinstance(size, int) else size
    placing, shading = np.random.default_rng([seed, *kind.encode()]).spawn(2)
    paint = Fluorescence if LOOKS[kind].modality == "fluorescence" else Histology
    picture = paint(shape, shading)
    masks = _place(LOOKS[kind], shape, nuclei, picture, placing)
    return picture.develop(), masks


@dataclass(frozen=True, slots=True)
class _Outline:
    """A smoothly deformed ellipse."""

    y: float
    x: float
    long: float
    short: float
    angle: float
    waves: NDArray[np.complex128]

    def level(self) -> tuple[int, int, Floats]:
        """Return the corner of a box, and in it the distance from the centre in radii."""
        reach = math.ceil(1.45 * self.long) + 3
        top, left = round(self.y) - reach, round(self.x) - reach
        steps = np.arange(2 * reach + 1)
        dy, dx = (top + steps - self.y)[:, None], (left + steps - self.x)[None]
        cos, sin = math.cos(self.angle), math.sin(self.angle)
        along, across = (dx * cos + dy * sin) / self.long, (dy * cos - dx * sin) / self.short
        place = along + 1j * across
        far = np.abs(place)
        # The waves k = 2, 3, … around the outline are the real parts of powers of a direction.
        turn = place / np.maximum(far, 1e-9)
        wave = np.polyval([*self.waves[::-1], 0, 0], turn).real
        return top, left, far / (1 + wave)


def _outline(look: Look, nature: Nature, y: float, x: float, rng: Generator) -> _Outline:
    radius = 0.5 * look.diameter * nature.size * math.exp(look.spread * rng.standard_normal())
    # Large enough to be seen, small enough for the margin around the image.
    radius = min(max(radius, 4.0), (PAD - 14) / 1.5 / math.sqrt(nature.stretch))
    stretch = math.sqrt(nature.stretch)
    sizes = rng.normal(0, [0.045, 0.04, 0.025, 0.015])
    waves = np.clip(sizes, -0.09, 0.09) * np.exp(1j * rng.uniform(0, 2 * np.pi, 4))
    return _Outline(y, x, radius * stretch, radius / stretch, nature.angle, waves)


def _place(
    look: Look,
    shape: tuple[int, int],
    wanted: int | None,
    picture: Fluorescence | Histology,
    rng: Generator,
) -> list[Mask]:
    """Throw nuclei on the picture, drawing each that finds room."""
    usual = look.cover * shape[0] * shape[1] / (0.785 * look.diameter**2)
    count = max(1, round(usual)) if wanted is None else wanted
    ground = _Ground(look, shape)
    masks: list[Mask] = []
    for _ in range(100 * count + 100):
        if len(masks) >= count:
            return masks
        y, x = ground.somewhere(rng)
        nature = picture.nature(y, x, rng)
        if nature is None or ground.taken(y, x):
            continue
        outline = _outline(look, nature, y, x, rng)
        top, left, level = outline.level()
        mask = Mask.from_array(level < 1, top - PAD, left - PAD).clip(shape)
        # A sliver at the edge of the image is nothing that anybody would mark.
        if mask.area < 20 or not ground.settle(outline, top, left, level):
            continue
        picture.draw(nature, top, left, level, outline.short, rng)
        masks.append(mask)
    if wanted is None:
        return masks
    raise ValueError(f"{count} nuclei do not fit on {shape[0]}×{shape[1]} px")


class _Ground:
    """Who lies where; all positions are in px of the image with its margin."""

    def __init__(self, look: Look, shape: tuple[int, int]) -> None:
        self._look, self._shape = look, shape
        self._owner = np.zeros((shape[0] + 2 * PAD, shape[1] + 2 * PAD), np.int32)
        self._settled: list[_Outline] = []
        self._room = [0.0]  # px of each nucleus that may still be covered

    def somewhere(self, rng: Generator) -> tuple[float, float]:
        """Propose a centre: anywhere, or beside a nucleus."""
        edge = 0.3 * self._look.diameter
        y, x = (float(rng.uniform(PAD - edge, PAD + n + edge)) for n in self._shape)
        pick, turn, apart = rng.random(3)
        if self._settled and rng.random() < self._look.clump:
            other = self._settled[int(pick * len(self._settled))]
            reach = 0.5 * (other.long + other.short) + 0.5 * self._look.diameter
            reach *= self._look.gap * (0.88 + 0.3 * apart)
            y = other.y + reach * math.sin(2 * math.pi * turn)
            x = other.x + reach * math.cos(2 * math.pi * turn)
        return y, x

    def taken(self, y: float, x: float) -> bool:
        """Whether a nucleus lies there, or the place is out of sight."""
        rows, cols = self._shape
        edge = 0.3 * self._look.diameter
        inside = -edge <= y - PAD < rows + edge and -edge <= x - PAD < cols + edge
        return not inside or self._owner[int(y), int(x)] > 0

    def settle(self, outline: _Outline, top: int, left: int, level: Floats) -> bool:
        """Take the place if the neighbours allow it."""
        ground = self._owner[top : top + level.shape[0], left : left + level.shape[1]]
        below = ground[level < self._look.gap]
        below = below[below > 0]
        inside = level < 1
        room = self._look.overlap * np.count_nonzero(inside) - len(below)
        if room < 0:
            return False
        ids, shared = np.unique(below, return_counts=True)
        if any(self._room[i] < n for i, n in zip(ids, shared, strict=True)):
            return False
        for i, n in zip(ids, shared, strict=True):
            self._room[i] -= n
        self._settled.append(outline)
        self._room.append(room)
        ground[inside] = len(self._settled)
        return True
