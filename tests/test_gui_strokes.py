"""Real strokes in a real window: napari's tools on overlapping nuclei, real undo keys, export."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import napari
import numpy as np
import pytest
from gui import FOUND, Hand, in_step, settle, window_with_nuclei
from packaging.version import Version
from pycocotools import mask as coco_rle
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest

from napari_nuclei._napari.files.export import Request, save
from napari_nuclei._napari.layers.state_outlines import LATER_MS
from napari_nuclei.formats import coco
from napari_nuclei.nuclei import State, labels

pytestmark = pytest.mark.screen

PLACE = {"scale": (0.5, 0.5), "translate": (100, -7)}
moved_too = pytest.mark.parametrize("hand", [{}, PLACE], ids=["plain", "moved"], indirect=True)

encircling = pytest.mark.skipif(
    Version(napari.__version__) < Version("0.8"), reason="before napari 0.8 no brush encircles"
)


@pytest.fixture
def hand(
    request: pytest.FixtureRequest, make_viewer: Callable[..., Any], qtbot: Any
) -> Iterator[Hand]:
    yield window_with_nuclei(make_viewer, qtbot, **getattr(request, "param", {}))
    settle()


def names(hand: Hand) -> list[str]:
    return [edit.name for edit in hand.bridge.review.done]


def on_screen(hand: Hand) -> np.ndarray:
    return hand.viewer.screenshot(canvas_only=True, flash=False)


def still(hand: Hand) -> np.ndarray:
    """The canvas once nothing moves on it any more: outlines come a moment later."""
    last = on_screen(hand)
    for _ in range(100):
        QTest.qWait(3 * LATER_MS)
        now = on_screen(hand)
        if np.array_equal(last, now):
            return now
        last = now
    raise AssertionError("the canvas never came to rest")


def check(hand: Hand) -> None:
    """Pixels, canvas and nuclei agree."""
    assert in_step(hand.bridge)
    partly = still(hand)
    hand.bridge.layer.refresh()
    np.testing.assert_array_equal(partly, still(hand))


@moved_too
def test_brush_adds_and_takes_only_what_was_seen(hand: Hand) -> None:
    layer, nuclei = hand.bridge.layer, hand.bridge.review.nuclei
    layer.mode = "paint"
    assert layer.selected_label == 5
    hand.drag((10, 60), (12, 64), (14, 70))
    assert names(hand) == ["segment", "paint"]
    assert nuclei[5].mask.contains(12, 64)
    layer.selected_label = 3
    hand.drag((22, 24), (22, 30))  # over 1, which lies over 2
    assert names(hand) == ["segment", "paint", "paint"]
    assert nuclei[3].mask.contains(22, 27)
    assert not nuclei[1].mask.contains(22, 27)
    assert nuclei[2].mask.contains(22, 27)  # hidden below 1, so it keeps its pixels
    check(hand)


def test_eraser_uncovers(hand: Hand) -> None:
    nuclei = hand.bridge.review.nuclei
    hand.bridge.layer.mode = "erase"
    hand.drag((22, 26), (22, 28))
    assert hand.bridge.layer.data[22, 27] == 2
    assert nuclei[1].corrected
    check(hand)


def test_fill_deletes_and_renames(hand: Hand) -> None:
    layer, review = hand.bridge.layer, hand.bridge.review
    layer.mode = "fill"
    layer.selected_label = 0
    hand.click(20, 14)
    assert review.nuclei[1].state is State.REJECTED
    assert layer.data[22, 27] == 2
    layer.selected_label = review.nuclei.next_id
    hand.click(45, 60)
    assert review.nuclei[3].state is State.REJECTED
    assert layer.data[45, 60] == 5
    assert names(hand) == ["segment", "erase", "fill"]
    check(hand)


def test_polygon_adds(hand: Hand) -> None:
    hand.bridge.layer.mode = "polygon"
    for corner in ((5, 50), (5, 74), (30, 74)):
        hand.click(*corner)
    hand.double_click(30, 50)
    assert names(hand) == ["segment", "polygon"]
    assert hand.bridge.review.nuclei[5].mask.contains(15, 60)
    check(hand)


@encircling
def test_encircle_and_fill_is_one_edit(hand: Hand) -> None:
    hand.bridge.layer.mode = "paint"
    hand.encircle((5, 50), (5, 60), (5, 70), (15, 70), (25, 70), (25, 50), (12, 50), (5, 50))
    assert names(hand) == ["segment", "paint"]
    assert hand.bridge.review.nuclei[5].mask.contains(15, 60)
    check(hand)


@encircling
def test_escape_takes_an_encircling_back(hand: Hand) -> None:
    hand.bridge.layer.mode = "paint"
    hand.encircle((5, 50), (5, 60), (15, 70))
    assert not in_step(hand.bridge)  # a stroke under way
    hand.key(Qt.Key.Key_Escape)
    assert names(hand) == ["segment"]
    check(hand)


@encircling
@pytest.mark.parametrize("then", ["finish", "escape"])
def test_change_during_an_encircling_ends_it(hand: Hand, then: str) -> None:
    hand.bridge.layer.mode = "paint"
    hand.bridge.layer.selected_label = 3
    hand.encircle((20, 20), (20, 28), (24, 30))
    hand.undo()  # takes the segmentation back: nothing is left
    if then == "escape":
        hand.key(Qt.Key.Key_Escape)
    else:
        for point in ((28, 20), (20, 20)):
            hand.move(*point)
    assert not len(hand.bridge.review.nuclei)
    check(hand)


@pytest.mark.xfail(
    Version(napari.__version__) < Version("0.8"), reason="napari 0.7 drops what was drawn before"
)
def test_change_during_a_brush_stroke_leaves_both(hand: Hand) -> None:
    layer, left = hand.bridge.layer, Qt.MouseButton.LeftButton
    layer.mode = "paint"
    layer.selected_label = 3
    hand.press(22, 14)
    hand.move(22, 20, held=left)
    hand.bridge.review.undo()
    hand.move(22, 28, held=left)
    hand.release(22, 28)
    assert layer.data[22, 17] == layer.data[22, 27] != 0
    check(hand)


@moved_too
@pytest.mark.filterwarnings("ignore:__array__:DeprecationWarning")  # pycocotools
def test_everything_can_be_undone_by_keys(hand: Hand, tmp_path: Path) -> None:
    layer, review = hand.bridge.layer, hand.bridge.review
    states = [np.zeros_like(layer.data), layer.data.copy()]

    def done() -> None:
        assert len(review.done) == len(states)
        states.append(layer.data.copy())

    layer.mode = "paint"
    hand.drag((10, 60), (14, 70))
    done()
    layer.mode = "erase"
    hand.drag((22, 20), (22, 30))
    done()
    layer.mode = "polygon"
    hand.key(Qt.Key.Key_M)
    for corner in ((30, 5), (30, 40), (50, 40)):
        hand.click(*corner)
    hand.double_click(50, 5)
    done()
    layer.mode = "fill"
    layer.selected_label = 0
    hand.click(45, 60)
    done()
    for state in states[-2::-1]:
        hand.undo()
        np.testing.assert_array_equal(layer.data, state)
    assert not review.done
    check(hand)
    for state in states[1:]:
        hand.redo()
        np.testing.assert_array_equal(layer.data, state)
    check(hand)
    exported(hand, tmp_path)


def exported(hand: Hand, folder: Path) -> None:
    """What both exports hold is what the nuclei are and the screen shows."""
    bridge = hand.bridge
    save(bridge.record, (), Request(folder / "a.json", "coco", 7))
    read = coco.read(folder / "a.json")
    assert read.images[0].id == 7
    assert read.nuclei[7] == bridge.review.nuclei
    np.testing.assert_array_equal(labels.draw(read.nuclei[7]), bridge.layer.data)
    save(bridge.record, (), Request(folder / "r.json", "results", 7))
    rows = json.loads((folder / "r.json").read_text())
    shown = {n.id: n for n in bridge.review.nuclei.shown()}
    assert len(rows) == len(shown) > 0
    seen = np.zeros(bridge.layer.data.shape, bool)
    for row in rows:
        seen |= coco_rle.decode(row["segmentation"]).astype(bool)
    np.testing.assert_array_equal(seen, bridge.layer.data > 0)


def test_overlaps_survive_strokes_elsewhere(hand: Hand) -> None:
    hand.bridge.layer.mode = "paint"
    hand.drag((50, 5), (55, 10))
    for id in (1, 2, 3):
        assert hand.bridge.review.nuclei[id].mask == FOUND[id - 1][0]
    check(hand)
