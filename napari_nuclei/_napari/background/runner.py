"""`Runner`: long work on a thread, with progress and Cancel.

Each start has a new generation number. What a job of an older generation still says is
dropped, so that Cancel and a new start take effect for the window at once; the thread itself
ends at the job's next step.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any

from napari.qt.threading import GeneratorWorker, create_worker
from qtpy.QtCore import QObject, Signal  # type: ignore[attr-defined]

from ...progress import Progress
from ...wording import Place, read_in

MIN_INTERVAL = 0.05
"""Shortest time between two signs of progress in s, of those that bring nothing new."""


@dataclass(frozen=True, slots=True)
class _Outcome:
    """How a job of some generation ended: its value or its error."""

    generation: int
    value: Any = None
    error: Exception | None = None


class Runner(QObject):
    """Runs one generator at a time on a thread.

    Its signals come on the main thread: `progressed` (Progress), `succeeded` (the
    generator's value), `failed` (Exception), and `ended` after each of these and after a
    Cancel.
    """

    progressed = Signal(object)
    succeeded = Signal(object)
    failed = Signal(object)
    ended = Signal()

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._generation = 0
        self._stop: threading.Event | None = None

    @property
    def running(self) -> bool:
        """Whether there is a job that has been neither finished nor cancelled."""
        return self._stop is not None

    def start(self, make: Callable[[], Generator[Progress, None, Any]]) -> None:
        """Run what `make` returns; `make` too is called on the thread."""
        self.cancel()
        self._generation += 1
        self._stop = threading.Event()
        worker: GeneratorWorker = create_worker(_pump, make, self._stop, self._generation)
        # Methods of a QObject are called on its own thread, the main one.
        worker.yielded.connect(self._on_progress)
        worker.returned.connect(self._on_outcome)
        self.destroyed.connect(self._stop.set)
        worker.start()

    def cancel(self) -> None:
        """Forget the job under way, if there is one; it ends at its next step."""
        if self._stop is not None:
            self._stop.set()
            self._stop = None
            self._generation += 1
            self.ended.emit()

    def _on_progress(self, step: tuple[int, Progress]) -> None:
        generation, progress = step
        if generation == self._generation:
            self.progressed.emit(progress)

    def _on_outcome(self, outcome: _Outcome) -> None:
        if outcome.generation != self._generation:
            return
        self._stop = None
        if outcome.error is None:
            self.succeeded.emit(outcome.value)
        else:
            self.failed.emit(outcome.error)
        self.ended.emit()


def _pump(
    make: Callable[[], Generator[Progress, None, Any]], stop: threading.Event, generation: int
) -> Generator[tuple[int, Progress], None, _Outcome]:
    """Run a job to its end or until it is stopped. Errors are returned, none gets away."""
    last = 0.0
    steps = None
    read_in(Place.WINDOW)
    try:
        steps = make()
        while not stop.is_set():
            progress = next(steps)
            if progress.new is not None or time.monotonic() - last >= MIN_INTERVAL:
                last = time.monotonic()
                yield generation, progress
    except StopIteration as end:
        return _Outcome(generation, end.value)
    except Exception as error:  # whoever listens shows it to the user
        return _Outcome(generation, error=error)
    finally:
        if steps is not None:
            steps.close()
    return _Outcome(generation)
