"""How many actions a reviewer who knows the truth needs, with napari's tools and with ours.

From the model's prediction until every true nucleus is matched at IoU 0.75 and no false one is
left; see `by_hand.py` for what counts as an action. With ours, the reviewer goes kind by kind,
so that tools stay in hand, and by fixed rules that need no knowledge of what a prompt will
answer: what did not help has cost its action, and the rest is done by hand.

* missed: a candidate that is seen to be right is clicked (G), all else gets a box (W);
* false: Delete with the mouse on it, and K where it would take at least five right ones along;
* merged, split, boundary: a box around each true nucleus (W); an outline that is seen to be a
  little too tight or too wide is nudged first;
* T after a box that was wrong: the ellipse in it, then the bare mask;
* then up to two nudges in the direction that the outline wants, then by hand.

    python tests/benchmarks/actions.py DATA [--plot FILE.png] [--json FILE]
"""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from by_hand import Hand
from review_data import KINDS, Case, Need, arguments, cases, machine, needs

from napari_nuclei import edits, models
from napari_nuclei.edit import Edit, EditError
from napari_nuclei.mask import Mask
from napari_nuclei.nuclei import Nuclei, Nucleus
from napari_nuclei.progress import result_of
from napari_nuclei.prompts.edits import Answer, nudge, promote, put
from napari_nuclei.prompts.kinds import Features, fix, learn_steps, same_kind
from napari_nuclei.prompts.prompter import Prompter, Seen
from napari_nuclei.prompts.prompts import in_box, others_in_box

IOU = 0.75
ORDER = ("false", "split", "merged", "boundary", "missed")
WORTH = 5
"""Nuclei that K must take along: it costs K, the slider and K again."""


@dataclass
class Tally:
    """Actions and corrections, by kind."""

    actions: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    needed: dict[str, int] = field(default_factory=lambda: defaultdict(int))

    def add(self, other: Tally) -> None:
        for kind in KINDS:
            self.actions[kind] += other.actions[kind]
            self.needed[kind] += other.needed[kind]


def main() -> None:
    """Review all images in both ways; print, and plot."""
    parser = arguments(__doc__)
    parser.add_argument("--plot", type=Path)
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    detector = models.load(args.model, "cpu")
    print(machine(detector))
    all_ = {}
    for name in args.sets:
        ours, hand, images = Tally(), Tally(), 0
        for case in cases(args.data / name, detector, args.images):
            hand.add(by_hand(case))
            ours.add(Reviewer(case, detector).review())
            images += 1
        report(name, hand, ours, images)
        all_[name] = {"napari": dict(hand.actions), "ours": dict(ours.actions),
                      "needed": dict(hand.needed), "images": images}  # fmt: skip
    if args.json:
        args.json.write_text(json.dumps(all_, indent=1))
    if args.plot:
        plot(all_, args.plot)


# -- with napari's tools alone ----------------------------------------------------------


def by_hand(case: Case) -> Tally:
    nuclei, tally, hand = case.nuclei(), Tally(), Hand(IOU)
    for need in sorted(needs(case.truth, nuclei, IOU), key=lambda n: ORDER.index(n.kind)):
        tally.needed[need.kind] += 1
        tally.actions[need.kind] += cost_by_hand(hand, need, case.truth, nuclei)
    return tally


def cost_by_hand(hand: Hand, need: Need, truth: Sequence[Mask], nuclei: Nuclei) -> int:
    """What a correction costs with napari's tools."""
    true, shown = [truth[k] for k in need.truth], [nuclei[i].mask for i in need.ids]
    if need.kind == "false":
        return sum(hand.false() for _ in shown)
    if need.kind == "missed":
        return sum(hand.missed(t).actions for t in true)
    if need.kind == "split" and len(true) == 1:
        return hand.split(true[0], shown).actions
    # Each shown nucleus becomes the true one it is most like; what is left over is drawn anew
    # on top of it, and shown ones that are left over are filled.
    cost, left = 0, list(shown)
    for t in sorted(true, key=lambda m: -m.area):
        best = max(left, key=t.iou, default=None)
        if best is None:
            cost += hand.missed(t).actions
            continue
        left.remove(best)
        rest = best.minus(Mask.union_of(o for o in true if o is not t)) or best
        # The others are drawn over it, which takes their pixels from it.
        cost += 0 if rest.iou(t) >= IOU else hand.boundary(t, rest).actions
    return cost + sum(hand.false() for _ in left)


# -- with everything --------------------------------------------------------------------


