"""COCO data sets of our own: they come back equal, and pycocotools reads them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pycocotools import mask as coco_rle
from pycocotools.coco import COCO
from strategies import nuclei

from napari_nuclei.formats import coco
from napari_nuclei.formats.coco import DataSet, ImageRecord
from napari_nuclei.formats.coco_reader import from_json
from napari_nuclei.masks import Mask
from napari_nuclei.nuclei import Kind, Nuclei, Nucleus, Origin, State

SHAPE = (20, 30)
square = np.zeros(SHAPE, np.uint8)
square[3:9, 5:15] = 1
RLE = {"size": [20, 30], "counts": Mask.from_array(square).to_coco(SHAPE)["counts"]}


@st.composite
def data_sets(draw: st.DrawFn) -> DataSet:
    images, of = [], {}
    for id in draw(st.lists(st.integers(0, 99), unique=True, max_size=3)):
        shape = (11, 12 + id % 3)
        extra = draw(st.sampled_from([{}, {"plane": [3], "license": 1}]))
        kind = draw(st.sampled_from(["", "fluorescence"]))
        images.append(ImageRecord(id, f"Zelle {id}.png", *shape, kind, extra))
        of[id] = draw(nuclei(shape))
    about = draw(st.sampled_from([{}, {"info": {"year": 2018}, "licenses": []}]))
    return DataSet(images, of, about)


@given(data_sets())
def test_reading_back_gives_an_equal_value(data: DataSet) -> None:
    text = json.dumps(coco.to_json(data))
    back = from_json(json.loads(text), "x.json")
    assert back == data
    for id, of in data.nuclei.items():
        assert back.nuclei[id].next_id == of.next_id
        assert {n.id: n for n in back.nuclei[id]} == {n.id: n for n in of}


@given(data_sets())
def test_annotations_are_what_is_shown(data: DataSet) -> None:
    value = coco.to_json(data)
    shown = [(i, n) for i in data.nuclei for n in data.nuclei[i].shown()]
    rows = value["annotations"]
    assert sorted((r["image_id"], r["napari_nuclei"]["id"]) for r in rows) == sorted(
        (i, n.id) for i, n in shown
    )
    assert [r["id"] for r in rows] == list(range(1, len(rows) + 1))
    assert len(value["napari_nuclei"]["not_exported"]) == sum(map(len, data.nuclei.values())) - len(
        rows
    )
    for row in rows:
        theirs = row["segmentation"]
        assert row["area"] == coco_rle.area(theirs)
        assert row["bbox"] == coco_rle.toBbox(theirs).tolist()
        assert (row["iscrowd"], row["category_id"]) == (0, 1)


def test_pycocotools_reads_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    of = Nuclei(SHAPE, [Nucleus(7, Mask.from_array(square), 0.75)])
    data = DataSet([ImageRecord(3, "a.png", *SHAPE)], {3: of})
    coco.write(tmp_path / "a.json", data)
    theirs = COCO(str(tmp_path / "a.json"))
    capsys.readouterr()
    assert theirs.getCatIds(["nucleus"]) == [1]
    (row,) = theirs.loadAnns(theirs.getAnnIds(imgIds=[3]))
    whole = coco_rle.encode(np.asfortranarray(square))
    assert theirs.annToRLE(row)["counts"] == whole["counts"].decode()
    assert row["score"] == 0.75
    assert coco.read(tmp_path / "a.json") == data


def test_an_image_without_an_entry_has_none(tmp_path: Path) -> None:
    coco.write(tmp_path / "a.json", DataSet([ImageRecord(3, "a.png", *SHAPE)], {}))
    assert coco.read(tmp_path / "a.json").nuclei == {3: Nuclei(SHAPE)}


def test_a_corrected_nucleus_keeps_what_was_predicted() -> None:
    said = Mask.from_array(square)
    rows = [
        Nucleus(1, said, 0.5, origin=Origin(Kind.MODEL, "netz", said)),
        Nucleus(2, said.shift(1, 1), 0.5, State.ACCEPTED, Origin(Kind.MODEL, "netz", said)),
    ]
    data = DataSet([ImageRecord(3, "a.png", *SHAPE)], {3: Nuclei(SHAPE, rows)})
    first, second = (r["napari_nuclei"] for r in coco.to_json(data)["annotations"])
    assert first == {"id": 1, "state": "proposed", "origin": {"kind": "model", "model": "netz"}}
    assert second["origin"]["predicted"] == RLE
