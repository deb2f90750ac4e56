"""The gate: figures by tile, their uncertainty, the verdict, and what changed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reviews import SIDE, lattice, reviewed
from tiny import disc

from napari_nuclei.formats.dataset import DataSet
from napari_nuclei.learn.agreement import agreement
from napari_nuclei.learn.choosing import choose, looks, next_factor
from napari_nuclei.learn.gate import Change, changes, judge
from napari_nuclei.learn.locked import Grid, Tile
from napari_nuclei.learn.looking import tally
from napari_nuclei.learn.tally import FIGURES, Spread, Tally, compare
from napari_nuclei.nuclei import ImageRecord, Kind, Nuclei, Nucleus, Origin
from napari_nuclei.scoring.scoring import score

TILES = [Tile("x", 0, k) for k in range(12)]


def tally_of(hits: list[list[float]], wrong: list[list[float]], truth: list[int]) -> Tally:
    """Scores of right and wrong detections, and true nuclei, tile by tile."""
    found = [(s, True, t) for t, scores in zip(TILES, hits, strict=False) for s in scores]
    found += [(s, False, t) for t, scores in zip(TILES, wrong, strict=False) for s in scores]
    where = [t for t, count in zip(TILES, truth, strict=False) for _ in range(count)]
    return Tally.of(TILES[: len(truth)], where, found)


def model(found: int, wrong: int, of: int = 10, tiles: int = 12) -> Tally:
    """A model that does the same in every tile, but for a little."""
    hits = [[0.9] * (found - k % 2) for k in range(tiles)]
    return tally_of(hits, [[0.6] * wrong] * tiles, [of] * tiles)


def test_figures_by_hand() -> None:
    seen = tally_of([[0.9, 0.4], [0.8]], [[0.7], []], [2, 2])
    got = seen.figures(0.5)
    assert got["precision50"] == pytest.approx(2 / 3)
    assert got["recall50"] == pytest.approx(2 / 4)
    assert got["f1_50"] == pytest.approx(2 * 2 / (3 + 4))
    # Precision 1 up to recall 0.5, then 3 of 4 up to 0.75, then nothing.
    assert got["ap50"] == pytest.approx((51 + 25 * 0.75) / 101)
    assert seen.figures(0.4)["recall50"] == 3 / 4
    assert seen.figures(0.95)["precision50"] == 0


def test_nothing_to_find() -> None:
    assert set(tally_of([[]], [[]], [0]).figures(0.5).values()) == {1.0}
    wrong = tally_of([[]], [[0.9]], [0]).figures(0.5)
    assert wrong["f1_50"] == wrong["ap50"] == wrong["precision50"] == 0


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=25, deadline=None)
def test_figures_are_those_of_evaluate(seed: int) -> None:
    rng = np.random.default_rng(seed)
    image = reviewed(side=SIDE)
    moved = [n.mask.shift(*rng.integers(-7, 8, 2).tolist()) for n in image.truth]
    some = [m for m in moved if rng.random() < 0.8] + [disc(9, 9, 9), disc(470, 470, 11)]
    found = sorted(((m, float(s)) for m, s in zip(some, rng.random(len(some)), strict=True)),
                   key=lambda f: -f[1])  # fmt: skip
    seen = tally([image], [found], lambda i: list(i.grid)).figures(0.5)
    record = ImageRecord(1, "a", SIDE, SIDE)
    truth = DataSet([record], {1: Nuclei((SIDE, SIDE), image.truth)})
    rows = (Nucleus(k, m, s, origin=Origin(Kind.MODEL)) for k, (m, s) in enumerate(found, 1))
    wanted = score(truth, DataSet([record], {1: Nuclei((SIDE, SIDE), rows)}), 0.5).to_json()
    for name in FIGURES:
        assert seen[name] == pytest.approx(wanted[name], abs=1e-9), name


def test_a_part_of_the_tiles() -> None:
    whole = tally_of([[0.9, 0.8], [0.7], []], [[0.6], [], [0.5]], [3, 2, 1])
    wanted = {TILES[0], TILES[2]}
    part = whole.of_tiles(lambda tile: tile in wanted)
    direct = tally_of([[0.9, 0.8]], [[0.6]], [3])
    assert part.truth.tolist() == [3, 1]
    assert part.tile.tolist() == [0, 0, 0, 1]
    assert part.of_tiles(lambda tile: tile == TILES[0]).figures(0) == direct.figures(0)


def test_detections_outside_of_the_complete_area_do_not_count() -> None:
    image = reviewed(complete=((0, 0, 240, SIDE),))
    wrong = [(disc(10, 10, 9), 0.9), (disc(400, 405, 9), 0.8)]
    seen = tally([image], [wrong], lambda i: list(i.grid))
    assert seen.scores.tolist() == [0.9]
    assert seen.truth.sum() == len([m for m in lattice() if m.centroid[0] < 240])


def test_a_comparison_with_itself_is_even() -> None:
    for spread in compare(model(8, 1), model(8, 1), (0.5, 0.5)).values():
        assert spread.gain == 0
        assert spread.gain_range == (0, 0)
        assert spread.better == 0.5


def test_ranges_hold_the_figure() -> None:
    spreads = compare(model(6, 3), model(9, 1), (0.5, 0.5))
    for name, s in spreads.items():
        assert s.before_range[0] <= s.before <= s.before_range[1], name
        assert s.gain_range[0] <= s.gain <= s.gain_range[1]
        assert s.better == 1
    assert compare(model(6, 3), model(9, 1), (0.5, 0.5)) == spreads, "the same each time"


# -- the verdict ------------------------------------------------------------------------


def verdict(old: Tally, new: Tally, sample: tuple[Tally, Tally] | None = None) -> Any:
    one, other = sample or (model(9, 1), model(9, 1))
    return judge(
        compare(old, new, (0.5, 0.5)), {"histology": compare(one, other, (0.5, 0.5))}
    )  # fmt: skip


def test_a_better_model_is_accepted() -> None:
    got = verdict(model(6, 3), model(9, 1))
    assert got.accepted
    assert "AP50 rose from" in got.reasons[0]
    assert "F1 from" in got.reasons[0]


def spread(before: float, after: float, better: float = 1.0) -> Spread:
    gain = after - before
    return Spread(before, after, (before, before), (after, after), (gain, gain), better)


def test_a_verdict_says_what_the_figures_do() -> None:
    def reason(ap50: Spread, f1: Spread) -> str:
        figures = {"ap50": ap50, "f1_50": f1}
        return judge(figures, {}).reasons[0]

    said = reason(spread(0.99991, 0.99998), spread(0.8, 0.9))
    assert "AP50 rose from 0.9999 to 1.0000" in said
    assert "F1 from 0.800 to 0.900" in said
    assert "F1 fell from 0.900 to 0.899" in reason(spread(0.6, 0.7), spread(0.9, 0.899, 0.4))
    assert "F1 stays at 1.000" in reason(spread(0.6, 0.7), spread(1.0, 1.0, 0.5))
    kept = judge(
        {"ap50": spread(0.6, 0.7), "f1_50": spread(0.6, 0.7)},
        {"histology": {"ap50": spread(0.9, 0.88), "f1_50": spread(0.9, 0.9)}},
    )
    assert kept.reasons[1] == "on the bundled sample images no figure fell by more than 0.020"


def test_rounding_is_no_gain() -> None:
    assert spread(0.9999999999999999, 1.0).gain == 0
    assert spread(0.99, 1.0).gain == pytest.approx(0.01)


def test_a_lower_threshold_alone_is_no_better_model() -> None:
    timid = tally_of([[0.9] * 4 + [0.3] * 4] * 12, [[]] * 12, [10] * 12)
    locked = compare(timid, timid, (0.5, 0.2))
    assert locked["f1_50"].better == 1
    got = judge(locked, {})
    assert not got.accepted
    assert "not shown to be better: AP50" in got.reasons[0]


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        (model(9, 1), model(6, 3), "F1 fell from"),
        (model(9, 1), model(9, 1), "not shown to be better"),
        (model(9, 1), model(0, 0), "F1 fell from"),
    ],
)
def test_a_model_that_is_no_better_is_refused(old: Tally, new: Tally, words: str) -> None:
    got = verdict(old, new)
    assert not got.accepted
    assert words in got.reasons[0]


def test_a_model_that_has_forgotten_is_refused() -> None:
    got = verdict(model(6, 3), model(9, 1), (model(9, 1), model(7, 1)))
    assert not got.accepted
    assert any("bundled histology images: it has lost what it knew" in r for r in got.reasons)
    got = verdict(model(6, 3), model(9, 1), (model(9, 1), model(9, 1, of=10)))
    assert got.accepted


def test_noise_is_no_gain() -> None:
    rng = np.random.default_rng(0)
    counts = rng.integers(4, 9, 12)
    old = tally_of([[0.9] * c for c in counts], [[]] * 12, [10] * 12)
    shuffled = rng.permutation(counts)
    new = tally_of([[0.9] * c for c in shuffled], [[]] * 12, [10] * 12)
    got = verdict(old, new)
    assert not got.accepted
    assert len(got.reasons) == 1
    assert "not shown" in got.reasons[0]


@pytest.mark.parametrize(
    ("right", "wrong", "doubtful"),
    [(8, 1, False), (7, 2, False), (4, 5, True), (1, 8, True)],  # as they are; worse; half; shifted
)
def test_labels_that_do_not_fit_are_refused(right: int, wrong: int, doubtful: bool) -> None:
    locked = tally_of([[0.9] * 8] * 6, [[0.9]] * 6, [10] * 6)
    learned = tally_of([[0.9] * right] * 12, [[0.9] * wrong] * 12, [10] * 12)
    labels = agreement(learned, locked, 0.5)
    assert labels.doubtful == doubtful
    got = judge(compare(model(6, 3), model(9, 1), (0.5, 0.5)), {}, labels)
    assert got.accepted != doubtful
    assert doubtful == any(
        "do not fit: of what the old model is sure of, 89%" in r for r in got.reasons
    )


@pytest.mark.parametrize(("open_", "locked"), [(0, 6), (2, 6), (6, 2)])
def test_too_few_tiles_are_no_doubt(open_: int, locked: int) -> None:
    bad, good = (
        tally_of([[0.9] * right] * count, [[0.9] * (9 - right)] * count, [10] * count)
        for right, count in ((1, open_), (8, locked))
    )
    assert not agreement(bad, good, 0.5).doubtful


def test_a_difference_by_chance_is_no_doubt() -> None:
    rng = np.random.default_rng(1)
    locked, learned = (
        tally_of([[0.9] * n for n in some], [[0.9] * (9 - n) for n in some], [10] * len(some))
        for some in (rng.integers(3, 9, 6), rng.integers(2, 9, 24))
    )
    assert not agreement(learned, locked, 0.5).doubtful


# -- choosing ---------------------------------------------------------------------------


def test_the_better_mixture_is_chosen() -> None:
    sample = {"all": model(9, 1)}
    seen = {0.4: (model(7, 2), sample), 1.0: (model(9, 1), sample)}
    best = choose(seen, sample, 0.5)
    assert (best.factor, best.threshold) == (1.0, 0.62)


def test_what_forgets_is_not_chosen() -> None:
    knew = {"all": model(9, 1), "histology": model(9, 1)}
    lost = knew | {"histology": model(8, 1)}
    seen = {0.4: (model(7, 1), knew), 1.0: (model(9, 0), lost)}
    assert choose(seen, knew, 0.5).factor == 0.4, "however much is gained elsewhere"
    assert choose({0.4: (model(7, 1), lost), 1.0: (model(9, 0), lost)}, knew, 0.5).factor == 1.0


def test_of_equal_ones_that_which_changes_least() -> None:
    same = model(9, 0)
    kinds = {"all": same}
    best = choose({0.6: (same, kinds), 1.0: (same, kinds)}, kinds, 0.35)
    assert (best.factor, best.threshold) == (0.6, 0.35)


@dataclass
class Curve:
    """Figures of a model whose F1 is highest at one threshold."""

    best: float
    at: float

    def figures(self, threshold: float) -> dict[str, float]:
        return {"f1_50": self.best - 0.1 * abs(threshold - self.at), "ap50": self.best}


def test_a_threshold_that_may_stay_does_not_choose_the_mixture() -> None:
    sample = {"all": Curve(0.9, 0.42)}
    seen = {0.25: (Curve(0.6, 0.42), sample), 0.5: (Curve(0.604, 0.3), {"all": Curve(0.9, 0.3)})}
    best = choose(seen, sample, 0.42)  # type: ignore[arg-type]
    assert (best.factor, best.threshold) == (0.5, 0.34), "as near to the old one as noise allows"


@given(st.floats(1, 1e5), st.floats(0, 1e4))
def test_there_is_time_to_look_at_two_mixtures_at_least(budget: float, seconds: float) -> None:
    assert 2 <= looks(budget, seconds) <= 4


@pytest.mark.parametrize(
    ("keeps", "looked_at"),
    [(1.0, [0.5, 0.75, 1.0]), (0.7, [0.5, 0.75, 0.625, 0.6875]), (0.2, [0.5, 0.25, 0.125, 0.1875])],
)
def test_more_is_tried_while_nothing_is_lost(keeps: float, looked_at: list[float]) -> None:
    knew, lost = {"all": model(9, 1)}, {"all": model(8, 1)}
    seen: dict[float, tuple[Tally, dict[str, Tally]]] = {}
    while len(seen) < 4 and (factor := next_factor(seen, knew, 0.5)) is not None:
        seen[factor] = model(7, 1), knew if factor <= keeps else lost
    assert list(seen) == looked_at
    assert choose(seen, knew, 0.5).factor <= keeps


# -- what changed -----------------------------------------------------------------------


def test_changes_are_listed() -> None:
    image = reviewed()
    masks = [n.mask for n in image.truth]
    wrong, both = disc(41, 41, 12), disc(81, 81, 12)
    old = [(masks[0], 0.9), (masks[1], 0.9), (wrong, 0.8), (both, 0.7)]
    new = [(masks[1], 0.9), (masks[5], 0.8), (both, 0.7), (disc(121, 81, 10), 0.6)]
    locked = {image.tile_of(masks[0])}
    got = list(changes(image, locked, old, new))
    assert [(c.kind, c.id) for c in got] == [
        ("lost", image.truth[0].id), ("found", image.truth[5].id), ("mended", None),
        ("false alarm", None),
    ]  # fmt: skip
    assert got[0].box == masks[0].box
    assert got[0].locked
    assert got[0].image == image.record.file_name
    assert got[2].box == wrong.box
    assert isinstance(got[0], Change)
    assert got[0].to_json()["box"] == list(masks[0].box)
    assert not list(changes(image, locked, old, old))


def test_false_alarms_where_nobody_has_looked_are_none() -> None:
    image = reviewed(complete=((0, 0, 240, SIDE),))
    assert not list(changes(image, set(), [], [(disc(401, 400, 9), 0.9)]))


def test_grid_of_a_tiny_image() -> None:
    assert [str(t) for t in Grid("d", (3, 2))] == ["d:0:0"]
