"""Figures: AP against pycocotools, the rest against brute force, on random overlapping masks."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pycocotools import mask as coco_rle
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval
from strategies import masks

from napari_nuclei.errors import UserError
from napari_nuclei.formats import coco, results
from napari_nuclei.formats.coco import DataSet, ImageRecord
from napari_nuclei.formats.results import Results
from napari_nuclei.masks import Mask
from napari_nuclei.nuclei import Kind, Nuclei, Nucleus, Origin, State
from napari_nuclei.scoring.match import Pairs, best_of
from napari_nuclei.scoring.scoring import Figures, match, overlaps, score, score_files

SHAPE = (60, 50)
KINDS = ["fluorescence", "histology", ""]
SHARES = [k / 20 for k in range(10, 20)]


def ellipse(rng: np.random.Generator) -> Mask:
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
    cy, cx = rng.uniform(0, SHAPE[0]), rng.uniform(0, SHAPE[1])
    a, b = rng.uniform(1.5, 9, 2)
    return Mask.from_array(((y - cy) / a) ** 2 + ((x - cx) / b) ** 2 <= 1)


def disturbed(mask: Mask, rng: np.random.Generator) -> Mask:
    dy, dx = rng.integers(-2, 3, 2)
    return mask.shift(int(dy), int(dx)).clip(SHAPE)


def random_sets(seed: int) -> tuple[DataSet, Results]:
    """Truth and predictions of some images: hits, doubles, misses and strays, equal scores."""
    rng = np.random.default_rng(seed)
    images, truth, found = [], {}, {}
    for id in rng.permutation(20)[:5].tolist():
        images.append(ImageRecord(id, f"{id}.png", *SHAPE, KINDS[id % 3]))
        true = [m for m in (ellipse(rng) for _ in range(rng.integers(0, 25))) if m]
        truth[id] = Nuclei(SHAPE, (Nucleus(k, m) for k, m in enumerate(true, 1)))
        near = [disturbed(m, rng) for m in true for _ in range(rng.integers(0, 3))]
        near += [ellipse(rng) for _ in range(rng.integers(0, 6))]
        listed = [(m, round(float(rng.uniform()), 1)) for m in near if m]
        if listed:
            found[id] = listed
    return DataSet(images, truth), Results(found, dict.fromkeys(found, SHAPE))


def results_rows(found: Results) -> list[dict[str, Any]]:
    return [
        {"image_id": i, "category_id": 1, "score": s, "segmentation": m.to_coco(SHAPE)}
        for i, rows in found.found.items()
        for m, s in rows
    ]


# -- AP ---------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(6))
def test_ap_is_that_of_pycocotools(
    seed: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    truth, found = random_sets(seed)
    coco.write(tmp_path / "truth.json", truth)
    theirs = COCO(str(tmp_path / "truth.json"))
    run = COCOeval(theirs, theirs.loadRes(results_rows(found)), "segm")
    run.params.maxDets = [3, 100, 2000]
    run.evaluate()
    run.accumulate()
    capsys.readouterr()
    wanted = run.eval["precision"][:, :, 0, 0, :].mean(1)
    ours = score(truth, found, max_detections=[3, 2000])
    assert ours.ap50 == pytest.approx(wanted[0, 2], abs=1e-12)
    assert ours.ap75 == pytest.approx(wanted[5, 2], abs=1e-12)
    assert ours.ap == pytest.approx(wanted[:, 2].mean(), abs=1e-12)
    assert ours.ap50_max == pytest.approx({3: wanted[0, 0], 100: wanted[0, 1]}, abs=1e-12)
    assert 0 < ours.ap < ours.ap50 < 1
    assert capsys.readouterr().out == ""


def test_more_nuclei_than_the_cap() -> None:
    square = Mask.from_array(np.ones((2, 2)))
    many = [square.shift(3 * (k // 20), 3 * (k % 20)) for k in range(400)]
    of = Nuclei((60, 60), (Nucleus(k, m) for k, m in enumerate(many, 1)))
    truth = DataSet([ImageRecord(1, "a.png", 60, 60)], {1: of})
    figures = score(truth, truth)
    assert figures.ap == figures.ap50 == figures.f1_75 == figures.pq == figures.dsb_map == 1
    assert figures.ap50_max == pytest.approx({100: 26 / 101})
    assert score(truth, truth, max_detections=200).ap50 == pytest.approx(51 / 101)


# -- the rest ---------------------------------------------------------------------------


def brute_pairs(true: list[Mask], found: list[Mask], least: float) -> list[float]:
    """Try all ways to pair: most pairs first, then the largest sum of IoU."""
    iou = [[a.iou(b) for b in found] for a in true]
    best: list[float] = []
    long, short = range(len(found)), range(len(true))
    swap = len(found) < len(true)
    if swap:
        long, short = short, long
    for order in itertools.permutations(long, len(short)):
        kept = [iou[j][i] if swap else iou[i][j] for i, j in zip(short, order, strict=True)]
        kept = [v for v in kept if v >= least]
        if (len(kept), sum(kept)) > (len(best), sum(best)):
            best = kept
    return best


@given(
    st.lists(masks((5, 6)), max_size=4),
    st.lists(masks((5, 6)), max_size=5),
    st.sampled_from([0.1, 0.3, 0.5, 0.75]),
)
def test_match_is_the_best_there_is(true: list[Mask], found: list[Mask], least: float) -> None:
    pairs = match(true, found, least)
    wanted = brute_pairs(true, found, least)
    assert len(pairs) == len(wanted)
    assert pairs.iou.sum() == pytest.approx(sum(wanted))
    assert len(set(pairs.truth.tolist())) == len(set(pairs.predicted.tolist())) == len(pairs)
    for i, j, iou in zip(pairs.truth, pairs.predicted, pairs.iou, strict=True):
        assert iou == true[i].iou(found[j]) >= least


@pytest.mark.parametrize("least", [0.01, 0.5, 0.75])
@pytest.mark.parametrize("seed", range(3))
def test_overlaps_are_those_of_pycocotools(seed: int, least: float) -> None:
    rng = np.random.default_rng(seed)
    true = [m for m in (ellipse(rng) for _ in range(60)) if m]
    found = [m for m in (disturbed(m, rng) for m in true) if m]
    a, b = ([m.to_coco(SHAPE) for m in some] for some in (true, found))
    wanted = coco_rle.iou(a, b, [0] * len(b))
    pairs = overlaps(true, found, least)
    ours = np.zeros_like(wanted)
    ours[pairs.truth, pairs.predicted] = pairs.iou
    assert (ours == np.where(wanted >= least, wanted, 0)).all()
    assert len(pairs) == (wanted >= least).sum() > 0


def test_two_poor_pairs_are_better_than_one_good_one() -> None:
    pairs = Pairs(np.array([0, 0, 1]), np.array([0, 1, 0]), np.array([0.9, 0.3, 0.3]))
    chosen = best_of(pairs)
    assert list(zip(chosen.truth, chosen.predicted, strict=True)) == [(0, 1), (1, 0)]


def test_overlaps_of_nothing() -> None:
    one = [Mask.from_array([[1]])]
    assert len(overlaps([], one)) == len(overlaps(one, [])) == len(overlaps(one, [Mask()])) == 0
    assert len(best_of(Pairs(np.zeros(0, int), np.zeros(0, int), np.zeros(0)))) == 0


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("threshold", [0.5, 0.8])
def test_unranked_figures_by_hand(seed: int, threshold: float) -> None:
    truth, found = random_sets(seed)
    ours = score(truth, found, threshold)
    tp = dict.fromkeys(SHARES, 0)
    quality, jaccards, n_true, n_found = 0.0, [], 0, 0
    for image in truth.images:
        true = [n.mask for n in truth.of(image)]
        some = [m for m, s in found.found.get(image.id, []) if s >= threshold]
        n_true, n_found = n_true + len(true), n_found + len(some)
        for share in SHARES:
            ious = match(true, some, share).iou
            tp[share] += len(ious)
            quality += ious.sum() if share == 0.5 else 0
            either = len(true) + len(some) - len(ious)
            jaccards.append(len(ious) / either if either else 1)
    assert ours.precision50 == tp[0.5] / n_found
    assert ours.recall50 == tp[0.5] / n_true
    assert ours.f1_50 == 2 * tp[0.5] / (n_true + n_found)
    assert ours.f1_75 == 2 * tp[0.75] / (n_true + n_found)
    assert ours.jaccard50 == tp[0.5] / (n_true + n_found - tp[0.5])
    assert ours.pq == pytest.approx(quality / (tp[0.5] + (n_true + n_found) / 2 - tp[0.5]))
    assert ours.dsb_map == pytest.approx(np.mean(jaccards))
    assert (ours.truth, ours.predicted, ours.matched50) == (n_true, n_found, tp[0.5])
    assert (ours.images, ours.score, ours.max_detections) == (5, threshold, 2000)


def test_by_modality_is_the_score_of_these_images_alone() -> None:
    truth, found = random_sets(11)
    kinds = {image.modality for image in truth.images} - {""}
    ours = score(truth, found)
    assert set(ours.by_modality) == kinds != set()
    for kind in kinds:
        images = [image for image in truth.images if image.modality == kind]
        ids = {image.id for image in images}
        part = Results({i: rows for i, rows in found.found.items() if i in ids}, found.shapes)
        alone = score(DataSet(images, truth.nuclei), part)
        assert ours.by_modality[kind] == alone.by_modality[kind]
        assert alone.by_modality[kind].ap50 == alone.ap50


# -- edges ------------------------------------------------------------------------------

square = Mask.from_array(np.ones((4, 5)), 3, 3)
CONTRACT = {
    "ap50", "ap75", "ap", "ap50_max100", "precision50", "recall50", "f1_50", "f1_75", "pq",
    "jaccard50", "dsb_map", "f1_50_mean", "aji", "aji_plus",
}  # fmt: skip


def truth_of(*rows: Nucleus, **more: Any) -> DataSet:
    image = ImageRecord(1, "a.png", *SHAPE, "fluorescence")
    return DataSet([image], {1: Nuclei(SHAPE, rows, **more)})


@pytest.mark.parametrize(
    ("true", "found", "value"),
    [([], [], 1), ([square], [], 0), ([], [square], 0), ([square], [square], 1)],
)
def test_nothing_to_find_or_nothing_found(
    true: list[Mask], found: list[Mask], value: float
) -> None:
    truth = truth_of(*(Nucleus(k, m) for k, m in enumerate(true, 1)))
    figures = score(truth, Results({1: [(m, 1.0) for m in found]}, {1: SHAPE})).to_json()
    assert [figures[key] for key in CONTRACT] == pytest.approx([value] * len(CONTRACT))
    assert figures["images_without_predictions"] == (not found)


def test_to_json_is_the_contract() -> None:
    figures = score(truth_of(), truth_of(), max_detections=[50, 300]).to_json()
    assert set(figures) > CONTRACT
    assert figures["by_modality"].keys() == {"fluorescence"}
    assert set(figures["by_modality"]["fluorescence"]) > CONTRACT
    assert "ap50_max50" in figures
    assert json.loads(json.dumps(figures)) == figures
    unnamed = DataSet([ImageRecord(1, "a.png", *SHAPE)], {})
    assert "by_modality" not in score(unnamed, unnamed).to_json()


def test_what_is_not_shown_does_not_count() -> None:
    far = square.shift(20, 20)
    rows = [
        Nucleus(1, square, 0.9, origin=Origin(Kind.MODEL, "netz", square)),
        Nucleus(2, far, 0.9, State.REJECTED),
        Nucleus(3, far, 0.2, origin=Origin(Kind.MODEL, "netz", far)),
    ]
    figures = score(truth_of(Nucleus(1, square)), truth_of(*rows, threshold=0.5))
    assert (figures.predicted, figures.truth, figures.f1_50) == (1, 1, 1)
    assert score(truth_of(*rows, threshold=0.5), Results()).truth == 1


def test_drawn_by_hand_counts_with_score_1() -> None:
    drawn = Nucleus(1, square, 0.1, State.ACCEPTED)
    assert score(truth_of(drawn), truth_of(drawn), 0.9).f1_50 == 1


def renamed(*names: str) -> DataSet:
    images = [ImageRecord(k, name, *SHAPE) for k, name in enumerate(names, 7)]
    return DataSet(images, {7: Nuclei(SHAPE, [Nucleus(1, square)])})


def test_a_data_set_is_joined_by_file_name() -> None:
    truth = truth_of(Nucleus(1, square))
    assert score(truth, renamed("a.png")).f1_50 == 1
    assert score(truth, renamed("folder/a.png")).f1_50 == 1
    with pytest.raises(UserError, match=r"image b\.png, which the truth does not have"):
        score(truth, renamed("b.png"))
    with pytest.raises(UserError, match=r"called a\.png"):
        score(truth, renamed("x/a.png", "y/a.png"))


def test_predictions_that_do_not_belong_to_the_truth() -> None:
    truth = truth_of()
    with pytest.raises(UserError, match="image id 5, 6, 7, …, which"):
        score(truth, Results({k: [(square, 1.0)] for k in (5, 6, 7, 8)}))
    with pytest.raises(UserError, match=r"a\.png is 60×50 .* 60×51"):
        score(truth, Results({1: [(square, 1.0)]}, {1: (60, 51)}))
    with pytest.raises(UserError, match="1 or more"):
        score(truth, Results(), max_detections=0)


def test_files(tmp_path: Path) -> None:
    truth = truth_of(Nucleus(1, square))
    coco.write(tmp_path / "t.json", truth)
    results.write(tmp_path / "r.json", truth.nuclei)
    results.write(tmp_path / "none.json", {})
    assert score_files(tmp_path / "t.json", tmp_path / "r.json").f1_50 == 1
    assert score_files(tmp_path / "t.json", tmp_path / "t.json").f1_50 == 1
    assert isinstance(score_files(tmp_path / "t.json", tmp_path / "none.json"), Figures)
    with pytest.raises(UserError, match="a COCO data set is needed"):
        score_files(tmp_path / "r.json", tmp_path / "r.json")
