"""`Tasks`: small pieces of work on threads, whose results come to the main thread."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from qtpy.QtCore import QObject, Qt, Signal  # type: ignore[attr-defined]

from ...wording import Place, read_in

NICE = 10
"""How far a thread steps back behind those that a person waits for."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a task: its value, or why there is none."""

    value: Any = None
    error: Exception | None = None


Then = Callable[[Outcome], None]


class Tasks(QObject):
    """Does tasks one after the other on a few threads of its own.

    Parameters
    ----------
    name : str
        Of the threads.
    threads : int
        How many tasks are under way at once.
    """

    _done = Signal(object, object)

    def __init__(self, name: str, threads: int = 1, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._pool = ThreadPoolExecutor(threads, name)
        self._closed = False
        self._done.connect(self._on_done, Qt.ConnectionType.QueuedConnection)

    def do(self, task: Callable[[], Any], then: Then | None = None) -> None:
        """Do a task on a thread; `then` is called with its outcome on the main thread."""
        if not self._closed:
            self._pool.submit(self._run, task, then)

    def close(self) -> None:
        """Forget what is waiting, and wait for what is under way."""
        self._closed = True
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _run(self, task: Callable[[], Any], then: Then | None) -> None:
        read_in(Place.WINDOW)
        try:
            outcome = Outcome(task())
        except Exception as error:  # whoever asked says it to the person
            outcome = Outcome(error=error)
        if then is not None:
            with contextlib.suppress(RuntimeError):  # the window is gone
                self._done.emit(then, outcome)

    def _on_done(self, then: Then, outcome: Outcome) -> None:
        if not self._closed:
            then(outcome)


def step_back() -> None:
    """Let the calling thread, and those it starts, wait for others where the system can do that.

    It lasts as long as the thread, so only a thread of one's own may ask for it.
    """
    if sys.platform == "linux":  # elsewhere it would be the whole process
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICE)
