"""The bridge between a Labels layer and its nuclei: no viewer, no window."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from gui import FOUND, disk, in_step
from hypothesis import given, settings
from hypothesis import strategies as st
from napari.layers import Labels as NapariLabels
from napari.layers import Layer

from napari_nuclei._napari.layers.bridge import Bridge
from napari_nuclei._napari.layers.record import KEY, Record
from napari_nuclei._napari.layers.review_layer import Labels, is_review
from napari_nuclei.nuclei import Nuclei, State, edits

SHAPE = (60, 80)

pytestmark = pytest.mark.usefixtures("qapp")


def make_bridge(stack: tuple[int, ...] = (), found: bool = True) -> Bridge:
    """A review layer, on whose plane in view a model has found `FOUND`."""
    record = Record(SHAPE, stack=stack)
    bridge = Bridge(NapariLabels(np.zeros((*stack, *SHAPE), np.int32)), record)
    if found:
        bridge.review.do(edits.propose(bridge.review.nuclei, FOUND, "fake", 0.5))
    return bridge


@pytest.fixture
def bridge() -> Iterator[Bridge]:
    """A review of the four nuclei of `FOUND`; 1 lies over 2, 4 is below the threshold."""
    bridge = make_bridge()
    yield bridge
    bridge.close()


def values_of(bridge: Bridge) -> set[int]:
    return set(np.unique(bridge.layer.data).tolist()) - {0}


# -- nuclei → pixels ----------------------------------------------------------------------


def test_shown_nuclei_are_drawn(bridge: Bridge) -> None:
    assert in_step(bridge)
    assert values_of(bridge) == {1, 2, 3}
    assert bridge.layer.data.dtype == np.int32


def test_edits_from_anywhere_are_drawn(bridge: Bridge) -> None:
    review = bridge.review
    review.do(edits.reject(review.nuclei, [1]))
    assert in_step(bridge)
    assert bridge.layer.data[22, 27] == 2  # was covered by 1
    review.do(edits.add(review.nuclei, disk(10, 70, 5)))
    assert bridge.layer.data[10, 70] == 5
    assert in_step(bridge)


def test_threshold_shows_and_hides(bridge: Bridge) -> None:
    review = bridge.review
    review.do(edits.set_threshold(review.nuclei, 0.2))
    assert in_step(bridge)
    assert values_of(bridge) == {1, 2, 3, 4}
    review.do(edits.set_threshold(review.nuclei, 0.85))
    assert in_step(bridge)
    assert values_of(bridge) == {1}


def test_large_edits_are_drawn_too(monkeypatch: pytest.MonkeyPatch, bridge: Bridge) -> None:
    monkeypatch.setattr("napari_nuclei._napari.layers.drawing.MAX_PIXELS", 10)
    review = bridge.review
    review.do(edits.add(review.nuclei, disk(30, 40, 25)))
    assert in_step(bridge)


def test_hidden_layer_keeps_up(bridge: Bridge) -> None:
    bridge.layer.visible = False
    bridge.review.do(edits.reject(bridge.review.nuclei, [1]))
    bridge.layer.visible = True
    assert in_step(bridge)


# -- strokes → nuclei ---------------------------------------------------------------------


def test_paint_on_a_new_label_adds(bridge: Bridge) -> None:
    assert bridge.layer.selected_label == 5
    bridge.layer.mode = "paint"
    bridge.layer.paint((10, 60), 5)
    nuclei = bridge.review.nuclei
    assert nuclei[5].state is State.ACCEPTED
    assert bridge.review.done[-1].summary() == "paint 5"
    assert bridge.layer.selected_label == 5  # the next stroke goes on with it
    assert in_step(bridge)


def test_eraser_uncovers_what_lay_below(bridge: Bridge) -> None:
    bridge.layer.mode = "erase"
    bridge.layer.brush_size = 4
    assert bridge.review.nuclei[2].mask.contains(22, 27)
    bridge.layer.paint((22, 27), 0)
    assert bridge.layer.data[22, 27] == 2
    assert bridge.review.nuclei[1].corrected
    assert not bridge.review.nuclei[2].corrected
    assert in_step(bridge)


def test_fill_with_background_deletes_whole_nucleus(bridge: Bridge) -> None:
    bridge.layer.mode = "fill"
    bridge.layer.fill((20, 14), 0)
    assert bridge.review.nuclei[1].state is State.REJECTED
    assert bridge.layer.data[22, 27] == 2
    assert in_step(bridge)


def test_polygon_is_one_edit(bridge: Bridge) -> None:
    bridge.layer.mode = "polygon"
    before = len(bridge.review.done)
    bridge.layer.paint_polygon([(5, 50), (5, 70), (20, 60)], bridge.layer.selected_label)
    assert [e.name for e in bridge.review.done[before:]] == ["polygon"]
    assert in_step(bridge)


def test_setting_pixels_by_script_is_a_stroke(bridge: Bridge) -> None:
    where = (np.array([1, 1, 2]), np.array([1, 2, 2]))
    bridge.layer.data_setitem(where, np.array([5, 5, 3]))
    assert bridge.review.nuclei[5].mask.area == 2
    assert bridge.review.nuclei[3].mask.contains(2, 2)
    assert in_step(bridge)


def test_stroke_without_edit_is_put_back(bridge: Bridge) -> None:
    before = list(bridge.review.done)
    bridge.layer.data_setitem((np.array([1]), np.array([1])), -3)
    assert bridge.layer.data[1, 1] == 0
    assert bridge.review.done == before


def test_assigned_label_image_becomes_strokes(bridge: Bridge) -> None:
    changed = bridge.layer.data.copy()
    changed[changed == 3] = 0
    changed[50:55, 5:10] = 9
    bridge.layer.data = changed
    assert values_of(bridge) == {1, 2, 9}
    assert bridge.review.nuclei[3].state is State.REJECTED
    assert in_step(bridge)
    bridge.layer.data = np.zeros((3, 3), int)  # of another size: put back
    assert in_step(bridge)


@pytest.mark.parametrize("hidden", [4, 2], ids=["below the threshold", "rejected"])
def test_painting_with_a_hidden_id_adds_a_new_one(bridge: Bridge, hidden: int) -> None:
    review = bridge.review
    review.do(edits.reject(review.nuclei, [2]))
    before = review.nuclei[hidden]
    bridge.layer.paint((10, 60), hidden)
    assert review.nuclei[hidden] == before
    assert bridge.layer.data[10, 60] == 5
    assert in_step(bridge)


# -- the selected label -------------------------------------------------------------------


def test_new_label_is_never_one_used_before(bridge: Bridge) -> None:
    review = bridge.review
    bridge.layer.paint((10, 60), 5)
    bridge.layer.undo()
    assert bridge.layer.selected_label == 6
    bridge.layer.selected_label = 3
    bridge.layer.selected_label = int(bridge.layer.data.max()) + 1  # napari's M: 4 is hidden
    assert bridge.layer.selected_label == review.nuclei.next_id == 6
    bridge.layer.selected_label = 3
    bridge.layer.selected_label -= 1
    assert bridge.layer.selected_label == 2
    review.do(edits.reject(review.nuclei, [2]))
    assert bridge.layer.selected_label == 6


def test_new_label_follows_a_model_that_uses_up_ids() -> None:
    bridge = make_bridge(found=False)
    assert bridge.layer.selected_label == 1
    bridge.review.do(edits.propose(bridge.review.nuclei, FOUND, "fake", 0.5))
    assert bridge.layer.selected_label == 5
    bridge.layer.selected_label = 2
    bridge.review.do(edits.accept(bridge.review.nuclei, [1]))
    assert bridge.layer.selected_label == 2


# -- history ------------------------------------------------------------------------------


def test_undo_and_redo_go_to_the_review(bridge: Bridge) -> None:
    first = bridge.layer.data.copy()
    bridge.layer.paint((20, 20), 3)
    painted = bridge.layer.data.copy()
    bridge.review.do(edits.accept(bridge.review.nuclei, [2]))
    bridge.layer.undo()
    assert bridge.review.nuclei[2].state is State.PROPOSED
    bridge.layer.undo()
    assert (bridge.layer.data == first).all()
    bridge.layer.redo()
    assert (bridge.layer.data == painted).all()
    while bridge.review.done:
        bridge.layer.undo()
    assert not bridge.layer.data.any()
    assert not len(bridge.review.nuclei)


STEPS = st.lists(
    st.one_of(
        st.tuples(
            st.sampled_from(["paint", "fill"]),
            st.tuples(st.integers(0, 59), st.integers(0, 79)),
            st.integers(0, 7),
        ),
        st.tuples(
            st.just("polygon"),
            st.lists(st.tuples(st.integers(0, 59), st.integers(0, 79)), min_size=3, max_size=5),
            st.integers(0, 7),
        ),
        st.tuples(st.sampled_from(["undo", "redo"]), st.none(), st.none()),
        st.tuples(st.just("threshold"), st.none(), st.integers(0, 10)),
        st.tuples(st.just("preserve"), st.none(), st.integers(0, 1)),
    ),
    max_size=12,
)


@settings(max_examples=60, deadline=None)
@given(STEPS)
def test_screen_and_nuclei_never_disagree(steps: list[tuple[str, object, int]]) -> None:
    bridge = make_bridge()
    layer, review = bridge.layer, bridge.review
    layer.brush_size = 9
    for name, where, value in steps:
        if name == "threshold":
            review.do(edits.set_threshold(review.nuclei, value / 10))
        elif name == "preserve":
            layer.preserve_labels = bool(value)
        elif name in ("undo", "redo"):
            getattr(layer, name)()
        else:
            getattr(layer, "paint_polygon" if name == "polygon" else name)(where, value)
        assert in_step(bridge), (name, where, value)
    while review.done:
        layer.undo()
        assert in_step(bridge)
    assert not layer.data.any()
    bridge.close()


# -- stacks -------------------------------------------------------------------------------


def test_planes_of_a_stack_have_reviews_of_their_own() -> None:
    bridge = make_bridge((3,))
    bridge.show((1,))
    assert bridge.layer.selected_label == 1
    bridge.layer.paint((1, 30, 30), 1)
    assert bridge.record.review((1,)).nuclei[1].mask.contains(30, 30)
    assert not bridge.record.review((0,)).nuclei[1].touched
    assert in_step(bridge)
    bridge.layer.undo()
    assert not len(bridge.record.review((1,)).nuclei)
    assert len(bridge.record.review((0,)).nuclei) == 4
    bridge.show((0,))
    assert bridge.layer.selected_label == 5
    bridge.layer.undo()
    assert not bridge.layer.data.any()


def test_stroke_across_planes_reaches_each_of_them() -> None:
    bridge = make_bridge((3,))
    bridge.layer.data_setitem((np.array([1, 2]), np.array([5, 5]), np.array([6, 6])), 7)
    assert 7 in bridge.record.review((1,)).nuclei
    assert 7 in bridge.record.review((2,)).nuclei
    assert in_step(bridge)


# -- layer and features -------------------------------------------------------------------


def test_features_follow(bridge: Bridge) -> None:
    bridge.review.do(edits.accept(bridge.review.nuclei, [1]))
    bridge.layer.paint((10, 60), 5)
    bridge.update_features()
    table = bridge.layer.features.set_index("index")
    assert list(table.index) == [1, 2, 3, 5]
    assert list(table["state"]) == ["accepted", "proposed", "proposed", "added"]
    assert table["area"][3] == FOUND[2][0].area
    assert table["score"][2] == 0.8


def test_features_come_by_themselves(qtbot: object, bridge: Bridge) -> None:
    bridge.review.do(edits.reject(bridge.review.nuclei, [1]))
    qtbot.waitUntil(lambda: list(bridge.layer.features["index"]) == [2, 3], timeout=60_000)


def test_layer_stays_a_labels_layer(bridge: Bridge) -> None:
    layer = bridge.layer
    assert is_review(layer)
    data, meta, kind = layer.as_layer_data_tuple()
    assert kind == "labels"
    assert data is layer.data
    assert meta["metadata"][KEY] is bridge.record
    assert type(Layer.create(data.copy(), meta, kind)) is NapariLabels


def test_closed_bridge_lets_go() -> None:
    bridge = make_bridge()
    layer, review = bridge.layer, bridge.review
    bridge.close()
    assert not is_review(layer)
    layer.paint((10, 60), 9)
    assert 9 not in review.nuclei
    review.do(edits.reject(review.nuclei, [1]))
    assert layer.data[20, 20] == 1
    assert not bridge.record.shown


def test_pixels_painted_before_the_bridge_count() -> None:
    record = Record(SHAPE)
    data = np.zeros(SHAPE, np.int64)
    data[5:9, 5:9] = 4
    bridge = Bridge(Labels(data), record)
    assert bridge.review.nuclei[4].mask.area == 16
    assert in_step(bridge)


def test_record_copies_part() -> None:
    record = Record(SHAPE, reviews={})
    review = record.review()
    review.do(edits.add(Nuclei(SHAPE), disk(20, 20, 5)))
    copy = record.copy()
    assert copy.review().nuclei == review.nuclei
    review.undo()
    assert len(copy.review().nuclei) == 1
