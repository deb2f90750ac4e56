"""The dock widget with an engine that loads no torch: what a user sees and sets going."""

from __future__ import annotations

import gc
import json
import os
import subprocess
import sys
import threading
import weakref
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from desk import GRAY, Desk
from gui import CARD, FOUND, FakeEngine, disk, in_step, settle
from napari.qt.threading import WorkerBase
from napari.utils._proxies import PublicOnlyProxy
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QFileDialog

from napari_nuclei._napari import launch, widget
from napari_nuclei._napari.assembly import session_of
from napari_nuclei._napari.files import export_dialog
from napari_nuclei._napari.files.export import Request, find_image_id
from napari_nuclei._napari.files.export_dialog import ExportDialog
from napari_nuclei._napari.folder.folder import Folder
from napari_nuclei._napari.layers.keys import KEYS
from napari_nuclei._napari.layers.record import KEY, Record
from napari_nuclei._napari.layers.review_layer import is_review
from napari_nuclei._napari.layers.source import channel_choices, geometry_of, source_of
from napari_nuclei._napari.prompts import prompting
from napari_nuclei._napari.prompts.prompting import prompts_of
from napari_nuclei._napari.review import reviewing
from napari_nuclei._napari.review.reviewing import actions_of
from napari_nuclei._napari.segment.engine import ModelEngine
from napari_nuclei._napari.session.session import Session
from napari_nuclei._napari.widget import NucleiWidget
from napari_nuclei.errors import UserError
from napari_nuclei.formats import coco
from napari_nuclei.formats.registry import WRITABLE
from napari_nuclei.nuclei import Nuclei, State, edits
from napari_nuclei.progress import Progress

# -- before a run -------------------------------------------------------------------------


@pytest.mark.screen
def test_newcomer_is_told_what_to_do(desk: Desk) -> None:
    assert "Open an image" in desk.widget.advice.text()
    assert not desk.widget.segment_button.isEnabled()
    assert desk.result.isHidden()
    assert not desk.widget.folder.about.isHidden()
    desk.widget.sample_button.click()
    assert [layer.name for layer in desk.viewer.layers] == ["histology"]
    assert desk.widget.sample_button.isHidden()
    assert desk.widget.folder.about.isHidden(), "its room is needed now"
    assert "Press Segment" in desk.widget.advice.text()
    assert desk.widget.segment_button.isEnabled()
    desk.segment()
    assert desk.widget.advice.isHidden()
    assert not desk.result.isHidden()


def test_opening_the_widget_loads_no_torch() -> None:
    code = (
        "import sys\nfrom qtpy.QtWidgets import QApplication\napp = QApplication([])\n"
        "from napari.components import ViewerModel\n"
        "from napari_nuclei._napari.widget import NucleiWidget\n"
        "widget = NucleiWidget(ViewerModel())\n"
        "sys.exit('torch is loaded' if 'torch' in sys.modules else 0)"
    )
    env = {**os.environ, "QT_QPA_PLATFORM": "offscreen"}
    answer = subprocess.run(
        [sys.executable, "-c", code], env=env, capture_output=True, text=True, check=False
    )
    assert answer.returncode == 0, answer.stderr


def test_image_choice_follows_the_viewer(desk: Desk) -> None:
    first, second = desk.show(name="a"), desk.show(name="b")
    assert desk.settings.image is second
    desk.viewer.layers.selection.active = first
    assert desk.settings.image is first
    first.name = "renamed"
    assert desk.settings.image_box.currentText() == "renamed"
    desk.viewer.layers.remove(first)
    assert desk.settings.image is second
    desk.viewer.layers.clear()
    assert desk.settings.image is None


def test_model_says_its_licence_and_scores(desk: Desk) -> None:
    assert "BSD-3-Clause" in desk.settings.about_model.text()
    assert "F1 at IoU 0.5 0.81" in desk.settings.model_box.toolTip()
    desk.show()
    assert desk.result.threshold == CARD.threshold


