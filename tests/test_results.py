"""Results lists: as pycocotools wants them, and back; lists of image ids."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from napari_nuclei.errors import UserError
from napari_nuclei.formats import coco, results
from napari_nuclei.formats.coco import DataSet, ImageRecord
from napari_nuclei.formats.convert import convert
from napari_nuclei.masks import Mask
from napari_nuclei.nuclei import Kind, Nuclei, Nucleus, Origin, State

SHAPE = (40, 50)
square = Mask.from_array(np.ones((6, 7)), 1, 2)


def model(id: int, mask: Mask, score: float, **more: Any) -> Nucleus:
    return Nucleus(id, mask, score, origin=Origin(Kind.MODEL, "netz", mask), **more)


@pytest.fixture
def found() -> dict[int, Nuclei]:
    return {
        9: Nuclei(
            SHAPE,
            [
                model(1, square, 0.2),
                model(2, square.shift(10, 0), 0.9),
                model(3, square.shift(20, 0), 0.06, state=State.ACCEPTED),
                model(4, square.shift(30, 0), 0.95, state=State.REJECTED),
                Nucleus(5, square.shift(0, 20), 0.3, State.ACCEPTED),
                Nucleus(6, Mask(), 0.99),
            ],
            threshold=0.5,
        ),
        2: Nuclei(SHAPE, [model(1, square, 1 / 3)]),
        5: Nuclei(SHAPE),
    }


def test_sorted_by_image_and_falling_score(found: dict[int, Nuclei], tmp_path: Path) -> None:
    assert results.write(tmp_path / "r.json", found) == 4
    rows = json.loads((tmp_path / "r.json").read_text())
    assert [(r["image_id"], r["score"]) for r in rows] == [
        (2, 1 / 3),
        (9, 1.0),
        (9, 0.9),
        (9, 0.06),
    ]
    assert rows[2] == {
        "image_id": 9,
        "bbox": [2, 11, 7, 6],
        "score": 0.9,
        "category_id": 1,
        "segmentation": square.shift(10, 0).to_coco(SHAPE),
    }


def test_another_threshold_never_touches_what_a_person_decided(found: dict[int, Nuclei]) -> None:
    assert [r["score"] for r in results.to_json(found, 0.1)] == [1 / 3, 1.0, 0.9, 0.2, 0.06]
    assert [r["score"] for r in results.to_json(found, 0.97)] == [1.0, 0.06]


def test_read_back(found: dict[int, Nuclei], tmp_path: Path) -> None:
    results.write(tmp_path / "r.json", found)
    back = results.read(tmp_path / "r.json")
    assert back.shapes == {2: SHAPE, 9: SHAPE}
    assert back.found[9] == [
        (square.shift(0, 20), 1.0),
        (square.shift(10, 0), 0.9),
        (square.shift(20, 0), 0.06),
    ]


def test_a_category_may_have_the_id_0(tmp_path: Path) -> None:
    rows = results.to_json({1: Nuclei(SHAPE, [model(1, square, 0.5), model(2, square, 0.4)])})
    rows[0]["category_id"], rows[1]["category_id"] = 0, 1
    (tmp_path / "r.json").write_text(json.dumps(rows))
    (tmp_path / "i.json").write_text(
        json.dumps([{"id": 1, "file_name": "a.png", "height": 40, "width": 50}])
    )
    convert(tmp_path / "r.json", tmp_path / "o.json", image_ids=tmp_path / "i.json")
    value = json.loads((tmp_path / "o.json").read_text())
    assert sorted(a["category_id"] for a in value["annotations"]) == [0, 1]
    assert {c["id"] for c in value["categories"]} == {0, 1}


@pytest.mark.parametrize("empty", [{}, {3: Nuclei(SHAPE)}])
def test_an_empty_list_is_valid(empty: dict[int, Nuclei], tmp_path: Path) -> None:
    assert results.write(tmp_path / "r.json", empty) == 0
    assert (tmp_path / "r.json").read_text() == "[]"
    assert results.read(tmp_path / "r.json").found == {}


def test_pycocotools_loads_and_scores_it(
    found: dict[int, Nuclei], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    images = [ImageRecord(id, f"{id}.png", *SHAPE) for id in found]
    coco.write(tmp_path / "truth.json", DataSet(images, found))
    results.write(tmp_path / "r.json", found)
    truth = COCO(str(tmp_path / "truth.json"))
    run = COCOeval(truth, truth.loadRes(str(tmp_path / "r.json")), "segm")
    run.evaluate()
    run.accumulate()
    run.summarize()
    capsys.readouterr()
    # The empty nucleus is in the truth, and no result can find it.
    recall = 4 / 5
    assert run.stats[1] == pytest.approx(np.mean(np.linspace(0, 1, 101) <= recall))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"image_id": "9"}, "image_id"),
        ({"image_id": None}, "image_id"),
        ({"score": "high"}, "score 'high'"),
        ({"score": 1e300}, "score 1e+300"),
        ({"segmentation": [[1, 1, 4, 1, 4, 4]]}, "no mask"),
        ({"segmentation": None}, "no mask"),
        ({"segmentation": {"size": [40, 51], "counts": "0"}}, "40×51"),
        ({"segmentation": {"size": [40, 50], "counts": "0"}}, "cannot be decoded"),
    ],
)
def test_broken_entries_are_named(
    found: dict[int, Nuclei], change: dict[str, Any], words: str, tmp_path: Path
) -> None:
    rows = results.to_json(found)
    rows[2] |= change
    (tmp_path / "r.json").write_text(json.dumps(rows))
    with pytest.raises(UserError, match=r"r\.json: entry number 3: ") as error:
        results.read(tmp_path / "r.json")
    assert words in str(error.value)


@pytest.mark.parametrize("value", [{}, {"images": []}, 3, [3], [[]]])
def test_not_a_results_list(value: Any, tmp_path: Path) -> None:
    (tmp_path / "r.json").write_text(json.dumps(value))
    with pytest.raises(UserError, match=r"r\.json"):
        results.read(tmp_path / "r.json")


ROW = {"file_name": "a/b.png", "height": 10, "id": 1, "width": 20}


@pytest.mark.parametrize("value", [[ROW], {"images": [ROW], "annotations": []}])
def test_image_ids(value: Any, tmp_path: Path) -> None:
    (tmp_path / "ids.json").write_text(json.dumps(value))
    assert results.read_image_ids(tmp_path / "ids.json") == [ImageRecord(1, "a/b.png", 10, 20)]


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ({}, "lists no images"),
        ("x", "lists no images"),
        ([ROW, ROW], "two images have the id 1"),
        ([{**ROW, "width": "20"}], "width is text"),
        ([{**ROW, "width": 0}], "height and width"),
        ([{**ROW, "id": True}], "whole number"),
        (["a.png"], "whole number"),
    ],
)
def test_broken_image_ids(value: Any, words: str, tmp_path: Path) -> None:
    (tmp_path / "ids.json").write_text(json.dumps(value))
    with pytest.raises(UserError, match=words):
        results.read_image_ids(tmp_path / "ids.json")
