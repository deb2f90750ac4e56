"""Suppression of masks that say again what a surer one has said."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from strategies import masks

from napari_nuclei.masks import Mask
from napari_nuclei.prediction.suppress import distinct

SHAPE = (32, 32)


def square(y: int, x: int, side: int) -> Mask:
    return Mask.from_array(np.ones((side, side)), y, x)


def test_a_part_of_a_surer_nucleus_goes():
    whole, part = square(10, 10, 12), square(14, 14, 4)
    assert distinct([(whole, 0.9), (part, 0.8)]) == [(whole, 0.9)]


def test_a_whole_around_a_surer_part_goes():
    whole, part = square(10, 10, 12), square(14, 14, 4)
    assert distinct([(part, 0.9), (whole, 0.8)]) == [(part, 0.9)]


def test_neighbours_that_overlap_a_little_stay():
    found = [(square(10, 10, 10), 0.9), (square(10, 16, 10), 0.8)]  # share four tenths
    assert distinct(found) == found


def test_the_limit_is_a_share_of_the_smaller_one():
    found = [(square(0, 0, 10), 0.9), (square(0, 3, 10), 0.8)]  # share seven tenths
    assert distinct(found, most=0.7) == found
    assert distinct(found, most=0.69) == found[:1]


@given(masks(SHAPE), masks(SHAPE))
def test_two_masks_are_kept_unless_one_lies_in_the_other(first: Mask, second: Mask):
    inside = first.overlap(second) > 0.7 * min(first.area, second.area)
    assert len(distinct([(first, 0.9), (second, 0.5)])) == (1 if inside else 2)
