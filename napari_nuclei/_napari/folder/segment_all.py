"""`SegmentAll`: all images of a workspace segmented in the background.

The thread steps back behind the reviewer's. A result for the item in view, or for one that is
read ahead, arrives on the main thread, to which these reviews belong; that of any other goes
into its review on the job's thread, which opens it for that and closes it again. Either way it
is one edit. Each start has a generation number; what is found after a Cancel is dropped.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, Qt, Signal  # type: ignore[attr-defined]

from ...errors import UserError
from ...images.planes import Plane
from ...nuclei.counts import Standing
from ...progress import Progress
from ...wording import Place, read_in
from ..background.runner import MIN_INTERVAL
from ..background.tasks import step_back
from ..segment.engine import Engine
from .folder import Folder
from .segment_job import FolderJob, Options

if TYPE_CHECKING:
    from ...prediction.predict import Prediction


Hears = Callable[[FolderJob, Any], None]
"""What hears something of a job, on the main thread."""


class SegmentAll(QObject):
    """Segments the images of a folder, one after the other.

    Signals, on the main thread: `progressed` (Progress) and `ended` (Summary).
    """

    progressed = Signal(object)
    ended = Signal(object)
    _said = Signal(int, object, object)

    def __init__(self, folder: Folder, engine: Engine, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.folder, self.engine = folder, engine
        self._generation = 0
        self._job: FolderJob | None = None
        self._empty: set[tuple[int, Plane, str]] = set()
        self._said.connect(self._on_said, Qt.ConnectionType.QueuedConnection)
        folder.opened.connect(self._empty.clear)
        folder.ending.connect(self.cancel)

    @property
    def running(self) -> bool:
        """Whether images are being segmented."""
        return self._job is not None

    def start(self, options: Options) -> None:
        """Segment all images that this model has not segmented yet."""
        self.cancel()
        folder = self.folder
        if folder.loader is None:
            return
        self._generation += 1
        voice = _Voice(self, self._generation)
        first = folder.current or 0
        job = FolderJob(folder.loader, self.engine, options, first, voice, self._empty)
        self._job = job
        threading.Thread(target=_run, args=(job, voice), name="nuclei-segment-all").start()

    def cancel(self) -> None:
        """Stop; what is under way is dropped, what is done stays."""
        job, self._job = self._job, None
        if job is not None:
            job.stop.set()
            self._generation += 1
            job.summary.stopped = "Cancelled"
            self.ended.emit(job.summary)

    # -- what the thread says ---------------------------------------------------------

    def say(self, generation: int, hear: Hears, value: Any) -> None:
        """Have something heard on the main thread."""
        with contextlib.suppress(RuntimeError):  # the window is gone
            self._said.emit(generation, hear, value)

    def _on_said(self, generation: int, hear: Hears, value: Any) -> None:
        if generation == self._generation and self._job is not None:
            hear(self._job, value)

    def on_step(self, job: FolderJob, value: Any) -> None:
        """The work has gone on."""
        self.progressed.emit(value)

    def on_counted(self, job: FolderJob, value: tuple[int, Standing]) -> None:
        """An image is as far as this."""
        self.folder.standings.set(dict([value]))
        self.folder.standings.set_problem(value[0], "")

    def on_failed(self, job: FolderJob, value: tuple[int, str]) -> None:
        """An image could not be segmented."""
        self.folder.standings.set_problem(*value)

    def on_told(self, job: FolderJob, value: str) -> None:
        """Something is to be said."""
        self.folder.session.announce(value)

    def on_found(self, job: FolderJob, value: tuple[int, Plane, Prediction]) -> None:
        """A plane has been segmented whose review is open."""
        self.folder.session.hand.when_free(partial(self._apply, job, value))

    def _apply(self, job: FolderJob, value: tuple[int, Plane, Prediction]) -> None:
        if job is not self._job:  # cancelled while it waited
            return
        number = value[0]
        try:
            self._put(job, *value)
        except UserError as error:
            job.refuse(number, str(error))
        else:
            self.folder.standings.set_problem(number, "")
        self.folder.standings.count([number])

    def _put(self, job: FolderJob, number: int, plane: Plane, result: Prediction) -> None:
        workspace, loader = self.folder.workspace, self.folder.loader
        assert workspace is not None
        assert loader is not None
        bridge = self.folder.bridge if number == self.folder.current else None
        if bridge is not None:
            at = plane if bridge.record.stack else ()
            job.put(bridge.review_at(at), number, plane, result)
        elif loader.wants(number):
            item = workspace.items[number]
            job.put(workspace.review(item.path, plane, item.part), number, plane, result)
        else:  # the reviewer has gone on meanwhile
            with loader.lock:
                item = workspace.items[number]
                job.put(workspace.review(item.path, plane, item.part), number, plane, result)
            loader.let_go(number)

    def on_end(self, job: FolderJob, value: Any) -> None:
        """The thread has come to its end."""
        self.folder.session.hand.when_free(partial(self._end, job))

    def _end(self, job: FolderJob) -> None:
        if job is self._job:
            self._job = None
            self.ended.emit(job.summary)


class _Voice:
    """What the thread says, with the number of its generation."""

    def __init__(self, target: SegmentAll, generation: int) -> None:
        self._target, self._generation = target, generation

    def _say(self, hear: Hears, value: Any = None) -> None:
        self._target.say(self._generation, hear, value)

    def step(self, progress: Progress) -> None:
        self._say(self._target.on_step, progress)

    def end(self) -> None:
        self._say(self._target.on_end)

    def found(self, number: int, plane: Plane, result: Prediction) -> None:
        self._say(self._target.on_found, (number, plane, result))

    def counted(self, number: int, standing: Standing) -> None:
        self._say(self._target.on_counted, (number, standing))

    def failed(self, number: int, reason: str) -> None:
        self._say(self._target.on_failed, (number, reason))

    def told(self, text: str) -> None:
        self._say(self._target.on_told, text)


def _run(job: FolderJob, voice: _Voice) -> None:
    """Do a job to its end, or until it is stopped."""
    step_back()
    read_in(Place.WINDOW)
    last = 0.0
    steps = job.steps()
    try:
        for progress in steps:
            if job.stop.is_set():
                break
            if time.monotonic() - last >= MIN_INTERVAL:
                last = time.monotonic()
                voice.step(progress)
    finally:
        steps.close()
        voice.end()
