"""`Offers`: reviews of the same content, which an image without one may begin with."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from napari.layers import Image

from ...atomic_files import unwritable
from ...journal import lost
from ...journal.fingerprint import Fingerprint
from ...journal.place import begun, kept_as
from ..background.tasks import Outcome, Tasks
from .host import Host
from .openers import file_of

if TYPE_CHECKING:
    from ..layers.bridge import Bridge

Taker = Callable[[Image, lost.Trace], bool]
"""Begins with a copy of what an image was offered, if the image is its own; says whether it is."""


class Offers:
    """What the images of a host may begin with.

    Attributes
    ----------
    takers : list of Taker
        Who is asked first, when a person takes an offer.
    """

    def __init__(self, host: Host) -> None:
        self._host = weakref.ref(host)
        self.takers: list[Taker] = []
        self._of: WeakKeyDictionary[Image, lost.Trace] = WeakKeyDictionary()
        self._tasks: Tasks | None = None

    def close(self) -> None:
        """Look for no more."""
        if self._tasks is not None:
            self._tasks.close()
            self._tasks = None

    # -- looking ----------------------------------------------------------------------

    def hash_first(self, image: Image) -> bool:
        """Have a large file hashed that seems to be a renamed one; whether that is to be done."""
        file = file_of(image)
        if file is None or lost.is_quick(kept_as(file)):
            return False
        self._do(image, partial(Fingerprint.of, kept_as(file)), self._on_hashed)
        return True

    def look(self, image: Image) -> None:
        """Look for reviews of the same content."""
        file = file_of(image)
        if file is not None and not begun(file) and lost.may_be_known(kept_as(file)):
            self._do(image, partial(first_trace, file), self._on_found)

    def _do(self, image: Image, task: Callable[[], Any], then: Callable[..., None]) -> None:
        if self._tasks is None:
            self._tasks = Tasks("nuclei-offers")
        self._tasks.do(task, partial(then, weakref.ref(image)))

    def _on_hashed(self, image: weakref.ref[Image], outcome: Outcome) -> None:
        host, layer = self._host(), image()
        if host is not None and layer is not None:
            host.look_again(layer)

    def _on_found(self, image: weakref.ref[Image], outcome: Outcome) -> None:
        host, layer = self._host(), image()
        if host is not None and layer is not None:
            self.put(layer, outcome.value)
            host.changed.emit()

    def put(self, image: Image, trace: lost.Trace | None) -> None:
        """Note what an image may begin with."""
        if trace is not None:
            self._of[image] = trace

    # -- what there is ----------------------------------------------------------------

    def of(self, image: Image | None) -> lost.Trace | None:
        """Return what an image may begin with, as long as nothing was done to it."""
        host = self._host()
        trace = None if image is None else self._of.get(image)
        if trace is None or host is None:
            return None
        record = host.record_of(image)
        reviews = [] if record is None else record.reviews.values()
        journals = [review.journal for review in reviews]
        new = all(j is not None and not j.read_only and not j.count for j in journals)
        return trace if new and (record is None or record.borrowed) else None

    def accept(self, image: Image) -> Bridge | None:
        """Have an image go on with a copy of the review that it was offered.

        Raises
        ------
        UserError
            If it cannot be written.
        """
        host, trace = self._host(), self.of(image)
        if host is None or trace is None:
            return None
        del self._of[image]
        if any(taker(image, trace) for taker in self.takers):
            return None
        file = file_of(image)
        if file is not None:
            copy(trace, file)
        return host.look_again(image)


def first_trace(file: Path) -> lost.Trace | None:
    """Return the review of the same content that is offered: the one that was changed last."""
    found = lost.traces(kept_as(file))
    return max(found, key=lambda t: t.journals[0].stat().st_mtime_ns, default=None)


def copy(trace: lost.Trace, file: Path) -> None:
    """Copy a review to another image. Raises `UserError` if it cannot be written."""
    try:
        lost.copy(trace, kept_as(file))
    except OSError as error:
        raise unwritable(file, error) from error
