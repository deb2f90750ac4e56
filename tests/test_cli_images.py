"""`segment` on the command line, given images of every kind, good and broken."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image
from shell import MODEL, QUICK, Run, refused
from tiny import disc, picture

from napari_nuclei.formats import coco
from napari_nuclei.nuclei import Nuclei

GRAY = picture((44, 52), [disc(14, 15, 16), disc(30, 34, 18)])
COLOUR = np.stack([GRAY, GRAY // 2, 255 - GRAY], -1)
KINDS: dict[str, Callable[[Path], Any]] = {
    "gray.png": lambda p: Image.fromarray(GRAY).save(p),
    "rgb.jpg": lambda p: Image.fromarray(COLOUR).save(p),
    "rgba.png": lambda p: Image.fromarray(COLOUR).convert("RGBA").save(p),
    "palette.png": lambda p: Image.fromarray(COLOUR).convert("P").save(p),
    "cmyk.jpg": lambda p: Image.fromarray(COLOUR).convert("CMYK").save(p),
    "cmyk.tif": lambda p: Image.fromarray(COLOUR).convert("CMYK").save(p),
    "bool.png": lambda p: Image.fromarray(GRAY > 0).save(p),
    "bool.tif": lambda p: tifffile.imwrite(p, GRAY > 0),
    "deep.png": lambda p: Image.fromarray(GRAY.astype(np.uint16) * 200).save(p),
    "deep.tif": lambda p: tifffile.imwrite(p, GRAY.astype(np.uint16) * 200),
    "big_endian.tif": lambda p: tifffile.imwrite(p, GRAY.astype(">u2") * 200, byteorder=">"),
    "float.tif": lambda p: tifffile.imwrite(p, GRAY.astype(np.float32) / 200),
    "signed.tif": lambda p: tifffile.imwrite(p, GRAY.astype(np.int32) - 100),
    "nan.tif": lambda p: tifffile.imwrite(p, np.where(GRAY > 0, GRAY, np.nan)),
    "all_nan.tif": lambda p: tifffile.imwrite(p, np.full((20, 20), np.nan, np.float32)),
    "inf.tif": lambda p: tifffile.imwrite(p, np.where(GRAY > 0, np.inf, GRAY)),
    "constant.png": lambda p: Image.new("L", (30, 20), 9).save(p),
    "one.png": lambda p: Image.new("L", (1, 1), 9).save(p),
    "line.png": lambda p: Image.new("RGB", (40, 1), 9).save(p),
}


@pytest.fixture
def kinds(run: Run) -> dict[str, Nuclei]:
    """What is found in an image of each kind, segmented in one go."""
    Path("in").mkdir()
    for name, write in KINDS.items():
        write(Path("in", name))
    code, out, err = run("segment", "in", "--out", "o.json", "--json", *MODEL, *QUICK)
    assert code == 0, err
    assert json.loads(out)["images"] == len(KINDS)
    data = coco.read(Path("o.json"))
    return {image.file_name: data.of(image) for image in data.images}


def test_images_of_every_kind_are_read(kinds: dict[str, Nuclei]) -> None:
    assert kinds.keys() == KINDS.keys()
    assert kinds["one.png"].shape == (1, 1)
    assert kinds["rgba.png"].shape == kinds["gray.png"].shape == GRAY.shape
    wanted = [n.mask for n in kinds["gray.png"]]
    assert wanted
    # The same picture gives the same nuclei, however it is stored.
    for name in ("deep.png", "deep.tif", "big_endian.tif", "float.tif", "bool.tif"):
        assert [n.mask for n in kinds[name]] == wanted, name
    assert [n.mask for n in kinds["rgba.png"]] != wanted


def test_a_png_of_one_bit_is_like_the_others(kinds: dict[str, Nuclei]) -> None:
    assert [n.mask for n in kinds["bool.png"]] == [n.mask for n in kinds["gray.png"]]


BROKEN: dict[str, tuple[Callable[[Path], Any], str]] = {
    "text.png": (lambda p: p.write_text("no image"), "not an image in a format"),
    "nothing.png": (lambda p: p.write_bytes(b""), "the file is empty"),
    "short.png": (lambda p: (KINDS["rgba.png"](p), cut(p)), "cut short"),
    "short.jpg": (lambda p: (KINDS["rgb.jpg"](p), cut(p)), "cut short"),
    "short.tif": (lambda p: (KINDS["deep.tif"](p), cut(p)), "cut short"),
    "head.tif": (lambda p: p.write_bytes(b"II*\0\x08\0\0\0"), "cut short"),
    "complex.tif": (lambda p: tifffile.imwrite(p, GRAY.astype(np.complex64)), "complex64"),
    "folder.png": (lambda p: p.mkdir(), "no image in this folder"),
}


def cut(path: Path) -> None:
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])


@pytest.mark.parametrize("name", BROKEN)
def test_images_that_cannot_be_read(run: Run, name: str) -> None:
    write, words = BROKEN[name]
    write(Path(name))
    answer = run("segment", name, "--out", "o.json", *MODEL, *QUICK)
    refused(answer, name, words)
    assert not Path("o.json").exists()
