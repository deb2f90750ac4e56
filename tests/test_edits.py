"""Edits: each operation, and that every one of them can be taken back to the last attribute."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import OPERATIONS, make_edit, nuclei, state_of

from napari_nuclei.errors import EditError, UserError
from napari_nuclei.masks import Mask
from napari_nuclei.nuclei import Kind, Nuclei, Nucleus, Origin, State, edits
from napari_nuclei.nuclei.edits import Edit

square = Mask.from_array(np.ones((4, 4)))
SHAPE = (20, 20)


def model(id: int, mask: Mask, score: float = 0.5, **more: Any) -> Nucleus:
    return Nucleus(id, mask, score, origin=Origin(Kind.MODEL, "netz", mask), **more)


@pytest.fixture
def of() -> Nuclei:
    """Two of a model, one below the threshold, one drawn by hand."""
    return Nuclei(
        SHAPE,
        [
            model(1, square, 0.9),
            model(2, square.shift(6, 0), 0.6),
            model(3, square.shift(12, 0), 0.1),
            Nucleus(4, square.shift(0, 10), state=State.ACCEPTED, order=2),
        ],
        threshold=0.3,
    )


@pytest.mark.parametrize("operation", OPERATIONS)
def test_act_invert_and_invert_again(operation: str) -> None:
    done = 0

    @given(of=nuclei(least=1), data=st.data())
    def check(of: Nuclei, data: st.DataObject) -> None:
        nonlocal done
        before, next_id = state_of(of), of.next_id
        edit = make_edit(data.draw, of, operation)
        assert state_of(of) == before, "making an edit changes nothing"
        if edit is None:
            return
        edit.apply_to(of)
        after = state_of(of)
        assert all(
            n.mask and n.mask == n.mask.clip(of.shape) for n in edit.after if n not in edit.before
        )
        assert {n.id for n in edit.after} - {n.id for n in edit.before} <= set(range(next_id, 999))
        edit.inverse().apply_to(of)
        assert state_of(of) == before
        assert edit.inverse().inverse() == edit
        edit.inverse().inverse().apply_to(of)
        assert state_of(of) == after
        assert of.next_id >= next_id
        assert edit.ids == {n.id for n in (*edit.before, *edit.after)}
        assert edit.summary().startswith(edit.name)
        done += 1

    check()
    assert done, "it was refused whatever the nuclei and arguments"


def test_add(of: Nuclei) -> None:
    edit = edits.add(of, square.shift(-2, 5))
    assert edit.after == (
        Nucleus(5, square.shift(-2, 5).clip(SHAPE), 1.0, State.ACCEPTED, Origin(), order=3),
    )
    assert edits.add(of, square, id=11).after[0].id == 11
    with pytest.raises(EditError, match="used before"):
        edits.add(of, square, id=4)
    with pytest.raises(EditError, match="no pixel inside"):
        edits.add(of, square.shift(30, 0))


def test_delete_keeps_what_a_model_had_said(of: Nuclei) -> None:
    edits.repaint(of, 1, square.shift(1, 1)).apply_to(of)
    edit = edits.delete(of, [1, 4, 4])
    edit.apply_to(of)
    assert 4 not in of
    assert of[1].state is State.REJECTED
    assert of[1].mask == square
    assert {n.id for n in of.shown()} == {2}


def test_states(of: Nuclei) -> None:
    edits.accept(of, [3]).apply_to(of)
    assert of[3].state is State.ACCEPTED
    assert of.is_shown(of[3])
    edits.reject(of, [3, 2]).apply_to(of)
    assert {n.id for n in of.shown()} == {1, 4}
    with pytest.raises(EditError, match="already rejected"):
        edits.reject(of, [3])
    assert edits.reject(of, [1, 3]).ids == {1}


def test_accept_above(of: Nuclei) -> None:
    assert edits.accept_above(of, 0.6).ids == {1, 2}
    assert edits.accept_above(of, 0.05).ids == {1, 2}  # 3 is not seen
    with pytest.raises(EditError, match=r"0\.95"):
        edits.accept_above(of, 0.95)


def test_merge(of: Nuclei) -> None:
    edit = edits.merge(of, [2, 1, 4])
    joined, record = edit.after
    assert joined.id == 2
    assert joined.mask == Mask.union_of([of[1].mask, of[2].mask, of[4].mask])
    assert joined.origin == Origin(Kind.MODEL, "netz", of[2].mask, (2, 1, 4))
    assert (joined.state, joined.order, joined.corrected) == (State.ACCEPTED, 2, True)
    assert record == replace(of[1], state=State.REJECTED), "what the model had said of 1"
    for ids in ([1], [1, 1], [1, 77]):
        with pytest.raises(EditError, match="two nuclei"):
            edits.merge(of, ids)


def test_split(of: Nuclei) -> None:
    wide = Mask.from_array(np.ones((4, 9)), 15, 0)
    edits.repaint(of, 2, wide).apply_to(of)
    edit = edits.split(of, 2, [(10, 3), (20, 3)])
    first, second = edit.after
    assert (first.id, second.id) == (2, 5)
    assert first.mask.union(second.mask) == wide
    assert first.mask.overlap(second.mask) == 0
    assert first.mask.area > second.mask.area
    assert first.origin == of[2].origin
    assert second.origin == Origin(parents=(2,))
    with pytest.raises(EditError, match="right across"):
        edits.split(of, 2, [(0, 0), (3, 3)])
    with pytest.raises(EditError, match="No nucleus to split"):
        edits.split(of, 77, [(0, 0), (3, 3)])


def test_repaint(of: Nuclei) -> None:
    (new,) = edits.repaint(of, 1, square.shift(-1, 0)).after
    assert new.mask.area == 12
    assert (new.state, new.corrected, new.origin) == (State.ACCEPTED, True, of[1].origin)
    with pytest.raises(EditError, match="already like that"):
        edits.repaint(of, 1, square)
    with pytest.raises(EditError, match="Delete it instead"):
        edits.repaint(of, 1, Mask())


def test_note_and_threshold_and_complete(of: Nuclei) -> None:
    edits.note(of, [3], "mitosis").apply_to(of)
    assert of[3].note == "mitosis"
    assert of.is_shown(of[3])
    edits.set_threshold(of, 0.7).apply_to(of)
    assert {n.id for n in of.shown()} == {1, 3, 4}
    for wrong in (-0.1, 1.1, float("nan")):
        with pytest.raises(EditError, match="between 0 and 1"):
            edits.set_threshold(of, wrong)
    edits.mark_complete(of, (1, 2, 3, 4)).apply_to(of)
    edits.mark_complete(of).apply_to(of)
    assert of.complete == ((1, 2, 3, 4), (0, 0, 20, 20))


def test_areas_are_clipped_and_never_empty(of: Nuclei) -> None:
    edits.mark_complete(of, (-5, 3, 4, 99)).apply_to(of)
    assert of.complete == ((0, 3, 4, 20),)
    for empty in ((3, 3, 3, 9), (5, 5, 2, 9), (30, 30, 40, 40)):
        with pytest.raises(EditError, match="no pixel inside"):
            edits.mark_complete(of, empty)
    with pytest.raises(EditError, match="complete already"):
        edits.mark_complete(of, (1, 4, 3, 9))


@given(
    boxes=st.lists(st.sampled_from([(0, 0, 9, 9), (3, 4, 20, 12), (5, 5, 6, 6)]), max_size=3),
    gone=st.tuples(*[st.integers(-1, 21)] * 4),
)
def test_unmark_takes_away_just_its_area(boxes: list[Any], gone: Any) -> None:
    of = Nuclei(SHAPE, complete=tuple(boxes))

    def area() -> Any:
        out = np.zeros(SHAPE, bool)
        for y0, x0, y1, x1 in of.complete:
            out[y0:y1, x0:x1] = True
        return out

    expected = area()
    y0, x0, y1, x1 = (max(0, v) for v in gone)
    touched = expected[y0:y1, x0:x1].any()
    expected[y0:y1, x0:x1] = False
    try:
        edits.unmark(of, gone).apply_to(of)
    except EditError:
        assert not touched
        return
    assert (area() == expected).all()
    assert all(y0 < y1 and x0 < x1 for y0, x0, y1, x1 in of.complete)


def test_split_by_seeds(of: Nuclei) -> None:
    ys, xs = np.mgrid[:20, :20]
    pair = ((ys - 9) ** 2 + (xs - 5) ** 2 <= 22) | ((ys - 9) ** 2 + (xs - 13) ** 2 <= 16)
    edits.repaint(of, 2, Mask.from_array(pair)).apply_to(of)
    edit = edits.split_by_seeds(of, 2, [(9, 5), (9, 13), (0, 0)])
    first, second = edit.after
    assert (first.id, second.id, second.origin.parents) == (2, 5, (2,))
    assert first.mask.union(second.mask) == of[2].mask
    assert first.mask.overlap(second.mask) == 0
    assert first.mask.contains(9, 5)
    assert second.mask.contains(9, 13)
    assert 8 <= first.mask.box[3] <= 11, "cut at the waist"
    for seeds in ([], [(9, 5)], [(9, 5), (0, 0)], [(9, 5), (9, 5)]):
        with pytest.raises(EditError, match="click twice"):
            edits.split_by_seeds(of, 2, seeds)


def test_outlines(of: Nuclei) -> None:
    ring = np.ones((7, 7), bool)
    ring[2:5, 2:5] = False
    edits.repaint(of, 1, Mask.from_array(ring)).apply_to(of)
    assert edits.fill_holes(of, [1, 2]).after[0].mask == Mask.from_array(np.ones((7, 7)))
    with pytest.raises(EditError, match="no holes"):
        edits.fill_holes(of, [2])
    crumbs = square.union(Mask.from_array(np.ones((1, 2)), 9, 9))
    edits.repaint(of, 1, crumbs).apply_to(of)
    assert edits.keep_largest(of, [1]).after[0].mask == square
    with pytest.raises(EditError, match="one part already"):
        edits.keep_largest(of, [2])
    spur = Mask.from_array(np.ones((9, 9)), 5, 5).union(Mask.from_array(np.ones((1, 3)), 8, 14))
    edits.repaint(of, 1, spur).apply_to(of)
    assert not edits.smooth(of, [1]).after[0].mask.contains(8, 16)


def test_grow_and_shrink(of: Nuclei) -> None:
    edits.repaint(of, 1, Mask.from_array(np.ones((5, 5)), 0, 8)).apply_to(of)
    (grown,) = edits.grow(of, [1]).after
    assert grown.mask.box == (0, 7, 6, 14), "clipped to the image"
    assert not grown.mask.contains(5, 7), "by distance, so corners are round"
    (shrunk,) = edits.shrink(of, [1], 2).after
    assert (shrunk.mask.box, shrunk.state) == ((2, 10, 3, 11), State.ACCEPTED)
    with pytest.raises(EditError, match="left of nucleus 1"):
        edits.shrink(of, [1], 3)
    for wrong in (0, -1, float("nan")):
        with pytest.raises(EditError, match="number of pixels"):
            edits.grow(of, [1], wrong)


def test_propose_keeps_inside_the_image(of: Nuclei) -> None:
    edit = edits.propose(of, [(square.shift(-2, 18), 0.9), (square.shift(30, 0), 0.9)], "netz", 0.3)
    (new,) = edit.after
    assert new.mask.box == (0, 18, 2, 20)
    assert new.origin.mask == new.mask


def test_adopt(of: Nuclei) -> None:
    before = list(of)
    others = Nuclei(SHAPE, [model(4, square), model(9, square, note="x")], complete=((0, 0, 1, 1),))
    edit = edits.adopt(of, others)
    edit.apply_to(of)
    assert {n.id for n in of} == {5, 10}, "ids are never used twice"
    assert (of.complete, of.threshold, of[10].note) == (((0, 0, 1, 1),), 0.0, "x")
    edit.inverse().apply_to(of)
    assert list(of) == before
    fresh = Nuclei(SHAPE)
    assert {n.id for n in edits.adopt(fresh, others).after} == {4, 9}
    with pytest.raises(EditError, match="sizes differ"):
        edits.adopt(of, Nuclei((3, 3)))
    with pytest.raises(EditError, match="Nothing to do"):
        edits.adopt(fresh, Nuclei(SHAPE))


def test_propose_leaves_what_a_person_has_touched(of: Nuclei) -> None:
    edits.accept(of, [1]).apply_to(of)
    edits.reject(of, [2]).apply_to(of)
    near = Mask.from_array(np.ones((4, 4)), 0, 1)  # IoU 0.6 with the accepted one
    far = Mask.from_array(np.ones((4, 4)), 10, 10)
    found = [(near, 0.9), (square.shift(6, 0), 0.8), (far, 0.7), (square.shift(0, 3), 0.2)]
    edits.propose(of, found, "netz 2", 0.3).apply_to(of)
    assert {n.id for n in of} == {1, 2, 4, 5, 6}
    assert (of[5].mask, of[5].score, of[5].origin) == (far, 0.7, Origin(Kind.MODEL, "netz 2", far))
    assert {n.id for n in of.shown()} == {1, 4, 5}
    edits.propose(of, [], "netz 3", 0.5).apply_to(of)
    assert {n.id for n in of} == {1, 2, 4}
    assert of.threshold == 0.5


def test_propose_brings_no_corrected_nucleus_back(of: Nuclei) -> None:
    before = of[1].mask
    assert before.height > 3
    smaller = before.minus(
        Mask.from_array(np.ones((before.height - 1, before.width)), *before.box[:2])
    )
    edits.repaint(of, 1, smaller).apply_to(of)
    edits.propose(of, [(before, 0.9)], "netz 2", 0.3).apply_to(of)
    assert [n.mask for n in of.shown() if n.mask.overlap(before)] == [smaller]


def test_propose_puts_nothing_below_what_a_person_drew(of: Nuclei) -> None:
    drawn = Mask.from_array(np.ones((7, 7)), 11, 11)
    edits.add(of, drawn).apply_to(of)
    inside = Mask.from_array(np.ones((3, 3)), 12, 12)
    beside = Mask.from_array(np.ones((3, 3)), 12, 17)  # a third of it
    edits.propose(of, [(inside, 0.9), (beside, 0.8)], "netz 2", 0.3).apply_to(of)
    assert [n.mask for n in of if n.origin.model == "netz 2"] == [beside]


def test_no_nucleus_is_one_clear_line(of: Nuclei) -> None:
    for act in (edits.delete, edits.accept, edits.reject):
        with pytest.raises(UserError, match="Point at one or select one") as error:
            act(of, [77])
        assert "\n" not in str(error.value)


def test_words() -> None:
    one, two, three = (model(k, square.shift(0, k)) for k in (1, 2, 3))
    assert Edit("accept", (one,), (two,)).summary() == "accept 1 into 2"
    assert Edit("delete", (one, two)).summary() == "delete 1 and 2"
    assert Edit("add", (), (one, two, three)).summary() == "add 1, 2 and 3"
    assert Edit("paint", (one, two), (one, two)).summary() == "paint 1 and 2"
    assert Edit("accept", (), tuple(model(k, square) for k in range(9))).summary() == (
        "accept 9 nuclei"
    )
    assert Edit("threshold", threshold=(0.5, 0.25)).summary() == "threshold 0.50 → 0.25"
    moved = (0.5, 0.25)
    assert Edit("segment", (), (one, two), threshold=moved).summary() == "segment 1 and 2"
    assert Edit("delete", (one,), threshold=moved).summary() == "delete 1"
    assert Edit("segment", threshold=moved).summary() == "segment: threshold 0.50 → 0.25"
    assert Edit("mark complete", complete=((), ((0, 0, 1, 1),))).summary() == "mark complete"


def test_boxes_are_those_of_what_changes() -> None:
    one, two = model(1, square), model(2, square.shift(9, 9))
    edit = Edit("paint", (one, two), (model(1, square.shift(1, 1)), two))
    assert sorted(edit.boxes) == [(0, 0, 4, 4), (1, 1, 5, 5)]
