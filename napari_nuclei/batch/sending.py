"""Images and tiles on their way to a cluster and back; the same nuclei as without one.

Importing this needs `distributed`.
"""

from __future__ import annotations

import time
from asyncio import CancelledError
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from distributed import KilledWorker
from numpy.typing import NDArray

from ..errors import UserError
from ..prediction.suppress import Joining, ScoredMask, best_first
from ..progress import Progress
from .batch import Failed, Segmented, Settings, lowest, opened, proposed
from .cluster import Cluster
from .resume import Finished
from .worker import ImageJob, Layout, Trouble, Whole, look_at_image, look_at_tile

PER_WORKER = 2
"""Tasks on their way for each worker: one at work, one that waits or reads. No more, since each
holds pixels there and an answer here."""

PAUSE, TELL = 0.02, 0.3
"""Seconds between two looks at what has come, and between two words about it."""


def segment_files(
    cluster: Cluster,
    paths: Sequence[Path],
    settings: Settings | None = None,
    finished: Finished | None = None,
    side: int | None = None,
) -> Iterator[Progress]:
    """Segment images; as `batch.segment_files`, but in the order in which they are done."""
    return Sending(cluster, paths, settings or Settings(), finished, side).steps()


class Sending:
    """One run over images; see `segment_files`."""

    def __init__(
        self,
        cluster: Cluster,
        paths: Sequence[Path],
        settings: Settings,
        finished: Finished | None,
        side: int | None,
    ) -> None:
        self._cluster, self._settings, self._finished, self._side = (
            cluster, settings, finished, side,
        )  # fmt: skip
        self._total = len(paths)
        self._coming = iter(paths)
        self._tiles: deque[_Task] = deque()
        self._flying: dict[Any, _Task] = {}
        self._over = 0

    def steps(self) -> Iterator[Progress]:
        """Send, wait and join until all images are done or have failed."""
        told = 0.0
        try:
            while True:
                for known in self._send():
                    yield self._report(known)
                if not self._flying:
                    return
                landed = [f for f in self._flying if f.status not in ("pending", "lost")]
                for future in landed:
                    result = self._receive(self._flying.pop(future), future)
                    if result is not None:
                        yield self._report(result)
                if landed or time.monotonic() < told + TELL:
                    time.sleep(0 if landed else PAUSE)
                    continue
                told = time.monotonic()
                yield self._progress()
        finally:
            self._cluster.cancel(list(self._flying))

    # -- what is sent ---------------------------------------------------------------------

    def _send(self) -> Iterator[Segmented]:
        """Send what there is room for; yield what needs no sending."""
        room = PER_WORKER * max(1, self._cluster.workers()) - len(self._flying)
        while room > 0:
            task = self._next()
            if task is None:
                return
            if isinstance(task, Segmented):
                yield task
                continue
            image, layout = task.image, task.image.layout
            if task.tile is None or layout is None:
                future = self._cluster.submit(look_at_image, image.job)
            else:
                tile = layout.tiles[task.tile]
                bare = replace(layout, tiles=[], cores=[])
                future = self._cluster.submit(look_at_tile, image.job, bare, tile)
            self._flying[future] = task
            room -= 1

    def _next(self) -> _Task | Segmented | None:
        """Return the next tile of an image that is begun, or else the next image."""
        while self._tiles:
            task = self._tiles.popleft()
            if not task.image.over:
                return task
        path = next(self._coming, None)
        if path is None:
            return None
        known = self._finished.get(path) if self._finished is not None else None
        if known is not None:
            return Segmented(path, self._pixels(path), *known, earlier=True)
        there, sizes = path.absolute(), self._settings.sizes
        own = replace(self._settings, sizes={there: sizes[path]} if path in sizes else {})
        job = ImageJob(there, own, lowest(self._cluster.card, own), self._side)
        return _Task(_Image(path, job))

    def _pixels(self, path: Path) -> NDArray[Any]:
        later: Any = _Later(path, self._settings)
        return later  # type: ignore[no-any-return]

    # -- what comes back ------------------------------------------------------------------

    def _receive(self, task: _Task, future: Any) -> Segmented | Failed | None:
        """Take an answer; return an image that is over with it."""
        image = task.image
        if image.over:
            return None
        if future.status == "error":
            return self._failed(image, _why(future.exception(), image.path))
        try:
            answer = future.result()
        except (CancelledError, OSError):
            raise UserError(
                "the connection to the cluster is lost. Run the same command again to continue."
            ) from None
        if isinstance(answer, Trouble):
            return self._failed(image, answer.reason)
        if isinstance(answer, Whole):
            return self._done(image, answer.shape, answer.found, answer.diameter)
        if isinstance(answer, Layout):
            image.begin(answer)
            self._tiles += [_Task(image, number) for number in range(len(answer.tiles))]
            return None
        assert task.tile is not None
        return self._tile(image, task.tile, answer)

    def _tile(self, image: _Image, number: int, found: list[ScoredMask]) -> Segmented | None:
        assert image.layout is not None
        assert image.joining is not None
        image.found += image.joining.add(number, found)
        image.done += 1
        if image.done < len(image.layout.tiles):
            return None
        layout = image.layout
        return self._done(image, layout.shape, best_first(image.found), layout.diameter)

    def _done(
        self, image: _Image, shape: tuple[int, int], found: list[ScoredMask], diameter: float
    ) -> Segmented:
        image.over = True
        nuclei = proposed(shape, found, self._cluster.card, self._settings)
        return Segmented(image.path, self._pixels(image.path), nuclei, diameter)

    def _failed(self, image: _Image, reason: str) -> Failed:
        image.over = True
        self._cluster.cancel([f for f, task in self._flying.items() if task.image is image])
        return Failed(image.path, reason.replace(str(image.job.path), str(image.path)))

    # -- what is told ---------------------------------------------------------------------

    def _report(self, result: Segmented | Failed) -> Progress:
        self._over += 1
        return Progress(self._over, self._total, result.path.name, result)

    def _progress(self) -> Progress:
        begun = dict.fromkeys(t.image for t in (*self._flying.values(), *self._tiles))
        shares = sum(image.share for image in begun)
        message = next((t.image.path.name for t in self._flying.values()), "")
        if not self._cluster.workers():
            message = "Waiting for workers"
        return Progress(self._over + shares, self._total, message)


