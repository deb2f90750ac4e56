"""Measures against scikit-image's, mask by mask."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from skimage.measure import regionprops_table
from strategies import masks

from napari_nuclei.masks import Mask
from napari_nuclei.masks.measure import measure

SHAPE = (11, 12)
NAMES = [
    "bbox", "centroid", "area", "area_convex", "perimeter", "equivalent_diameter_area",
    "axis_major_length", "axis_minor_length", "eccentricity", "solidity", "extent",
    "intensity_mean", "intensity_min", "intensity_max", "intensity_std",
]  # fmt: skip


def expected(mask: Mask, image: NDArray[np.float64]) -> dict[str, float]:
    canvas = np.zeros(SHAPE, np.uint8)
    mask.paint(canvas, 1)
    found = regionprops_table(canvas, image, properties=[*NAMES, "orientation"])
    return {name: float(values[0]) for name, values in found.items()}


@pytest.mark.filterwarnings("ignore::RuntimeWarning", "ignore::UserWarning")
@given(of=st.lists(masks(SHAPE), min_size=1, max_size=3), channels=st.sampled_from([None, 1, 3]))
def test_as_regionprops(of: list[Mask], channels: int | None) -> None:
    size = SHAPE if channels is None else (*SHAPE, channels)
    image = np.random.default_rng(1).uniform(0, 9, size)
    found = measure(of, image)
    for k, mask in enumerate(of):
        wanted = expected(mask, image)
        angle = wanted.pop("orientation")
        assert {name: pytest.approx(float(found[name][k])) for name in wanted} == wanted
        turned = abs(angle - float(found["orientation"][k])) % np.pi
        if wanted["axis_major_length"] > 1.001 * wanted["axis_minor_length"]:
            assert min(turned, np.pi - turned) < 1e-6


def test_nothing() -> None:
    found = measure([], np.zeros((4, 4, 2)))
    assert all(len(values) == 0 for values in found.values())
    assert "intensity_mean-1" in found
