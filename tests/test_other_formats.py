"""Tables, the Data Science Bowl's files, Cellpose's: there and back, and damaged ones."""

from __future__ import annotations

import io
import os
import pickle
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from strategies import nuclei

from napari_nuclei.errors import UserError
from napari_nuclei.formats import cellpose, label_tiff, mask_pngs, run_lengths, table
from napari_nuclei.formats.adapters import read_masks
from napari_nuclei.formats.dataset import DataSet
from napari_nuclei.formats.detect import detect
from napari_nuclei.formats.sidecar import Sidecar
from napari_nuclei.masks import Mask
from napari_nuclei.masks.topmost import topmost
from napari_nuclei.nuclei import ImageRecord, Nuclei, Nucleus, labels
from napari_nuclei.nuclei.labels import draw

square = Mask.from_array(np.ones((4, 4)))


def data_of(of: Nuclei, name: str = "a.png") -> DataSet:
    return DataSet([ImageRecord(1, name, *of.shape)], {1: of})


def image_of(folder: Path, of: Nuclei, name: str = "a.png") -> None:
    pixels = np.random.default_rng(0).integers(0, 255, (*of.shape, 3), np.uint8)
    Image.fromarray(pixels).save(folder / name)


# -- tables -----------------------------------------------------------------------------


def test_table(tmp_path: Path) -> None:
    of = Nuclei((9, 9), [Nucleus(5, square, 0.5, note="a,b"), Nucleus(2, square.shift(3, 3))])
    image_of(tmp_path, of)
    path = tmp_path / "t.csv"
    sidecar = Sidecar(pixel_size=0.5)
    table.write_csv(path, data_of(of), sidecar)
    assert not sidecar.remarks
    found = pd.read_csv(path, keep_default_na=False)
    assert found["id"].tolist() == [2, 5]
    assert found["note"].tolist() == ["", "a,b"]
    assert found["area"].tolist() == [16, 16]
    assert found["area_um2"].tolist() == [4, 4]
    assert found["perimeter_um"].tolist() == pytest.approx([6, 6])
    pixels = np.asarray(Image.open(tmp_path / "a.png"))
    assert found["intensity_mean-1"].tolist()[1] == pytest.approx(pixels[:4, :4, 1].mean(), 1e-5)
    pytest.importorskip("pyarrow")
    table.write_parquet(tmp_path / "t.parquet", data_of(of), sidecar)
    again = pd.read_parquet(tmp_path / "t.parquet")
    assert list(again) == list(found)
    assert again["id"].tolist() == [2, 5]


def test_table_says_what_it_lacks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    of = Nuclei((9, 9), [Nucleus(5, square)])
    sidecar = Sidecar()
    table.write_csv(tmp_path / "t.csv", data_of(of), sidecar)
    assert [("--images" in r, "--pixel-size" in r) for r in sidecar.remarks] == [
        (True, False),
        (False, True),
    ]
    assert "intensity_mean" not in pd.read_csv(tmp_path / "t.csv")
    table.write_csv(tmp_path / "t.csv", data_of(Nuclei((9, 9))), Sidecar())
    assert len(pd.read_csv(tmp_path / "t.csv")) == 0
    image_of(tmp_path, Nuclei((5, 5)))
    with pytest.raises(UserError, match="right image"):
        table.write_csv(tmp_path / "t.csv", data_of(of), Sidecar())
    monkeypatch.setattr(table, "find_spec", lambda name: None)
    with pytest.raises(UserError, match="pip install"):
        table.write_parquet(tmp_path / "t.parquet", data_of(of), Sidecar())


# -- run lengths ------------------------------------------------------------------------


