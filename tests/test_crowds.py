"""Areas to ignore (COCO's `iscrowd`): kept, in no figure, never learned as one nucleus."""

from __future__ import annotations

import contextlib
import importlib.util
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from napari_nuclei.cli import main
from napari_nuclei.formats import coco, results
from napari_nuclei.formats.coco_reader import from_json
from napari_nuclei.formats.convert import convert, read
from napari_nuclei.formats.dataset import DataSet
from napari_nuclei.formats.registry import FORMATS, WRITABLE
from napari_nuclei.formats.results import Results
from napari_nuclei.formats.sidecar import Sidecar
from napari_nuclei.learn.figures import Answer, judge
from napari_nuclei.learn.gate import changes
from napari_nuclei.learn.looking import tally
from napari_nuclei.learn.reviewed import Reviewed
from napari_nuclei.learn.validate import hits
from napari_nuclei.masks import Mask
from napari_nuclei.nuclei import Crowd, ImageRecord, Kind, Nuclei, Nucleus, Origin, edits
from napari_nuclei.resources import resource_folder
from napari_nuclei.review import Review
from napari_nuclei.scoring.match import shares_in
from napari_nuclei.scoring.scoring import score

SHAPE = (60, 80)


def square(y: int, x: int, side: int = 8, wide: int | None = None) -> Mask:
    return Mask.from_array(np.ones((side, wide or side)), y, x)


def truth_of(*masks: Mask, crowds: tuple[Mask, ...] = ()) -> DataSet:
    rows = [Nucleus(k, mask) for k, mask in enumerate(masks, 1)]
    nuclei = Nuclei(SHAPE, rows, crowds=tuple(Crowd(m) for m in crowds))
    return DataSet([ImageRecord(1, "a.png", *SHAPE)], {1: nuclei})


TWO = (square(2, 2), square(2, 20))
CROWD = square(30, 0, 30, 80)
FALSE = [square(33, x) for x in (2, 20, 40, 60)]


# -- figures ----------------------------------------------------------------------------


def test_a_prediction_in_a_crowd_is_neither_right_nor_wrong() -> None:
    truth = truth_of(*TWO, crowds=(CROWD,))
    found = Results({1: [(m, 0.9) for m in TWO] + [(m, 0.95) for m in FALSE]}, {1: SHAPE})
    figures = score(truth, found)
    assert (figures.truth, figures.predicted, figures.ignored) == (2, 2, 4)
    names = "ap50 ap75 ap precision50 recall50 f1_50 f1_75 pq jaccard50 dsb_map".split()
    assert [getattr(figures, name) for name in names] == [1.0] * len(names)
    outside = score(truth_of(*TWO), found)
    assert (outside.predicted, outside.ignored) == (6, 0)
    assert outside.f1_50 == 0.5
    assert outside.ap50 < 1


def test_mostly_is_half() -> None:
    truth = truth_of(*TWO, crowds=(CROWD,))
    for y, ignored in ((25, 0), (26, 1), (27, 1)):  # of 8 rows, 3, 4 and 5 lie in the crowd
        figures = score(truth, Results({1: [(square(y, 40), 0.9)]}, {1: SHAPE}))
        assert (figures.predicted, figures.ignored) == (1 - ignored, ignored)


def test_a_nucleus_in_a_crowd_is_still_one() -> None:
    inside = square(40, 40)
    truth = truth_of(inside, crowds=(CROWD,))
    figures = score(truth, Results({1: [(inside, 0.9)]}, {1: SHAPE}))
    assert (figures.matched50, figures.predicted, figures.pq) == (1, 1, 1.0)
    half = Results({1: [(inside.shift(0, 2), 0.9)]}, {1: SHAPE})  # IoU 0.6: too little for 0.75
    assert (score(truth, half).f1_50, score(truth, half).f1_75) == (1.0, 0.0)


