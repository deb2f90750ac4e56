"""Label images of every kind of file, and what only looks like one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import zarr
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from napari_nuclei.cli import main
from napari_nuclei.errors import UserError
from napari_nuclei.formats import coco, label_files
from napari_nuclei.formats.convert import convert
from napari_nuclei.formats.detect import detect
from napari_nuclei.nuclei.label_check import remark_on, softened
from napari_nuclei.nuclei.labels import draw
from napari_nuclei.nuclei.shape_edits import pieces

Pixels = NDArray[Any]
LABELS = np.zeros((60, 80), np.uint16)
LABELS[5:20, 5:20], LABELS[30:40, 30:50] = 1, 258
SMALL = np.minimum(LABELS, 2).astype(np.uint8)
BLOBS = np.zeros((60, 80), np.uint8)
BLOBS[5:20, 5:20] = BLOBS[30:40, 30:50] = BLOBS[50:55, 60:70] = 255
PHOTO = np.clip(np.random.default_rng(0).normal(90, 30, (120, 160)), 1, 255).astype(np.uint8)


def palette(path: Path, pixels: Pixels, colours: list[int]) -> None:
    picture = Image.fromarray(pixels, "L")
    picture.putpalette(colours)
    picture.save(path)


def save(picture: Pixels) -> Callable[[Path], None]:
    return lambda path: Image.fromarray(picture).save(path)


COLOURED = np.zeros((60, 80, 3), np.uint8)
COLOURED[LABELS == 1], COLOURED[LABELS == 258] = (1, 0, 0), (2, 1, 0)
ALPHA = np.dstack([COLOURED, np.where(LABELS > 0, 255, 0).astype(np.uint8)])
ALPHA[LABELS == 0, :3] = 255  # white, but see-through

KINDS: dict[str, tuple[Callable[[Path], None], Pixels]] = {
    "a.png": (save(SMALL), SMALL),
    "16 bit.png": (save(LABELS), LABELS),
    "palette.png": (lambda p: palette(p, SMALL, [0, 0, 0, 255, 0, 0, 9, 9, 9]), SMALL),
    "coloured.png": (save(COLOURED), LABELS),
    "alpha.png": (save(ALPHA), LABELS),
    "gray as rgb.png": (save(np.stack([SMALL] * 3, -1)), SMALL),
    "a.bmp": (save(SMALL), SMALL),
    "float.tif": (lambda p: tifffile.imwrite(p, LABELS.astype(np.float32)), LABELS),
    "white.tif": (lambda p: tifffile.imwrite(p, SMALL, photometric="miniswhite"), SMALL),
    "64 bit.tif": (lambda p: tifffile.imwrite(p, LABELS.astype(np.int64)), LABELS),
    "plane.tif": (lambda p: tifffile.imwrite(p, LABELS[None, None], imagej=True), LABELS),
    "a.npy": (lambda p: np.save(p, LABELS), LABELS),
    "float.npy": (lambda p: np.save(p, LABELS.astype(float)), LABELS),
    "a.npz": (lambda p: np.savez(p, labels=LABELS), LABELS),
    "a.zarr": (lambda p: zarr.save_array(str(p), LABELS.astype(np.int32)), LABELS),
    "plane.zarr": (lambda p: zarr.save_array(str(p), LABELS[None]), LABELS),
}


@pytest.mark.parametrize("name", KINDS)
def test_every_kind_of_file(name: str, tmp_path: Path) -> None:
    write, expected = KINDS[name]
    write(tmp_path / name)
    np.testing.assert_array_equal(draw(label_files.read(tmp_path / name)), expected)


def test_a_palette_whose_black_is_not_the_first(tmp_path: Path) -> None:
    numbers = np.where(SMALL == 0, 2, np.where(SMALL == 1, 0, 1)).astype(np.uint8)
    palette(tmp_path / "a.png", numbers, [1, 0, 0, 2, 1, 0, 0, 0, 0])
    np.testing.assert_array_equal(draw(label_files.read(tmp_path / "a.png")), LABELS)


def test_formats_are_found_out(tmp_path: Path) -> None:
    for name in ("a.npy", "a.npz", "a.zarr", "plane.tif"):
        KINDS[name][0](tmp_path / name)
        found = detect(tmp_path / name)
        assert found is not None
        assert found.name == "labels"
    for name, is_labels in (("a_cp_masks.png", True), ("a_labels.png", True), ("a.png", False)):
        save(SMALL)(tmp_path / name)
        found = detect(tmp_path / name)
        assert (found is not None and found.name == "labels") == is_labels
    np.save(tmp_path / "x_seg.npy", np.array({"masks": LABELS}, dtype=object))
    assert detect(tmp_path / "x_seg.npy").name == "cellpose"  # type: ignore[union-attr]


REFUSED: dict[str, tuple[Callable[[Path], None], str]] = {
    "photo.tif": (lambda p: tifffile.imwrite(p, PHOTO), "looks like a photograph"),
    "photo.png": (save(PHOTO), "looks like a photograph"),
    "dim.tif": (lambda p: tifffile.imwrite(p, PHOTO // 12), "looks like a photograph"),
    "photo.jpg": (save(PHOTO), "save labels as PNG or TIFF"),
    "smooth.tif": (
        lambda p: tifffile.imwrite(p, ndimage.gaussian_filter(PHOTO, 1.5)),
        "looks like a photograph",
    ),
    "16 bit.tif": (
        lambda p: tifffile.imwrite(p, PHOTO.astype(np.uint16) * 37 + PHOTO.T[:120, :].sum() % 5),
        "looks like a photograph",
    ),
    "colours.png": (
        save(np.random.default_rng(1).integers(1, 256, (120, 160, 3), np.uint8)),
        "looks like a photograph",
    ),
    "halves.tif": (lambda p: tifffile.imwrite(p, SMALL / 2), "values like 0.5"),
    "holes.npy": (lambda p: np.save(p, np.where(SMALL, np.nan, 0.0)), "not numbers"),
    "stack.npy": (lambda p: np.save(p, np.stack([LABELS] * 9)), "one plane of whole numbers"),
    "complex.npy": (lambda p: np.save(p, LABELS.astype(complex)), "whole numbers"),
    "negative.npy": (lambda p: np.save(p, -LABELS.astype(int)), "labels lie between"),
    "objects.npy": (lambda p: np.save(p, np.array({"a": 1}, dtype=object)), "Python objects"),
    "two.npz": (lambda p: np.savez(p, a=LABELS, b=LABELS), r"holds 2 arrays \(a, b\)"),
    "text.png": (lambda p: p.write_text("no image"), "not a TIFF, PNG or other label image"),
    "empty.tif": (lambda p: p.touch(), "empty"),
    "ids.jpg": (save(SMALL * 40), "save labels as PNG or TIFF"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_label_image_is_refused_with_a_reason(name: str, tmp_path: Path) -> None:
    write, words = REFUSED[name]
    write(tmp_path / name)
    with pytest.raises(UserError, match=words) as caught:
        label_files.read(tmp_path / name)
    assert str(tmp_path / name) in str(caught.value)
    assert "\n" not in str(caught.value)


# -- one value for many -------------------------------------------------------------------


def test_a_mask_of_one_value_is_remarked_on_and_can_be_divided(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Image.new("L", (80, 60)).save("a.png")
    tifffile.imwrite("a_mask.tif", BLOBS)
    assert main(["convert", "a_mask.tif", "--out", "o.json"]) == 0
    said = capsys.readouterr().err
    assert "holds one value (255) in 3 separate pieces" in said
    assert "--split" in said
    assert len(coco.read("o.json").nuclei[1]) == 1
    assert main(["convert", "a_mask.tif", "--split", "--out", "p.json"]) == 0
    assert "separate pieces" not in capsys.readouterr().err
    nuclei = coco.read("p.json").nuclei[1]
    assert sorted(n.mask.area for n in nuclei) == [50, 200, 225]
    assert 255 in nuclei


def test_a_map_of_classes_is_remarked_on(tmp_path: Path) -> None:
    classes = np.zeros((60, 80), np.uint8)
    for k in range(6):
        classes[5:9, 5 + 10 * k : 9 + 10 * k] = 1 + k % 2
    np.save(tmp_path / "a.npy", classes)
    remarks: list[str] = []
    assert len(label_files.read(tmp_path / "a.npy", remarks)) == 2
    assert "holds 2 values in 6 separate pieces" in remarks[0]
    done = convert(tmp_path / "a.npy", tmp_path / "o.json", split=True)
    assert done.nuclei == 6


def test_labels_proper_are_not_remarked_on() -> None:
    for labels in (LABELS, SMALL, np.zeros((9, 9), int), np.zeros((0, 0), int)):
        assert remark_on(labels) == ""
    many = np.kron(np.arange(1, 901).reshape(30, 30), np.ones((6, 6), int))  # all touch
    assert remark_on(many) == ""
    many[2::6] = 0  # each one in two pieces
    assert remark_on(many) == ""


@given(seed=st.integers(0, 99), count=st.integers(1, 60), side=st.integers(2, 9))
def test_nuclei_are_never_taken_for_a_photograph(seed: int, count: int, side: int) -> None:
    rng = np.random.default_rng(seed)
    labels = np.zeros((90, 90), np.int32)
    for id in rng.permutation(np.arange(1, count + 1)):
        y, x = rng.integers(0, 80, 2)
        labels[y : y + rng.integers(1, side + 1), x : x + rng.integers(1, side + 1)] = id
    remark_on(labels)


def test_pieces_keep_what_they_are(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", BLOBS)
    nuclei = label_files.read(tmp_path / "a.npy")
    edit = pieces(nuclei, [255])
    assert edit is not None
    before = next(iter(nuclei))
    edit.apply_to(nuclei)
    assert [(n.state, n.score) for n in nuclei] == [(before.state, before.score)] * 3
    assert pieces(nuclei, [n.id for n in nuclei]) is None
    edit.inverse().apply_to(nuclei)
    assert list(nuclei) == [before]


# -- masks that were changed on their way -------------------------------------------------


@pytest.mark.parametrize("quality", [50, 75, 95])
def test_a_mask_as_jpeg_is_cut_at_half(tmp_path: Path, quality: int) -> None:
    Image.fromarray(BLOBS).save(tmp_path / "a.jpg", quality=quality)
    remarks: list[str] = []
    found = draw(label_files.read(tmp_path / "a.jpg", remarks))
    np.testing.assert_array_equal(found > 0, BLOBS > 0)
    assert any("JPEG changes values" in line for line in remarks)


def test_soft_edges_are_cut_at_half(tmp_path: Path) -> None:
    soft = ndimage.zoom(BLOBS.astype(float), 2, order=1).round().astype(np.uint8)
    Image.fromarray(soft).save(tmp_path / "a.png")
    remarks: list[str] = []
    found = draw(label_files.read(tmp_path / "a.png", remarks))
    np.testing.assert_array_equal(found > 0, soft >= 128)
    assert "soft edges" in remarks[0]
    ids = np.zeros((40, 40), np.uint8)
    for k, id in enumerate((3, 90, 140, 200, 255)):
        ids[5:30, 7 * k : 7 * k + 7] = id
    assert softened(ids) is None
