"""`segment` on the command line: what is written where, and what stops it."""

from __future__ import annotations

import csv
import json
import os
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image
from pycocotools.coco import COCO
from shell import MODEL, QUICK, Run, image_ids, refused
from tiny import disc, picture

from napari_nuclei import models
from napari_nuclei.batch.batch import Settings, segment_files
from napari_nuclei.formats import coco, label_tiff
from napari_nuclei.formats.convert import read
from napari_nuclei.formats.registry import FORMATS
from napari_nuclei.formats.sidecar import Sidecar
from napari_nuclei.images.images import IMAGE_SUFFIXES, find_images
from napari_nuclei.images.own_outputs import OVERLAY, is_own_output


def test_a_coco_data_set(run: Run, images: Path) -> None:
    code, out, err = run("segment", images, "--out", "o.json", *MODEL, *QUICK)
    assert (code, out) == (0, "")
    assert "Model tiny (CC0-1.0) on cpu." in err
    assert "3 of 3 images" in err
    data = coco.read(Path("o.json"))
    assert [(i.id, i.file_name, i.shape) for i in data.images] == [
        (1, "a.png", (60, 70)), (2, "b.png", (60, 70)), (3, "c.png", (50, 40)),
    ]  # fmt: skip
    assert data.of(data.images[0]) == data.of(data.images[1])
    shown = list(data.of(data.images[0]).shown())
    assert shown
    assert all(n.origin.model == "tiny" and n.score >= 0.5 for n in shown)


def test_masks_of_what_is_hidden_are_for_reviews(run: Run, images: Path) -> None:
    detector, path = models.load("tiny", "cpu"), images / "a.png"
    kept, alone = (
        next(s.new.nuclei for s in segment_files([path], detector, settings) if s.new is not None)
        for settings in (Settings(0.515), Settings(0.515, hidden=False))
    )
    shown = [(n.mask, n.score) for n in kept.shown()]
    assert 0 < len(shown) < len(kept)
    assert [(n.mask, n.score) for n in alone] == shown


@pytest.mark.parametrize("name", ["geojson", "imagej", "table", "dsb", "masks"])
def test_the_other_formats(run: Run, images: Path, name: str) -> None:
    out = Path("o.csv" if name in ("table", "dsb") else "out")
    code, _, err = run("segment", images, "--out", out, "--format", name, *MODEL, *QUICK)
    assert code == 0
    assert "3 of 3 images" in err
    if name == "table":
        with out.open() as file:
            assert {"area", "intensity_mean"} <= set(next(csv.reader(file)))
        return
    assert len(list(out.iterdir()) if out.is_dir() else [out]) == (1 if name == "dsb" else 3)
    back, format = read([out], Sidecar(images))
    assert format.name == name
    assert [(i.file_name, i.shape) for i in back.images] == [
        ("a.png", (60, 70)), ("b.png", (60, 70)), ("c.png", (50, 40)),
    ]  # fmt: skip
    assert all(len(back.of(image)) for image in back.images)


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # pycocotools
def test_results_with_the_ids_that_are_wanted(run: Run, images: Path, tmp_path: Path) -> None:
    ids = image_ids(tmp_path / "ids.json", ("c.png", 50, 40, 7), ("a.png", 60, 70, 3))
    code, out, _ = run(
        "segment", images, "--out", "r.json", "--format", "results", "--image-ids", ids,
        "--json", *MODEL, *QUICK,
    )  # fmt: skip
    assert code == 0
    rows = json.loads(Path("r.json").read_text())
    assert {row["image_id"] for row in rows} == {3, 7}
    keys = [(row["image_id"], -row["score"]) for row in rows]
    assert keys == sorted(keys)
    assert min(row["score"] for row in rows) >= 0.05
    assert {tuple(r["segmentation"]["size"]) for r in rows if r["image_id"] == 7} == {(50, 40)}
    summary = json.loads(out)
    assert summary["nuclei"] == len(rows)
    assert (summary["images"], summary["failed"], summary["model"]) == (2, [], "tiny")
    assert summary["written"] == ["r.json"]
    truth = COCO()
    truth.dataset = {
        "images": [
            {"id": 3, "height": 60, "width": 70},
            {"id": 7, "height": 50, "width": 40},
        ],
        "annotations": [],
        "categories": [{"id": 1}],
    }
    truth.createIndex()
    loaded = truth.loadRes("r.json")
    first = loaded.loadAnns(loaded.getAnnIds(imgIds=[7]))[0]
    assert loaded.annToMask(first).shape == (50, 40)


