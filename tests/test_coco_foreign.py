"""COCO files of other tools are read; of broken ones it is said where and why."""

from __future__ import annotations

import copy
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pycocotools import mask as coco_rle

from napari_nuclei.errors import UserError
from napari_nuclei.formats import coco
from napari_nuclei.formats.categories import Category
from napari_nuclei.formats.coco import DataSet, ImageRecord
from napari_nuclei.formats.coco_reader import from_json
from napari_nuclei.masks import Mask
from napari_nuclei.nuclei import Kind, Nuclei, Nucleus, Origin

SHAPE = (20, 30)
square = np.zeros(SHAPE, np.uint8)
square[3:9, 5:15] = 1
RLE = {"size": [20, 30], "counts": Mask.from_array(square).to_coco(SHAPE)["counts"]}


# -- foreign files ----------------------------------------------------------------------


def foreign(segmentation: Any, **more: Any) -> dict[str, Any]:
    image = {"id": 4, "file_name": "b.png", "height": 20, "width": 30}
    return {
        "images": [image],
        "annotations": [{"image_id": 4, "segmentation": segmentation}],
    } | more


def only(value: dict[str, Any]) -> Nucleus:
    (nucleus,) = from_json(json.loads(json.dumps(value)), "folder/b.json").nuclei[4]
    return nucleus


runs = Mask.from_array(square).image_runs(SHAPE).tolist()


@pytest.mark.parametrize(
    "segmentation",
    [
        RLE,
        {"size": [20, 30], "counts": runs},
        {"size": [20.0, 30.0], "counts": [float(v) for v in runs]},
        {"size": [20, 30], "counts": str(RLE["counts"].encode())},  # bytes printed as text
        [[5, 3, 15, 3, 15, 9, 5, 9]],
        [5, 3, 15, 3, 15, 9, 5, 9],
        [[5, 3, 10, 3, 10, 9, 5, 9], [10.0, 3, 15, 3, 15, 9, 10, 9]],
    ],
)
def test_segmentations_of_other_tools(segmentation: Any) -> None:
    nucleus = only(foreign(segmentation))
    assert nucleus == Nucleus(1, Mask.from_array(square), origin=Origin(Kind.IMPORT, "b.json"))


def test_printed_bytes_with_backslashes() -> None:
    shape = (40, 40)
    arrays = (np.random.default_rng(k).random(shape) < 0.2 for k in range(50))
    mask = next(m for a in arrays if "\\" in (m := Mask.from_array(a)).to_coco(shape)["counts"])
    code = {"size": [40, 40], "counts": str(mask.to_coco(shape)["counts"].encode())}
    value = foreign(code)
    value["images"][0] |= {"height": 40, "width": 40}
    assert only(value).mask == mask


@given(
    st.lists(
        st.lists(st.tuples(st.integers(-20, 50), st.integers(-20, 50)), min_size=3, max_size=6),
        min_size=1,
        max_size=3,
    )
)
def test_polygons_are_those_of_pycocotools(rings: list[list[tuple[int, int]]]) -> None:
    flat = [[v for corner in ring for v in corner] for ring in rings]
    theirs = coco_rle.merge(coco_rle.frPyObjects(flat, *SHAPE))
    if coco_rle.area(theirs) == 0:
        assert "no pixels" in refused(foreign(flat))
    else:
        assert only(foreign(flat)).mask.to_coco(SHAPE)["counts"] == theirs["counts"].decode()


def test_several_rings_are_one_object() -> None:
    mask = only(foreign([[1, 1, 5, 1, 5, 5, 1, 5], [20, 10, 25, 10, 25, 15, 20, 15]])).mask
    assert len(mask.parts()) == 2
    assert mask.area == 16 + 25


def test_what_can_be_derived_may_be_missing() -> None:
    value = foreign(RLE)
    del value["images"][0]["height"], value["images"][0]["width"]
    data = from_json(value, "b.json")
    assert data.images[0].shape == SHAPE
    assert data.categories == (Category(1, "nucleus"),)


def test_all_categories_are_nuclei_and_named() -> None:
    names = [{"id": 2, "name": "tumour"}, {"id": 5, "name": "immune"}]
    value = foreign(RLE, categories=names, info={"year": 2021})
    value["annotations"] = [
        {"image_id": 4, "segmentation": RLE, "category_id": 5, "score": None},
        {"image_id": 4, "segmentation": RLE, "category_id": 2, "id": "a", "score": 0.5},
    ]
    data = from_json(value, "b.json")
    assert [(c.id, c.name) for c in data.categories] == [(2, "tumour"), (5, "immune")]
    assert [n.category for n in data.nuclei[4]] == ["immune", "tumour"]
    assert [n.score for n in data.nuclei[4]] == [1.0, 0.5]
    assert data.about == {"info": {"year": 2021}}


def test_what_another_tool_adds_to_our_file_gets_a_free_id() -> None:
    of = Nuclei(SHAPE, [Nucleus(7, Mask.from_array(square))], next_id=12)
    value = coco.to_json(DataSet([ImageRecord(4, "b.png", *SHAPE)], {4: of}))
    value["annotations"].insert(0, {"id": 99, "image_id": 4, "segmentation": RLE})
    back = from_json(value, "b.json").nuclei[4]
    assert {n.id for n in back} == {7, 12}
    assert back.next_id == 13


# -- broken files -----------------------------------------------------------------------


def refused(value: Any) -> str:
    with pytest.raises(UserError) as error:
        from_json(value, "b.json")
    text = str(error.value)
    assert "\n" not in text
    assert text.startswith("b.json")
    return text


