"""Nuclei and their images, through the commands: intensities, sizes, copies, names that clash."""

from __future__ import annotations

import csv
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image
from shell import Run, refused

from napari_nuclei import api
from napari_nuclei.formats import coco, label_tiff, results
from napari_nuclei.formats.convert import read
from napari_nuclei.formats.sidecar import Sidecar
from napari_nuclei.masks import Mask
from napari_nuclei.nuclei import ImageRecord, Nuclei, Nucleus
from napari_nuclei.scoring.pairs import pair_of

SHAPE = (60, 80)
SQUARE = [[10, 10, 30, 10, 30, 30, 10, 30]]


def image(path: str, value: int = 0, shape: tuple[int, int] = SHAPE) -> Path:
    file = Path(path)
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full(shape, value, np.uint8)).save(file)
    return file


def data_set(*names: str, **more: Any) -> dict[str, Any]:
    """A COCO file with a square on each image."""
    height, width = SHAPE
    return {
        "images": [
            {"id": k, "file_name": name, "height": height, "width": width, **more}
            for k, name in enumerate(names, 1)
        ],
        "annotations": [
            {"id": k, "image_id": k, "category_id": 1, "segmentation": SQUARE, "iscrowd": 0}
            for k in range(1, len(names) + 1)
        ],
        "categories": [{"id": 1, "name": "nucleus"}],
    }


def save(path: str, value: Any) -> str:
    Path(path).write_text(json.dumps(value))
    return path


def means(path: str) -> dict[str, float | None]:
    with Path(path).open() as file:
        rows = list(csv.DictReader(file))
    return {r["image"]: float(v) if (v := r.get("intensity_mean")) else None for r in rows}


# -- whose intensities --------------------------------------------------------------------


def test_one_name_in_two_folders(run: Run) -> None:
    image("ctrl/f1.png", 10)
    image("treat/f1.png", 200)
    save("c.json", data_set("ctrl/f1.png", "treat\\f1.png"))
    assert run("convert", "c.json", "--out", "t.csv")[0] == 0
    assert means("t.csv") == {"ctrl/f1.png": 10, "treat\\f1.png": 200}
    Path("treat/f1.png").unlink()
    for folder in ((), ("--images", "ctrl"), ("--images", ".")):
        code, _, err = run("convert", "c.json", "--out", "t.csv", *folder)
        assert code == 0
        flat = folder == ("--images", "ctrl")  # its one file cannot be both
        assert means("t.csv") == {"ctrl/f1.png": None if flat else 10, "treat\\f1.png": None}
        assert f"no intensities for {2 if flat else 1} of 2 images" in err
        assert "treat\\f1.png" in err


def test_one_stem_in_two_types(run: Run) -> None:
    image("x.png", 10)
    tifffile.imwrite("x.tif", np.full(SHAPE, 900, np.uint16))
    save("c.json", data_set("x.tif", "x.png"))
    assert run("convert", "c.json", "--out", "t.csv")[0] == 0
    assert means("t.csv") == {"x.png": 10, "x.tif": 900}
    Path("x.tif").unlink()
    err = run("convert", "c.json", "--out", "t.csv")[2]
    assert means("t.csv") == {"x.png": 10, "x.tif": None}, "a missing image is missing"
    assert "(x.tif is not there; x.png is another file)" in err


def test_names_of_another_machine(run: Run) -> None:
    image("data/treat/my cell.png", 7)
    image("data/ctrl/my cell.png", 9)
    names = ["C:\\exp\\treat\\my cell.png", "file:///srv/ctrl/my%20cell.png"]
    save("c.json", data_set(*names))
    assert run("convert", "c.json", "--out", "t.csv", "--images", "data")[0] == 0
    assert list(means("t.csv").values()) == [7, 9]


def test_a_table_through_napari_nuclei_write(run: Run) -> None:
    image("a/ctrl/f1.png", 10)
    image("a/treat/f1.png", 200)
    save("c.json", data_set("ctrl/f1.png", "treat/f1.png"))
    data = api.read("c.json", images="a")
    api.write("t.csv", data, image="a", pixel_size=1)
    assert means("t.csv") == {"ctrl/f1.png": 10, "treat/f1.png": 200}


