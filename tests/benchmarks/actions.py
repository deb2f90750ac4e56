"""How many actions a reviewer who knows the truth needs, with napari's tools and with ours.

From the model's prediction until every true nucleus is matched at IoU 0.75 and no false one is
left; see `by_hand.py` for what counts as an action, and `reviewer.py` for what is done with ours.

    python tests/benchmarks/actions.py DATA [--plot FILE.png] [--json FILE]
"""

from __future__ import annotations

import json
import math
from collections import Counter
from pathlib import Path

import numpy as np
from by_hand import Hand
from review_data import KINDS, Case, arguments, cases, machine, needs
from reviewer import ORDER, Reviewer

from napari_nuclei import models

IOU = 0.75


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
        hand, ours, needed, tools = Counter(), Counter(), Counter(), Counter()
        images = 0
        for case in cases(args.data / name, detector, args.images):
            done = Reviewer(case, detector, IOU).review()
            hand.update(by_hand(case))
            ours.update(done.actions)
            needed.update(done.needed)
            tools.update(done.tools)
            images += 1
        report(name, hand, ours, needed, images)
        print("with which tools: " + ", ".join(f"{t} {n}" for t, n in tools.most_common() if n))
        all_[name] = {"napari": hand, "ours": ours, "needed": needed, "images": images}
    if args.json:
        args.json.write_text(json.dumps(all_, indent=1))
    if args.plot:
        plot(all_, args.plot)


def by_hand(case: Case) -> Counter[str]:
    """Actions by kind, with napari's tools alone."""
    nuclei, hand, spent = case.nuclei(), Hand(IOU), Counter()
    for need in sorted(needs(case.truth, nuclei, IOU), key=lambda n: ORDER.index(n.kind)):
        spent[need.kind] += hand.correct(need, case.truth, nuclei)
    return spent


def report(
    name: str, hand: Counter[str], ours: Counter[str], needed: Counter[str], images: int
) -> None:
    """Print actions by kind, per needed correction, and the ratio."""
    print(f"\n{name}: {images} images")
    print(f"{'':10}{'needed':>8}{'napari':>9}{'ours':>8}{'per correction':>18}{'ratio':>8}")
    for kind in (*KINDS, "all", "no false"):
        # The slider of scores serves all kinds but false ones.
        kinds = {"all": (*KINDS, "slider"), "no false": ({*KINDS} - {"false"} | {"slider"})}
        n, a, b = (sum(t[k] for k in kinds.get(kind, (kind,))) for t in (needed, hand, ours))
        if not n:
            continue
        ratio = a / b if b else math.inf
        print(f"{kind:10}{n:8}{a:9}{b:8}{a / n:9.2f} →{b / n:6.2f} {ratio:8.2f}")
    total = [sum(t.values()) / max(images, 1) for t in (hand, ours)]
    print(f"per image: {total[0]:.1f} with napari's tools, {total[1]:.1f} with all")


def plot(found: dict[str, dict[str, Counter[str]]], path: Path) -> None:
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
