"""AJI and AJI+ against an independent reckoning on whole arrays, and their parts."""

from __future__ import annotations

import csv
import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from strategies import masks

from napari_nuclei.formats.dataset import DataSet
from napari_nuclei.formats.results import Results
from napari_nuclei.masks import Mask
from napari_nuclei.nuclei import Crowd, ImageRecord, Nuclei, Nucleus
from napari_nuclei.scoring.aggregated import aggregated
from napari_nuclei.scoring.assignment import heaviest
from napari_nuclei.scoring.intersections import in_common
from napari_nuclei.scoring.match import overlaps
from napari_nuclei.scoring.per_image import write_csv
from napari_nuclei.scoring.scoring import Figures, score

SHAPE = (9, 10)
SOME = st.lists(masks(SHAPE, empty=True), max_size=5)


def dense(mask: Mask) -> NDArray[np.bool_]:
    canvas = np.zeros(SHAPE, bool)
    mask.paint(canvas, True)
    return canvas


def both(a: NDArray[Any], b: NDArray[Any]) -> int:
    return int((a & b).sum())


def either(a: NDArray[Any], b: NDArray[Any]) -> int:
    return int((a | b).sum())


def aji_of_arrays(true: list[Any], found: list[Any], ignored: list[bool]) -> float:
    """Reckon the index as the challenge's program does, image by image of one object."""
    common = union = 0
    used = set()
    for g in true:
        ious = [both(g, p) / max(1, either(g, p)) for p in found]
        if not any(ious):
            union += int(g.sum())
            continue
        best = ious.index(max(ious))
        used.add(best)
        common += both(g, found[best])
        union += either(g, found[best])
    for k, p in enumerate(found):
        if k not in used and not ignored[k]:
            union += int(p.sum())
    return common / union if union else 1.0


def all_aji_plus(true: list[Any], found: list[Any], ignored: list[bool]) -> list[float]:
    """The index of every one-to-one choice that has the largest sum of IoU: ties are free."""
    best, values = -1.0, []
    slots = [*range(len(found)), *[None] * len(true)]
    for order in set(itertools.permutations(slots, len(true))):
        pairs = [
            (g, found[k], k)
            for g, k in zip(true, order, strict=True)
            if k is not None and both(g, found[k])
        ]
        total = sum(both(g, p) / either(g, p) for g, p, _ in pairs)
        paired_g = {id(g) for g, _, _ in pairs}
        paired_k = {k for _, _, k in pairs}
        union = sum(either(g, p) for g, p, _ in pairs)
        union += sum(int(g.sum()) for g in true if id(g) not in paired_g)
        union += sum(
            int(p.sum()) for k, p in enumerate(found) if k not in paired_k and not ignored[k]
        )
        value = sum(both(g, p) for g, p, _ in pairs) / union if union else 1.0
        if total > best + 1e-9:
            best, values = total, [value]
        elif total > best - 1e-9:
            values.append(value)
    return values


@given(
    st.lists(masks(SHAPE), max_size=3),
    st.lists(masks(SHAPE), max_size=3),
    st.lists(st.booleans(), min_size=3, max_size=3),
)
def test_both_are_those_of_arrays_also_where_nuclei_overlap(
    true: list[Mask], found: list[Mask], flags: list[bool]
) -> None:
    ignored = flags[: len(found)]
    ours = aggregated(true, found, overlaps(true, found, 0), np.array(ignored, bool))
    a, b = [dense(m) for m in true], [dense(m) for m in found]
    assert ours.aji == pytest.approx(aji_of_arrays(a, b, ignored))
    assert any(ours.aji_plus == pytest.approx(v) for v in all_aji_plus(a, b, ignored))


labels = hnp.arrays(np.int64, SHAPE, elements=st.integers(0, 3))


@given(labels, labels)
def test_both_are_those_of_label_images(a: NDArray[np.int64], b: NDArray[np.int64]) -> None:
    true, found = ([im == v for v in range(1, 4) if (im == v).any()] for im in (a, b))
    one, other = ([Mask.from_array(m) for m in some] for some in (true, found))
    ours = aggregated(one, other, overlaps(one, other, 0))
    assert ours.aji == pytest.approx(aji_of_arrays(true, found, [False] * 3))
    # AJI+ as HoVer-Net's program has it: the Hungarian method on the whole matrix of IoU.
    iou = np.array([[both(g, p) / either(g, p) for p in found] for g in true])
    if not iou.size:
        assert ours.aji_plus == float(not true and not found)
        return
    rows, cols = (n.tolist() for n in linear_sum_assignment(-iou))
    pairs = [(true[i], found[j]) for i, j in zip(rows, cols, strict=True) if iou[i, j] > 0]
    areas = sum(int(m.sum()) for m in [*true, *found])
    common = sum(both(g, p) for g, p in pairs)
    if len({round(v, 9) for v in all_aji_plus(true, found, [False] * 3)}) == 1:
        assert ours.aji_plus == pytest.approx(common / (areas - common))