def test_without_a_model_it_says_so(make_viewer: Any, qtbot: Any) -> None:
    engine = FakeEngine()
    engine.cards = list  # type: ignore[method-assign]
    viewer = make_viewer()
    viewer.add_image(GRAY)
    widget = NucleiWidget(viewer, engine)
    qtbot.addWidget(widget)
    assert "No model" in widget.settings.about_model.text()
    assert not widget.segment_button.isEnabled()
    widget.segment()
    assert "no model" in widget.message.text()


# -- a run --------------------------------------------------------------------------------


def test_result_is_a_labels_layer_on_its_image(desk: Desk) -> None:
    affine = np.array([[1, 0, 3], [0, 1, 4], [0, 0, 1]])
    image = desk.show(
        scale=(0.5, 0.25), translate=(3, 4), rotate=30, affine=affine, units=("um", "um")
    )
    bridge = desk.segment()
    layer = bridge.layer
    assert layer.name == "cells nuclei"
    assert is_review(layer)
    assert desk.viewer.layers.selection.active is layer
    for point in ((0, 0), (10, 20)):
        np.testing.assert_allclose(layer.data_to_world(point), image.data_to_world(point))
    assert layer.units == image.units
    assert in_step(bridge)
    assert set(np.unique(layer.data)) == {0, 1, 2, 3}
    assert list(layer.features["index"]) == [1, 2, 3]
    image.scale = (2, 2)
    np.testing.assert_allclose(layer.scale, (2, 2))


def test_run_asks_for_what_is_set(desk: Desk) -> None:
    desk.show(scale=(0.5, 0.5), units=("um", "um"))
    assert desk.settings.diameter_box.suffix() == " µm"
    desk.segment()
    assert desk.engine.asked[0].diameter is None
    assert desk.settings.about_diameter.text() == "Estimated: 9.2 µm (18 px)"
    desk.settings.diameter_box.setValue(10)
    desk.segment()
    asked = desk.engine.asked[1]
    assert (asked.diameter, asked.device, asked.model) == (20, "auto", "fake")
    desk.show(name="no unit")
    assert desk.settings.diameter_box.suffix() == " px"
    assert desk.settings.diameter_box.value() == 20


def test_progress_and_cancel(desk: Desk) -> None:
    desk.show()
    desk.engine.gate.clear()
    desk.widget.segment_button.click()
    desk.wait(lambda: desk.widget.bar.maximum() == 1000)
    assert desk.widget.segment_button.text() == "Cancel"
    assert not desk.settings.isEnabled()
    desk.widget.segment_button.click()
    assert desk.widget.segment_button.text() == "Segment"
    desk.wait(desk.engine.closed.is_set)  # the work itself has ended, not only the button
    settle()
    assert desk.widget.bridge is None
    assert desk.widget.message.text() == "Cancelled."


def test_result_of_a_cancelled_run_is_dropped(desk: Desk) -> None:
    desk.show()
    late, finish = threading.Event(), threading.Event()

    def slow(*args: Any) -> Any:
        late.set()
        assert finish.wait(5)
        return (yield from FakeEngine.segment(desk.engine, *args))

    desk.engine.segment = slow  # type: ignore[method-assign]
    desk.widget.segment_button.click()
    desk.wait(late.is_set)
    desk.widget.segment_button.click()
    del desk.engine.segment
    desk.engine.found = [(disk(10, 10, 4), 0.9)]
    desk.segment()
    finish.set()
    WorkerBase.await_workers()  # the late one has ended
    settle()  # and what it found has come
    assert len(desk.widget.bridge.review.nuclei) == 1
    assert len(desk.widget.bridge.review.done) == 1


@pytest.mark.parametrize(
    ("error", "says"),
    [(UserError("cuda is not there: choose cpu"), "cuda is not there: choose cpu"),
     (RuntimeError("broken"), "broken")],
)  # fmt: skip
def test_errors_are_one_line(
    desk: Desk, error: Exception, says: str, caplog: pytest.LogCaptureFixture
) -> None:
    desk.show()
    desk.engine.error = error
    desk.segment()
    assert desk.widget.message.text() == f"⚠ {says}"
    assert desk.widget.segment_button.text() == "Segment"
    assert bool(caplog.records) is not isinstance(error, UserError)
    desk.engine.error = None
    assert desk.segment() is not None


