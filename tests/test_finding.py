"""What a folder's images are, and that it names what it leaves out."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image
from shell import MODEL, QUICK, Run, make_run, refused
from tiny import write_model

from napari_nuclei.errors import UserError
from napari_nuclei.formats.folders import files_in
from napari_nuclei.images.decoders import _PILLOW_FORMATS
from napari_nuclei.images.finding import IMAGE_SUFFIXES, MAX_NAMED, find_images, left_out_summary
from napari_nuclei.workspace.workspace import Workspace

GRAY = np.random.default_rng(0).integers(0, 256, (64, 64), np.uint8)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Six images by their endings, and four entries that are none."""
    root = tmp_path / "i"
    root.mkdir()
    for name in ("x.tif", "y.lsm", "z.svs", "w.btf", "v.ome.tf2"):
        tifffile.imwrite(root / name, GRAY)
    Image.fromarray(GRAY).save(root / "q.jfif", "JPEG")
    (root / "broken.png").symlink_to("gone.png")
    (root / "scan.czi").write_bytes(b"ZISRAWFILE")
    (root / "notes.txt").write_text("")
    (root / "below").mkdir()
    (root / ".hidden").write_text("")
    return root


def test_a_folder_names_what_it_leaves_out(folder: Path) -> None:
    remarks: list[str] = []
    found = [p.name for p in find_images(folder, remarks)]
    assert found == ["q.jfif", "v.ome.tf2", "w.btf", "x.tif", "y.lsm", "z.svs"]
    assert remarks == [
        f"{folder}: left out 4: broken.png (broken link); scan.czi (unsupported format: export "
        "it as OME-TIFF); notes.txt (not an image, by its extension); below (folder, not "
        "searched)."
    ]
    assert Workspace(folder).remarks == remarks


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes")
def test_a_pipe_in_a_folder_is_not_waited_for(folder: Path) -> None:
    os.mkfifo(folder / "k.png")
    remarks: list[str] = []
    assert "k.png" not in [p.name for p in find_images(folder, remarks)]
    assert "k.png (pipe or device" in remarks[0]
    (folder / "a.labels.tif").write_bytes((folder / "x.tif").read_bytes())
    os.mkfifo(folder / "b.labels.tif")
    assert files_in(folder, "labels", remarks) == [folder / "a.labels.tif"]
    assert "b.labels.tif" in remarks[1]


def test_no_file_is_taken_twice(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    assert find_images(["x.tif", "./x.tif", folder / "x.tif", "x.t*"]) == [Path("x.tif")]


def test_nothing_left_out_is_nothing_said(folder: Path) -> None:
    remarks: list[str] = []
    assert len(find_images(folder / "*.tif", remarks)) == 1
    assert len(find_images([folder / "notes.txt"], remarks)) == 1  # named by the person
    assert remarks == []


def test_of_many_the_first_are_named_and_the_others_counted() -> None:
    words = left_out_summary((f"n{k}.txt", "not an image") for k in range(1300))
    assert words.startswith("1,300: n0.txt, n1.txt, n2.txt")
    assert words.count("txt") == MAX_NAMED
    assert words.endswith("and 1,290 more")


def test_where_no_image_is_left_it_is_said_why(folder: Path) -> None:
    for path in find_images(folder):
        path.unlink()
    with pytest.raises(UserError, match=r"no image in this folder .*broken\.png \(broken link\)"):
        find_images(folder)
    with pytest.raises(UserError, match=r"broken\.png: a broken link"):
        find_images(folder / "broken.png")


def test_all_endings_that_are_listed_can_be_read() -> None:
    Image.init()
    read = {s for s, kind in Image.registered_extensions().items() if kind in _PILLOW_FORMATS}
    tiff = {".tif", ".tiff", ".btf", ".tf2", ".tf8", ".lsm", ".svs", ".ndpi", ".scn", ".stk"}
    assert IMAGE_SUFFIXES - read - tiff == {".zarr", ".ozx", ".qptiff"}


def test_on_the_command_line(
    folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    write_model(tmp_path / "models")
    run: Run = make_run(tmp_path / "models", tmp_path, monkeypatch, capsys)
    for path in find_images(folder)[1:]:
        path.unlink()
    code, _, said = run("segment", str(folder), "--out", "o.json", *MODEL, *QUICK)
    assert code == 0, said
    assert said.count("left out 4: broken.png (broken link)") == 1
    refused(
        run("segment", str(folder / "broken.png"), "--out", "p.json", *MODEL, *QUICK), "broken link"
    )
