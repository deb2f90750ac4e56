"""The queue: order, reasons, following edits, learning, self-check."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import OPERATIONS, make_edit, nuclei
from tiny import disc

from napari_nuclei.errors import UserError
from napari_nuclei.masks import Mask
from napari_nuclei.nuclei import Nuclei, State, edits
from napari_nuclei.prompts.edits import promote
from napari_nuclei.triage import weights as doubt_weights
from napari_nuclei.triage.default_weights import DEFAULT
from napari_nuclei.triage.doubts import NAMES, SIGNS, Evidence, is_entry
from napari_nuclei.triage.review_queue import ReviewQueue
from napari_nuclei.triage.self_check import SelfCheck

GRID = [(20 + 40 * r, 20 + 40 * c) for r in range(5) for c in range(5)]


def field(*others: tuple[Mask, float]) -> Nuclei:
    """Twenty-five good nuclei, ids 1 to 25, and some others after them."""
    out = Nuclei((240, 240))
    found = [(disc(y, x, 16), 0.95) for y, x in GRID]
    edits.propose(out, [*found, *others], "net", 0.5).apply_to(out)
    return out


# -- order and reasons ------------------------------------------------------------------


def test_doubtful_ones_come_first_with_their_reasons() -> None:
    of = field((disc(220, 60, 16), 0.55), (disc(220, 100, 16), 0.45), (disc(220, 140, 5), 0.95))
    queue = ReviewQueue(of).build()
    assert len(queue) == 28
    first = [queue.next() for _ in range(3)]
    assert {entry.id for entry in first if entry} == {26, 27, 28}
    reasons = {entry.id: entry.reason for entry in first if entry}
    assert reasons == {26: SIGNS["doubtful"], 27: SIGNS["likely"], 28: SIGNS["small"]}
    chances = [entry.chance for entry in first if entry]
    assert chances == sorted(chances, reverse=True)


def test_candidates_on_top_of_a_nucleus_do_not_come_but_make_it_doubtful() -> None:
    of = field((disc(20, 22, 17), 0.45))
    queue = ReviewQueue(of).build()
    assert 26 not in queue.order()
    assert queue.order()[0] == 1
    values = {"doubtful": 4.0, "rival": 3.0}
    entry = (
        ReviewQueue(of, doubt_weights.Weights.from_dict({"bias": -2, "signs": values}))
        .build()
        .next()
    )
    assert entry
    assert (entry.id, entry.reason) == (1, SIGNS["rival"])


def test_what_a_tile_has_cut_off_comes_early_but_not_at_the_border() -> None:
    whole = disc(220, 60, 16).to_array()
    cut = Mask.from_array(whole[:9], 200, 60)
    at_border = Mask.from_array(whole[:9], 231, 120)
    of = field((cut, 0.95), (at_border, 0.95))
    queue = ReviewQueue(of).build()
    entry = queue.next()
    assert entry
    assert (entry.id, entry.reason) == (26, SIGNS["cut"])
    assert queue.signs_of([27])[0, NAMES.index("cut")] == 0


def test_going_along_and_back() -> None:
    of = field((disc(220, 60, 16), 0.55), (disc(220, 100, 16), 0.6))
    queue = ReviewQueue(of).build()
    one, two, three = (queue.next() for _ in range(3))
    assert one
    assert two
    assert three
    assert len({one.id, two.id, three.id}) == 3
    assert queue.previous() == two
    assert queue.previous() == one
    assert queue.previous() is None
    assert queue.next() == two
    assert queue.next() == three
    assert queue.visited == 3
    for _ in range(24):
        queue.next()
    assert queue.visited == 27
    again = queue.next()  # all visited: the round begins anew
    assert again
    assert (again.id, queue.visited) == (one.id, 1)


def test_treated_ones_are_skipped_but_can_be_gone_back_to() -> None:
    of = field((disc(220, 60, 16), 0.55))
    queue = ReviewQueue(of).build()
    entry = queue.next()
    assert entry
    edit = edits.accept(of, [entry.id])
    edit.apply_to(of)
    queue.follow(edit)
    assert entry.id not in queue.order()
    queue.next()
    back = queue.previous()
    assert back
    assert back.id == entry.id
    edit.inverse().apply_to(of)
    queue.follow(edit.inverse())
    assert entry.id in queue.order()


def test_nothing_to_look_at() -> None:
    queue = ReviewQueue(Nuclei((50, 50))).build()
    assert queue.next() is None
    assert queue.previous() is None
    assert len(queue) == 0


@given(nuclei(least=1, most=6), st.data())
def test_following_edits_is_the_same_as_building_anew(of: Nuclei, data: st.DataObject) -> None:
    queue = ReviewQueue(of).build()
    for _ in range(3):
        edit = make_edit(data.draw, of, data.draw(st.sampled_from(OPERATIONS)))
        if edit is not None:
            edit.apply_to(of)
            queue.follow(edit)
    assert set(queue.order()) <= {n.id for n in of if is_entry(of, n)}
    fresh = ReviewQueue(of).build()
    assert set(fresh.order()) == set(queue.order())
    ids = fresh.order().tolist()
    fresh.usual = queue.usual  # what is usual is measured once, when the queue is built
    fresh._judge(ids)
    np.testing.assert_allclose(queue.signs_of(ids), fresh.signs_of(ids), atol=1e-6)


def test_evidence_moves_a_nucleus_up() -> None:
    of = field()
    queue = ReviewQueue(of).build()
    queue.add_evidence({7: Evidence(2.5), 8: Evidence(0.2)})
    entry = queue.next()
    assert entry
    assert (entry.id, entry.reason) == (7, SIGNS["vague"])


# -- learning ---------------------------------------------------------------------------


def test_it_learns_from_corrections_and_forgets_on_reset() -> None:
    """A reviewer deletes what is large, and accepts all else, whatever the score."""
    large = [(disc(220, 20 + 24 * k, 22), 0.97) for k in range(9)]
    of = field(*large)
    queue = ReviewQueue(of).build()
    column = NAMES.index("large")
    assert queue.learn() == 0
    assert queue.weights == DEFAULT
    for edit in (edits.delete(of, range(26, 32)), edits.accept(of, range(1, 21))):
        edit.apply_to(of)
        queue.follow(edit)
    assert queue.learn() == 26
    assert queue.weights.values[column] > DEFAULT.values[column] + 0.2
    assert set(queue.order()[:3].tolist()) == {32, 33, 34}
    entry = queue.next()
    assert entry
    assert entry.reason == SIGNS["large"]
    queue.reset()
    assert queue.weights == DEFAULT


def test_what_counts_as_a_correction() -> None:
    of = field((disc(220, 60, 16), 0.2))
    for edit in (
        edits.accept(of, [1]),
        edits.reject(of, [2]),
        edits.shrink(of, [3], 4),
        edits.grow(of, [4], 1),
        promote(of, [26]),
    ):
        edit.apply_to(of)
    edits.merge(of, [5, 6]).apply_to(of)
    verdicts = {n.id: doubt_weights.verdict(of, n) for n in of}
    assert [verdicts[i] for i in (1, 2, 3, 4, 26, 5, 6, 7)] == [
        False, True, True, False, True, True, True, None]  # fmt: skip


def test_weights_are_kept_in_a_file(tmp_path: Path) -> None:
    path = tmp_path / "new" / "weights.json"
    assert doubt_weights.read(path, DEFAULT) is DEFAULT
    doubt_weights.write(path, DEFAULT)
    assert doubt_weights.read(path, DEFAULT) == DEFAULT
    for text in ("{", "[]", '{"bias": "x"}', '{"bias": NaN}', '{"bias": 1, "signs": 3}'):
        path.write_text(text)
        with pytest.raises(UserError, match="Forget what was learned about doubt"):
            doubt_weights.read(path, DEFAULT)


def test_learning_keeps_no_sign_below_zero() -> None:
    rng = np.random.default_rng(0)
    table = rng.random((200, len(NAMES))).astype(np.float32)
    weights = doubt_weights.learn(table, table[:, 0] < 0.5, DEFAULT, trust=0.1)
    assert min(weights.values) >= 0
    assert weights.values[0] < DEFAULT.values[0]


# -- self-check -------------------------------------------------------------------------


def accepted() -> Nuclei:
    of = field()
    edits.accept(of, range(1, 21)).apply_to(of)
    return of


def test_second_looks_are_judged() -> None:
    of = accepted()
    check = SelfCheck(share=1.0, seed=3)
    one = check.pick(of)
    assert one is not None
    assert one.state is State.ACCEPTED
    assert check.asking == one.id
    two = check.pick(of)  # left as it was: agreed
    assert two is not None
    assert two.id != one.id
    edits.reject(of, [two.id]).apply_to(of)
    three = check.pick(of)
    assert three is not None
    edits.shrink(of, [three.id], 3).apply_to(of)
    result = check.judge(of)
    assert (result.agreed, result.asked, result.share) == (1, 3, pytest.approx(1 / 3))
    assert result.summary() == "consistent in 1 of 3"
    assert check.judge(of) == result


def test_about_two_of_a_hundred_come_again() -> None:
    of = accepted()
    check = SelfCheck(seed=1)
    asked = sum(check.pick(of) is not None for _ in range(500))
    assert 3 <= asked <= 20
    assert not any(SelfCheck(0.0, k).pick(of) for k in range(50))
    assert SelfCheck(0.0).result.summary() == ""


def test_nothing_comes_again_too_soon() -> None:
    of = field()
    edits.accept(of, range(1, 9)).apply_to(of)
    assert SelfCheck(1.0, 0).pick(of) is None
    of = accepted()
    check = SelfCheck(1.0, 0)
    seen = [n.id for _ in range(40) if (n := check.pick(of)) is not None]
    assert len(seen) == len(set(seen)) == 20