def test_nothing_found_is_said(desk: Desk) -> None:
    desk.show()
    desk.engine.found = []
    desk.segment()
    assert "No nuclei were found" in desk.widget.message.text()


def test_image_renamed_while_running(desk: Desk) -> None:
    image = desk.show()
    desk.engine.gate.clear()
    desk.widget.segment_button.click()
    image.name = "other"
    with desk.qtbot.waitSignal(desk.widget.segmenting.runner.succeeded, timeout=60_000):
        desk.engine.gate.set()
    assert desk.widget.bridge.layer.name == "other nuclei"


def test_image_removed_while_running(desk: Desk) -> None:
    image = desk.show()
    desk.engine.gate.clear()
    desk.widget.segment_button.click()
    desk.viewer.layers.remove(image)
    assert "image was removed" in desk.widget.message.text()
    desk.wait(desk.engine.closed.is_set)
    settle()
    assert len(desk.viewer.layers) == 0


@pytest.mark.screen
def test_closed_widget_stops_its_work(desk: Desk) -> None:
    desk.show()
    desk.engine.gate.clear()
    desk.widget.segment_button.click()
    desk.wait(lambda: bool(desk.engine.asked))
    desk.widget.parent().destroyOnClose()  # as the dock's X does
    desk.wait(desk.engine.closed.is_set)  # whose gate is still closed: nobody else ends it
    assert not desk.widget.segmenting.runner.running
    settle()
    assert len(desk.viewer.layers) == 1
    desk.qtbot.addWidget(desk.widget)  # napari leaves it to itself


def test_another_run_keeps_what_a_person_did(desk: Desk) -> None:
    desk.show()
    bridge = desk.segment()
    bridge.layer.paint((10, 60), 5)
    bridge.review.do(edits.reject(bridge.review.nuclei, [3]))
    desk.engine.found = [*FOUND[:1], FOUND[2], (disk(30, 40, 4), 0.7)]
    assert desk.segment() is bridge
    nuclei = bridge.review.nuclei
    assert nuclei[3].state is State.REJECTED
    assert nuclei[5].mask.contains(10, 60)
    assert sorted(n.score for n in nuclei.shown()) == [0.7, 0.9, 1.0]
    assert in_step(bridge)


def test_each_plane_and_image_starts_with_the_threshold_of_the_model(desk: Desk) -> None:
    desk.show(np.zeros((12, 60, 80), np.uint8))
    bridge = desk.segment()
    first = bridge.plane
    desk.result.threshold_box.setValue(0.2)
    desk.segment()  # at once: the move counts, and stays for the same plane
    assert bridge.review.nuclei.threshold == 0.2
    desk.viewer.dims.set_current_step(0, 3)
    assert bridge.plane != first
    desk.wait(lambda: "0 nuclei" in desk.result.state.text())
    desk.segment()
    assert bridge.review.nuclei.threshold == CARD.threshold
    assert bridge.record.reviews[first].nuclei.threshold == 0.2
    desk.show(name="other")
    assert desk.segment().review.nuclei.threshold == CARD.threshold


# -- images of all kinds ------------------------------------------------------------------


def asked_for(desk: Desk, pixels: Any, channels: str, **kwargs: Any) -> tuple[Any, Any]:
    """What the engine is given for a choice of channels, and the bridge of the result."""
    desk.show(pixels, **kwargs)
    desk.settings.channels_box.setCurrentText(channels)
    assert desk.settings.channels.label == channels
    bridge = desk.segment()
    return desk.engine.asked[-1].image, bridge


def test_rgb(desk: Desk) -> None:
    rgb = np.random.default_rng(0).integers(0, 255, (60, 80, 4), np.uint8)
    image, bridge = asked_for(desk, rgb, "RGB", rgb=True)
    np.testing.assert_array_equal(image, rgb[..., :3])
    assert bridge.layer.data.shape == (60, 80)
    desk.settings.channels_box.setCurrentText("green")
    desk.segment()
    np.testing.assert_array_equal(desk.engine.asked[-1].image, rgb[..., 1])


