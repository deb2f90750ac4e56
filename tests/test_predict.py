"""From tiles to nuclei: whole, once, at the right size and place, whatever the image."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from tiny import CARD, DiscDetector, disc, network, picture
from torch.nn import functional as F

from napari_nuclei.masks import Mask
from napari_nuclei.models import Detections
from napari_nuclei.models.maskrcnn_detector import MaskRCNNDetector
from napari_nuclei.prediction import predict, tiling
from napari_nuclei.prediction.diameter import estimate_diameter
from napari_nuclei.prediction.pasting import paste
from napari_nuclei.prediction.predict import segment
from napari_nuclei.prediction.resampling import resample
from napari_nuclei.prediction.tiles import GROWN, cut
from napari_nuclei.progress import Progress, result_of

# -- tiles ------------------------------------------------------------------------------


@given(
    st.integers(1, 900),
    st.integers(1, 900),
    st.sampled_from([(96, 16, 8), (128, 32, 32), (250, 100, 16), (400, 3, 1)]),
)
def test_tiles_cover_the_image(height: int, width: int, sizes: tuple[int, int, int]) -> None:
    side, margin, stride = sizes
    owners = np.zeros((height + 1, width + 1), int)  # a centre may lie on the last edge
    for tile in cut((height, width), side, margin, stride):
        (y0, x0, y1, x1), core = tile.box, tile.core
        assert 0 <= y0 < y1 <= height
        assert 0 <= x0 < x1 <= width
        assert max(y1 - y0, x1 - x0) <= side
        assert y0 % stride == x0 % stride == 0
        # What is centred in the core has its margin, but for the few px that cores are grown.
        assert y0 <= max(0, core[0] + GROWN - margin)
        assert x0 <= max(0, core[1] + GROWN - margin)
        assert y1 >= min(height, core[2] - GROWN + margin)
        assert x1 >= min(width, core[3] - GROWN + margin)
        local = tile.local_core
        assert (local[0] + y0, local[1] + x0, local[2] + y0, local[3] + x0) == core
        owners[max(0, core[0]) : core[2], max(0, core[1]) : core[3]] += 1
    assert owners.min() == 1
    assert owners.max() <= 4


def test_a_small_image_is_one_tile() -> None:
    (tile,) = cut((100, 128), 128, 40, 32)
    assert tile.box == (0, 0, 100, 128)


def test_tiles_too_small_for_their_margin() -> None:
    with pytest.raises(ValueError, match="too small for a margin"):
        cut((300, 300), 100, 48, 32)


def scattered(shape: tuple[int, int], diameter: float, seed: int = 0) -> list[Mask]:
    """Discs that do not touch, at places that have nothing to do with tile lines."""
    rng = np.random.default_rng(seed)
    pitch = 1.7 * diameter
    rows, cols = (int((n - diameter) // pitch) for n in shape)
    return [
        disc(diameter + pitch * i + rng.uniform(-3, 3), diameter + pitch * j + rng.uniform(-3, 3),
             diameter * rng.uniform(0.8, 1.1))
        for i in range(rows) for j in range(cols)
    ]  # fmt: skip


def test_nuclei_on_tile_lines_come_out_whole_and_once(monkeypatch: pytest.MonkeyPatch) -> None:
    shape = (400, 430)
    truth = scattered(shape, 26)
    image = picture(shape, truth)
    whole = segment(image, DiscDetector(), 26).found
    monkeypatch.setattr(tiling, "TILE", 192)
    detector = DiscDetector()
    tiled = segment(image, detector, 26).found
    assert len(detector.tiles) >= 9
    assert max(max(size) for size in detector.tiles) <= 192
    assert len(tiled) == len(truth) == len(whole)
    assert {m for m, _ in tiled} == {m for m, _ in whole}


def test_progress_counts_tiles_and_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tiling, "TILE", 192)
    shape = (300, 100)
    detector = DiscDetector()
    steps = list(predict.segment_steps(picture(shape, scattered(shape, 26)), detector, 26))
    assert all(isinstance(s, Progress) for s in steps)
    tiles = len(detector.tiles)
    assert tiles > 1
    assert [(s.done, s.total) for s in steps[1:]] == [(i, tiles) for i in range(tiles + 1)]


# -- pasting ----------------------------------------------------------------------------


@given(
    hnp.arrays(np.uint8, (28, 28)),
    st.tuples(st.floats(-20, 40), st.floats(-20, 40), st.floats(0.5, 60), st.floats(0.5, 60)),
    st.sampled_from([(1.0, 1.0), (0.5, 0.5), (2.0, 1.7)]),
)
def test_pasting_is_bilinear_sampling(
    soft: np.ndarray[Any, np.dtype[np.uint8]],
    place: tuple[float, float, float, float],
    zoom: tuple[float, float],
) -> None:
    shape = (41, 47)
    x0, y0, width, height = (np.float32(v) for v in place)
    box = np.array([[x0, y0, x0 + width, y0 + height]], np.float32)
    x0, y0, x1, y1 = (box[0] / [zoom[1], zoom[0], zoom[1], zoom[0]]).tolist()
    y, x = np.mgrid[: shape[0], : shape[1]] + 0.5
    inside = (y >= y0) & (y <= y1) & (x >= x0) & (x <= x1)
    grid = np.stack([(x - x0) / (x1 - x0), (y - y0) / (y1 - y0)], -1) * 2 - 1
    values = F.grid_sample(
        torch.from_numpy(soft).double()[None, None], torch.from_numpy(grid)[None],
        padding_mode="border", align_corners=False,
    )[0, 0].numpy()  # fmt: skip
    got = np.zeros(shape, bool)
    for mask, score in paste(Detections(box, np.float32([0.5]), soft[None]), zoom, shape, 0.5):
        assert score == 0.5
        mask.paint(got, True)
    at_the_edge = np.minimum.reduce([abs(y - y0), abs(y - y1), abs(x - x0), abs(x - x1)]) < 1e-3
    clear = (abs(values - 127.5) > 0.05) & ~at_the_edge
    np.testing.assert_array_equal(got[clear], (inside & (values >= 127.5))[clear])


def test_what_has_no_pixels_is_dropped() -> None:
    boxes = np.array([[2, 2, 9, 9], [50, 2, 60, 9], [3.6, 3.6, 4.4, 4.4]], np.float32)
    masks = np.zeros((3, 28, 28), np.uint8)
    masks[1:] = 255
    found = paste(Detections(boxes, np.float32([0.9, 0.8, 0.7]), masks), (1, 1), (20, 20), 0.5)
    assert found == []


# -- scale ------------------------------------------------------------------------------


@pytest.mark.parametrize("zoom", [0.5, 0.77, 1, 1.6, 2.5, 4])
def test_a_disc_comes_back_at_its_own_size(zoom: float) -> None:
    diameter = 28 / zoom
    side = int(5 * diameter) + 7
    truth = [disc(1.3 * diameter, 1.4 * diameter, diameter),
             disc(3.2 * diameter, 3.4 * diameter, 0.8 * diameter)]  # fmt: skip
    detector = DiscDetector(28)
    found = segment(picture((side, side + 3), truth), detector, diameter)
    assert found.diameter == diameter
    assert detector.tiles[0][0] == pytest.approx(side * zoom, abs=1)
    assert len(found.found) == 2
    for mask in truth:
        assert max(mask.iou(other) for other, _ in found.found) > 0.9


@pytest.mark.parametrize("zoom", [0.01, 0.3, 1.0, 2.0, 100.0])
def test_resampling(zoom: float) -> None:
    rng = np.random.default_rng(0)
    for pixels in (rng.random((20, 30, 3), np.float32), np.full((20, 30, 3), 0.4, np.float32)):
        pixels.flags.writeable = False  # as `normalize` returns it for RGB
        out = resample(pixels, zoom)
        used = min(max(zoom, 0.1), 4)
        assert out.shape == (round(20 * used), round(30 * used), 3)
        assert out.dtype == np.float32
        assert out.mean() == pytest.approx(pixels.mean(), abs=0.03)
        assert out.min() >= pixels.min() - 1e-6
        assert out.max() <= pixels.max() + 1e-6


@pytest.mark.parametrize("factor", [0.5, 0.7, 1.0, 1.5, 2.0])
def test_the_diameter_is_estimated(factor: float) -> None:
    diameter = 26 * factor
    shape = (int(9 * diameter), int(9 * diameter))
    image = picture(shape, scattered(shape, diameter, 1)) / np.float32(200)
    pixels = np.repeat(image[..., None], 3, -1).astype(np.float32)
    # Like a network it misses what is far from the size that it was trained on.
    detector = DiscDetector(26, sees=(0.4 * 26, 2.5 * 26))
    assert result_of(estimate_diameter(pixels, detector)) == pytest.approx(0.95 * diameter, rel=0.1)


@pytest.mark.parametrize("factor", [0.3, 3.0])
def test_the_diameter_is_estimated_where_the_first_look_shows_nothing(factor: float) -> None:
    diameter = 26 * factor
    shape = (int(7 * diameter), int(7 * diameter))
    image = picture(shape, scattered(shape, diameter, 1)) / np.float32(200)
    pixels = np.repeat(image[..., None], 3, -1).astype(np.float32)
    detector = DiscDetector(26, sees=(0.45 * 26, 2.2 * 26))
    assert result_of(estimate_diameter(pixels, detector)) == pytest.approx(0.95 * diameter, rel=0.2)


def test_without_nuclei_the_diameter_is_the_models() -> None:
    assert result_of(estimate_diameter(np.zeros((60, 60, 3), np.float32), DiscDetector(26))) == 26


# -- odd images, with a real network ----------------------------------------------------


@pytest.fixture(scope="module")
def detector() -> MaskRCNNDetector:
    return MaskRCNNDetector(network(), CARD, torch.device("cpu"))


@pytest.mark.parametrize(
    "image",
    [
        np.full((40, 50), 7, np.uint8),
        np.zeros((1, 1), np.uint8),
        np.ones((1, 1, 3), np.float32),
        np.zeros((1, 90), np.uint16),
        np.full((30, 30), np.nan, np.float32),
        np.full((30, 30, 3), np.inf, np.float64),
        np.where(np.eye(40) > 0, np.nan, np.random.default_rng(0).random((40, 40))),
    ],
    ids=["constant", "1x1", "1x1 RGB", "a line", "NaN", "inf", "some NaN"],
)
@pytest.mark.parametrize("diameter", [None, 11.0])
def test_odd_images(
    detector: MaskRCNNDetector, image: np.ndarray[Any, Any], diameter: float | None
) -> None:
    prediction = segment(image, detector, diameter)
    height, width = image.shape[:2]
    assert prediction.diameter > 0
    for mask, score in prediction.found:
        assert mask.area > 0
        assert mask.clip((height, width)) == mask
        assert 0.05 <= score <= 1
    scores = [score for _, score in prediction.found]
    assert scores == sorted(scores, reverse=True)
