"""The detector in two steps: what it computes of a tile, and what it answers of boxes."""

from __future__ import annotations

import numpy as np
import torch
from tiny import CARD, DiscDetector, network

from napari_nuclei.models.maskrcnn_detector import MaskRCNNDetector
from napari_nuclei.models.prompting import is_promptable

DETECTOR = MaskRCNNDetector(network(), CARD, torch.device("cpu"))
TILE = np.random.default_rng(3).random((70, 101, 3), np.float32)


def test_two_steps_find_what_one_finds() -> None:
    core = (10, 5, 50, 90)
    encoded = DETECTOR.encode(TILE)
    one, two = DETECTOR.detect(TILE, core), DETECTOR.read(encoded, core)
    assert len(one) > 5
    for name in ("boxes", "scores", "masks"):
        np.testing.assert_array_equal(getattr(one, name), getattr(two, name))


def test_boxes_are_judged_in_their_order_and_none_is_dropped() -> None:
    encoded = DETECTOR.encode(TILE)
    boxes = DETECTOR.proposals(encoded)
    twice = np.concatenate([boxes[::-1], boxes])
    judged = DETECTOR.judge(encoded, twice)
    assert len(judged) == len(twice) == len(judged.boxes) == len(judged.features)
    n = len(boxes)
    np.testing.assert_allclose(judged.scores[:n][::-1], judged.scores[n:], atol=1e-5)
    found = DETECTOR.read(encoded, low=0.0)
    best = judged.scores.argmax()
    np.testing.assert_allclose(found.scores[0], judged.scores[best], atol=1e-5)
    np.testing.assert_allclose(found.boxes[0], judged.boxes[best], atol=1e-3)


def test_masks_of_found_boxes_are_those_that_were_found() -> None:
    encoded = DETECTOR.encode(TILE)
    found = DETECTOR.read(encoded)
    soft = DETECTOR.soft_masks(encoded, found.boxes)
    assert soft.dtype == np.uint8
    assert np.abs(soft.astype(int) - found.masks).max() <= 1


def test_no_boxes_are_no_masks() -> None:
    encoded = DETECTOR.encode(TILE)
    none = np.zeros((0, 4), np.float32)
    assert len(DETECTOR.judge(encoded, none)) == len(DETECTOR.soft_masks(encoded, none)) == 0


def test_memory_is_counted() -> None:
    encoded = DETECTOR.encode(TILE)
    cells = sum(128 * 128 // s**2 for s in (4, 8, 16, 32))
    each = encoded.pyramid.rows.element_size()  # 2 bytes where the processor gains by them
    assert encoded.nbytes == each * 16 * cells + encoded.proposals.nbytes


def test_who_answers_prompts() -> None:
    assert is_promptable(DETECTOR)
    assert not is_promptable(DiscDetector())
