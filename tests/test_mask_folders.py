"""Folders of masks become COCO files."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import tifffile
from hypothesis import given
from hypothesis.strategies import integers
from PIL import Image
from strategies import masks

from napari_nuclei.errors import UserError
from napari_nuclei.formats import bit_png, coco, label_files, mask_folders, results
from napari_nuclei.formats.convert import read as read_nuclei
from napari_nuclei.formats.sidecar import Sidecar
from napari_nuclei.masks import Mask
from napari_nuclei.progress import result_of
from napari_nuclei.resources import resource_folder

SHAPE = (20, 30)


def save(path: Path, pixels: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


def mask_of(*boxes: tuple[int, int, int, int], shape: tuple[int, int] = SHAPE) -> np.ndarray:
    out = np.zeros(shape, np.uint8)
    for y0, x0, y1, x1 in boxes:
        out[y0:y1, x0:x1] = 255
    return out


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "I;16"])
def test_masks_of_every_kind_of_png(tmp_path: Path, mode: str) -> None:
    pixels = mask_of((3, 9, 12, 17), (15, 0, 16, 30))
    picture = Image.fromarray(pixels.astype(np.uint16) * 9 if mode == "I;16" else pixels)
    (picture if mode == "I;16" else picture.convert(mode)).save(tmp_path / "1.png")
    assert mask_folders.read_mask(tmp_path / "1.png", SHAPE) == Mask.from_array(pixels)
    with pytest.raises(UserError, match="the mask is 20×30"):
        mask_folders.read_mask(tmp_path / "1.png", (20, 31))


@given(mask=masks((17, 21)), at=integers(0, 1000))
def test_a_damaged_png_is_not_a_mask(mask: Mask, at: int) -> None:
    content = bit_png.encode(mask, (17, 21))
    assert bit_png.decode(content, (17, 21)) == mask
    assert bit_png.decode(content, (21, 17)) is None
    cut = content[: at % len(content)]
    assert bit_png.decode(cut, (17, 21)) in (None, mask)  # which may be whole before the end
    start = content.index(b"IDAT") + 4
    place = start + at % (len(content) - 16 - start)  # before the chunk's own sum
    broken = content[:place] + bytes([content[place] ^ 255]) + content[place + 1 :]
    assert bit_png.decode(broken, (17, 21)) in (None, mask)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two images: three masks (one in two pieces, one in colour), and one empty mask."""
    root = tmp_path / "train"
    save(root / "b" / "images" / "b.png", np.zeros((10, 12, 3), np.uint8))
    save(root / "b" / "masks" / "1.png", mask_of(shape=(10, 12)))
    save(root / "a" / "images" / "a.png", mask_of((0, 0, 20, 30)))
    save(root / "a" / "masks" / "1.png", mask_of((1, 2, 5, 9)))
    save(root / "a" / "masks" / "2.png", mask_of((8, 3, 10, 5), (15, 20, 20, 30)))
    colour = np.zeros((*SHAPE, 4), np.uint8)
    colour[..., 3] = 255
    colour[3:6, 12:14, 1] = 7
    save(root / "a" / "masks" / "3.png", colour)
    return root


def read(root: Path, masks: bool = True) -> mask_folders.Prepared:
    return result_of(mask_folders.read(mask_folders.find_files(root), masks))


def test_each_mask_file_is_one_nucleus(folder: Path) -> None:
    (folder / ".ipynb_checkpoints" / "images").mkdir(parents=True)
    (folder / "a" / "masks" / ".hidden").mkdir()
    (folder / "a" / "masks" / "Thumbs.db").write_bytes(b"x")
    got = read(folder)
    assert [(i.id, i.file_name, i.shape) for i in got.data.images] == [
        (1, "a.png", SHAPE),
        (2, "b.png", (10, 12)),
    ]
    assert [n.mask for n in got.data.nuclei[1]] == [
        Mask.from_array(mask_of((1, 2, 5, 9))),
        Mask.from_array(mask_of((8, 3, 10, 5), (15, 20, 20, 30))),
        Mask.from_array(mask_of((3, 12, 6, 14))),
    ]
    assert len(got.data.nuclei[2]) == 0
    assert len(got.remarks) == 2
    assert "Thumbs.db: left out, not an image" in got.remarks[0]
    assert "it has no pixels" in got.remarks[1]


