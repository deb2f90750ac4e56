"""The Retrain panel with a process that only plays one: what a person sees and sets going."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
import tifffile
from desk import GRAY, Desk
from gui import settle
from napari.utils._proxies import PublicOnlyProxy
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QMessageBox
from tiny import write_model

from napari_nuclei._napari.layers.camera import camera_of
from napari_nuclei._napari.retrain.retrain_panel import RetrainPanel
from napari_nuclei._napari.retrain.retrain_source import choices, open_planes, write
from napari_nuclei.formats import coco
from napari_nuclei.models import registry
from napari_nuclei.nuclei import edits
from napari_nuclei.progress import result_of

FAKE = Path(__file__).with_name("fake_retraining.py")


def spread(before: float, after: float, low: float, high: float) -> dict[str, Any]:
    return {"before": before, "after": after, "before_range": [before - 0.1, before + 0.1],
            "after_range": [after - 0.1, after + 0.1], "gain_range": [low, high],
            "better": 0.99}  # fmt: skip


def report(accepted: bool, image: str, id: int = 1) -> dict[str, Any]:
    names = ("ap50", "f1_50", "recall50", "precision50")
    changes = [
        {"kind": "found", "image": image, "plane": None, "box": [10, 10, 31, 31], "id": id,
         "locked": True},
        {"kind": "lost", "image": image, "plane": None, "box": [37, 52, 54, 69], "id": 3,
         "locked": False},
        {"kind": "false alarm", "image": image, "plane": None, "box": [2, 2, 9, 9], "id": None,
         "locked": True},
    ]  # fmt: skip
    return {
        "event": "report", "accepted": accepted, "name": "second", "base": "first",
        "reasons": ["F1 rose from 0.600 to 0.750 on the locked tiles"], "changes": changes,
        "figures": {
            "locked": {name: spread(0.6, 0.75, 0.05, 0.2) for name in names},
            "sample": {"all": {name: spread(0.9, 0.89, -0.02, 0.01) for name in names}},
        },
    }  # fmt: skip


class Retraining(Desk):
    """A window with an image under review, both widgets, and a process that plays a script."""

    def __init__(self, make_viewer: Callable[..., Any], qtbot: Any, root: Path) -> None:
        super().__init__(make_viewer, qtbot)
        self.root, self.file = root, root / "cells.tif"
        tifffile.imwrite(self.file, GRAY)
        self.open(self.file)
        self.segment()
        self.panel = RetrainPanel(PublicOnlyProxy(self.viewer))
        self.viewer.window.add_dock_widget(self.panel, name="Retrain")

    def correct(self) -> None:
        """Have something to learn from, where there is nothing yet."""
        nuclei = self.review.nuclei
        if not nuclei.complete:
            self.review.do(edits.reject(nuclei, [3]))
            self.review.do(edits.mark_complete(nuclei))
        self.wait(self.panel.button.isEnabled)

    def play(self, *steps: Any) -> None:
        """Press Retrain, with a process that does this."""
        self.correct()
        script = self.root / "script.json"
        script.write_text(json.dumps(steps))
        self.panel.child.program = [sys.executable, str(FAKE), str(script)]
        self.panel.button.click()

    def done(self) -> None:
        self.wait(lambda: not self.panel.running)


@pytest.fixture
def desk(
    make_viewer: Callable[..., Any],
    qtbot: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Retraining:
    models = tmp_path / "models"
    monkeypatch.setenv("NAPARI_NUCLEI_MODELS", str(models))
    for seed, name in enumerate(("first", "second")):
        write_model(models, name, seed)
    return Retraining(make_viewer, qtbot, tmp_path)


# -- what is learned from -----------------------------------------------------------------


def test_it_says_what_has_been_reviewed(desk: Retraining) -> None:
    about = desk.panel.form.about_source
    assert about.text() == "Nothing is reviewed yet."
    desk.review.do(edits.accept(desk.review.nuclei, [1]))
    desk.wait(lambda: "1 accepted" in about.text())
    assert "Nothing is marked complete" in about.text()
    assert not desk.panel.button.isEnabled()
    desk.review.do(edits.mark_complete(desk.review.nuclei))
    desk.wait(lambda: "1 area marked complete" in about.text())
    assert "Nothing is corrected, drawn or rejected yet" in about.text()
    assert not desk.panel.button.isEnabled()
    desk.review.do(edits.reject(desk.review.nuclei, [2]))
    desk.wait(desk.panel.button.isEnabled)
    assert "Nothing is corrected" not in about.text()


def test_a_folder_without_corrections_is_refused_at_once(desk: Retraining) -> None:
    desk.panel.form.source_box.setCurrentIndex(1)
    desk.panel.button.click()
    desk.done()
    assert "Nothing is marked complete" in desk.panel.message.text()
    assert not desk.panel.child.running


def test_open_images_and_folders_are_offered(desk: Retraining) -> None:
    labels = [choice.label for choice in choices(desk.panel.session)]
    assert labels == ["The images open here", f"All reviewed images in {desk.root.name}"]
    desk.viewer.add_image(np.ones((30, 40), np.uint8), name="memory")
    assert [choice.label for choice in choices(desk.panel.session)] == labels


@pytest.mark.parametrize("whole_folder", [False, True])
def test_reviews_are_written_as_they_are(desk: Retraining, whole_folder: bool) -> None:
    desk.review.do(edits.accept(desk.review.nuclei, [1]))
    desk.review.do(edits.reject(desk.review.nuclei, [2]))
    desk.review.do(edits.mark_complete(desk.review.nuclei, (0, 0, 40, 80)))
    session = desk.panel.session
    choice = choices(session)[whole_folder]
    path = result_of(write(open_planes(session), choice, desk.root / "place"))
    data = coco.read(path)
    (record,) = data.images
    assert Path(record.file_name) == desk.file
    assert not data.foreign
    assert data.of(record) == desk.review.nuclei


def test_an_image_without_a_file_is_written_too(desk: Retraining) -> None:
    desk.image.metadata.clear()
    desk.viewer.layers.clear()
    pixels = np.random.default_rng(0).integers(0, 255, (60, 80), np.uint8)
    desk.show(pixels, name="memory")
    desk.segment()
    desk.correct()
    session = desk.panel.session
    path = result_of(write(open_planes(session), choices(session)[0], desk.root / "place"))
    (record,) = coco.read(path).images
    np.testing.assert_array_equal(tifffile.imread(record.file_name), pixels)


# -- a run --------------------------------------------------------------------------------


@pytest.mark.screen
def test_a_better_model_is_shown_and_used(desk: Retraining) -> None:
    desk.panel.form.minutes_box.setValue(3)
    desk.play(
        {"event": "plan", "locked": {str(desk.file): [[0, 0, 20, 40]]}},
        {"event": "progress", "done": 30, "total": 180, "message": "loss 1.2", "left": 150},
        {"event": "loss", "step": 1, "seconds": 2.0, "loss": 1.2},
        {"event": "loss", "step": 2, "seconds": 4.0, "loss": 1.1},
        {"event": "validation", "step": 2, "seconds": 4.0, "f1_50": 0.7},
        report(True, str(desk.file)),
    )
    assert desk.panel.button.text() == "Cancel"
    desk.done()
    said = json.loads((desk.root / "arguments.json").read_text())
    assert said[said.index("--minutes") + 1] == "3"
    assert said[-1] == "--lines"
    assert Path(said[0]).is_file()
    assert desk.engine.released == 1, "the window lets its own model go"
    panel = desk.panel
    assert len(panel.curve.losses) == 2
    assert panel.curve.checks == [(4 / 60, 0.7)]
    assert "Better" in panel.gate.verdict.text()
    assert panel.gate.table.item(0, 0).text() == "0.600"
    assert panel.gate.table.item(0, 2).text() == "+0.150 ± 0.075"
    groups = [panel.gate.list.topLevelItem(k).text(0) for k in range(4)]
    assert groups == ["Lost: 1", "New false alarms: 1", "Found: 1", "False alarms gone: 0"]
    panel.gate.locked_button.click()
    (tiles,) = (layer for layer in desk.viewer.layers if layer.name == "cells locked tiles")
    assert tiles.data[0].max(0).tolist() == [19.5, 39.5]
    assert registry.current().name == registry.DEFAULT, "the person decides"
    assert not panel.use_button.isHidden()
    panel.use_button.click()
    assert registry.current().name == "second"
    assert panel.use_button.isHidden()
    assert "In use now: second" in panel.message.text()
    assert panel.form.base_box.currentText() == "second"
    QTest.keyClick(panel, Qt.Key.Key_B, Qt.KeyboardModifier.ControlModifier
                   | Qt.KeyboardModifier.ShiftModifier)  # fmt: skip
    if registry.current().name == "second":  # a window that is not shown has no shortcuts
        panel.versions.back_key.activated.emit()
    assert registry.current().name == registry.DEFAULT


def test_a_refused_model_cannot_be_used(desk: Retraining) -> None:
    desk.play(report(False, str(desk.file)))
    desk.done()
    assert "Refused" in desk.panel.gate.verdict.text()
    assert desk.panel.use_button.isHidden()
    assert not desk.panel.keep_button.isHidden()
    desk.panel.keep_button.click()
    assert desk.panel.gate.isHidden()
    assert registry.current().name == registry.DEFAULT


def test_a_change_is_a_click_away(desk: Retraining) -> None:
    desk.play(report(True, str(desk.file), id=2))
    desk.done()
    group = desk.panel.gate.list.topLevelItem(2)
    desk.panel.gate.list.setCurrentItem(group.child(0))
    centre = camera_of(desk.viewer).center
    assert centre[-2:] == pytest.approx((20, 20), abs=1)
    assert 2 in desk.review.selection
    desk.viewer.layers.clear()
    settle()
    desk.panel.gate.list.setCurrentItem(None)
    desk.panel.gate.list.setCurrentItem(group.child(0))
    assert any(layer.name == "cells" for layer in desk.viewer.layers), "it is opened again"


def test_cancel_ends_the_process(desk: Retraining) -> None:
    desk.play({"event": "told", "text": "Working hard"}, 600)
    desk.wait(lambda: "Working hard" in desk.panel.message.text())
    process = psutil.Process(desk.panel.child._process.processId())
    desk.panel.button.click()
    assert not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    assert not desk.panel.running
    assert desk.panel.button.text() == "Retrain"
    assert "Cancelled" in desk.panel.message.text()


@pytest.mark.parametrize(
    ("steps", "words"),
    [
        (({"event": "error", "text": "too little is reviewed"}, "x"), "too little is reviewed"),
        (("Killed",), "stopped unexpectedly (Killed)"),
    ],
)
def test_what_goes_wrong_is_told(desk: Retraining, steps: tuple[Any, ...], words: str) -> None:
    desk.play(*steps)
    desk.done()
    assert words in desk.panel.message.text()
    assert desk.panel.message.text().startswith("⚠")
    assert desk.panel.gate.isHidden()


def test_a_program_that_is_not_there(desk: Retraining) -> None:
    desk.correct()
    desk.panel.child.program = [str(desk.root / "nowhere")]
    desk.panel.button.click()
    desk.done()
    assert "cannot be started" in desk.panel.message.text()


@pytest.mark.screen
def test_closing_the_window_asks(desk: Retraining, monkeypatch: pytest.MonkeyPatch) -> None:
    answers = [QMessageBox.StandardButton.No, QMessageBox.StandardButton.Yes]
    monkeypatch.setattr(QMessageBox, "question", lambda *_: answers.pop(0))
    desk.play({"event": "told", "text": "Working hard"}, 600)
    desk.wait(lambda: "Working hard" in desk.panel.message.text())
    window = desk.viewer.window._qt_window
    assert not window.close()
    assert desk.panel.child.running
    process = psutil.Process(desk.panel.child._process.processId())
    window.close()
    assert not answers
    assert not process.is_running() or process.status() == psutil.STATUS_ZOMBIE


# -- versions -----------------------------------------------------------------------------


def test_versions_are_listed_used_and_removed(
    desk: Retraining, monkeypatch: pytest.MonkeyPatch
) -> None:
    view = desk.panel.versions
    names = [view.list.item(k).text().strip() for k in range(view.list.count())]
    assert f"● {registry.DEFAULT}" in names
    assert not view.remove_button.isEnabled(), "shipped, and in use"
    view.list.setCurrentRow(names.index("first"))
    assert "SHA-256" in view.list.currentItem().toolTip()
    view.use_button.click()
    assert registry.current().name == "first"
    view.back_button.click()
    assert registry.current().name == registry.DEFAULT
    view.back_button.click()
    assert "none to go back to" in desk.panel.message.text()
    names = [view.list.item(k).text().strip() for k in range(view.list.count())]
    view.list.setCurrentRow(names.index("first"))
    monkeypatch.setattr(QMessageBox, "question", lambda *_: QMessageBox.StandardButton.No)
    view.remove_button.click()
    assert "first" in [card.name for card in registry.cards()]
    monkeypatch.setattr(QMessageBox, "question", lambda *_: QMessageBox.StandardButton.Yes)
    view.remove_button.click()
    assert "first" not in [card.name for card in registry.cards()]
    assert "first" not in [desk.panel.form.base_box.itemText(k) for k in range(9)]


def test_the_button_opens_the_panel(desk: Retraining) -> None:
    opened: list[tuple[str, str]] = []
    desk.viewer.window.add_plugin_dock_widget = lambda *names, **_: opened.append(names)
    button = desk.widget.retrain_button
    assert not button.isHidden()
    assert not button.isEnabled()
    assert "Nothing is corrected" in button.toolTip()
    desk.correct()
    desk.wait(button.isEnabled)
    desk.widget.retrain_button.click()
    assert opened == [("napari-nuclei", "Retrain nuclei")]
