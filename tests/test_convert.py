"""`convert`: every format into every other, what it finds out itself, and what is wrong."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from napari_nuclei.cli import main
from napari_nuclei.errors import UserError
from napari_nuclei.formats import coco
from napari_nuclei.formats.convert import convert, read
from napari_nuclei.formats.dataset import DataSet
from napari_nuclei.formats.detect import detect
from napari_nuclei.formats.registry import FORMATS, READABLE, WRITABLE, by_ending
from napari_nuclei.formats.sidecar import Sidecar
from napari_nuclei.masks import Mask
from napari_nuclei.nuclei import ImageRecord, Nuclei, Nucleus

SHAPE = (20, 30)
MASKS = [Mask.from_array(np.ones((4, 5)), 2, 3), Mask.from_array(np.eye(3) + np.eye(3)[::-1], 9, 9)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two images with nuclei that do not overlap, and their COCO file."""
    data = DataSet([], {})
    for id, name in ((1, "one.png"), (2, "two.png")):
        Image.new("L", SHAPE[::-1]).save(tmp_path / name)
        data.images.append(ImageRecord(id, name, *SHAPE))
        rows = (Nucleus(k, m.shift(id, id), 0.5) for k, m in enumerate(MASKS, 1))
        data.nuclei[id] = Nuclei(SHAPE, rows)
    coco.write(tmp_path / "all.coco.json", data)
    return tmp_path


def masks_of(data: DataSet) -> list[list[Mask]]:
    return [[n.mask for n in data.of(image)] for image in data.images]


@pytest.mark.parametrize("name", [n for n in WRITABLE if n in READABLE])
def test_there_and_back(name: str, folder: Path) -> None:
    format = FORMATS[name]
    out = folder / ("out" if format.per_image or not format.endings else f"out{format.ending}")
    done = convert(folder / "all.coco.json", out, name)
    assert (done.images, done.nuclei, done.remarks) == (2, 4, [])
    assert len(done.written) == (2 if format.per_image or not format.endings else 1)
    first = done.written[0]
    if first.is_file():
        assert detect(first) is format
        assert by_ending(first.name) is format
    back = folder / "back.json"
    again = convert(out, back, images=folder)
    assert again.source == name
    assert masks_of(coco.read(back)) == masks_of(coco.read(folder / "all.coco.json"))
    if name != "results":
        assert [i.file_name for i in coco.read(back).images] == ["one.png", "two.png"]


