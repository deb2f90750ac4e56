"""Segmenting a part of an image, or all planes of a stack: what is replaced, and what stays."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from desk import Desk
from gui import CARD, FakeEngine, Hand, disk, settle, window_with_nuclei
from tiny import DiscDetector, disc, picture

from napari_nuclei._napari.layers.camera import camera_of, canvas_size
from napari_nuclei._napari.review.reviewing import actions_of
from napari_nuclei._napari.segment.regions import Region
from napari_nuclei.masks.box import has_middle
from napari_nuclei.nuclei import Kind, Nuclei, Nucleus, Origin, State, edits
from napari_nuclei.prediction.predict import segment
from napari_nuclei.progress import Progress

AREA = (0, 0, 40, 40)


def proposal(id: int, y: int, x: int, radius: int = 5) -> Nucleus:
    mask = disk(y, x, radius)
    return Nucleus(id, mask, 0.9, origin=Origin(Kind.MODEL, "old", mask))


# -- the edit -----------------------------------------------------------------------------


def test_only_untouched_proposals_of_the_area_are_replaced() -> None:
    accepted = Nucleus(2, disk(30, 10, 5), 0.8, State.ACCEPTED, Origin(Kind.MODEL, "old"))
    drawn = Nucleus(3, disk(10, 30, 5), state=State.ACCEPTED)
    nuclei = Nuclei((60, 80), [proposal(1, 10, 10), accepted, drawn, proposal(4, 30, 60)], 0.5)
    found = [(disk(12, 11, 5), 0.9), (disk(31, 11, 5), 0.9), (disk(30, 61, 5), 0.9)]
    edit = edits.propose(nuclei, found, "new", 0.5, AREA)
    assert [n.id for n in edit.before] == [1]
    assert [n.mask for n in edit.after] == [disk(12, 11, 5)]
    before = nuclei.copy()
    edit.apply_to(nuclei)
    assert {2, 3, 4} < {n.id for n in nuclei}
    edit.inverse().apply_to(nuclei)
    assert nuclei == before


def test_a_nucleus_on_the_edge_belongs_to_where_its_middle_is() -> None:
    inside, outside = proposal(1, 20, 38), proposal(2, 40, 42)
    nuclei = Nuclei((60, 80), [inside, outside], 0.5)
    # The second one is seen with its middle just inside this time: it is there already.
    found = [(disk(20, 38, 6), 0.9), (disk(39, 39, 6), 0.9), (disk(20, 44, 6), 0.9)]
    edit = edits.propose(nuclei, found[:1] + found[2:], "new", 0.5, AREA)
    assert [n.id for n in edit.before] == [1]
    assert [n.mask for n in edit.after] == [disk(20, 38, 6)]
    moved = Nucleus(2, disk(40, 40, 6), 0.9, origin=Origin(Kind.MODEL, "old", disk(40, 40, 6)))
    nuclei = Nuclei((60, 80), [moved], 0.5)
    assert not edits.propose(nuclei, found[1:2], "new", 0.5, AREA).after


# -- the tiles ----------------------------------------------------------------------------


@pytest.mark.parametrize("area", [(60, 50, 170, 190), (0, 0, 90, 240), (100, 110, 101, 111)])
def test_what_is_found_in_an_area_is_what_the_whole_image_has_there(area: Any) -> None:
    field = picture(
        (260, 240), [disc(40 + 50 * i, 40 + 45 * j, 20 + i) for i in range(4) for j in range(4)]
    )
    whole = segment(field, DiscDetector(), 26.0).found
    expected = [item for item in whole if has_middle(area, item[0].box)]
    assert segment(field, DiscDetector(), 26.0, area=area, side=192).found == expected
    assert segment(field, DiscDetector(), 26.0, area=area).found == expected


def test_no_more_is_looked_at_than_an_area_takes() -> None:
    seen = []

    class Watched(DiscDetector):
        def detect(self, pixels: Any, *args: Any) -> Any:
            seen.append(pixels.shape)
            return super().detect(pixels, *args)

    field = np.zeros((2000, 2000), np.uint8)
    disc(1000, 1000, 26).paint(field, 200)
    assert len(segment(field, Watched(), 26.0, area=(980, 980, 1020, 1020)).found) == 1
    assert max(max(shape[:2]) for shape in seen) < 800


# -- the window ---------------------------------------------------------------------------


def test_choices_follow_the_image(desk: Desk) -> None:
    desk.show()
    box = desk.widget.region_box
    assert [box.itemText(k) for k in range(box.count())] == ["Whole image", "View", "Region"]
    assert "Ctrl+Z" in box.itemData(1, 3)
    desk.viewer.add_image(np.zeros((4, 60, 80), np.uint8), name="stack")
    assert [box.itemText(k) for k in range(box.count())][-1] == "All planes"


def test_view(desk: Desk) -> None:
    desk.show()
    bridge = desk.segment(Region.IMAGE)
    assert len(bridge.review.nuclei) == 4
    hand_made = bridge.review.nuclei.next_id
    bridge.review.do(edits.add(bridge.review.nuclei, disk(50, 5, 3)))
    desk.engine.found = [(disk(20, 20, 9), 0.9), (disk(45, 60, 9), 0.9)]
    camera = camera_of(desk.viewer)
    camera.center = (20, 20)
    camera.zoom = min(canvas_size(desk.viewer)) / 30
    desk.segment(Region.VIEW)
    y0, _x0, y1, x1 = desk.engine.asked[-1].area
    assert y0 <= 6 <= 34 <= y1 <= 60
    left = {n.id for n in bridge.review.nuclei}
    assert hand_made in left
    assert 1 not in left
    assert bridge.review.nuclei.at(20, 20).mask == disk(20, 20, 9)
    if x1 < 60:  # canvases differ
        assert 3 in left
    bridge.undo()
    assert {n.id for n in bridge.review.nuclei} == {1, 2, 3, 4, hand_made}
    camera.center = (500, 500)
    desk.choose_region(Region.VIEW)
    desk.widget.segment_button.click()
    assert "no part of the image" in desk.widget.message.text()
    assert not desk.widget.segmenting.running


def test_region_of_a_shape(desk: Desk) -> None:
    desk.show()
    desk.image.scale = (2, 2)
    shapes = desk.viewer.add_shapes([np.array([[10, 20], [10, 100], [80, 100], [80, 20]])])
    shapes.selected_data = {0}
    desk.widget.settings.choose_image(desk.image)
    bridge = desk.segment(Region.REGION)
    assert desk.engine.asked[-1].area == (5, 10, 41, 51)
    found = {n.mask for n in bridge.review.nuclei}
    assert found == {m for m, _ in desk.engine.found if has_middle((5, 10, 41, 51), m.box)}
    assert len(bridge.review.done) == 1


def test_all_planes(desk: Desk) -> None:
    desk.show(np.zeros((4, 60, 80), np.uint8))
    desk.viewer.dims.set_current_step(0, 2)
    bridge = desk.segment(Region.IMAGE)
    bridge.review.do(edits.mark_complete(bridge.review.nuclei))
    desk.segment(Region.PLANES)
    reviews = bridge.record.reviews
    assert len(desk.engine.asked) == 1 + 3
    assert {p: len(r.done) for p, r in reviews.items()} == {(0,): 1, (1,): 1, (2,): 2, (3,): 1}
    assert all(len(r.nuclei) == 4 for r in reviews.values())
    for review in reviews.values():
        if not review.nuclei.complete:
            review.do(edits.mark_complete(review.nuclei))
    desk.choose_region(Region.PLANES)
    desk.widget.segment_button.click()
    assert "complete" in desk.widget.message.text()


def test_cancel_keeps_the_planes_that_are_done(desk: Desk) -> None:
    desk.show(np.zeros((3, 60, 80), np.uint8))
    desk.viewer.dims.set_current_step(0, 0)
    desk.choose_region(Region.PLANES)
    asked = FakeEngine.segment

    def slow_second(*args: Any, **more: Any) -> Any:
        if len(desk.engine.asked) == 1:
            desk.engine.gate.clear()
        return (yield from asked(desk.engine, *args, **more))

    desk.engine.segment = slow_second  # type: ignore[method-assign]
    desk.widget.segment_button.click()
    desk.qtbot.waitUntil(
        lambda: len(desk.engine.asked) == 2 and desk.widget.bridge is not None, timeout=60_000
    )
    desk.widget.segment_button.click()
    desk.engine.gate.set()
    bridge = desk.widget.bridge
    assert {p: len(r.nuclei) for p, r in bridge.record.reviews.items() if len(r.nuclei)} == {
        (0,): 4
    }


def test_nuclei_come_as_they_are_found(desk: Desk) -> None:
    desk.show()
    desk.engine.arrive = True
    desk.engine.gate.clear()
    desk.widget.segment_button.click()
    desk.engine.steps = 3
    names = [layer.name for layer in desk.viewer.layers]
    assert names == ["cells"]
    desk.engine.gate.set()
    with desk.qtbot.waitSignal(desk.widget.segmenting.progressed, timeout=60_000):
        pass
    desk.qtbot.waitUntil(lambda: not desk.widget.segmenting.running, timeout=60_000)
    # Layers go one by one, as napari draws.
    desk.qtbot.waitUntil(
        lambda: not any("so far" in layer.name for layer in desk.viewer.layers), timeout=60_000
    )
    assert len(desk.widget.bridge.review.nuclei) == 4


def test_arrivals_are_outlined_and_go_with_a_cancel(desk: Desk) -> None:
    desk.show()
    segmenting = desk.widget.segmenting
    desk.engine.gate.clear()
    desk.widget.segment_button.click()
    segmenting._on_progress(Progress(1, 4, "Segmenting", desk.engine.found))
    layer = next(v for v in desk.viewer.layers if "so far" in v.name)
    assert layer.data[20, 10] == 1
    assert layer.data[20, 20] == 0
    assert layer.data[45, 14] == 0  # below the threshold
    assert "3 nuclei so far" in desk.widget.message.text()
    desk.widget.segment_button.click()
    desk.engine.gate.set()
    settle()
    assert layer not in desk.viewer.layers
    assert len(desk.widget.bridge.review.nuclei) == 0
    assert not desk.widget.bridge.review.done


@pytest.mark.screen
def test_region_by_hand(make_viewer: Any, qtbot: Any) -> None:
    hand: Hand = window_with_nuclei(make_viewer, qtbot)
    widget = hand.widget
    engine = widget.engine
    box = widget.region_box
    box.setCurrentIndex(box.findText("Region"))
    widget.segment_button.click()
    assert not widget.segmenting.running
    assert "Draw a box" in widget.message.text()
    with qtbot.waitSignal(widget.segmenting.runner.ended, timeout=60_000):
        hand.drag((10, 8), (30, 30), (34, 34))
    y0, x0, y1, x1 = engine.asked[-1].area
    np.testing.assert_allclose((y0, x0, y1, x1), (10, 8, 35, 35), atol=1)
    assert actions_of(hand.bridge).gestures.tool is None
    hand.undo()
    assert {n.id for n in hand.bridge.review.nuclei} == {1, 2, 3, 4}
    assert CARD.threshold == hand.bridge.review.nuclei.threshold
