"""How long a piece of long work will still take, in words. No Qt."""

from __future__ import annotations

import time

from ...progress import Progress

SOON = 5.0
"""Seconds below which nothing is said: it would be over before it is read."""


class TimeLeft:
    """Watches the progress of one piece of work.

    Parameters
    ----------
    least : float
        How much must have been done before anything is told.
    """

    def __init__(self, least: float = 0.0) -> None:
        self._least = least
        self._began: tuple[float, float] | None = None

    def text(self, progress: Progress) -> str:
        """Return what to add to a line on the work; empty as long as nothing can be told."""
        seconds = self.seconds(progress)
        if seconds is None or seconds < SOON:
            return ""
        return f" · about {spoken(seconds)} left"

    def seconds(self, progress: Progress) -> float | None:
        """Return how long it will still take; None as long as nothing can be told."""
        if not progress.total:
            return None
        now = time.monotonic()
        if self._began is None:
            self._began = now, progress.done
        began, first = self._began
        done = progress.done - first
        if done <= 0 or done < self._least:
            return None
        return (now - began) / done * (progress.total - progress.done)


def spoken(seconds: float) -> str:
    """Say a length of time as a person would."""
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    if seconds < 5400:
        return f"{round(seconds / 60)} min"
    return f"{seconds / 3600:.1f} h"
