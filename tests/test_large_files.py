"""Zarr, OME-Zarr and tiled TIFF are read tile by tile, and come out as any other file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import zarr
from numpy.typing import NDArray
from shell import MODEL, QUICK, Run, refused
from tiny import DiscDetector, disc, picture

from napari_nuclei._napari.layers.lazy_layers import levels_of
from napari_nuclei.errors import UserError
from napari_nuclei.images.images import find_images, image_size
from napari_nuclei.images.large_files import LazyPlane, open_image
from napari_nuclei.prediction.predict import segment


def field() -> NDArray[np.uint8]:
    discs = [disc(40 + 50 * i, 40 + 45 * j, 20 + i) for i in range(4) for j in range(4)]
    return picture((260, 240), discs)


def write_ome(path: Path, levels: list[NDArray[Any]], axes: str) -> None:
    group = zarr.open_group(str(path), mode="w")
    for k, level in enumerate(levels):
        chunks = tuple(min(64, n) for n in level.shape)
        array = group.create_array(str(k), shape=level.shape, chunks=chunks, dtype=level.dtype)
        array[...] = level
    names = [{"name": a.lower(), "type": "space"} for a in axes]
    datasets = [{"path": str(k)} for k in range(len(levels))]
    group.attrs["ome"] = {"version": "0.5", "multiscales": [{"axes": names, "datasets": datasets}]}


def test_a_plain_zarr(tmp_path: Path) -> None:
    zarr.save_array(str(tmp_path / "a.zarr"), field())
    image = open_image(tmp_path / "a.zarr")
    assert image.shape == image_size(tmp_path / "a.zarr") == (260, 240)
    found = segment(image, DiscDetector(), 26.0, side=192).found
    assert found == segment(field(), DiscDetector(), 26.0).found
    assert len(found) == 16


def test_the_coarser_level_of_an_ome_zarr(tmp_path: Path) -> None:
    fine = np.repeat(np.repeat(field(), 2, 0), 2, 1)
    write_ome(tmp_path / "a.zarr", [fine[None], field()[None]], "ZYX")
    image = open_image(tmp_path / "a.zarr", plane=0)
    assert (image.shape, len(image.levels), image.level_for(0.5)) == ((520, 480), 2, 1)
    found = segment(image, DiscDetector(), 52.0, side=192).found
    assert len(found) == 16


def test_planes_and_channels(tmp_path: Path) -> None:
    stack = np.stack([field(), 255 - field()])
    write_ome(tmp_path / "c.zarr", [stack], "CYX")
    with pytest.raises(UserError, match="2 channels: name one"):
        open_image(tmp_path / "c.zarr")
    with pytest.raises(UserError, match="no channel 2"):
        open_image(tmp_path / "c.zarr", channels=[2])
    one = open_image(tmp_path / "c.zarr", channels=[1])
    np.testing.assert_array_equal(one.read((3, 5, 40, 30)), stack[1, 3:40, 5:30])
    both = open_image(tmp_path / "c.zarr", channels=[1, 0])
    np.testing.assert_array_equal(both.read((0, 0, 9, 9)), np.moveaxis(stack[::-1], 0, -1)[:9, :9])
    write_ome(tmp_path / "z.zarr", [stack], "ZYX")
    with pytest.raises(UserError, match="stack of 2 planes"):
        open_image(tmp_path / "z.zarr")


@pytest.mark.parametrize("axes", ["YXS", "SYX", "CYX", "TCYX", "YX", "XY"])
def test_any_order_of_axes(axes: str) -> None:
    sizes = {"Y": 6, "X": 7, "S": 4, "C": 3, "T": 2}
    array = np.random.default_rng(0).random([sizes[a] for a in axes])
    plane = LazyPlane(array, axes, 1 if "T" in axes else None, [0, 1, 2] if "C" in axes else None)
    wanted = array[1] if "T" in axes else array
    left = axes.replace("T", "")
    wanted = wanted.transpose([left.index(a) for a in "YXCS" if a in left])
    wanted = wanted[..., :3] if wanted.ndim == 3 else wanted
    np.testing.assert_array_equal(np.asarray(plane), wanted)
    np.testing.assert_array_equal(plane[1:4, 2:6], wanted[1:4, 2:6])
    assert plane.shape == wanted.shape


def test_a_pyramid_in_a_tiff(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("napari_nuclei.images.large_files.WHOLE", 1 << 12)
    monkeypatch.setattr("napari_nuclei.images.large_files.SMALL", 1)
    colours = np.repeat(field()[..., None], 3, -1)
    path = tmp_path / "a.tif"
    with tifffile.TiffWriter(path) as file:
        options = {"tile": (64, 64), "photometric": "rgb"}
        file.write(colours, subifds=1, **options)
        file.write(np.ascontiguousarray(colours[::2, ::2]), subfiletype=1, **options)
    image = open_image(path)
    assert (image.shape, len(image.levels)) == ((260, 240), 2)
    np.testing.assert_array_equal(image.read((10, 20, 90, 130)), colours[10:90, 20:130])
    found = segment(image, DiscDetector(), 26.0, side=192).found
    assert found == segment(colours, DiscDetector(), 26.0).found
    levels = levels_of([image], ())  # as a window shows it, read by several threads at once
    del image
    np.testing.assert_array_equal(levels[0].rechunk(64).compute(), colours)
    np.testing.assert_array_equal(levels[1].compute(), colours[::2, ::2])


def test_dask_and_lists_of_levels() -> None:
    dask = pytest.importorskip("dask.array")
    lazy = dask.from_array(field(), chunks=64)
    wanted = segment(field(), DiscDetector(), 26.0).found
    assert segment(lazy, DiscDetector(), 26.0, side=192).found == wanted
    levels = [lazy, lazy[::2, ::2]]
    assert segment(levels, DiscDetector(), 26.0, side=192).found == wanted


def test_on_the_command_line(run: Run, tmp_path: Path) -> None:
    zarr.save_array("a.zarr", field())
    (tmp_path / "broken.zarr").mkdir()
    (tmp_path / "broken.zarr" / "zarr.json").write_text("{")
    assert [p.name for p in find_images(".")] == ["a.zarr", "broken.zarr"]
    code, _, err = run("segment", "a.zarr", "--out", "o.json", *MODEL, *QUICK)
    assert code == 0, err
    assert "1 of 1 image," in err
    refused(run("segment", "broken.zarr", "--out", "p.json", *MODEL, *QUICK), "not a zarr that can")
    zarr.open_group("empty.zarr", mode="w")
    refused(run("segment", "empty.zarr", "--out", "p.json", *MODEL, *QUICK), "without an OME-Zarr")