def test_multichannel(desk: Desk) -> None:
    pixels = np.random.default_rng(0).integers(0, 255, (3, 60, 80), np.uint8)
    image, bridge = asked_for(desk, pixels, "channel 1")
    np.testing.assert_array_equal(image, pixels[1])
    assert bridge.layer.data.shape == (60, 80)
    desk.settings.channels_box.setCurrentText("all channels")
    assert desk.segment() is bridge  # the same nuclei, whatever channels show them
    np.testing.assert_array_equal(desk.engine.asked[-1].image, np.moveaxis(pixels, 0, -1))


def test_other_channels_leave_what_was_corrected_in_reach(desk: Desk) -> None:
    _, by_plane = asked_for(desk, np.zeros((3, 60, 80), np.uint8), "the plane in view")
    by_plane.layer.paint((*by_plane.plane, 10, 60), 5)
    desk.settings.channels_box.setCurrentText("all channels")
    together = desk.segment()
    assert together is not by_plane
    desk.viewer.layers.selection.active = by_plane.layer
    assert desk.widget.bridge is by_plane
    desk.wait(lambda: "1 added" in desk.result.state.text())
    desk.viewer.layers.selection.active = together.layer
    assert desk.widget.bridge is together
    desk.settings.channels_box.setCurrentText("the plane in view")
    assert desk.segment() is by_plane
    assert 5 in by_plane.review.nuclei


def test_stack_one_review_a_plane(desk: Desk) -> None:
    stack = np.random.default_rng(0).integers(0, 255, (12, 60, 80), np.uint8)
    desk.show(stack, scale=(4, 0.5, 0.5), translate=(8, 0, 0))
    desk.viewer.dims.set_current_step(0, 7)
    bridge = desk.segment()
    np.testing.assert_array_equal(desk.engine.asked[-1].image, stack[7])
    assert bridge.layer.data.shape == stack.shape
    assert bridge.layer.n_edit_dimensions == 2
    assert bridge.layer.data[7].any()
    assert not np.delete(bridge.layer.data, 7, 0).any()
    desk.viewer.dims.set_current_step(0, 3)
    assert bridge.plane == (3,)
    desk.wait(lambda: "0 nuclei" in desk.result.state.text())
    desk.segment()
    desk.viewer.dims.set_current_step(0, 7)
    bridge.layer.undo()
    assert not bridge.layer.data[7].any()
    assert bridge.layer.data[3].any()


def test_stack_with_channels_inside(desk: Desk) -> None:
    pixels = np.random.default_rng(0).integers(0, 255, (9, 2, 60, 80), np.uint8)
    image, bridge = asked_for(desk, pixels, "axis 1, channel 1", scale=(1, 3, 0.5, 0.5))
    plane = desk.viewer.dims.current_step[0]
    np.testing.assert_array_equal(image, pixels[plane, 1])
    assert bridge.layer.data.shape == (9, 1, 60, 80)
    assert bridge.plane == (plane, 0)
    for channel in (0, 1):  # seen over both channels
        world = desk.viewer.layers["cells"].data_to_world((plane, channel, 20, 20))
        np.testing.assert_allclose(bridge.layer.world_to_data(world)[[0, 2, 3]], (plane, 20, 20))
        assert bridge.layer.get_value(world, world=True) == 1


def test_multiscale_and_lazy(desk: Desk) -> None:
    import dask.array as da

    full = np.random.default_rng(0).integers(0, 255, (60, 80), np.uint8)
    pyramid = [da.from_array(full), da.from_array(full[::2, ::2])]
    desk.show(pyramid, multiscale=True)
    bridge = desk.segment()
    np.testing.assert_array_equal(desk.engine.asked[-1].image, full)
    assert bridge.layer.data.shape == (60, 80)
    assert in_step(bridge)


def test_pixels_are_read_off_the_main_thread(desk: Desk) -> None:
    read_on = []

    class Lazy(np.ndarray):
        def __getitem__(self, key: Any) -> Any:
            read_on.append(threading.current_thread())
            return super().__getitem__(key)

    image = desk.show(GRAY)
    source = source_of(image, channel_choices(image)[0], (0, 0))
    assert source.read().shape == GRAY.shape
    image.data = GRAY.view(Lazy)
    read_on.clear()
    desk.widget.segment_button.click()
    assert threading.main_thread() not in read_on
    desk.wait(lambda: desk.widget.bridge is not None)
    assert any(thread is not threading.main_thread() for thread in read_on)