def test_a_crowd_alone() -> None:
    truth = truth_of(crowds=(CROWD,))
    assert score(truth, Results({1: [(FALSE[0], 0.9)]}, {1: SHAPE})).ap50 == 1.0
    assert score(truth, Results({1: [(TWO[0], 0.9)]}, {1: SHAPE})).ap50 == 0.0


@pytest.mark.parametrize("seed", range(6))
def test_ap_is_that_of_pycocotools(seed: int, tmp_path: Path) -> None:
    rng = np.random.default_rng(seed)

    def some(count: int) -> list[Mask]:
        sides = rng.integers(3, 25, (count, 2))
        corners = rng.integers(0, 40, (count, 2))
        rows = np.hstack([corners, sides]).tolist()
        made = [square(*row) for row in rows]
        return [mask.clip(SHAPE) for mask in made]

    images, nuclei, found = [], {}, {}
    for id in (1, 2, 3):
        true, crowds = some(5), some(int(rng.integers(0, 3)))
        rows = [Nucleus(k, mask) for k, mask in enumerate(true, 1)]
        images.append(ImageRecord(id, f"{id}.png", *SHAPE))
        nuclei[id] = Nuclei(SHAPE, rows, crowds=tuple(map(Crowd, crowds)))
        near = [m.shift(int(rng.integers(0, 3)), 0).clip(SHAPE) for m in true]
        found[id] = [(m, float(rng.random())) for m in (*near, *some(8))]
    truth = DataSet(images, nuclei)
    coco.write(tmp_path / "t.json", truth)
    origin = Origin(Kind.IMPORT)
    rows_of = {
        id: Nuclei(SHAPE, [Nucleus(k, m, s, origin=origin) for k, (m, s) in enumerate(each, 1)])
        for id, each in found.items()
    }
    results.write(tmp_path / "r.json", rows_of)
    with contextlib.redirect_stdout(io.StringIO()):
        known = COCO(str(tmp_path / "t.json"))
        run = COCOeval(known, known.loadRes(str(tmp_path / "r.json")), "segm")
        run.params.maxDets = [5, 100, 2000]
        run.params.areaRng, run.params.areaRngLbl = [[0, 1e10]], ["all"]
        run.evaluate()
        run.accumulate()
    theirs = run.eval["precision"][:, :, 0, 0, :].mean(1)
    ours = score(truth, results.read(tmp_path / "r.json"), max_detections=[5, 2000])
    assert ours.ap == pytest.approx(theirs[:, 2].mean())
    assert ours.ap50_max == pytest.approx({5: theirs[0, 0], 100: theirs[0, 1]})


@pytest.mark.parametrize("seed", range(5))
def test_shares_are_counted_without_an_array(seed: int) -> None:
    rng = np.random.default_rng(seed)

    def some(count: int, shape: tuple[int, int]) -> list[Mask]:
        corners = rng.integers(0, 30, (count, 2)).tolist()
        return [Mask.from_array(rng.random(shape) < 0.5, y, x) for y, x in corners]

    masks, areas = some(20, (9, 7)), some(3, (20, 15))
    wanted = [max(m.overlap(a) for a in areas) / m.area for m in masks]
    assert shares_in(areas, [*masks, Mask()]).tolist() == pytest.approx([*wanted, 0.0])
    assert shares_in([], masks).tolist() == [0.0] * 20
    far = [square(39_990, 39_990), square(100, 39_000)]
    assert shares_in([square(0, 38_000, 200, 2_000)], far).tolist() == [0.0, 1.0]


# -- files ------------------------------------------------------------------------------