def test_results_without_ids_say_which_ids_they_made(run: Run, images: Path) -> None:
    code, _, err = run("segment", images, "--out", "r.json", "--format", "results", "--score",
                       "1", *MODEL, *QUICK)  # fmt: skip
    assert code == 0
    assert "Image ids are 1 to 3, in the order of the file names." in err
    assert json.loads(Path("r.json").read_text()) == []


@pytest.mark.parametrize(
    ("name", "start"),
    [("n.geojson", b'{"type":"FeatureCollection"'), ("n.csv", b"image,image_id,id"),
     ("n.tif", b"II*\0"), ("n.results.json", b"[{"), ("n.dsb.csv", b"ImageId,EncodedPixels")],
)  # fmt: skip
def test_the_ending_decides(run: Run, images: Path, name: str, start: bytes) -> None:
    assert run("segment", images / "a.png", "--out", name, *MODEL, *QUICK)[0] == 0
    assert Path(name).read_bytes().startswith(start)


def test_endings_that_do_not_decide(run: Run, images: Path) -> None:
    one, model = images / "a.png", ("--model", "nope")  # nothing is loaded before
    refused(run("segment", one, "--out", "n.xyz", *model), "n.xyz", "--format", ".geojson")
    refused(run("segment", one, "--out", "n", *model), "names no format")
    refused(run("segment", images, "--out", "n.geojson", *model), "there are 3 images")
    refused(run("segment", images, "--out", "-", "--format", "labels", *model), "stdout")
    refused(run("segment", one, "--out", "-", "--format", "masks", *model), "name a folder")
    refused(run("segment", one, "--out", "-", "--json", *model), "both go to stdout")
    assert not [path for path in Path().iterdir() if path.name.startswith("n")]
    code, _, err = run("segment", one, "--out", "n.geojson", "--format", "coco", *MODEL, *QUICK)
    assert code == 0
    assert "n.geojson is written as COCO data set, but its extension says GeoJSON" in err
    assert len(coco.read(Path("n.geojson")).images) == 1


def test_what_goes_to_stdout(run: Run, images: Path) -> None:
    code, out, err = run("segment", images, "--out", "-", *MODEL, *QUICK)
    assert code == 0
    assert "→ stdout" in err
    assert [i["file_name"] for i in json.loads(out)["images"]] == ["a.png", "b.png", "c.png"]
    code, out, _ = run("segment", images, "--out", "/dev/stdout", "--format", "table", *MODEL,
                       *QUICK)  # fmt: skip
    assert {row["image"] for row in csv.DictReader(out.splitlines())} == {"a.png", "b.png", "c.png"}
    assert run("segment", images / "a.png", "--out", os.devnull, *MODEL, *QUICK)[0] == 0
    assert {path.name for path in Path().iterdir()} == {"images"}, "nothing is left behind"


@pytest.mark.skipif(sys.platform != "linux", reason="names are bytes there alone")
def test_a_name_that_is_no_text(run: Run, images: Path) -> None:
    (images / "b.png").rename(images / os.fsdecode(b"b\xff.png"))
    pytest.importorskip("pyarrow")
    for name in ("o.json", "o.csv", "o.parquet", "o.dsb.csv"):
        code, out, err = run("segment", images, "--out", name, "--json", *MODEL, *QUICK)
        assert (code, json.loads(out)["images"]) == (0, 3), err
    assert [i.file_name for i in coco.read(Path("o.json")).images] == [
        "a.png", os.fsdecode(b"b\xff.png"), "c.png",
    ]  # fmt: skip
    for name in ("o.csv", "o.dsb.csv"):
        assert "b\\udcff" in Path(name).read_text(encoding="utf-8")
    for format in ("geojson", "labels", "imagej"):
        assert run("segment", images, "--out", format, "--format", format, *MODEL, *QUICK)[0] == 0
        assert len(list(Path(format).iterdir())) == 3
    back = run("convert", "o.json", "--out", "back", "--to", "geojson")
    assert back[0] == 0, back


def test_tables_of_a_plane_and_of_channels(run: Run) -> None:
    stack = np.stack([picture((40, 40), [disc(20, 20, k)]) for k in (10, 14, 18, 20)])
    tifffile.imwrite("stack.tif", stack, photometric="minisblack", metadata={"axes": "ZYX"})
    tifffile.imwrite("cells.tif", stack, photometric="minisblack", metadata={"axes": "CYX"})
    options = ("--out", "t.csv", "--pixel-size", "0.5", *MODEL, *QUICK)
    for image, what in (("stack.tif", ("--plane", "2")), ("cells.tif", ("--channels", "1,3"))):
        code, _, err = run("segment", image, *what, *options)
        assert code == 0, err
        assert "t.csv" not in err.splitlines()[-1] or "→" in err.splitlines()[-1], "nothing lacks"
        with Path("t.csv").open() as file:
            names = next(csv.reader(file))
        assert "area_um2" in names
        assert any(name.startswith("intensity_mean") for name in names)