class Reviewer:
    """Reviews one image with all tools."""

    def __init__(self, case: Case, detector: models.Detector) -> None:
        self.case, self.nuclei = case, case.nuclei()
        self.prompter: Prompter = case.prompter(detector)
        self.hand, self.tally = Hand(IOU), Tally()
        self.features = Features()

    def review(self) -> Tally:
        wanted = sorted(needs(self.case.truth, self.nuclei, IOU), key=_place)
        for need in wanted:
            self.tally.needed[need.kind] += 1
        for kind in ORDER:
            if kind == "false":
                self._remove([n for n in wanted if n.kind == kind])
                continue
            for need in (n for n in wanted if n.kind == kind):
                self.tally.actions[kind] += self._correct(need)
        self._finish()
        return self.tally

    def _finish(self) -> None:
        """What corrections have upset is put right by hand; it counts for its kind."""
        for need in needs(self.case.truth, self.nuclei, IOU):
            cost = cost_by_hand(self.hand, need, self.case.truth, self.nuclei)
            self.tally.actions[need.kind] += cost

    def _do(self, edit: Edit) -> None:
        self.nuclei.apply(edit)

    # -- false ones -------------------------------------------------------------------

    def _remove(self, wanted: Sequence[Need]) -> None:
        ids = [i for need in wanted for i in need.ids]
        gone: list[int] = []
        while ids:
            gone.append(ids.pop(0))
            self._do(edits.delete(self.nuclei, gone[-1:]))
            self.tally.actions["false"] += 1
            count = self._alike(gone[-5:], set(ids), "delete") if len(ids) >= WORTH else 0
            if count >= WORTH:
                kind = same_kind(self.nuclei, self.features, gone[-5:], "delete")
                self._do(fix(self.nuclei, kind, count))
                self.tally.actions["false"] += 3
                gone += kind.ids[:count]
                ids = [i for i in ids if i not in kind.ids[:count]]

    def _alike(self, examples: list[int], right: set[int], deed: str) -> int:
        """How many of the likest are right, without a wrong one: the slider stops there."""
        result_of(learn_steps(self.prompter, self.nuclei, self.features))
        try:
            kind = same_kind(self.nuclei, self.features, examples, deed)  # type: ignore[arg-type]
        except EditError:
            return 0
        wrong = [k for k, id in enumerate(kind.ids) if id not in right]
        return min(wrong, default=len(kind.ids))

    # -- all others -------------------------------------------------------------------

    def _correct(self, need: Need) -> int:
        """Correct all that one need is about; return the actions."""
        cost = 0
        for truth in sorted((self.case.truth[k] for k in need.truth), key=lambda m: m.area):
            if self._right(truth):
                continue
            cost += self._one(truth, need.kind)
        for id in need.ids:
            if self._is_left_over(id):
                self._do(edits.delete(self.nuclei, [id]))
                cost += 1
        return cost

    def _one(self, truth: Mask, kind: str) -> int:
        cost = 0
        ghost = self._ghost(truth)
        if kind == "missed" and ghost is not None:
            self._do(promote(self.nuclei, [ghost.id]))
            return self.hand.switch("ghosts") + 1
        if kind == "boundary":
            cost += self._nudge(truth)
            if self._right(truth):
                return cost
        cost += self.hand.switch("box") + self._box(truth)
        cost += 0 if self._right(truth) else self._nudge(truth)
        return cost if self._right(truth) else cost + self._by_hand(truth)

    def _ghost(self, truth: Mask) -> Nucleus | None:
        """A candidate below the threshold that is seen to be right."""
        here = [n for n in self.nuclei.in_box(truth.box)
                if not n.touched and not self.nuclei.is_shown(n)]  # fmt: skip
        return next((n for n in here if n.mask.iou(truth) >= IOU), None)

    def _box(self, truth: Mask) -> int:
        """Draw a box; where the answer is wrong, T shows what else it could mean."""
        cost = 1
        try:
            answers = [in_box(self.prompter, truth.box), *others_in_box(self.prompter, truth.box)]
        except EditError:
            return cost
        for k, seen in enumerate(answers):
            cost += k > 0
            edit = self._put(seen)
            if edit is None or self._right(truth) or seen is answers[-1]:
                break
            self._do(edit.inverse())
        return cost

    def _put(self, seen: Seen) -> Edit | None:
        try:
            edit = put(self.nuclei, Answer(seen.mask, seen.score, self.case.model), "box")
        except EditError:
            return None
        self._do(edit)
        return edit

    def _nudge(self, truth: Mask) -> int:
        """Nudge twice at most, where the outline is seen to be too tight or too wide all round."""
        cost = 0
        while cost < 2 and not self._right(truth):
            nucleus = self._most_like(truth)
            if nucleus is None or not _is_nearly(nucleus.mask, truth):
                break
            (soft,) = self.prompter.soft_masks([nucleus.mask.box])
            outwards = nucleus.mask.area < truth.area
            try:
                self._do(nudge(self.nuclei, nucleus.id, outwards, soft)[0])
            except EditError:
                break
            cost += 1
        return cost

    def _by_hand(self, truth: Mask) -> int:
        """Draw what the prompts did not get right."""
        nucleus = self._most_like(truth)
        if nucleus is None or nucleus.mask.iou(truth) < 0.2:
            way = self.hand.missed(truth)
            self._do(edits.add(self.nuclei, way.mask))
        else:
            way = self.hand.boundary(truth, nucleus.mask)
            if way.mask.clip(self.nuclei.shape) != nucleus.mask:
                self._do(edits.repaint(self.nuclei, nucleus.id, way.mask))
        return way.actions

    def _near(self, mask: Mask) -> list[Nucleus]:
        return [n for n in self.nuclei.in_box(mask.box) if self.nuclei.is_shown(n)]

    def _most_like(self, truth: Mask) -> Nucleus | None:
        return max(self._near(truth), key=lambda n: n.mask.iou(truth), default=None)

    def _right(self, truth: Mask) -> bool:
        return any(n.mask.iou(truth) >= IOU for n in self._near(truth))

    def _is_left_over(self, id: int) -> bool:
        """Whether a nucleus is still shown that is no true one."""
        if id not in self.nuclei or not self.nuclei.is_shown(self.nuclei[id]):
            return False
        mask = self.nuclei[id].mask
        return all(mask.iou(t) < IOU for t in self.case.truth if mask.overlap(t))


