"""Prompts on a small network with random weights: boxes, clicks and readings anywhere."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch
from tiny import CARD, disc, network, picture

from napari_nuclei.errors import EditError
from napari_nuclei.masks import Mask
from napari_nuclei.models.maskrcnn_detector import MaskRCNNDetector
from napari_nuclei.models.prompting import Judged
from napari_nuclei.nuclei import Nuclei, Nucleus
from napari_nuclei.progress import result_of
from napari_nuclei.prompts.feature_cache import FeatureCache, Identity
from napari_nuclei.prompts.pointing import looking_closer
from napari_nuclei.prompts.prompter import CELLS, LOOK, NEAR, Prompter
from napari_nuclei.prompts.prompts import alternatives_of, at_point, in_box, others_in_box

DETECTOR = MaskRCNNDetector(network(), CARD, torch.device("cpu"))
IMAGE = np.random.default_rng(5).integers(0, 255, (90, 110), np.uint8)


@pytest.fixture(scope="module")
def prompter() -> Prompter:
    return Prompter(IMAGE, DETECTOR, 15, identity=Identity())


# -- boxes ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "box",
    [
        (40, 50, 58, 66),
        (-5.5, -3, 11.2, 12),
        (80, 100, 95, 120),
        (30, 40, 31, 41),
        (30.2, 40.4, 30.9, 41),
        (0, 0, 0.5, 0.5),
        (89, 109, 90, 110),
    ],
    ids=["inside", "upper left", "lower right", "one pixel", "less", "corner", "last pixel"],
)
def test_a_box_gives_a_nucleus_that_fills_it(prompter: Prompter, box: tuple[float, ...]) -> None:
    seen = in_box(prompter, box)
    y0, x0, y1, x1 = seen.mask.box
    assert 0 <= y0 < y1 <= 90
    assert 0 <= x0 < x1 <= 110
    room = 1 + 0.2 * max(box[2] - box[0], box[3] - box[1])
    assert y0 >= box[0] - room
    assert x0 >= box[1] - room
    assert y1 <= box[2] + room
    assert x1 <= box[3] + room
    inside = [max(0, box[0]), max(0, box[1]), min(90, box[2]), min(110, box[3])]
    assert seen.mask.area >= 0.3 * (inside[2] - inside[0]) * (inside[3] - inside[1])


@pytest.mark.parametrize(
    ("box", "words"),
    [
        ((95, 10, 99, 20), "outside the image"),
        ((-9, -9, 0, 0), "outside the image"),
        ((10, 10, 10, 20), "outside the image"),
        ((0, 0, 90, 130), "far larger than a nucleus"),
    ],
)
def test_boxes_that_make_no_sense(box: tuple[float, ...], words: str) -> None:
    small = Prompter(IMAGE, DETECTOR, 11, identity=Identity())
    with pytest.raises(EditError, match=words):
        in_box(small, box)


class Aslant:
    """A detector that sees a long nucleus, which lies aslant, in any box."""

    card, stride, margin = CARD, 32, 64

    def encode(self, tile: np.ndarray) -> np.ndarray:
        return tile

    def judge(self, encoded: object, boxes: np.ndarray) -> Judged:
        return Judged(boxes, np.full(len(boxes), 0.5, np.float32), boxes)

    def soft_masks(self, encoded: object, boxes: np.ndarray) -> np.ndarray:
        y, x = np.mgrid[-1:1:28j, -1:1:28j]
        return np.where(np.abs(y - x) < 0.5, 160, 95).astype(np.uint8)[None].repeat(len(boxes), 0)


def test_a_box_around_a_nucleus_that_lies_aslant() -> None:
    aslant = Prompter(IMAGE, Aslant(), 20, identity=Identity())  # type: ignore[arg-type]
    box = (30, 40, 60, 70)
    for seen in (in_box(aslant, box), others_in_box(aslant, box)["an ellipse that leans"]):
        assert seen.mask.contains(35, 45)
        assert seen.mask.contains(55, 65)
        assert not seen.mask.contains(35, 65)
        assert not seen.mask.contains(55, 45)
    upright = others_in_box(aslant, box)["the ellipse in the box"].mask.to_array()
    np.testing.assert_array_equal(upright, upright[:, ::-1])


# -- clicks -----------------------------------------------------------------------------


@pytest.mark.parametrize("point", [(45.5, 50.5), (0.5, 60), (30, 109.5)])
def test_a_click_gives_a_nucleus_that_holds_it(
    prompter: Prompter, point: tuple[float, float]
) -> None:
    seen = at_point(prompter, *point)
    assert seen.mask.contains(int(point[0]), int(point[1]))


@pytest.mark.parametrize("point", [(-0.1, 5), (5, 110), (90, 5), (1e9, -1e9)])
def test_a_click_outside_of_the_image(prompter: Prompter, point: tuple[float, float]) -> None:
    with pytest.raises(EditError, match="outside the image"):
        at_point(prompter, *point)


def test_a_click_on_a_nucleus_asks_for_another(prompter: Prompter) -> None:
    first = at_point(prompter, 45.5, 50.5).mask
    there = Nuclei((90, 110), [Nucleus(1, first)])
    assert at_point(prompter, 45.5, 50.5, there).mask.iou(first) < 0.9


# -- closer looks -----------------------------------------------------------------------


@pytest.mark.parametrize("diameter", [7.3, 11.0, 20.0, 31.7])
@pytest.mark.parametrize("place", [(250.0, 250.0), (251.4, 249.7), (0.0, 499.0), (-30.0, 900.0)])
def test_a_look_is_no_larger_than_it_has_to_be(diameter: float, place: tuple[float, float]) -> None:
    """A px too many would be padded to the network's next stride, at nearly twice the price."""
    wide = Prompter(np.zeros((500, 500), np.uint8), DETECTOR, CARD.diameter, identity=Identity())
    whole = wide.look(*place, diameter)
    assert max(whole.encoded.size) <= LOOK
    assert max(wide.look(*place, diameter, fits=diameter).encoded.size) <= NEAR
    assert wide.look(*place, diameter, fits=4 * diameter) is whole