def test_the_command(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["convert", str(folder / "all.coco.json"), "--out", str(folder / "t.csv"), "--json"]
    assert main(arguments) == 0
    captured = capsys.readouterr()
    summary = json.loads(captured.out)
    assert (summary["from"], summary["to"], summary["nuclei"]) == ("coco", "table", 4)
    assert "--pixel-size" in captured.err
    assert "4 nuclei of 2 images" in captured.err


def test_names_and_ids_of_a_list(folder: Path) -> None:
    convert(folder / "all.coco.json", folder / "g", "geojson")
    ids = [
        {"file_name": "x/two.png", "height": 20, "id": 7, "width": 30},
        {"file_name": "one.png", "height": 20, "id": 9, "width": 30},
    ]
    listed = folder / "ids.json"
    listed.write_text(json.dumps(ids))
    out = folder / "answer.results.json"
    convert(folder / "g", out, image_ids=listed)
    assert [row["image_id"] for row in json.loads(out.read_text())] == [7, 7, 9, 9]
    for wrong, words in (
        ([ids[0]], "does not list the image one.png"),
        ([ids[0], {**ids[1], "width": 31}], "20×31"),
    ):
        listed.write_text(json.dumps(wrong))
        with pytest.raises(UserError, match=words):
            convert(folder / "g", out, image_ids=listed)


def foreign(rows: list[Any]) -> dict[str, Any]:
    image = {"id": 1, "width": 30, "height": 20, "file_name": "images/1a2b3c4d-one.png"}
    return {
        "images": [image],
        "annotations": rows,
        "categories": [{"id": 0, "name": "n"}],
        "info": {},
    }


def test_ids_of_a_list_that_are_texts(folder: Path) -> None:
    rows = [{"id": f"x{k}", "file_name": f"{name}.png"} for k, name in enumerate(("two", "one"))]
    (folder / "ids.json").write_text(json.dumps(rows))
    for to in ("coco", "results"):
        convert(folder / "all.coco.json", folder / "o.json", to, image_ids=folder / "ids.json")
        value = json.loads((folder / "o.json").read_text())
    assert {row["image_id"] for row in value} == {"x0", "x1"}


def test_exports_of_cvat_and_label_studio(folder: Path) -> None:
    square = [[3, 2, 8, 2, 8, 6, 3, 6]]
    plain = {"counts": [42, 4, 16, 4, 534], "size": [20, 30]}
    rows = [
        {"id": 0, "image_id": 1, "category_id": 0, "segmentation": square,
         "ignore": 0, "iscrowd": 0},
        {"id": 1, "image_id": 1, "category_id": 0, "segmentation": plain, "iscrowd": 1,
         "attributes": {"occluded": False}, "bbox": [2.0, 2.0, 2.0, 4.0], "area": 8.0},
    ]  # fmt: skip
    text = json.dumps(foreign(rows))
    (folder / "cvat" / "annotations").mkdir(parents=True)
    (folder / "cvat" / "annotations" / "instances_default.json").write_text(text)
    with zipfile.ZipFile(folder / "export.zip", "w") as z:
        z.writestr("result.json", text)
        z.writestr("images/1a2b3c4d-one.png", b"")
    for path in (folder / "cvat", folder / "export.zip"):
        data, format = read([path], Sidecar())
        assert format.name == "coco"
        assert [n.mask.area for n in data.nuclei[1]] == [20, 8]
    found = Sidecar().image(folder / "export.zip", "images/1a2b3c4d-one.png")
    assert found == folder / "one.png"


def test_mere_boxes_are_left_out_with_a_remark(folder: Path) -> None:
    rows = [
        {"id": 1, "image_id": 1, "segmentation": [[3, 2, 8, 2, 8, 6, 3, 6]]},
        {"id": 2, "image_id": 1, "segmentation": [], "bbox": [1, 1, 4, 4]},
        {"id": 3, "image_id": 1, "bbox": [1, 1, 4, 4]},
    ]
    (folder / "boxes.json").write_text(json.dumps(foreign(rows)))
    sidecar = Sidecar()
    data, _ = read([folder / "boxes.json"], sidecar)
    assert len(data.nuclei[1]) == 1
    assert "2 of 3 annotations are left out: 2, 3 (it has a box but no mask)" in sidecar.remarks[0]


def test_label_images_among_their_images(folder: Path) -> None:
    for name in ("one", "two"):
        Image.new("L", SHAPE[::-1]).save(folder / f"{name}.tif")
    (folder / "all.coco.json").rename(folder / "all.txt")
    convert(folder / "all.txt", folder, "labels")
    data, format = read([folder], Sidecar())
    assert format.name == "labels"
    assert [i.file_name for i in data.images] == ["one.png", "two.png"]
    noise = np.random.default_rng(0).integers(0, 255, SHAPE, np.uint8)
    Image.fromarray(noise).save(folder / "one.ome.tif")
    sidecar = Sidecar()
    data, _ = read([folder], sidecar)
    assert len(data.images) == 2
    assert not sidecar.failed


def test_a_folder_names_what_it_leaves_out(folder: Path) -> None:
    convert(folder / "all.coco.json", folder, "labels")
    Image.new("L", (3, 3)).save(folder / "three.png")
    Image.new("L", (3, 3)).save(folder / "one.overlay.png")
    (folder / "notes.txt").write_text("")
    (folder / "below").mkdir()
    (folder / "gone.tif").symlink_to("nowhere")
    sidecar = Sidecar()
    read([folder], sidecar)
    (words,) = sidecar.remarks
    assert words.startswith(f"{folder}: left out 6: ")
    assert "one.overlay.png (written by napari-nuclei" in words
    assert "gone.tif (broken link)" in words
    assert "three.png (not called a label image)" in words
    assert "all.coco.json, notes.txt (not the nuclei of one image, by its extension)" in words
    assert "below (folder, not searched)" in words


def test_too_little_memory_is_one_line(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise MemoryError("Unable to allocate 9 TiB")

    monkeypatch.setattr("napari_nuclei.formats.convert.read", full)
    assert main(["convert", str(folder / "all.coco.json"), "--out", str(folder / "x.json")]) == 2
    assert capsys.readouterr().err == (
        "napari-nuclei: not enough memory (Unable to allocate 9 TiB): close other programs, or "
        "give fewer or smaller images at a time\n"
    )


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["none.json", "--out", "x.csv"], "no such file"),
        (["one.png", "--out", "x.csv"], "is not a readable file of nuclei"),
        (["all.coco.json", "--out", "x.xyz"], "name one with --to"),
        (["all.coco.json", "--out", "all.coco.json"], "name another output"),
        (["all.coco.json", "--out", "no/x.csv"], "does not exist"),
        (["all.coco.json", "--out", "x.geojson"], "name a folder instead"),
        (["all.coco.json", "--to", "imagej", "--out", "one.png"], "name a folder"),
        (["all.coco.json", "--out", "x.csv", "--images", "none"], "not a folder of images"),
        (["all.coco.json", "all.coco.json", "--out", "x.csv"], "holds many images"),
        (["all.coco.json", "one.geojson", "--out", "x.csv"], "separately"),
        (["all.coco.json", "--from", "labels", "--out", "x.csv"], "not a TIFF"),
        (["empty", "--out", "x.csv"], "no file of nuclei"),
        (["bad.json", "--out", "x.csv"], "not a readable file of nuclei"),
        (["all.coco.json", "--to", "cellpose", "--out", "x"], "invalid choice"),
    ],
)
def test_one_line_for_what_is_wrong(
    arguments: list[str],
    words: str,
    folder: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(folder)
    (folder / "empty").mkdir()
    (folder / "bad.json").write_text("{")
    (folder / "one.geojson").write_text('{"type": "FeatureCollection", "features": []}')
    try:
        code: object = main(["convert", *arguments])
    except SystemExit as stop:
        code = stop.code
    assert code == 2
    said = capsys.readouterr().err
    assert words in said
    assert said.count("\n") == 1
