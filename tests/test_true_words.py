"""What the window says is so: messages of what is in view, results below the threshold, keys."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from desk import GRAY, Desk
from folders import write_images
from gui import FOUND, in_step, settle
from napari.layers import Image
from napari.settings import get_settings
from napari.utils.key_bindings import KeyBinding
from napari.utils.shortcuts import default_shortcuts
from psygnal import Signal
from qtpy.QtWidgets import QLabel

from napari_nuclei._napari.layers.drawing import first_pixels
from napari_nuclei._napari.layers.keys import KEYS, TOOLS, listed
from napari_nuclei._napari.layers.record import KEY, Record
from napari_nuclei._napari.segment.segmenting import BELOW
from napari_nuclei._napari.session.messages import Messages
from napari_nuclei._napari.session.voice import Voice
from napari_nuclei.masks import Mask
from napari_nuclei.nuclei import Nuclei, edits
from napari_nuclei.review import Review

SQUARE = Mask.from_array(np.ones((6, 6)))


# -- messages -----------------------------------------------------------------------------


class Scene(Voice):
    """Two images and a stack, one of which is in view, and what is said of them."""

    stepped = Signal()

    def __init__(self, qtbot: Any) -> None:
        self.label = QLabel()
        qtbot.addWidget(self.label)
        self.a, self.b = Image(GRAY, name="a"), Image(GRAY, name="b")
        self.stack = Image(np.zeros((5, 60, 80), np.uint8), name="stack")
        self.settings = SimpleNamespace(image=self.a)
        dims = SimpleNamespace(point=(0,), events=SimpleNamespace(current_step=self.stepped))
        self.viewer = SimpleNamespace(dims=dims)
        self.messages = Messages(
            self.label,
            self,  # type: ignore[arg-type]
            lambda: self.settings.image,
        )

    def bridge_of(self, image: Any) -> None:
        """No image has a review layer here."""

    def image_of(self, layer: Any) -> None:
        """No layer is a review layer here."""

    def go(self, image: Any, plane: int | None = None) -> str:
        """Go to an image; return what is shown then."""
        self.settings.image = image
        if plane is not None:
            self.viewer.dims.point = (plane, 0, 0)
        self.messages.follow()
        return self.shown

    @property
    def shown(self) -> str:
        assert self.label.isHidden() == (not self.label.text())
        return self.label.text()


@pytest.fixture
def scene(qtbot: Any) -> Scene:
    return Scene(qtbot)


def test_a_line_goes_with_its_image_and_comes_back_with_it(scene: Scene) -> None:
    scene.messages.say("of a", problem=True, of=(scene.a, None))
    assert scene.shown == "⚠ of a"
    assert scene.go(scene.b) == ""
    scene.messages.say("of b", of=(scene.b, None))
    assert scene.go(scene.a) == "⚠ of a"
    assert scene.go(scene.b) == "of b"
    scene.messages.say("", of=(scene.b, None))
    assert scene.go(scene.a) == "⚠ of a"
    assert scene.go(scene.b) == "", "what was taken back comes back"


def test_a_line_about_something_else_says_so_and_is_not_kept(scene: Scene) -> None:
    scene.messages.say("Done.", of=(scene.b, None))
    assert scene.shown == "“b”: Done."
    assert scene.go(scene.b) == "“b”: Done.", "it is still news"
    scene.messages.say("Bound to be said.", of=(scene.stack, None))
    assert scene.shown == "“stack”: Bound to be said."
    scene.messages.say("“stack” is done.", of=(scene.stack, None))
    assert scene.shown == "“stack” is done."
    scene.go(scene.a)
    scene.messages.say("Bad", of=(scene.b, None))
    assert scene.shown == "“b”: Bad", "its name is no part of a word"
    assert scene.go(scene.b) == "“b”: Bad"
    assert scene.go(scene.stack, 0) == ""
    assert scene.go(scene.b) == ""


def test_a_line_about_nothing_in_particular_stays_until_the_second_other_image(
    scene: Scene,
) -> None:
    scene.messages.say("The disk is full.", problem=True)
    assert scene.go(scene.b) == "⚠ The disk is full."
    assert scene.go(scene.a) == "⚠ The disk is full."
    assert scene.go(scene.stack, 0) == ""


def test_a_line_goes_with_its_plane(scene: Scene) -> None:
    scene.go(scene.stack, 2)
    scene.messages.say("of plane 2", of=(scene.stack, (2,)))
    assert scene.go(scene.stack, 3) == ""
    scene.messages.say("of all planes", of=(scene.stack, None))
    assert scene.go(scene.stack, 2) == "of all planes", "what was said last"
    assert scene.go(scene.a) == ""
    assert scene.go(scene.stack, 4) == "of all planes"


def test_what_threads_tell_is_shown_on_the_main_one(scene: Scene, qtbot: Any) -> None:
    scene.announce("elsewhere")
    assert scene.shown == ""
    qtbot.waitUntil(lambda: scene.shown == "⚠ elsewhere")
    assert scene.go(scene.b) == "⚠ elsewhere"
    scene.go(scene.a)
    scene.tell("of what is in view")
    qtbot.waitUntil(lambda: scene.shown == "⚠ of what is in view")
    assert scene.go(scene.b) == ""


# -- results ------------------------------------------------------------------------------


def test_no_hint_where_no_nucleus_reaches_the_threshold(desk: Desk) -> None:
    desk.show()
    desk.engine.found = [FOUND[3]]
    bridge = desk.segment()
    assert bridge.review.counts.shown == 0
    assert desk.said == BELOW
    desk.engine.found = FOUND[2:]
    desk.segment()
    assert "Step through the doubtful ones" in desk.said


def test_the_threshold_is_that_of_the_review(desk: Desk) -> None:
    desk.show()
    bridge = desk.segment()
    bridge.review.do(edits.set_threshold(bridge.review.nuclei, 0.95))
    desk.segment()
    assert desk.said == BELOW
    bridge.review.do(edits.set_threshold(bridge.review.nuclei, 0.2))
    desk.segment()
    assert desk.said != BELOW


@pytest.mark.parametrize(
    ("found", "said"), [([], "“a”: No nuclei were found."), (FOUND, "“a” is segmented: select")]
)
def test_what_comes_of_another_image_is_said_of_it(desk: Desk, found: Any, said: str) -> None:
    a, b = (desk.viewer.add_image(GRAY + k, name="ab"[k]) for k in range(2))
    desk.widget.settings.choose_image(a)
    desk.engine.found = found
    desk.engine.gate.clear()
    desk.widget.segment()
    desk.widget.settings.choose_image(b)
    with desk.qtbot.waitSignal(desk.widget.segmenting.ended, timeout=60_000):
        desk.engine.gate.set()
    assert desk.widget.settings.image is b, "whoever has gone to another image stays there"
    assert desk.said.startswith(said)


@pytest.mark.screen
def test_napari_may_slice_in_the_background(open_desk: Callable[..., Desk], qtbot: Any) -> None:
    settings = get_settings().experimental
    settings.async_ = True
    try:
        desk = open_desk()
        desk.show()
        bridge = desk.segment()
        assert "Step through the doubtful ones" in desk.said
        assert in_step(bridge)
        qtbot.waitUntil(lambda: bridge.layer.loaded)
        bridge.review.do(edits.reject(bridge.review.nuclei, [1]))
        assert in_step(bridge)
        qtbot.waitUntil(lambda: all(layer.loaded for layer in desk.viewer.layers))
    finally:
        settings.async_ = False


def test_advice_on_keys_goes_with_the_layer_of_the_nuclei(desk: Desk) -> None:
    image = desk.show()
    bridge = desk.segment()
    desk.viewer.layers.remove(desk.viewer.layers["cells nuclei outlines"])
    assert "Step through the doubtful ones" in desk.said
    desk.viewer.layers.remove(bridge.layer)
    assert desk.said == ""
    assert image in desk.viewer.layers


def test_without_an_image_the_active_review_is_that_of_the_panel(desk: Desk) -> None:
    layers = []
    for name in "ab":
        nuclei = Nuclei((60, 80))
        review = Review(nuclei)
        review.do(edits.add(nuclei, SQUARE))
        record = Record((60, 80), f"{name}.png", reviews={(): review})
        layers.append(
            desk.viewer.add_labels(first_pixels(record), name=name, metadata={KEY: record})
        )
    for layer in layers:
        desk.viewer.layers.selection.active = layer
        assert desk.widget.bridge.layer is layer
        desk.qtbot.waitUntil(lambda: desk.widget.result.state.text() == "1 nucleus · 1 added")
        assert desk.widget.sample_button.isHidden()
        assert desk.widget.advice.isHidden()
        assert not desk.widget.review.isHidden()
        assert not desk.widget.segment_button.isEnabled()
    edit = edits.delete(desk.widget.bridge.review.nuclei, [1])
    desk.widget.bridge.review.do(edit)
    desk.qtbot.waitUntil(lambda: desk.widget.result.state.text() == "0 nuclei")
    desk.viewer.layers.selection.active = desk.viewer.add_points([[1, 1]])
    assert desk.widget.bridge is None
    assert desk.widget.review.isHidden()


# -- a folder -----------------------------------------------------------------------------


def test_what_a_folder_leaves_out_stays_to_be_read(desk: Desk, tmp_path: Path) -> None:
    write_images(tmp_path, 3)
    (tmp_path / "cell1.overlay.png").write_bytes((tmp_path / "cell1.png").read_bytes())
    (tmp_path / "cell1.labels.tif").write_bytes(b"")
    desk.open_folder(tmp_path)
    settle()
    said = desk.widget.message.text()
    assert said.startswith("⚠ ")
    assert "left out 2: cell1.labels.tif, cell1.overlay.png (written by napari-nuclei" in said
    desk.turn(desk.folder_panel.next_button)
    desk.turn(desk.folder_panel.next_button)
    assert desk.widget.message.text() == "", "it is no news any more"


def test_areas_to_ignore_are_said(desk: Desk, tmp_path: Path) -> None:
    import json

    write_images(tmp_path, 1)
    rle = {"size": [60, 80], "counts": [0, 36, 4764]}
    rows = [
        {"id": k, "image_id": 1, "category_id": 1, "segmentation": rle, "iscrowd": k % 2}
        for k in (1, 2)
    ]
    images = [{"id": 1, "file_name": "cell1.png", "height": 60, "width": 80}]
    path = tmp_path / "truth.json"
    path.write_text(json.dumps({"images": images, "annotations": rows, "categories": []}))
    desk.open_folder(path)
    settle()
    assert "truth.json: 1 area to ignore is kept, not shown." in desk.widget.message.text()


# -- the list of keys ---------------------------------------------------------------------


def rows(default: bool = False) -> dict[str, str]:
    """What is listed: what it does, and the keys."""
    return {text: keys for keys, text in listed(default)}


@pytest.mark.parametrize("default", [True, False])
def test_the_list_has_napari_s_own_keys(default: bool) -> None:
    found = rows(default)
    [(tools, keys)] = [(t, k) for t, k in found.items() if "eraser" in t]
    assert tools.split(", ") == [text for _, text in TOOLS]
    bound = [{str(k) for k in default_shortcuts[f"napari:{action}"]} for action, _ in TOOLS]
    assert all(key in known for key, known in zip(keys.split(), bound, strict=True))
    pan = keys.split()[-1]
    assert pan == "6"
    assert found[f"with pan and zoom ({pan}): select a nucleus"] == "Click"
    assert not any("7" in keys.split() for keys in found.values()), "that is transform"
    assert found["undo and redo, across all tools and restarts"] == "Ctrl+Z, Ctrl+Shift+Z"
    assert {key.text: key.key for key in KEYS}.items() <= found.items()


def test_the_list_follows_napari_s_preferences() -> None:
    settings = get_settings().shortcuts
    before = dict(settings.shortcuts)
    try:
        settings.shortcuts = {
            **before,
            "napari:activate_labels_pan_zoom_mode": [KeyBinding.from_str("8")],
            "napari:activate_labels_fill_mode": [],
        }
        found = rows()
        [(tools, keys)] = [(t, k) for t, k in found.items() if "eraser" in t]
        assert keys.split()[-1] == "8"
        assert "fill" not in tools
        assert found["with pan and zoom (8): select a nucleus"] == "Click"
    finally:
        settings.shortcuts = before