def _place(need: Need) -> tuple[int, int]:
    return ORDER.index(need.kind), min((*need.ids, 10**9))


def _is_nearly(mask: Mask, truth: Mask) -> bool:
    """Whether one of two outlines lies almost wholly in the other, not far away."""
    smaller = min(mask.area, truth.area)
    return mask.overlap(truth) >= 0.9 * smaller and mask.iou(truth) >= 0.5


# -- report -----------------------------------------------------------------------------


def report(name: str, hand: Tally, ours: Tally, images: int) -> None:
    """Print actions by kind, per needed correction, and the ratio."""
    print(f"\n{name}: {images} images")
    print(f"{'':10}{'needed':>8}{'napari':>9}{'ours':>8}{'per correction':>18}{'ratio':>8}")
    for kind in (*KINDS, "all", "no false"):
        kinds = KINDS if kind == "all" else [k for k in KINDS if k != "false"]
        kinds = kinds if kind in ("all", "no false") else [kind]
        n = sum(hand.needed[k] for k in kinds)
        a, b = (sum(t.actions[k] for k in kinds) for t in (hand, ours))
        if not n:
            continue
        ratio = a / b if b else math.inf
        print(f"{kind:10}{n:8}{a:9}{b:8}{a / n:9.2f} →{b / n:6.2f} {ratio:8.2f}")
    total = [sum(t.actions.values()) / max(images, 1) for t in (hand, ours)]
    print(f"per image: {total[0]:.1f} with napari's tools, {total[1]:.1f} with all")


def plot(found: dict[str, dict[str, dict[str, int]]], path: Path) -> None:
    """Draw actions per correction by kind, both ways side by side."""
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, len(found), figsize=(5 * len(found), 3.2), squeeze=False)
    for axis, (name, row) in zip(axes[0], found.items(), strict=True):
        kinds = [k for k in KINDS if row["needed"].get(k)]
        for shift, way, color in ((-0.2, "napari", "#999999"), (0.2, "ours", "#0072B2")):
            means = [row[way].get(k, 0) / row["needed"][k] for k in kinds]
            bars = axis.bar(np.arange(len(kinds)) + shift, means, 0.4, label=way, color=color)
            axis.bar_label(bars, fmt="%.1f", fontsize=8)
        axis.set_xticks(range(len(kinds)), [f"{k}\n({row['needed'][k]})" for k in kinds])
        axis.set_title(name)
        axis.set_ylabel("actions per correction")
        axis.legend(frameon=False)
    figure.tight_layout()
    figure.savefig(path, dpi=150)


if __name__ == "__main__":
    main()
