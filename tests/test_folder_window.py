"""A folder in a window on a screen: keys, drops, the list; disks that fail; the shell."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from folders import Reviewer, write_images
from gui import canvas_of, settle
from PIL import Image
from qtpy.QtCore import QMimeData, QPointF, Qt, QUrl
from qtpy.QtGui import QDragEnterEvent, QDropEvent
from qtpy.QtTest import QTest

from napari_nuclei._napari import launch
from napari_nuclei._napari.folder.folder import Folder
from napari_nuclei._napari.session.openers import turned_words
from napari_nuclei.cli import main
from napari_nuclei.commands import review as command
from napari_nuclei.errors import UserError
from napari_nuclei.journal import safe_file
from napari_nuclei.masks import Mask
from napari_nuclei.nuclei import edits
from napari_nuclei.review import Review
from napari_nuclei.workspace.workspace import Workspace

square = Mask.from_array(np.ones((6, 6)))


@pytest.fixture
def person(make_viewer: Callable[..., Any], qtbot: Any) -> Iterator[Reviewer]:
    reviewer = Reviewer(make_viewer, qtbot, show=True)
    yield reviewer
    reviewer.folder.close()
    settle()


def drop(person: Reviewer, *paths: Path, on: Any = None) -> bool:
    """Drop files on the list, or on another widget; whether they were taken."""
    target = person.panel if on is None else on
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(path)) for path in paths])
    copy, left = Qt.DropAction.CopyAction, Qt.MouseButton.LeftButton
    none = Qt.KeyboardModifier.NoModifier
    enter = QDragEnterEvent(QPointF(5, 5).toPoint(), copy, data, left, none)
    enter.setAccepted(False)
    target.dragEnterEvent(enter)
    if enter.isAccepted():
        target.dropEvent(QDropEvent(QPointF(5, 5), copy, data, left, none))
    return enter.isAccepted()


@pytest.mark.screen
def test_page_keys_on_the_canvas(person: Reviewer, tmp_path: Path) -> None:
    write_images(tmp_path, 3)
    person.open(tmp_path)
    canvas = canvas_of(person.viewer.window._qt_window)
    canvas.setFocus()
    settle()
    QTest.keyClick(canvas, Qt.Key.Key_PageDown)
    person.wait(lambda: person.image == "cell2.png" and person.is_there())
    person.viewer.layers.selection.active = person.viewer.layers[0]
    QTest.keyClick(canvas, Qt.Key.Key_PageDown)
    person.wait(lambda: person.image == "cell3.png" and person.is_there())
    QTest.keyClick(canvas, Qt.Key.Key_PageDown)
    person.wait(lambda: person.widget.message.text() == "This is the last image.")
    QTest.keyClick(canvas, Qt.Key.Key_PageUp)
    person.wait(lambda: person.image == "cell2.png" and person.is_there())


def test_a_dropped_folder_is_opened(person: Reviewer, tmp_path: Path) -> None:
    write_images(tmp_path / "a", 2)
    assert not drop(person, tmp_path / "a", tmp_path / "b"), "one at a time"
    assert drop(person, tmp_path / "a")
    person.wait(lambda: person.path == tmp_path / "a" and person.is_there())
    assert drop(person, tmp_path / "a" / "cell2.png")
    person.wait(lambda: person.path == tmp_path / "a" / "cell2.png" and person.is_there())
    assert person.rows() == ["cell2.png"]


def test_a_turned_image_is_upright_once_it_is_dropped_on_the_panel(
    person: Reviewer, tmp_path: Path
) -> None:
    pixels = np.zeros((60, 80), np.uint8)
    pixels[:9] = 200
    exif = Image.Exif()
    exif[274] = 6
    path = tmp_path / "turned.png"
    Image.fromarray(pixels).save(path, exif=exif)
    widget = person.widget
    assert person.viewer.open(str(path), plugin="napari")[0].data.shape[:2] == (60, 80)
    widget.segment()
    person.wait(lambda: not widget.segmenting.running)
    assert "drop it on the panel of Plugins ▸ Nuclei" in turned_words(person.viewer.layers[0])
    assert widget.acceptDrops()
    assert drop(person, path, on=widget), "all of the panel takes it, not its upper part alone"
    person.wait(lambda: person.path == path and person.is_there())
    layer = widget.settings.image
    assert layer is not None
    np.testing.assert_array_equal(layer.data, np.rot90(pixels, -1))
    assert turned_words(layer) == ""
    person.review.do(edits.add(person.review.nuclei, square))
    person.press(person.panel.close_button)
    again = Review.open(path)
    assert len(again.nuclei) == 1
    again.close()


def test_rows_have_thumbnails(person: Reviewer, tmp_path: Path) -> None:
    write_images(tmp_path, 30)
    (tmp_path / "cell2.png").write_bytes(b"no image")
    person.open(tmp_path)
    model = person.panel.model

    def picture(number: int) -> Any:
        return model.index(number).data(Qt.ItemDataRole.DecorationRole)

    person.wait(lambda: picture(0) is not None and picture(2) is not None)
    pixmap = picture(0)
    assert max(pixmap.width(), pixmap.height()) == 88
    assert pixmap.toImage().pixelColor(20, 20).red() > 200
    assert pixmap.toImage().pixelColor(80, 60).red() == 0
    assert picture(1) is None
    person.panel.view.scrollToBottom()
    person.wait(lambda: picture(29) is not None)


def test_search_and_next_in_what_is_listed(person: Reviewer, tmp_path: Path) -> None:
    write_images(tmp_path, 12)
    person.open(tmp_path)
    QTest.keyClicks(person.panel.search, "1")
    assert person.rows() == ["cell1.png", "cell10.png", "cell11.png", "cell12.png"]
    person.turn(person.panel.next_button)
    assert person.image == "cell10.png"
    person.panel.search.clear()
    assert len(person.rows()) == 12
    person.turn(person.panel.next_button)
    assert person.image == "cell11.png"


def test_a_changed_image_is_noticed(person: Reviewer, tmp_path: Path) -> None:
    write_images(tmp_path, 2)
    review = Review.open(tmp_path / "cell1.png")
    review.do(edits.add(review.nuclei, square))
    review.close()
    Image.fromarray(np.full((60, 80), 7, np.uint8)).save(tmp_path / "cell1.png")
    person.open(tmp_path)
    person.wait(lambda: "has changed since it was reviewed" in person.widget.message.text())
    assert len(person.review.nuclei) == 1


def test_the_folder_becomes_read_only(
    person: Reviewer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_images(tmp_path, 2)
    person.open(tmp_path)
    person.review.do(edits.add(person.review.nuclei, square))

    def refuse(self: Any) -> Any:
        raise OSError(30, "Read-only file system")

    with monkeypatch.context() as patch:
        patch.setattr(safe_file.SafeFile, "_open", refuse)
        person.review.do(edits.add(person.review.nuclei, square.shift(20, 20)))
        person.wait(lambda: "read-only" in person.widget.message.text())
        person.review.do(edits.add(person.review.nuclei, square.shift(40, 40)))
        assert len(person.review.nuclei) == 3, "work goes on"
    person.turn(person.panel.next_button)
    person.turn(person.panel.previous_button)
    assert len(person.review.nuclei) == 3


def test_a_folder_that_cannot_be_closed_stays(
    person: Reviewer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_images(tmp_path, 2)
    person.open(tmp_path)
    person.review.do(edits.add(person.review.nuclei, square))

    def refuse(*_: Any) -> Any:
        raise OSError(28, "No space left on device")

    def refuse_too(path: Path) -> Any:
        raise UserError(f"cannot write {path}: the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(safe_file.SafeFile, "_open", refuse)
        patch.setattr("napari_nuclei.journal.away.replacing", refuse_too)
        person.review.do(edits.add(person.review.nuclei, square.shift(20, 20)))
        person.press(person.panel.close_button)
        person.wait(lambda: "stays open" in person.widget.message.text())
        person.wait(person.is_there)
        assert len(person.review.nuclei) == 2
    person.press(person.panel.close_button)
    assert person.folder.workspace is None
    again = Review.open(tmp_path / "cell1.png")
    assert len(again.nuclei) == 2
    again.close()


# -- from the shell -----------------------------------------------------------------------


@pytest.mark.screen
def test_window_of_the_shell(
    make_viewer: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    qtbot: Any,
) -> None:
    write_images(tmp_path, 2)
    monkeypatch.setattr("napari.Viewer", lambda **kwargs: make_viewer(**kwargs, show=False))
    monkeypatch.setattr("napari.run", lambda: None)
    monkeypatch.setattr(command, "has_screen", lambda: True)
    shown: list[Any] = []
    make = launch.make_review
    monkeypatch.setattr(launch, "make_review", lambda of: shown.append(make(of)))
    assert main(["review", str(tmp_path)]) == 0
    folder = Folder.of(shown[0])
    assert folder is not None
    qtbot.waitUntil(lambda: folder.current == 0, timeout=20_000)
    assert [layer.name for layer in shown[0].layers][:2] == ["cell1", "cell1 nuclei"]
    folder.close()


def test_what_the_shell_refuses(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def refused(*arguments: object) -> str:
        assert main(["review", *map(str, arguments)]) == 2
        out, err = capsys.readouterr()
        assert out == ""
        assert err.count("\n") == 1
        return err

    assert "no such file or folder" in refused(tmp_path / "no")
    assert "no image in this folder" in refused(tmp_path)
    write_images(tmp_path, 1)
    monkeypatch.setattr(command, "has_screen", lambda: False)
    monkeypatch.delenv("QT_QPA_PLATFORM", raising=False)
    assert "no screen" in refused(tmp_path)
    assert "no such folder" in refused(tmp_path, "--images", tmp_path / "no")
    (tmp_path / "ids.json").write_text('[{"id": 1, "file_name": "x.png", "height": 3, "width": 3}]')
    assert "--images" in refused(tmp_path / "ids.json")
    assert Workspace(tmp_path).items[0].name == "cell1.png"
