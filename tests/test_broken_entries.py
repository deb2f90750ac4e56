"""One bad entry costs no file: it is left out or mended, counted and named; `--strict` refuses."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import roifile
from PIL import Image

from napari_nuclei import api
from napari_nuclei.cli import main
from napari_nuclei.errors import UserError
from napari_nuclei.formats import results
from napari_nuclei.formats.coco_reader import from_json
from napari_nuclei.formats.dataset import DataSet
from napari_nuclei.masks import Mask
from napari_nuclei.nuclei import Kind, Nuclei, Nucleus, Origin, State

SHAPE = (60, 80)
GOOD = [[40, 10, 60, 10, 60, 30, 40, 30]]
SQUARE = [[10, 10, 30, 10, 30, 30, 10, 30]]
IMAGE = {"id": 1, "file_name": "a.png", "height": 60, "width": 80}
EMPTY = {"size": [60, 80], "counts": [4800]}


def row(id: Any, segmentation: Any, **more: Any) -> dict[str, Any]:
    return {"id": id, "image_id": 1, "category_id": 1, "segmentation": segmentation, **more}


def data_set(*annotations: Any, **more: Any) -> dict[str, Any]:
    categories = [{"id": 1, "name": "nucleus"}]
    return {"images": [IMAGE], "annotations": [*annotations], "categories": categories, **more}


def areas(data: DataSet) -> list[int]:
    return [n.mask.area for image in data.images for n in data.of(image)]


def read(value: Any) -> tuple[DataSet, str]:
    """Read a file in memory as tolerantly as can be; what is said of it in one text."""
    remarks: list[str] = []
    data = from_json(json.loads(json.dumps(value)), "x/b.json", remarks)
    assert not any("\n" in line for line in remarks)
    return data, " ".join(remarks)


ours = {"napari_nuclei": {"id": 7, "state": "accepted", "origin": {"kind": "hand"}}}

CASES: dict[str, tuple[list[Any], list[int], str]] = {
    "point": ([row(1, [[40.0, 30.0]]), row(2, GOOD)], [400], "left out: 1 (its polygon is not"),
    "line": ([row(1, [[10, 10, 20, 20]]), row(2, GOOD)], [400], "left out: 1 (its polygon is not"),
    "flat": ([row(1, [[1, 1, 2, 2, 3, 3]]), row(2, GOOD)], [400], "left out: 1 (its mask has no"),
    "empty": ([row(1, EMPTY), row(2, GOOD)], [400], "left out: 1 (its mask has no pixels)"),
    "nothing": ([row(1, None), row(2, GOOD)], [400], "left out: 1 (it has neither run"),
    "box": ([row(1, [], bbox=[1, 1, 2, 2]), row(2, GOOD)], [400], "1 (it has a box but no mask)"),
    "nan": ([row(1, [[1, float("nan"), 9, 1, 9, 9]]), row(2, GOOD)], [400], "not numbers"),
    "size": (
        [row(1, {"size": [80, 60], "counts": [4800]}), row(2, GOOD)],
        [400],
        "left out: 1 (its mask is 80×60 (height × width), its image 60×80)",
    ),
    "not an object": ([3, row(2, GOOD)], [400], "left out: number 1 (is not an object)"),
    "orphan": ([row(1, GOOD), row(2, GOOD, image_id=99)], [400], "2 (belongs to image 99, which"),
    "part": (
        [row(1, [*SQUARE, [12.0, 12.0]]), row(2, GOOD)],
        [400, 400],
        "repaired: 1 (its polygon has a part of fewer than three corners",
    ),
    "pairs": ([row(1, [[[10, 10], [30, 10], [30, 30], [10, 30]]])], [400], "corners as pairs"),
    "double id": ([row(1, SQUARE), row(1, GOOD)], [400, 400], "two annotations have the id 1"),
    "float id": (
        [row(1.0, GOOD)],
        [400],
        "1 of 1 annotation is repaired: number 1 (has the odd id",
    ),
    "texts": (
        [row("1", GOOD, image_id="1", category_id="1", score="0.5")],
        [400],
        "repaired: '1' (its image_id is text)",
    ),
    "text in a polygon": ([row(1, [[str(v) for v in GOOD[0]]])], [400], "has numbers as text"),
    "text as size": (
        [row(1, {"size": ["60", "80"], "counts": [0, 400, 4400]})],
        [400],
        "its size is text",
    ),
    "text as counts": (
        [row(1, {"size": [60, 80], "counts": ["0", "400", "4400"]})],
        [400],
        "its run lengths are text",
    ),
    "score": ([row(1, GOOD, score="high")], [400], "its score 'high' is not a number"),
    "high score": (
        [row(1, GOOD, score=7)],
        [400],
        "its score 7 is not a number from 0 to 1: clipped",
    ),
    "category": ([row(1, GOOD, category_id=7)], [400], "its category 7 is not listed"),
    "odd category": ([row(1, GOOD, category_id=[])], [400], "its category_id [] is no whole"),
    "our own": ([row(1, GOOD, napari_nuclei={"id": 2})], [400], "'napari_nuclei' is damaged"),
    "our own twice": ([row(1, SQUARE, **ours), row(2, GOOD, **ours)], [400, 400], "the same id"),
}


@pytest.mark.parametrize("name", CASES)
def test_annotations(name: str) -> None:
    rows, wanted, words = CASES[name]
    data, said = read(data_set(*rows))
    assert areas(data) == wanted
    assert words in said, said
    assert said.startswith("b.json: 1 of ")
    with pytest.raises(UserError) as refused:
        from_json(json.loads(json.dumps(data_set(*rows))), "x/b.json")
    assert str(refused.value).startswith("x/b.json: annotation ")


def test_what_is_mended_means_the_same() -> None:
    (nucleus,) = read(data_set(row("1", GOOD, image_id="1", score="0.5")))[0].nuclei[1]
    assert nucleus.score == 0.5
    assert [n.score for n in read(data_set(row(1, GOOD, score=-3)))[0].nuclei[1]] == [0.0]
    data, _ = read(data_set(row(1, GOOD, category_id=7), row(2, SQUARE)))
    assert [n.category for n in data.nuclei[1]] == ["category 7", "nucleus"]
    assert [(c.id, c.name) for c in data.categories] == [(1, "nucleus"), (7, "category 7")]
    data, _ = read(data_set(row(1, SQUARE, **ours), row(2, GOOD, **ours)))
    assert [(n.id, n.state) for n in data.nuclei[1]] == [(7, State.ACCEPTED), (8, State.ACCEPTED)]
    (kept,) = read(data_set(row(1, GOOD, napari_nuclei={"id": 2})))[0].nuclei[1]
    assert (kept.id, kept.origin.kind) == (2, Kind.IMPORT)


def test_ten_are_named_and_the_others_counted() -> None:
    bad = [row(k, EMPTY if k % 2 else None) for k in range(1, 16)]
    _, said = read(data_set(*bad, row(99, GOOD)))
    assert said == (
        "b.json: 15 of 16 annotations are left out: 1, 3, 5, 7, 9 (its mask has no pixels); "
        "2, 4, 6, 8, 10 (it has neither run lengths nor a polygon as its segmentation); "
        "and 5 more."
    )


def test_nothing_usable_is_an_error() -> None:
    for rows in ([row(1, EMPTY)], [row(1, EMPTY), row(2, [])]):
        with pytest.raises(UserError, match=r"^x/b\.json: (none of its 2|its only)"):
            read(data_set(*rows))
    assert areas(read(data_set())[0]) == []
    with pytest.raises(UserError, match="its only image cannot be used"):
        read({"images": [{"id": 1}], "annotations": []})


def test_images() -> None:
    value = data_set(row(1, GOOD), row(2, GOOD, image_id=2), row(3, GOOD, image_id=3))
    value["images"] += [
        None,
        {"id": 2, "file_name": "b.png", "height": 0, "width": 80},
        {**IMAGE, "id": "3", "file_name": "c.png", "height": "60"},
        {**IMAGE, "id": 4, "file_name": "d.png"},
        {**IMAGE, "id": 4, "file_name": "e.png"},
        {**IMAGE},
    ]
    data, said = read(value)
    assert [image.file_name for image in data.images] == ["a.png", "c.png"]
    assert areas(data) == [400, 400]
    assert "4 of 7 images are left out: number 2 (has no whole number as its id); " in said
    assert "number 3 (b.png) (has no height and width in px)" in said
    assert "two images have the id 4" in said
    assert "2 of 7 images are repaired: number 4 (c.png) (its id and height is text)" in said
    assert "1 of 3 annotations is left out: 2 (belongs to image 2" in said


def test_a_damaged_state_does_not_cost_the_nuclei() -> None:
    state = {"image_id": 1, "threshold": "x"}
    data, said = read(data_set(row(1, GOOD), napari_nuclei={"version": 1, "images": [state]}))
    assert areas(data) == [400]
    assert "a.png (its state is damaged: threshold and complete areas are lost)" in said


def test_one_broken_code_among_many() -> None:
    code = Mask.from_array(np.ones((3, 4)), 5, 6).to_coco(SHAPE)
    rows = [row(k, dict(code)) for k in range(1, 201)]
    rows[77]["segmentation"]["counts"] = "zz@#"
    data, said = read(data_set(*rows))
    assert len(areas(data)) == 199
    assert "1 of 200 annotations is left out: 78 (its mask cannot be decoded" in said


# -- other formats ----------------------------------------------------------------------


def test_results() -> None:
    def found(**more: Any) -> dict[str, Any]:
        code = Mask.from_array(np.ones((3, 4)), 5, 6).to_coco(SHAPE)
        return {"image_id": 1, "category_id": 3, "score": 0.5, "segmentation": code, **more}

    rows = [
        found(),
        found(image_id="1", score="0.25"),
        found(score=float("nan")),
        found(score=None),
        found(image_id=None),
        found(segmentation=[[1, 1, 4, 1, 4, 4]]),
        found(segmentation={"size": [80, 60], "counts": "0"}),
        7,
    ]
    remarks: list[str] = []
    read = results.from_json(rows, "r.json", remarks)
    assert [score for _, score in read.found[1]] == [0.5, 0.25]
    assert (read.shapes, read.categories) == ({1: SHAPE}, {1: [3, 3]})
    assert "6 of 8 entries are left out: number 3 (its score nan is not a number)" in remarks[0]
    assert "1 of 8 entries is repaired: number 2 (its image_id and score is text)" in remarks[1]
    for k in range(1, len(rows)):
        with pytest.raises(UserError, match=f"r\\.json: entry number {2}: "):
            results.from_json([rows[0], rows[k]], "r.json")
    with pytest.raises(UserError, match="its only entry cannot be used"):
        results.from_json(rows[2:3], "r.json", [])


def feature(shape: Any, **more: Any) -> dict[str, Any]:
    geometry = None if shape is None else {"type": "Polygon", "coordinates": shape}
    return {"type": "Feature", "geometry": geometry, "properties": {}, **more}


RING = [[10, 10], [30, 10], [30, 30], [10, 30], [10, 10]]


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        (feature(None), "left out: number 2 (it has no geometry)"),
        ("x", "left out: number 2 (it has no geometry)"),
        (feature([[[1, 2], [3, 4]]]), "left out: number 2 (its outline is not a list"),
        (feature([[[1, 2], [3, None], [3, 4]]]), "left out: number 2 (its outline is not a list"),
        (feature("abc"), "left out: number 2 (its outline is not a list"),
        (feature([[[1, 1], [2, 2], [3, 3]]]), "left out: number 2 (holds no pixel)"),
        (feature([[[200, 1], [220, 1], [220, 9]]]), "number 2 (lies outside a.png of 60×80 px"),
    ],
)
def test_features(bad: Any, words: str, tmp_path: Path) -> None:
    path = tmp_path / "a.geojson"
    Image.new("L", (80, 60)).save(tmp_path / "a.png")
    path.write_text(json.dumps({"type": "FeatureCollection", "features": [feature([RING]), bad]}))
    with pytest.warns(UserWarning, match="1 of 2 features is left out") as told:
        data = api.read(path)
    assert areas(data) == [400]
    assert words in str(told[0].message)
    with pytest.raises(UserError, match=r"a\.geojson: feature number 2"):
        api.read(path, strict=True)


def test_a_hole_of_two_corners_and_a_nucleus_over_the_edge(tmp_path: Path) -> None:
    path = tmp_path / "a.geojson"
    Image.new("L", (80, 60)).save(tmp_path / "a.png")
    over = [[[70, 10], [85, 10], [85, 20], [70, 20]]]
    path.write_text(json.dumps([feature([RING, [[12, 12], [14, 14]]]), feature(over)]))
    with pytest.warns(UserWarning, match="2 of 2 features are repaired") as told:
        data = api.read(path)
    assert areas(data) == [400, 100]
    assert "number 2 (reaches over the edge of a.png of 60×80 px, and is cut there)" in str(
        told[0].message
    )


def test_rois(tmp_path: Path) -> None:
    def rect(x0: int, y0: int, x1: int, y1: int) -> bytes:
        kind = roifile.ROI_TYPE.RECT
        return roifile.ImagejRoi(roitype=kind, left=x0, top=y0, right=x1, bottom=y1).tobytes()

    Image.new("L", (80, 60)).save(tmp_path / "a.png")
    path = tmp_path / "a.zip"
    rois = {
        "good": rect(5, 5, 9, 9),
        "edge": rect(70, 10, 81, 20),
        "corner": rect(-5, -5, 6, 6),
        "broken": b"Iout1234",
        "far": rect(300, 10, 320, 20),
        "flat": rect(5, 5, 5, 9),
    }
    with zipfile.ZipFile(path, "w") as z:
        for name, content in rois.items():
            z.writestr(f"{name}.roi", content)
    with pytest.warns(UserWarning, match="ROIs are") as told:
        data = api.read(path)
    assert areas(data) == [16, 100, 36]
    left, mended = (str(each.message) for each in told)
    assert left.startswith(
        "a.zip: 3 of 6 ROIs are left out: broken.roi (is damaged); far.roi (lies"
    )
    assert mended.startswith("a.zip: 2 of 6 ROIs are repaired: edge.roi, corner.roi (reaches over")
    with pytest.raises(UserError, match=r"ROI broken\.roi is damaged"):
        api.read(path, strict=True)


def test_an_image_that_is_too_small_is_not_the_right_one(tmp_path: Path) -> None:
    Image.new("L", (20, 20)).save(tmp_path / "a.png")
    path = tmp_path / "a.geojson"
    path.write_text(json.dumps([feature([[[x, 1], [x + 9, 1], [x + 9, 9]]]) for x in (1, 40, 60)]))
    with pytest.raises(UserError, match=r"reach to 9×69 px .* is 20×20: is it the right image"):
        api.read(path)


def test_lines_of_run_lengths(tmp_path: Path) -> None:
    path = tmp_path / "d.csv"
    lines = ["b,1 2,4,3", "b,1 x,4,3", ",1 2,4,3", "b,12 2,4,3", "b,1 3 2 2,4,3"]
    path.write_text("\n".join(["ImageId,EncodedPixels,Height,Width", *lines]) + "\n")
    with pytest.warns(UserWarning, match="4 of 5 lines are left out: 4 .names no image"):
        data = api.read(path)
    assert areas(data) == [2]
    with pytest.raises(UserError, match=r"d\.csv: line 4 names no image"):
        api.read(path, strict=True)


# -- the shell --------------------------------------------------------------------------


def test_convert_names_and_strict_refuses(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "c.json").write_text(json.dumps(data_set(row(1, EMPTY), row(2, GOOD))))
    command = ["convert", str(tmp_path / "c.json"), "--out", str(tmp_path / "o.results.json")]
    assert main([*command, "--json"]) == 0
    captured = capsys.readouterr()
    line = "c.json: 1 of 2 annotations is left out: 1 (its mask has no pixels)."
    assert line in captured.err.splitlines()
    assert json.loads(captured.out)["remarks"] == [line]
    assert main([*command, "--strict"]) == 2
    refused = capsys.readouterr().err
    assert refused.endswith(
        "c.json: annotation 1 (image a.png): its mask has no pixels; fix or remove it\n"
    )


def test_evaluate_names_and_strict_refuses(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    truth, found = tmp_path / "t.json", tmp_path / "r.json"
    truth.write_text(json.dumps(data_set(row(1, EMPTY), row(2, GOOD))))
    code = from_json(data_set(row(1, GOOD)), "x").nuclei[1][1].mask.to_coco(SHAPE)
    entry = {"image_id": 1, "category_id": 1, "score": 0.9, "segmentation": code}
    found.write_text(json.dumps([entry, {**entry, "score": "high"}]))
    command = ["evaluate", str(truth), str(found)]
    assert main([*command, "--json"]) == 0
    captured = capsys.readouterr()
    assert json.loads(captured.out)["f1_50"] == 1
    assert captured.err.splitlines() == [
        "t.json: 1 of 2 annotations is left out: 1 (its mask has no pixels).",
        "r.json: 1 of 2 entries is left out: number 2 (its score 'high' is not a number).",
    ]
    assert main([*command, "--strict"]) == 2
    with pytest.warns(UserWarning, match="left out") as told:
        assert api.score(truth, found).f1_50 == 1
    assert len(told) == 2


def test_one_broken_file_of_a_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in "abc":
        Image.new("L", (80, 60)).save(tmp_path / f"{name}.png")
        (tmp_path / f"{name}.geojson").write_text(json.dumps([feature([RING])]))
    (tmp_path / "b.geojson").write_text("[{")
    command = ["convert", str(tmp_path), "--from", "geojson", "--out", str(tmp_path / "o.json")]
    assert main([*command, "--json"]) == 1
    captured = capsys.readouterr()
    assert "b.geojson is not a JSON file" in captured.err
    assert len(json.loads(captured.out)["failed"]) == 1
    images = json.loads((tmp_path / "o.json").read_text())["images"]
    assert [image["file_name"] for image in images] == ["a.png", "c.png"]
    assert main([*command, "--strict"]) == 2
    for name in "ac":
        (tmp_path / f"{name}.geojson").write_text("[{")
    assert main(command) == 2


def test_nuclei_and_origin_are_untouched_by_tolerance() -> None:
    data, said = read(data_set(row(1, GOOD)))
    assert said == ""
    whole = from_json(data_set(row(1, GOOD)), "x/b.json")
    assert data == whole
    origin = Origin(Kind.IMPORT, "b.json")
    assert whole.nuclei[1] == Nuclei(SHAPE, [Nucleus(1, whole.nuclei[1][1].mask, origin=origin)])