@given(of=nuclei())
def test_run_lengths(of: Nuclei, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("dsb")
    image_of(folder, of)
    sidecar = Sidecar()
    run_lengths.write(folder / "d.csv", data_of(of), sidecar)
    back = run_lengths.read(folder / "d.csv", Sidecar())
    assert [i.file_name for i in back.images] == ["a.png"]
    view = draw(of)
    seen = [Mask.from_array(view == id) for id in np.unique(view[view > 0])]
    assert [n.mask for n in back.of(back.images[0])] == seen
    assert bool(sidecar.remarks) == (sum(n.mask.area for n in of.shown()) != (view > 0).sum())


def test_run_lengths_as_the_bowl_has_them(tmp_path: Path) -> None:
    path = tmp_path / "d.csv"
    path.write_text("ImageId,EncodedPixels,Height,Width,Usage\nb,2 2 6 1,4,3,Public\nb,,4,3,x\n")
    data = run_lengths.read(path, Sidecar())
    (nucleus,) = data.nuclei[1]
    assert nucleus.mask.to_array().tolist() == [[True, True], [True, False]]
    assert nucleus.mask.box == (1, 0, 3, 2)
    path.write_text("ImageId,EncodedPixels\nb,1 2\n")
    with pytest.raises(UserError, match="does not say how large"):
        run_lengths.read(path, Sidecar(guess_size=True))


@pytest.mark.parametrize(
    "data",
    [
        b"ImageId;EncodedPixels\nb;1 2\n",
        b"\xef\xbb\xbfImageId\tEncodedPixels\r\nb\t1 2\r\n",
        "ImageId\tEncodedPixels\r\nb\t1 2\r\n".encode("utf-16"),
        b"ImageId, EncodedPixels\nb,1 2\n",
    ],
)
def test_run_lengths_as_spreadsheets_save_them(data: bytes, tmp_path: Path) -> None:
    Image.new("L", (4, 3)).save(tmp_path / "b.png")
    path = tmp_path / "d.csv"
    path.write_bytes(data)
    found = detect(path)
    assert found is not None
    assert found.name == "dsb"
    assert [n.mask.box for n in run_lengths.read(path, Sidecar()).nuclei[1]] == [(0, 0, 2, 1)]


def test_run_lengths_of_an_image_that_is_missing(tmp_path: Path) -> None:
    Image.new("L", (4, 3)).save(tmp_path / "b.png")
    path = tmp_path / "d.csv"
    path.write_text("ImageId,EncodedPixels\nz,1 2\nb,1 2\nz,4 1\n")
    sidecar = Sidecar()
    data = run_lengths.read(path, sidecar)
    assert [(i.id, i.file_name) for i in data.images] == [(1, "b.png")]
    assert sidecar.remarks == [
        "d.csv: 2 of 3 lines are left out: 2, 4 (is of z, whose size is not known)."
    ]
    with pytest.raises(UserError, match="does not say how large"):
        run_lengths.read(path, Sidecar(strict=True))


def test_run_lengths_of_a_slide_need_no_array(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_array(*_: Any) -> None:
        raise AssertionError

    monkeypatch.setattr(labels, "draw", no_array)
    side = 400_000
    far = Mask.from_array(np.ones((5, 3)), side - 7, side - 3)
    rows = [Nucleus(1, far, 0.5), Nucleus(2, far.shift(2, 0), 0.9), Nucleus(3, square, 0.1)]
    path = tmp_path / "d.csv"
    sidecar = Sidecar()
    run_lengths.write(path, data_of(Nuclei((side, side), rows)), sidecar)
    lines = path.read_text().splitlines()
    begin = (side - 3) * side + side - 6  # counted from 1, column by column
    assert lines[1] == "a," + " ".join(f"{begin + side * k} 2" for k in range(3))
    assert lines[2] == "a," + " ".join(f"{begin + 2 + side * k} 5" for k in range(3))
    assert lines[3] == "a," + " ".join(f"{1 + side * k} 4" for k in range(4))
    assert "9 px of nuclei below others" in sidecar.remarks[0]


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(1, 12), st.integers(0, 6)), max_size=9))
def test_topmost(runs: list[tuple[int, int, int]]) -> None:
    line = np.full(50, -1)
    kept: list[tuple[int, int, int]] = []
    for start, length, owner in runs:  # runs of one owner do not overlap
        if all(o != owner or start >= e or start + length <= s for s, e, o in kept):
            kept.append((start, start + length, owner))
    for start, end, owner in sorted(kept, key=lambda run: run[2]):
        line[start:end] = owner
    table = np.array(kept, np.int64).reshape(-1, 3)
    starts, ends, owners = topmost(*table.T)
    again = np.full(50, -1)
    for start, end, owner in zip(starts, ends, owners, strict=True):
        assert (again[start:end] == -1).all()
        again[start:end] = owner
    assert again.tolist() == line.tolist()
    joined = (ends[:-1] == starts[1:]) & (owners[:-1] == owners[1:])
    assert not joined.any()


def test_a_label_image_that_does_not_fit_into_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.labels.tif"
    vast = Nuclei((4_000_000, 4_000_000), [Nucleus(1, square)])
    with pytest.raises(UserError, match=r"4000000×4000000 px needs .* GB of memory"):
        label_tiff.write(path, vast)

    def refuse(*_: Any) -> None:
        raise MemoryError

    monkeypatch.setattr(label_tiff, "draw", refuse)
    with pytest.raises(UserError, match="write COCO, GeoJSON or"):
        label_tiff.write(path, Nuclei((9, 9), [Nucleus(1, square)]))
    assert not path.exists()


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("b,1 2 3,4,3", "2 (is not made of pairs"),
        ("b,1 x,4,3", "2 (is not made of pairs"),
        ("b,0 2,4,3", "2 (is not made of pairs"),
        ("b,12 2,4,3", "reaches beyond"),
        ("b,1 3 2 2,4,3", "overlap"),
        (",1 3,4,3", "names no image"),
        ("b,1 3,0,3", "below 1"),
    ],
)
def test_bad_run_lengths(line: str, words: str, tmp_path: Path) -> None:
    path = tmp_path / "d.csv"
    path.write_text(f"ImageId,EncodedPixels,Height,Width\n{line}\n")
    with pytest.raises(UserError, match=re.escape(words)):
        run_lengths.read(path, Sidecar())


