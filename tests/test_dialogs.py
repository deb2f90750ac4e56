"""Return in every state of the dialogs, the wheel over every control, formats that are offered."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from folders import write_images
from qtpy.QtCore import QPoint, QPointF, Qt
from qtpy.QtGui import QWheelEvent
from qtpy.QtTest import QTest
from qtpy.QtWidgets import (
    QAbstractSpinBox,
    QApplication,
    QComboBox,
    QDoubleSpinBox,
    QMessageBox,
    QPushButton,
    QScrollArea,
    QSlider,
    QWidget,
)

from napari_nuclei._napari.files.export_dialog import ExportDialog
from napari_nuclei._napari.files.format_dialog import FormatDialog
from napari_nuclei._napari.folder.export_all import ExportAllDialog
from napari_nuclei._napari.layers.record import Record
from napari_nuclei._napari.qt_helpers import confirmed, scroll
from napari_nuclei.formats import format as formats_format
from napari_nuclei.formats import registry
from napari_nuclei.workspace.workspace import Workspace

Key = Qt.Key


@pytest.fixture(params=["one", "all"])
def dialog(request: pytest.FixtureRequest, qtbot: Any, tmp_path: Path) -> FormatDialog:
    if request.param == "all":
        write_images(tmp_path, 2)
        made: FormatDialog = ExportAllDialog(Workspace(tmp_path))
    else:
        made = ExportDialog(Record((60, 80), "cells.png", file=tmp_path / "cells.png"))
    qtbot.addWidget(made)
    made.show()
    made.activateWindow()
    qtbot.waitExposed(made)
    return made


def press(dialog: FormatDialog, key: Any = Key.Key_Return) -> None:
    """Press a key where the focus is."""
    QTest.keyClick(dialog.focusWidget() or dialog, key)
    QApplication.processEvents()


@pytest.mark.parametrize("format", registry.offered())
def test_return_exports_whatever_format_was_chosen(dialog: Any, format: str) -> None:
    dialog.format_box.setFocus()
    while dialog.format_box.currentData() != format:
        press(dialog, Key.Key_Down)
    assert dialog.save_button.isDefault()
    press(dialog)
    assert dialog.request is not None
    assert dialog.request.format == format


@pytest.mark.parametrize("place", ["format_box", "place", "save_button", "id_box"])
def test_return_exports_wherever_the_focus_is(dialog: Any, place: str) -> None:
    widget = getattr(dialog, place, dialog.format_box)
    dialog.format_box.setCurrentIndex(1)  # the button that had the focus may be gone
    widget.setFocus()
    press(dialog, Key.Key_Enter if place == "place" else Key.Key_Return)
    assert dialog.request is not None


@pytest.mark.parametrize("format", registry.offered())
def test_the_default_button_is_never_lost(dialog: Any, format: str, tmp_path: Path) -> None:
    buttons = [b for b in dialog.findChildren(QPushButton) if b is not dialog.save_button]
    fields = [dialog.format_box, dialog.place, getattr(dialog, "id_box", dialog.place)]
    for button in buttons:  # each is the default one as long as it has the focus
        dialog.format_box.setCurrentIndex(dialog.format_box.findData("coco"))
        button.setFocus()
        dialog.format_box.setCurrentIndex(dialog.format_box.findData(format))
        for field in filter(QWidget.isVisible, fields):
            button.setFocus()
            field.setFocus()
            assert dialog.save_button.isDefault(), (button.text(), field)
    name = "other" if dialog.into_folder else f"other{dialog.format.ending}"
    (tmp_path / name).mkdir() if dialog.into_folder else (tmp_path / name).write_text("old")
    dialog.place.setText(str(tmp_path / name))  # it says Replace now, where it is a file
    assert dialog.save_button.isDefault()
    press(dialog)
    assert dialog.request is not None
    assert dialog.request.path == tmp_path / name


def test_return_on_another_button_is_that_button(dialog: Any) -> None:
    cancel = next(b for b in dialog.findChildren(QPushButton) if "Cancel" in b.text())
    cancel.setFocus()
    press(dialog)
    assert dialog.request is None
    assert not dialog.isVisible()


def test_return_answers_nothing_where_nothing_can_be_written(dialog: Any, tmp_path: Path) -> None:
    dialog.save_button.setFocus()
    dialog.place.setText(str(tmp_path / "no" / "x.json"))
    assert dialog.focusWidget() is dialog.place, "it is what is to be mended, not Cancel"
    press(dialog)
    assert dialog.isVisible()
    assert dialog.request is None
    dialog.place.setText(str(tmp_path / "x.json"))
    press(dialog)
    assert dialog.request is not None


def test_return_alone_confirms_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def answer(parent: Any, title: str, text: str, buttons: Any, default: Any) -> Any:
        return default

    monkeypatch.setattr(QMessageBox, "question", answer)
    assert not confirmed(None, "Remove", "Remove it?")  # type: ignore[arg-type]


def test_an_ending_of_another_format_is_said(dialog: Any, tmp_path: Path) -> None:
    dialog.place.setText(str(tmp_path / "x.geojson"))
    assert "its extension says GeoJSON" in dialog.note.text()


def test_parquet_is_offered_where_it_can_be_written(
    qtbot: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(formats_format, "find_spec", lambda name: None)
    dialog = ExportDialog(Record((60, 80), "cells.png"))
    qtbot.addWidget(dialog)
    titles = [dialog.format_box.itemText(k) for k in range(dialog.format_box.count())]
    assert registry.FORMATS["parquet"].title not in titles
    assert len(titles) == len(registry.WRITABLE) - 1


# -- the wheel ----------------------------------------------------------------------------


def wheel(widget: QWidget, by: int = -120) -> None:
    """Turn the wheel over a widget."""
    middle = QPointF(widget.rect().center())
    place = QPointF(widget.mapToGlobal(widget.rect().center()))
    event = QWheelEvent(
        middle, place, QPoint(), QPoint(0, by), Qt.MouseButton.NoButton,
        Qt.KeyboardModifier.NoModifier, Qt.ScrollPhase.NoScrollPhase, False,
    )  # fmt: skip
    QApplication.sendEvent(widget, event)
    QApplication.processEvents()


def turn_wheel(widget: QWidget, by: int = -120) -> None:
    """Turn the wheel over a widget as a mouse does: what does not take it leaves it to its parent.

    Qt does that for events of a mouse alone, not for those that a program sends.
    """
    at: QWidget | None = widget
    while at is not None:
        place = at.mapFromGlobal(widget.mapToGlobal(widget.rect().center()))
        event = QWheelEvent(
            QPointF(place), QPointF(at.mapToGlobal(place)), QPoint(), QPoint(0, by),
            Qt.MouseButton.NoButton, Qt.KeyboardModifier.NoModifier,
            Qt.ScrollPhase.NoScrollPhase, False,
        )  # fmt: skip
        if (QApplication.sendEvent(at, event) and event.isAccepted()) or at.isWindow():
            break
        at = at.parentWidget()
    QApplication.processEvents()


def value_of(widget: QWidget) -> object:
    if isinstance(widget, QComboBox):
        return widget.currentIndex()
    return widget.value()  # type: ignore[attr-defined]


def controls(root: QWidget) -> list[QWidget]:
    kinds: tuple[type[QWidget], ...] = (QSlider, QAbstractSpinBox, QComboBox)
    return [widget for kind in kinds for widget in root.findChildren(kind)]


def test_the_wheel_changes_nothing_in_a_dialog(dialog: FormatDialog) -> None:
    dialog.save_button.setFocus()
    found = controls(dialog)
    assert found
    for widget in found:
        before = value_of(widget)
        wheel(widget)
        assert value_of(widget) == before
        assert widget.focusPolicy() != Qt.FocusPolicy.WheelFocus


def test_the_wheel_changes_nothing_in_a_panel(make_viewer: Callable[..., Any], qtbot: Any) -> None:
    from gui import FakeEngine

    from napari_nuclei._napari.retrain.retrain_panel import RetrainPanel
    from napari_nuclei._napari.widget import NucleiWidget

    viewer = make_viewer()
    panels = [NucleiWidget(viewer, FakeEngine()), RetrainPanel(viewer)]
    for panel in panels:
        qtbot.addWidget(panel)
        found = controls(panel)
        assert len(found) >= 3
        for widget in found:
            if isinstance(widget, QComboBox):
                widget.addItems(["one more", "and another"])
            widget.setEnabled(True)
            before = value_of(widget)
            for by in (-120, 120):
                wheel(widget, by)
                assert value_of(widget) == before, widget.toolTip()
            assert widget.focusPolicy() != Qt.FocusPolicy.WheelFocus


@pytest.mark.screen
def test_the_wheel_scrolls_the_panel_over_every_control(
    make_viewer: Callable[..., Any], qtbot: Any
) -> None:
    from gui import FakeEngine

    from napari_nuclei._napari.widget import NucleiWidget

    panel = NucleiWidget(make_viewer(), FakeEngine())
    qtbot.addWidget(panel)
    for widget in (panel.folder._inside, panel.result, panel.review, panel.prompts):
        widget.show()
    panel.result._controls.show()
    panel.resize(320, 200)
    panel.show()
    qtbot.waitExposed(panel)
    bar = panel.findChild(QScrollArea).verticalScrollBar()
    qtbot.waitUntil(lambda: bar.maximum() > 0)
    panel.segment_button.setFocus()
    found = [widget for widget in controls(panel) if widget.isVisible()]
    assert {type(w) for w in found} >= {QSlider, QDoubleSpinBox, QComboBox}
    for widget in found:
        widget.setEnabled(True)
        before = value_of(widget)
        bar.setValue(0)
        turn_wheel(widget)
        assert bar.value() > 0, widget.toolTip()
        assert value_of(widget) == before, widget.toolTip()


def test_the_wheel_is_that_of_a_control_with_the_focus(qtbot: Any) -> None:
    outside, inside = QWidget(), QWidget()
    qtbot.addWidget(outside)
    box = QDoubleSpinBox(inside)
    inside.setMinimumHeight(1000)
    scroll(outside, inside, 100)
    outside.resize(120, 100)
    outside.show()
    outside.activateWindow()
    qtbot.waitExposed(outside)
    bar = outside.findChild(QScrollArea).verticalScrollBar()
    bar.setValue(10)
    box.setFocus()
    qtbot.waitUntil(box.hasFocus)
    turn_wheel(box, 120)
    assert box.value() > 0
    assert bar.value() == 10
