"""`Reviewer`: corrects one image with all tools, knowing the truth, in as few actions as it can.

Here: what such a person would do, by fixed rules. Not here: napari's own tools (`by_hand.py`),
the count and its report (`actions.py`).

What a tool of the hand does is seen before it is done: a stroke, a line across, a join, the
slider, an ellipse in a box, that an outline is a px or two too tight. What a prompt answers is
not: what did not help has cost its action. Kind by kind, so
that tools stay in hand:

* first the slider of scores, and all outlines nudged at once, where that leaves less to do;
* false: Delete with the mouse on it, and K where it takes at least five right ones along;
* split: a line through the parts (J), where their union is right;
* merged: straight lines across (S), where they leave at least half of the nuclei right;
* missed: a candidate that is seen to be right is clicked (G), K where that takes five along;
* all else by a box (W), but by hand where that takes one action, and nudged where the outline is
  one or two px too tight or too wide. After a box that was wrong T, where an ellipse in the box
  is right, or a nudge, or by hand.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

import numpy as np
from by_hand import PICK, Hand, Way
from review_data import Case, Need, needs

from napari_nuclei import models
from napari_nuclei.errors import EditError
from napari_nuclei.masks import Mask, shaping
from napari_nuclei.nuclei import Nuclei, Nucleus, edits
from napari_nuclei.nuclei.edit import Edit
from napari_nuclei.progress import result_of
from napari_nuclei.prompts.edits import Answer, nudge, promote, put
from napari_nuclei.prompts.prompter import Prompter
from napari_nuclei.prompts.prompts import in_box, others_in_box
from napari_nuclei.prompts.similar import Features, Operation, find_similar, fix, learn_steps
from napari_nuclei.prompts.window import SeenNucleus

ORDER = ("false", "split", "merged", "boundary", "missed")

WORTH = 5
"""Nuclei that K must take along: it costs K, the slider and K again."""

PX = 2
"""By how many px an outline may be too tight or too wide to be nudged."""

THRESHOLDS = np.arange(0.1, 0.95, 0.05)


class Reviewer:
    """Reviews one image; `actions` are by kind of correction, `tools` by what was done."""

    def __init__(self, case: Case, detector: models.Detector, iou: float) -> None:
        self.case, self.nuclei, self.iou = case, case.nuclei(), iou
        self.prompter: Prompter = case.prompter(detector)
        self.hand = Hand(iou)
        self.features = Features()
        self.actions: dict[str, int] = defaultdict(int)
        self.needed: dict[str, int] = defaultdict(int)
        self.tools: dict[str, int] = defaultdict(int)
        self._kind = ""

    def review(self) -> Reviewer:
        """Correct everything."""
        for need in self._needs():
            self.needed[need.kind] += 1
        self._slide()
        self._nudge_all()
        wanted = sorted(self._needs(), key=_place)
        for kind in ORDER:
            self._kind = kind
            some = [n for n in wanted if n.kind == kind]
            if kind == "false":
                self._remove(some)
                continue
            if kind == "missed":
                self._promote_candidates(some)
            for need in some:
                self._correct(need)
        self._finish()
        return self

    def _needs(self, nuclei: Nuclei | None = None) -> list[Need]:
        return needs(self.case.truth, self.nuclei if nuclei is None else nuclei, self.iou)

    def _spend(self, tool: str, count: int = 1) -> None:
        self.actions[self._kind] += count
        self.tools[tool] += count

    def _activate(self, tool: str) -> None:
        """Take a tool in hand; that is a key, unless it is there already."""
        self._spend(tool, self.hand.switch(tool))

    def _do(self, edit: Edit) -> None:
        edit.apply_to(self.nuclei)

    # -- all at once ------------------------------------------------------------------

    def _slide(self) -> None:
        """Move the slider of scores to where the fewest corrections are left."""
        self._kind = "slider"
        found = []
        for value in sorted(THRESHOLDS, key=lambda v: abs(v - self.nuclei.threshold)):
            trial = self.nuclei.copy()
            edits.set_threshold(trial, float(value)).apply_to(trial)
            found.append((len(self._needs(trial)), float(value)))
        best = min(found, key=lambda f: f[0])
        if best[0] + 1 < len(self._needs()):
            self._do(edits.set_threshold(self.nuclei, best[1]))
            self._spend("slider")

    def _nudge_all(self) -> None:
        """Select all in a lasso and nudge, in or out, as long as that leaves less to do."""
        self._kind = "boundary"
        rows = list(self.nuclei.shown())
        softs = self.prompter.soft_masks([n.mask.box for n in rows]) if rows else []
        best, spent = len(self._needs()), 0
        for outwards in (True, False):
            while True:
                trial, now = self.nuclei.copy(), {n.id: n for n in self.nuclei.shown()}
                for n, soft in zip(rows, softs, strict=True):
                    try:
                        if n.id in now:
                            nudge(trial, n.id, outwards, soft)[0].apply_to(trial)
                    except EditError:
                        continue
                left = len(self._needs(trial))
                if left + (1 if spent else 3) >= best:
                    break
                self._spend("nudge all", 1 if spent else 2)
                self.nuclei, best, spent = trial, left, spent + 1

    # -- false ones, ghosts -----------------------------------------------------------

    def _remove(self, wanted: Sequence[Need]) -> None:
        ids = [i for need in wanted for i in need.ids]
        gone: list[int] = []
        while ids:
            gone.append(ids.pop(0))
            self._do(edits.delete(self.nuclei, gone[-1:]))
            self._spend("delete")
            gone += self._like(gone[-5:], ids, "delete")
            ids = [i for i in ids if i not in gone]

    def _promote_candidates(self, wanted: Sequence[Need]) -> None:
        lost = [self.case.truth[k] for need in wanted for k in need.truth]
        ids = [n.id for t in lost if (n := self._candidate(t)) is not None]
        taken: list[int] = []
        while ids:
            taken.append(ids.pop(0))
            if self._right(next(t for t in lost if self.nuclei[taken[-1]].mask.iou(t) >= self.iou)):
                continue
            self._activate("ghosts")
            self._spend("ghosts")
            self._do(promote(self.nuclei, taken[-1:]))
            taken += self._like(taken[-5:], ids, "promote")
            ids = [i for i in ids if i not in taken]

    def _like(self, examples: list[int], right: Sequence[int], operation: Operation) -> list[int]:
        """Do it with K to the likest, up to the first wrong one, where that is worth it."""
        if len(right) < WORTH:
            return []
        result_of(learn_steps(self.prompter, self.nuclei, self.features))
        try:
            kind = find_similar(self.nuclei, self.features, examples, operation)
        except EditError:
            return []
        wrong = [k for k, id in enumerate(kind.ids) if id not in right]
        count = min(wrong, default=len(kind.ids))
        if count < WORTH:
            return []
        self._do(fix(self.nuclei, kind, count))
        self._spend("kind", 3)
        return list(kind.ids[:count])

    def _candidate(self, truth: Mask) -> Nucleus | None:
        """A candidate below the threshold that is seen to be right."""
        here = [n for n in self.nuclei.in_box(truth.box)
                if not n.touched and not self.nuclei.is_shown(n)]  # fmt: skip
        return next((n for n in here if n.mask.iou(truth) >= self.iou), None)

    # -- one after the other ----------------------------------------------------------

    def _correct(self, need: Need) -> None:
        """Correct all that one need is about."""
        true = [self.case.truth[k] for k in need.truth]
        if need.kind == "split" and len(true) == 1:
            self._join(true[0], need.ids)
        if need.kind == "merged":
            self._cut(true, need.ids)
        for truth in sorted(true, key=lambda m: m.area):
            if not self._right(truth):
                self._one(truth)
        for id in need.ids:
            if self._is_left_over(id):
                self._do(edits.delete(self.nuclei, [id]))
                self._spend("delete")

    def _join(self, truth: Mask, ids: Sequence[int]) -> None:
        """Draw a line through the parts of a nucleus, if that makes it right."""
        parts = [
            i for i in ids if 2 * self.nuclei[i].mask.overlap(truth) > self.nuclei[i].mask.area
        ]
        whole = Mask.union_of(self.nuclei[i].mask for i in parts)
        if len(parts) > 1 and whole.iou(truth) >= self.iou:
            self._activate("join")
            self._spend("join")
            self._do(edits.merge(self.nuclei, parts))

    def _cut(self, true: Sequence[Mask], ids: Sequence[int]) -> None:
        """Draw lines across, if that leaves at least half of the nuclei right."""
        trial, lines = self.nuclei.copy(), 0
        for line in _lines(true):
            held = [n for n in trial.in_box(Mask.union_of(true).box) if trial.is_shown(n)]
            for n in held:
                if sum(2 * t.overlap(n.mask) >= t.area for t in true) < 2:
                    continue
                try:
                    edits.split(trial, n.id, line).apply_to(trial)
                    lines += 1
                except EditError:
                    continue
                break
        if lines and 2 * sum(self._right(t, trial) for t in true) >= len(true):
            self._activate("split")
            self._spend("split", lines)
            self.nuclei = trial

    def _one(self, truth: Mask) -> None:
        self._nudge(truth)
        if self._right(truth):
            return
        way = self._way(truth, PICK)
        if way[0].actions > 1:
            pick = 0 if self._box(truth) else PICK
            self._nudge(truth)
            way = self._way(truth, pick)
        if not self._right(truth):
            self._by_hand(truth, way)

    def _box(self, truth: Mask) -> bool:
        """Draw a box; the answer is chosen then, so that nothing has to be picked.

        Where it is wrong, T offers ellipses in the box, of which is seen whether they are right.
        """
        self._activate("box")
        self._spend("box")
        try:
            first, others = (
                in_box(self.prompter, truth.box),
                others_in_box(self.prompter, truth.box),
            )
        except EditError:
            return False
        edit = self._put(first)
        ellipses = [seen for words, seen in others.items() if "ellipse" in words]
        for presses, seen in enumerate(ellipses, 1):
            if not self._right(truth) and seen.mask.iou(truth) >= self.iou:
                if edit is not None:
                    self._do(edit.inverse())
                edit = self._put(seen)
                self._spend("reading", presses)
        return edit is not None

    def _put(self, seen: SeenNucleus) -> Edit | None:
        try:
            edit = put(self.nuclei, Answer(seen.mask, seen.score, self.case.model), "box")
        except EditError:
            return None
        self._do(edit)
        return edit

    def _nudge(self, truth: Mask) -> None:
        """Nudge an outline that is seen to be a px or two too tight or too wide all round."""
        for _ in range(self._px_off(truth)):
            nucleus = self._most_like(truth)
            if nucleus is None or self._right(truth):
                return
            (soft,) = self.prompter.soft_masks([nucleus.mask.box])
            outwards = nucleus.mask.area < truth.area
            try:
                self._do(nudge(self.nuclei, nucleus.id, outwards, soft)[0])
            except EditError:
                return
            self._spend("nudge")

    def _px_off(self, truth: Mask) -> int:
        """By how many px an outline would have to grow or shrink to be right; 0: by none."""
        nucleus = self._most_like(truth)
        if nucleus is None or nucleus.mask.iou(truth) >= self.iou:
            return 0
        move = shaping.grown if nucleus.mask.area < truth.area else shaping.shrunk
        moved = (move(nucleus.mask, px).iou(truth) >= self.iou for px in range(1, PX + 1))
        return next((k for k, right in enumerate(moved, 1) if right), 0)

    # -- by hand ----------------------------------------------------------------------

    def _way(self, truth: Mask, pick: int) -> tuple[Way, Hand, Nucleus | None]:
        """The cheapest way by hand, and the hand as it is after it."""
        hand = Hand(self.iou, self.hand.tool, self.hand.brush)
        nucleus = self._most_like(truth)
        if nucleus is None or nucleus.mask.iou(truth) < 0.2:
            return hand.missed(truth), hand, None
        return hand.boundary(truth, nucleus.mask, pick), hand, nucleus

    def _by_hand(self, truth: Mask, found: tuple[Way, Hand, Nucleus | None]) -> None:
        way, self.hand, nucleus = found
        if nucleus is None:
            self._do(edits.add(self.nuclei, way.mask))
        elif way.mask.clip(self.nuclei.shape) != nucleus.mask:
            self._do(edits.repaint(self.nuclei, nucleus.id, way.mask))
        self._spend("by hand", way.actions)

    def _finish(self) -> None:
        """What corrections have upset is put right by hand; it counts for its kind."""
        for need in self._needs():
            self._kind = need.kind
            self._spend("put right", self.hand.correct(need, self.case.truth, self.nuclei))

    # -- what is seen -----------------------------------------------------------------

    def _near(self, mask: Mask, nuclei: Nuclei) -> Iterator[Nucleus]:
        return (n for n in nuclei.in_box(mask.box) if nuclei.is_shown(n))

    def _most_like(self, truth: Mask) -> Nucleus | None:
        near = self._near(truth, self.nuclei)
        return max(near, key=lambda n: n.mask.iou(truth), default=None)

    def _right(self, truth: Mask, nuclei: Nuclei | None = None) -> bool:
        near = self._near(truth, self.nuclei if nuclei is None else nuclei)
        return any(n.mask.iou(truth) >= self.iou for n in near)

    def _is_left_over(self, id: int) -> bool:
        """Whether a nucleus is still shown that is no true one."""
        if id not in self.nuclei or not self.nuclei.is_shown(self.nuclei[id]):
            return False
        mask = self.nuclei[id].mask
        return all(mask.iou(t) < self.iou for t in self.case.truth if mask.overlap(t))


def _place(need: Need) -> tuple[int, int]:
    return ORDER.index(need.kind), min((*need.ids, 10**9))


def _lines(true: Sequence[Mask]) -> Iterator[list[tuple[float, float]]]:
    """Yield straight lines that take one nucleus after the other from a row of them."""
    middles = np.array([t.centroid for t in true])
    axis = np.linalg.svd(middles - middles.mean(0))[2][0]
    row = [true[k] for k in np.argsort(middles @ axis)]
    for k, first in enumerate(row[:-1]):
        a, b = (np.column_stack(m.pixels()) for m in (first, Mask.union_of(row[k + 1 :])))
        spread = np.cov(a.T) + np.cov(b.T) + np.eye(2)
        across = np.linalg.solve(spread, b.mean(0) - a.mean(0))
        across /= np.linalg.norm(across)
        # Where the fewest pixels lie on the wrong side.
        left, right = np.sort(a @ across), np.sort(b @ across)
        places = np.concatenate([left, right]) + 0.5
        wrong = len(a) - np.searchsorted(left, places) + np.searchsorted(right, places)
        at = float(places[wrong.argmin()])
        together = np.concatenate([a, b])
        along = np.array([-across[1], across[0]])
        low, high = (together @ along).min() - 3, (together @ along).max() + 3
        ends = [at * across + s * along for s in (low, high)]
        yield [(float(y), float(x)) for y, x in ends]
