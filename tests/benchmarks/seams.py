"""Whether the grid of tiles leaves a trace: the same image under shifted grids.

Of the nuclei at least 0.05 above the threshold under the first grid: the share that each other
grid finds too, at IoU 0.9 or more; and how many nuclei end straight along a tile line, under that
grid's own lines and, as a yardstick, along lines that no grid had. With `--truth`, instead: F1 at
IoU 0.5 of a data set's images in such tiles, and of each as a single tile.

    python tests/benchmarks/seams.py [--image FILE] [--side 512] [--shifts 64] [--model nuclei]
    python tests/benchmarks/seams.py --truth DATA/vrdl/val.json [--side 512]
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from napari_nuclei import models
from napari_nuclei.formats import coco
from napari_nuclei.images.images import read_image
from napari_nuclei.masks import Mask
from napari_nuclei.nuclei import Nuclei, Nucleus
from napari_nuclei.prediction.predict import segment
from napari_nuclei.prediction.resampling import sizes
from napari_nuclei.prediction.seams import cut_along
from napari_nuclei.prediction.tiles import GROWN, cut
from napari_nuclei.scoring.match import match
from napari_nuclei.synthetic.scenes import make_sample

WHOLE = 8192
"""Side of a tile that holds each image whole."""


def main() -> None:
    """Shift the grid again and again; print the shares."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--image", type=Path, help="default: a synthetic H&E field, 400 nuclei")
    parser.add_argument("--side", type=int, default=512)
    parser.add_argument("--shifts", type=int, default=64)
    parser.add_argument("--model", default="nuclei")
    parser.add_argument("--diameter", type=float)
    parser.add_argument("--truth", type=Path, help="a COCO file whose images lie beside it")
    options = parser.parse_args()
    if options.truth is not None:
        against_whole(options.truth, models.load(options.model, "cpu"), options.side)
        return
    if options.image is None:
        image = make_sample("histology", seed=7, size=1000, nuclei=400)[0]
    else:
        image = read_image(options.image)
    detector = models.load(options.model, "cpu")
    own, limit = detector.card.diameter, detector.card.threshold
    diameter = options.diameter or own
    shape = sizes(image.shape[:2], own / diameter)
    rng, first, shares, seams, others = np.random.default_rng(0), None, [], 0, 0
    for _ in range(options.shifts):
        shift = tuple((rng.integers(0, options.side // 64, 2) * 64).tolist())
        found = segment(image, detector, diameter, side=options.side, shift=shift).found
        shown = [m for m, score in found if score >= limit]
        tiles = cut(shape, options.side, detector.margin, detector.stride, shift)
        rows, cols = (
            sorted({(t.core[k] + GROWN) * diameter / own for t in tiles if t.core[k]})
            for k in (0, 1)
        )
        seams += len(cut_along(shown, rows, cols))
        others += len(cut_along(shown, [r + 29 for r in rows], [c + 29 for c in cols]))
        if first is None:
            first = [m for m, score in found if score >= limit + 0.05]
        else:
            shares.append(share(first, [m for m, _ in found], image.shape[:2]))
    print(f"{options.shifts} grids of {len(tiles)} tiles or so; {len(first or [])} nuclei")
    print(f"the same at IoU 0.9: mean {np.mean(shares):.4%}, lowest {min(shares):.4%}")
    print(f"straight along a tile line: {seams}; along other lines: {others}")


def against_whole(path: Path, detector: models.Detector, side: int) -> None:
    """Print F1 of all images in tiles, and in one."""
    data = coco.read(path)
    for name, largest in ((f"tiles of {side} px", side), ("a single tile", WHOLE)):
        right = true = shown = 0
        for image in data.images:
            pixels = read_image(path.parent / "images" / image.file_name)
            truth = [n.mask for n in data.nuclei[image.id]]
            found = segment(pixels, detector, side=largest).found
            masks = [m for m, score in found if score >= detector.card.threshold]
            right += len(match(truth, masks, 0.5).truth)
            true, shown = true + len(truth), shown + len(masks)
        print(f"{name}: F1 {2 * right / (true + shown):.4f}, {shown} nuclei shown of {true}")


def share(wanted: list[Mask], found: list[Mask], shape: tuple[int, int]) -> float:
    """Return the share of masks that are found again at IoU 0.9."""
    index = Nuclei(shape, [Nucleus(k, m) for k, m in enumerate(found, 1)])
    same = sum(any(m.iou(n.mask) >= 0.9 for n in index.in_box(m.box)) for m in wanted)
    return same / max(len(wanted), 1)


if __name__ == "__main__":
    main()