# -- tiles ------------------------------------------------------------------------------


def test_prompts_on_the_lines_between_tiles() -> None:
    """An image of four tiles: whatever answers, the answer lies where it was asked for."""
    noise = np.random.default_rng(0).integers(0, 255, (700, 700), np.uint8)
    wide = Prompter(noise, DETECTOR, CARD.diameter, identity=Identity())
    assert len(wide.tiles) == 4
    line = wide.tiles[0].core[2]
    for y, x in [(line, line), (line - 0.01, 300), (300, line + 3.9), (699.5, 699.5)]:
        half = CARD.diameter / 2
        seen = in_box(wide, (y - half, x - half, y + half, x + half))
        middle = seen.mask.centroid
        assert abs(middle[0] - min(y, 699)) < half
        assert abs(middle[1] - min(x, 699)) < half
        tile = wide.tiles[wide.place_of((y, x, y, x))]
        assert tile.core[0] <= y < tile.core[2]
        assert tile.core[1] <= x < tile.core[3]


def test_boxes_of_many_tiles_are_answered_in_their_order() -> None:
    rng = np.random.default_rng(1)
    noise = rng.integers(0, 255, (700, 700), np.uint8)
    wide = Prompter(noise, DETECTOR, CARD.diameter, identity=Identity())
    corners = rng.uniform(0, 660, (12, 2))
    boxes = np.concatenate([corners, corners + 30], 1).astype(np.float32)
    together = wide.judge(boxes)
    one = np.concatenate([wide.judge([box]).scores for box in boxes])
    np.testing.assert_allclose(together.scores, one, atol=1e-5)
    assert (np.abs(together.boxes - boxes).max(1) < 60).all()
    softs = wide.soft_masks(boxes)
    assert all(
        touching(soft.at_level(0.0).box, box) for soft, box in zip(softs, boxes, strict=True)
    )


def touching(a: tuple[int, ...], b: np.ndarray) -> bool:
    return bool(a[0] <= b[2] and b[0] <= a[2] and a[1] <= b[3] and b[1] <= a[3])


def test_what_clicks_will_look_at_is_computed_ahead_where_that_is_not_much() -> None:
    image = np.random.default_rng(2).integers(0, 255, (700, 900), np.uint8)
    one = Prompter(image, DETECTOR, CARD.diameter, identity=Identity())
    result_of(looking_closer(one, (0, 0, 700, 900)))
    assert len(one.cache) == 0, "the whole image is too much"
    result_of(looking_closer(one, (300, 400, 340, 440)))
    assert 1 <= len(one.cache) <= CELLS
    one_look = one.cache.nbytes // len(one.cache)
    result_of(one.prepare((300, 400, 340, 440)))
    kept = len(one.cache)
    for y, x in ((300, 400), (320.5, 420.5), (339, 439)):
        at_point(one, y, x)
    assert len(one.cache) == kept, "a click has looked elsewhere"
    cache = FeatureCache(4 * one_look)
    small = Prompter(image, DETECTOR, CARD.diameter, cache, identity=Identity())
    for _ in looking_closer(small, (300, 400, 340, 440)):
        assert small.cache.nbytes <= small.cache.bound
    assert 1 <= len(small.cache) <= 3


