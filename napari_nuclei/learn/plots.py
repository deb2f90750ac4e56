"""Pictures of experiments: curves, and the images on which a model does worst.

No torch here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..atomic_files import replacing
from ..formats.image_files import image_in
from ..images.images import read_image
from ..images.levels import normalize
from ..masks import Mask
from .disturb import PLAIN
from .experiments import Run
from .figures import JudgedImage, missed_by_size, precision_recall, reliability, worst

SIZES = np.array([2, 6, 9, 12, 16, 22, 30, 42, 60, 85, 120, 250], float)
"""Diameters in px that part the classes of nucleus sizes."""

FOUND, WRONG, MISSED = (86, 180, 233), (213, 94, 0), (240, 228, 66)
"""Blue, red and yellow that the colour-blind tell apart, on stains and on black."""

SIDE = 800
"""Pictures are enlarged by a whole factor to about this size in px."""


def draw_plots(folder: Path, runs: Sequence[Run]) -> list[Path]:
    """Draw precision over recall, calibration, and what share is missed by size.

    Returns
    -------
    list of Path
        The files written; none if no run is on images as they are.
    """
    plain = [run for run in runs if run.change == PLAIN]
    if not plain:
        return []
    kinds = {
        "precision_recall": _precision_recall,
        "calibration": _calibration,
        "missed": _missed,
    }
    return [_drawn(folder / f"{name}.png", plain, draw) for name, draw in kinds.items()]


def _drawn(path: Path, runs: Sequence[Run], draw: Any) -> Path:
    """Draw one panel a data set, one line a model."""
    from matplotlib.figure import Figure

    labels = list(dict.fromkeys(run.source.label for run in runs))
    figure = Figure(figsize=(4.2 * len(labels), 3.6), layout="constrained")
    for axes, label in zip(figure.subplots(1, len(labels), squeeze=False)[0], labels, strict=True):
        axes.set_title(label, fontsize="medium")
        for run in runs:
            if run.source.label == label:
                draw(axes, run.judgement.seen, run.card.name)
        axes.grid(alpha=0.3)
        axes.legend(fontsize="small")
    with replacing(path) as file:
        figure.savefig(file, dpi=100, format="png")
    return path


def _precision_recall(axes: Any, seen: Sequence[JudgedImage], name: str) -> None:
    recall, precision = precision_recall(seen)
    axes.plot(recall, precision, label=name)
    axes.set(xlabel="recall at IoU 0.5", ylabel="precision", xlim=(0, 1), ylim=(0, 1.02))


def _calibration(axes: Any, seen: Sequence[JudgedImage], name: str) -> None:
    mean, share, count = reliability(seen)
    (line,) = axes.plot(mean, share, "-", label=name)
    axes.scatter(mean, share, s=5 + 60 * count / max(1, count.max()), color=line.get_color())
    axes.plot([0, 1], [0, 1], ":", color="gray")
    axes.set(xlabel="score", ylabel="share right at IoU 0.5", xlim=(0, 1), ylim=(0, 1))


def _missed(axes: Any, seen: Sequence[JudgedImage], name: str) -> None:
    share, count = missed_by_size(seen, SIZES)
    middle = np.sqrt(SIZES[1:] * SIZES[:-1])
    enough = count >= 5
    axes.plot(middle[enough], share[enough], "o-", ms=4, label=name)
    axes.set(xlabel="diameter of the nucleus, px", ylabel="share missed", ylim=(0, 1))
    axes.set(xscale="log", xticks=[5, 10, 20, 50, 100], xticklabels=[5, 10, 20, 50, 100])


def write_worst(folder: Path, runs: Sequence[Run], count: int) -> Iterator[Path]:
    """Write each run's worst images as PNG: right ones blue, wrong red, missed yellow."""
    from PIL import Image

    for run in runs:
        for rank, seen in enumerate(worst(run.judgement.seen, count), 1):
            named = (run.card.name, run.source.label, run.change, Path(seen.image.file_name).stem)
            name = re.sub(r"[^\w.-]", "_", "-".join(named[:3]))
            path = folder / f"{name}-{rank:02d}-f1_{seen.f1:.2f}-{named[3]}.png"
            with replacing(path) as file:
                Image.fromarray(picture(run, seen)).save(file, "PNG")
            yield path


def picture(run: Run, seen: JudgedImage) -> NDArray[np.uint8]:
    """Draw what was found, wrong and missed into an image, (H, W, 3) uint8."""
    image = seen.image
    times = max(1, round(SIDE / max(image.shape)))
    pixels = normalize(read_image(image_in(run.source.images, image.file_name)))
    canvas = _enlarged((pixels.clip(0, 1) * 255).astype(np.uint8), times)
    true = [n.mask for n in run.source.truth.of(image).shown()]
    ranked = sorted(run.answer.found.found.get(image.id, []), key=lambda f: -f[1])
    for mask, found in zip(true, seen.found, strict=True):
        if not found:
            _outline(canvas, mask, times, MISSED)
    for (mask, _), right in zip(ranked, seen.shown, strict=False):
        _outline(canvas, mask, times, FOUND if right else WRONG)
    return canvas


def _enlarged(pixels: NDArray[Any], times: int) -> NDArray[Any]:
    return pixels.repeat(times, 0).repeat(times, 1)


def _outline(
    canvas: NDArray[np.uint8], mask: Mask, times: int, colour: tuple[int, int, int]
) -> None:
    from scipy.ndimage import binary_erosion

    crop = _enlarged(mask.to_array(), times)
    ys, xs = np.nonzero(crop & ~binary_erosion(crop, iterations=2))
    canvas[ys + mask.y * times, xs + mask.x * times] = colour