def test_runs_of_two_images_are_not_mixed(run: Run) -> None:
    for name, value in (("ctrl/f1.png", 10), ("treat/f1.png", 200)):
        image(name, value)
    Path("d.csv").write_text("ImageId,EncodedPixels\nctrl/f1,1 2 61 2\ntreat/f1,1 3 61 3\n")
    assert run("convert", "d.csv", "--from", "dsb", "--to", "table", "--out", "t.csv")[0] == 0
    assert means("t.csv") == {"ctrl/f1.png": 10, "treat/f1.png": 200}
    image("d.png")
    Path("d.csv").write_text("ImageId,EncodedPixels\nother,1 2\n")
    refused(run("convert", "d.csv", "--to", "coco", "--out", "o.json"), "no image named 'other'")


# -- sizes --------------------------------------------------------------------------------


def sources() -> dict[str, Any]:
    """Write nuclei of `a.png` in every format, as if it were of half its size."""
    half = (30, 40)
    nuclei = Nuclei(half, [Nucleus(1, Mask.from_array(np.ones((9, 9), bool), 2, 2))])
    value = data_set("a.png", height=80, width=60)
    save("c.json", value)
    for name in ("a.labels.tif", "a.geojson", "d.dsb.csv"):
        api.write(name, nuclei, image="a.png") if name != "d.dsb.csv" else None
    tifffile.imwrite("a_labels.tif", np.ones(half, np.uint16))
    masks = {"masks": np.ones(half, np.uint16), "filename": "C:\\x\\a.png"}
    np.save("a_seg.npy", masks, allow_pickle=True)  # type: ignore[arg-type]
    Path("d.csv").write_text("ImageId,EncodedPixels,Height,Width\na,1 2,30,40\n")
    return {"c.json": (80, 60), **dict.fromkeys(
        ("a.labels.tif", "a_labels.tif", "a_seg.npy", "a.geojson", "d.csv"), half)}  # fmt: skip


def test_sizes_are_compared(run: Run) -> None:
    written = sources()
    image("a.png")
    for name, (height, width) in written.items():
        for to, out in (("coco", "o.json"), ("geojson", "o.geojson")):
            answer = run("convert", name, "--to", to, "--out", out)
            refused(answer, "a.png is 60×80 px", f"{height}×{width} px in {name}")
            assert not Path(out).exists()
    Path("a.png").unlink()
    for name in written:
        assert run("convert", name, "--to", "coco", "--out", "o.json")[0] == 0, "nothing to compare"


def test_one_of_many_files_of_another_size(run: Run) -> None:
    for name, shape in (("a", SHAPE), ("b", (9, 9))):
        image(f"{name}.png")
        tifffile.imwrite(f"{name}.labels.tif", np.ones(shape, np.uint8))
    code, _, err = run("convert", "a.labels.tif", "b.labels.tif", "--to", "coco", "--out", "o.json")
    assert code == 1
    assert "b.png is 60×80 px, but it is 9×9 px in b.labels.tif" in err
    assert [i.file_name for i in coco.read("o.json").images] == ["a.png"]


# -- ids and sizes that a file lacks ------------------------------------------------------


def test_no_size_but_the_image(run: Run) -> None:
    image("sub/a.png")
    value = data_set("a.png")
    for row in value["images"]:
        del row["height"], row["width"]
    save("c.json", value)
    refused(run("convert", "c.json", "--out", "o.geojson"), "a.png", "no height and width")
    assert run("convert", "c.json", "--out", "o.geojson", "--images", "sub")[0] == 0
    assert json.loads(Path("o.geojson").read_text())["napari_nuclei"]["height"] == 60
    save("ids.json", value["images"])
    image("a.png")
    assert results.read_image_ids("ids.json")[0].shape == SHAPE


def test_ids_that_are_texts(run: Run) -> None:
    value = data_set("a.png", "b.png", "c.png")
    for row, id in zip(value["images"], ("abc", 2, "7"), strict=True):
        row["id"] = id
    for row, id in zip(value["annotations"], ("abc", 2, "7"), strict=True):
        row["image_id"] = id
    save("c.json", value)
    assert run("convert", "c.json", "--to", "results", "--out", "r.json")[0] == 0
    answer = json.loads(Path("r.json").read_text())
    assert [row["image_id"] for row in answer] == ["abc", 2, 7], "as the list has them"
    code, out, _ = run("evaluate", "c.json", "r.json", "--json")
    assert code == 0
    assert (json.loads(out)["f1_50"], json.loads(out)["truth"]) == (1, 3)
    answer[0]["image_id"] = "xyz"
    save("r.json", answer)
    refused(run("evaluate", "c.json", "r.json"), "image id xyz, which the truth does not have")
    assert run("convert", "r.json", "--image-ids", "c.json", "--out", "o.json")[0] == 2
    answer[0]["image_id"] = "abc"
    save("r.json", answer)
    assert run("convert", "r.json", "--image-ids", "c.json", "--out", "o.json")[0] == 0
    names = {i.file_name: i.extra.get("text_id") for i in coco.read("o.json").images}
    assert names == {"a.png": "abc", "b.png": None, "c.png": None}


