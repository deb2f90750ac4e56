"""A run over many images that stops continues where it was."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from shell import MODEL, QUICK, Run
from tiny import disc, picture

from napari_nuclei.batch import batch
from napari_nuclei.batch.resume import Finished, place_beside
from napari_nuclei.formats import coco
from napari_nuclei.nuclei import Nuclei, Nucleus


@pytest.fixture
def run(run: Run, tmp_path: Path) -> Run:
    for name in "abc":
        pixels = picture((60, 70), [disc(20, 20, 18), disc(30, 30, 14)])
        Image.fromarray(pixels).save(tmp_path / f"{name}.png")
    return run


def nuclei() -> Nuclei:
    return Nuclei((60, 70), [Nucleus(3, disc(20, 20, 9), 0.7)], threshold=0.4)


def test_what_is_finished_comes_back(tmp_path: Path) -> None:
    image = tmp_path / "a.png"
    image.write_bytes(b"pixels")
    kept = Finished(tmp_path / "f", {"score": 0.5})
    assert kept.get(image) is None
    kept.add(image, nuclei(), 21.5)
    again = Finished(tmp_path / "f", {"score": 0.5})
    assert again.get(image) == (nuclei(), 21.5)
    assert Finished(tmp_path / "f", {"score": 0.6}).get(image) is None
    image.write_bytes(b"others")
    os.utime(image, ns=(1, 1))
    assert again.get(image) is None


def test_a_line_half_written_does_not_count(tmp_path: Path) -> None:
    images = [tmp_path / f"{n}.png" for n in "abc"]
    for image in images:
        image.write_bytes(b"pixels")
    kept = Finished(tmp_path / "f", {})
    for image in images[:2]:
        kept.add(image, nuclei(), 20)
    data = (tmp_path / "f").read_bytes()
    for cut in (1, 30, len(data) // 2 - 1):
        (tmp_path / "f").write_bytes(data[:-cut])
        again = Finished(tmp_path / "f", {})
        assert [again.get(i) is not None for i in images] == [True, False, False]
        again.add(images[2], nuclei(), 20)
        last = Finished(tmp_path / "f", {})
        assert [last.get(i) is not None for i in images] == [True, False, True]


@pytest.mark.parametrize("form", ["coco", "labels", "geojson"])
def test_a_stopped_run_goes_on(run: Run, monkeypatch: pytest.MonkeyPatch, form: str) -> None:
    command = ("segment", "a.png", "b.png", "c.png", "--format", form, *MODEL, *QUICK)
    out = Path("o.json" if form == "coco" else "out")
    assert run(*command, "--out", "whole.json" if form == "coco" else "whole")[0] == 0
    once, seen = batch._one, []

    def stopping(path: Path, *rest: object) -> object:
        seen.append(path.name)
        if path.name == "c.png":
            raise KeyboardInterrupt
        return once(path, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(batch, "_one", stopping)
    code, _, err = run(*command, "--out", out)
    assert code not in (0, 1)
    assert "Run the same command again to continue" in err
    assert place_beside(out).is_file()
    if form == "coco":
        assert len(coco.read(out).images) == 2
    seen.clear()
    monkeypatch.setattr(
        batch, "_one", lambda path, *rest: seen.append(path.name) or once(path, *rest)
    )
    code, _, err = run(*command, "--out", out)
    assert (code, seen) == (0, ["c.png"])
    assert "3 of 3 images" in err
    assert not place_beside(out).exists()
    if form == "coco":
        assert coco.read(out) == coco.read("whole.json")
    else:
        names = sorted(p.name for p in Path("whole").iterdir())
        assert names == sorted(p.name for p in out.iterdir())
        assert all((out / n).read_bytes() == (Path("whole") / n).read_bytes() for n in names)


def test_after_a_bad_file_only_that_one_is_done_again(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    good = Path("b.png").read_bytes()
    Path("b.png").write_bytes(good[:60])
    command = ("segment", "a.png", "b.png", "c.png", "--out", "o.json", *MODEL, *QUICK)
    assert run(*command)[0] == 1
    Path("b.png").write_bytes(good)
    once, seen = batch._one, []
    monkeypatch.setattr(
        batch, "_one", lambda path, *rest: seen.append(path.name) or once(path, *rest)
    )
    code, out, _ = run(*command, "--json")
    assert (code, seen) == (0, ["b.png"])
    assert json.loads(out)["images"] == 3
    assert np.array_equal([i.id for i in coco.read("o.json").images], [1, 2, 3])
