"""How long a piece of long work will still take, in words. No Qt."""

from __future__ import annotations

import time

from ..progress import Progress

SOON = 5.0
"""Seconds below which nothing is said: it would be over before it is read."""


class TimeLeft:
    """Watches the progress of one piece of work."""

    def __init__(self) -> None:
        self._began: tuple[float, float] | None = None

    def words(self, progress: Progress) -> str:
        """Return what to add to a line on the work; empty as long as nothing can be told."""
        if not progress.total:
            return ""
        now = time.monotonic()
        if self._began is None:
            self._began = now, progress.done
        began, first = self._began
        if progress.done <= first:
            return ""
        seconds = (now - began) / (progress.done - first) * (progress.total - progress.done)
        return f" · about {spoken(seconds)} left" if seconds >= SOON else ""


def spoken(seconds: float) -> str:
    """Say a length of time as a person would."""
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    if seconds < 5400:
        return f"{round(seconds / 60)} min"
    return f"{seconds / 3600:.1f} h"
