"""`Review`: any order of edits, undo and redo, held against a plain list of states."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from strategies import OPERATIONS, make_edit, nuclei, state_of

from napari_nuclei.masks import Mask
from napari_nuclei.nuclei import Nuclei, edits
from napari_nuclei.nuclei.counts import Counts
from napari_nuclei.nuclei.labels import draw
from napari_nuclei.review import Review

square = Mask.from_array(np.ones((3, 3)))


class History(RuleBasedStateMachine):
    """The model: all states so far, and which one is the present."""

    @initialize(of=nuclei(least=1))
    def start(self, of: Nuclei) -> None:
        self.review = Review(of)
        self.states = [state_of(of)]
        self.now = 0
        self.used = {n.id for n in of}
        self.view = draw(of)
        self.review.changed.connect(self.redraw)

    def redraw(self, edit: Any) -> None:
        """Follow the events as a view does: only what an edit says it touches."""
        boxes = [(0, 0, *self.view.shape)] if edit.threshold else edit.boxes
        # Order and state can change what is seen without another mask.
        boxes += [n.mask.box for n in (*edit.before, *edit.after) if n.mask]
        for box in boxes:
            self.view[box[0] : box[2], box[1] : box[3]] = draw(self.review.nuclei, box)

    @rule(data=st.data(), operation=st.sampled_from(OPERATIONS))
    def do(self, data: st.DataObject, operation: str) -> None:
        next_id = self.review.nuclei.next_id
        edit = make_edit(data.draw, self.review.nuclei, operation)
        if edit is None:
            return
        new = {n.id for n in edit.after} - {n.id for n in edit.before}
        assert not new & self.used, "an id is never used twice"
        assert all(id >= next_id for id in new)
        self.used |= new
        self.review.do(edit)
        self.states[self.now + 1 :] = [state_of(self.review.nuclei)]
        self.now += 1

    @rule()
    def undo(self) -> None:
        edit = self.review.undo()
        assert (edit is None) == (self.now == 0)
        self.now = max(0, self.now - 1)

    @rule()
    def redo(self) -> None:
        edit = self.review.redo()
        assert (edit is None) == (self.now == len(self.states) - 1)
        self.now = min(len(self.states) - 1, self.now + 1)

    @rule(data=st.data())
    def select(self, data: st.DataObject) -> None:
        wanted = data.draw(st.lists(st.integers(1, 40), max_size=3))
        self.review.select(wanted)
        assert set(self.review.selection) == {i for i in wanted if i in self.review.nuclei}

    @invariant()
    def is_the_present_state(self) -> None:
        if not hasattr(self, "review"):
            return
        assert state_of(self.review.nuclei) == self.states[self.now]
        assert len(self.review.done) == self.now
        assert len(self.review.undone) == len(self.states) - 1 - self.now
        assert (self.view == draw(self.review.nuclei)).all()
        assert all(i in self.review.nuclei for i in self.review.selection)
        assert self.review.counts == Counts.of(self.review.nuclei)


TestHistory = History.TestCase
TestHistory.settings = settings(max_examples=60, stateful_step_count=25)


def test_amended_edits_are_undone_together() -> None:
    review = Review(Nuclei((9, 9)))
    review.do(edits.add(review.nuclei, square))
    for k in (1, 2, 3):
        edit = edits.repaint(review.nuclei, 1, square.shift(k, k), "nudge")
        if k == 1:
            review.do(edit)
        else:
            assert review.amend(edit).before[0].mask == square
    assert [e.name for e in review.done] == ["add", "nudge"]
    assert review.nuclei[1].mask == square.shift(3, 3)
    review.undo()
    assert review.nuclei[1].mask == square
    review.redo()
    assert review.nuclei[1].mask == square.shift(3, 3)


def test_only_what_goes_on_with_the_last_edit_amends_it() -> None:
    review = Review(Nuclei((9, 9)))
    with pytest.raises(ValueError, match="does not follow"):
        review.amend(edits.add(review.nuclei, square))
    review.do(edits.add(review.nuclei, square))
    before = state_of(review.nuclei)
    for edit in (
        edits.set_threshold(review.nuclei, 0.5),
        edits.add(review.nuclei, square),
        edits.repaint(review.nuclei, 1, square.shift(1, 1)),
        edits.mark_complete(review.nuclei),
    ):
        with pytest.raises(ValueError, match="does not follow"):
            review.amend(edit)
    assert state_of(review.nuclei) == before
    assert len(review.done) == 1


def test_events() -> None:
    review = Review(Nuclei((9, 9)))
    told: list[Any] = []
    review.changed.connect(lambda edit: told.append(edit))
    review.selected.connect(lambda ids: told.append(ids))
    edit = edits.add(review.nuclei, square)
    review.do(edit)
    review.select([1, 1, 77])
    review.select([1])
    review.undo()
    assert told == [edit, (1,), edit.inverse(), ()]
    review.redo()
    assert told[4:] == [edit]


def test_counts_follow_every_change() -> None:
    review = Review(Nuclei((9, 9)))
    assert review.counts == Counts()
    found = [(square, 0.9), (square.shift(3, 3), 0.2)]
    review.do(edits.propose(review.nuclei, found, "netz", 0.0))
    review.do(edits.set_threshold(review.nuclei, 0.5))
    assert (review.counts.shown, review.counts.hidden, review.counts.begun) == (1, 1, False)
    review.do(edits.repaint(review.nuclei, 1, square.shift(1, 1)))
    review.do(edits.note(review.nuclei, [2], "mitosis"))
    review.do(edits.add(review.nuclei, square.shift(6, 6)))
    assert review.counts == Counts(accepted=2, proposed=1, added=1, corrected=1, noted=1)
    review.do(edits.delete(review.nuclei, [1]))
    for _ in range(3):
        assert review.counts == Counts.of(review.nuclei)
        review.undo()


def test_go_back_to_a_line_of_the_history() -> None:
    review = Review(Nuclei((9, 9)))
    states = [state_of(review.nuclei)]
    for k in range(4):
        review.do(edits.add(review.nuclei, square.shift(k, k)))
        states.append(state_of(review.nuclei))
    for k in (1, 3, 0, 4):
        review.go_to(k)
        assert state_of(review.nuclei) == states[k]
    for wrong in (-1, 5):
        with pytest.raises(ValueError, match="history"):
            review.go_to(wrong)


def test_undo_with_nothing_to_undo() -> None:
    review = Review(Nuclei((9, 9)))
    assert review.undo() is None
    assert review.redo() is None


def test_a_stale_edit_leaves_the_history_alone() -> None:
    review = Review(Nuclei((9, 9)))
    first = edits.add(review.nuclei, square)
    review.do(first)
    review.undo()
    late = edits.add(review.nuclei, square.shift(3, 3))
    review.redo()
    stale = edits.Edit("delete", (late.after[0],))
    with pytest.raises(ValueError, match="does not fit"):
        review.do(stale)
    assert (review.done, review.undone) == ([first], [])
