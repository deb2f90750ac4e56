"""Keys and gestures of the review layer: real keys and mouse in a real window."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from gui import FOUND, FakeEngine, Hand, in_step, settle, window_with_nuclei
from napari.settings import get_settings
from napari.utils.action_manager import action_manager
from qtpy.QtCore import Qt

from napari_nuclei._napari.layers.camera import camera_of
from napari_nuclei._napari.layers.keys import KEYS, listed, of_napari
from napari_nuclei._napari.layers.state_outlines import Look
from napari_nuclei._napari.review.reviewing import actions_of
from napari_nuclei.nuclei import State

pytestmark = pytest.mark.screen

PLACE = {"scale": (0.5, 0.25), "translate": (100, -7), "rotate": 20}
Key = Qt.Key


@pytest.fixture
def hand(
    request: pytest.FixtureRequest, make_viewer: Callable[..., Any], qtbot: Any
) -> Iterator[Hand]:
    # The candidate is so unlikely that the queue leads to it late.
    engine = FakeEngine([*FOUND[:3], (FOUND[3][0], 0.1)])
    place = getattr(request, "param", {})
    yield window_with_nuclei(make_viewer, qtbot, engine=engine, **place)
    settle()


def states(hand: Hand) -> dict[int, State]:
    return {n.id: n.state for n in hand.bridge.review.nuclei}


@pytest.mark.parametrize("hand", [{}, {"scale": (0.5, 0.5), "translate": (9, -7)}], indirect=True)
@pytest.mark.parametrize(
    ("key", "state"), [(Key.Key_A, State.ACCEPTED), (Key.Key_R, State.REJECTED)]
)
def test_keys_act_on_the_nucleus_under_the_mouse(hand: Hand, key: Any, state: State) -> None:
    hand.move(45, 60)
    hand.key(key)
    assert states(hand) == {1: State.PROPOSED, 2: State.PROPOSED, 3: state, 4: State.PROPOSED}
    assert in_step(hand.bridge)
    hand.undo()
    assert set(states(hand).values()) == {State.PROPOSED}


def test_a_click_selects_and_delete_deletes(hand: Hand) -> None:
    hand.click(45, 60)
    assert hand.bridge.review.selection == (3,)
    hand.move(20, 20)
    hand.key(Key.Key_Delete)
    assert states(hand)[3] is State.REJECTED
    assert states(hand)[1] is State.PROPOSED
    assert len(hand.viewer.layers) == 3, "Delete took a layer away"
    hand.click(2, 70)
    assert hand.bridge.review.selection == ()


@pytest.mark.parametrize("mode", ["pan_zoom", "paint", "erase", "fill"])
def test_shift_click_adds_whatever_tool_is_on(hand: Hand, mode: str) -> None:
    hand.bridge.layer.mode = mode
    with hand.shift():
        hand.click(20, 16)
        hand.click(45, 60)
    assert hand.bridge.review.selection == (1, 3)
    with hand.shift():
        hand.click(20, 16)
    assert hand.bridge.review.selection == (3,)
    assert [e.name for e in hand.bridge.review.done] == ["segment"], "the tool has drawn"
    assert str(hand.bridge.layer.mode) == mode


def test_selected_nuclei_are_joined(hand: Hand) -> None:
    with hand.shift():
        hand.click(20, 16)
        hand.click(26, 38)
    hand.key(Key.Key_J)
    joined = hand.bridge.review.nuclei[1]
    assert joined.origin.parents == (1, 2)
    assert states(hand)[2] is State.REJECTED
    assert joined.mask.contains(26, 38)
    hand.undo()
    assert states(hand)[2] is State.PROPOSED


def test_a_line_joins_what_it_crosses_until_the_tool_is_put_down(hand: Hand) -> None:
    said: list[str] = []
    actions_of(hand.bridge).told.connect(said.append)
    hand.key(Key.Key_J)
    hand.drag((20, 16), (23, 28), (26, 38))
    joined = hand.bridge.review.nuclei[1]
    assert joined.origin.parents == (1, 2)
    assert states(hand)[2] is State.REJECTED
    hand.drag((40, 60), (45, 60), (50, 60))
    assert "does not cross two nuclei" in said[-1]
    hand.drag((45, 60), (36, 50), (26, 38))
    assert hand.bridge.review.nuclei[3].origin.parents == (3, 1)
    assert in_step(hand.bridge)
    hand.key(Key.Key_Escape)
    hand.undo()
    hand.undo()
    assert set(states(hand).values()) == {State.PROPOSED}
    assert in_step(hand.bridge)


@pytest.mark.parametrize("mode", ["pan_zoom", "paint"])
def test_lasso_selects_and_the_camera_stays(hand: Hand, mode: str) -> None:
    hand.bridge.layer.mode = mode
    before = camera_of(hand.viewer).center
    with hand.shift():
        hand.drag((5, 5), (5, 45), (38, 45), (38, 5), (6, 6))
    assert hand.bridge.review.selection == (1, 2)
    assert camera_of(hand.viewer).center == before
    assert "drag" not in hand.viewer.layers, "the picture of the lasso stays"
    assert hand.viewer.layers.selection.active is hand.bridge.layer
    hand.key(Key.Key_R)
    assert states(hand)[1] is states(hand)[2] is State.REJECTED


def test_lines_split_until_the_tool_is_put_down(hand: Hand) -> None:
    hand.bridge.layer.mode = "paint"
    hand.key(Key.Key_S)
    before = camera_of(hand.viewer).center
    hand.drag((32, 60), (45, 60), (58, 60))
    hand.drag((20, 4), (20, 20), (20, 34))
    assert [e.name for e in hand.bridge.review.done] == ["segment", "split", "split"]
    assert camera_of(hand.viewer).center == before
    hand.key(Key.Key_Escape)
    assert str(hand.bridge.layer.mode) == "paint"
    hand.click(5, 70)
    assert hand.bridge.review.done[-1].name == "paint"
    for _ in range(3):
        hand.undo()
    assert len(hand.bridge.review.nuclei) == 4
    assert in_step(hand.bridge)


def test_a_line_beside_every_nucleus_is_refused_in_words(hand: Hand) -> None:
    said: list[str] = []
    actions_of(hand.bridge).told.connect(said.append)
    hand.key(Key.Key_S)
    hand.drag((2, 60), (2, 78))
    assert "does not cross" in said[-1]
    assert len(hand.bridge.review.done) == 1


def test_napari_s_own_tool_puts_ours_down(hand: Hand) -> None:
    hand.key(Key.Key_S)
    assert actions_of(hand.bridge).gestures.tool is not None
    hand.key(Key.Key_2)
    assert actions_of(hand.bridge).gestures.tool is None
    assert str(hand.bridge.layer.mode) == "paint"
    assert hand.bridge.layer.mouse_pan is False  # the brush's own


def test_n_goes_to_the_least_sure_and_a_goes_on(hand: Hand) -> None:
    hand.key(Key.Key_N)
    assert hand.bridge.review.selection == (3,)
    centre = hand.bridge.layer.data_to_world((45, 60))
    np.testing.assert_allclose(camera_of(hand.viewer).center[-2:], centre, atol=1)
    hand.key(Key.Key_A)
    assert states(hand)[3] is State.ACCEPTED
    assert hand.bridge.review.selection == (2,)
    hand.key(Key.Key_N, Qt.KeyboardModifier.ShiftModifier)
    assert hand.bridge.review.selection == (3,)
    hand.key(Key.Key_N)
    assert hand.bridge.review.selection == (2,)
    hand.key(Key.Key_R)
    assert len(hand.bridge.review.selection) == 1
    hand.key(Key.Key_A)
    hand.key(Key.Key_A)  # the candidate below the threshold has its turn too
    assert hand.bridge.review.selection == ()
    assert "No proposal is left" in hand.widget.message.text()


def test_brush_works_on_the_nucleus_that_n_leads_to(hand: Hand) -> None:
    hand.key(Key.Key_N)
    assert hand.bridge.layer.selected_label == 3
    hand.key(Key.Key_2)
    hand.click(45, 70)
    assert hand.bridge.review.nuclei[3].mask.contains(45, 70)


def test_keys_do_nothing_on_other_layers(hand: Hand) -> None:
    hand.move(45, 60)
    hand.viewer.layers.selection.active = hand.viewer.layers["cells"]
    hand.key(Key.Key_A)
    assert set(states(hand).values()) == {State.PROPOSED}


def test_outlines_follow_states_and_selection(hand: Hand, qtbot: Any) -> None:
    outlines = hand.viewer.layers["cells nuclei outlines"]
    assert outlines.data[45, 52] == Look.DOUBTFUL
    assert outlines.data[20, 10] == Look.PROPOSED
    assert outlines.data[45, 60] == 0
    hand.move(45, 60)
    hand.key(Key.Key_A)
    assert outlines.data[45, 52] == Look.ACCEPTED
    hand.click(45, 60)
    assert outlines.data[45, 52] == Look.SELECTED
    hand.viewer.layers.selection.active = outlines
    settle()
    assert hand.viewer.layers.selection.active is hand.bridge.layer
    hand.widget.review.outlines_box.click()
    # Layers go one by one, as napari draws.
    qtbot.waitUntil(lambda: "cells nuclei outlines" not in hand.viewer.layers, timeout=60_000)
    hand.widget.review.outlines_box.click()
    assert hand.viewer.layers["cells nuclei outlines"].data[45, 52] == Look.SELECTED


def test_h_shows_and_hides_the_keys(hand: Hand) -> None:
    hand.key(Key.Key_H)
    overlay = hand.widget._help._overlay
    assert overlay.isVisible()
    assert overlay.parentWidget().rect().contains(overlay.geometry()), "the list is cut off"
    labels = overlay.findChildren(type(hand.widget.message))
    words = [label.text() for label in labels if label.isVisible()]
    assert len(words) == len(set(words)), "a list of another size lies below"
    assert all(any(key.text == text for text in words) for key in KEYS)
    hand.key(Key.Key_H)
    assert not overlay.isVisible()


TOOLS = {
    "eraser": "erase",
    "brush": "paint",
    "polygon": "polygon",
    "fill": "fill",
    "pick a label": "pick",
    "pan and zoom": "pan_zoom",
}
"""What the list of keys calls a tool, and its mode."""


def test_napari_s_keys_do_what_the_list_says(hand: Hand) -> None:
    found = {text: keys for keys, text in listed()}
    layer = hand.bridge.layer
    [(tools, keys)] = [(text, keys) for text, keys in found.items() if "eraser" in text]
    for key, tool in zip(keys.split(), tools.split(", "), strict=True):
        hand.key(getattr(Key, f"Key_{key}"))
        assert str(layer.mode) == TOOLS[tool]
    size = layer.brush_size
    smaller, larger = found["smaller and larger brush"].split(" and ")
    by_name = {"[": Key.Key_BracketLeft, "]": Key.Key_BracketRight}
    hand.key(by_name[larger])
    assert layer.brush_size == size + 1
    hand.key(by_name[smaller])
    assert layer.brush_size == size
    before = layer.selected_label
    layer.selected_label = 1
    hand.key(getattr(Key, f"Key_{found['new label: the next stroke adds a nucleus']}"))
    assert layer.selected_label == before == hand.bridge.review.nuclei.next_id


@pytest.mark.parametrize("name", ["cells nuclei", "cells"])
def test_transform_is_refused_while_a_review_is_open(hand: Hand, name: str) -> None:
    layer = hand.viewer.layers[name]
    hand.viewer.layers.selection.active = layer
    settle()
    layer.mode = "pan_zoom"
    place = layer.affine.affine_matrix.copy(), layer.translate.copy()
    kind = "labels" if layer is hand.bridge.layer else "image"
    [key, *_] = of_napari(f"activate_{kind}_transform_mode")
    hand.key(getattr(Key, f"Key_{key}"))
    assert str(layer.mode) == "pan_zoom"
    hand.widget.show_state()
    settle()
    assert f"“{name}” cannot be moved" in hand.widget.message.text()
    hand.drag((45, 60), (30, 30))
    layer.mode = "transform"  # as a button, or a script
    assert str(layer.mode) == "pan_zoom"
    hand.drag((45, 60), (30, 30))
    np.testing.assert_array_equal(layer.affine.affine_matrix, place[0])
    np.testing.assert_array_equal(layer.translate, place[1])
    assert in_step(hand.bridge)


def test_without_a_review_an_image_is_transformed_as_ever(hand: Hand) -> None:
    other = hand.viewer.add_image(np.zeros((9, 9)), name="other")
    other.mode = "transform"
    assert str(other.mode) == "transform"


def test_keys_can_be_changed_in_the_preferences(hand: Hand) -> None:
    assert action_manager._actions["napari-nuclei:accept"].description.startswith("Accept")
    action_manager.unbind_shortcut("napari-nuclei:accept")
    action_manager.bind_shortcut("napari-nuclei:accept", "U")
    try:
        hand.move(45, 60)
        hand.key(Key.Key_A)
        assert states(hand)[3] is State.PROPOSED
        hand.key(Key.Key_U)
        assert states(hand)[3] is State.ACCEPTED
        assert "napari-nuclei:accept" not in get_settings().shortcuts.shortcuts
    finally:
        action_manager.unbind_shortcut("napari-nuclei:accept")


def test_canvas_has_the_focus_once_the_layer_is_activated(hand: Hand) -> None:
    hand.viewer.layers.selection.active = hand.viewer.layers["cells"]
    hand.widget.segment_button.setFocus()
    hand.viewer.layers.selection.active = hand.bridge.layer
    settle()
    assert hand.viewer.window._qt_window.focusWidget() is hand.canvas


@pytest.mark.parametrize("hand", [PLACE], indirect=True)
def test_gestures_on_a_rotated_layer(hand: Hand) -> None:
    hand.key(Key.Key_S)
    hand.drag((36, 60), (45, 60), (54, 60))
    assert hand.bridge.review.done[-1].name == "split"
    left, right = hand.bridge.review.nuclei[3], hand.bridge.review.nuclei[5]
    assert abs(left.mask.area - right.mask.area) < 40
