"""How long a reviewer waits in a folder: for an image, for the list, for an edit.

    xvfb-run -a -s "-screen 0 1400x900x24" python tests/benchmarks/folder.py DATA

DATA is a folder of PNG images (searched below). Opens a window and prints medians and the
slowest in ms, and of how much processor the window's thread had, which does not depend on what
else the machine does: going to an image that was read ahead and to one that was not, a step of
scrolling through 2,000 images, and an edit with its journal and view, alone and while all
images are being segmented by a real model.
"""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import napari
import numpy as np
from qtpy.QtWidgets import QApplication

from napari_nuclei._napari.widget import NucleiWidget
from napari_nuclei.masks import Mask
from napari_nuclei.nuclei import edits

SIZE = (1280, 800)


Times = list[tuple[float, float]]
"""Milliseconds by the clock, and of the processor for the window's thread."""


def timed(act: Callable[[], Any]) -> tuple[float, float]:
    """Run something; how long it took, and for how long its thread had a processor."""
    begun, used = time.perf_counter(), time.thread_time()
    act()
    return 1000 * (time.perf_counter() - begun), 1000 * (time.thread_time() - used)


def wait(until: Callable[[], bool], seconds: float = 120) -> None:
    """Let the window work until something holds."""
    end = time.monotonic() + seconds
    while not until():
        if time.monotonic() > end:
            raise SystemExit("gave up waiting")
        QApplication.processEvents()
        time.sleep(0.001)


def pause(seconds: float) -> None:
    """Let the window work."""
    end = time.monotonic() + seconds
    wait(lambda: time.monotonic() > end)


def report(name: str, times: Times, base: float | None = None) -> float:
    """Print one line and return the median."""
    middle, used = (statistics.median(column) for column in zip(*times, strict=True))
    ratio = f", {middle / base:.1f} times as long" if base else ""
    print(
        f"{name:<40}{middle:8.1f} ms, {max(times)[0]:8.1f} at most, {used:7.1f} of processor, "
        f"n = {len(times)}{ratio}",
        flush=True,
    )
    return middle


def fill(folder: Path, source: Path, count: int) -> None:
    """Copy images, again and again until there are enough."""
    folder.mkdir()
    found = sorted(source.rglob("*.png"))
    for number in range(count):
        target = folder / f"image{number + 1}.png"
        if number < len(found):
            shutil.copy(found[number], target)
        else:
            os.link(folder / f"image{number % len(found) + 1}.png", target)


def going(widget: NucleiWidget, count: int) -> None:
    """Go to images that were read ahead, and to others."""
    folder = widget.folder.folder
    ahead, far = [], []

    def go(act: Callable[[], None]) -> tuple[float, float]:
        def whole() -> None:
            act()
            wait(lambda: folder.asked is None)
            QApplication.processEvents()

        return timed(whole)

    for _ in range(count):
        pause(0.5)
        ahead.append(go(lambda: folder.step(1)))
    for k in range(count):
        pause(0.5)
        number = (folder.current or 0) + 5 + k % 3
        far.append(go(lambda number=number: folder.go_to(number)))  # type: ignore[misc]
    base = report("next image, read ahead", ahead)
    report("an image that was not read ahead", far, base)


def scrolling(widget: NucleiWidget) -> None:
    """Scroll through the list from its beginning to its end, twice."""
    view = widget.folder.view
    bar = view.verticalScrollBar()
    assert bar is not None
    for name in ("first", "second"):
        times = []
        for value in range(0, bar.maximum(), 1 + bar.maximum() // 300):

            def step(value: int = value) -> None:
                bar.setValue(value)
                view.viewport().repaint()

            times.append(timed(step))
            QApplication.processEvents()
        report(f"a step of scrolling, {name} time", times)


def editing(widget: NucleiWidget, count: int) -> Times:
    """Add and accept nuclei in the image in view."""
    bridge = widget.folder.folder.bridge
    assert bridge is not None
    review, random = bridge.review, np.random.default_rng(0)
    disc = Mask.from_array(np.hypot(*np.mgrid[-9:10, -9:10]) <= 9)
    height, width = review.nuclei.shape
    times = []
    for _ in range(count):
        y, x = int(random.integers(height - 20)), int(random.integers(width - 20))

        def edit(y: int = y, x: int = x) -> None:
            review.do(edits.add(review.nuclei, disc.shift(y, x)))
            QApplication.processEvents()

        times.append(timed(edit))
        pause(0.01)
    return times


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--images", type=int, default=2000)
    parser.add_argument("--turns", type=int, default=20)
    parser.add_argument("--edits", type=int, default=200)
    options = parser.parse_args()
    print(f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, ", end="")
    print(f"load {os.getloadavg()[0]:.1f}, Python {platform.python_version()}")
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "images"
        fill(folder, options.data, options.images)
        viewer = napari.Viewer()
        viewer.window.resize(*SIZE)
        widget = NucleiWidget(viewer)
        viewer.window.add_dock_widget(widget, name="Nuclei")
        opened = timed(lambda: (widget.folder.open(folder), wait(_is_there(widget))))
        report(f"opening a folder of {options.images:,} images", [opened])
        pause(2)
        going(widget, options.turns)
        scrolling(widget)
        pause(2)
        base = report("an edit", editing(widget, options.edits))
        widget.folder.all.segment()
        wait(lambda: "Segmenting" in widget.folder.all.message.text(), 300)
        report("an edit while all are segmented", editing(widget, options.edits), base)
        widget.folder.all.cancel()
        pause(1)
        viewer.close()
        pause(0.5)


def _is_there(widget: NucleiWidget) -> Callable[[], bool]:
    folder = widget.folder.folder
    return lambda: folder.current is not None and folder.asked is None


if __name__ == "__main__":
    main()
