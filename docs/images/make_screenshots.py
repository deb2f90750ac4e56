"""Make the README's screenshots in a real window with the shipped model.

    xvfb-run -a -s "-screen 0 1400x900x24" python docs/images/make_screenshots.py [FOLDER]

Writes `ihc.png`, the immunohistochemistry sample, and `crowded.png`, a crowded synthetic one.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

# The window as a newcomer has it: no settings, and no review from before.
if __name__ == "__main__":
    HERE = tempfile.TemporaryDirectory(prefix="screenshots-")
    os.environ["NAPARI_CONFIG"] = f"{HERE.name}/settings.yaml"
    os.environ["XDG_DATA_HOME"] = HERE.name

import napari
from qtpy.QtWidgets import QApplication

from napari_nuclei._napari.files import samples
from napari_nuclei._napari.segment.engine import Engine
from napari_nuclei._napari.widget import NucleiWidget

SIZE = (1280, 800)
MAX_SECONDS = 300
PICTURES = {"ihc.png": "immunohistochemistry", "crowded.png": "fluorescence_crowded"}


def wait(until: Callable[[], bool], seconds: float = MAX_SECONDS) -> None:
    """Let the window work until something holds."""
    end = time.monotonic() + seconds
    while not until():
        if time.monotonic() > end:
            raise SystemExit("gave up waiting")
        QApplication.processEvents()
        time.sleep(0.01)


def pause(seconds: float = 0.5) -> None:
    """Let the window settle."""
    end = time.monotonic() + seconds
    wait(lambda: time.monotonic() > end)


def shoot(sample: str, path: Path, engine: Engine | None = None) -> None:
    """Segment a sample and save a picture of the window."""
    viewer = napari.Viewer(title="napari")
    viewer.theme = "dark"
    viewer.window.resize(*SIZE)
    widget = NucleiWidget(viewer, engine)
    viewer.window.add_dock_widget(widget, name="Nuclei")
    ((pixels, meta, _),) = getattr(samples, sample)()
    viewer.add_image(pixels, **meta)
    done: list[Any] = []
    widget.segmenting.runner.ended.connect(lambda: done.append(True))
    widget.segment()
    wait(lambda: bool(done))
    if widget.bridge is None:
        raise SystemExit(widget.message.text())
    pause()
    viewer.reset_view(margin=0)
    pause()
    viewer.screenshot(str(path), canvas_only=False, flash=False)
    print(f"{path.name}: {widget.result.state.text().splitlines()[0]}")  # noqa: T201
    viewer.close()


def main(folder: Path, engine: Engine | None = None) -> None:
    """Make all pictures."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, sample in PICTURES.items():
        shoot(sample, folder / name, engine)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent)