def test_geometry_of_shear(desk: Desk) -> None:
    image = desk.show(np.zeros((9, 60, 80)), shear=(0, 0, 0.2), rotate=(0, 0, 10))
    for shape in ((9, 60, 80), (60, 80)):
        layer = desk.viewer.add_labels(np.zeros(shape, int), **geometry_of(image, shape))
        point = (0, 10, 20)[-len(shape) :]
        expected = image.data_to_world((0, 10, 20))[-len(shape) :]
        np.testing.assert_allclose(layer.data_to_world(point), expected)


# -- after a run --------------------------------------------------------------------------


def test_slider_is_live_and_one_undo_entry(desk: Desk) -> None:
    desk.show()
    bridge = desk.segment()
    slider = desk.result.slider
    slider.setSliderDown(True)
    for value in (40, 30, 20):
        slider.setValue(value)
        desk.wait(lambda value=value: bridge.review.nuclei.threshold == value / 100)
        assert in_step(bridge)
    assert bridge.layer.data[45, 20] == 4
    slider.setValue(25)
    slider.setSliderDown(False)
    assert [e.summary() for e in bridge.review.done[1:]] == ["threshold 0.50 → 0.25"]
    slider.setSliderDown(True)
    slider.setValue(95)
    slider.setSliderDown(False)
    assert len(bridge.review.done) == 3
    assert not bridge.layer.data.any()
    desk.result.undo_button.click()
    desk.wait(lambda: desk.result.threshold == 0.25)
    assert len(desk.engine.asked) == 1  # without another run


def test_slider_moves_only_the_review_it_was_shown_for(desk: Desk) -> None:
    images = [desk.show(name=name) for name in "ab"]
    bridges = []
    for image in images:
        desk.viewer.layers.selection.active = image
        bridges.append(desk.segment())
    desk.result.threshold_box.setValue(0.2)
    desk.viewer.layers.selection.active = images[0]  # before the slider has settled
    desk.wait(lambda: not desk.result.minimum._timer.isActive())
    settle()
    assert [b.review.nuclei.threshold for b in bridges] == [0.5, 0.2]
    assert desk.result.threshold == 0.5


def test_slider_spares_what_a_person_touched(desk: Desk) -> None:
    desk.show()
    bridge = desk.segment()
    bridge.review.do(edits.accept(bridge.review.nuclei, [3]))
    bridge.layer.paint((10, 60), 5)
    desk.result.threshold_box.setValue(1)
    desk.wait(lambda: bridge.review.nuclei.threshold == 1)
    assert set(np.unique(bridge.layer.data)) == {0, 3, 5}


def test_state_in_words(desk: Desk) -> None:
    desk.show()
    bridge = desk.segment()
    assert desk.result.state.text() == "3 nuclei\n1 with lower scores are hidden"
    review = bridge.review
    review.do(edits.accept(review.nuclei, [1]))
    review.do(edits.reject(review.nuclei, [3]))
    bridge.layer.paint((10, 60), 5)
    bridge.layer.paint((30, 34), 2)
    wanted = "3 nuclei · 1 accepted · 1 corrected · 1 added · 1 rejected"
    desk.wait(lambda: desk.result.state.text().startswith(wanted))
    assert "paint 2" in desk.result.undo_button.toolTip()


def test_undo_and_redo_buttons(desk: Desk) -> None:
    desk.show()
    bridge = desk.segment()
    desk.result.undo_button.click()
    assert not len(bridge.review.nuclei)
    assert not desk.result.undo_button.isEnabled()
    desk.result.redo_button.click()
    assert len(bridge.review.nuclei) == 4


def test_removed_layer_comes_back(desk: Desk) -> None:
    desk.show()
    bridge = desk.segment()
    bridge.layer.paint((10, 60), 5)
    data, done = bridge.layer.data.copy(), list(bridge.review.done)
    desk.viewer.layers.remove(bridge.layer)
    desk.wait(lambda: not desk.result.back_button.isHidden())
    desk.result.back_button.click()
    again = desk.widget.bridge
    assert again is not bridge
    np.testing.assert_array_equal(again.layer.data, data)
    assert again.review.done == done
    again.layer.undo()
    assert in_step(again)


