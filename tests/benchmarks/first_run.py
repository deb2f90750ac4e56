r"""What a newcomer has to do: napari with the widget, a sample, segment, fix three nuclei, export.

In a real window (an X server is needed), with the shipped model, in settings of its own. Mouse
and keys go to Qt's windows as those of a person do: menus are opened, buttons and entries are
found by their words, the canvas has the keys only if the focus is there. What is counted is what
arrives: presses of a mouse button and of a key, each entry of a menu one of them.

The newcomer does what the start page says: N leads along the doubtful nuclei, and the truth of
the sample says what there is to do: A accepts, R rejects, W and a box draws anew. A fix counts
once a nucleus that was wrong or missing is right at IoU 0.75, or a false one is gone.

    xvfb-run -a -s "-screen 0 1400x900x24" python tests/benchmarks/first_run.py \
        [--sample "H&E histology (synthetic)"] [--screens FOLDER] [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

HERE = tempfile.TemporaryDirectory(prefix="first-run-")
for name in ("XDG_DATA_HOME", "XDG_CONFIG_HOME", "XDG_CACHE_HOME", "XDG_STATE_HOME"):
    os.environ[name] = HERE.name
os.environ["NAPARI_CONFIG"] = f"{HERE.name}/settings.yaml"
BEGUN = time.perf_counter()

import napari  # noqa: E402
from first_hand import Counter, User, pause, wait  # noqa: E402
from qtpy.QtCore import Qt, QTimer  # noqa: E402
from qtpy.QtWidgets import QApplication, QDialog  # noqa: E402

from napari_nuclei._napari.review.reviewing import actions_of  # noqa: E402
from napari_nuclei._napari.widget import NucleiWidget  # noqa: E402
from napari_nuclei.formats import coco  # noqa: E402
from napari_nuclei.masks import Mask  # noqa: E402
from napari_nuclei.resources import resource_folder  # noqa: E402

IOU = 0.75
FIXES = 3
GOAL = 12
MAX_STEPS = 60
FILES = {
    "H&E histology (synthetic)": "histology_1.png",
    "H&E histology, crowded (synthetic)": "histology_crowded_1.png",
    "Fluorescence, crowded (synthetic)": "fluorescence_crowded_1.png",
}
"""Samples as the menu calls them, and as the truth does."""

SHORT = "H&E histology (synthetic)"
"""The one that the empty widget has a button for."""


@dataclass
class Phase:
    """A part of the way."""

    name: str
    clicks: int
    keys: int
    seconds: float


@dataclass
class Log:
    """What was done so far, phase by phase."""

    counter: Counter
    screens: Path | None
    phases: list[Phase] = field(default_factory=list)
    fixes: list[str] = field(default_factory=list)
    dialogs: list[str] = field(default_factory=list)
    before_first: int | None = None
    _since: tuple[int, int, float] = (0, 0, BEGUN)

    def phase(self, name: str) -> None:
        """End a phase; pictures of the screen are no part of its time."""
        clicks, keys, at = self._since
        now = time.perf_counter()
        done = self.counter
        self.phases.append(Phase(name, done.clicks - clicks, done.keys - keys, now - at))
        self._since = (done.clicks, done.keys, now)
        self.shoot(name)

    def shoot(self, name: str) -> None:
        """Save a picture of the whole screen."""
        if self.screens is not None:
            begun = time.perf_counter()
            pause(0.5)  # until all is drawn
            self.screens.mkdir(parents=True, exist_ok=True)
            number = len(list(self.screens.glob("*.png"))) + 1
            path = self.screens / f"{number:02d} {name}.png"
            QApplication.primaryScreen().grabWindow(0).save(str(path))
            clicks, keys, since = self._since
            self._since = (clicks, keys, since + time.perf_counter() - begun)

    def fixed(self, what: str) -> None:
        """Note a fix."""
        if self.before_first is None:
            # The last press was that of the fix itself.
            self.before_first = self.counter.total - 1
        self.fixes.append(what)


class Newcomer:
    """Goes all the way."""

    def __init__(self, sample: str, log: Log, user: User, viewer: Any) -> None:
        self.sample, self.log, self.user, self.viewer = sample, log, user, viewer
        truth = coco.read(resource_folder("sample_data") / "truth.json")
        (image,) = (i for i in truth.images if i.file_name == FILES[sample])
        self.truth = [n.mask for n in truth.of(image)]
        self.out = Path(HERE.name) / "out"
        self.out.mkdir()
        os.chdir(self.out)

    @property
    def widget(self) -> NucleiWidget:
        return self.user.find(NucleiWidget)

    @property
    def review(self) -> Any:
        return self.widget.bridge.review  # type: ignore[union-attr]

    def go(self) -> None:
        """All the way."""
        self.user.menu("Plugins", "Nuclei", "Nuclei (Nuclei)", seen=self.log.shoot)
        wait(lambda: self.user.window.findChild(NucleiWidget) is not None)
        self.log.phase("widget")
        if self.sample == SHORT:
            self.user.button("Open a sample image")
        else:
            self.user.menu("File", "Open Sample", "Nuclei", self.sample, seen=self.log.shoot)
        wait(lambda: self.widget.settings.image is not None)
        self.log.phase("sample")
        self.user.button("Segment")
        running = self.widget.segmenting
        wait(lambda: self.widget.bridge is not None and not running.running)
        pause()
        self.log.phase("segment")
        self.fix()
        self.log.phase("fix three nuclei")
        self.export()
        self.log.phase("export")
        wait(lambda: not self.widget.prompt_service.runner.running)

    # -- fixing -----------------------------------------------------------------------

    def fix(self) -> None:
        """Walk along the doubtful nuclei until enough are fixed."""
        self.user.key(Qt.Key.Key_N)
        self.log.shoot("the first doubtful nucleus")
        for _ in range(MAX_STEPS):
            if len(self.log.fixes) == FIXES:
                return
            id = actions_of(self.widget.bridge).walk.current  # type: ignore[union-attr]
            if id is None:
                raise SystemExit(f"the walk ended after {len(self.log.fixes)} fixes")
            self.judge(id)
        raise SystemExit(f"{len(self.log.fixes)} fixes after {MAX_STEPS} steps")

    def judge(self, id: int) -> None:
        """Do to a nucleus what the truth says."""
        nucleus, nuclei = self.review.nuclei[id], self.review.nuclei
        truth = max(self.truth, key=nucleus.mask.iou)
        hidden = not nuclei.is_shown(nucleus)
        known = self.best(truth, but=id) >= IOU
        if nucleus.mask.iou(truth) >= IOU and not known:
            self.user.key(Qt.Key.Key_A)
            if hidden:
                self.log.fixed("a missing one taken (A)")
        elif known or nucleus.mask.iou(truth) < 0.2:
            self.user.key(Qt.Key.Key_R)
            if not hidden:
                self.log.fixed("a false one rejected (R)")
        else:
            self.draw(truth)
        self.log.shoot(f"after step {self.log.counter.total}")

    def draw(self, truth: Mask) -> None:
        """Draw a box with W, look, put the tool down and go on."""
        before = self.best(truth)
        self.user.key(Qt.Key.Key_W)
        self.log.shoot("box in hand")
        pressed = self.log.counter.total + 1
        edits = len(self.review.done)
        y0, x0, y1, x1 = truth.box
        corners = (y0 - 0.5, x0 - 0.5), (y1 - 0.5, x1 - 0.5)
        self.user.drag(self.viewer, self.widget.bridge, *corners)
        wait(lambda: len(self.review.done) > edits, 60)
        if before < IOU <= self.best(truth):
            if self.log.before_first is None:
                self.log.before_first = pressed - 1
            self.log.fixes.append("drawn anew in a box (W)")
        self.user.key(Qt.Key.Key_Escape)
        if len(self.log.fixes) < FIXES:
            self.user.key(Qt.Key.Key_N)

    def best(self, truth: Mask, but: int | None = None) -> float:
        """How well a true nucleus is met by those that are shown."""
        rows = (n for n in self.review.nuclei.shown() if n.id != but)
        return max((truth.iou(n.mask) for n in rows), default=0.0)

    # -- exporting --------------------------------------------------------------------

    def export(self) -> None:
        """Export as the dialogs propose."""
        QTimer.singleShot(0, self.in_dialog)
        self.user.button("Export…")
        wait(lambda: any(self.out.iterdir()))

    def in_dialog(self) -> None:
        """Take what the dialog proposes; it runs inside of the click on the button."""
        wait(lambda: self.user.dialog(QDialog) is not None)
        self.log.dialogs.append(self.user.dialog(QDialog).windowTitle())
        self.log.shoot("export dialog")
        self.user.key(Qt.Key.Key_Return)


def report(log: Log, sample: str) -> dict[str, Any]:
    """Print a table, and return the same for programs."""
    print(f"{platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    print(f"napari {napari.__version__}, sample: {sample}\n")
    print("| phase | clicks | keys | s |\n|---|---|---|---|")
    for p in log.phases:
        print(f"| {p.name} | {p.clicks} | {p.keys} | {p.seconds:.1f} |")
    total = sum(p.seconds for p in log.phases)
    print(f"| **in all** | {log.counter.clicks} | {log.counter.keys} | {total:.1f} |\n")
    verdict = "met" if log.before_first is not None and log.before_first <= GOAL else "missed"
    print(f"Before the first fix: {log.before_first} (goal: at most {GOAL}, {verdict})")
    print(f"Fixes: {', '.join(log.fixes)}\nDialogs: {', '.join(log.dialogs)}")
    return {
        "sample": sample,
        "before_first_fix": log.before_first,
        "clicks": log.counter.clicks,
        "keys": log.counter.keys,
        "seconds": round(total, 1),
        "phases": [vars(p) for p in log.phases],
        "fixes": log.fixes,
        "dialogs": log.dialogs,
    }


def main() -> None:
    """Go, and report."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sample", choices=FILES, default=next(iter(FILES)))
    parser.add_argument("--screens", type=Path, help="folder for a picture of each step")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    screens = options.screens.absolute() if options.screens else None
    target = options.json.absolute() if options.json else None
    viewer = napari.Viewer()
    window = viewer.window._qt_window
    window.resize(1280, 800)
    counter = Counter()
    log = Log(counter, screens)
    wait(lambda: window.isVisible() and window.windowHandle().isExposed())
    log.phase("napari")
    run: Callable[[], None] = Newcomer(options.sample, log, User(window), viewer).go
    run()
    result = report(log, options.sample)
    text = json.dumps(result, indent=1)
    if target:
        target.write_text(text + "\n")
    else:
        print(text)
    counter.stop()
    viewer.close()
    os.chdir("/")
    HERE.cleanup()


if __name__ == "__main__":
    sys.exit(main())