def test_label_images(run: Run, images: Path) -> None:
    labels = ("--format", "labels", *MODEL, *QUICK)
    assert run("segment", images, "--out", "new/labels", *labels)[0] == 0
    assert {p.name for p in Path("new/labels").iterdir()} == {
        "a.labels.tif", "b.labels.tif", "c.labels.tif",
    }  # fmt: skip
    assert len(label_tiff.read("new/labels/c.labels.tif")) > 0
    assert run("segment", images / "c.png", "--out", "one.tif", *labels)[0] == 0
    assert tifffile.imread("one.tif").shape == (50, 40)
    Path("there").mkdir()
    assert run("segment", images / "c.png", "--out", "there", *labels)[0] == 0
    assert Path("there/c.labels.tif").is_file()


def test_overlays(run: Run, images: Path) -> None:
    code, out, _ = run("segment", images, "--out", "o.json", "--overlay", "seen", "--json",
                       *MODEL, *QUICK)  # fmt: skip
    assert code == 0
    names = [f"seen/{n}.overlay.png" for n in "abc"]
    assert sorted(Path(p).as_posix() for p in json.loads(out)["written"]) == ["o.json", *names]
    with Image.open("seen/c.overlay.png") as picture:
        assert (picture.mode, picture.size) == ("RGB", (40, 50))
        assert len(picture.getcolors(4000) or []) > 2


def test_one_broken_image_does_not_stop_the_others(run: Run, images: Path) -> None:
    data = (images / "b.png").read_bytes()
    (images / "b.png").write_bytes(data[: len(data) - 40])
    answer = run("segment", images, "--out", "o.json", *MODEL, *QUICK)
    refused(answer, str(images / "b.png"), "cut short", code=1)
    assert "2 of 3 images" in answer[2]
    assert [i.file_name for i in coco.read(Path("o.json")).images] == ["a.png", "c.png"]


def test_nothing_is_written_where_nothing_could_be_read(run: Run, tmp_path: Path) -> None:
    (tmp_path / "x.png").write_text("no image")
    Path("o.json").write_text("what was there")
    code, out, err = run("segment", "x.png", "--out", "o.json", "--json", *MODEL, *QUICK)
    assert code == 2
    assert "x.png: not an image" in err
    assert json.loads(out)["written"] == []
    assert json.loads(out)["failed"][0]["path"] == "x.png"
    assert Path("o.json").read_text() == "what was there"


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([("a.png", 60, 70, 1), ("z.png", 60, 70, 2)], "z.png, which is not among"),
        ([("y.png", 60, 70, 1), ("z.png", 60, 70, 2)], "y.png and 1 more"),
        ([("a.png", 70, 60, 1)], "60×70 px, but"),
        ([("a.png", 60, 70, 1), ("b.png", 60, 70, 1)], "two images have the id 1"),
        ([("a.png", 60, 70, 1), ("d/a.png", 60, 70, 2)], "names a.png twice"),
        ([("a.png", 60, 0, 1)], "no height and width"),
    ],
)
def test_wrong_image_ids_stop_before_any_work(
    run: Run, images: Path, tmp_path: Path, rows: list[Any], words: str
) -> None:
    ids = image_ids(tmp_path / "ids.json", *rows)
    answer = run("segment", images, "--out", "o/r.json", "--image-ids", ids, *MODEL)
    refused(answer, words)
    assert "Model" not in answer[2]
    assert not Path("o").exists()


@pytest.mark.parametrize("text", ["{", "{}", "3", "[3]", ""])
def test_image_ids_that_are_none(run: Run, images: Path, tmp_path: Path, text: str) -> None:
    (tmp_path / "ids.json").write_text(text)
    refused(run("segment", images, "--out", "r.json", "--image-ids", "ids.json"), "ids.json")


