"""Formats are told by what a file holds: by its structure, not by words that stand in it."""

from __future__ import annotations

import gzip
import json
import zipfile
from pathlib import Path
from typing import Any

import pytest
import roifile

from napari_nuclei.cli import main
from napari_nuclei.errors import UserError
from napari_nuclei.formats.archives import json_of
from napari_nuclei.formats.detect import detect
from napari_nuclei.formats.structure import HEAD, UNSURE, kind_of, kind_of_value

IMAGE = {"id": 1, "file_name": "a.png", "height": 60, "width": 80}
RING = [[10, 10], [30, 10], [30, 30], [10, 30], [10, 10]]
FEATURE = {
    "type": "Feature",
    "geometry": {"type": "Polygon", "coordinates": [RING]},
    "properties": {"objectType": "detection"},
}
COCO = {"images": [IMAGE], "annotations": [], "categories": []}
GEOJSON = {"type": "FeatureCollection", "features": [FEATURE]}
RESULTS = [{"image_id": 1, "score": 0.5, "segmentation": {"size": [1, 1], "counts": "1"}}]
LONG = "x" * (2 * HEAD)

KINDS: list[tuple[Any, str | None]] = [
    (COCO, "coco"),
    (COCO | {"info": {"description": 'a "Feature" of "geometry"'}}, "coco"),
    ({"info": {"type": "FeatureCollection", "features": []}, **COCO}, "coco"),
    ({**COCO, "annotations": [{"attributes": {"geometry": 1, "image_id": 1}}]}, "coco"),
    ({"images": [{**IMAGE, "geometry": None, "type": "Feature"}], "annotations": []}, "coco"),
    ({"info": LONG, **COCO}, "coco"),
    ({"images": {}}, "coco"),
    (GEOJSON, "geojson"),
    ({"features": [FEATURE]}, "geojson"),
    ({"crs": {"images": []}, **GEOJSON}, "geojson"),
    ({"metadata": {"annotations": [1]}, "note": LONG, **GEOJSON}, "geojson"),
    (FEATURE, "geojson"),
    (FEATURE["geometry"], "geojson"),
    ([FEATURE], "geojson"),
    ([{"properties": {"image_id": 1}, **FEATURE}], "geojson"),
    (RESULTS, "results"),
    ([{"note": "Feature geometry", **RESULTS[0]}], "results"),
    ([{"note": LONG, **RESULTS[0]}], "results"),
    ([], "results"),
    ([IMAGE], None),
    ({"shapes": [{"label": "images"}], "imagePath": "annotations"}, None),
    ({"a": {"images": [], "annotations": []}}, None),
    ({"note": '{"images": [], "type": "FeatureCollection"}'}, None),
    ({}, None),
    ([1, 2], None),
    (["image_id"], None),
]


@pytest.mark.parametrize(("value", "kind"), KINDS)
def test_kinds_of_json(value: Any, kind: str | None, tmp_path: Path) -> None:
    for name, data in (
        ("a.json", json.dumps(value).encode()),
        ("b.txt", b"\xef\xbb\xbf\n " + json.dumps(value, indent=1).encode()),
        ("c.json", json.dumps(value).encode("utf-16")),
        ("d.json.gz", gzip.compress(json.dumps(value).encode())),
    ):
        (tmp_path / name).write_bytes(data)
        found = detect(tmp_path / name)
        assert (found.name if found else None) == kind, name
    with zipfile.ZipFile(tmp_path / "e.zip", "w") as z:
        z.writestr("f/a.json", json.dumps(value))
        z.writestr("__MACOSX/f/._a.json", b"\0\5\x16\7")
    found = detect(tmp_path / "e.zip")
    assert (found.name if found else None) == kind
    assert kind_of_value(value) == kind


@pytest.mark.parametrize("size", [1, 9, 20, 40, 70])
def test_what_is_cut_short_is_not_guessed(size: int) -> None:
    for value in (COCO, GEOJSON, RESULTS):
        whole = kind_of(json.dumps(value).encode(), True)
        part = kind_of(json.dumps(value).encode()[:size], False)
        assert part in (whole, UNSURE)