def test_progress_ends_with_the_value(folder: Path) -> None:
    steps = list(mask_folders.read(mask_folders.find_files(folder)))
    assert isinstance(steps[-1].new, mask_folders.Prepared)
    assert steps[-1].done == steps[-1].total == 2
    assert [s.done for s in steps] == sorted(s.done for s in steps)


def test_what_is_wrong_is_said(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no such folder"):
        read(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="Expected one folder per image"):
        read(tmp_path / "empty")
    save(folder / "a" / "masks" / "9.png", mask_of((0, 0, 2, 2), shape=(20, 31)))
    with pytest.raises(UserError, match=r"9\.png: the mask is 20×31 px .* its image 20×30"):
        read(folder)
    (folder / "a" / "masks" / "9.png").write_bytes(b"not an image")
    with pytest.raises(UserError, match=r"9\.png"):
        read(folder)


def test_every_image_needs_its_masks_and_its_own_name(folder: Path, tmp_path: Path) -> None:
    save(folder / "c" / "images" / "c.png", mask_of())
    with pytest.raises(UserError, match="has no masks/ folder"):
        read(folder)
    assert len(read(folder, masks=False).data.images) == 3
    save(folder / "c" / "images" / "d.png", mask_of())
    with pytest.raises(UserError, match="holds 2 images"):
        read(folder)
    (folder / "c" / "images" / "d.png").unlink()
    (folder / "c" / "images" / "c.png").rename(folder / "c" / "images" / "a.png")
    with pytest.raises(UserError, match=r"two images are called a\.png"):
        read(folder)


def test_a_plain_folder_of_images_has_no_masks(tmp_path: Path) -> None:
    save(tmp_path / "x.png", mask_of())
    with pytest.raises(UserError, match="has no masks/ folder"):
        read(tmp_path)
    assert [i.file_name for i in read(tmp_path, masks=False).data.images] == ["x.png"]


@pytest.mark.parametrize("copy", [False, True])
def test_images_are_gathered(folder: Path, tmp_path: Path, copy: bool) -> None:
    files = mask_folders.find_files(folder)
    target = tmp_path / "images"
    for _ in range(2):  # a second time changes nothing
        list(mask_folders.gather(files, target, copy))
        assert [p.name for p in sorted(target.iterdir())] == ["a.png", "b.png"]
        assert (target / "a.png").read_bytes() == files[0].read_bytes()
        assert (target / "a.png").is_symlink() != copy
    list(mask_folders.gather(files, target, copy=True))
    assert not (target / "a.png").is_symlink()
    list(mask_folders.gather([target / "a.png"], target, copy))  # into its own folder
    assert (target / "a.png").read_bytes() == files[0].read_bytes()
    (target / "a.png").write_bytes(b"mine")
    with pytest.raises(UserError, match="exists already, and differs"):
        list(mask_folders.gather(files, target, copy))
    assert (target / "a.png").read_bytes() == b"mine"
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot write"):
        list(mask_folders.gather(files, tmp_path / "file", copy))


PLAIN = {"metadata": None, "software": False}


@pytest.mark.parametrize(
    ("pixels", "how"),
    [
        (mask_of((3, 9, 12, 17)), {}),
        (mask_of((3, 9, 12, 17)) > 0, {}),
        (255 - mask_of((3, 9, 12, 17)), {"photometric": "miniswhite", **PLAIN}),
        (mask_of((3, 9, 12, 17)) == 0, {"photometric": "miniswhite", **PLAIN}),
        # ImageJ's inverting palette: nuclei are 255, and shown black.
        (
            mask_of((3, 9, 12, 17)),
            {"photometric": "miniswhite", "description": "ImageJ=1.54f\n", **PLAIN},
        ),
    ],
)
def test_white_is_zero_in_tiffs(tmp_path: Path, pixels: np.ndarray, how: dict[str, Any]) -> None:
    tifffile.imwrite(tmp_path / "1.tif", pixels, **how)
    found = mask_folders.read_mask(tmp_path / "1.tif", SHAPE)
    assert found == Mask.from_array(mask_of((3, 9, 12, 17)))
    labels = label_files.read(tmp_path / "1.tif")
    assert [n.mask for n in labels] == [found]


# -- odd mask files -----------------------------------------------------------------------


def add(folder: Path, name: str, pixels: np.ndarray, **how: int) -> None:
    Image.fromarray(pixels).save(folder / "a" / "masks" / name, **how)


def of_a(folder: Path) -> tuple[list[Mask], list[str]]:
    got = read(folder)
    return [n.mask for n in got.data.nuclei[1]], [r for r in got.remarks if "/a/" in r]


def test_a_label_image_among_masks(folder: Path) -> None:
    labels = np.zeros(SHAPE, np.uint8)
    labels[2:8, 2:8], labels[10:16, 20:26] = 3, 9
    for name, pixels in (
        ("9.png", labels),
        ("9.tif", labels),
        ("9.bmp", np.stack([labels, labels // 3, labels * 0], -1)),  # a colour each
    ):
        add(folder, name, pixels)
        masks, remarks = of_a(folder)
        assert masks[3:] == [Mask.from_array(labels == 3), Mask.from_array(labels == 9)]
        assert "9." in remarks[0]
        assert "a label image among masks" in remarks[0]
        (folder / "a" / "masks" / name).unlink()


def test_jpegs_and_soft_edges_are_cut_at_half(folder: Path) -> None:
    pixels = mask_of((4, 6, 16, 22))
    add(folder, "8.jpg", pixels, quality=70)
    soft = pixels.copy()
    soft[3, 6:22], soft[16, 6:22], soft[4:16, 5] = 60, 127, 9
    add(folder, "9.png", soft)
    masks, remarks = of_a(folder)
    assert masks[3:] == [Mask.from_array(pixels)] * 2
    assert "8.jpg: a JPEG" in remarks[0]
    assert "9.png: a mask with soft edges" in remarks[1]


def test_a_photograph_among_masks_is_refused(folder: Path) -> None:
    noise = np.random.default_rng(0).integers(1, 256, SHAPE, np.uint8)
    for name, words in (("9.png", "photograph"), ("9.jpg", "JPEG")):
        add(folder, name, noise)
        with pytest.raises(UserError, match=rf"9\.\w+: it .*{words}"):
            read(folder)
        (folder / "a" / "masks" / name).unlink()


def test_a_broken_file_costs_no_other(folder: Path) -> None:
    whole, _ = read_nuclei([folder], Sidecar(), "masks")
    add(folder, "8.png", mask_of(shape=(5, 5)))
    (folder / "a" / "masks" / "9.png").write_bytes(b"broken")
    save(folder / "c" / "images" / "c.png", mask_of())
    save(folder / "d" / "images" / "d1.png", mask_of())
    save(folder / "d" / "images" / "d2.png", mask_of())
    save(folder / "e" / "masks" / "e.png", mask_of())
    (folder / "f" / "images").mkdir(parents=True)
    (folder / "f" / "masks").mkdir()
    (folder / "f" / "images" / "f.png").write_bytes(b"broken")
    sidecar = Sidecar()
    data, _ = read_nuclei([folder], sidecar, "masks")
    assert data.images == whole.images
    assert data.nuclei == whole.nuclei
    said = "\n".join(sidecar.remarks)
    assert "a/masks/8.png: left out, the mask is 5×5 px (height × width), its image 20×30" in said
    assert "a/masks/9.png: left out, not a TIFF, PNG or other" in said
    assert "c/images/c.png: left out, has no masks/ folder" in said
    assert "d/images: left out, holds 2 images" in said
    assert "e: left out, has no folder images/" in said
    assert "f/images/f.png: left out, not an image" in said
    with pytest.raises(UserError, match="holds 2 images"):
        read_nuclei([folder], Sidecar(strict=True), "masks")
    with pytest.raises(UserError, match="holds 2 images"):
        read_nuclei([only(folder, "d")], Sidecar(), "masks")
    with pytest.raises(UserError, match=r"c\.png: has no masks/ folder"):
        read_nuclei([only(folder, "c")], Sidecar(), "masks")


def only(folder: Path, name: str) -> Path:
    out = folder.with_name(f"only_{name}")
    out.mkdir()
    (folder / name).rename(out / name)
    return out


def test_remarks_on_many_files_name_the_first_ones(folder: Path) -> None:
    for k in range(30):
        add(folder, f"e{k:02}.png", mask_of())
    (remark,) = of_a(folder)[1]
    assert remark.count(".png") == 10
    assert remark.endswith(" and 21 more: left out, it has no pixels")  # one is that of b


def test_the_only_mask_of_an_image_in_pieces(folder: Path) -> None:
    for name in ("1.png", "3.png"):
        (folder / "a" / "masks" / name).unlink()
    sidecar = Sidecar()
    data, _ = read_nuclei([folder], sidecar, "masks")
    assert len(data.nuclei[1]) == 1
    assert any("2.png: the only mask of its image, in pieces" in r for r in sidecar.remarks)
    data, _ = read_nuclei([folder], Sidecar(split=True), "masks")
    assert len(data.nuclei[1]) == 2


# -- the script -------------------------------------------------------------------------


@pytest.fixture(scope="module")
def prepare() -> ModuleType:
    spec = importlib.util.spec_from_file_location(
        "prepare", resource_folder("training") / "prepare.py"
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_script_writes_a_data_set_and_its_list(
    folder: Path, tmp_path: Path, prepare: ModuleType
) -> None:
    out, ids, kinds = (tmp_path / name for name in ("a.json", "ids.json", "kinds.csv"))
    kinds.write_text("a, purple\nb.png,gray\n")
    arguments = [folder, "--out", out, "--ids", ids, "--modalities", kinds]
    assert prepare.main([*map(str, arguments), "--images", str(tmp_path / "flat")]) == 0
    data = coco.read(out)
    assert [(i.file_name, i.modality) for i in data.images] == [
        ("a.png", "purple"),
        ("b.png", "gray"),
    ]
    assert {n.mask for n in data.nuclei[1]} == {n.mask for n in read(folder).data.nuclei[1]}
    assert [(r.id, r.shape) for r in results.read_image_ids(ids)] == [(1, SHAPE), (2, (10, 12))]
    assert (tmp_path / "flat" / "b.png").is_file()


def test_the_script_splits_by_a_list(folder: Path, tmp_path: Path, prepare: ModuleType) -> None:
    ids = tmp_path / "ids.json"
    ids.write_text('[{"file_name": "a.png", "height": 20, "id": 5, "width": 30}]')
    for option, name in (("--only", "a.png"), ("--without", "b.png")):
        out = tmp_path / f"{name}.json"
        assert prepare.main([str(folder), "--out", str(out), option, str(ids)]) == 0
        assert [i.file_name for i in coco.read(out).images] == [name]


def test_the_script_says_what_is_wrong(
    folder: Path, tmp_path: Path, prepare: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    ids, out = tmp_path / "ids.json", ["--out", str(tmp_path / "a.json")]
    ids.write_text('[{"file_name": "z.png", "height": 20, "id": 5, "width": 30}]')
    kinds = tmp_path / "kinds.csv"
    kinds.write_text("a.png\n")
    for more, message in (
        ([], "nothing to write"),
        ([*out, "--no-masks"], "--out needs masks"),
        ([*out, "--only", str(ids)], "z.png, which is not there"),
        ([*out, "--modalities", str(kinds)], "two columns are expected"),
        (["--out", str(tmp_path / "no" / "a.json")], "does not exist"),
    ):
        assert prepare.main([str(folder), *more]) == 2
        error = capsys.readouterr().err
        assert message in error
        assert error.count("\n") == 1
    assert not (tmp_path / "a.json").exists()
