"""Outlines: exact there and back, valid polygons, sub-pixel rings by their pixels' centres."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from skimage.draw import polygon as draw_polygon
from strategies import masks, pixels

from napari_nuclei.masks import Mask, outlines
from napari_nuclei.masks.outlines import Rings

SHAPE = (11, 12)


@given(of=st.lists(masks(SHAPE, empty=True), max_size=5))
def test_what_is_traced_fills_to_the_same_pixels(of: list[Mask]) -> None:
    rings = outlines.trace(of)
    assert outlines.fill(rings, len(of), SHAPE) == of
    areas = np.zeros(len(of))
    np.add.at(areas, rings.owner, rings.areas)
    assert areas.tolist() == [m.area for m in of]


@given(of=pixels(SHAPE))
def test_rings_are_simple_and_turn_at_each_corner(of: NDArray[np.bool_]) -> None:
    rings = outlines.trace([Mask.from_array(of)])
    for ring in np.split(rings.points, np.cumsum(rings.sizes)[:-1]):
        assert len({tuple(p) for p in ring.tolist()}) == len(ring)
        steps = np.roll(ring, -1, 0) - ring
        assert ((steps == 0).sum(1) == 1).all()
        assert (steps[:, 0].astype(bool) != np.roll(steps[:, 0], 1).astype(bool)).all()


@given(of=pixels(SHAPE))
def test_each_hole_lies_in_its_polygon(of: NDArray[np.bool_]) -> None:
    mask = Mask.from_array(of)
    (found,) = outlines.polygons(outlines.trace([mask]), 1)
    pieces = []
    for polygon in found:
        rings = Rings(
            np.array([p for ring in polygon for p in ring]),
            np.array([len(ring) for ring in polygon]),
            np.zeros(len(polygon), np.int64),
        )
        (piece,) = outlines.fill(rings, 1, SHAPE)
        assert piece.area == rings.areas.sum()  # holes lie inside, and apart from each other
        pieces.append(piece)
    assert sum(p.area for p in pieces) == mask.area
    assert Mask.union_of(pieces) == mask


def test_an_island_in_a_hole_is_a_polygon_of_its_own() -> None:
    rings = np.ones((9, 9), bool)
    rings[1:8, 1:8] = False
    rings[2:7, 2:7] = True
    rings[4, 4] = False
    (found,) = outlines.polygons(outlines.trace([Mask.from_array(rings)]), 1)
    assert sorted(sorted(len(ring) for ring in p) for p in found) == [[4, 4], [4, 4]]
    inner = min(found, key=lambda p: len(p[0]) and abs(p[0][0][0] - 2))
    assert [4, 4] in inner[1]


@pytest.mark.parametrize("seed", range(5))
def test_fractional_corners_take_the_pixels_whose_centres_lie_inside(seed: int) -> None:
    random = np.random.default_rng(seed)
    angles = np.sort(random.uniform(0, 2 * np.pi, 9))
    radius = random.uniform(3, 14, 9)
    corners = np.stack([12 + radius * np.cos(angles), 10 + radius * np.sin(angles)], 1)
    rings = Rings(corners, np.array([9]), np.zeros(1, np.int64))
    (mask,) = outlines.fill(rings, 1, (20, 25))  # some of it lies outside
    expected = np.zeros((20, 25), bool)
    expected[draw_polygon(corners[:, 1] - 0.5, corners[:, 0] - 0.5, expected.shape)] = True
    canvas = np.zeros_like(expected)
    mask.paint(canvas, True)
    assert (canvas == expected).all()


def test_nothing() -> None:
    assert outlines.fill(outlines.trace([]), 0, (5, 5)) == []
    assert outlines.fill(outlines.trace([Mask()]), 1, (5, 5)) == [Mask()]
    assert outlines.polygons(outlines.trace([Mask()]), 1) == [[]]