@pytest.mark.parametrize(
    ("segmentation", "words"),
    [
        ({"size": [20, 30], "counts": "1@#"}, "cannot be decoded"),
        ({"size": [20, 30], "counts": "1"}, "do not fill an image of 20×30"),
        ({"size": [20, 30], "counts": [1, -1, 600]}, "do not fill"),
        ({"size": [20, 30], "counts": [1e30]}, "cannot be decoded"),
        ({"size": [20, 30], "counts": ["a"]}, "whole numbers"),
        ({"size": [20, 30], "counts": "b'"}, "cannot be decoded"),
        ({"size": [20, 30]}, "counts"),
        ({"size": [30, 20], "counts": RLE["counts"]}, r"30×20 .* its image 20×30"),
        ({"size": [20, -30], "counts": RLE["counts"]}, "for which size"),
        ({"counts": RLE["counts"]}, "for which size"),
        ({"size": [20, 30], "counts": [600]}, "no pixels"),
        ([[1, 1, 5, 5]], "three corners"),
        ([[1, 1, 5, 5, 9, 9, 3]], "three corners"),
        ([[1, 1, 5, "x", 9, 9]], "not numbers"),
        ([[1, 1, 1e9, 5, 9, 9]], "far outside"),
        ([[1, 1, float("nan"), 5, 9, 9]], "not numbers"),
        ([["a"], 5], "three corners"),
        ([[40, 30, 45, 30, 45, 35]], "no pixels"),
        ([], "neither run lengths nor a polygon"),
        (None, "neither run lengths nor a polygon"),
        ("abc", "neither run lengths nor a polygon"),
    ],
)
def test_broken_masks_are_named(segmentation: Any, words: str) -> None:
    sound = foreign(RLE)["annotations"][0]
    value = foreign(segmentation)
    value["annotations"].insert(0, sound)
    text = refused(value)
    assert re.search(words, text), text
    assert "annotation number 2 (image b.png)" in text


def changed(change: Any) -> str:
    value = coco.to_json(
        DataSet(
            [ImageRecord(4, "b.png", *SHAPE)],
            {4: Nuclei(SHAPE, [Nucleus(k, Mask.from_array(square)) for k in (1, 2)])},
        )
    )
    value = copy.deepcopy(value)
    change(value)
    return refused(value)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda v: v["annotations"][1].update(image_id=5), "annotation 2 belongs to image 5"),
        (lambda v: v["annotations"][1].update(image_id=[]), "belongs to image"),
        (lambda v: v["annotations"][1].update(id=1), "two annotations have the id 1"),
        (lambda v: v["annotations"][1].update(id=[]), "odd id"),
        (lambda v: v["annotations"][1].update(score=7), "score 7"),
        (lambda v: v["annotations"][1].update(score="high"), "score 'high'"),
        (lambda v: v["annotations"][1].update(score=[]), "score"),
        (lambda v: v["annotations"].append(3), "annotation number 3 is not an object"),
        (lambda v: v["images"].append(v["images"][0]), "two images have the id 4"),
        (lambda v: v["images"].append({}), "image number 2 has no whole number"),
        (lambda v: v["images"].append(None), "image number 2"),
        (lambda v: v["images"].append({"id": 9}), "no file_name"),
        (lambda v: v["images"].append({"id": 9, "file_name": "c"}), "height and width"),
        (lambda v: v["images"][0].update(height=0), "height and width"),
        (lambda v: v.pop("images"), "no list 'images'"),
        (lambda v: v.update(annotations={}), "no list 'annotations'"),
        (lambda v: v["napari_nuclei"].update(version=2), "newer version"),
        (lambda v: v.update(napari_nuclei={"images": 3}), "damaged"),
        (lambda v: v["napari_nuclei"]["images"][0].update(next_id="x"), "damaged"),
        (lambda v: v["napari_nuclei"]["images"][0].update(complete=[1]), "damaged"),
        (lambda v: v["napari_nuclei"]["images"][0].update(complete=[[1e999] * 4]), "damaged"),
        (lambda v: v["napari_nuclei"]["images"][0].update(threshold=1e999), "damaged"),
        (lambda v: v["napari_nuclei"]["images"][0].update(image_id=[]), "damaged"),
        (lambda v: v["annotations"][0]["napari_nuclei"].update(id=2), "same id"),
        (lambda v: v["annotations"][0]["napari_nuclei"].update(id=-2), "wrong id"),
        (lambda v: v["annotations"][0]["napari_nuclei"].update(state="?"), "damaged"),
        (lambda v: v["annotations"][0]["napari_nuclei"].pop("origin"), "damaged"),
        (lambda v: v["annotations"][0]["napari_nuclei"]["origin"].update(predicted=4), "damaged"),
        (lambda v: v["annotations"][0].update(napari_nuclei=3), "damaged"),
    ],
)
def test_what_is_wrong_is_said(change: Any, words: str) -> None:
    assert words in changed(change)


@pytest.mark.parametrize("value", [[], [1], 3, None, {}, "text", {"images": []}])
def test_not_coco(value: Any) -> None:
    assert "COCO data set" in refused(value)


@pytest.mark.parametrize("content", [b"", b"{", b"\x89PNG\r\n\x1a\n\0", b"\xff\xfe", b"[" * 9999])
def test_not_json(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "b.json"
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"b\.json is not a JSON file"):
        coco.read(path)


def test_nothing_to_read(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no such file"):
        coco.read(tmp_path / "none.json")
    with pytest.raises(UserError, match="cannot read"):
        coco.read(tmp_path)
