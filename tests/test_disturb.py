"""Images made worse on purpose, and masks brought back to their size."""

from __future__ import annotations

import numpy as np
import pytest

from napari_nuclei.learn.disturb import CHANGES, PLAIN, disturb, resized
from napari_nuclei.masks import Mask


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("shape", [(40, 60), (40, 60, 3)])
def test_changes_are_the_same_every_time(change: str, shape: tuple[int, ...]) -> None:
    pixels = np.random.default_rng(0).integers(0, 255, shape, dtype=np.uint8)
    once = disturb(pixels, change, "a")
    assert once.dtype == np.uint8
    zoom = CHANGES[change].zoom
    assert once.shape == (round(40 * zoom), round(60 * zoom), *shape[2:])
    assert (once == disturb(pixels, change, "a")).all()
    assert (once.shape == pixels.shape and (once == pixels).all()) == (change == PLAIN)
    assert (once == disturb(pixels, change, "b")).all() == (change != "noise")


def test_gray_stays_gray_and_other_types_are_stretched() -> None:
    gray = np.repeat(np.arange(64, dtype=np.uint8).reshape(8, 8, 1), 3, 2)
    for change in CHANGES:
        out = disturb(gray, change, "a")
        assert (out == out[..., :1]).all(), change
    wide = np.array([[100, 300], [200, 500]], np.uint16)
    assert disturb(wide, PLAIN, "a").tolist() == [[0, 128], [64, 255]]
    assert disturb(np.full((2, 2), np.nan), PLAIN, "a").tolist() == [[0, 0], [0, 0]]


@pytest.mark.parametrize("now", [(60, 90), (15, 22), (31, 44), (30, 45)])
def test_masks_follow_the_size_of_their_image(now: tuple[int, int]) -> None:
    was = (30, 45)
    image = np.zeros(was, bool)
    mask = Mask.from_array(np.hypot(*np.mgrid[-7:8, -7:8]) <= 7, 5, 13)
    mask.paint(image, True)
    rows, cols = (((np.arange(n) + 0.5) * w / n).astype(int) for n, w in zip(now, was, strict=True))
    assert resized(mask, was, now) == Mask.from_array(image[np.ix_(rows, cols)])
    assert not resized(Mask(), was, now)
