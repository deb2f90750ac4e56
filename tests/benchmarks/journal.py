"""How long edits and opening take with a journal, on an image with very many nuclei.

Run as a script: ``python tests/benchmarks/journal.py [--nuclei 20000] [--edits 200]``. Prints
medians and the slowest in ms. Without a window: what drawing adds is measured elsewhere.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from napari_nuclei.masks import Mask
from napari_nuclei.nuclei import Nuclei, edits
from napari_nuclei.review import Review


def made(side: int, count: int) -> list[tuple[Mask, float]]:
    """Discs of about 24 px across on a grid, each with a score."""
    random = np.random.default_rng(0)
    ys, xs = np.mgrid[-13:14, -13:14]
    discs = [Mask.from_array(ys**2 * a + xs**2 / a <= 144) for a in np.linspace(0.8, 1.25, 16)]
    across = int(np.ceil(count**0.5))
    step = (side - 30) / across
    return [
        (
            discs[k % 16].shift(int(k // across * step), int(k % across * step)),
            float(random.uniform(0.05, 1)),
        )
        for k in range(count)
    ]


def timed(act: Callable[[], Any]) -> tuple[float, Any]:
    """Run something; milliseconds and what it returned."""
    begun = time.perf_counter()
    result = act()
    return 1000 * (time.perf_counter() - begun), result


def report(name: str, times: list[float]) -> None:
    """Print one line."""
    print(f"{name:<34}{statistics.median(times):10.1f} ms{max(times):10.1f} ms at most")


def work(review: Review, count: int, random: np.random.Generator) -> list[float]:
    """Do small edits of several kinds, some taken back."""
    times = []
    ids = [n.id for n in review.nuclei]
    for k in range(count):
        id = int(random.choice(ids))
        while id not in review.nuclei:
            id = int(random.choice(ids))
        nucleus = review.nuclei[id]

        def act(k: int = k, id: int = id, mask: Mask = nucleus.mask) -> None:
            if k % 5 == 4:
                review.undo()
            elif k % 2:
                review.do(edits.repaint(review.nuclei, id, mask.shift(1, 0)))
            else:
                review.do(edits.note(review.nuclei, [id], f"{k}"))

        times.append(timed(act)[0])
    return times


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--nuclei", type=int, default=20_000)
    parser.add_argument("--edits", type=int, default=200)
    parser.add_argument("--side", type=int, default=4096)
    options = parser.parse_args()
    found = made(options.side, options.nuclei)
    with tempfile.TemporaryDirectory() as folder:
        image = Path(folder) / "image.png"
        image.write_bytes(b"stands for an image")
        start = Nuclei((options.side, options.side))

        def opened() -> Review:
            return Review.open(image, start=start)

        review = opened()
        propose = timed(lambda: edits.propose(review.nuclei, found, "model", 0.3))
        report("make the segmentation's edit", [propose[0]])
        report("do it, journal included", [timed(lambda: review.do(propose[1]))[0]])
        report(
            "small edit, journal included", work(review, options.edits, np.random.default_rng(1))
        )
        every = timed(lambda: review.do(edits.accept_above(review.nuclei, 0.5)))[0]
        report("accept all above a score", [every])
        report("close, with a snapshot", [timed(review.close)[0]])
        times = []
        for _ in range(3):
            ms, review = timed(opened)
            times.append(ms)
            if len(times) < 3:
                review.close()
        report("open, with a snapshot", times)
        report("read the whole history", [timed(review.done.load)[0]])
        review.close()
        (image.parent / ".napari-nuclei" / "image.png.snapshot").unlink()
        ms, review = timed(opened)
        report("open without a snapshot", [ms])
        review.close()


if __name__ == "__main__":
    main()
