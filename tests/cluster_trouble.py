"""Plugins that make a worker slow, or have it die over an image. No tests."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Any

from distributed import WorkerPlugin

from napari_nuclei.batch import worker as tasks


class Slow(WorkerPlugin):
    """Notes each tile with the process that begins it, and takes its time."""

    def __init__(self, notes: Path) -> None:
        self.notes = notes

    def setup(self, worker: Any) -> None:
        once = tasks._tile

        def slow(plugin: Any, job: Any, layout: Any, tile: Any) -> Any:
            place = "_".join(map(str, tile.core))
            (self.notes / f"{place}-{os.getpid()}").touch()
            time.sleep(0.3)
            return once(plugin, job, layout, tile)

        tasks._tile = slow


class Poison(WorkerPlugin):
    """Kills the worker that opens an image."""

    def __init__(self, name: str) -> None:
        self.name = name

    def setup(self, worker: Any) -> None:
        once = tasks.opened

        def deadly(path: Path, *rest: Any) -> Any:
            if path.name == self.name:
                os.kill(os.getpid(), signal.SIGKILL)
            return once(path, *rest)

        tasks.opened = deadly
