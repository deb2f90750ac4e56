"""`TakingOver`: reviews that another window had open are gone on with here once it is closed.

Here: looking every second whether one is free. Not here: locks (`journal/place.py`), reading it
anew (`review.py`).
"""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from typing import TYPE_CHECKING

from qtpy.QtCore import QTimer

if TYPE_CHECKING:
    from ..review import Review
    from .session import Session

EVERY_MS = 1000
"""How often it is looked."""

FREE = "The other window has let go of this review: you can change it here now."


class TakingOver:
    """Takes over what becomes free of the reviews that a session shows."""

    def __init__(self, session: Session) -> None:
        self._session = weakref.ref(session)
        self._timer = QTimer()
        self._timer.setInterval(EVERY_MS)
        self._timer.timeout.connect(self.look)
        session.changed.connect(self._on_changed)

    def close(self) -> None:
        """Look no more."""
        self._timer.stop()

    def _on_changed(self) -> None:
        waits = next(self._held(), None) is not None
        if waits and not self._timer.isActive():
            self._timer.start()
        elif not waits:
            self._timer.stop()

    def _held(self) -> Iterator[Review]:
        session = self._session()
        bridges = [] if session is None else list(session.bridges.values())
        reviews = (r for bridge in bridges for r in list(bridge.record.reviews.values()))
        return (r for r in reviews if r.read_only)

    def look(self) -> None:
        """Take over what is free now."""
        free = [review.take_over() for review in list(self._held())]
        session = self._session()
        if any(free) and session is not None:
            session.hint(FREE)
            session.changed.emit()