# -- parts ------------------------------------------------------------------------------


@given(SOME, SOME)
def test_common_pixels_are_counted(one: list[Mask], other: list[Mask]) -> None:
    moved = [m.shift(-4, 3) for m in other]  # places outside of the image are places too
    first, second = (n.ravel() for n in np.indices((len(one), len(other))))
    wanted = [a.overlap(b) for a in one for b in moved]
    assert in_common(one, moved, first, second).tolist() == wanted


def test_common_pixels_are_counted_in_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("napari_nuclei.scoring.intersections.BATCH", 7)
    square = Mask.from_array(np.ones((5, 5)))
    some = [square.shift(k, k % 3) for k in range(9)]
    first, second = (n.ravel() for n in np.indices((9, 9)))
    counted = in_common(some, some, first, second)
    assert counted.tolist() == [a.overlap(b) for a in some for b in some]


@given(hnp.arrays(float, st.tuples(*[st.integers(1, 7)] * 2), elements=st.floats(0, 1)))
def test_the_heaviest_choice_is_that_of_the_hungarian_method(weights: NDArray[Any]) -> None:
    rows, columns = np.nonzero(weights > 0.3)  # few edges leave nodes without one
    chosen = heaviest(rows, columns, weights[rows, columns])
    assert len(set(rows[chosen])) == len(set(columns[chosen])) == chosen.sum()
    gain = np.where(weights > 0.3, weights, 0)
    best = gain[linear_sum_assignment(gain, maximize=True)].sum()
    assert gain[rows[chosen], columns[chosen]].sum() == pytest.approx(best)


# -- in the figures ---------------------------------------------------------------------

square = Mask.from_array(np.ones((4, 4)))
far = square.shift(4, 5)


def figures(
    true: list[list[Mask]], found: list[list[tuple[Mask, float]]], crowds: list[Crowd]
) -> Figures:
    """Score images of alternating modality; the crowds are those of the first."""
    images = [
        ImageRecord(k, f"{k}.png", *SHAPE, ("bright", "dark")[k % 2]) for k in range(len(true))
    ]
    nuclei = {
        k: Nuclei(
            SHAPE,
            (Nucleus(i, m) for i, m in enumerate(some, 1)),
            crowds=tuple(crowds if k == 0 else ()),
        )
        for k, some in enumerate(true)
    }
    return score(DataSet(images, nuclei), Results(dict(enumerate(found)), {}))


def test_means_over_images_weigh_each_alike() -> None:
    ours = figures(
        [[square, far], [square], []],
        [[(square, 1.0), (far, 0.9)], [(far, 0.7), (square, 0.1)], []],
        [],
    )
    assert [i.f1_50 for i in ours.by_image] == [1, 0, 1]
    assert [i.aji for i in ours.by_image] == [i.aji_plus for i in ours.by_image] == [1, 0, 1]
    assert ours.f1_50_mean == ours.aji == ours.aji_plus == pytest.approx(2 / 3)
    assert ours.f1_50 == pytest.approx(2 / 3)
    assert ours.by_modality["bright"].aji == 1
    assert ours.by_modality["dark"].f1_50_mean == 0
    assert [i.file_name for i in ours.by_modality["bright"].by_image] == ["0.png", "2.png"]


def test_aji_takes_a_prediction_twice_and_aji_plus_once() -> None:
    left, right = Mask.from_array(np.ones((4, 3))), Mask.from_array(np.ones((4, 3)), 0, 3)
    ours = figures([[left, right]], [[(left.union(right), 1.0)]], [])
    assert ours.aji == pytest.approx(24 / 48)
    assert ours.aji_plus == pytest.approx(12 / (24 + 12))


def test_predictions_in_areas_to_ignore_do_not_count() -> None:
    area = Crowd(far.union(far.shift(0, 1)))
    found = [(square, 1.0), (far, 0.8)]
    assert figures([[square]], [found], []).aji == pytest.approx(0.5)
    ignored = figures([[square]], [found], [area])
    assert ignored.aji == ignored.aji_plus == ignored.f1_50_mean == 1
    # What is paired counts, wherever it lies.
    assert figures([[square, far]], [found], [area]).aji == 1
    assert figures([[square, far]], [found[:1]], [area]).aji == pytest.approx(0.5)


def test_the_table_has_a_row_an_image(tmp_path: Path) -> None:
    ours = figures([[square, far], []], [[(square, 1.0)], []], [])
    write_csv(tmp_path / "figures.csv", ours.by_image)
    rows = list(csv.DictReader((tmp_path / "figures.csv").read_text().splitlines()))
    assert [(r["file_name"], r["modality"], r["truth"], r["aji"]) for r in rows] == [
        ("0.png", "bright", "2", "0.5"),
        ("1.png", "dark", "0", "1.0"),
    ]
    assert set(rows[0]) >= {"f1_50", "pq", "dsb_map", "aji_plus", "precision50", "recall50"}