def test_other_files(tmp_path: Path) -> None:
    def kind(name: str, data: bytes) -> str | None:
        (tmp_path / name).write_bytes(data)
        found = detect(tmp_path / name)
        return found.name if found else None

    assert kind("a.csv", b"ImageId,EncodedPixels\n") == "dsb"
    assert kind("a.csv", b'"Usage","EncodedPixels","ImageId"\r\nx,1 2,b\r\n') == "dsb"
    assert kind("a.csv", b"ImageId,note\na,EncodedPixels\n") is None
    assert kind("a.csv", b"NoEncodedPixels,ImageId\n") is None
    assert kind("a.geojson", b"[]") == "results"
    assert kind("a.geojson", b'{"x": 1}') == "geojson"  # its reader says what is missing
    assert kind("a.zip", b"PK\3\4 broken") == "imagej"
    assert kind("a.gz", b"\x1f\x8b broken") is None
    assert kind("a.bin", bytes(range(256))) is None
    with zipfile.ZipFile(tmp_path / "j.zip", "w") as z:
        z.writestr("a.json", " " * (HEAD + 9) + "no JSON")
    assert detect(tmp_path / "j.zip") is None
    with zipfile.ZipFile(tmp_path / "j.zip", "a") as z:
        z.writestr("b.geojson", json.dumps(GEOJSON))
    assert (found := detect(tmp_path / "j.zip")) is not None
    assert found.name == "geojson"
    roi = roifile.ImagejRoi(roitype=roifile.ROI_TYPE.RECT, right=4, bottom=4).tobytes()
    for name in ("._a.roi", "__MACOSX/a.roi"):
        with zipfile.ZipFile(tmp_path / "m.zip", "w") as z:
            z.writestr(name, roi)
            z.writestr("readme.txt", '{"images": []}')
        assert detect(tmp_path / "m.zip") is None


def test_the_right_one_of_several_in_a_zip(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as z:
        z.writestr("meta.json", '{"version": 1}')
        z.writestr("objects.geojson", json.dumps(GEOJSON))
    assert json_of(path, "geojson") == (GEOJSON, "objects.geojson")
    with zipfile.ZipFile(path, "a") as z:
        z.writestr("more.geojson", json.dumps(GEOJSON))
    with pytest.raises(UserError, match="2 JSON files: unpack it"):
        json_of(path, "geojson")


def test_a_zip_that_says_it_is_huge(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as z:
        for name in "abc":
            z.writestr(f"{name}.geojson", json.dumps(GEOJSON) + " " * 500)
    monkeypatch.setattr("napari_nuclei.formats.archives.LIMIT", 1000)
    with pytest.raises(UserError, match="more than 4 GB: unpack it first"):
        json_of(path, "geojson")


@pytest.mark.parametrize("name", ["a.geojson", "a.geojson.gz", "a.zip", "a.geojson.zip"])
def test_qupaths_own_files_in_the_shell(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from PIL import Image

    Image.new("L", (80, 60)).save(tmp_path / "a.png")
    path, text = tmp_path / name, json.dumps(GEOJSON)
    if name.endswith("zip"):
        with zipfile.ZipFile(path, "w") as z:
            z.writestr("a.geojson", text)
    else:
        path.write_bytes(gzip.compress(text.encode()) if name.endswith("gz") else text.encode())
    for more in ([], ["--from", "geojson"]):
        assert main(["convert", str(path), "--out", str(tmp_path / "o.json"), *more]) == 0
        value = json.loads((tmp_path / "o.json").read_text())
        assert value["images"][0]["file_name"] == "a.png"
        assert [row["area"] for row in value["annotations"]] == [400]
    assert main(["convert", str(tmp_path / "o.json"), "--out", str(tmp_path / "o.geojson.gz")]) == 0
    assert gzip.decompress((tmp_path / "o.geojson.gz").read_bytes()).startswith(b'{"type":"Feature')
    capsys.readouterr()
