"""What is uncertain about a review is said before anybody works, in a line that stays."""

from __future__ import annotations

import shutil
import threading
from pathlib import Path
from typing import Any

import pytest
from desk import GRAY, Desk
from gui import FOUND, disk, settle
from PIL import Image as Picture

from napari_nuclei._napari.folder.folder import Folder
from napari_nuclei._napari.review.reviewing import actions_of
from napari_nuclei.journal import fingerprint
from napari_nuclei.journal.place import home_of
from napari_nuclei.nuclei import edits
from napari_nuclei.review import Review


@pytest.fixture
def cells(tmp_path: Path) -> Path:
    path = tmp_path / "cells.png"
    Picture.fromarray(GRAY).save(path)
    return path


def add(desk: Desk, y: int = 50, x: int = 10) -> None:
    review = desk.bridge.review
    review.do(edits.add(review.nuclei, disk(y, x, 5)))


def reviewed(cells: Path) -> None:
    """Leave a review of an image behind, as an earlier window would."""
    of = Review.open(cells)
    of.do(edits.propose(of.nuclei, FOUND, "fake", 0.5))
    of.do(edits.add(of.nuclei, disk(50, 10, 5)))
    of.close()


def spoil(kind: str, cells: Path) -> None:
    journal = home_of(cells)
    for snapshot in journal.parent.glob("*.snapshot"):
        snapshot.unlink()
    if kind == "damaged":
        lines = journal.read_bytes().splitlines(keepends=True)
        lines[1] = b'{"broken\n'
        journal.write_bytes(b"".join(lines))
    elif kind == "beginning":
        journal.write_bytes(b"\0" * 300 + b"\n" + journal.read_bytes())
    elif kind == "size":
        Picture.fromarray(GRAY[:50]).save(cells)
    elif kind == "changed":
        Picture.fromarray(GRAY + 7).save(cells)


@pytest.mark.parametrize(
    ("kind", "words", "aside"),
    [
        ("damaged", "The journal is damaged", "damaged"),
        ("beginning", "A new review was started", "old"),
        ("size", "60×80 px then and is 50×80 px now", "old"),
        ("changed", "has changed since it was reviewed", ""),
    ],
)
def test_what_is_uncertain_is_said_and_stays(
    open_desk: Any, cells: Path, kind: str, words: str, aside: str
) -> None:
    reviewed(cells)
    spoil(kind, cells)
    second = open_desk(cells)
    settle()
    assert words in second.widget.message.text()
    assert "continues where" not in second.widget.message.text()
    warning = second.widget.warning.text()
    if aside:
        (path,) = home_of(cells).parent.glob(f"*.{aside}-*")
        assert str(path) in warning
    second.segment()  # whose words take the place of others
    assert words not in second.widget.message.text()
    second.widget.show_state()
    assert second.widget.warning.text() == warning
    assert words in warning
    other = second.viewer.add_image(GRAY, name="other")
    second.choose(other)
    assert second.widget.warning.isHidden(), "it is of the image in view"


@pytest.mark.screen
def test_what_another_window_has_is_not_offered(open_desk: Any, cells: Path) -> None:
    first = open_desk(cells)
    first.segment()
    second = open_desk(cells)
    assert not second.widget.segment_button.isEnabled()
    assert "another window" in second.widget.warning.text()
    assert "Keys act" not in second.widget.review.selection.text(), "none does anything here"
    result = second.widget.result
    assert not result.slider.isEnabled()
    result.threshold_box.setValue(0.9)  # as a wheel would
    result.flush()
    assert second.bridge.review.nuclei.threshold == first.bridge.review.nuclei.threshold
    second.widget.segment()
    assert not second.widget.segmenting.running
    add(first)
    first.close()
    second.session._taking_over.look()
    assert second.bridge.review.nuclei.at(50, 10) is not None, "read anew"
    second.widget.show_state()
    assert second.widget.segment_button.isEnabled()
    assert second.widget.warning.isHidden()
    assert result.slider.isEnabled()
    add(second, 10, 60)
    second.bridge.undo()
    second.bridge.undo()
    assert second.bridge.review.nuclei.at(50, 10) is None, "its history too"


