"""Paths of ImageJ's composite ROIs, as java.awt.geom.PathIterator gives them → rings of corners."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

MOVE, LINE, QUADRATIC, CUBIC, CLOSE = range(5)
"""The steps of a path, as PathIterator numbers them."""

POINTS = {MOVE: 1, LINE: 1, QUADRATIC: 2, CUBIC: 3, CLOSE: 0}
"""How many points follow each."""

PIECES = 16
"""Straight pieces that stand for a curve: of an arc of 100 px, they are less than 0.2 px off."""

Floats = NDArray[np.float64]


def rings_of(path: Sequence[float]) -> list[Floats]:
    """Follow a path.

    Parameters
    ----------
    path : sequence of float
        Steps, each followed by the coordinates x, y of its points.

    Returns
    -------
    list of (N, 2) array
        Corners of each ring.

    Raises
    ------
    ValueError
        If it is no such path.
    """
    rings: list[list[Floats]] = []
    at = 0
    while at < len(path):
        step = int(path[at])
        if step not in POINTS:
            raise ValueError(f"unknown step {path[at]}")
        end = at + 1 + 2 * POINTS[step]
        points = np.array(path[at + 1 : end], float).reshape(POINTS[step], 2)
        at = end
        if step == MOVE:
            rings.append([points])
        elif not rings:
            raise ValueError("a path begins with a move")
        elif step == CLOSE:
            rings.append([rings[-1][0][:1]])  # what follows goes on from its first corner
        else:
            last = rings[-1][-1][-1]
            rings[-1].append(points if step == LINE else _curve([last, *points]))
    joined = (np.concatenate(parts) for parts in rings)
    return [ring for ring in joined if len(ring) > 2]


def _curve(points: list[Floats]) -> Floats:
    """Return points along a Bézier curve, without its first one."""
    t = np.linspace(0, 1, PIECES + 1)[1:, None]
    while len(points) > 1:  # de Casteljau, for all t at once
        points = [(1 - t) * a + t * b for a, b in pairwise(points)]
    return points[0]