# -- scoring ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("truth", "predictions", "words"),
    [
        (["ctrl/f1.png", "treat/f1.png"], ["ctrl\\f1.png", "D:\\x\\treat\\f1.png"], ""),
        (["f1.png"], ["ctrl/f1.png"], ""),
        (["ctrl/f1.png"], ["f1.png"], ""),
        (["my cell.png"], ["my%20cell.png"], ""),
        (["x.png", "x.tif"], ["x.tif", "x.png"], ""),
        (["x.png"], ["x"], ""),
        (["x.png"], ["x.tif"], "image x.tif, which the truth does not have"),
        (["ctrl/f1.png", "treat/f1.png"], ["f1.png"], "does not say whether f1.png is ctrl/f1.png"),
        (["f1.png"], ["ctrl/f1.png", "treat/f1.png"], "are called f1.png"),
        (["x.png", "x.tif"], ["x"], "does not say whether x is x.png or x.tif"),
    ],
)
def test_evaluate_joins(run: Run, truth: list[str], predictions: list[str], words: str) -> None:
    save("t.json", data_set(*truth))
    value = data_set(*predictions)
    value["annotations"][0]["segmentation"] = [[40, 10, 60, 10, 60, 30, 40, 30]]
    save("p.json", value)
    answer = run("evaluate", "t.json", "p.json", "--json")
    if words:
        refused(answer, words)
    else:
        found = json.loads(answer[1])
        assert found["matched50"] == len(truth) - 1, "the first one is elsewhere"


def test_evaluate_joins_planes(run: Run) -> None:
    value = data_set("s.tif", "s.tif")
    for k, row in enumerate(value["images"]):
        row["plane"] = [k]
    save("t.json", value)
    value["images"].reverse()
    value["annotations"][1]["segmentation"] = [[40, 10, 60, 10, 60, 30, 40, 30]]
    save("p.json", value)
    code, out, _ = run("evaluate", "t.json", "p.json", "--json")
    assert code == 0
    assert json.loads(out)["matched50"] == 1


# -- lists of ids -------------------------------------------------------------------------


def test_convert_under_the_ids_of_a_list(run: Run) -> None:
    image("ctrl/f1.png", 10)
    image("treat/f1.png", 200)
    mask = Mask.from_array(np.ones((9, 9), bool), 2, 2).to_coco(SHAPE)
    rows = [{"image_id": k, "score": 1, "category_id": 1, "segmentation": mask} for k in (5, 6)]
    save("r.json", rows)
    listing = data_set("treat/f1.png", "ctrl/f1.png")["images"]
    for row, id in zip(listing, (6, 5), strict=True):
        row["id"] = id
    save("ids.json", listing)
    assert run("convert", "r.json", "--image-ids", "ids.json", "--out", "t.csv")[0] == 0
    assert means("t.csv") == {"treat/f1.png": 200, "ctrl/f1.png": 10}
    listing[0]["height"] = 99
    save("ids.json", listing)
    answer = run("convert", "r.json", "--image-ids", "ids.json", "--out", "o.json")
    refused(answer, ": image 6 is 60×80 px, but it is 99×80 px in ids.json")


# -- what goes out ------------------------------------------------------------------------


@pytest.mark.skipif(os.name == "nt", reason="links need a privilege there")
def test_nothing_leads_out_of_the_folder(run: Run, tmp_path: Path) -> None:
    image("secret/s.png", 99)
    image("job/images/a.png", 1)
    Path("job/images/link.png").symlink_to(tmp_path / "secret" / "s.png")
    Path("job/images/folder").symlink_to(tmp_path / "secret")
    astray = [
        "../../secret/s.png", str(tmp_path / "secret" / "s.png"), "link.png", "folder/s.png",
        (tmp_path / "secret" / "s.png").as_uri(),
    ]  # fmt: skip
    for k, name in enumerate(astray):
        save("job/c.json", data_set(name, "a.png"))
        for images in (("--images", "job/images"), ()):
            out = Path(f"out{k}{len(images)}")
            code, _, err = run("convert", "job/c.json", "--to", "masks", "--out", out, *images)
            assert code == 0
            assert "leads out of the folder of the images" in err or "were not found" in err
            copied = {p.name: np.asarray(Image.open(p)).max() for p in out.glob("*/images/*")}
            assert copied == {"a.png": 1}
            assert len(list(out.glob("*/masks/*.png"))) == 2, "the masks are written all the same"
            assert {p.parent for p in out.rglob("*.png")} <= {
                out / stem / part for stem in ("s", "a", "link") for part in ("images", "masks")
            }


