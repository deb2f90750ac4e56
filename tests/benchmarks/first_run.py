"""A new user's path in a real window: open the sample, segment, fix three nuclei, export.

Run as a script, on a screen: ``xvfb-run -a python tests/benchmarks/first_run.py [--pictures DIR]``.
Every click and key is a real event on the real widgets; those in menus and in the file dialog,
which are the system's own, are counted as a person would need them. Prints clicks, keys, wall time.
"""

from __future__ import annotations

import argparse
import os
import platform
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import napari
from qtpy.QtCore import Qt, QTimer
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication, QFileDialog, QPushButton

GOAL = 12
"""Clicks and keys that may be needed before the first fix."""


class Person:
    """Clicks, types, and counts."""

    def __init__(self) -> None:
        self.clicks = self.keys = 0
        self.began = self.last = time.perf_counter()

    def click(self, widget: Any) -> None:
        """Click a button."""
        assert widget.isVisible(), f"{widget} cannot be seen"
        assert widget.isEnabled(), f"{widget} cannot be clicked"
        self.clicks += 1
        QTest.mouseClick(widget, Qt.MouseButton.LeftButton)

    def key(self, widget: Any, key: Any) -> None:
        """Press a key."""
        self.keys += 1
        widget.setFocus()
        QTest.keyClick(widget, key)

    def report(self, step: str) -> None:
        """Print how far it is."""
        now = time.perf_counter()
        print(f"{step:<32}{self.clicks:4} clicks{self.keys:4} keys{now - self.last:8.1f} s")
        self.last = now


def wait(until: Callable[[], bool], seconds: float = 300) -> None:
    """Let the window work until something holds."""
    end = time.monotonic() + seconds
    while not until():
        if time.monotonic() > end:
            raise SystemExit("gave up waiting")
        QApplication.processEvents()
        time.sleep(0.005)


def answer_dialog(person: Person) -> None:
    """Press Save as… in the export dialog, once it is there."""
    dialog = QApplication.activeModalWidget()
    if dialog is None:
        QTimer.singleShot(50, lambda: answer_dialog(person))
        return
    button = next(b for b in dialog.findChildren(QPushButton) if b.text() == "Save as…")
    person.click(button)


def walk(folder: Path, pictures: Path | None) -> None:
    """Go the whole way."""
    person = Person()
    viewer = napari.Viewer()
    wait(lambda: viewer.window._qt_window.isVisible())
    person.report("napari is there")
    viewer.window.add_plugin_dock_widget("napari-nuclei", "Nuclei")
    person.clicks += 2  # Plugins ▸ Nuclei
    viewer.open_sample("napari-nuclei", "fluorescence")
    person.clicks += 4  # File ▸ Open Sample ▸ Nuclei ▸ Fluorescence
    widget: Any = next(iter(viewer.window.dock_widgets.values()))
    widget = getattr(widget, "__wrapped__", widget)
    wait(lambda: widget.segment_button.isVisible() and widget.segment_button.isEnabled())
    person.report("the sample is open")
    person.click(widget.segment_button)
    wait(lambda: widget.bridge is not None and not widget.segmenting.running)
    wait(lambda: bool(len(widget.bridge.review.nuclei)))
    person.report("segmented")
    canvas = viewer.window._qt_viewer.canvas.native
    nuclei = widget.bridge.review
    before = person.clicks + person.keys
    for key, done in (
        (Qt.Key.Key_A, lambda: nuclei.counts.accepted == 1),
        (Qt.Key.Key_R, lambda: nuclei.counts.rejected == 1),
        (Qt.Key.Key_A, lambda: nuclei.counts.accepted == 2),
    ):
        person.key(canvas, Qt.Key.Key_N)
        wait(lambda: bool(nuclei.selection), 10)
        person.key(canvas, key)
        wait(done, 10)
    person.report("three nuclei are fixed")
    if pictures is not None:
        viewer.screenshot(str(pictures / "first_run.png"), canvas_only=False, flash=False)
    out = folder / "sample.coco.json"
    QFileDialog.getSaveFileName = staticmethod(  # type: ignore[method-assign]
        lambda *_: (str(out), "")
    )
    QTimer.singleShot(50, lambda: answer_dialog(person))
    person.click(widget.result.export_button)
    person.keys += 1  # Enter in the file dialog, which has a name already
    wait(out.exists, 30)
    person.report("exported")
    verdict = "within" if before + 1 <= GOAL else "over"
    print(f"before the first fix: {before + 1} clicks and keys, {verdict} the goal of {GOAL}")
    print(
        f"in all: {person.clicks} clicks, {person.keys} keys, {out.stat().st_size:,} bytes, "
        f"{time.perf_counter() - person.began:.0f} s of the window's own time"
    )
    viewer.close()


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pictures", type=Path)
    options = parser.parse_args()
    print(f"{platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    with tempfile.TemporaryDirectory() as folder:
        # A person who comes for the first time: no settings, no journals.
        os.environ["XDG_DATA_HOME"] = os.environ["XDG_CONFIG_HOME"] = folder
        walk(Path(folder), options.pictures)


if __name__ == "__main__":
    main()
