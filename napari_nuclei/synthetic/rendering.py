"""How synthetic nuclei and their surroundings look through a microscope.

References
----------
Ruifrok and Johnston, "Quantification of histochemical staining by color deconvolution",
Anal Quant Cytol Histol 23 (2001): the first stain vectors. The second are those of the
"H&E 2" preset of ImageJ's Colour Deconvolution by G. Landini.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

Floats = NDArray[np.float64]

PAD = 64
"""Margin drawn around the image in px, so that nuclei can be cut by its edge."""

HEMATOXYLIN = np.array([[0.650, 0.704, 0.286], [0.490, 0.769, 0.410]])
EOSIN = np.array([[0.072, 0.990, 0.105], [0.046, 0.842, 0.537]])
"""Optical densities of red, green and blue for one unit of stain, in two laboratories."""


@dataclass(frozen=True, slots=True)
class Nature:
    """What sort of nucleus is to be drawn.

    Attributes
    ----------
    size, stretch : float
        Diameter relative to the usual one, and long over short axis.
    angle : float
        Direction of the long axis in radians.
    stain : float
        Relative brightness or stain.
    clumps, rim : float
        Strength of the chromatin's texture, and of the darker edge (histology).
    soft : float
        Width of the edge in px: large where out of focus.
    """

    size: float
    stretch: float
    angle: float
    stain: float
    clumps: float
    rim: float = 0.0
    soft: float = 1.0


def smooth_noise(shape: tuple[int, int], scale: float, rng: Generator) -> Floats:
    """Return noise of mean 0, variance 1 and correlation length about `scale` px."""
    from scipy import ndimage

    step = max(1.0, scale / 3)
    coarse = tuple(max(4, math.ceil(n / step)) for n in shape)
    noise = ndimage.gaussian_filter(rng.standard_normal(coarse), scale / step, mode="wrap")
    if coarse != shape:
        noise = ndimage.zoom(noise, [n / c for n, c in zip(shape, coarse, strict=True)], order=1)
    noise -= noise.mean()
    noise /= noise.std()
    return np.asarray(noise, np.float64)


class _Chromatin:
    """A sheet of texture of which each nucleus shows its own piece."""

    SIDE = 384

    def __init__(self, fine: float, coarse: float, rng: Generator) -> None:
        shape = (self.SIDE, self.SIDE)
        self._sheet = 0.6 * smooth_noise(shape, fine, rng) + 0.8 * smooth_noise(shape, coarse, rng)

    def piece(self, shape: tuple[int, ...], rng: Generator) -> Floats:
        y, x = (int(rng.random() * (self.SIDE - n)) for n in shape)
        return self._sheet[y : y + shape[0], x : x + shape[1]]


def _spots(level: Floats, radius: float, number: int, rng: Generator) -> Floats:
    """Draw nucleoli: smooth spots of height 1 in the inner part of a nucleus."""
    spots = np.zeros_like(level)
    height, width = level.shape
    ys, xs = np.arange(height)[:, None] - height // 2, np.arange(width)[None] - width // 2
    for _ in range(number):
        far, turn = 0.55 * radius * math.sqrt(rng.random()), 2 * math.pi * rng.random()
        wide = radius * (0.10 + 0.08 * rng.random())
        dy, dx = ys - far * math.sin(turn), xs - far * math.cos(turn)
        np.maximum(spots, np.exp(-(dy**2 + dx**2) / (2 * wide**2)), out=spots)
    return spots


def _fill(level: Floats, radius: float, soft: float) -> Floats:
    """Return 1 inside, 0 outside, with an edge of about `soft` px."""
    return np.asarray(1 / (1 + np.exp(np.clip((level - 1) * radius / (0.4 * soft), -30, 30))))


class Fluorescence:
    """A field of stained nuclei, as a camera behind a wide-field microscope sees it."""

    def __init__(self, shape: tuple[int, int], rng: Generator) -> None:
        self._shape, self._rng = shape, rng
        self._light = np.zeros((shape[0] + 2 * PAD, shape[1] + 2 * PAD))
        self._chromatin = _Chromatin(1.3, 3.5, rng)

    def nature(self, y: float, x: float, rng: Generator) -> Nature:
        """Choose what nucleus stands at a place: most are ordinary, a few are dividing or dead."""
        sort, angle = rng.random(), math.pi * rng.random()
        stain = math.exp(0.28 * rng.standard_normal())
        stretch = 1.05 + 0.45 * rng.random()
        if sort < 0.03:  # condensed
            return Nature(0.55, stretch, angle, 2.0 * stain, 0.1)
        if sort < 0.06:  # a dividing one's plate
            return Nature(0.75, 2.3, angle, 1.9 * stain, 0.12)
        if sort < 0.22:  # out of focus
            return Nature(1.05, stretch, angle, 0.6 * stain, 0.05, soft=4.5)
        return Nature(1.0, stretch, angle, stain, 0.17, soft=1.2)

    def draw(
        self, nature: Nature, top: int, left: int, level: Floats, radius: float, rng: Generator
    ) -> None:
        """Add a nucleus's light; `level` is the distance from its centre in radii."""
        chromatin = 1 + nature.clumps * self._chromatin.piece(level.shape, rng)
        nucleoli = _spots(level, radius, int(rng.integers(1, 5)), rng)
        dome = np.sqrt(np.clip(1.15 - 0.55 * level**2, 0.05, None))
        body = dome * np.clip(chromatin, 0.2, None) * (1 - 2.2 * nature.clumps * nucleoli)
        box = np.s_[top : top + level.shape[0], left : left + level.shape[1]]
        self._light[box] += nature.stain * body * _fill(level, radius, nature.soft)

    def develop(self) -> NDArray[np.uint8]:
        """Return the camera's picture, (H, W)."""
        from scipy import ndimage

        rng, shape = self._rng, self._light.shape
        light = ndimage.gaussian_filter(self._light, 0.8)
        # Light from above and below the plane of focus.
        light += 0.10 * _blurred(self._light, 9) + 0.10 * _blurred(self._light, 32)
        light += 0.03 + 0.012 * np.clip(smooth_noise(shape, 60, rng), -2, 3)
        ys, xs = (np.linspace(-1, 1, n) for n in shape)
        cy, cx = 0.6 * rng.random(2) - 0.3
        light *= 1 - 0.16 * ((ys[:, None] - cy) ** 2 + (xs[None] - cx) ** 2)
        light = light[PAD:-PAD, PAD:-PAD]
        photons = 420 * light
        # A normal law in place of Poisson's keeps the number of draws fixed.
        photons += np.sqrt(photons + 5.0**2) * rng.standard_normal(self._shape)
        gray = 8 + (0.21 + 0.06 * rng.random()) * photons
        return np.clip(np.rint(gray), 0, 255).astype(np.uint8)


