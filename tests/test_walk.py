"""The walk along what nobody has decided on."""

from __future__ import annotations

import numpy as np

from napari_nuclei.masks import Mask
from napari_nuclei.nuclei import Nuclei, edits
from napari_nuclei.triage.review_queue import ReviewQueue
from napari_nuclei.triage.walk import ScoreWalk, Walk

square = Mask.from_array(np.ones((3, 3)))
SCORES = [0.9, 0.6, 0.8, 0.2]


def made() -> Nuclei:
    nuclei = Nuclei((30, 30))
    found = [(square.shift(5 * k, 5 * k), score) for k, score in enumerate(SCORES)]
    edits.propose(nuclei, found, "netz", 0.5).apply_to(nuclei)
    return nuclei


def test_least_sure_first_and_round_again() -> None:
    nuclei, walk = made(), ScoreWalk()
    assert [walk.go(nuclei) for _ in range(4)] == [2, 3, 1, 2]


def test_back_and_on_again() -> None:
    nuclei, walk = made(), ScoreWalk()
    assert walk.go(nuclei, -1) is None
    ahead = [walk.go(nuclei) for _ in range(3)]
    assert [walk.go(nuclei, -1) for _ in range(3)] == [ahead[1], ahead[0], ahead[0]]
    assert [walk.go(nuclei) for _ in range(2)] == ahead[1:]


def test_decided_ones_are_left_out() -> None:
    nuclei, walk = made(), ScoreWalk()
    edits.accept(nuclei, [2]).apply_to(nuclei)
    edits.delete(nuclei, [3]).apply_to(nuclei)
    assert walk.go(nuclei) == 1
    edits.reject(nuclei, [1]).apply_to(nuclei)
    assert walk.go(nuclei) is None
    assert walk.summary(nuclei, 0) == walk.end


def test_a_lower_threshold_brings_more() -> None:
    nuclei, walk = made(), ScoreWalk()
    walk.go(nuclei)
    edits.set_threshold(nuclei, 0.1).apply_to(nuclei)
    assert walk.go(nuclei) == 4
    assert "0.20" in walk.summary(nuclei, 3)


def test_the_queue_goes_on_where_the_scores_have_led() -> None:
    nuclei, walk = made(), Walk()
    first = ScoreWalk(walk).go(nuclei)
    queue = ReviewQueue(nuclei, walk=walk).build()
    seen = [first]
    for _ in range(2):
        entry = queue.next()
        assert entry is not None
        seen.append(entry.id)
    assert len(set(seen)) == 3, "none comes again before all others have"
    back = queue.previous()
    assert back is not None
    assert back.id == seen[1]