def test_coco_there_and_back(tmp_path: Path) -> None:
    truth = truth_of(*TWO, crowds=(CROWD, square(20, 20)))
    truth.nuclei[1].crowds = (Crowd(CROWD, "lymphocyte"), *truth.nuclei[1].crowds[1:])
    value = coco.to_json(truth)
    assert [row["iscrowd"] for row in value["annotations"]] == [0, 0, 1, 1]
    assert [row["id"] for row in value["annotations"]] == [1, 2, 3, 4]
    coco.write(tmp_path / "t.json", truth)
    back = coco.read(tmp_path / "t.json")
    assert back.nuclei == truth.nuclei
    coco.write(tmp_path / "u.json", back)
    assert (tmp_path / "u.json").read_bytes() == (tmp_path / "t.json").read_bytes()


def foreign(**more: Any) -> dict[str, Any]:
    image = {"id": 1, "file_name": "a.png", "height": 60, "width": 80}
    ring = [[0, 30, 80, 30, 80, 60, 0, 60]]
    crowd = {"id": 1, "image_id": 1, "segmentation": ring, "iscrowd": 1, **more}
    return {"images": [image], "annotations": [crowd, {**crowd, "id": 2, "iscrowd": 0}]}


@pytest.mark.parametrize("mark", [1, True, 1.0, "1"])
def test_marks_of_other_tools(mark: Any) -> None:
    nuclei = from_json(foreign(iscrowd=mark), "a.json").nuclei[1]
    assert nuclei.crowds == (Crowd(CROWD),)
    assert [n.id for n in nuclei] == [1]


def test_masks_of_cvat_are_nuclei_and_that_is_said() -> None:
    remarks: list[str] = []
    value = foreign(attributes={"occluded": False})
    assert len(from_json(value, "a.json", remarks).nuclei[1]) == 2
    assert remarks == [
        "a.json: 1 mask is read as a nucleus despite iscrowd 1, which CVAT and Datumaro give to "
        "every mask."
    ]
    value = foreign(attributes={"is_crowd": True})
    assert len(from_json(value, "a.json").nuclei[1].crowds) == 1


def test_a_file_of_crowds_only_is_remarked_on() -> None:
    value = foreign()
    del value["annotations"][1]
    remarks: list[str] = []
    assert not len(from_json(value, "a.json", remarks).nuclei[1])
    assert "all annotations have iscrowd 1" in remarks[0]


def test_every_format_keeps_them_or_says_that_it_does_not(tmp_path: Path) -> None:
    Image.new("L", SHAPE[::-1]).save(tmp_path / "a.png")
    truth = truth_of(*TWO, crowds=(CROWD,))
    coco.write(tmp_path / "t.json", truth)
    for name in set(WRITABLE) - {"parquet"}:
        (tmp_path / name).mkdir()
        out = tmp_path / name / f"a{FORMATS[name].ending}"
        done = convert(tmp_path / "t.json", out, name)
        assert done.nuclei == 2
        said = [line for line in done.remarks if "1 area to ignore is left out" in line]
        assert len(said) == (name not in ("coco", "geojson")), name
        if FORMATS[name].reader:
            (file,) = done.written
            back, _ = read([out if name == "masks" else file], Sidecar(tmp_path))
            (of,) = back.nuclei.values()
            assert [n.mask for n in of] == [*TWO]
            assert of.crowds == ((Crowd(CROWD),) if name in ("coco", "geojson") else ())


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    coco.write(tmp_path / "t.json", truth_of(*TWO, crowds=(CROWD,)))
    arguments = [str(tmp_path / "t.json"), "--to", "coco", "--out", str(tmp_path / "o.json")]
    assert main(["convert", *arguments]) == 0
    assert capsys.readouterr().err.startswith("2 nuclei of 1 image →")
    rows = json.loads((tmp_path / "o.json").read_text())["annotations"]
    assert [row["iscrowd"] for row in rows] == [0, 0, 1]


# -- reviews ----------------------------------------------------------------------------


