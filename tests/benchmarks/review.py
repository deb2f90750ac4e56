"""How long a reviewer waits: edits, the threshold slider, opening, going to the next nucleus.

In a real window (an X server is needed) on a 4096×4096 image with 20,000 nuclei, journal and
view included; each figure is the median over many repeats. With ``--busy`` all of it again
while a model segments images on threads, as *Segment all* does.

    xvfb-run -a python tests/benchmarks/review.py [--busy] [--repeats 200]
"""

from __future__ import annotations

import argparse
import platform
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import psutil

SIDE, NUCLEI, THRESHOLD = 4096, 20_000, 0.5


def main() -> None:
    """Measure and print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=200)
    parser.add_argument("--busy", action="store_true", help="also while a model is at work")
    parser.add_argument("--memory", action="store_true", help="memory of 100,000 nuclei instead")
    options = parser.parse_args()
    print(f"{platform.machine()}, {psutil.cpu_count()} cores, Python {platform.python_version()}\n")
    if options.memory:
        print(f"100,000 nuclei on 8192×8192: {memory() / 1e6:.0f} MB")
        return
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(Path(folder), options.repeats)
        rows = {"quiet": bench.run()}
        if options.busy:
            with segmenting():
                rows["while segmenting"] = bench.run()
        bench.close()
    print(f"| median of {options.repeats}, ms | {' | '.join(rows)} |")
    print("|---|" + "---|" * len(rows))
    for name in rows["quiet"]:
        print(f"| {name} | " + " | ".join(f"{row[name]:.1f}" for row in rows.values()) + " |")


def masks(count: int, side: int) -> list[tuple[Any, float]]:
    """Discs of 9 to 23 px in random places, overlapping here and there, with random scores."""
    from napari_nuclei.masks import Mask

    rng = np.random.default_rng(0)
    discs = []
    for radius in range(4, 12):
        ys, xs = np.ogrid[-radius : radius + 1, -radius : radius + 1]
        discs.append(Mask.from_array(ys**2 + xs**2 <= radius**2))
    places = rng.integers(0, side - 24, (count, 2)).tolist()
    scores = rng.uniform(0.05, 1, count)
    return [(discs[k % 8].shift(y, x), float(scores[k])) for k, (y, x) in enumerate(places)]


class Bench:
    """A window with the review."""

    def __init__(self, folder: Path, repeats: int) -> None:
        import napari
        from PIL import Image as Picture
        from qtpy.QtWidgets import QApplication

        from napari_nuclei._napari.widget import NucleiWidget
        from napari_nuclei.nuclei import edits
        from napari_nuclei.review import Review

        self.repeats = repeats
        self.path = folder / "large.png"
        rng = np.random.default_rng(1)
        Picture.fromarray(rng.integers(0, 255, (SIDE, SIDE), np.uint8)).save(self.path)
        review = Review.open(self.path)
        review.do(edits.propose(review.nuclei, masks(NUCLEI, SIDE), "model", THRESHOLD))
        review.close()
        self.viewer = napari.Viewer()
        self.widget = NucleiWidget(self.viewer)
        self.viewer.window.add_dock_widget(self.widget)
        self.process = QApplication.processEvents
        (self.image,) = self.viewer.open(str(self.path), plugin="napari")
        self.process()
        self.rng = np.random.default_rng(2)

    @property
    def bridge(self) -> Any:
        return self.widget.bridge

    @property
    def review(self) -> Any:
        return self.bridge.review

    def run(self) -> dict[str, float]:
        """Return the medians in ms by name."""
        return {
            "accept": self._median(self._edit("accept")),
            "delete, undo": self._median(self._edit("delete"), self.review.undo),
            "brush stroke": self._median(self._paint),
            "threshold, a step of 0.01": self._median(self._step),
            "threshold, from anywhere to anywhere": self._median(self._jump, repeats=40),
            "next nucleus": self._median(self._next),
            "opening the review": self._median(self._open, repeats=5),
        }

    def close(self) -> None:
        """Close the window."""
        self.widget.session.close()
        self.viewer.close()

    def _median(
        self, work: Callable[[], Any], after: Callable[[], Any] | None = None, repeats: int = 0
    ) -> float:
        times = []
        for _ in range(repeats or self.repeats):
            begun = time.perf_counter()
            work()
            self.process()
            times.append(1000 * (time.perf_counter() - begun))
            if after is not None:
                after()
                self.process()
        return statistics.median(times)

    def _edit(self, name: str) -> Callable[[], Any]:
        from napari_nuclei.nuclei import edits

        def work() -> None:
            nuclei = self.review.nuclei
            ids = [n.id for n in nuclei.in_box(self._box()) if nuclei.is_shown(n)]
            left = [i for i in ids if nuclei[i].state.value == "proposed"]
            if left:
                self.review.do(getattr(edits, name)(nuclei, left[:1]))

        return work

    def _box(self) -> tuple[int, int, int, int]:
        y, x = self.rng.integers(100, SIDE - 200, 2).tolist()
        return y, x, y + 100, x + 100

    def _paint(self) -> None:
        y, x, *_ = self._box()
        self.bridge.layer.brush_size = 10
        self.bridge.layer.paint((y, x), self.review.nuclei.next_id)

    def _step(self) -> None:
        score = self.review.nuclei.threshold + (0.01 if self.rng.random() < 0.5 else -0.01)
        self._set(min(max(score, 0.1), 0.9))

    def _jump(self) -> None:
        self._set(float(self.rng.uniform(0.1, 0.9)))

    def _set(self, score: float) -> None:
        self.widget.result.threshold_box.setValue(score)
        self.widget.result.flush()

    def _next(self) -> None:
        from napari_nuclei._napari.review.reviewing import actions_of

        actions_of(self.bridge).next()

    def _open(self) -> None:
        record = self.bridge.record
        self.viewer.layers.remove(self.bridge.layer)
        record.close()
        self.widget.session.bring_back(self.image)


@contextmanager
def segmenting() -> Iterator[None]:
    """Have a model segment fields on a thread, as *Segment all* does."""
    from napari_nuclei._napari.segment.llvm import hide_triton_from_mesa

    hide_triton_from_mesa()  # before torch is loaded, as the widget does
    from napari_nuclei import models
    from napari_nuclei.models.registry import current
    from napari_nuclei.prediction import predict

    stop = threading.Event()
    detector = models.load(current().name, "cpu")
    field = np.random.default_rng(3).integers(0, 255, (512, 512, 3), np.uint8)

    def work() -> None:
        while not stop.is_set():
            for _ in predict.segment_steps(field, detector, 26.0):
                if stop.is_set():
                    break

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def memory() -> float:
    """Return the bytes that a review of 100,000 nuclei takes, its arrays not counted."""
    from napari_nuclei.nuclei import Nuclei, edits
    from napari_nuclei.review import Review

    found = masks(100_000, 8192)
    process = psutil.Process()
    before = process.memory_info().rss
    with tempfile.TemporaryDirectory() as folder:
        from PIL import Image as Picture

        path = Path(folder) / "huge.png"
        Picture.new("L", (8192, 8192)).save(path)
        review = Review.open(path, start=Nuclei((8192, 8192)))
        review.do(edits.propose(review.nuclei, found, "model", THRESHOLD))
        review.close()
        del review
        review = Review.open(path, start=Nuclei((8192, 8192)))
        used = process.memory_info().rss - before
        review.close()
    return float(used)


if __name__ == "__main__":
    main()
