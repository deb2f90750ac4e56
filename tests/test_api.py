"""The public API: its examples, and what napari_nuclei itself offers."""

from __future__ import annotations

import doctest
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import napari_nuclei
from napari_nuclei import api
from napari_nuclei.masks import Mask
from napari_nuclei.nuclei import Nuclei, Nucleus
from napari_nuclei.nuclei.picture import COLOURS, picture
from napari_nuclei.resources import resource_folder

SAMPLES = ("truth.json", "fluorescence_1.png")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the samples that examples speak of, as the present one."""
    for path in resource_folder("sample_data").glob("*.*"):
        if path.suffix in (".png", ".json"):
            (tmp_path / path.name).write_bytes(path.read_bytes())
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_examples_run(folder: Path) -> None:
    done = doctest.testmod(api)
    assert done.attempted >= 12
    assert not done.failed


def test_what_there_is() -> None:
    assert set(napari_nuclei.__all__) <= set(dir(napari_nuclei))
    for name in napari_nuclei.__all__:
        assert getattr(napari_nuclei, name).__doc__
    with pytest.raises(AttributeError, match="nonsense"):
        napari_nuclei.nonsense  # type: ignore[attr-defined] # noqa: B018


def test_importing_it_is_light() -> None:
    code = "import sys, napari_nuclei; print('numpy' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def test_a_module_never_takes_the_place_of_a_function() -> None:
    import napari_nuclei.scoring.scoring

    assert callable(napari_nuclei.score)


square = Mask.from_array(np.ones((4, 4)))


def test_remarks_are_warnings(tmp_path: Path) -> None:
    of = Nuclei((9, 9), [Nucleus(1, square), Nucleus(2, square.shift(1, 1))])
    with pytest.warns(UserWarning, match="9 px of nuclei below"):
        napari_nuclei.write(tmp_path / "a.labels.tif", of, image="a.png")
    with pytest.raises(napari_nuclei.UserError, match="format="):
        napari_nuclei.write(tmp_path / "a.xyz", of)
    for folder in (tmp_path, "."):
        with pytest.raises(napari_nuclei.UserError, match="is a folder: name the image"):
            napari_nuclei.write(tmp_path / "a.json", of, image=folder)


def test_scores_of_nuclei_and_files(tmp_path: Path) -> None:
    of = Nuclei((9, 9), [Nucleus(1, square), Nucleus(2, square.shift(5, 5))])
    half = Nuclei((9, 9), [Nucleus(1, square)])
    assert napari_nuclei.score(of, half).recall50 == 0.5
    for name in ("t.coco.json", "p.results.json"):
        napari_nuclei.write(tmp_path / name, of, image="a.png")
    assert napari_nuclei.score(tmp_path / "t.coco.json", tmp_path / "p.results.json").ap50 == 1


def test_a_table_has_the_intensities_of_its_image(tmp_path: Path) -> None:
    Image.new("L", (9, 9), 7).save(tmp_path / "a.png")
    of = Nuclei((9, 9), [Nucleus(1, square)])
    napari_nuclei.write(tmp_path / "a.csv", of, image=tmp_path / "a.png", pixel_size=0.5)
    assert "intensity_mean" in (tmp_path / "a.csv").read_text()


@pytest.mark.parametrize("side", [9, 480, 481, 2000])
def test_picture(side: int) -> None:
    of = Nuclei((side, side), [Nucleus(3, Mask.from_array(np.ones((side, side // 2)), 0, 1))])
    found = picture(of)
    assert max(found.shape) <= 480
    assert (found[:, found.shape[1] // 4] == COLOURS[4]).all()
    assert (found[:, -1] == 0).all()


def test_in_a_notebook() -> None:
    of = Nuclei((9, 9), [Nucleus(1, square)])
    assert "data:image/png;base64" in of._repr_html_()
    assert "1 nucleus" in of._repr_html_()
