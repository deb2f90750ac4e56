"""Categories are carried: through files, reviews and edits; what has no place for them says so."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import roifile
from PIL import Image

from napari_nuclei.formats import coco, results
from napari_nuclei.formats.categories import Category, colour_of
from napari_nuclei.formats.coco_reader import from_json
from napari_nuclei.formats.convert import convert, read
from napari_nuclei.formats.dataset import DataSet
from napari_nuclei.formats.registry import FORMATS, WRITABLE
from napari_nuclei.formats.sidecar import Sidecar
from napari_nuclei.masks import Mask
from napari_nuclei.nuclei import ImageRecord, Nuclei, Nucleus, State, edits
from napari_nuclei.nuclei.labels import stroke
from napari_nuclei.progress import result_of
from napari_nuclei.prompts.edits import Answer, apply_alternative
from napari_nuclei.review import Review
from napari_nuclei.workspace.export import gather
from napari_nuclei.workspace.workspace import Workspace

SHAPE = (60, 80)
square = Mask.from_array(np.ones((10, 10)), 5, 5)
LISTED = [
    {"id": 2, "name": "epithelial", "supercategory": "cell", "color": [200, 0, 10]},
    {"id": 5, "name": "stroma", "color": "#00ff10"},
    {"id": 9, "name": "epithelial", "supercategory": "other"},
]


def row(id: int, category: int | None, x: int = 0) -> dict[str, Any]:
    code = square.shift(0, x).to_coco(SHAPE)
    return {"id": id, "image_id": 1, "category_id": category, "segmentation": code}


def data_set(*annotations: dict[str, Any], categories: Any = LISTED) -> dict[str, Any]:
    image = {"id": 1, "file_name": "a.png", "height": 60, "width": 80}
    return {"images": [image], "annotations": [*annotations], "categories": categories}


THREE = data_set(row(1, 5), row(2, 2, 20), row(3, 9, 40))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    Image.new("L", SHAPE[::-1]).save(tmp_path / "a.png")
    (tmp_path / "c.json").write_text(json.dumps(THREE))
    return tmp_path


def names(data: DataSet) -> list[str]:
    return [n.category for image in data.images for n in data.of(image)]


def test_coco_there_and_back() -> None:
    data = from_json(THREE, "c.json")
    assert names(data) == ["stroma", "epithelial", "epithelial 9"]
    value = coco.to_json(data)
    assert value["categories"] == LISTED
    assert [a["category_id"] for a in value["annotations"]] == [5, 2, 9]
    back = from_json(json.loads(json.dumps(value)), "c.json")
    assert back.categories == data.categories
    assert names(back) == names(data)


def test_nothing_changes_for_who_has_none() -> None:
    nuclei = Nuclei(SHAPE, [Nucleus(1, square)])
    value = coco.to_json(DataSet([ImageRecord(1, "a.png", *SHAPE)], {1: nuclei}))
    assert value["categories"] == [{"id": 1, "name": "nucleus"}]
    assert value["annotations"][0]["category_id"] == 1
    assert results.to_json({1: nuclei})[0]["category_id"] == 1


@pytest.mark.parametrize(
    ("categories", "ids", "wanted"),
    [
        ([{"id": 3, "name": "cell"}], [None, 3], ["cell", "cell"]),
        ([], [1, 4, None], ["nucleus", "category 4", "nucleus"]),
        (None, [2, None], ["category 2", "nucleus"]),
        ([{"id": 3}, {"id": 4, "name": 7}], [3, 4], ["category 3", "category 4"]),
        (LISTED, [None, 2], ["nucleus", "epithelial"]),
    ],
)
def test_what_is_not_said(categories: Any, ids: list[int | None], wanted: list[str]) -> None:
    rows = [row(k, id, 12 * k) for k, id in enumerate(ids)]
    data = from_json(data_set(*rows, categories=categories), "c.json")
    assert names(data) == wanted
    value = coco.to_json(data)
    known = {c["id"]: c["name"] for c in value["categories"]}
    assert len(known) == len(value["categories"])
    assert names(from_json(json.loads(json.dumps(value)), "c.json")) == wanted


def test_broken_categories_are_left_out_and_named() -> None:
    remarks: list[str] = []
    rows = [3, {"name": "x"}, *LISTED, {"id": 2, "name": "again"}]
    data = from_json(data_set(row(1, 2), categories=rows), "c.json", remarks)
    assert names(data) == ["epithelial"]
    assert "3 of 6 categories are left out: number 1, number 2 (has no whole number" in remarks[0]


@pytest.mark.parametrize(
    ("value", "colour"),
    [
        ([1, 2, 3], (1, 2, 3)),
        ([1, 2, 3, 255], (1, 2, 3)),
        ("#00ff10", (0, 255, 16)),
        (-3670016, (200, 0, 0)),
        (None, None),
        ("red", None),
        ([1, 2], None),
        ([1, 2, 900], None),
    ],
)
def test_colours(value: Any, colour: Any) -> None:
    assert colour_of(value) == colour


# -- other formats ----------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(set(WRITABLE) - {"parquet"}))
def test_every_format_keeps_them_or_says_that_it_does_not(name: str, folder: Path) -> None:
    format = FORMATS[name]
    done = convert(folder / "c.json", folder / f"out{format.ending}", name)
    said = [
        line for line in done.remarks if "categories (stroma, epithelial, epithelial 9) are" in line
    ]
    assert len(said) == (name in ("labels", "dsb", "masks"))
    if name in ("geojson", "imagej", "coco"):
        data, _ = read(done.written, Sidecar(folder))
        assert names(data) == names(from_json(THREE, "c.json"))
        colours = [c.colour for c in data.categories if c.name in ("epithelial", "stroma")]
        assert sorted(map(str, colours)) == ["(0, 255, 16)", "(200, 0, 10)"]


def test_results_keep_the_numbers(folder: Path) -> None:
    out = folder / "r.json"
    convert(folder / "c.json", out, "results")
    assert {entry["category_id"] for entry in json.loads(out.read_text())} == {2, 5, 9}
    convert(out, folder / "back.json", "coco")
    value = json.loads((folder / "back.json").read_text())
    assert [c["id"] for c in value["categories"]] == [2, 5, 9]
    assert sorted(a["category_id"] for a in value["annotations"]) == [2, 5, 9]


def test_the_table_has_a_column(folder: Path) -> None:
    convert(folder / "c.json", folder / "t.csv", "table")
    found = pd.read_csv(folder / "t.csv")
    assert found["category"].tolist() == ["stroma", "epithelial", "epithelial 9"]


def classified(name: Any, **more: Any) -> dict[str, Any]:
    ring = [[10, 10], [30, 10], [30, 30], [10, 30], [10, 10]]
    properties = {"objectType": "detection", "classification": name, **more}
    geometry = {"type": "Polygon", "coordinates": [ring]}
    return {"type": "Feature", "geometry": geometry, "properties": properties}


@pytest.mark.parametrize(
    ("said", "category", "state"),
    [
        ({"name": "Tumor", "color": [200, 0, 0]}, "Tumor", "proposed"),
        ({"name": "Tumor", "colorRGB": -3670016}, "Tumor", "proposed"),
        ({"names": ["Tumor", "Positive"], "color": [200, 0, 0]}, "Tumor: Positive", "proposed"),
        ({"name": "Tumor: Accepted", "color": [200, 0, 0]}, "Tumor", "accepted"),
        ("Tumor", "Tumor", "proposed"),
        ({"name": "Nucleus: accepted"}, "nucleus", "accepted"),
        ({"name": "Nucleus"}, "Nucleus", "proposed"),
        (None, "nucleus", "proposed"),
        ({}, "nucleus", "proposed"),
        ({"name": None, "names": 3}, "nucleus", "proposed"),
    ],
)
def test_classes_of_qupath(said: Any, category: str, state: str, folder: Path) -> None:
    (folder / "a.geojson").write_text(json.dumps([classified(said)]))
    data, _ = read([folder / "a.geojson"], Sidecar())
    (nucleus,) = data.nuclei[1]
    assert (nucleus.category, nucleus.state) == (category, State(state))
    if isinstance(said, dict) and ("color" in said or "colorRGB" in said):
        assert [c.colour for c in data.categories] == [(200, 0, 0)]
    coco.write(folder / "b.json", data)
    convert(folder / "b.json", folder / "b.geojson")
    again = json.loads((folder / "b.geojson").read_text())["features"][0]["properties"]
    name = again["classification"]["name"]
    if category == "nucleus":
        assert name == f"Nucleus: {state}"
    else:
        assert name == category + ("" if state == "proposed" else f": {state}")


def test_several_files_have_one_list(folder: Path) -> None:
    Image.new("L", SHAPE[::-1]).save(folder / "b.png")
    (folder / "a.geojson").write_text(json.dumps([classified("T"), classified("nucleus")]))
    (folder / "b.geojson").write_text(json.dumps([classified("S"), classified("T")]))
    data, _ = read([folder / "a.geojson", folder / "b.geojson"], Sidecar())
    assert names(data) == ["T", "nucleus", "S", "T"]
    listed = {c.name: c.id for c in data.categories}
    assert listed["nucleus"] == 1
    assert len(set(listed.values())) == len(listed) == 3


def test_groups_of_imagej(folder: Path) -> None:
    rect = roifile.ROI_TYPE.RECT
    roi = roifile.ImagejRoi(roitype=rect, left=1, top=1, right=9, bottom=9, group=7)
    (folder / "a.roi").write_bytes(roi.tobytes())
    data, _ = read([folder / "a.roi"], Sidecar())
    assert names(data) == ["group 7"]
    assert data.categories == (Category(7, "group 7"),)
    coco.write(folder / "b.json", data)
    (written,) = convert(folder / "b.json", folder / "b.rois.zip").written
    (again,) = roifile.roiread(written)
    assert again.group == 7


# -- reviews and edits ------------------------------------------------------------------


def test_edits_keep_the_category(folder: Path) -> None:
    rows = [Nucleus(1, square, category="T"), Nucleus(2, square.shift(0, 20), category="S")]
    review = Review.open(folder / "a.png", start=Nuclei(SHAPE, rows))

    def now() -> dict[int, str]:
        return {n.id: n.category for n in review.nuclei.shown()}

    review.do(edits.split(review.nuclei, 1, [(10, 0), (10, 20)]))
    assert now() == {1: "T", 2: "S", 3: "T"}
    review.do(edits.merge(review.nuclei, [3, 1]))
    review.do(edits.grow(review.nuclei, [2], 2))
    review.do(edits.note(review.nuclei, [3], "x"))
    review.do(stroke(review.nuclei, [40, 41], [40, 41], review.nuclei.next_id))
    assert now() == {3: "T", 2: "S", 4: "nucleus"}
    answers = [Answer(square.shift(0, 20), 0.5, "net"), Answer(square.shift(20, 20), 0.5, "net")]
    review.do(apply_alternative(review.nuclei, [2], answers))
    assert now() == {3: "T", 2: "S", 4: "nucleus", 5: "S"}
    held = now()
    review.close()
    again = Review.open(folder / "a.png")
    assert {n.id: n.category for n in again.nuclei.shown()} == held
    while again.undo():
        pass
    assert {n.id: n.category for n in again.nuclei} == {1: "T", 2: "S"}
    again.close()


def test_a_workspace_exports_the_list(folder: Path) -> None:
    workspace = Workspace(folder / "c.json")
    review = workspace.review(folder / "a.png")
    review.do(edits.accept(review.nuclei, [1]))
    data = result_of(gather(workspace))
    workspace.close()
    value = coco.to_json(data)
    assert value["categories"] == LISTED
    ids = {a["napari_nuclei"]["id"]: a["category_id"] for a in value["annotations"]}
    assert ids == {1: 5, 2: 2, 3: 9}