HOSTILE = ["..", "../..", "/", "C:\\", "a\\..\\..\\..", "a\0b.png", "\ud800.png", "\x1b[31mx.png",
           "a\nb.png", "../../../x.png", "C:\\Windows\\y.png", "/etc/z.png"]  # fmt: skip


@pytest.mark.parametrize("to", ["geojson", "labels", "imagej", "masks", "dsb"])
def test_names_are_names_only(run: Run, tmp_path: Path, to: str) -> None:
    home = tmp_path / "deep" / "down"
    home.mkdir(parents=True)
    for k, name in enumerate(HOSTILE):
        if to == "geojson" and "\ud800" in name:
            continue  # such letters do not go into its text
        (home / "c.json").write_text(json.dumps(data_set(name)))
        before = {p for p in tmp_path.rglob("*") if p != home / f"out{k}"}
        out = home / f"out{k}" / ("d.csv" if to == "dsb" else "o")
        out.parent.mkdir()
        code, _, err = run("convert", home / "c.json", "--to", to, "--out", out)
        assert code == 0, (name, err)
        new = {p for p in tmp_path.rglob("*") if p != home / f"out{k}"} - before
        assert all(p.is_relative_to(home / f"out{k}") for p in new), name
        assert any(p.is_file() for p in new), name


def test_what_lies_there_is_not_taken_for_the_image(run: Run) -> None:
    image("a.png", 5)
    image("out/a/images/a.png", 6)
    save("c.json", data_set("a.png"))
    answer = run("convert", "c.json", "--to", "masks", "--out", "out")
    refused(answer, "exists already, and differs from")


def test_planes_as_folders_of_masks(run: Run) -> None:
    stack = np.stack([np.full(SHAPE, k, np.uint8) for k in (3, 4)])
    tifffile.imwrite("s.tif", stack, photometric="minisblack", metadata={"axes": "ZYX"})
    value = data_set("s.tif", "s.tif")
    for k, row in enumerate(value["images"]):
        row["plane"] = [k]
    save("c.json", value)
    assert run("convert", "c.json", "--to", "masks", "--out", "out")[0] == 0
    data, _ = read([Path("out")], Sidecar())
    assert [(i.file_name, len(data.of(i))) for i in data.images] == [("s_0.tif", 1), ("s_1.tif", 1)]
    assert tifffile.imread("out/s_1/images/s_1.tif").max() == 4
    assert run("convert", "out", "--out", "t.csv")[0] == 0
    assert means("t.csv") == {"s_0.tif": 3, "s_1.tif": 4}


def test_label_images_know_their_image(run: Run) -> None:
    for name, value in (("ctrl/f1.png", 10), ("treat/f1.png", 200), ("x.png", 1), ("x.tif", 2)):
        image(name, value)
    save("c.json", data_set("x.tif"))
    assert run("convert", "c.json", "--to", "labels", "--out", "x.labels.tif")[0] == 0
    assert label_tiff.image_name_in(Path("x.labels.tif")) == "x.tif"
    assert run("convert", "x.labels.tif", "--out", "t.csv")[0] == 0
    assert means("t.csv") == {"x.tif": 2}
    tifffile.imwrite("x_labels.tif", np.ones(SHAPE, np.uint8))
    code, _, err = run("convert", "x_labels.tif", "--out", "t.csv")
    assert code == 0
    assert "its image may be x.png, x.tif" in err
    assert means("t.csv") == {"x": None}


def test_where_one_files_images_lie_says_nothing_of_the_others(tmp_path: Path) -> None:
    record = ImageRecord(1, "a.png", 60, 80)
    nuclei = Nuclei((60, 80), [Nucleus(1, Mask.from_array(np.ones((9, 9))))], image=record)
    for name in "tp":
        (tmp_path / name).mkdir()
        Image.fromarray(np.zeros((60, 80), np.uint8)).save(tmp_path / name / "a.png")
        api.write(tmp_path / name / "a.rois.zip", nuclei)
    sidecar = Sidecar()
    truth, predictions = pair_of(tmp_path / "t/a.rois.zip", tmp_path / "p/a.rois.zip", sidecar)
    assert sidecar.known is None
    assert [len(n) for data in (truth, predictions) for _, n in data] == [1, 1]
