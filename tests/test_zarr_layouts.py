"""Zarr as converters write it: series, plates, labels, missing levels and axes, zip files."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from numpy.typing import NDArray

from napari_nuclei.errors import UserError
from napari_nuclei.formats import label_files
from napari_nuclei.formats.convert import read
from napari_nuclei.formats.sidecar import Sidecar
from napari_nuclei.images.finding import ZARR_MARKS, find_images
from napari_nuclei.images.images import image_info, read_image
from napari_nuclei.images.large_files import open_image

GRAY = np.random.default_rng(3).integers(0, 256, (40, 30), np.uint8)
LABELS = np.zeros((40, 30), np.int32)
LABELS[3:9, 3:9], LABELS[20:30, 10:20] = 1, 7


def axes(names: str) -> list[dict[str, str]]:
    kinds = {"t": "time", "c": "channel"}
    return [{"name": a, "type": kinds.get(a, "space")} for a in names]


def note(group: zarr.Group, version: int, **about: Any) -> None:
    """Write what OME-Zarr says of a group: version 0.4 in zarr 2, 0.5 in zarr 3."""
    if version == 2:
        group.attrs.update(about)
    else:
        group.attrs["ome"] = {"version": "0.5", **about}


def write_image(
    group: zarr.Group, version: int, levels: Sequence[NDArray[Any]], named: Any, **about: Any
) -> None:
    for k, level in enumerate(levels):
        group.create_array(str(k), data=level, chunks=tuple(min(16, n) for n in level.shape))
    scale = {"datasets": [{"path": str(k)} for k in range(len(levels))]}
    if named is not None:
        scale["axes"] = named
    note(group, version, multiscales=[scale], **about)


def levels(pixels: NDArray[Any]) -> list[NDArray[Any]]:
    return [pixels, pixels[..., ::2, ::2]]


def refused(path: Path, *words: str, **choice: Any) -> None:
    with pytest.raises(UserError) as caught:
        open_image(path, **choice)
    text = str(caught.value)
    assert text.startswith(str(path))
    assert "\n" not in text
    for word in words:
        assert word in text


both = pytest.mark.parametrize("version", [2, 3])


@both
def test_the_series_of_bioformats2raw(tmp_path: Path, version: int) -> None:
    path = tmp_path / "a.zarr"
    root = zarr.open_group(str(path), mode="w", zarr_format=version)
    note(root, version, **{"bioformats2raw.layout": 3})
    group = root.create_group("0")
    write_image(group, version, levels(GRAY[None, None, None]), axes("tczyx"))
    note(root.create_group("OME"), version, series=["0"])
    (path / "OME" / "METADATA.ome.xml").write_text("<OME/>")
    np.testing.assert_array_equal(read_image(path), GRAY)
    assert len(open_image(path).levels) == 2
    np.testing.assert_array_equal(read_image(path / "0"), GRAY)
    assert find_images(tmp_path) == [path]
    # A slide's label is no second image; another field is.
    write_image(root.create_group("1"), version, [GRAY[None, None, None, :8, :8]], axes("tczyx"))
    np.testing.assert_array_equal(read_image(path), GRAY)
    write_image(root.create_group("2"), version, [GRAY[None, None, None]], axes("tczyx"))
    refused(path, "holds 3 images: name one, such as", str(path / "0"), str(path / "1"))


@both
@pytest.mark.parametrize("named", [None, ["c", "y", "x"], axes("cyx")])
def test_axes_of_every_version(tmp_path: Path, version: int, named: Any) -> None:
    pixels = np.stack([GRAY, 255 - GRAY])
    pixels = pixels[None, :, None] if named is None else pixels
    root = zarr.open_group(str(tmp_path / "a.zarr"), mode="w", zarr_format=version)
    write_image(root, version, levels(pixels), named)
    assert image_info(tmp_path / "a.zarr").channels == 2
    np.testing.assert_array_equal(read_image(tmp_path / "a.zarr", channels=1), 255 - GRAY)
    refused(tmp_path / "a.zarr", "2 channels: name one")


@pytest.mark.parametrize("names", [["y", "x", "sample"], ["tile", "time", "y", "x"]])
def test_odd_names_of_axes(tmp_path: Path, names: list[str]) -> None:
    shape = [{"y": 40, "x": 30}.get(name, 2) for name in names]
    pixels = np.random.default_rng(0).random(shape)
    root = zarr.open_group(str(tmp_path / "a.zarr"), mode="w")
    write_image(root, 3, [pixels], names)
    if names[-1] == "sample":  # gray and alpha
        np.testing.assert_array_equal(read_image(tmp_path / "a.zarr"), pixels[..., 0])
    else:
        assert image_info(tmp_path / "a.zarr").planes == 4
        np.testing.assert_array_equal(read_image(tmp_path / "a.zarr", plane=2), pixels[1, 0])


@both
def test_levels_with_fewer_planes_are_done_without(tmp_path: Path, version: int) -> None:
    stack = np.stack([GRAY, GRAY // 2, GRAY // 3, GRAY // 4])
    root = zarr.open_group(str(tmp_path / "a.zarr"), mode="w", zarr_format=version)
    write_image(root, version, [stack, stack[:, ::2, ::2], stack[::2, ::4, ::4]], axes("zyx"))
    image = open_image(tmp_path / "a.zarr", plane=3)
    assert len(image.levels) == 2
    np.testing.assert_array_equal(np.asarray(image.levels[1]), stack[3, ::2, ::2])


def test_levels_that_are_missing(tmp_path: Path) -> None:
    path = tmp_path / "a.zarr"
    write_image(zarr.open_group(str(path), mode="w"), 3, levels(GRAY), axes("yx"))
    shutil.rmtree(path / "1")
    assert len(open_image(path).levels) == 1
    np.testing.assert_array_equal(read_image(path), GRAY)
    shutil.rmtree(path / "0")
    refused(path, "missing")


@both
def test_plates_and_wells_name_their_fields(tmp_path: Path, version: int) -> None:
    path = tmp_path / "a.zarr"
    root = zarr.open_group(str(path), mode="w", zarr_format=version)
    note(root, version, plate={"wells": [{"path": "A/1"}, {"path": "A/2"}]})
    for well, fields in (("A/1", "0"), ("A/2", "01")):
        group = root.create_group(well)
        note(group, version, well={"images": [{"path": f} for f in fields]})
        for field in fields:
            write_image(group.create_group(field), version, [GRAY], axes("yx"))
    refused(path, "a plate of 2 wells: name one, such as", str(path / "A/1/0"))
    refused(path / "A", str(path / "A/1/0"))
    refused(path / "A" / "2", "holds 2 fields")
    np.testing.assert_array_equal(read_image(path / "A" / "1"), GRAY)
    np.testing.assert_array_equal(read_image(path / "A" / "2" / "1"), GRAY)


@both
def test_labels_sidecar_an_image(tmp_path: Path, version: int) -> None:
    path = tmp_path / "a.zarr"
    root = zarr.open_group(str(path), mode="w", zarr_format=version)
    write_image(root, version, levels(GRAY[None]), axes("cyx"))
    group = root.create_group("labels")
    note(group, version, labels=["cells"])
    write_image(
        group.create_group("cells"), version, levels(LABELS), axes("yx"), **{"image-label": {}}
    )
    for place in (path, path / "labels", path / "labels" / "cells", path / "labels/cells/0"):
        data, format = read([place], Sidecar())
        assert format.name == "labels"
        assert [image.file_name for image in data.images] == ["a.zarr"]
        assert {n.id for n in data.of(data.images[0])} == {1, 7}
    np.testing.assert_array_equal(read_image(path), GRAY)
    refused(path / "labels" / "cells", "a label image")
    refused(path / "labels", "holds label images")
    note(group, version, labels=["cells", "more"])
    write_image(group.create_group("more"), version, [LABELS], axes("yx"), **{"image-label": {}})
    with pytest.raises(UserError, match=r"2 label images: name one, such as .*labels.cells"):
        label_files.read(path)


@both
def test_plain_arrays(tmp_path: Path, version: int) -> None:
    path = tmp_path / "a.zarr"
    for pixels, expected in (
        (GRAY, GRAY),
        (np.stack([GRAY] * 3, -1), np.stack([GRAY] * 3, -1)),
        (np.stack([GRAY] * 4, -1), np.stack([GRAY] * 3, -1)),  # colours and alpha
        (np.stack([GRAY] * 4, -1).astype(np.uint16), "4 channels: name one"),
        (np.stack([GRAY] * 5, -1), "5 channels: name one"),
        (np.stack([GRAY] * 5), "stack of 5 planes"),
        (GRAY[0], "2 dimensions or more"),
        (GRAY.astype(complex), "complex128"),
    ):
        zarr.save_array(str(path), pixels, zarr_format=version)
        if isinstance(expected, str):
            refused(path, expected)
        else:
            np.testing.assert_array_equal(read_image(path), expected)
        shutil.rmtree(path)


def test_named_dimensions_go_before_the_shape(tmp_path: Path) -> None:
    pixels = np.stack([GRAY] * 3, -1)
    zarr.create_array(str(tmp_path / "a.zarr"), data=pixels, dimension_names=["y", "x", "c"])
    refused(tmp_path / "a.zarr", "3 channels: name one")
    array = zarr.create_array(str(tmp_path / "b.zarr"), data=pixels, zarr_format=2)
    array.attrs["_ARRAY_DIMENSIONS"] = ["z", "y", "x"]
    refused(tmp_path / "b.zarr", "stack of 40 planes")


@both
def test_a_group_with_one_array(tmp_path: Path, version: int) -> None:
    zarr.save_group(str(tmp_path / "a.zarr"), GRAY, zarr_format=version)
    np.testing.assert_array_equal(read_image(tmp_path / "a.zarr"), GRAY)
    zarr.save_group(str(tmp_path / "b.zarr"), GRAY, GRAY, zarr_format=version)
    refused(tmp_path / "b.zarr", "without an OME-Zarr image: name an array in it")


@both
@pytest.mark.parametrize("name", ["a.zarr.zip", "a.ozx", "a.zip"])
def test_zip_files(tmp_path: Path, version: int, name: str) -> None:
    with zarr.storage.ZipStore(tmp_path / name, mode="w") as store:
        zarr.create_array(store, data=GRAY, chunks=(16, 16), zarr_format=version)
    assert find_images(tmp_path) == [tmp_path / name]
    assert image_info(tmp_path / name).width == 30
    np.testing.assert_array_equal(read_image(tmp_path / name), GRAY)


def test_a_zip_of_a_folder(tmp_path: Path) -> None:
    write_image(
        zarr.open_group(str(tmp_path / "in" / "a.zarr"), mode="w"), 3, levels(GRAY), axes("yx")
    )
    shutil.make_archive(str(tmp_path / "a.zarr"), "zip", tmp_path / "in")
    np.testing.assert_array_equal(read_image(tmp_path / "a.zarr.zip"), GRAY)
    (tmp_path / "other").mkdir()
    shutil.make_archive(str(tmp_path / "rois"), "zip", tmp_path / "other")
    with pytest.raises(UserError, match="not an image"):
        read_image(tmp_path / "rois.zip")


@both
def test_damaged_chunks_are_one_line(tmp_path: Path, version: int) -> None:
    path = tmp_path / "a.zarr"
    zarr.save_array(str(path), GRAY, zarr_format=version)
    files = [p for p in path.rglob("*") if p.is_file() and p.name not in (*ZARR_MARKS, ".zattrs")]
    files[0].write_bytes(files[0].read_bytes()[:40])
    image = open_image(path)
    with pytest.raises(UserError, match=r"a\.zarr: broken or cut short"):
        image.read((0, 0, 9, 9))