# -- the cache --------------------------------------------------------------------------


def test_prompts_share_what_was_computed() -> None:
    cache = FeatureCache()
    calls = []

    class Counting(MaskRCNNDetector):
        def encode(self, tile):  # type: ignore[no-untyped-def]
            calls.append(tile.shape)
            return super().encode(tile)

    detector = Counting(network(), CARD, torch.device("cpu"))
    own = Identity()
    one = Prompter(IMAGE, detector, 15, cache, identity=own)
    result_of(one.prepare())
    assert len(calls) == len(one.tiles) == 1
    alternatives_of(one, Nuclei((90, 110), [Nucleus(1, disc(45, 50, 15))]), 1)
    Prompter(IMAGE, detector, 15, cache, identity=own).judge([(1, 1, 9, 9)])
    assert len(calls) == 1
    for number, (diameter, identity) in enumerate(
        [(18, own), (15, own.of("another plane")), (15, Identity()), (15, Identity())], 2
    ):
        Prompter(IMAGE, detector, diameter, cache, identity=identity).judge([(1, 1, 9, 9)])
        assert len(calls) == number


def test_no_image_gets_the_features_of_another() -> None:
    """Four share a cache; one is let go and another takes its place, often at its very address."""
    rng = np.random.default_rng(7)
    images = [rng.integers(0, 255, (90, 110), np.uint8) for _ in range(6)]
    box = [(20, 30, 44, 50)]
    alone = [
        Prompter(image, DETECTOR, 15, identity=Identity()).judge(box).features for image in images
    ]
    assert min(np.abs(a - b).max() for a, b in pairwise(alone)) > 0
    cache = FeatureCache()

    def prompter(number: int) -> tuple[int, Prompter]:
        return number, Prompter(images[number], DETECTOR, 15, cache, identity=Identity())

    living = [prompter(number) for number in range(4)]
    for step in range(24):
        for number, one in living:
            np.testing.assert_array_equal(one.judge(box).features, alone[number])
        del one
        del living[step % 4]
        living.insert(step % 4, prompter((step + 5) % 6))


def test_an_image_must_have_an_identity() -> None:
    with pytest.raises(TypeError, match="identity"):
        Prompter(IMAGE, DETECTOR, 15, FeatureCache())  # type: ignore[call-arg]


def test_the_cache_stays_below_its_bound_and_looking_ahead_ends_there() -> None:
    rng = np.random.default_rng(2)
    image = rng.integers(0, 255, (700, 1300), np.uint8)
    one = Prompter(image, DETECTOR, CARD.diameter, identity=Identity())
    size = one.window(one.tiles[0]).nbytes
    bound = int(3.5 * size)
    small = Prompter(image, DETECTOR, CARD.diameter, FeatureCache(bound), identity=Identity())
    assert len(small.tiles) > 4
    for _ in small.prepare():
        assert small.cache.nbytes <= bound
    kept = len(small.cache)
    assert 1 <= kept <= 3
    result_of(small.prepare((0, 0, 40, 40)))
    for y in range(0, 700, 90):
        in_box(small, (y, y, y + 20, y + 20))
        assert small.cache.nbytes <= bound


# -- other readings ---------------------------------------------------------------------


def test_other_readings_are_other_and_lie_there() -> None:
    discs = [disc(40, 40, 22), disc(40, 58, 22)]
    prompter = Prompter(picture((90, 110), discs), DETECTOR, 15, identity=Identity())
    nuclei = Nuclei((90, 110), [Nucleus(1, Mask.union_of(discs)), Nucleus(2, disc(70, 90, 12))])
    found = alternatives_of(prompter, nuclei, 1)
    values = [r.value for r in found]
    assert values == sorted(values, reverse=True)
    for alternative in found:
        assert alternative.ids[0] == 1
        assert all(s.mask.overlap(nuclei[1].mask) for s in alternative.seen)
        assert all(s.mask.iou(nuclei[1].mask) < 0.8 for s in alternative.seen)
        for k, one in enumerate(alternative.seen):
            assert not any(one.mask.overlap(other.mask) for other in alternative.seen[:k])