# -- folders of masks -------------------------------------------------------------------


@given(of=nuclei())
def test_mask_folders(of: Nuclei, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("masks")
    image_of(folder, of)
    sidecar = Sidecar(folder)
    (written,) = mask_pngs.write(folder / "out", data_of(of), sidecar)
    assert not sidecar.remarks
    files = sorted((written / "masks").iterdir())
    shown = sorted(of.shown(), key=lambda n: n.id)
    assert [int(f.stem) for f in files] == [n.id for n in shown]
    for file, nucleus in zip(files, shown, strict=True):
        pixels = np.zeros(of.shape, bool)
        nucleus.mask.paint(pixels, True)
        assert (np.asarray(Image.open(file)) == pixels).all()
    back = read_masks(folder / "out", Sidecar())
    assert [n.mask for n in back.nuclei[1]] == [n.mask for n in shown]
    if files:
        with pytest.raises(UserError, match="already"):
            mask_pngs.write(folder / "out", data_of(of), Sidecar(folder))


def test_mask_folders_without_images(tmp_path: Path) -> None:
    sidecar = Sidecar()
    mask_pngs.write(tmp_path / "out", data_of(Nuclei((9, 9), [Nucleus(1, square)])), sidecar)
    assert "--images" in sidecar.remarks[0]


# -- cellpose ---------------------------------------------------------------------------


def seg(**more: Any) -> dict[str, Any]:
    masks = np.zeros((6, 7), np.uint16)
    masks[1:3, 1:3], masks[4, 5] = 1, 3
    return {
        "masks": masks,
        "outlines": masks,
        "flows": [np.zeros((6, 7, 3), np.uint8), [np.float32(3)], []],
        "ismanual": np.zeros(2, bool),
        "filename": "/data/x.tif",
        "est_diam": np.float64(12.5),
        "nested": {"img": np.asfortranarray(np.ones((2, 3))), 3: None, "z": (True, b"x")},
        "path": Path("/data/x"),
        **more,
    }


@pytest.mark.parametrize("protocol", [0, 1, 2, 3, 4, 5])
def test_cellpose(protocol: int, tmp_path: Path) -> None:
    path = tmp_path / "x_seg.npy"
    np.save(path, seg())  # type: ignore[arg-type]
    header = path.read_bytes()[:128]
    path.write_bytes(header + pickle.dumps(np.array(seg(), object), protocol=protocol))
    image, found = cellpose.read(path, Sidecar())
    assert image == ImageRecord(1, "x.tif", 6, 7)
    assert [(n.id, n.mask.area) for n in found] == [(1, 4), (3, 1)]


class Evil:
    def __init__(self, *call: Any) -> None:
        self.call = call

    def __reduce__(self) -> Any:
        return self.call[0], self.call[1:]


@pytest.mark.parametrize(
    "evil",
    [
        Evil(os.system, "touch pwned"),
        Evil(eval, "1"),
        Evil(getattr, 1, "real"),
        Evil(np.ndarray, (4,), "O", b"x" * 32),
        Evil(np.load, "x"),
        Evil(pickle.loads, b"x"),
    ],
)
def test_cellpose_runs_nothing(evil: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "x_seg.npy"
    np.save(path, seg(evil=evil))  # type: ignore[arg-type]
    with pytest.raises(UserError, match="safety"):
        cellpose.read(path, Sidecar())
    assert [p.name for p in tmp_path.iterdir()] == ["x_seg.npy"]


def test_bad_cellpose_files(tmp_path: Path) -> None:
    path = tmp_path / "x_seg.npy"
    np.save(path, seg())  # type: ignore[arg-type]
    whole = path.read_bytes()
    stream = io.BytesIO()
    np.save(stream, np.zeros((3, 3)))
    for broken in (b"", whole[:200], stream.getvalue(), whole[:8] + b"\xff" * 50):
        path.write_bytes(broken)
        with pytest.raises(UserError, match=r"x_seg\.npy") as caught:
            cellpose.read(path, Sidecar())
        assert "\n" not in str(caught.value)
    for wrong, words in (
        ({"masks": 3}, "no label image"),
        ({"masks": np.ones((2, 3, 4), int)}, "shape"),
    ):
        np.save(path, seg(**wrong))  # type: ignore[arg-type]
        with pytest.raises(UserError, match=words):
            cellpose.read(path, Sidecar())
