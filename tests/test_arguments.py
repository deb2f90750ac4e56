"""Odd arguments in Python: arrays of all kinds, names that are not known, the words for it."""

from __future__ import annotations

import warnings
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import dask.array as da
import numpy as np
import pytest
from PIL import Image
from tiny import DiscDetector, disc, picture

import napari_nuclei
from napari_nuclei import api
from napari_nuclei.errors import UserError
from napari_nuclei.images.arrays import open_array
from napari_nuclei.masks import Mask
from napari_nuclei.nuclei import ImageRecord, Nuclei, Nucleus

STACK = np.stack([picture((60, 70), [disc(30, 30, k)] * bool(k)) for k in (0, 16, 20, 24, 28)])
CELLS = np.stack([picture((60, 70), [disc(30, 30, k)]) for k in (14, 18, 22)])


@pytest.fixture
def discs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api, "_detector", lambda *_: DiscDetector(margin=32))


def area(image: Any, **options: Any) -> int:
    found = napari_nuclei.segment(image, diameter=20, **options)
    assert found.shape == (60, 70)
    return sum(n.mask.area for n in found.shown())


# -- arrays -------------------------------------------------------------------------------


def test_planes_and_channels_of_arrays(discs: None) -> None:
    one = area(STACK[3])
    assert one == area(STACK, plane=3) == area(STACK, plane=3, axes="zyx")
    assert one == area(da.from_array(STACK, chunks=(1, 60, 70)), plane=3)
    assert one == area(np.moveaxis(STACK, 0, -1), plane=3, axes="YXZ")
    assert one == area(STACK.tolist()[3]) == area(STACK[3] > 0) == area(STACK[3][None])
    assert area(STACK, plane=0) == 0
    assert area(CELLS, channels=1) == area(CELLS[1]) == area(CELLS, channels=[1], axes="CYX")
    assert area(np.moveaxis(CELLS, 0, -1)) == area(CELLS[0]), "RGB, of which discs are seen in red"
    named = SimpleNamespace(data=STACK, dims=("time", "y", "x"), shape=STACK.shape, ndim=3)
    named.dtype = STACK.dtype
    assert one == area(named, plane=3)


@pytest.mark.parametrize(
    ("shape", "options", "words"),
    [
        ((5, 384, 384), {}, "stack of 5 planes: name one with plane= (0 to 4), or say axes="),
        ((3, 384, 384), {}, "stack of 3 planes: name one with plane="),
        ((3, 384, 384), {"axes": "CYX"}, "3 channels: name one, or up to three, with channels="),
        ((384, 384, 5), {}, "5 channels: name one, or up to three, with channels= (0 to 4)"),
        ((2, 3, 50, 60), {}, "stack of 6 planes: name one with plane="),
        ((5, 384, 384), {"plane": 5}, "no plane 5: there are 5, counted from 0"),
        ((384, 384), {"plane": 1}, "no plane 1: there is only 0"),
        ((3, 384, 384), {"axes": "CYX", "channels": 3}, "no channel 3"),
        ((384, 384), {"axes": "YXC"}, "does not fit an array of shape (384, 384)"),
        ((384, 384), {"axes": "YY"}, "does not fit"),
        ((384,), {}, "2 dimensions or more; this has 1"),
        ((0, 384), {}, "the image is empty"),
    ],
)
def test_arrays_that_are_no_image(
    shape: tuple[int, ...], options: dict[str, Any], words: str
) -> None:
    with pytest.raises(UserError) as caught:
        napari_nuclei.segment(np.zeros(shape, np.uint8), **options)
    assert words in str(caught.value)
    assert "--" not in str(caught.value)


def test_masked_pixels_do_not_count() -> None:
    pixels = np.ma.masked_greater(np.arange(12, dtype=np.uint8).reshape(3, 4), 9)
    assert np.isnan(open_array(pixels).levels[0]).sum() == 2
    assert open_array(np.ma.masked_array(np.ones((3, 4), np.uint8))).levels[0].dtype == np.uint8


@pytest.mark.parametrize(
    ("image", "options", "words"),
    [
        (CELLS[0], {"diameter": 0}, "diameter: 0 is not a positive number"),
        (CELLS[0], {"diameter": float("nan")}, "not a positive number"),
        (CELLS[0], {"diameter": "20"}, "diameter: '20' is not a number"),
        (CELLS[0], {"score": -0.1}, "score: -0.1 is not between 0 and 1"),
        (CELLS[0], {"score": 1.5}, "is not between 0 and 1"),
        (CELLS[0], {"plane": 1.5}, "plane: 1.5 is not a whole number"),
        (CELLS[0], {"channels": "0"}, "channels: '0' is not a whole number"),
        (CELLS[0], {"model": "nope"}, "no model named 'nope'"),
        (CELLS[0], {"device": "gpu"}, "no device 'gpu'"),
        (["a.png", "b.png"], {}, "one image is needed"),
        (CELLS[0].astype(complex), {}, "complex128 are not supported"),
        (np.array([["a", "b"]]), {}, "are not supported"),
        ([[1], [1, 2]], {}, "its rows differ in length"),
        (None, {}, "this has 0"),
    ],
)
def test_arguments_that_make_no_sense(image: Any, options: dict[str, Any], words: str) -> None:
    with pytest.raises(UserError) as caught:
        napari_nuclei.segment(image, **options)
    assert words in str(caught.value)


