"""What long work yields while it runs."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import Any, TypeVar

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a piece of long work is.

    Attributes
    ----------
    done, total : float
        In whatever unit `total` has; `total` 0 means not yet known.
    message : str
        What is being done, for a person.
    new : object
        What has become ready since the last one, or None.
    """

    done: float
    total: float
    message: str = ""
    new: Any = None


def result_of(steps: Generator[Progress, None, Result]) -> Result:
    """Run long work to its end and return its value."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            result: Result = end.value
            return result


def within(
    steps: Generator[Progress, None, Result], done: float, total: float, message: str
) -> Generator[Progress, None, Result]:
    """Report long work as one unit of a longer one, of which `done` units lie behind."""
    while True:
        try:
            step = next(steps)
        except StopIteration as end:
            result: Result = end.value
            return result
        share = min(1.0, step.done / step.total) if step.total else 0.0
        yield Progress(done + share, total, message)
