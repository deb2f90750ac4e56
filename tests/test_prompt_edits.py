"""What a detector's answers do to the nuclei: put in, read anew, nudged; and soft masks."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import masks, nuclei, state_of
from tiny import disc

from napari_nuclei.errors import EditError
from napari_nuclei.masks import Mask
from napari_nuclei.nuclei import Kind, Nuclei, Nucleus, Origin, State
from napari_nuclei.nuclei.edit import Edit
from napari_nuclei.nuclei.edits import propose, reject
from napari_nuclei.prompts.edits import Answer, apply_alternative, nudge, promote, put
from napari_nuclei.prompts.soft_mask import SoftMask, mean_of

SHAPE = (11, 12)


def predicted(*found: tuple[Mask, float], shape: tuple[int, int] = (80, 80)) -> Nuclei:
    out = Nuclei(shape)
    propose(out, list(found), "net", 0.5).apply_to(out)
    return out


def shown(of: Nuclei) -> dict[int, Mask]:
    return {n.id: n.mask for n in of.shown()}


# -- putting in -------------------------------------------------------------------------


def test_a_missed_nucleus_comes_in_with_what_the_model_said() -> None:
    of = predicted((disc(20, 20, 12), 0.9))
    put(of, Answer(disc(50, 50, 14), 0.31, "net"), "box").apply_to(of)
    new = of[2]
    assert (new.state, new.score, new.mask) == (State.ACCEPTED, 0.31, disc(50, 50, 14))
    assert new.origin == Origin(Kind.MODEL, "net", disc(50, 50, 14))
    assert of.is_shown(new)
    assert of[1].state is State.PROPOSED


def test_a_nucleus_that_is_covered_is_drawn_anew() -> None:
    of = predicted((disc(20, 20, 10), 0.9))
    put(of, Answer(disc(20, 20, 16), 0.4, "net"), "box").apply_to(of)
    assert shown(of) == {1: disc(20, 20, 16)}
    assert of[1].corrected
    assert of[1].origin.mask == disc(20, 20, 10)
    assert of[1].score == 0.9


def test_fragments_become_one_and_stay_on_record() -> None:
    of = predicted((disc(20, 16, 8), 0.9), (disc(20, 24, 8), 0.8))
    put(of, Answer(disc(20, 20, 18), 0.4, "net"), "click").apply_to(of)
    assert list(shown(of).values()) == [disc(20, 20, 18)]
    assert sorted(n.state for n in of) == [State.ACCEPTED, State.REJECTED]
    (one,) = of.shown()
    assert set(one.origin.parents) == {1, 2}


def test_a_part_is_taken_out_of_what_was_too_large() -> None:
    left, right = disc(20, 20, 14), disc(20, 36, 14)
    of = predicted((left.union(right), 0.9))
    put(of, Answer(left, 0.4, "net"), "box").apply_to(of)
    assert shown(of) == {1: left.union(right).minus(left), 2: left}
    assert of[1].origin.mask == left.union(right)


def test_neighbours_keep_their_pixels() -> None:
    of = predicted((disc(20, 20, 14), 0.9))
    answer = disc(20, 31, 14)
    put(of, Answer(answer, 0.4, "net"), "box").apply_to(of)
    assert of[1].mask == disc(20, 20, 14)
    assert of[2].mask == answer.minus(of[1].mask)


def test_the_same_again_is_accepted() -> None:
    of = predicted((disc(20, 20, 14), 0.9))
    assert put(of, Answer(disc(20, 20, 14), 0.9, "net"), "box").name == "accept"


@given(nuclei(SHAPE), masks(SHAPE).map(lambda m: m.shift(-2, 3)))
def test_whatever_is_put_in_can_be_taken_back(of: Nuclei, mask: Mask) -> None:
    check(of, lambda: put(of, Answer(mask, 0.5, "net"), "box"))


@given(nuclei(SHAPE, least=1), st.data())
def test_whatever_is_read_anew_can_be_taken_back(of: Nuclei, data: st.DataObject) -> None:
    ids = data.draw(st.lists(st.sampled_from([n.id for n in of]), min_size=1, max_size=3))
    answers = data.draw(st.lists(masks(SHAPE), min_size=1, max_size=3))
    check(of, lambda: apply_alternative(of, ids, [Answer(m, 0.5, "net") for m in answers]))


def check(of: Nuclei, make) -> Edit | None:  # type: ignore[no-untyped-def]
    before = state_of(of)
    try:
        edit = make()
    except EditError:
        assert state_of(of) == before
        return None
    edit.apply_to(of)
    assert all(of[n.id].mask for n in edit.after)
    edit.inverse().apply_to(of)
    assert state_of(of) == before
    return edit


# -- readings and candidates ------------------------------------------------------------


def test_two_instead_of_one() -> None:
    of = predicted((disc(20, 28, 30), 0.9))
    apply_alternative(of, [1], [Answer(disc(20, m, d), 0.3, "net") for m, d in
                                    ((20, 12), (36, 15))]).apply_to(of)  # fmt: skip
    assert shown(of) == {1: disc(20, 36, 15), 2: disc(20, 20, 12)}
    assert of[2].origin.parents == (1,)
    assert of[1].origin.mask == disc(20, 28, 30)


def test_a_candidate_is_promoted_but_not_a_rejected_one() -> None:
    of = predicted((disc(20, 20, 12), 0.9), (disc(50, 50, 12), 0.2))
    assert set(shown(of)) == {1}
    edit = promote(of, [2])
    assert edit.summary() == "promote 2"
    edit.apply_to(of)
    assert set(shown(of)) == {1, 2}
    with pytest.raises(EditError, match="No candidate here"):
        promote(of, [1, 2])
    reject(of, [2]).apply_to(of)
    with pytest.raises(EditError, match="rejected before"):
        promote(of, [2])


# -- nudging ----------------------------------------------------------------------------


def bump(radius: float) -> SoftMask:
    """A soft mask that falls off from the middle; 0.5 at a radius of 12 px."""
    grid = np.hypot(*np.mgrid[-20:21, -20:21])
    return SoftMask(20, 20, (1 / (1 + np.exp((grid - radius) / 3))).astype(np.float32))


def test_nudges_follow_the_soft_mask() -> None:
    soft = bump(12)
    of = predicted((soft.at_level(0.5), 0.9))
    areas = [of[1].mask.area]
    for outwards in (True, True, True, False, False, False, False):
        edit, word = nudge(of, 1, outwards, soft)
        edit.apply_to(of)
        assert word == ""
        assert len(of[1].mask.parts()) == 1
        areas.append(of[1].mask.area)
    steps = np.diff(areas)
    assert (steps[:3] > 40).all()
    assert (steps[3:] < -40).all()
    grid = soft.at_level(0.5)
    assert of[1].mask.minus(grid.union(bump(13).at_level(0.5))).area == 0


def test_without_a_model_it_moves_by_a_pixel_and_says_so() -> None:
    of = predicted((disc(40, 40, 20), 0.9))
    edit, word = nudge(of, 1, True, None)
    assert "'net' is no longer installed" in word
    assert edit.after[0].mask.area > of[1].mask.area
    hand = Nuclei((80, 80), [Nucleus(1, disc(40, 40, 20))])
    assert "No model drew" in nudge(hand, 1, False, None)[1]


def test_an_outline_that_the_model_does_not_see_moves_by_a_pixel() -> None:
    of = predicted((disc(40, 50, 8), 0.9))
    edit, word = nudge(of, 1, True, bump(12))
    assert "does not see this outline" in word
    assert edit.after[0].mask.area > of[1].mask.area


def test_what_cannot_be_nudged() -> None:
    with pytest.raises(EditError, match="Delete it instead"):
        nudge(predicted((Mask.from_array([[True]], 5, 5), 0.9)), 1, False, None)
    whole = predicted((Mask.from_array(np.ones((9, 9))), 0.9), shape=(9, 9))
    with pytest.raises(EditError, match="cannot move any further"):
        nudge(whole, 1, True, None)
    with pytest.raises(EditError, match="No nucleus to nudge"):
        nudge(whole, 7, True, None)


# -- soft masks -------------------------------------------------------------------------


def test_cells_are_spread_over_their_box() -> None:
    cells = np.zeros((4, 4), np.uint8)
    cells[:, 2:] = 255
    soft = SoftMask.from_cells(cells, (10, 20, 18, 28), (50, 50))
    assert soft.at_level(0.5).box == (20, 14, 28, 18)
    assert soft.at(24.5, 17.5) == 1
    assert soft.at(24.5, 10.5) == soft.at(24.5, 30) == soft.at(-1, 0) == 0


@pytest.mark.parametrize("box", [(-30, -30, -10, -10), (60, 0, 70, 9), (-4, 45, 3, 70)])
def test_boxes_that_reach_beyond_the_image(box: tuple[int, ...]) -> None:
    soft = SoftMask.from_cells(np.full((4, 4), 255, np.uint8), box, (50, 50))
    mask = soft.at_level(0.5)
    assert mask == mask.clip((50, 50))
    assert bool(mask) == (box == (-4, 45, 3, 70))


def test_level_and_mean() -> None:
    soft = bump(12)
    level, like = soft.level_of(soft.at_level(0.3))
    assert abs(level - 0.3) < 0.051
    assert like > 0.95
    both = mean_of([soft, SoftMask(0, 0, np.zeros((5, 5), np.float32))])
    assert both.at(40.5, 40.5) == pytest.approx(soft.at(40.5, 40.5) / 2)
    assert both.at(2, 2) == 0
    assert bump(12).entropy > 0.3
    assert SoftMask(0, 0, np.ones((9, 9), np.float32)).entropy < 0.05
