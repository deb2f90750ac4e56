"""ImageJ ROIs: there and back, files of others, damaged ones."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pytest
import roifile
from hypothesis import given
from PIL import Image
from strategies import nuclei

from napari_nuclei.errors import UserError
from napari_nuclei.formats import imagej
from napari_nuclei.formats.paths import rings_of
from napari_nuclei.formats.sidecar import Sidecar
from napari_nuclei.masks import Mask
from napari_nuclei.nuclei import ImageRecord, Nuclei, Nucleus


@given(of=nuclei())
def test_shown_nuclei_come_back(of: Nuclei, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("roi")
    Image.new("L", of.shape[::-1]).save(folder / "a.png")
    imagej.write(folder / "a.rois.zip", ImageRecord(1, "a.png", *of.shape), of, Sidecar())
    if not any(of.shown()):
        with pytest.raises(UserError, match="no ROI"):
            imagej.read(folder / "a.rois.zip", Sidecar())
        return
    image, back = imagej.read(folder / "a.rois.zip", Sidecar())
    assert image == ImageRecord(1, "a.png", *of.shape)
    shown = {n.id: n for n in of.shown()}
    assert {n.id: (n.mask, n.state) for n in back} == {
        id: (n.mask, n.state) for id, n in shown.items()
    }
    assert all(n.score == pytest.approx(shown[n.id].score, abs=1e-5) for n in back)


def test_kinds_of_rois(tmp_path: Path) -> None:
    R = roifile.ImagejRoi
    shapes = {
        "rectangle": R(roitype=roifile.ROI_TYPE.RECT, left=2, top=3, right=6, bottom=5),
        "oval": R(roitype=roifile.ROI_TYPE.OVAL, left=10, top=10, right=20, bottom=18),
        "freehand": R.frompoints([[0.5, 0.5], [4.5, 0.5], [4.5, 2.5]]),
        "point": R(roitype=roifile.ROI_TYPE.POINT),
        "label": R(roitype=roifile.ROI_TYPE.RECT, subtype=roifile.ROI_SUBTYPE.TEXT, right=9),
    }
    path = tmp_path / "RoiSet.zip"
    with zipfile.ZipFile(path, "w") as z:
        for name, roi in shapes.items():
            z.writestr(f"{name}.roi", roi.tobytes())
    sidecar = Sidecar(guess_size=True)
    image, found = imagej.read(path, sidecar)
    assert image.shape == (18, 20)
    areas = [n.mask.area for n in found]
    assert areas[0] == 8
    assert areas[1] == pytest.approx(np.pi * 5 * 4, abs=2)
    assert len(areas) == 3
    left = [r.split(" ROIs of type ")[1] for r in sidecar.remarks if " ROIs of type " in r]
    assert sorted(line.split(",")[0] for line in left) == ["point", "text"]


def test_rois_on_several_planes_are_not_made_one(tmp_path: Path) -> None:
    Image.new("L", (30, 30)).save(tmp_path / "a.png")
    places = [{"t_position": 1}, {"t_position": 2}], [{"position": 1}, {"position": 2}]
    for several in (*places, [{"z_position": 3}, {"z_position": 4}], [{}, {"c_position": 2}]):
        with zipfile.ZipFile(tmp_path / "a.zip", "w") as z:
            for k, place in enumerate(several):
                roi = roifile.ImagejRoi(roitype=roifile.ROI_TYPE.RECT, right=6, bottom=5)
                roi.z_position = 0 if "position" in place or not place else 1
                for name, value in place.items():
                    setattr(roi, name, value)
                z.writestr(f"{k}.roi", roi.tobytes())
        if several[0]:
            with pytest.raises(UserError, match="several planes"):
                imagej.read(tmp_path / "a.zip", Sidecar())
        else:
            assert len(imagej.read(tmp_path / "a.zip", Sidecar())[1]) == 2


def test_a_single_roi_and_names(tmp_path: Path) -> None:
    path = tmp_path / "0007.roi"
    roi = roifile.ImagejRoi.frompoints([[0, 0], [3, 0], [3, 3]], name="")
    path.write_bytes(roi.tobytes())
    _, found = imagej.read(path, Sidecar(guess_size=True))
    assert [n.id for n in found] == [7]


def test_bytes_of_one_ring_are_traced_and_others_composite(tmp_path: Path) -> None:
    ring = np.ones((4, 4), bool)
    ring[1, 1] = False
    of = Nuclei((9, 9), [Nucleus(1, Mask.from_array(ring)), Nucleus(12, Mask.from_array([[True]]))])
    imagej.write(tmp_path / "a.zip", ImageRecord(1, "a", 9, 9), of, Sidecar())
    first, second = roifile.roiread(tmp_path / "a.zip")
    assert first.composite
    assert len(first.coordinates(multi=True)) == 2
    assert second.roitype is roifile.ROI_TYPE.TRACED
    assert second.name == "12"
    assert second.coordinates().tolist() == [[0, 0], [1, 0], [1, 1], [0, 1]]


def test_damaged_files(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    with pytest.raises(UserError, match="no such file"):
        imagej.read(path, Sidecar())
    of = Nuclei((9, 9), [Nucleus(1, Mask.from_array(np.ones((4, 4))))])
    imagej.write(path, ImageRecord(1, "a", 9, 9), of, Sidecar())
    whole = path.read_bytes()
    for broken in (b"", b"PK\3\4", whole[:-5], b"Iout1234", whole[:30] + b"??" + whole[32:]):
        path.write_bytes(broken)
        with pytest.raises(UserError, match=r"a\.zip") as caught:
            imagej.read(path, Sidecar(guess_size=True))
        assert "\n" not in str(caught.value)
    with zipfile.ZipFile(path, "w") as z:
        z.writestr("readme.txt", "hello")
    with pytest.raises(UserError, match="ROI Manager"):
        imagej.read(path, Sidecar())


# -- what ImageJ writes besides ---------------------------------------------------------


def test_curves_of_a_composite_roi(tmp_path: Path) -> None:
    k = 0.5523 * 20  # a circle of radius 20 about (40, 40) in four cubic curves
    hole = [
        [0, 20, 40], [3, 20, 40 - k, 40 - k, 20, 40, 20], [3, 40 + k, 20, 60, 40 - k, 60, 40],
        [3, 60, 40 + k, 40 + k, 60, 40, 60], [3, 40 - k, 60, 20, 40 + k, 20, 40], [4],
    ]  # fmt: skip
    square = [[0, 10, 10], [1, 70, 10], [1, 70, 70], [1, 10, 70], [4]]
    path = [float(v) for step in (*square, *hole) for v in step]
    rect = roifile.ROI_TYPE.RECT
    roi = roifile.ImagejRoi(roitype=rect, left=10, top=10, right=70, bottom=70)
    roi.multi_coordinates = np.array(path, np.float32)
    roi.shape_roi_size = len(path)
    plain = roifile.ImagejRoi(roitype=rect, left=80, top=0, right=90, bottom=10)
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as z:
        z.writestr("a.roi", roi.tobytes())
        z.writestr("b.roi", plain.tobytes())
    _, found = imagej.read(tmp_path / "a.zip", Sidecar(guess_size=True))
    curved, straight = found
    assert straight.mask.area == 100
    assert curved.mask.area == pytest.approx(3600 - np.pi * 400, abs=8)
    assert not curved.mask.contains(40, 40)


def test_paths() -> None:
    (ring,) = rings_of([0, 0, 0, 2, 5, 10, 10, 0, 4])
    assert ring[0].tolist() == [0, 0]
    assert ring[-1].tolist() == [10, 0]
    assert ring[:, 1].max() == pytest.approx(5)  # half way to the control point
    first, second = rings_of([0, 0, 0, 1, 4, 0, 1, 4, 4, 4, 1, 9, 9, 1, 9, 0, 4])
    assert first.tolist() == [[0, 0], [4, 0], [4, 4]]
    assert second.tolist() == [[0, 0], [9, 9], [9, 0]]
    assert rings_of([]) == []
    for broken in ([7, 1, 1], [1, 2, 2], [0, 1, 1, 3, 2, 2], [4]):
        with pytest.raises(ValueError, match=r"path|step|reshape"):
            rings_of([float(v) for v in broken])


def test_what_macs_add_is_no_roi(tmp_path: Path) -> None:
    roi = roifile.ImagejRoi(roitype=roifile.ROI_TYPE.RECT, right=4, bottom=4).tobytes()
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as z:
        z.writestr("7.roi", roi)
        z.writestr("__MACOSX/._7.roi", b"\0\5\x16\7" + b"\0" * 60)
        z.writestr("._8.roi", b"\0\5\x16\7" + b"\0" * 60)
    sidecar = Sidecar(guess_size=True)
    _, found = imagej.read(tmp_path / "a.zip", sidecar)
    assert [n.id for n in found] == [7]
    assert len(sidecar.remarks) == 1  # on the size of the image alone


@pytest.mark.parametrize(
    ("names", "ids"),
    [
        (["05", "12", "0020-0040"], [5, 12, 13]),
        (["0020-0040", "0031-0009"], [1, 2]),
        (["7", "a", "3"], [7, 8, 3]),
        (["7", "7", "007"], [7, 8, 9]),
        (["0", "1"], [2, 1]),
    ],
)
def test_names_that_are_numbers_are_ids(names: list[str], ids: list[int], tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as z:
        for k, name in enumerate(names):
            rect = roifile.ROI_TYPE.RECT
            roi = roifile.ImagejRoi(roitype=rect, name=name, left=9 * k, right=9 * k + 4, bottom=4)
            z.writestr(f"{k}x.roi", roi.tobytes())
    _, found = imagej.read(tmp_path / "a.zip", Sidecar(guess_size=True))
    assert [n.id for n in found] == ids


def test_nothing_with_an_area_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "a.roi"
    path.write_bytes(roifile.ImagejRoi(roitype=roifile.ROI_TYPE.POINT).tobytes())
    with pytest.raises(UserError, match="no ROI that has an area"):
        imagej.read(path, Sidecar())