def test_a_review_keeps_them(tmp_path: Path) -> None:
    image = tmp_path / "a.png"
    Image.new("L", SHAPE[::-1]).save(image)
    start = truth_of(*TWO, crowds=(CROWD,)).nuclei[1]
    review = Review.open(image, start=start.copy())
    review.do(edits.accept(review.nuclei, [1]))
    review.close()
    again = Review.open(image)
    assert again.nuclei.crowds == (Crowd(CROWD),)
    other = Nuclei(SHAPE, [Nucleus(1, TWO[0])], crowds=(Crowd(TWO[1], "x"), Crowd(CROWD)))
    again.do(edits.adopt(again.nuclei, other))
    assert again.nuclei.crowds == other.crowds
    again.close()
    last = Review.open(image)
    assert last.nuclei.crowds == other.crowds
    last.undo()
    assert last.nuclei.crowds == (Crowd(CROWD),)
    last.redo()
    assert last.nuclei.crowds == other.crowds
    last.close()


# -- learning ---------------------------------------------------------------------------


def reviewed() -> Reviewed:
    data = truth_of(*TWO, crowds=(CROWD,))
    return Reviewed.of(data.images[0], data.nuclei[1], "digest", foreign=True)


@pytest.mark.parametrize("ignore", [True, False])
def test_a_crowd_is_neither_learned_nor_background(ignore: bool) -> None:
    image = reviewed()
    assert [n.mask for n in image.truth] == [*TWO]
    looked = image.looked(ignore)
    assert looked[:30].all()
    assert not looked[30:].any()


def test_training_examples_leave_it_out(tmp_path: Path) -> None:
    from napari_nuclei.learn.examples import load_examples

    Image.new("L", SHAPE[::-1]).save(tmp_path / "a.png")
    (example,) = load_examples(truth_of(*TWO, crowds=(CROWD,)), tmp_path, 9.0)
    height = example.known.shape[0]
    assert len(example.centres) == 2
    assert example.known[: height // 2].all()
    assert not example.known[-(height // 2) + 1 :].any()
    (plain,) = load_examples(truth_of(*TWO), tmp_path, 9.0)
    assert plain.known.all()


def test_detections_in_it_count_for_nothing() -> None:
    image = reviewed()
    found = [(mask, 0.9) for mask in (*TWO, *FALSE)]
    counted = tally([image], [found], lambda one: list(one.grid))
    assert counted.figures(0.5) == {"ap50": 1, "f1_50": 1, "recall50": 1, "precision50": 1}
    assert [c.kind for c in changes(image, set(), found[:2], found)] == []
    alarm = (square(15, 50), 0.9)
    assert [c.kind for c in changes(image, set(), found[:2], [*found, alarm])] == ["false alarm"]


def test_calibration_does_not_see_them() -> None:
    truth = truth_of(*TWO, crowds=(CROWD,))
    origin = Origin(Kind.MODEL, "net")
    rows = [
        Nucleus(k, m, 0.9, origin=origin) for k, m in enumerate((*TWO, *FALSE, square(15, 50)), 1)
    ]
    found = DataSet(truth.images, {1: Nuclei(SHAPE, rows)})
    (seen,) = hits(truth, found)
    assert (seen.right.tolist(), seen.truth) == ([True, True, False], 2)
    answer = Answer(Results({1: [(n.mask, n.score) for n in rows]}, {1: SHAPE}))
    (judged,) = judge(truth, answer, 0.5, {"all": 1.0}).seen
    assert (len(judged.scores), len(judged.shown), judged.found.sum()) == (3, 3, 2)


def test_the_script_that_fits_doubts_passes_them_over() -> None:
    spec = importlib.util.spec_from_file_location(
        "doubts", resource_folder("training") / "doubts.py"
    )
    assert spec is not None
    assert spec.loader is not None
    doubts = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(doubts)
    found = Nuclei(SHAPE, [Nucleus(k, square(2, x)) for k, x in enumerate((2, 20, 40, 60), 1)])
    crowd = [square(0, 18, 30, 50)]  # over all but the first
    assert doubts.ignored(found, [square(2, 2), square(2, 40)], crowd) == {2, 4}
    assert doubts.ignored(found, [], ()) == set()
