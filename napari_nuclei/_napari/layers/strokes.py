"""Strokes: what napari says of painted pixels, and the edits that it stands for."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import EditError
from ...images.planes import Plane
from ...nuclei import labels
from ...review import Review

Pixels = tuple[NDArray[np.int64], NDArray[np.int64]]
"""(N, ndim) coordinates, none twice, and (N,) values."""


class UnderWay:
    """A stroke while it is being painted: napari tells of its pixels at its end alone.

    Attributes
    ----------
    painted : float
        When it was last painted with, on the monotonic clock; 0 where there is none.
    """

    def __init__(self) -> None:
        self.painted = 0.0
        self._labels: dict[int, bool] = {}

    def note(self, review: Review, label: int) -> None:
        """Take note of a label: one that is new stays so, whoever takes its number meanwhile."""
        self.painted = time.monotonic()
        self._labels.setdefault(label, is_seen(review, label))

    def forget(self) -> set[int]:
        """End it; returns the labels that were new when it began."""
        new = {label for label, seen in self._labels.items() if not seen}
        self.painted, self._labels = 0.0, {}
        return new


def pixels_of(atoms: Sequence[Any]) -> Pixels:
    """Return the pixels that a paint event has changed, with their last values.

    Parameters
    ----------
    atoms : sequence
        Of napari's masked atoms (`slice_key`, `mask`, `new_value`) or, from
        `data_setitem`, 3-tuples of indices, old and new values.

    Notes
    -----
    Plain tuples among masked atoms are drawings of our own that fell into a stroke under way:
    they are left out.
    """
    drawn = [atom for atom in atoms if hasattr(atom, "slice_key")]
    parts = [_of_atom(atom) for atom in drawn or atoms]
    points = np.concatenate([p for p, _ in parts])
    values = np.concatenate([v for _, v in parts])
    # Of a pixel painted twice the last value holds, so the first of the reversed ones.
    _, last = np.unique(points[::-1], axis=0, return_index=True)
    last = len(points) - 1 - last
    return points[last], values[last]


def _of_atom(atom: Any) -> Pixels:
    if not hasattr(atom, "slice_key"):
        indices, _, new = atom
        points = np.stack([np.asarray(axis, np.int64).ravel() for axis in indices], 1)
        return points, np.broadcast_to(np.asarray(new, np.int64).ravel(), len(points))
    corner = [key.start for key in atom.slice_key]
    size = [key.stop - key.start for key in atom.slice_key]
    mask = np.ones(size, bool) if atom.mask is None else np.reshape(atom.mask, size)
    points = np.argwhere(mask) + corner
    return points, np.full(len(points), atom.new_value, np.int64)


def by_plane(pixels: Pixels) -> Iterator[tuple[Plane, Pixels]]:
    """Split pixels by the plane they lie in; their coordinates are then (y, x)."""
    points, values = pixels
    planes, where = np.unique(points[:, :-2], axis=0, return_inverse=True)
    for number, plane in enumerate(planes):
        here = where.ravel() == number
        yield tuple(plane.tolist()), (points[here, -2:], values[here])


def apply_pixels(review: Review, pixels: Pixels, name: str, new: Collection[int] = ()) -> None:
    """Make edits of painted pixels: one for each value painted, mostly a single one.

    An id that is not to be seen is taken as a new nucleus, and so is one of `new`: it was not
    when the stroke began. What changes nothing makes no edit.
    """
    points, values = pixels
    for value in np.unique(values).tolist():
        ys, xs = points[values == value].T
        taken = value in new and value in review.nuclei
        target = review.nuclei.next_id if taken else target_of(review, value)
        try:
            edit = labels.stroke(review.nuclei, ys, xs, target, name if target else "erase")
        except EditError:
            continue
        review.do(edit)


def target_of(review: Review, value: int) -> int:
    """Return the id that painting with a value goes to: ids are never used twice."""
    nuclei = review.nuclei
    if value <= 0:
        return 0
    if value >= nuclei.next_id or is_seen(review, value):
        return value
    return nuclei.next_id


def is_seen(review: Review, id: int) -> bool:
    """Whether there is such a nucleus and it is shown."""
    return id in review.nuclei and review.nuclei.is_shown(review.nuclei[id])


def differences(shown: NDArray[Any], planes: Iterable[tuple[Plane, NDArray[Any]]]) -> Pixels:
    """Return the pixels of a label array that differ from what its planes should be."""
    points: list[NDArray[np.int64]] = [np.zeros((0, shown.ndim), np.int64)]
    values: list[NDArray[np.int64]] = [np.zeros(0, np.int64)]
    for plane, expected in planes:
        ys, xs = np.nonzero(shown[plane] != expected)
        lead = np.broadcast_to(np.array(plane, np.int64), (len(ys), len(plane)))
        points.append(np.column_stack([lead, ys, xs]).astype(np.int64))
        values.append(np.asarray(shown[plane][ys, xs], np.int64))
    return np.concatenate(points), np.concatenate(values)