def test_two_images_of_one_name(run: Run, images: Path) -> None:
    Path("other").mkdir()
    shutil.copy(images / "a.png", "other/a.png")
    refused(
        run("segment", images, "other", "--out", "o.json", *MODEL), "two images are named a.png"
    )
    image_ids(Path("ids.json"), ("a.png", 60, 70, 1))
    answer = run("segment", images, "other", "--out", "o.json", "--image-ids", "ids.json")
    refused(answer, "two images are named a.png")
    Image.open(images / "a.png").save(images / "a.tif")
    answer = run("segment", images, "--out", "labels", "--format", "labels", *MODEL)
    refused(answer, "two images are named a")


def test_places_that_cannot_be_written(run: Run, images: Path) -> None:
    one = images / "a.png"
    refused(run("segment", one, "--out", "no/o.json"), "the folder no does not exist")
    refused(run("segment", one, "--out", images), "is a folder: name a file in it")
    refused(run("segment", one, "--out", one), "is one of the input files")
    refused(run("segment", one, "--out", "o.json", "--overlay", one), "is a file: name a folder")
    answer = run("segment", images, "--out", one, "--format", "labels")
    refused(answer, "is one of the input files")
    Path("file").write_text("")
    answer = run("segment", images, "--out", "file", "--format", "labels")
    refused(answer, "is a file: name a folder")
    refused(run("segment", one, "--out", "file/o.json"), "file does not exist")
    assert {p.name for p in images.iterdir()} == {"a.png", "b.png", "c.png"}


@pytest.mark.skipif(sys.platform != "linux", reason="a folder that nobody may write to")
@pytest.mark.parametrize("what", [(), ("--format", "labels")])
def test_a_place_without_permission(run: Run, images: Path, what: tuple[str, ...]) -> None:
    answer = run("segment", images / "a.png", "--out", "/proc/o.json", *what)
    refused(answer, "cannot write /proc/o.json")
    refused(run("segment", images, "--out", "/proc/1/no", "--format", "labels"), "/proc/1/no")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("none.png",), "none.png: no such file"),
        (("*.jpg",), "no image matches"),
        (("empty",), "no image in this folder"),
        (("images", "--model", "best"), "no model named 'best'"),
        (("images", "--model", "best.pt"), "no such model file"),
        (("images", "--model", "tiny", "--device", "tpu"), "no device 'tpu' here"),
    ],
)
def test_things_that_do_not_exist(
    run: Run, images: Path, arguments: tuple[str, ...], words: str
) -> None:
    Path("empty").mkdir()
    refused(run("segment", *arguments, "--out", "o.json"), words)
    assert not Path("o.json").exists()


def test_planes_and_channels(run: Run) -> None:
    stack = np.stack([picture((40, 40), [disc(20, 20, k)]) for k in (10, 14, 18)])
    tifffile.imwrite("stack.tif", stack, photometric="minisblack", metadata={"axes": "ZYX"})
    tifffile.imwrite("cells.tif", stack, photometric="minisblack", metadata={"axes": "CYX"})
    one = ("--out", "o.json", *MODEL, *QUICK)
    refused(run("segment", "stack.tif", *one), "stack of 3 planes: name one with --plane")
    refused(run("segment", "cells.tif", *one), "3 channels: name one", "--channels")
    refused(run("segment", "stack.tif", *one, "--plane", "3"), "no plane 3")
    assert run("segment", "stack.tif", *one, "--plane", "2")[0] == 0
    assert run("segment", "cells.tif", *one, "--channels", "2,0")[0] == 0


# -- which image, and what is one ---------------------------------------------------------


def test_one_stem_in_two_types(run: Run) -> None:
    """Each image has its own intensities; names that clash are found before any work."""
    pixels = picture((60, 70), [disc(20, 20, 18)])
    Path("two").mkdir()
    Image.fromarray(pixels).save("two/x.png")
    tifffile.imwrite("two/x.tif", pixels.astype(np.uint16) * 100)
    answer = run("segment", "two", "--format", "table", "--out", "t.csv", *MODEL, *QUICK)
    assert answer[0] == 0
    with Path("t.csv").open() as file:
        most: dict[str, float] = {}
        for row in csv.DictReader(file):
            most[row["image"]] = max(most.get(row["image"], 0), float(row["intensity_max"]))
    assert most == {"x.png": 200, "x.tif": 20000}
    for name in ("labels", "geojson", "imagej", "masks", "dsb"):
        out = "o.csv" if name == "dsb" else f"o_{name}"
        answer = run("segment", "two", "--format", name, "--out", out, *MODEL)
        refused(answer, "two images are named x, x.png and x.tif")
        assert "Model" not in answer[2]
        assert not Path(out).exists()
    answer = run("segment", "two", "--out", "o.json", "--overlay", "seen", *MODEL)
    refused(answer, "two images are named x")
    assert not Path("seen").exists()


