"""Who opens a journal, and of which image: two windows, changed images, planes, no file."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from journals import PIXELS, SHAPE, add, journal_of, notices, opened, same, worked

from napari_nuclei.errors import UserError
from napari_nuclei.journal import place as journal_place
from napari_nuclei.journal.place import find, user_folder
from napari_nuclei.nuclei import Nuclei
from napari_nuclei.review import Review


@pytest.fixture
def image(tmp_path: Path) -> Path:
    path = tmp_path / "cells é 1.tif"
    path.write_bytes(b"stands for an image")
    return path


# -- two windows ------------------------------------------------------------------------


def test_second_opener_may_only_look(image: Path) -> None:
    first = worked(image)
    second = opened(image)
    assert second.read_only
    assert "another window" in notices(second)
    assert same(first, second)
    before = journal_of(image).read_bytes()
    for act in (second.undo, second.redo, lambda: add(second, 1)):
        with pytest.raises(UserError, match="another window"):
            act()
    assert same(first, second)
    second.close()
    assert journal_of(image).read_bytes() == before
    add(first, 3)
    first.close()
    third = opened(image)
    assert not third.read_only
    assert same(first, third)


def test_second_opener_is_another_process(image: Path) -> None:
    first = worked(image)
    code = (
        "import sys; from pathlib import Path; from napari_nuclei.nuclei.nuclei import Nuclei; "
        "from napari_nuclei.review import Review; "
        "r = Review.open(Path(sys.argv[1]), start=Nuclei((20, 20))); "
        "print(r.read_only, len(r.done))"
    )
    answer = subprocess.run(
        [sys.executable, "-c", code, str(image)], capture_output=True, text=True, check=True
    )
    assert answer.stdout.split() == ["True", str(len(first.done))]


def test_reader_does_not_mend_what_is_being_written(image: Path) -> None:
    first = worked(image)
    with journal_of(image).open("ab") as stream:
        stream.write(b'{"n":9,"ed')
    before = journal_of(image).read_bytes()
    second = opened(image)
    assert second.read_only
    assert "completely" not in notices(second)
    assert same(first, second)
    assert journal_of(image).read_bytes() == before


# -- the image --------------------------------------------------------------------------


def test_a_changed_image_is_noticed_once(image: Path) -> None:
    worked(image).close()
    image.write_bytes(b"stands for an imagE")
    os.utime(image, ns=(1, 1))
    second = opened(image)
    assert second.read_only is False
    assert "has changed" in notices(second)
    second.close()
    third = opened(image)
    assert notices(third) == ""
    assert same(second, third)


def test_a_touched_image_is_the_same(image: Path) -> None:
    worked(image).close()
    os.utime(image, ns=(1, 1))
    assert notices(opened(image)) == ""


def test_an_image_of_another_size_begins_anew(image: Path) -> None:
    worked(image).close()
    old = journal_of(image).read_bytes()
    again = Review.open(image, start=Nuclei((7, 9)))
    assert "20×20" in notices(again)
    assert (len(again.nuclei), again.nuclei.shape) == (0, (7, 9))
    (aside,) = journal_of(image).parent.glob("*.old-*")
    assert aside.read_bytes() == old


def test_a_newer_journal_is_not_touched(image: Path) -> None:
    worked(image).close()
    data = journal_of(image).read_bytes().replace(b'"journal":1', b'"journal":2')
    journal_of(image).write_bytes(data)
    for _ in range(2):  # the lock is given back
        with pytest.raises(UserError, match="newer version"):
            opened(image)
    assert journal_of(image).read_bytes() == data


def test_planes_have_journals_of_their_own(image: Path) -> None:
    for k in range(3):
        of = Review.open(image, (k, 1), Nuclei(SHAPE))
        add(of, k)
        of.close()
    assert {p.name for p in journal_of(image).parent.glob("*.jsonl")} == {
        f"{image.name}@{k}-1.jsonl" for k in range(3)
    }


def test_pixels_without_a_file() -> None:
    of = opened(None)
    add(of, 3)
    of.close()
    assert str(user_folder()) in notices(of)
    assert same(of, opened(None))
    other = Review.open(None, start=Nuclei(SHAPE), pixels=lambda: PIXELS.T)
    assert len(other.nuclei) == 0
    assert [p for p in user_folder().glob("*.jsonl") if len(p.stem) == 64]


def test_samples_have_their_journals_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal_place, "resource_folder", lambda _: tmp_path)
    image = tmp_path / "sample.png"
    image.write_bytes(b"1")
    of = Review.open(image, start=Nuclei(SHAPE), pixels=PIXELS + 3)
    add(of, 3)
    of.close()
    assert "is a sample" in notices(of)
    assert [p.name for p in tmp_path.iterdir()] == ["sample.png"]
    assert find(image) is not None
    assert same(of, Review.open(image, start=Nuclei(SHAPE), pixels=PIXELS + 3))