def _blurred(image: Floats, sigma: float) -> Floats:
    """Blur widely on a coarse grid."""
    from scipy import ndimage

    step = max(1, int(sigma / 3))
    rows, cols = (-n % step for n in image.shape)
    padded = np.pad(image, ((0, rows), (0, cols)), mode="edge")
    height, width = (n // step for n in padded.shape)
    coarse = padded.reshape(height, step, width, step).mean((1, 3))
    coarse = ndimage.gaussian_filter(coarse, sigma / step)
    fine = ndimage.zoom(coarse, step, order=1, grid_mode=True, mode="nearest")
    return np.asarray(fine[: image.shape[0], : image.shape[1]], np.float64)


class Histology:
    """A section stained with hematoxylin and eosin: epithelium, fibrous stroma, white gaps."""

    def __init__(self, shape: tuple[int, int], rng: Generator) -> None:
        self._shape, self._rng = shape, rng
        full = (shape[0] + 2 * PAD, shape[1] + 2 * PAD)
        border = smooth_noise(full, 70, rng) + 0.18 * smooth_noise(full, 12, rng)
        self._stroma = _step(border - 0.45, 0.12)
        holes = smooth_noise(full, 34, rng) + 0.35 * smooth_noise(full, 7, rng)
        self._direction = math.pi * float(rng.random())
        strands, clefts = _fibres(full, self._direction, rng)
        gaps = np.maximum(_step(holes - 2.05, 0.16), self._stroma * _step(clefts - 1.35, 0.3))
        self._tissue = 1 - gaps
        grain, cloud = smooth_noise(full, 1.6, rng), smooth_noise(full, 9, rng)
        # Contour lines of noise pass for the borders of cells.
        borders = np.exp(-((smooth_noise(full, 11, rng) / 0.16) ** 2))
        cytoplasm = 0.27 + 0.035 * grain + 0.045 * cloud + 0.09 * borders
        stroma = 0.37 + 0.085 * strands + 0.04 * cloud + 0.02 * grain
        self._eosin = np.clip(cytoplasm + (stroma - cytoplasm) * self._stroma, 0.05, None)
        purple = 0.10 + 0.02 * grain + 0.03 * cloud
        self._hematoxylin = np.clip(purple * (1 - 0.75 * self._stroma), 0.01, None)
        self._eosin *= self._tissue
        self._hematoxylin *= self._tissue
        self._chromatin = _Chromatin(1.1, 2.6, rng)

    def nature(self, y: float, x: float, rng: Generator) -> Nature | None:
        """Choose what nucleus stands at a place; None in a gap, and often in the stroma."""
        sort, turn, stain, stretch = rng.random(4)
        row = min(max(int(y), 0), self._tissue.shape[0] - 1)
        col = min(max(int(x), 0), self._tissue.shape[1] - 1)
        angle, stain = math.pi * turn, 0.85 + 0.4 * stain
        if self._tissue[row, col] < 0.6:
            return None
        if self._stroma[row, col] > 0.5:
            if sort < 0.62:
                return None
            angle = self._direction + 0.35 * (turn - 0.5)
            if sort < 0.90:  # spindle-shaped
                return Nature(0.72, 2.4 + 1.6 * stretch, angle, 0.85 * stain, 0.15, 0.05)
            return Nature(0.58, 1.1 + 0.2 * stretch, angle, 1.05 * stain, 0.12, 0.1)
        if sort < 0.10:  # lymphocyte
            return Nature(0.60, 1.05 + 0.2 * stretch, angle, 1.1 * stain, 0.14, 0.1)
        if sort < 0.55:  # vesicular: pale with a clear rim
            return Nature(1.12, 1.1 + 0.4 * stretch, angle, 0.52 * stain, 0.25, 0.30)
        return Nature(1.0, 1.1 + 0.6 * stretch, angle, 0.78 * stain, 0.22, 0.14)

    def draw(
        self, nature: Nature, top: int, left: int, level: Floats, radius: float, rng: Generator
    ) -> None:
        """Lay a nucleus into the section; `level` is the distance from its centre in radii."""
        soft, halo = 1.3 + 1.2 * rng.random(), 0.45 * max(0.0, rng.random() - 0.55)
        fill = _fill(level, radius, soft)
        texture = nature.clumps * self._chromatin.piece(level.shape, rng)
        nucleoli = _spots(level, radius, int(rng.integers(1, 4)), rng)
        rim = (nature.rim + 0.8 * texture) * np.exp(-(((level - 0.93) * radius / 1.3) ** 2))
        stain = np.clip(nature.stain * (0.72 + texture + 0.4 * nucleoli) + rim, 0.15, 1.15)
        box = np.s_[top : top + level.shape[0], left : left + level.shape[1]]
        # A pale ring where the shrunken nucleus has left the cytoplasm.
        ring = 1 - 2 * halo * np.exp(-(((level - 1.15) * radius / 1.8) ** 2))
        self._eosin[box] = self._eosin[box] * ring * (1 - fill) + 0.16 * fill
        below = self._hematoxylin[box] * (1 - 0.75 * fill) * ring
        self._hematoxylin[box] = below + 0.8 * stain * fill

    def develop(self) -> NDArray[np.uint8]:
        """Return the scanner's picture, (H, W, 3)."""
        from scipy import ndimage

        rng = self._rng
        picture = np.empty((*self._shape, 3), np.uint8)
        # Batches of stain differ.
        strength, hue = 0.92 + 0.2 * rng.random(2), 0.35 + 0.55 * rng.random()
        vectors = [(1 - hue) * one + hue * other for one, other in (HEMATOXYLIN, EOSIN)]
        stains = [self._hematoxylin * strength[0], self._eosin * strength[1]]
        thickness = 1 + 0.06 * smooth_noise(stains[0].shape, 90, rng)
        for channel, glass in enumerate((243, 241, 245)):
            density = sum(v[channel] * stain for v, stain in zip(vectors, stains, strict=True))
            density = density * thickness
            light = glass * 10 ** -ndimage.gaussian_filter(density, 0.75)
            light = light[PAD:-PAD, PAD:-PAD] + 1.3 * rng.standard_normal(self._shape)
            picture[..., channel] = np.clip(np.rint(light), 0, 255)
        return picture


def _step(x: Floats, width: float) -> Floats:
    """Rise smoothly from 0 to 1 around x = 0."""
    return np.asarray(0.5 + 0.5 * np.tanh(x / width))


def _fibres(shape: tuple[int, int], angle: float, rng: Generator) -> tuple[Floats, Floats]:
    """Return wavy strands of collagen, fine and broad, along one direction."""
    from scipy import ndimage

    bend = 14 * smooth_noise(shape, 48, rng) + 1.5 * smooth_noise(shape, 9, rng)
    ys, xs = np.arange(shape[0])[:, None], np.arange(shape[1])[None]
    along = (xs * math.cos(angle) + ys * math.sin(angle)) / 14
    across = ys * math.cos(angle) - xs * math.sin(angle) + bend
    strands = [
        ndimage.map_coordinates(sheet, [across / step, along], order=1, mode="grid-wrap")
        for step, sheet in (
            (1.0, smooth_noise((512, 512), 1.6, rng)),
            (2.2, smooth_noise((512, 512), 2.2, rng)),
        )
    ]
    return strands[0], strands[1]
