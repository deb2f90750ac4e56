"""The figures of the table of experiments."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from napari_nuclei.formats.dataset import DataSet
from napari_nuclei.formats.results import Results
from napari_nuclei.learn.figures import (
    ALL,
    Answer,
    JudgedImage,
    ceilings,
    cross_fitted,
    judge,
    missed_by_size,
    precision_recall,
    reliability,
    worst,
)
from napari_nuclei.masks import Mask
from napari_nuclei.nuclei import ImageRecord, Nuclei, Nucleus


def seen(scores: list[float], right: list[bool], **more: Any) -> JudgedImage:
    values: dict[str, Any] = {
        "image": ImageRecord(1, "a.png", 9, 9),
        "top": (0, 0),
        "sizes": np.array([]),
        "found": np.array([], bool),
        "shown": np.array([], bool),
        "seconds": 1.0,
        "diameter": 1.0,
    }
    return JudgedImage(
        scores=np.array(scores, float), right=np.array(right, bool), **{**values, **more}
    )


def test_figures_of_a_crowded_image() -> None:
    masks = [
        Mask.from_array(np.ones((4, 4)), y, x) for y in range(0, 60, 5) for x in range(0, 50, 5)
    ]
    shape = (60, 60)
    image = ImageRecord(7, "a.png", *shape)
    truth = DataSet([image], {7: Nuclei(shape, (Nucleus(k, m) for k, m in enumerate(masks, 1)))})
    # Of the 100 surest, 20 are wrong; 30 more are right, ten of them below the threshold.
    wrong = [Mask.from_array(np.ones((2, 2)), y, 56) for y in range(0, 60, 3)]
    found = [(m, 0.9) for m in wrong] + [(m, 0.8) for m in masks[:80]]
    found += [(m, 0.7) for m in masks[80:100]] + [(m, 0.3) for m in masks[100:110]]
    answer = Answer(Results({7: found}, {7: shape}), {7: 2.0}, {7: 9.0}, zoom=2.0)
    judged = judge(truth, answer, 0.5, ceilings(truth))
    row = judged.figures[ALL]
    assert row["precision_top100"] == pytest.approx(0.8)
    assert row["ap50_max100_ceiling"] == pytest.approx(84 / 101)
    assert row["precision50"] == pytest.approx(100 / 120)
    assert row["recall50"] == pytest.approx(100 / 120)
    assert row["seconds"] == 2
    assert row["diameter_ratio"] == pytest.approx(4.5 / (8 / np.sqrt(np.pi)))
    assert row["diameter_near"] == 1
    assert row["calibration_error_first_half"] is None
    one = judged.seen[0]
    assert one.f1 == pytest.approx(100 / 120)
    assert (one.found.sum(), one.right.sum()) == (100, 110)


def test_the_surest_count_only_where_there_are_enough_nuclei() -> None:
    mask = Mask.from_array(np.ones((4, 4)))
    truth = DataSet([ImageRecord(1, "a.png", 9, 9)], {1: Nuclei((9, 9), [Nucleus(1, mask)])})
    answer = Answer(Results({1: [(mask, 0.9)]}, {1: (9, 9)}))
    row = judge(truth, answer, 0.5, ceilings(truth)).figures[ALL]
    assert row["f1_50"] == 1
    assert row["precision_top100"] is None
    assert row["seconds"] is None
    assert row["diameter_ratio"] is None
    assert row["ap50_max100_ceiling"] == pytest.approx(1)


def test_cross_fitting_mends_scores_that_are_too_sure() -> None:
    rng = np.random.default_rng(1)
    images = []
    for id in range(8):
        honest = rng.uniform(0.05, 0.95, 300)
        too_sure = 1 / (1 + (1 / honest - 1) ** 2 * 0.3)
        images.append(
            seen(list(too_sure), list(rng.random(300) < honest), image=ImageRecord(id, "a", 9, 9))
        )
    as_shipped = max(abs(m - s) for m, s, _ in zip(*reliability(images), strict=True))
    first, second = cross_fitted(images)
    assert as_shipped > 0.15
    assert first is not None
    assert second is not None
    assert first != second
    assert max(first, second) < 0.05


def test_curves() -> None:
    images = [
        seen([0.9, 0.5], [True, False], sizes=np.array([5.0, 20.0]), found=np.array([True, False])),
        seen([0.7], [True], sizes=np.array([6.0]), found=np.array([False])),
    ]
    recall, precision = precision_recall(images)
    assert recall == pytest.approx([1 / 3, 2 / 3, 2 / 3])
    assert precision == pytest.approx([1, 1, 2 / 3])
    mean, share, count = reliability(images)
    assert mean == pytest.approx([0.5, 0.7, 0.9])
    assert share == pytest.approx([0, 1, 1])
    assert count.tolist() == [1, 1, 1]
    missed, number = missed_by_size(images, np.array([0.0, 10, 30, 40]))
    assert missed == pytest.approx([0.5, 1, np.nan], nan_ok=True)
    assert number.tolist() == [2, 1, 0]
    assert worst(images, 1) == images[1:]
