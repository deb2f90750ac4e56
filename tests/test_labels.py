"""Label images: drawing by rank, and strokes against a model that looks at every pixel."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from strategies import masks, nuclei, pixels

from napari_nuclei.errors import EditError
from napari_nuclei.masks import Mask
from napari_nuclei.nuclei import Kind, Nuclei, Nucleus, Origin, State
from napari_nuclei.nuclei.labels import draw, from_labels, stroke

SHAPE = (11, 12)
square = np.ones((4, 4), bool)


def dense(mask: Mask, shape: tuple[int, int] = SHAPE) -> np.ndarray[Any, Any]:
    out = np.zeros(shape, bool)
    mask.paint(out, True)
    return out


def seen_by_hand(of: Nuclei) -> np.ndarray[Any, Any]:
    """What is on top at each pixel, from whole-image arrays."""
    out = np.zeros(of.shape, int)
    for n in sorted(of, key=lambda n: (n.order, n.score, n.id)):
        if of.is_shown(n):
            out[dense(n.mask, of.shape)] = n.id
    return out


def after(of: Nuclei, edit: Any) -> Nuclei:
    out = Nuclei(of.shape, of, of.threshold, of.complete, of.next_id)
    edit.apply_to(out)
    return out


def placed(id: int, y: int, x: int, score: float = 0.5, **more: Any) -> Nucleus:
    mask = Mask.from_array(square, y, x)
    return Nucleus(id, mask, score, **{"origin": Origin(Kind.MODEL, "netz", mask), **more})


# -- drawing ----------------------------------------------------------------------------


@given(nuclei(), st.data())
def test_drawing_shows_the_topmost(of: Nuclei, data: st.DataObject) -> None:
    labels = draw(of)
    assert labels.dtype == np.int32
    assert (labels == seen_by_hand(of)).all()
    y0, x0 = data.draw(st.integers(0, 9)), data.draw(st.integers(0, 9))
    box = (y0, x0, data.draw(st.integers(y0 + 1, 11)), data.draw(st.integers(x0 + 1, 12)))
    assert (draw(of, box) == labels[box[0] : box[2], box[1] : box[3]]).all()


# -- strokes ----------------------------------------------------------------------------


@given(nuclei(least=1), pixels(SHAPE, blobs=True), st.data())
def test_a_stroke_does_to_every_pixel_what_it_should(
    of: Nuclei, painted: Any, data: st.DataObject
) -> None:
    value = data.draw(st.sampled_from([0, of.next_id, *(n.id for n in of)]))
    try:
        edit = stroke(of, *np.nonzero(painted), value)
    except EditError:
        assume(False)
    was, is_ = seen_by_hand(of), seen_by_hand(new := after(of, edit))
    # The stroke's own pixels show what was painted; erased ones what lay below.
    if value:
        assert (is_[painted] == value).all()
        target = dense(of[value].mask) if value in of and of.is_shown(of[value]) else False
        assert (dense(new[value].mask) == (target | painted)).all()
        assert new[value].state is State.ACCEPTED
    for n in of:
        if n.id == value:
            continue
        left = dense(n.mask) & ~(painted & (was == n.id))
        visible_before, visible_now = (was == n.id).any(), (is_ == n.id).any()
        if visible_before and not visible_now:
            # Nothing of it is to be seen any more: deleted, on record if a model made it.
            if n.origin.kind is Kind.MODEL:
                assert new[n.id].state is State.REJECTED
                assert new[n.id].mask == (n.origin.mask or n.mask)
            else:
                assert n.id not in new
        elif not visible_before:
            assert new[n.id] == n, "what was hidden stays as it was"
        else:
            assert (dense(new[n.id].mask) == left).all()
            assert replace(new[n.id], mask=n.mask) == n
    assert {n.id for n in new} <= {n.id for n in of} | {value}


@given(nuclei(least=1), pixels(SHAPE, blobs=True), st.data())
def test_only_what_the_stroke_changes_looks_different(
    of: Nuclei, painted: Any, data: st.DataObject
) -> None:
    """Outside of the stroke, only raising the target or uncovering can change the view."""
    try:
        edit = stroke(of, *np.nonzero(painted), 0)
    except EditError:
        assume(False)
    was, is_ = seen_by_hand(of), seen_by_hand(after(of, edit))
    gone = [n.id for n in edit.before if n.id not in np.unique(is_)]
    assert (is_ == was)[~painted & ~np.isin(was, gone)].all()


def test_paint_takes_from_what_is_seen_only() -> None:
    lower, upper = placed(1, 0, 0, 0.4), placed(2, 0, 2, 0.8)
    of = Nuclei(SHAPE, [lower, upper])
    stroke(of, [0, 0, 0], [1, 2, 3], of.next_id).apply_to(of)
    assert of[1].mask.area == 15  # loses (0, 1), keeps what lies below number 2
    assert of[2].mask.area == 14
    assert of[3].mask.area == 3
    assert of[3].origin.kind is Kind.HAND
    stroke(of, [0, 0, 0], [1, 2, 3], 0).apply_to(of)
    assert of.at(0, 1) is None
    assert of.at(0, 2).id == of.at(0, 3).id == 1, "what was covered reappears"
    assert 3 not in of


def test_erasing_all_that_is_seen_deletes_the_whole() -> None:
    below, above = placed(1, 0, 0, 0.4), placed(2, 0, 1, 0.8)
    of = Nuclei(SHAPE, [below, above])
    ys, xs = np.nonzero(draw(of) == 1)
    edit = stroke(of, ys, xs, 0)
    edit.apply_to(of)
    assert of[1].state is State.REJECTED
    assert of[1].mask == below.mask, "the prediction as it was, not its hidden rest"
    edit.inverse().apply_to(of)
    assert of[1] == below


def test_what_the_raised_target_hides_is_not_left_behind_unseen() -> None:
    # 3 is painted over a pixel where 2 lies hidden below 1; 3 must rise above 2, and so
    # covers 4, of which nothing could be seen any more.
    target = replace(placed(3, 0, 0, 0.1), origin=Origin())
    small = Nucleus(4, Mask.from_pixels([1], [1]), 0.2)
    hidden = Nucleus(2, Mask.from_array(square, 5, 5), 0.5)
    top = Nucleus(1, Mask.from_array(square, 5, 5), 0.9)
    of = Nuclei(SHAPE, [target, small, hidden, top])
    edit = stroke(of, [6], [6], 3)
    edit.apply_to(of)
    assert of.at(6, 6).id == 3
    assert 4 not in of or of.at(1, 1).id == 4
    edit.inverse().apply_to(of)
    assert of[4] == small


def test_a_hidden_one_does_not_come_back_by_painting() -> None:
    of = Nuclei(SHAPE, [placed(1, 0, 0, state=State.REJECTED), placed(2, 6, 6, 0.1)], 0.3)
    stroke(of, [9], [1], 1).apply_to(of)
    stroke(of, [9], [3], 2).apply_to(of)
    assert of[1].mask.area == of[2].mask.area == 1
    assert {n.id for n in of.shown()} == {1, 2}


def test_strokes_that_make_no_sense() -> None:
    of = Nuclei(SHAPE, [placed(4, 0, 0, state=State.ACCEPTED)])
    for ys, xs, value, words in (
        ([-1, 11], [3, 3], 4, "outside"),
        ([], [], 4, "outside"),
        ([9], [9], 0, "changes nothing"),
        ([1], [1], 4, "changes nothing"),
        ([9], [9], 3, "used before"),
    ):
        with pytest.raises(EditError, match=words):
            stroke(of, ys, xs, value)


def test_pixels_outside_are_left_out() -> None:
    of = Nuclei(SHAPE)
    edit = stroke(of, [-1, 0, 10, 11], [0, 0, 11, 11], 7)
    assert edit.after[0].mask == Mask.from_pixels([0, 10], [0, 11])
    assert edit.after[0].id == 7


# -- foreign label images ---------------------------------------------------------------


@given(st.lists(masks(SHAPE), max_size=4), st.booleans())
def test_from_labels_and_back(made: list[Mask], fill: bool) -> None:
    labels = np.full(SHAPE, 2**31 - 1 if fill else 0, np.int64)
    for k, mask in enumerate(made):
        mask.paint(labels, 10 + 7 * k)
    of = from_labels(labels, "x.tif")
    assert (draw(of) == labels).all()
    assert {n.id for n in of} == set(np.unique(labels).tolist()) - {0}
    assert all(n.origin == Origin(Kind.IMPORT, "x.tif") for n in of)
    assert all((dense(n.mask) == (labels == n.id)).all() for n in of)


@pytest.mark.parametrize("dtype", [bool, np.uint8, np.int16, np.uint64, ">u2"])
def test_from_labels_of_any_whole_type(dtype: Any) -> None:
    of = from_labels(np.array([[0, 1], [0, 1]], dtype))
    assert [n.mask.area for n in of] == [2]


def test_labels_that_are_none() -> None:
    for wrong in (np.zeros((2, 2, 2), int), np.zeros((2, 2)), [[-1]], [[2**31]]):
        with pytest.raises(ValueError, match="label"):
            from_labels(wrong)
    assert len(from_labels(np.zeros((0, 0), int))) == 0