def test_masks_that_are_there_are_found_before_any_work(run: Run, images: Path) -> None:
    there = Path("out/b/masks/1.png")
    there.parent.mkdir(parents=True)
    there.touch()
    answer = run("segment", images, "--format", "masks", "--out", "out", *MODEL)
    refused(answer, "holds masks already")
    assert "Model" not in answer[2]


def test_own_outputs_are_no_images(run: Run, images: Path) -> None:
    """They lie among the images, and the next run would take them in."""
    for _ in range(2):
        for extra in (("--format", "labels"), ("--format", "coco")):
            out = images / "o.json" if extra[1] == "coco" else images
            code, _, err = run("segment", images, "--out", out, "--overlay", images, *extra,
                               *MODEL, *QUICK)  # fmt: skip
            assert code == 0
            assert "3 of 3 images" in err
    assert "left out 7: a.labels.tif, a.overlay.png" in err
    assert "written by napari-nuclei: name it explicitly if you mean it" in err
    assert [i.file_name for i in coco.read(images / "o.json").images] == ["a.png", "b.png", "c.png"]
    assert [p.name for p in find_images(images)] == ["a.png", "b.png", "c.png"]
    assert [p.name for p in find_images(f"{images}/*.png")] == ["a.png", "b.png", "c.png"]
    named = [images / "a.overlay.png", images / "a.labels.tif"]
    assert find_images(named) == named, "named by itself it is meant"
    assert [p.name for p in find_images(f"{images}/*.labels.tif")] == [
        "a.labels.tif", "b.labels.tif", "c.labels.tif",
    ]  # fmt: skip
    for name in "abc":
        (images / f"{name}.png").unlink()
    refused(
        run("segment", images, "--out", "o.json"),
        "no image in this folder",
        "written by napari-nuclei",
    )


def test_every_picture_that_is_written_is_known() -> None:
    endings = [f.ending for f in FORMATS.values() if f.writer]
    pictures = [e for e in (*endings, OVERLAY) if Path(f"x{e}").suffix in IMAGE_SUFFIXES]
    assert pictures == [".labels.tif", ".overlay.png"]
    assert all(is_own_output(Path(f"x{e.upper()}")) for e in pictures)
    assert not any(map(is_own_output, map(Path, ("x.tif", "labels.tif", "x_labels.tif", "x.png"))))


def test_a_list_that_tells_folders_apart(run: Run) -> None:
    for name, shape in (("ctrl", (60, 70)), ("treat", (50, 40))):
        Path(name).mkdir()
        Image.fromarray(picture(shape, [disc(20, 20, 18)])).save(f"{name}/f1.png")
    rows = ("D:\\e\\treat\\f1.png", 50, 40, 7), ("ctrl/f1.png", 60, 70, 3)
    ids = image_ids(Path("ids.json"), *rows)
    wanted = ("--image-ids", ids, "--format", "results", "--out", "r.json", *MODEL, *QUICK)
    assert run("segment", "ctrl", "treat", *wanted)[0] == 0
    found = json.loads(Path("r.json").read_text())
    assert {(r["image_id"], *r["segmentation"]["size"]) for r in found} == {
        (7, 50, 40),
        (3, 60, 70),
    }
    table = ("--image-ids", ids, "--out", "t.csv", *MODEL, *QUICK)
    assert run("segment", "ctrl", "treat", *table)[0] == 0
    with Path("t.csv").open() as file:
        assert {(r["image"], bool(r["intensity_mean"])) for r in csv.DictReader(file)} == {
            ("D:\\e\\treat\\f1.png", True),
            ("ctrl/f1.png", True),
        }
    image_ids(ids, ("f1.png", 60, 70, 7))
    refused(run("segment", "ctrl", "treat", *wanted), "two images are named f1.png")


def test_the_plane_is_said(run: Run) -> None:
    stack = np.stack([picture((40, 40), [disc(20, 20, k)]) for k in (10, 14, 18)])
    tifffile.imwrite("stack.tif", stack, photometric="minisblack", metadata={"axes": "ZYX"})
    assert run("segment", "stack.tif", "--plane", "2", "--out", "o.json", *MODEL, *QUICK)[0] == 0
    assert coco.read("o.json").images[0].extra == {"plane": [2], "stack": [3]}
    assert run("convert", "o.json", "--out", "t.csv")[0] == 0
    with Path("t.csv").open() as file:
        assert {"intensity_max"} <= set(next(csv.reader(file)))
