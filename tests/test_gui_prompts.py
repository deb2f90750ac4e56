"""Prompts with real keys and mouse in a real window."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from gui import FOUND, Hand, disk, in_step, settle, window_with_nuclei
from napari.layers import Image
from prompted import PromptEngine
from qtpy.QtCore import Qt

from napari_nuclei._napari.layers.camera import camera_of
from napari_nuclei._napari.prompts.prompt_service import Identities
from napari_nuclei._napari.prompts.prompting import prompts_of
from napari_nuclei._napari.review.reviewing import actions_of
from napari_nuclei.errors import UserError
from napari_nuclei.masks import Mask
from napari_nuclei.nuclei import State
from napari_nuclei.triage.doubts import NAMES

pytestmark = pytest.mark.screen

Key = Qt.Key
SHAPE = (60, 80)
HIDDEN = disk(12, 62, 7)
"""Bright in the image, but not found."""

PICTURE = np.zeros(SHAPE, np.uint8)
for mask in (*(m for m, _ in FOUND), HIDDEN, disk(0, 45, 6)):
    mask.paint(PICTURE, 200)

PLACES = [
    {},
    {"scale": (0.5, 0.5), "translate": (9, -7)},
    {"scale": (2, 2), "rotate": 25.0},
]
"""Where layers may lie."""


@pytest.fixture
def hand(
    request: pytest.FixtureRequest,
    make_viewer: Callable[..., Any],
    qtbot: Any,
) -> Iterator[Hand]:
    place = getattr(request, "param", {})
    found = window_with_nuclei(make_viewer, qtbot, PICTURE, PromptEngine(), **place)
    found.qtbot = qtbot
    yield found
    found.widget.prompt_service.cancel()
    settle()


def answered(hand: Hand, act: Callable[[], None]) -> None:
    """Do something that asks the detector, and wait for the answer."""
    with hand.qtbot.waitSignal(
        hand.widget.prompt_service.busy, timeout=60000, check_params_cb=is_over
    ):
        act()
    settle()


def is_over(busy: bool) -> bool:
    return not busy


def names(hand: Hand) -> list[str]:
    return [edit.name for edit in hand.bridge.review.done]


def shown(hand: Hand) -> dict[int, Mask]:
    return {n.id: n.mask for n in hand.bridge.review.nuclei.shown()}


# -- box and click ----------------------------------------------------------------------


@pytest.mark.parametrize("hand", PLACES, indirect=True)
def test_a_box_becomes_the_nucleus_in_it(hand: Hand) -> None:
    before = camera_of(hand.viewer).center
    hand.key(Key.Key_W)
    answered(hand, lambda: hand.drag((5, 54), (12, 62), (19, 70)))
    new = hand.bridge.review.nuclei[5]
    assert new.mask.iou(HIDDEN) > 0.7
    assert new.state is State.ACCEPTED
    assert new.origin.model == "fake"
    assert camera_of(hand.viewer).center == before
    assert in_step(hand.bridge)
    answered(hand, lambda: hand.drag((36, 50), (54, 70)))  # the tool stays in hand
    assert names(hand)[-2] == "box"
    hand.undo()
    hand.undo()
    assert 5 not in hand.bridge.review.nuclei
    assert in_step(hand.bridge)
    hand.redo()
    assert hand.bridge.review.nuclei[5] == new


@pytest.mark.parametrize("hand", PLACES, indirect=True)
def test_a_click_becomes_the_nucleus_there(hand: Hand) -> None:
    hand.key(Key.Key_Q)
    answered(hand, lambda: hand.click(12, 62))
    (new,) = [n for n in hand.bridge.review.nuclei if n.id > 4]
    assert new.mask.contains(12, 62)
    assert new.mask.iou(HIDDEN) > 0.5
    hand.undo()
    assert set(shown(hand)) == {1, 2, 3}
    assert in_step(hand.bridge)


def test_t_after_a_box_offers_what_else_it_could_mean(hand: Hand) -> None:
    hand.key(Key.Key_W)
    answered(hand, lambda: hand.drag((5, 54), (12, 62), (19, 70)))
    masks = [hand.bridge.review.done[-1].after[0].mask]
    for _ in range(3):
        hand.key(Key.Key_T)
        masks.append(hand.bridge.review.done[-1].after[0].mask)
    assert names(hand) == ["segment", "box"]
    assert len(set(masks)) == 4
    hand.key(Key.Key_T)
    assert hand.bridge.review.done[-1].after[0].mask == masks[0]
    assert in_step(hand.bridge)


def test_boxes_at_the_border_and_of_a_pixel_and_outside(hand: Hand) -> None:
    hand.key(Key.Key_W)
    answered(hand, lambda: hand.drag((-4, 38), (3, 46), (7, 52)))
    assert hand.bridge.review.nuclei[5].mask.iou(disk(0, 45, 6)) > 0.5
    camera_of(hand.viewer).zoom *= 4
    camera_of(hand.viewer).center = (30, 75)
    settle()
    answered(hand, lambda: hand.drag((30, 75), (30.4, 75.4)))
    assert hand.bridge.review.nuclei[6].mask.area <= 4
    count = len(names(hand))
    answered(hand, lambda: hand.drag((30, 82), (34, 86)))
    assert "outside the image" in hand.widget.message.text()
    assert len(names(hand)) == count
    answered(hand, lambda: hand.drag((31, 71), (33, 73)))  # and it goes on


def test_a_click_outside_of_the_image(hand: Hand) -> None:
    camera_of(hand.viewer).center = (30, 80)
    settle()
    hand.key(Key.Key_Q)
    answered(hand, lambda: hand.click(30, 84))
    assert "outside the image" in hand.widget.message.text()


def test_questions_are_answered_in_their_order(hand: Hand) -> None:
    hand.key(Key.Key_Q)
    hand.click(12, 62)
    hand.click(45, 20)
    hand.qtbot.waitUntil(lambda: len(names(hand)) == 3, timeout=60000)
    made = [e.after[0].mask for e in hand.bridge.review.done[1:]]
    assert made[0].contains(12, 62)
    assert made[1].contains(45, 20)
    assert hand.widget.prompt_service.engine.prompters == 1


# -- ghosts -----------------------------------------------------------------------------


def test_candidates_come_and_a_click_takes_one(hand: Hand) -> None:
    hand.key(Key.Key_G)
    layer = hand.viewer.layers["cells nuclei candidates"]
    assert layer.data[39:52, 14:27].any()
    assert not layer.data[10:30, 10:30].any()
    assert hand.viewer.layers.selection.active is hand.bridge.layer
    hand.click(45, 20)
    assert hand.bridge.review.nuclei[4].state is State.ACCEPTED
    assert names(hand)[-1] == "promote"
    assert not layer.data.any(), "a promoted one is no candidate any more"
    hand.click(45, 20)
    assert "No candidate here" in hand.widget.message.text()
    hand.undo()
    assert hand.bridge.review.nuclei[4].state is State.PROPOSED
    assert layer.data.any()
    hand.key(Key.Key_G)
    assert "cells nuclei candidates" not in hand.viewer.layers
    hand.key(Key.Key_G)
    hand.key(Key.Key_Escape)
    assert "cells nuclei candidates" not in hand.viewer.layers


# -- alternatives -----------------------------------------------------------------------


def test_t_goes_through_readings_and_back(hand: Hand) -> None:
    before = shown(hand)
    hand.move(45, 60)
    answered(hand, lambda: hand.key(Key.Key_T))
    assert names(hand) == ["segment", "alternative"]
    assert "Alternative 1 of" in hand.widget.message.text()
    alternatives = [shown(hand)]
    for _ in range(20):
        hand.key(Key.Key_T)
        if "As it was" in hand.widget.message.text():
            break
        alternatives.append(shown(hand))
        assert names(hand) == ["segment", "alternative"]
        assert in_step(hand.bridge)
    assert shown(hand) == before
    assert len(alternatives) == len({tuple(sorted(r.items(), key=str)) for r in alternatives}) >= 2
    assert any(len(r) == 4 for r in alternatives), "two instead of one"


def test_a_reading_that_was_worked_on_is_not_turned(hand: Hand) -> None:
    hand.move(45, 60)
    answered(hand, lambda: hand.key(Key.Key_T))
    answered(hand, lambda: hand.key(Key.Key_Period))
    answered(hand, lambda: hand.key(Key.Key_T))
    assert names(hand) == ["segment", "alternative", "nudge out", "alternative"]
    hand.bridge.review.select(())
    hand.move(2, 78)
    hand.key(Key.Key_T)
    assert "Point at one nucleus" in hand.widget.message.text()


# -- nudging ----------------------------------------------------------------------------


def test_nudges_go_out_and_in(hand: Hand) -> None:
    area = hand.bridge.review.nuclei[3].mask.area
    hand.move(45, 60)
    answered(hand, lambda: hand.key(Key.Key_Period))
    assert hand.bridge.review.nuclei[3].mask.area > area
    hand.move(45, 60)
    answered(hand, lambda: hand.key(Key.Key_Comma))
    answered(hand, lambda: hand.key(Key.Key_Comma))
    assert hand.bridge.review.nuclei[3].mask.area < area
    assert names(hand)[1:] == ["nudge out", "nudge in", "nudge in"]
    for _ in range(3):
        hand.undo()
    assert hand.bridge.review.nuclei[3].mask.area == area
    assert in_step(hand.bridge)


def test_without_its_model_a_nucleus_moves_by_a_pixel(
    hand: Hand, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hand.widget.engine, "cards", lambda: [])
    hand.move(45, 60)
    hand.key(Key.Key_Period)
    assert names(hand)[-1] == "nudge out"
    assert "'fake' is no longer installed" in hand.widget.message.text()
    answered(hand, lambda: hand.key(Key.Key_T))
    assert "is no longer installed" in hand.widget.message.text()


# -- fix similar nuclei -----------------------------------------------------------------


def test_k_offers_the_rest_of_a_kind_and_does_it_in_one_step(hand: Hand) -> None:
    hand.move(45, 60)
    hand.key(Key.Key_K)
    assert "Delete, accept or promote one first" in hand.widget.message.text()
    hand.key(Key.Key_Delete)
    answered(hand, lambda: hand.key(Key.Key_K))
    panel = hand.widget.prompts
    hand.qtbot.waitUntil(lambda: panel.similar_box.isVisibleTo(panel), timeout=60_000)
    panel.similar_slider.setValue(2)
    assert hand.bridge.review.selection == prompts_of(actions_of(hand.bridge)).similar.offer.ids[:2]
    assert panel.similar_do.text() == "Delete 2"
    panel.similar_do.click()
    assert names(hand)[-1] == "delete similar"
    assert shown(hand) == {}
    assert not panel.similar_box.isVisibleTo(panel)
    hand.undo()
    assert set(shown(hand)) == {1, 2}
    assert in_step(hand.bridge)


def test_what_k_offers_can_be_dropped(hand: Hand) -> None:
    hand.move(45, 60)
    hand.key(Key.Key_Delete)
    answered(hand, lambda: hand.key(Key.Key_K))
    hand.key(Key.Key_Escape)
    assert prompts_of(actions_of(hand.bridge)).similar.offer is None
    assert hand.bridge.review.selection == ()
    assert names(hand) == ["segment", "delete"]


# -- what goes wrong --------------------------------------------------------------------


def test_an_engine_that_cannot_be_asked(hand: Hand) -> None:
    hand.widget.engine.error = UserError("The model 'fake' is damaged: install it again.")
    hand.key(Key.Key_Q)
    answered(hand, lambda: hand.click(12, 62))
    assert "is damaged" in hand.widget.message.text()
    hand.widget.engine.error = None
    answered(hand, lambda: hand.click(12, 62))
    assert names(hand)[-1] == "click"


def test_an_answer_for_a_layer_that_went_is_dropped(hand: Hand) -> None:
    review = hand.bridge.review
    hand.key(Key.Key_Q)
    hand.click(12, 62)
    hand.viewer.layers.remove(hand.bridge.layer)
    hand.qtbot.waitUntil(lambda: not hand.widget.prompt_service.runner.running, timeout=60000)
    settle()
    assert [e.name for e in review.done] == ["segment"]


def test_other_pixels_in_the_layer_are_looked_at_anew(hand: Hand) -> None:
    hand.key(Key.Key_W)
    answered(hand, lambda: hand.drag((5, 54), (19, 70)))
    engine, image = hand.widget.engine, hand.viewer.layers["cells"]
    assert engine.prompters == 1
    moved = disk(46, 62, 7)
    pixels = np.zeros(SHAPE, np.uint8)
    moved.paint(pixels, 200)
    image.data = pixels
    answered(hand, lambda: hand.drag((39, 54), (53, 70)))
    assert engine.prompters == 2
    assert hand.bridge.review.done[-1].after[0].mask.iou(moved) > 0.7


def test_images_are_told_apart_whatever_their_address() -> None:
    identities, seen = Identities(), set()
    for _ in range(40):
        image = Image(np.zeros(SHAPE, np.uint8))
        first = identities.of(image)
        assert identities.of(image) == first
        image.data = np.ones(SHAPE, np.uint8)
        seen |= {first, identities.of(image)}
        del image
    assert len(seen) == 80


def test_without_its_image_nothing_is_asked(hand: Hand) -> None:
    hand.viewer.layers.remove(hand.viewer.layers["cells"])
    settle()
    hand.viewer.layers.selection.active = hand.bridge.layer
    hand.key(Key.Key_Q)
    hand.click(12, 62)
    assert "image of these nuclei is not open" in hand.widget.message.text()


def test_the_view_is_looked_at_ahead(hand: Hand) -> None:
    detector = hand.widget.engine.detector
    hand.key(Key.Key_W)
    answered(hand, lambda: hand.drag((5, 54), (19, 70)))
    seen = len(detector.encoded)
    camera_of(hand.viewer).center = (28, 38)
    hand.qtbot.waitUntil(lambda: len(detector.encoded) > seen, timeout=60_000)
    assert SHAPE in detector.encoded


def test_a_click_where_the_view_has_rested_looks_at_nothing_new(hand: Hand) -> None:
    detector, service = hand.widget.engine.detector, hand.widget.prompt_service
    hand.key(Key.Key_W)
    answered(hand, lambda: hand.drag((5, 54), (19, 70)))
    before = len(detector.encoded)
    camera_of(hand.viewer).center = (20, 20)
    camera_of(hand.viewer).zoom *= 2
    hand.qtbot.waitUntil(lambda: len(detector.encoded) > before, timeout=60_000)
    hand.qtbot.waitUntil(
        lambda: not service._idle.isActive() and not service.runner.running, timeout=60_000
    )
    rested = len(detector.encoded)
    hand.key(Key.Key_Q)
    answered(hand, lambda: hand.click(20, 16))
    assert names(hand)[-1] in ("click", "accept")
    assert len(detector.encoded) == rested


def test_doubts_are_gathered_while_nobody_asks(hand: Hand) -> None:
    hand.key(Key.Key_N)  # the queue of the layer is made
    hand.key(Key.Key_W)
    answered(hand, lambda: hand.drag((5, 54), (19, 70)))
    walk, review = actions_of(hand.bridge).walk, hand.bridge.review
    hand.viewer.reset_view()
    hand.qtbot.waitUntil(lambda: not walk.lacking(review, (0, 0, *SHAPE)), timeout=20000)
    found = walk._queue.signs_of([1, 2])[:, NAMES.index("vague")]
    assert (found != 0).all(), "what the model says of itself is in the queue"
    assert names(hand) == ["segment", "box"], "and no edit is made of it"


def test_planes_of_a_stack_have_their_own(make_viewer: Callable[..., Any], qtbot: Any) -> None:
    stack = np.stack([np.zeros_like(PICTURE)] * 2 + [PICTURE])
    hand = window_with_nuclei(make_viewer, qtbot, stack, PromptEngine())
    hand.qtbot = qtbot
    hand.viewer.dims.set_current_step(0, 2)
    hand.bridge = hand.widget.bridge
    settle()
    assert hand.bridge.plane == (2,)
    hand.key(Key.Key_W)
    answered(hand, lambda: hand.drag((5, 54), (12, 62), (19, 70)))
    masks = [n.mask for n in hand.bridge.review_at((2,)).nuclei]
    assert any(m.iou(HIDDEN) > 0.7 for m in masks)
    others = [r for plane, r in hand.bridge.record.reviews.items() if plane != (2,)]
    assert all("box" not in [e.name for e in r.done] for r in others)
    assert in_step(hand.bridge)
    hand.widget.prompt_service.cancel()
    settle()


# -- the queue --------------------------------------------------------------------------


def test_n_leads_to_doubtful_ones_and_candidates_with_reasons(hand: Hand) -> None:
    seen = {}
    for _ in range(4):
        hand.key(Key.Key_N)
        (id,) = hand.bridge.review.selection
        seen[id] = hand.widget.message.text()
    assert set(seen) == {1, 2, 3, 4}
    assert "candidate" in seen[4]
    assert all("to go" in text for text in seen.values())
    assert actions_of(hand.bridge).walk.current == next(reversed(seen))
    hand.key(Key.Key_N, Qt.KeyboardModifier.ShiftModifier)
    assert hand.bridge.review.selection == (list(seen)[2],)


def test_a_candidate_is_outlined_and_accepted(hand: Hand) -> None:
    for _ in range(4):
        hand.key(Key.Key_N)
        if hand.bridge.review.selection == (4,):
            break
    assert "drag" in hand.viewer.layers, "its outline"
    hand.key(Key.Key_A)
    assert hand.bridge.review.nuclei[4].state is State.ACCEPTED
    assert in_step(hand.bridge)
    hand.undo()
    assert hand.bridge.review.nuclei[4].state is State.PROPOSED
