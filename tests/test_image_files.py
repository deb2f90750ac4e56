"""Which file an image's nuclei belong to, and whether it is of the size that a file says."""

from __future__ import annotations

import os
import unicodedata
from pathlib import Path

import numpy as np
import pytest
import tifffile
import zarr
from PIL import Image

from napari_nuclei.errors import UserError
from napari_nuclei.formats.image_files import (
    MISSING,
    ImageFiles,
    all_in,
    files_in,
    files_near,
    image_in,
    lies_in,
)  # fmt: skip
from napari_nuclei.formats.image_sizes import check_sizes
from napari_nuclei.formats.sidecar import Sidecar
from napari_nuclei.learn.examples import pixels_of
from napari_nuclei.nuclei import ImageRecord

SHAPE = (60, 80)


def write(path: Path, value: int = 0, shape: tuple[int, int] = SHAPE) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full(shape, value, np.uint8)).save(path)
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Images of one name in two folders, and of one stem in two kinds."""
    for name in ("ctrl/f1.png", "treat/f1.png", "x.png", "x.tif", "my image.png", "y.png"):
        write(tmp_path / name)
    return tmp_path


def place(files: ImageFiles, folder: Path, name: str) -> str:
    match = files.find(name)
    return files.why(name, match) if match.value is None else str(match.value.relative_to(folder))


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("ctrl/f1.png", "ctrl/f1.png"),
        ("treat\\f1.png", "treat/f1.png"),
        ("C:\\old\\exp\\treat\\f1.png", "treat/f1.png"),
        ("./ctrl/../treat/f1.png", "ctrl/../treat/f1.png"),
        ("my%20image.png", "my image.png"),
        ("Y.PNG", "y.png"),
        ("somewhere/else/y.png", "y.png"),
        ("y", "y.png"),
        ("f1.png", "may be ctrl/f1.png, treat/f1.png: it is not clear which"),
        ("x", "may be x.png, x.tif: it is not clear which"),
        ("y.tif", "is not there; y.png is another file"),
        ("other/f1.png", MISSING),
        ("z", MISSING),
        ("", MISSING),
        ("..", MISSING),
        ("a\0b.png", MISSING),
        ("n" * 5000 + ".png", MISSING),
        ("\ud800.png", MISSING),
        ("/" * 300, MISSING),
        ("a/" * 3000 + "y.png", "y.png"),
    ],
)
def test_a_name_in_a_folder(folder: Path, name: str, found: str) -> None:
    assert place(files_in(folder), folder, name) == found


def test_the_path_as_it_is_written_goes_first(folder: Path) -> None:
    elsewhere = write(folder / "elsewhere" / "y.png")
    for name in (str(elsewhere), elsewhere.as_uri()):
        assert files_in(folder).find(name).value == elsewhere
    (folder / "lists").mkdir()
    assert files_near(folder / "lists" / "c.json").find("../ctrl/f1.png").value == (
        folder / "lists" / ".." / "ctrl" / "f1.png"
    )


def test_letters_in_either_form(tmp_path: Path) -> None:
    nfc, nfd = (unicodedata.normalize(form, "Zelle-é.png") for form in ("NFC", "NFD"))
    write(tmp_path / "a" / nfd)
    write(tmp_path / "b" / nfc)
    for sub, other in (("a", nfc), ("b", nfd)):
        found = files_in(tmp_path / sub).find(other).value
        assert found is not None
        assert found.is_file()


def test_what_is_no_image_is_not_meant(folder: Path) -> None:
    for name in ("c.json", "y.csv", "notes", "x.labels.tif", "y.overlay.png"):
        (folder / name).write_bytes(b"")
    files = files_in(folder)
    assert place(files, folder, "c.json") == MISSING
    assert place(files, folder, "y") == "y.png"
    assert place(files, folder, "x.labels.tif") == "x.labels.tif", "named so"
    assert place(files, folder, "x.labels") == MISSING, "one of our own, not named so"
    zarr.save(str(folder / "z.zarr"), np.zeros(SHAPE, np.uint8))
    assert place(files_in(folder), folder, "z.zarr") == "z.zarr"


def test_a_file_is_not_its_own_image(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    assert files_near(Path("y.png")).find("y", Path("y.png")).value is None
    assert files_in(folder).find("x", Path("x.tif")).value == folder / "x.png"


def test_all_names_of_a_file(folder: Path) -> None:
    (folder / "treat" / "f1.png").unlink()
    write(folder / "f2.png")
    names = ["ctrl/f1.png", "treat/f1.png", "a/f2.png", "b/f2.png", "y.png"]
    located = files_in(folder).find_all(names)
    assert {n: str(p.relative_to(folder)) for n, p in located.files.items()} == {
        "ctrl/f1.png": "ctrl/f1.png", "y.png": "y.png",
    }  # fmt: skip
    assert located.summary() == (
        "treat/f1.png; a/f2.png cannot be told from b/f2.png: there is one file for both; 1 more"
    )
    with pytest.raises(UserError, match="3 images are missing"):
        all_in(folder, [ImageRecord(k, n, *SHAPE) for k, n in enumerate(names)])
    write(folder / "treat" / "f1.png")
    with pytest.raises(UserError, match=r"the image f1\.png may be"):
        image_in(folder, "f1.png")


def test_pixels_of_a_zarr_and_of_a_plane(tmp_path: Path) -> None:
    stack = np.arange(2 * 60 * 80, dtype=np.uint16).reshape(2, *SHAPE)
    zarr.save(str(tmp_path / "z.zarr"), stack[0])
    tifffile.imwrite(tmp_path / "s.tif", stack, photometric="minisblack", metadata={"axes": "ZYX"})
    plane = ImageRecord(1, "old\\s.tif", *SHAPE, extra={"plane": [1]})
    assert np.array_equal(pixels_of(ImageRecord(1, "z.zarr", *SHAPE), tmp_path), stack[0])
    assert np.array_equal(pixels_of(plane, tmp_path), stack[1])


def links(tmp_path: Path) -> dict[str, Path]:
    home = tmp_path / "home"
    write(home / "a.png")
    write(tmp_path / "secret" / "s.png")
    (home / "link.png").symlink_to(tmp_path / "secret" / "s.png")
    (home / "folder").symlink_to(tmp_path / "secret")
    (home / "circle.png").symlink_to(home / "circle.png")
    (home / "own.png").symlink_to("a.png")
    (tmp_path / "alias").symlink_to(home)
    return {name: home / name for name in ("a.png", "link.png", "circle.png", "own.png")}


@pytest.mark.skipif(os.name == "nt", reason="links need a privilege there")
def test_what_lies_in_a_folder(tmp_path: Path) -> None:
    home = tmp_path / "home"
    paths = links(tmp_path)
    inside = {name: lies_in(path, files_in(home).homes) for name, path in paths.items()}
    assert inside == {"a.png": True, "link.png": False, "circle.png": True, "own.png": True}
    for name in ("folder/s.png", "../secret/s.png"):
        assert not lies_in(home / name, files_in(home).homes)
    assert lies_in(tmp_path / "alias" / "a.png", files_in(tmp_path / "alias").homes)
    (tmp_path / "job" / "images").parent.mkdir()
    (tmp_path / "job" / "images").symlink_to(tmp_path / "secret")
    near = files_near(tmp_path / "job" / "c.json")
    assert near.find("s.png").value is not None
    assert not lies_in(tmp_path / "job" / "images" / "s.png", near.homes)


# -- sizes --------------------------------------------------------------------------------


def test_sizes(folder: Path) -> None:
    records = [ImageRecord(1, "y.png", *SHAPE), ImageRecord(2, "n.png", 9, 9)]
    files = {"y.png": folder / "y.png"}
    assert check_sizes(records, files, "c.json") == []
    (folder / "n.png").write_text("no image")
    files["n.png"] = folder / "n.png"
    assert "n.png are not compared" in check_sizes(records, files, "c.json")[0]
    swapped = [ImageRecord(k, "y.png", 80, 60) for k in (1, 2)]
    with pytest.raises(UserError) as error:
        check_sizes(swapped, files, "c.json")
    assert str(error.value) == (
        f"{folder / 'y.png'} is 60×80 px, but it is 80×60 px in c.json (height × width). "
        "Is it the right image? So are 1 more."
    )


# -- files that are named after their image -----------------------------------------------


@pytest.mark.parametrize(
    ("name", "said", "image"),
    [
        ("y.labels.tif", [], "y.png"),
        ("y_seg.npy", [], "y.png"),
        ("y.png.geojson", [], "y.png"),
        ("x.tif.labels.tif", [], "x.tif"),
        ("anything.npy", ["C:\\data\\treat\\f1.png"], "treat/f1.png"),
        ("y_seg.npy", ["/old/x.tif"], "x.tif"),
        ("y_seg.npy", ["/old/w.png"], "y.png"),
        ("y_seg.npy", ["/old/y.tif"], None),
        ("x_masks.tif", [], None),
    ],
)
def test_the_image_of_a_file(folder: Path, name: str, said: list[str], image: str | None) -> None:
    sidecar = Sidecar(images=folder)
    found = sidecar.image_of(folder / name, *said)
    assert (None if found is None else str(found.relative_to(folder))) == image
    doubt = "its image may be x.png, x.tif: name the file after the right one, such as x.png.tif"
    assert sidecar.remarks == ([f"x_masks.tif: {doubt}."] if name == "x_masks.tif" else [])


def test_a_size_that_only_the_image_knows(folder: Path) -> None:
    sidecar = Sidecar()
    assert sidecar.record(folder / "y.geojson", "y", (9, 9)).shape == SHAPE
    with pytest.raises(UserError, match=r"its image may be x\.png, x\.tif: .* as x\.png\.roi"):
        sidecar.record(folder / "x.roi", "x", (9, 9))
    guessing = Sidecar(guess_size=True)
    assert guessing.record(folder / "x.roi", "x", (9, 9)).shape == (9, 9)
    assert len(guessing.remarks) == 2