def test_copied_layer_parts(desk: Desk) -> None:
    desk.show()
    bridge = desk.segment()
    desk.viewer.layers.selection = {bridge.layer}
    from napari.layers._layer_actions import _duplicate_layer

    _duplicate_layer(desk.viewer.layers)
    copy = desk.viewer.layers["cells nuclei copy"]
    assert is_review(copy)
    copy.paint((10, 60), 5)
    assert 5 not in bridge.review.nuclei
    assert in_step(bridge)
    assert in_step(desk.widget.session.bridges[copy])


def test_image_made_of_the_nuclei_is_not_their_image(desk: Desk) -> None:
    image = desk.show()
    bridge = desk.segment()
    made = desk.show(bridge.layer.data, name="made", metadata={KEY: bridge.record})
    assert desk.widget.session.record_of(made) is None
    assert desk.widget.session.image_of(bridge.layer) is image


def test_users_own_labels_are_left_alone(desk: Desk) -> None:
    labels = desk.viewer.add_labels(np.zeros((60, 80), int))
    desk.show()
    desk.segment()
    assert not is_review(labels)
    labels.paint((10, 60), 5)
    labels.undo()
    assert not labels.data.any()


# -- export -------------------------------------------------------------------------------


def test_export(desk: Desk, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    desk.show()
    bridge = desk.segment()
    bridge.layer.paint((10, 60), 5)
    request = Request(tmp_path / "a.json", "coco", 3)
    monkeypatch.setattr(widget, "ask_export", lambda record, parent: request)
    desk.result.export_button.click()
    assert desk.widget.message.text() == "Wrote 4 nuclei to a.json."
    assert coco.read(tmp_path / "a.json").nuclei[3] == bridge.review.nuclei
    request = Request(tmp_path / "no" / "a.json", "results", 3)
    desk.result.export_button.click()
    assert desk.widget.message.text().startswith("⚠ cannot write")


def test_dialog_asks_for_format_and_id(
    qtbot: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    dialog = ExportDialog(Record((60, 80), "cells.png"))
    qtbot.addWidget(dialog)
    ids = tmp_path / "ids.json"
    ids.write_text(json.dumps([{"file_name": "cells.png", "height": 60, "width": 80, "id": 12}]))
    dialog.look_up(ids)
    assert dialog.id_box.value() == 12
    dialog.look_up(tmp_path / "none.json")
    assert "no such file" in dialog.problem.text()
    dialog.format_box.setCurrentIndex(1)
    name = str(tmp_path / "out")
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_, **__: (name, ""))
    dialog.browse_button.click()
    assert dialog.note.text() == "Writes out.results.json."
    dialog.save_button.click()
    assert dialog.request == Request(tmp_path / "out.results.json", "results", 12)


def export_dialog_in(folder: Path, qtbot: Any) -> ExportDialog:
    file = folder / "cells.png"
    dialog = ExportDialog(Record((60, 80), "cells.png", file=file))
    qtbot.addWidget(dialog)
    return dialog


def test_return_exports_beside_the_image(qtbot: Any, tmp_path: Path) -> None:
    dialog = export_dialog_in(tmp_path, qtbot)
    assert dialog.place.text() == str(tmp_path / "cells.coco.json")
    dialog.show()
    qtbot.keyClick(dialog, Qt.Key.Key_Return)
    assert dialog.request == Request(tmp_path / "cells.coco.json", "coco", dialog.id_box.value())


def test_format_keeps_folder_and_name(qtbot: Any, tmp_path: Path) -> None:
    dialog = export_dialog_in(tmp_path, qtbot)
    names = {
        "labels": "x.labels.tif",
        "geojson": "x.geojson",
        "masks": "",
        "coco": "cells.coco.json",
    }
    dialog.place.setText(str(tmp_path / "x.json"))
    for format, name in names.items():
        dialog.format_box.setCurrentIndex(WRITABLE.index(format))
        assert dialog.place.text() == str(tmp_path / name)
    dialog.place.setText(str(tmp_path / "bare"))
    dialog.format_box.setCurrentIndex(WRITABLE.index("geojson"))
    assert dialog.place.text() == str(tmp_path / "bare.geojson")


def test_no_file_is_replaced_unsaid(qtbot: Any, tmp_path: Path) -> None:
    dialog = export_dialog_in(tmp_path, qtbot)
    dialog.place.setText(str(tmp_path / "x"))
    assert dialog.save_button.text() == "Export"
    (tmp_path / "x.coco.json").touch()
    dialog.save_button.click()
    assert dialog.request is None
    assert dialog.note.text() == "⚠ x.coco.json exists already and will be replaced."
    assert dialog.save_button.text() == "Replace"
    dialog.save_button.click()
    assert dialog.request is not None
    assert dialog.request.path == tmp_path / "x.coco.json"


def test_dialog_takes_no_place_that_is_none(qtbot: Any, tmp_path: Path) -> None:
    dialog = export_dialog_in(tmp_path, qtbot)
    for text, problem in {
        "": "Choose where to write",
        str(tmp_path): "is a folder",
        str(tmp_path / "none" / "x.json"): "There is no folder",
    }.items():
        dialog.place.setText(text)
        assert problem in dialog.note.text()
        assert not dialog.save_button.isEnabled()
    (tmp_path / "file").touch()
    dialog.format_box.setCurrentIndex(WRITABLE.index("masks"))
    dialog.place.setText(str(tmp_path / "file"))
    assert "is a file" in dialog.note.text()
    assert not dialog.save_button.isEnabled()


def test_no_answer_exports_nothing(qtbot: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ExportDialog, "exec", lambda self: self.reject())
    assert export_dialog.ask_export(Record((60, 80)), None) is None  # type: ignore[arg-type]


def test_id_of_another_image_is_refused(tmp_path: Path) -> None:
    ids = tmp_path / "ids.json"
    rows = [{"file_name": f"{n}.png", "height": 60, "width": 80, "id": n} for n in (1, 2)]
    ids.write_text(json.dumps(rows))
    assert find_image_id(ids, "2", (60, 80)) == 2
    with pytest.raises(UserError, match="does not list"):
        find_image_id(ids, "3.png", (60, 80))
    with pytest.raises(UserError, match="80×60 px, but it is 60×80"):
        find_image_id(ids, "2.png", (80, 60))


# -- the session --------------------------------------------------------------------------


def test_one_session_a_viewer_which_goes_with_it(qapp: Any) -> None:
    from napari.components import ViewerModel

    def use() -> list[Any]:
        viewer = ViewerModel()
        session = session_of(viewer)
        assert Session.of(PublicOnlyProxy(viewer)) is session
        bridge = session.open(viewer.add_image(GRAY), (60, 80))
        actions, folder = actions_of(bridge), Folder.of(viewer)
        things = [viewer, session, bridge, actions, prompts_of(actions), folder]
        assert None not in things
        return [weakref.ref(thing) for thing in things]

    gone = use()
    gc.collect()
    assert {ref() for ref in gone} == {None}


def test_what_works_on_a_review_layer_comes_and_goes_with_it(qapp: Any) -> None:
    from napari.components import ViewerModel

    viewer = ViewerModel()
    bridge = Session.of(viewer).open(viewer.add_image(GRAY), (60, 80))
    assert actions_of(bridge) is None
    session = session_of(viewer)
    actions = actions_of(bridge)
    assert actions is not None, "what there is already gets its actions too"
    assert prompts_of(actions) is not None
    session_of(viewer)
    assert actions_of(bridge) is actions
    viewer.layers.remove(bridge.layer)
    assert actions_of(bridge) is prompts_of(actions) is None
    session.close()


def test_each_key_does_something() -> None:
    assert {key.name for key in KEYS} == reviewing.ON_KEYS.keys() | prompting.ON_KEYS.keys()


def test_widget_takes_over_layers_that_were_there(make_viewer: Any, qtbot: Any) -> None:
    viewer = make_viewer()
    record = Record((60, 80), "cells.png")
    record.review().do(edits.add(record.review().nuclei, disk(20, 20, 5)))
    viewer.add_image(GRAY, name="cells")
    layer = viewer.add_labels(record.draw(), metadata={KEY: record})
    desk = Desk(lambda **_: viewer, qtbot)
    desk.settings.choose_image(viewer.layers["cells"])
    assert desk.widget.bridge.layer is layer
    layer.undo()
    assert not layer.data.any()


# -- the project's own models -------------------------------------------------------------


def result_of(running: Any) -> Any:
    """Run a generator to its end and return its value."""
    while True:
        try:
            next(running)
        except StopIteration as end:
            return end.value


def test_model_is_loaded_once_and_anew_on_another_device(monkeypatch: pytest.MonkeyPatch) -> None:
    from napari_nuclei import models
    from napari_nuclei.models import registry

    loaded = []

    def steps(image: Any, detector: Any, diameter: float | None, area: Any = None) -> Any:
        yield Progress(0, 1)
        return image, detector, diameter

    def load(model: str, device: str) -> str:
        loaded.append((model, device))
        return f"{model} on {device}"

    monkeypatch.setitem(
        sys.modules, "napari_nuclei.prediction.predict", SimpleNamespace(segment_steps=steps)
    )
    monkeypatch.setattr(registry, "find", lambda model: CARD)
    monkeypatch.setattr(models, "load", load)
    monkeypatch.setattr(models, "devices", lambda: ["cuda:0", "cpu"])
    engine = ModelEngine()
    assert engine.devices() == ["auto", "cpu"]
    for device in ("auto", "auto", "cpu"):
        running = engine.segment(GRAY, "fake", device, 20.0)
        assert result_of(running)[1:] == (f"fake on {device}", 20.0)
    assert loaded == [("fake", "auto"), ("fake", "cpu")]
    assert engine.devices() == ["auto", "cuda:0", "cpu"]


def test_run_gets_its_own_model_though_a_cancelled_one_loads_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from napari_nuclei import models
    from napari_nuclei.models import registry

    engine = ModelEngine()

    def devices() -> list[str]:
        engine._loaded = (("other", "cpu", ""), "other")  # as the other thread may at any time
        return ["cpu"]

    monkeypatch.setattr(registry, "find", lambda model: CARD)
    monkeypatch.setattr(models, "load", lambda model, device: f"{model} on {device}")
    monkeypatch.setattr(models, "devices", devices)
    assert engine._load("fake", "cpu") == "fake on cpu"


@pytest.mark.screen
def test_torch_loads_beside_a_window() -> None:
    """Mesa's LLVM and that of triton would crash the process; see `_napari/segment/llvm.py`."""
    code = (
        "import napari, numpy as np\n"
        "viewer = napari.Viewer()\n"
        "viewer.add_image(np.zeros((9, 9)))\n"
        "viewer.screenshot(flash=False)\n"
        "from napari_nuclei._napari.segment.llvm import hide_triton_from_mesa\n"
        "hide_triton_from_mesa()\n"
        "import torchvision\n"
        "viewer.close()\n"
    )
    answer = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )
    assert answer.returncode == 0, answer.stderr


def test_models_are_offered_with_the_one_in_use_first(monkeypatch: pytest.MonkeyPatch) -> None:
    from napari_nuclei.models import registry

    cards = [CARD.model_copy(update={"name": name}) for name in ("a", "b", "c")]
    monkeypatch.setattr(registry, "cards", lambda: cards)
    monkeypatch.setattr(registry, "current", lambda: cards[1])
    assert [card.name for card in ModelEngine().cards()] == ["b", "a", "c"]


def test_window_of_the_shell(make_viewer: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    import napari

    monkeypatch.setattr(napari, "Viewer", make_viewer)
    nuclei = Nuclei((60, 80))
    edits.propose(nuclei, FOUND, "fake", 0.5).apply_to(nuclei)
    viewer = launch.make_viewer(Path("cells.png"), GRAY, nuclei)
    layer = viewer.layers["cells nuclei"]
    assert is_review(layer)
    assert viewer.layers.selection.active is layer
    layer.paint((10, 60), 5)
    assert 5 in layer.metadata[KEY].review().nuclei
