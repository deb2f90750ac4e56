"""GeoJSON: there and back, as shapely reads it, and what QuPath's files hold."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from strategies import nuclei

from napari_nuclei.errors import UserError
from napari_nuclei.formats import geojson, geojson_reader
from napari_nuclei.formats.sidecar import Sidecar
from napari_nuclei.masks import Mask
from napari_nuclei.nuclei import Crowd, ImageRecord, Kind, Nuclei, Nucleus, State

RING = [[2, 1], [6, 1], [6, 5], [2, 5], [2, 1]]
HOLE = [[3, 2], [3, 3], [4, 3], [4, 2], [3, 2]]
ABOUT = {"file_name": "a.png", "height": 8, "width": 9}


def feature(shape: Any = (RING,), id: str = "x", kind: str = "Polygon", **more: Any) -> Any:
    geometry = {"type": kind, "coordinates": shape}
    return {"type": "Feature", "id": id, "geometry": geometry, "properties": more}


ON_PLANE_3 = feature()
ON_PLANE_3["geometry"]["plane"] = {"c": -1, "z": 3, "t": 0}


def saved(path: Path, features: Any, **more: Any) -> Path:
    value = {"type": "FeatureCollection", "features": features, **more}
    path.write_text(json.dumps(value))
    return path


def read(path: Path, sidecar: Sidecar | None = None) -> Nuclei:
    return geojson_reader.read(path, sidecar or Sidecar())[1]


@given(of=nuclei())
def test_shown_nuclei_come_back(of: Nuclei, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("g") / "a.geojson"
    image = ImageRecord(1, "ä b.png", *of.shape)
    geojson.write(path, image, of, Sidecar())
    found, back = geojson_reader.read(path, Sidecar())
    assert found == image
    shown = {n.id: n for n in of.shown()}
    assert {n.id for n in back} == set(shown)
    for n in back:
        was = shown[n.id]
        assert (n.mask, n.state, n.note, n.origin.kind) == (
            was.mask, was.state, was.note, was.origin.kind,
        )  # fmt: skip
        assert n.score == pytest.approx(was.score, abs=1e-6)


def test_what_qupath_needs(tmp_path: Path) -> None:
    ring = np.ones((4, 4), bool)
    ring[1, 1] = False
    of = Nuclei((8, 9), [Nucleus(7, Mask.from_array(ring, 1, 2), 0.5, State.ACCEPTED)])
    path = tmp_path / "a.geojson"
    geojson.write(path, ImageRecord(1, "a.png", 8, 9), of, Sidecar(pixel_size=0.5))
    (row,) = json.loads(path.read_text())["features"]
    assert len(row["id"]) == 36
    assert row["geometry"]["type"] == "Polygon"
    outer, hole = row["geometry"]["coordinates"]
    assert outer[0] == outer[-1] == [2, 1]
    assert len(outer) == len(hole) == 5
    properties = row["properties"]
    assert properties["objectType"] == "detection"
    assert properties["classification"]["name"] == "Nucleus: accepted"
    assert properties["measurements"] == {"Score": 0.5, "Area px^2": 15, "Area µm^2": 3.75}


def test_files_of_qupath(tmp_path: Path) -> None:
    cell = feature([RING], "1", objectType="cell")
    cell["nucleusGeometry"] = {"type": "Polygon", "coordinates": [RING, HOLE]}
    old = feature(
        [[RING], [[[0, 0], [1.6, 0], [1.6, 1], [0, 1], [0, 0]]]],
        "PathDetectionObject",
        "MultiPolygon",
        classification={"names": ["Tumour", "Rejected"]},
        measurements=[{"name": "Score", "value": 0.25}, {"name": "x", "value": None}],
        name="doubtful",
    )
    others = [
        feature([RING], "3", objectType="annotation"),
        feature([1, 1], "4", "Point", objectType="detection"),
    ]
    sidecar = Sidecar()
    path = saved(tmp_path / "a.geojson", [cell, old, *others], napari_nuclei=ABOUT)
    first, second = read(path, sidecar)
    assert first.mask.area == 15
    assert second.mask.area == 18
    assert (second.score, second.state, second.note) == (0.25, State.REJECTED, "doubtful")
    assert first.origin.kind is Kind.IMPORT
    assert len(sidecar.remarks) == 2
    assert "1 feature is left out (annotation" in "".join(sidecar.remarks)


def test_annotations_alone_are_nuclei_and_copies_get_ids_of_their_own(tmp_path: Path) -> None:
    id = f"{geojson.MARK}-8000-00000000000c"
    rows = [feature([RING], i, objectType="annotation") for i in (id, id, "other")]
    found = read(saved(tmp_path / "a.geojson", rows, napari_nuclei=ABOUT))
    assert [n.id for n in found] == [12, 13, 14]


def test_the_size_of_the_image(tmp_path: Path) -> None:
    from PIL import Image

    path = saved(tmp_path / "a.geojson", [feature()])
    with pytest.raises(UserError, match=r"does not say how large.*--images"):
        read(path)
    sidecar = Sidecar(guess_size=True)
    assert read(path, sidecar).shape == (5, 6)
    assert "extent" in sidecar.remarks[0]
    Image.new("L", (20, 30)).save(tmp_path / "a.png")
    assert geojson_reader.read(path, Sidecar())[0] == ImageRecord(1, "a.png", 30, 20)
    (tmp_path / "elsewhere").mkdir()
    Image.new("L", (3, 3)).save(tmp_path / "elsewhere" / "a.png")
    with pytest.raises(UserError, match="right image"):
        read(path, Sidecar(tmp_path / "elsewhere"))


@pytest.mark.parametrize(
    ("features", "words"),
    [
        ("x", "no list of features"),
        ([3], "only feature cannot be used: number 1 .it has no geometry"),
        ([feature(None)], "three corners"),
        ([feature([3]), feature([])], "none of its 2 features"),
        ([feature([1, 1], kind="Point"), feature(kind="LineString")], "no outline of a nucleus"),
        ([feature([1, 1], kind="Point"), feature([])], "no outline of a nucleus"),
        ([feature(objectType="tmaCore")], r"but others \(core of a TMA: 1\)"),
        ([feature([[[1, 2], [3, 4]]])], "three corners"),
        ([feature([[[1, 2], [3, "a"], [1, 2]]])], "three corners"),
        ([feature([[[1, 2], [3, 1e9], [1, 2]]])], "three corners"),
        ([feature(), ON_PLANE_3], "2 planes"),
    ],
)
def test_bad_files(features: Any, words: str, tmp_path: Path) -> None:
    path = saved(tmp_path / "a.geojson", features, napari_nuclei=ABOUT)
    with pytest.raises(UserError, match=words) as caught:
        read(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


# -- what QuPath writes besides ---------------------------------------------------------


def test_a_bare_nan_is_a_missing_measurement(tmp_path: Path) -> None:
    measures = {"Nucleus: Solidity": float("nan"), "Score": float("nan"), "Area": 3.0}
    rows = [feature(objectType="detection", measurements=measures)]
    path = saved(tmp_path / "a.geojson", rows, napari_nuclei=ABOUT)
    assert "NaN" in path.read_text()
    (nucleus,) = read(path)
    assert (nucleus.mask.area, nucleus.score) == (16, 1.0)


def areas(path: Path, *kinds: str) -> tuple[list[int], list[str]]:
    """Read features of these kinds, the first of 1 px, the second of 2 px, …."""
    rows = []
    for k, kind in enumerate(kinds, 1):
        ring = [[0, 0], [k, 0], [k, 1], [0, 1], [0, 0]]
        legacy = kind.startswith("Path") or kind.startswith("TMA")
        rows.append(feature([ring], kind) if legacy else feature([ring], "x", objectType=kind))
    sidecar = Sidecar()
    found = read(saved(path, rows, napari_nuclei=ABOUT), sidecar)
    return [n.mask.area for n in found], sidecar.remarks


@pytest.mark.parametrize(
    ("kinds", "wanted", "said"),
    [
        (["tmaCore", "tile", "detection"], [3], 2),
        (["TMACoreObject", "PathTileObject", "PathCellObject"], [3], 3),
        (["tile", "tile"], [1, 2], 0),
        (["tmaCore", "tile"], [2], 1),
        (["tmaCore", "annotation"], [2], 1),
        (["tile", "annotation", "tile"], [2], 1),
        (["annotation", "cell", "detection", "tile"], [2, 3], 3),
        (["root", "something else"], [2], 1),
        (["PathRootObject", "PathAnnotationObject"], [2], 1),
    ],
)
def test_kinds_of_objects(kinds: list[str], wanted: list[int], said: int, tmp_path: Path) -> None:
    found, remarks = areas(tmp_path / "a.geojson", *kinds)
    assert found == wanted
    assert len(remarks) == said


def test_words_in_an_id_are_no_kind(tmp_path: Path) -> None:
    rows = [feature([RING], id) for id in ("tissue-annotation-1", "reptile", "tma-3", "cell_9")]
    found = read(saved(tmp_path / "a.geojson", rows, napari_nuclei=ABOUT))
    assert len(found) == 4


@pytest.mark.parametrize(
    ("properties", "score"),
    [
        ({"measurements": {"Detection probability": 0.61}}, 0.61),
        ({"measurements": [{"name": "Detection probability", "value": 0.61}]}, 0.61),
        ({"measurements": {"Class probability": 0.61}}, 0.61),
        ({"measurements": {"StarDist Probability": 0.61}}, 0.61),
        ({"measurements": {"Score": 0.5, "Detection probability": 0.61}}, 0.5),
        ({"measurements": {"Probability": "0.61"}}, 0.61),
        ({"classProbability": 0.61}, 0.61),
        ({"class_probability": 0.61}, 0.61),
        ({"score": 0.61}, 0.61),
        ({"measurements": {"Area": 0.61}}, 1.0),
        ({"measurements": {"Score": True}}, 1.0),
    ],
)
def test_probabilities_are_scores(properties: Any, score: float, tmp_path: Path) -> None:
    rows = [feature([RING], objectType="detection", **properties)]
    (nucleus,) = read(saved(tmp_path / "a.geojson", rows, napari_nuclei=ABOUT))
    assert nucleus.score == score


def test_a_score_that_is_none_is_said(tmp_path: Path) -> None:
    rows = [feature(measurements={"Score": 61})]
    sidecar = Sidecar()
    (nucleus,) = read(saved(tmp_path / "a.geojson", rows, napari_nuclei=ABOUT), sidecar)
    assert nucleus.score == 1.0
    assert "its score 61 is not a number from 0 to 1: clipped" in sidecar.remarks[0]


@pytest.mark.parametrize("category", ["accepted", "Tumour: Rejected", "proposed"])
def test_a_category_may_be_called_as_a_state(category: str, tmp_path: Path) -> None:
    square = Mask.from_array(np.ones((4, 4)), 1, 2)
    of = Nuclei((8, 9), [Nucleus(1, square, category=category)])
    geojson.write(tmp_path / "b.geojson", ImageRecord(1, "a.png", 8, 9), of, Sidecar())
    (found,) = read(tmp_path / "b.geojson")
    assert (found.category, found.state) == (category, State.PROPOSED)


def test_areas_to_ignore_are_annotations_of_qupaths_own_class(tmp_path: Path) -> None:
    rows = [
        feature([RING], objectType="annotation", classification={"name": "Ignore*"}),
        feature([RING], objectType="annotation"),
    ]
    found = read(saved(tmp_path / "a.geojson", rows, napari_nuclei=ABOUT))
    assert (len(found), len(found.crowds)) == (1, 1)
    of = Nuclei((8, 9), crowds=(Crowd(Mask.from_array(np.ones((4, 4)), 1, 2), "T"),))
    geojson.write(tmp_path / "b.geojson", ImageRecord(1, "a.png", 8, 9), of, Sidecar())
    (row,) = json.loads((tmp_path / "b.geojson").read_text())["features"]
    assert row["properties"]["objectType"] == "annotation"
    assert row["properties"]["classification"]["name"] == "Ignore*"
    assert read(tmp_path / "b.geojson") == of
    rows = [feature([RING], iscrowd=value) for value in (1, True, 0, None)]  # as COCO has it
    found = read(saved(tmp_path / "a.geojson", rows, napari_nuclei=ABOUT))
    assert (len(found), len(found.crowds)) == (2, 2)
