"""A folder in a window on a screen: keys, drops, the list; disks that fail; the shell."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from desk import Desk
from folders import write_images
from gui import canvas_of, settle
from PIL import Image
from qtpy.QtCore import QMimeData, QPointF, Qt, QUrl
from qtpy.QtGui import QDragEnterEvent, QDropEvent
from qtpy.QtTest import QTest

from napari_nuclei._napari import launch
from napari_nuclei._napari.folder.folder import Folder
from napari_nuclei._napari.session.openers import turned_notice
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
def desk(open_desk: Callable[..., Desk]) -> Desk:
    return open_desk(show=True)


def drop(desk: Desk, *paths: Path, on: Any = None) -> bool:
    """Drop files on the list, or on another widget; whether they were taken."""
    target = desk.folder_panel if on is None else on
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
def test_page_keys_on_the_canvas(desk: Desk, tmp_path: Path) -> None:
    write_images(tmp_path, 3)
    desk.open_folder(tmp_path)
    canvas = canvas_of(desk.viewer.window._qt_window)
    canvas.setFocus()
    settle()
    QTest.keyClick(canvas, Qt.Key.Key_PageDown)
    desk.wait(lambda: desk.in_view == "cell2.png" and desk.is_there())
    desk.viewer.layers.selection.active = desk.viewer.layers[0]
    QTest.keyClick(canvas, Qt.Key.Key_PageDown)
    desk.wait(lambda: desk.in_view == "cell3.png" and desk.is_there())
    QTest.keyClick(canvas, Qt.Key.Key_PageDown)
    desk.wait(lambda: desk.widget.message.text() == "This is the last image.")
    QTest.keyClick(canvas, Qt.Key.Key_PageUp)
    desk.wait(lambda: desk.in_view == "cell2.png" and desk.is_there())


def test_a_dropped_folder_is_opened(desk: Desk, tmp_path: Path) -> None:
    write_images(tmp_path / "a", 2)
    assert not drop(desk, tmp_path / "a", tmp_path / "b"), "one at a time"
    assert drop(desk, tmp_path / "a")
    desk.wait(lambda: desk.folder_path == tmp_path / "a" and desk.is_there())
    assert drop(desk, tmp_path / "a" / "cell2.png")
    desk.wait(lambda: desk.folder_path == tmp_path / "a" / "cell2.png" and desk.is_there())
    assert desk.rows() == ["cell2.png"]


def test_a_turned_image_is_upright_once_it_is_dropped_on_the_panel(
    desk: Desk, tmp_path: Path
) -> None:
    pixels = np.zeros((60, 80), np.uint8)
    pixels[:9] = 200
    exif = Image.Exif()
    exif[274] = 6
    path = tmp_path / "turned.png"
    Image.fromarray(pixels).save(path, exif=exif)
    widget = desk.widget
    assert desk.viewer.open(str(path), plugin="napari")[0].data.shape[:2] == (60, 80)
    widget.segment()
    desk.wait(lambda: not widget.segmenting.running)
    assert "drop it on the Nuclei widget" in turned_notice(desk.viewer.layers[0])
    assert widget.acceptDrops()
    assert drop(desk, path, on=widget), "all of the panel takes it, not its upper part alone"
    desk.wait(lambda: desk.folder_path == path and desk.is_there())
    layer = widget.settings.image
    assert layer is not None
    np.testing.assert_array_equal(layer.data, np.rot90(pixels, -1))
    assert turned_notice(layer) == ""
    desk.review.do(edits.add(desk.review.nuclei, square))
    desk.press(desk.folder_panel.close_button)
    again = Review.open(path)
    assert len(again.nuclei) == 1
    again.close()


def test_rows_have_thumbnails(desk: Desk, tmp_path: Path) -> None:
    write_images(tmp_path, 30)
    (tmp_path / "cell2.png").write_bytes(b"no image")
    desk.open_folder(tmp_path)
    model = desk.folder_panel.model

    def picture(number: int) -> Any:
        return model.index(number).data(Qt.ItemDataRole.DecorationRole)

    desk.wait(lambda: picture(0) is not None and picture(2) is not None)
    pixmap = picture(0)
    assert max(pixmap.width(), pixmap.height()) == 88
    assert pixmap.toImage().pixelColor(20, 20).red() > 200
    assert pixmap.toImage().pixelColor(80, 60).red() == 0
    assert picture(1) is None
    desk.folder_panel.view.scrollToBottom()
    desk.wait(lambda: picture(29) is not None)


def test_search_and_next_in_what_is_listed(desk: Desk, tmp_path: Path) -> None:
    write_images(tmp_path, 12)
    desk.open_folder(tmp_path)
    QTest.keyClicks(desk.folder_panel.search, "1")
    assert desk.rows() == ["cell1.png", "cell10.png", "cell11.png", "cell12.png"]
    desk.turn(desk.folder_panel.next_button)
    assert desk.in_view == "cell10.png"
    desk.folder_panel.search.clear()
    assert len(desk.rows()) == 12
    desk.turn(desk.folder_panel.next_button)
    assert desk.in_view == "cell11.png"


def test_a_changed_image_is_noticed(desk: Desk, tmp_path: Path) -> None:
    write_images(tmp_path, 2)
    review = Review.open(tmp_path / "cell1.png")
    review.do(edits.add(review.nuclei, square))
    review.close()
    Image.fromarray(np.full((60, 80), 7, np.uint8)).save(tmp_path / "cell1.png")
    desk.open_folder(tmp_path)
    desk.wait(lambda: "has changed since it was reviewed" in desk.widget.message.text())
    assert len(desk.review.nuclei) == 1


def test_the_folder_becomes_read_only(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_images(tmp_path, 2)
    desk.open_folder(tmp_path)
    desk.review.do(edits.add(desk.review.nuclei, square))

    def refuse(self: Any) -> Any:
        raise OSError(30, "Read-only file system")

    with monkeypatch.context() as patch:
        patch.setattr(safe_file.SafeFile, "_open", refuse)
        desk.review.do(edits.add(desk.review.nuclei, square.shift(20, 20)))
        desk.wait(lambda: "read-only" in desk.widget.message.text())
        desk.review.do(edits.add(desk.review.nuclei, square.shift(40, 40)))
        assert len(desk.review.nuclei) == 3, "work goes on"
    desk.turn(desk.folder_panel.next_button)
    desk.turn(desk.folder_panel.previous_button)
    assert len(desk.review.nuclei) == 3


def test_a_folder_that_cannot_be_closed_stays(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_images(tmp_path, 2)
    desk.open_folder(tmp_path)
    desk.review.do(edits.add(desk.review.nuclei, square))

    def refuse(*_: Any) -> Any:
        raise OSError(28, "No space left on device")

    def refuse_too(path: Path) -> Any:
        raise UserError(f"cannot write {path}: the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(safe_file.SafeFile, "_open", refuse)
        patch.setattr("napari_nuclei.journal.away.replacing", refuse_too)
        desk.review.do(edits.add(desk.review.nuclei, square.shift(20, 20)))
        desk.press(desk.folder_panel.close_button)
        desk.wait(lambda: "stays open" in desk.widget.message.text())
        desk.wait(desk.is_there)
        assert len(desk.review.nuclei) == 2
    desk.press(desk.folder_panel.close_button)
    assert desk.folder.workspace is None
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
