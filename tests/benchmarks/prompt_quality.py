"""How good a box and a click are, on nuclei that the prediction missed.

Each true nucleus that no shown one matches (IoU 0.5, one-to-one) is asked for once by its box,
each side moved by up to 10 % of the box's, and once by a click at a random pixel of its inner
half. `free` are those of which shown nuclei cover less than a third: the others lie in a merged
nucleus or under a wrong outline.

    python tests/benchmarks/prompt_quality.py DATA [--sets dsb2018/val.json …] [--most 60]
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from review_data import Case, arguments, cases, machine
from scipy import ndimage

from napari_nuclei import models
from napari_nuclei.errors import EditError
from napari_nuclei.masks import Mask
from napari_nuclei.nuclei import Nuclei
from napari_nuclei.prompts.prompter import Prompter
from napari_nuclei.prompts.prompts import at_point, in_box
from napari_nuclei.scoring.match import match

JITTER = 0.1
Box = NDArray[np.float64]


def main() -> None:
    """Ask, and print a table."""
    parser = arguments(__doc__)
    parser.add_argument("--most", type=int, default=60, help="missed nuclei of an image")
    args = parser.parse_args()
    detector = models.load(args.model, "cpu")
    print(machine(detector))
    for name in args.sets:
        rng = np.random.default_rng(0)
        rows = [
            row
            for case in cases(args.data / name, detector, args.images)
            for row in ask(case, detector, rng, args.most)
        ]
        table = np.array(rows).reshape(-1, 4)
        print(f"\n{name}: {len(table)} nuclei")
        report(table)


def ask(
    case: Case, detector: models.Detector, rng: np.random.Generator, most: int
) -> list[tuple[float, float, float, float]]:
    """IoU by ellipse, box and click, and the covered share, of an image's missed nuclei."""
    nuclei, prompter = case.nuclei(), case.prompter(detector)
    shown = [n.mask for n in nuclei.shown()]
    lost = sorted(set(range(len(case.truth))) - set(match(case.truth, shown).truth.tolist()))
    if len(lost) > most:
        lost = rng.choice(lost, most, replace=False).tolist()
    out = []
    for truth in (case.truth[k] for k in lost):
        box, (y, x) = jittered(truth, rng), inner_point(truth, rng)
        near = Mask.union_of(n.mask for n in nuclei.in_box(truth.box) if nuclei.is_shown(n))
        out.append(
            (
                ellipse(box).iou(truth),
                box_iou(prompter, box, truth),
                click_iou(prompter, y, x, nuclei, truth),
                truth.overlap(near) / truth.area,
            )
        )
    return out


def box_iou(prompter: Prompter, box: Box, truth: Mask) -> float:
    try:
        return in_box(prompter, box.tolist()).mask.iou(truth)
    except EditError:
        return 0.0


def click_iou(prompter: Prompter, y: float, x: float, nuclei: Nuclei, truth: Mask) -> float:
    try:
        return at_point(prompter, y, x, nuclei).mask.iou(truth)
    except EditError:
        return 0.0


def jittered(truth: Mask, rng: np.random.Generator) -> Box:
    """The nucleus's box, each side moved by up to a tenth of the box's."""
    y0, x0, y1, x1 = truth.box
    sides = np.array([y1 - y0, x1 - x0] * 2)
    return np.array(truth.box) + rng.uniform(-JITTER, JITTER, 4) * sides


def inner_point(truth: Mask, rng: np.random.Generator) -> tuple[float, float]:
    """The middle of a random pixel among the half that lies deepest."""
    pixels = np.pad(truth.to_array(), 1)
    depth = ndimage.distance_transform_edt(pixels)[1:-1, 1:-1]
    ys, xs = np.nonzero(depth >= np.median(depth[depth > 0]))
    k = rng.integers(len(ys))
    return float(ys[k]) + truth.y + 0.5, float(xs[k]) + truth.x + 0.5


def ellipse(box: Box) -> Mask:
    """The pixels whose middles lie in the ellipse inscribed in a box."""
    y0, x0, y1, x1 = box
    ys = np.arange(int(np.floor(y0)), int(np.ceil(y1)))
    xs = np.arange(int(np.floor(x0)), int(np.ceil(x1)))
    down = (ys + 0.5 - (y0 + y1) / 2) / max((y1 - y0) / 2, 0.5)
    across = (xs + 0.5 - (x0 + x1) / 2) / max((x1 - x0) / 2, 0.5)
    return Mask.from_array(down[:, None] ** 2 + across**2 <= 1, int(ys[0]), int(xs[0]))


def report(table: NDArray[np.float64]) -> None:
    """Print means and shares."""
    print(f"{'':16}{'mean IoU':>10}{'≥ 0.5':>8}{'≥ 0.75':>8}")
    parts: Sequence[tuple[str, NDArray[np.bool_]]] = [
        ("all", table[:, 3] >= 0),
        ("free", table[:, 3] < 1 / 3),
    ]
    for part, chosen in parts:
        for k, way in enumerate(("ellipse", "box", "click")):
            iou = table[chosen, k]
            shares = f"{(iou >= 0.5).mean():8.1%}{(iou >= 0.75).mean():8.1%}"
            print(f"{part + ', ' + way:16}{iou.mean():10.3f}{shares}   n = {len(iou)}")


if __name__ == "__main__":
    main()
