"""Make the figures of *How it works* from the project's own samples.

    python docs/images/make_figures.py [FOLDER]

Writes `overlap.png`, `outline.png` and `thresholds.png`.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np

mpl.use("agg")
import matplotlib.pyplot as plt

import napari_nuclei
from napari_nuclei.formats.overlay import overlay
from napari_nuclei.images.images import read_image
from napari_nuclei.masks import Mask, outlines
from napari_nuclei.masks.box import enclosing
from napari_nuclei.nuclei import Nuclei, Nucleus, labels
from napari_nuclei.resources import resource_folder

SAMPLES = resource_folder("sample_data")
ORANGE, BLUE = "#e69f00", "#0072b2"


def save(figure: Any, path: Path) -> None:
    """Write a figure."""
    figure.savefig(path, dpi=110, bbox_inches="tight")
    plt.close(figure)
    print(path)  # noqa: T201


def crossing(nuclei: Nuclei) -> tuple[Nucleus, Nucleus]:
    """Return the two nuclei that overlap most."""
    pairs = [
        (a.mask.overlap(b.mask), a, b)
        for a in nuclei
        for b in nuclei.in_box(a.mask.box)
        if b.id > a.id
    ]
    _, first, second = max(pairs, key=lambda each: each[0])
    return first, second


def draw_ring(axes: Any, mask: Mask, colour: str) -> None:
    """Draw the outline of a mask."""
    rings = outlines.trace([mask])
    for ring in np.split(rings.points, np.cumsum(rings.sizes)[:-1]):
        closed = np.concatenate([ring, ring[:1]])
        axes.plot(closed[:, 0] - 0.5, closed[:, 1] - 0.5, color=colour, lw=2)


def figure_overlap(folder: Path) -> None:
    """Show what a label image keeps of two nuclei, and what is kept here."""
    data = napari_nuclei.read(SAMPLES / "truth.json")
    image, nuclei = next((i, n) for i, n in data if i.file_name == "fluorescence_crowded_1.png")
    pair = crossing(nuclei)
    y0, x0, y1, x1 = enclosing(n.mask.box for n in pair)
    extent = (x0 - 5, x1 + 4, y1 + 4, y0 - 5)
    both = Nuclei(nuclei.shape, [pair[0], pair[1]])
    figure, axes = plt.subplots(1, 3, figsize=(9, 3.2))
    axes[0].imshow(read_image(SAMPLES / image.file_name), cmap="gray")
    axes[0].set_title("image")
    seen = labels.draw(both)
    axes[1].imshow(np.where(seen == 0, np.nan, seen == pair[0].id), cmap="cividis")
    axes[1].set_title("label image: one per pixel")
    axes[2].imshow(read_image(SAMPLES / image.file_name), cmap="gray")
    for nucleus, colour in zip(pair, (ORANGE, "#56b4e9"), strict=True):
        draw_ring(axes[2], nucleus.mask, colour)
    axes[2].set_title("here: two whole masks")
    for each in axes:
        each.set_xlim(extent[:2])
        each.set_ylim(extent[2:])
        each.axis("off")
    save(figure, folder / "overlap.png")


def figure_outline(folder: Path) -> None:
    """Show an outline along pixel edges, and one through pixel centres."""
    grid = np.hypot(*np.mgrid[-5:6, -5:6]) <= 5.3
    grid[5, 5] = False
    mask = Mask.from_array(grid)
    figure, axes = plt.subplots(figsize=(4.2, 4.2))
    axes.imshow(np.where(mask.to_array(), 0.8, 1.0), cmap="gray", vmin=0, vmax=1)
    draw_ring(axes, mask, BLUE)
    from skimage.measure import find_contours

    grid[5, 5] = True
    (line, *_) = find_contours(np.pad(grid, 1).astype(float), 0.999)
    axes.plot(line[:, 1] - 1, line[:, 0] - 1, color=ORANGE, lw=2, ls="--")
    axes.plot([], [], color=BLUE, lw=2, label="pixel edges: exact")
    axes.plot([], [], color=ORANGE, lw=2, ls="--", label="pixel centres")
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.02), ncol=2, frameon=False)
    axes.set_xticks(np.arange(-0.5, 11), minor=True)
    axes.set_yticks(np.arange(-0.5, 11), minor=True)
    axes.grid(which="minor", color="#cccccc", lw=0.5)
    axes.tick_params(which="both", length=0, labelbottom=False, labelleft=False)
    save(figure, folder / "outline.png")


def figure_thresholds(folder: Path) -> None:
    """Show one result at three thresholds."""
    path = SAMPLES / "histology_crowded_1.png"
    pixels = read_image(path)[:200, :260]
    found = napari_nuclei.segment(pixels)
    figure, axes = plt.subplots(1, 3, figsize=(10.5, 3))
    for each, threshold in zip(axes, (0.2, 0.5, 0.9), strict=True):
        shown = Nuclei(found.shape, found, threshold)
        each.imshow(overlay(pixels, shown))
        each.set_title(f"from {threshold}: {sum(1 for _ in shown.shown())} nuclei")
        each.axis("off")
    save(figure, folder / "thresholds.png")


def main(folder: Path) -> None:
    """Make all figures."""
    figure_overlap(folder)
    figure_outline(folder)
    figure_thresholds(folder)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent)