def test_segment_is_refused_before_the_work(open_desk: Any, cells: Path) -> None:
    """The other window has it open, though there is nothing in it yet."""
    held = Review.open(cells)
    desk = open_desk(cells)
    assert desk.bridge is None
    assert not desk.widget.segment_button.isEnabled()
    assert "another window" in desk.widget.warning.text()
    desk.widget.segment()
    assert not desk.widget.segmenting.running
    held.close()
    desk.widget.show_state()
    assert desk.widget.segment_button.isEnabled()
    assert desk.widget.warning.isHidden()
    desk.segment()
    assert len(desk.bridge.review.nuclei) == 4


def test_the_first_act_takes_over_what_is_free(open_desk: Any, cells: Path) -> None:
    first = open_desk(cells)
    first.segment()
    second = open_desk(cells)
    first.close()
    actions_of(second.bridge).accept_above(0)
    assert second.bridge.review.counts.accepted == 3


# -- the same content under another name ------------------------------------------------


def test_a_renamed_image_goes_on(open_desk: Any, cells: Path) -> None:
    reviewed(cells)
    desk = open_desk(cells.rename(cells.with_name("other.png")))
    settle()
    assert len(desk.bridge.review.nuclei) == 5
    words = "This image was called cells.png when it was reviewed: its review continues here."
    assert words in desk.widget.message.text()
    assert words in desk.widget.warning.text()
    assert desk.widget.offer_button.isHidden()


def test_a_copy_is_offered_the_review(open_desk: Any, cells: Path, qtbot: Any) -> None:
    reviewed(cells)
    copy = Path(shutil.copy2(cells, cells.with_name("copy.png")))
    desk = open_desk(copy)
    button = desk.widget.offer_button
    qtbot.waitUntil(lambda: not button.isHidden(), timeout=60_000)
    assert desk.bridge is None
    assert "cells.png" in button.text()
    button.click()
    assert len(desk.bridge.review.nuclei) == 5
    assert button.isHidden()
    add(desk, 30, 60)
    desk.close()
    assert len(Review.open(cells).nuclei) == 5, "the other one stays as it was"
    assert len(Review.open(copy).nuclei) == 6


def test_what_is_begun_is_not_offered_another_review(
    open_desk: Any, cells: Path, qtbot: Any
) -> None:
    reviewed(cells)
    desk = open_desk(Path(shutil.copy2(cells, cells.with_name("copy.png"))))
    button = desk.widget.offer_button
    qtbot.waitUntil(lambda: not button.isHidden(), timeout=60_000)
    desk.segment()
    assert button.isHidden()


def test_a_copy_in_a_folder(open_desk: Any, cells: Path, tmp_path: Path, qtbot: Any) -> None:
    reviewed(cells)
    folder = tmp_path / "copies"
    folder.mkdir()
    shutil.copy2(cells, folder / "a.png")
    desk = open_desk(GRAY)
    of = Folder.of(desk.viewer)
    of.open(folder)
    button = desk.widget.offer_button
    qtbot.waitUntil(lambda: not button.isHidden(), timeout=60_000)
    button.click()
    qtbot.waitUntil(lambda: of.bridge is not None and len(of.bridge.review.nuclei) == 5)
    assert button.isHidden()
    of.close()
    settle()


def test_a_large_file_is_looked_up_by_a_thread(
    open_desk: Any, cells: Path, qtbot: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    reviewed(cells)
    new = cells.rename(cells.with_name("other.png"))
    monkeypatch.setattr(fingerprint, "_SOON", 3)
    monkeypatch.setattr(fingerprint, "_hashed", {})
    threads = []
    digest = fingerprint._digest

    def noted(path: Path, size: int) -> str:
        threads.append(threading.current_thread())
        return digest(path, size)

    monkeypatch.setattr(fingerprint, "_digest", noted)
    desk = open_desk(new)
    qtbot.waitUntil(lambda: desk.bridge is not None, timeout=60_000)
    assert threads, "it was hashed"
    assert threading.main_thread() not in threads, "the window does not wait"
    assert len(desk.bridge.review.nuclei) == 5