def test_files_have_the_same_words(discs: None, tmp_path: Path) -> None:
    import tifffile

    tifffile.imwrite(tmp_path / "s.tif", STACK, photometric="minisblack", metadata={"axes": "ZYX"})
    with pytest.raises(UserError, match="stack of 5 planes: name one with plane="):
        napari_nuclei.segment(tmp_path / "s.tif")
    with pytest.raises(UserError, match="axes= is for arrays"):
        napari_nuclei.segment(tmp_path / "s.tif", axes="ZYX")
    assert area(str(tmp_path / "s.tif"), plane=3) == area(STACK, plane=3)


# -- names --------------------------------------------------------------------------------

square = Mask.from_array(np.ones((4, 4)))


def test_nuclei_know_what_their_image_is_called(discs: None, tmp_path: Path) -> None:
    Image.fromarray(CELLS[0]).save(tmp_path / "a.png")
    nuclei = napari_nuclei.segment(tmp_path / "a.png", diameter=20)
    out = tmp_path / "elsewhere"
    out.mkdir()
    napari_nuclei.write(out / "n.coco.json", nuclei)
    data = napari_nuclei.read(out / "n.coco.json")
    assert [image.file_name for image in data.images] == ["a.png"]
    (again,) = (found for _, found in data)
    assert again == nuclei, "a name is no part of the value"
    napari_nuclei.write(out / "m.coco.json", again.copy())
    assert napari_nuclei.score(out / "n.coco.json", out / "m.coco.json").f1_50 == 1
    napari_nuclei.write(out / "b.coco.json", again, image="b.png")
    with pytest.raises(UserError, match=r"image b\.png, which the truth does not have"):
        napari_nuclei.score(out / "n.coco.json", out / "b.coco.json")


def test_a_name_that_is_made_up_is_told(tmp_path: Path) -> None:
    of = Nuclei((9, 9), [Nucleus(1, square)])
    with pytest.warns(UserWarning, match="name is not known, and is set to 'cells'"):
        napari_nuclei.write(tmp_path / "cells.coco.json", of)
    with pytest.warns(UserWarning, match="id is not known, and is set to 1"):
        napari_nuclei.write(tmp_path / "cells.results.json", of)
    napari_nuclei.write(tmp_path / "cells.labels.tif", of)
    Image.new("L", (9, 9)).save(tmp_path / "cells.png")
    napari_nuclei.write(tmp_path / "cells.coco.json", of)
    (record,) = napari_nuclei.read(tmp_path / "cells.coco.json").images
    assert record.file_name == "cells.png"
    other = Nuclei((9, 8), [Nucleus(1, square)])
    with pytest.raises(UserError, match="is it the right image"):
        napari_nuclei.write(tmp_path / "x.coco.json", other, image=tmp_path / "cells.png")


def test_nuclei_alone_are_of_the_only_image() -> None:
    of = Nuclei((9, 9), [Nucleus(1, square)])
    assert napari_nuclei.score(of, of).f1_50 == 1
    data = napari_nuclei.DataSet([ImageRecord(1, "a.png", 9, 9)], {1: of})
    assert napari_nuclei.score(data, of).f1_50 == napari_nuclei.score(of, data).f1_50 == 1


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda of, at: napari_nuclei.score(of, of, score=2), "score: 2 is not between"),
        (lambda of, at: napari_nuclei.score(of, of, max_detections=0), "not a positive number"),
        (lambda of, at: napari_nuclei.score(of, [of]), "Nuclei or a DataSet is needed"),
        (lambda of, at: napari_nuclei.read(at / "no.json"), "no such file"),
        (lambda of, at: napari_nuclei.read([]), "no input was named"),
        (lambda of, at: napari_nuclei.read(at, images=at / "no"), "not a folder of images"),
        (lambda of, at: napari_nuclei.read(at, format="xml"), "no format 'xml'"),
        (lambda of, at: napari_nuclei.write(at / "n.csv", of, format="xml"), "no format 'xml'"),
        (lambda of, at: napari_nuclei.write(at / "n.csv", of, pixel_size=0), "pixel_size: 0"),
        (lambda of, at: napari_nuclei.write(at / "n.csv", [of]), "Nuclei or a DataSet"),
    ],
)
def test_other_arguments_that_make_no_sense(tmp_path: Path, call: Any, words: str) -> None:
    with pytest.raises(UserError) as caught, warnings.catch_warnings():
        call(Nuclei((9, 9), [Nucleus(1, square)]), tmp_path)
    assert words in str(caught.value)


def test_an_ending_that_says_another_format_is_told(tmp_path: Path) -> None:
    of = Nuclei((9, 9), [Nucleus(1, square)])
    with pytest.warns(UserWarning, match="its extension says GeoJSON for QuPath"):
        napari_nuclei.write(tmp_path / "n.geojson", of, format="coco", image="a.png")
    for name, format in (("a.json", "results"), ("b.json", "geojson"), ("c.csv", "dsb")):
        napari_nuclei.write(tmp_path / name, of, format=format, image="a.png")
