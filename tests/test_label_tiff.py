"""Label TIFFs: 16 or 32 bits, what is lost below others, files that are none."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile
from hypothesis import given
from strategies import nuclei

from napari_nuclei.errors import UserError
from napari_nuclei.formats import label_tiff
from napari_nuclei.masks import Mask
from napari_nuclei.nuclei import Kind, Nuclei, Nucleus
from napari_nuclei.nuclei.labels import draw

square = Mask.from_array(np.ones((4, 4)))


@given(of=nuclei())
def test_the_file_holds_what_is_seen(of: Nuclei, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("labels") / "l.tif"
    lost = label_tiff.write(path, of)
    view = draw(of)
    stored = tifffile.imread(path)
    assert stored.dtype == np.uint16
    assert (stored == view).all()
    pixels = sum((view == n.id).sum() for n in of.shown())
    assert lost == sum(n.mask.area for n in of.shown()) - pixels
    back = label_tiff.read(path)
    assert (draw(back) == view).all()
    assert all(n.origin.kind is Kind.IMPORT and n.origin.model == "l.tif" for n in back)


@pytest.mark.parametrize(("id", "dtype"), [(65535, np.uint16), (65536, np.uint32)])
def test_32_bit_where_the_ids_need_it(id: int, dtype: type, tmp_path: Path) -> None:
    of = Nuclei((9, 9), [Nucleus(3, square), Nucleus(id, square.shift(2, 2))])
    assert label_tiff.write(tmp_path / "l.tif", of) == 4
    assert tifffile.imread(tmp_path / "l.tif").dtype == dtype
    assert {n.id for n in label_tiff.read(tmp_path / "l.tif")} == {3, id}


def test_foreign_files(tmp_path: Path) -> None:
    path = tmp_path / "l.tif"
    tifffile.imwrite(path, np.eye(5, dtype=">i2")[None])
    assert len(label_tiff.read(path)) == 1
    for wrong, words in (
        (np.eye(5, dtype=np.float32) / 2, "whole numbers"),
        (np.zeros((3, 5, 5), np.uint8), "one plane"),
        (-np.eye(5, dtype=np.int8), "labels lie between"),
    ):
        tifffile.imwrite(path, wrong, photometric="minisblack")
        with pytest.raises(UserError, match=words):
            label_tiff.read(path)


def test_not_a_tiff(tmp_path: Path) -> None:
    path = tmp_path / "l.tif"
    with pytest.raises(UserError, match="no such file"):
        label_tiff.read(path)
    label_tiff.write(path, Nuclei((99, 99), [Nucleus(3, square)]))
    whole = path.read_bytes()
    for broken in (b"", b"PNG", whole[:40], whole[: len(whole) // 2]):
        path.write_bytes(broken)
        with pytest.raises(UserError, match=r"l\.tif"):
            label_tiff.read(path)
    with pytest.raises(UserError, match="does not exist"):
        label_tiff.write(tmp_path / "none" / "l.tif", Nuclei((9, 9)))