@dataclass(slots=True, eq=False)
class _Image:
    """An image on its way."""

    path: Path
    job: ImageJob
    layout: Layout | None = None
    joining: Joining | None = None
    done: int = 0
    found: list[ScoredMask] = field(default_factory=list)
    over: bool = False

    def begin(self, layout: Layout) -> None:
        """Get ready for its tiles."""
        self.layout, self.joining = layout, Joining(layout.cores, layout.reach)

    @property
    def share(self) -> float:
        """How much of it is done."""
        if self.over or self.layout is None:
            return 0.0
        return self.done / len(self.layout.tiles)


@dataclass(frozen=True, slots=True)
class _Task:
    """An image, or one of its tiles."""

    image: _Image
    tile: int | None = None


class _Later:
    """An image's pixels, read here when somebody wants them."""

    def __init__(self, path: Path, settings: Settings) -> None:
        self._path, self._settings = path, settings

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        return np.asarray(opened(self._path, self._settings).levels[0], dtype)


def _why(error: BaseException | None, path: Path) -> str:
    if isinstance(error, KilledWorker):
        return (
            f"{path}: {error.allowed_failures + 1} workers died while working on it, most likely "
            "out of memory. Give each worker more, or run fewer on a machine."
        )
    said = " ".join(str(error).split())[:200]
    return f"{path}: failed on a worker: {type(error).__name__}: {said}"
