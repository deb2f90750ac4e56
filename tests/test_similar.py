"""Fix similar nuclei: features, ranking, one edit; and the cache of features."""

from __future__ import annotations

import threading

import numpy as np
import pytest
import torch
from tiny import CARD, disc, network

from napari_nuclei.errors import EditError
from napari_nuclei.masks import Mask
from napari_nuclei.models.maskrcnn_detector import MaskRCNNDetector
from napari_nuclei.nuclei import Nuclei, State, edits
from napari_nuclei.progress import result_of
from napari_nuclei.prompts.edits import promote
from napari_nuclei.prompts.feature_cache import FeatureCache, Identity
from napari_nuclei.prompts.prompter import Prompter
from napari_nuclei.prompts.similar import Features, examples_of, find_similar, fix, learn_steps
from napari_nuclei.review import Review


def two_kinds(count: int = 40) -> tuple[Review, Features]:
    """Nuclei of which every fourth is of another kind, and some candidates of both."""
    nuclei = Nuclei((400, 400))
    found = [(disc(20 + 36 * (k // 10), 20 + 36 * (k % 10), 14), 0.9 if k < 32 else 0.2)
             for k in range(count)]  # fmt: skip
    edits.propose(nuclei, found, "net", 0.5).apply_to(nuclei)
    rng = np.random.default_rng(0)
    similar = rng.normal(size=(2, 64))
    features = Features()
    rows = sorted(nuclei, key=lambda n: n.id)
    table = np.array([similar[int(n.id % 4 == 0)] + 0.3 * rng.normal(size=64) for n in rows])
    features.add(rows, table.astype(np.float32))
    return Review(nuclei), features


def test_the_rest_of_a_kind_is_found_and_deleted_in_one_step() -> None:
    review, features = two_kinds()
    review.do(edits.delete(review.nuclei, [4]))
    review.do(edits.delete(review.nuclei, [8]))
    ids, operation = examples_of(review.done)
    assert (sorted(ids), operation) == ([4, 8], "delete")
    kind = find_similar(review.nuclei, features, ids, "delete")
    rest = {12, 16, 20, 24, 28, 32}
    assert set(kind.ids[:6]) == rest
    assert kind.likely == 6
    assert (np.diff(kind.likeness) <= 0).all()
    before = len(review.done)
    review.do(fix(review.nuclei, kind, kind.likely))
    assert len(review.done) == before + 1
    assert all(review.nuclei[i].state is State.REJECTED for i in rest)
    assert review.done[-1].summary() == "delete similar 6 nuclei"
    review.undo()
    assert all(review.nuclei[i].state is State.PROPOSED for i in rest)


def test_candidates_are_promoted_like_candidates() -> None:
    review, features = two_kinds()
    review.do(promote(review.nuclei, [36]))
    ids, operation = examples_of(review.done)
    kind = find_similar(review.nuclei, features, ids, operation or "accept")
    assert kind.ids[0] == 40
    assert set(kind.ids) == {33, 34, 35, 37, 38, 39, 40}
    review.do(fix(review.nuclei, kind, 1))
    assert review.nuclei.is_shown(review.nuclei[40])


def test_the_last_operation_counts() -> None:
    review, _ = two_kinds()
    review.do(edits.delete(review.nuclei, [4]))
    review.do(edits.grow(review.nuclei, [1, 2]))
    review.do(edits.grow(review.nuclei, [3]))
    assert examples_of(review.done) == ([3, 1, 2], "grow")
    review.do(edits.note(review.nuclei, [5], "?"))
    assert examples_of(review.done) == ([], None)
    assert examples_of([]) == ([], None)


def test_what_a_person_has_treated_is_left_alone() -> None:
    review, features = two_kinds()
    review.do(edits.accept(review.nuclei, [12]))
    review.do(edits.delete(review.nuclei, [4]))
    kind = find_similar(review.nuclei, features, [4], "delete")
    assert 12 not in kind.ids
    assert kind.ids[0] in {8, 16, 20, 24, 28, 32}


def test_what_cannot_be_fixed() -> None:
    review, features = two_kinds()
    with pytest.raises(EditError, match="similar ones"):
        find_similar(review.nuclei, features, [999], "delete")
    kind = find_similar(review.nuclei, features, [4], "delete")
    with pytest.raises(EditError, match="at least one"):
        fix(review.nuclei, kind, 0)
    everything = edits.accept(review.nuclei, [n.id for n in review.nuclei])
    review.do(everything)
    with pytest.raises(EditError, match="no other nucleus"):
        find_similar(review.nuclei, features, [4], "accept")


def test_features_are_asked_for_once_and_anew_for_another_prediction() -> None:
    detector = MaskRCNNDetector(network(), CARD, torch.device("cpu"))
    image = np.random.default_rng(0).integers(0, 255, (100, 100), np.uint8)
    prompter = Prompter(image, detector, CARD.diameter, identity=Identity())
    nuclei = Nuclei((100, 100))
    edits.propose(nuclei, [(disc(30, 30, 20), 0.9), (disc(70, 70, 9), 0.8)], "t", 0).apply_to(
        nuclei
    )
    features = Features()
    result_of(learn_steps(prompter, nuclei, features))
    assert len(features) == 2
    assert features.of([2, 1]).shape == (2, 16)
    assert features.missing(nuclei) == []
    edits.grow(nuclei, [1]).apply_to(nuclei)  # what the model had said is still the same
    assert features.missing(nuclei) == []
    said = prompter.judge([nuclei[2].mask.box]).features
    np.testing.assert_allclose(features.of([2]), said, rtol=2e-3, atol=2e-3)
    assert features.missing([nuclei[2].__class__(2, Mask.from_array([[1]]))])


# -- the cache --------------------------------------------------------------------------


def test_the_least_recently_used_go() -> None:
    cache = FeatureCache(100)
    made: list[str] = []

    def get(key: str, size: int = 40) -> None:
        cache.get(key, lambda: made.append(key) or np.zeros(size, np.uint8))

    for key in "abacb":
        get(key)
    assert made == ["a", "b", "c", "b"]
    assert (len(cache), cache.nbytes) == (2, 80)
    assert "b" in cache
    assert "a" not in cache
    get("huge", 101)
    assert "huge" not in cache
    assert cache.nbytes == 80
    cache.clear()
    assert (len(cache), cache.nbytes) == (0, 0)
    with pytest.raises(ValueError, match="makes no sense"):
        FeatureCache(-1)


def test_threads_that_ask_for_the_same_wait_for_one() -> None:
    cache = FeatureCache(1000)
    made: list[int] = []
    gate = threading.Event()

    def make() -> np.ndarray:
        made.append(1)
        gate.wait(5)
        return np.zeros(10, np.uint8)

    threads = [threading.Thread(target=cache.get, args=("a", make)) for _ in range(4)]
    for thread in threads:
        thread.start()
    cache.get("b", lambda: np.zeros(10, np.uint8))  # another key does not wait
    gate.set()
    for thread in threads:
        thread.join()
    assert made == [1]


def test_a_failure_leaves_nothing_behind() -> None:
    cache = FeatureCache(1000)
    with pytest.raises(ZeroDivisionError):
        cache.get("a", lambda: 1 // 0)
    cache.get("a", lambda: np.zeros(3, np.uint8))
    assert "a" in cache
