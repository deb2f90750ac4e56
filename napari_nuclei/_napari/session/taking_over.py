"""`TakingOver`: reviews that another window had open are gone on with here once it is closed."""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from typing import TYPE_CHECKING

from qtpy.QtCore import QTimer

from .host import Host

if TYPE_CHECKING:
    from ...review import Review

EVERY_MS = 1000
"""How often it is looked."""

FREE = "This review is closed in the other window: you can change it here now."


class TakingOver:
    """Takes over what becomes free of the reviews that a host shows."""

    def __init__(self, host: Host) -> None:
        self._host = weakref.ref(host)
        self._timer = QTimer()
        self._timer.setInterval(EVERY_MS)
        self._timer.timeout.connect(self.look)
        host.changed.connect(self._on_changed)

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
        host = self._host()
        bridges = [] if host is None else list(host.bridges.values())
        reviews = (r for bridge in bridges for r in list(bridge.record.reviews.values()))
        return (r for r in reviews if r.read_only)

    def look(self) -> None:
        """Take over what is free now."""
        free = [review.take_over() for review in list(self._held())]
        host = self._host()
        if any(free) and host is not None:
            host.hint(FREE)
            host.changed.emit()
